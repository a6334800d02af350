#!/bin/sh
# Writes constraints.txt anew: the newest versions that pyproject.toml allows and that the oldest Python of
# `requires-python` takes, as they are installed in a fresh environment. Run it on purpose, then `make test`,
# then commit both.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
oldest=$(sed -n 's/^requires-python = ">=\([0-9.]*\)".*/\1.0/p' pyproject.toml)
${PYTHON:-python3} -m venv "$work/venv"
: >"$work/too-new.txt"
while :; do
    PIP_CONSTRAINT=$work/too-new.txt "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --upgrade --upgrade-strategy eager --editable ".[dev]" </dev/null
    # A release may ask for a later patch of that Python: Debian 12 has 3.11.2, and some want 3.11.5.
    "$work/venv/bin/python" - "$oldest" >"$work/found.txt" <<'PYTHON'
import sys
from importlib.metadata import distributions
from pip._vendor.packaging.specifiers import SpecifierSet

for one in distributions():
    if not SpecifierSet(one.metadata["Requires-Python"] or "").contains(sys.argv[1]):
        print(f"{one.metadata['Name']}<{one.version}")
PYTHON
    [ -s "$work/found.txt" ] || break
    cat "$work/found.txt" >>"$work/too-new.txt"
done
{
    printf '# Locked versions for development and CI, written by `make constraints`. Names no registry.\n'
    "$work/venv/bin/python" -m pip freeze --disable-pip-version-check --exclude-editable
} >"$work/constraints.txt"
mv "$work/constraints.txt" constraints.txt
