#!/usr/bin/env bash
# Renew constraints.txt: every version that setup.cfg resolves to, on Python 3.11.
set -euo pipefail
.venv/bin/uv pip compile --quiet --python-version 3.11 --extra test --excludes tools/excludes.txt \
  --no-annotate --no-header --output-file constraints.txt setup.cfg
echo "uv==$(.venv/bin/uv --version | cut -d' ' -f2)" >>constraints.txt
