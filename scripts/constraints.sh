#!/bin/sh
# Writes constraints.txt anew: the newest versions that pyproject.toml allows, as they are installed in a
# fresh environment. Run it on purpose, then `make test`, then commit both.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${PYTHON:-python3} -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[dev]" </dev/null
{
    printf '# Locked versions for development and CI, written by `make constraints`. Names no registry.\n'
    "$work/venv/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable
} >"$work/constraints.txt"
mv "$work/constraints.txt" constraints.txt
