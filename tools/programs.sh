#!/usr/bin/env bash
# Install the programs that tests compare with or look through; tests that need a missing one are skipped, and say so.
set -euo pipefail

missing=()
command -v dciodvfy >/dev/null || missing+=(dicom3tools)
command -v tesseract >/dev/null || missing+=(tesseract-ocr)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]} (once) …"
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update && apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 && exit 0
  tail -3 "$log" >&2
fi
echo "hemalake: some tests are skipped without ${missing[*]} (Debian: apt-get install ${missing[*]})." >&2
