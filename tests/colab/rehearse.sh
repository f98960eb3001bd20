#!/usr/bin/env bash
# Runs the notebooks as a visitor does: on the built wheel alone, in a clean environment, each from
# an empty folder with parameters of one's own.
# Usage: tests/colab/rehearse.sh [slug ...]          all chapters by default
# Needs a package index (or PIP_FIND_LINKS, a folder of wheels) and some 2 GB; not part of the
# tests for that. WORK names a folder to keep and use again, else a temporary one is removed.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD python=${PYTHON:-.venv/bin/python}
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 SAEBOOK_CACHE=$work/cache PYTHONNOUSERSITE=1
unset PYTHONPATH SAEBOOK_RESULTS_DIR

echo "Building the wheel"
rm -rf "$work/wheel" "$work/runs"
"$python" -m pip wheel --quiet --no-deps --no-build-isolation -w "$work/wheel" .
wheel=$(echo "$work"/wheel/saebook-*.whl)

if [ ! -x "$work/venv/bin/papermill" ]; then
  echo "Installing what the core needs, and papermill, into a clean environment"
  "$python" -m venv --clear "$work/venv"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint requirements.lock "$wheel" papermill ipykernel
fi
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  --no-deps --force-reinstall "$wheel"
visitor=$work/venv/bin/python
notebooks=$(cd "$work" && "$visitor" -c 'from saebook import paths
assert paths.checkout_root() is None, "the checkout is used, not the wheel"
print(paths.notebooks_dir())')

before=$(git status --porcelain | sort)
failed=()
for notebook in "$notebooks"/[0-9]*.ipynb; do
  slug=$(basename "$notebook" .ipynb | cut -d_ -f2)
  [ $# -eq 0 ] || [[ " $* " == *" $slug "* ]] || continue
  folder=$work/runs/$slug
  mkdir -p "$folder"
  cp "$notebook" "$folder/mine.ipynb"
  echo "Running $slug"
  started=$SECONDS
  (cd "$folder" && "$visitor" -m papermill mine.ipynb out.ipynb --no-progress-bar \
    -f "$notebooks/tiers/smoke/$slug.yaml" -p seed 1 >log.txt 2>&1) &&
    "$visitor" - "$folder" "$slug" "$root" <<'PY' || failed+=("$slug")
import json, sys
from pathlib import Path

folder, slug, root = Path(sys.argv[1]), *sys.argv[2:]
held = json.loads((folder / f"{slug}.json").read_text(encoding="utf-8"))
assert (held["tier"], held["seed"]) == ("smoke", 1), (held["tier"], held["seed"])
assert root not in (folder / "out.ipynb").read_text(encoding="utf-8"), "a path of the checkout"
PY
  echo "  $((SECONDS - started)) s; $(cd "$folder" && ls -m)"
done
if [ "$before" != "$(git status --porcelain | sort)" ]; then
  echo "files of the checkout changed while the notebooks ran; was it somebody else?" >&2
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}; the last lines of each log:" >&2
  for slug in "${failed[@]}"; do tail -n 5 "$work/runs/$slug/log.txt" >&2; done
  exit 1
fi
echo "Every notebook ran, and left its results beside its output"
