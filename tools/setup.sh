#!/usr/bin/env bash
# Makes the environment from requirements.lock, once for a given lock and pyproject.toml.
# Usage: tools/setup.sh <environment folder> <stamp file>
set -euo pipefail
venv=$1 stamp=$2

is_new_enough() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
  local name
  for name in ${PYTHON:-} python3 python3.12 python3.11 python3.13 python; do
    if command -v "$name" >/dev/null && is_new_enough "$name"; then
      echo "$name"
      return
    fi
  done
  echo "saebook needs Python 3.11, 3.12 or 3.13; found $(python3 --version 2>&1 || echo none)." >&2
  echo "Install one of them, or name it: make PYTHON=/where/it/is/python3.12 book" >&2
  return 1
}

key=$(cat requirements.lock pyproject.toml | git hash-object --stdin)
if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then
  touch "$stamp" # dates moved, contents did not
  exit 0
fi
if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python"; }; then
  python=$(find_python)
  echo "Making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
fi
rm -f "$stamp"
echo "Installing requirements.lock into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
echo "$key" >"$stamp.part"
mv "$stamp.part" "$stamp"
