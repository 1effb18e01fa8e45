#!/usr/bin/env bash
# Fetch what a lake on S3 needs (`client`), and for the tests an S3 server (`server`), by Maven coordinates.
set -euo pipefail
venv=${1:?usage: s3.sh VENV CONFIGURATION}
which=${2:?usage: s3.sh VENV CONFIGURATION}
spark_jars=$("$venv/bin/python" -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent / "jars")')
java -cp "$spark_jars/*" org.apache.ivy.Main -ivy tools/s3.xml -confs "$which" -types jar bundle \
  -retrieve "$venv/s3/[conf]/[artifact]-[revision].[ext]" >"$venv/s3-$which.log" 2>&1 \
  || { echo "hemalake: cannot fetch the S3 JARs from Maven Central: is there a network? Details are in $venv/s3-$which.log." >&2; exit 1; }
