#!/usr/bin/env bash
# Make the virtual environment and fetch Delta's JARs. Says in one line what is missing.
set -euo pipefail
venv=${1:?usage: setup.sh VENV}
python=${PYTHON:-python3.11}

fail() { echo "hemalake: $*" >&2; exit 1; }

command -v "$python" >/dev/null || python=python3
command -v "$python" >/dev/null || fail "Python 3.11 is missing. Install it (Debian: apt-get install python3 python3-venv)."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$("$python" --version) is too old. Install Python 3.11 and say PYTHON=/path/to/python3.11."
command -v java >/dev/null || fail "Java is missing. Install Java 17 (Debian: apt-get install openjdk-17-jre-headless)."
java_version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
[ "${java_version:-0}" -ge 17 ] || fail "Java ${java_version:-?} is too old. Install Java 17 (Debian: apt-get install openjdk-17-jre-headless)."

if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" || fail "cannot make a virtual environment. Install its module (Debian: apt-get install python3-venv)."
fi
log=$venv/setup.log
echo "Setting up $venv (once; about a minute) …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt uv >"$log" 2>&1 \
  || fail "cannot install packages: is there a network? Details are in $log."
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c constraints.txt --excludes tools/excludes.txt --compile-bytecode -e '.[test]' >>"$log" 2>&1 \
  || fail "cannot install packages: is there a network? Details are in $log."

# The two JARs that Delta needs, by Maven coordinates, with the Ivy that PySpark carries.
spark_jars=$("$venv/bin/python" -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent / "jars")')
while read -r group artifact version; do
  [ -n "$group" ] || continue
  [ -f "$venv/jars/$artifact-$version.jar" ] && continue
  java -cp "$spark_jars/*" org.apache.ivy.Main -notransitive -confs default -dependency "$group" "$artifact" "$version" \
    -retrieve "$venv/jars/[artifact]-[revision].[ext]" >>"$log" 2>&1 \
    || fail "cannot fetch $group:$artifact:$version from Maven Central: is there a network? Details are in $log."
done <tools/jars.txt
