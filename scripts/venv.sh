#!/bin/sh
# Makes or refreshes .venv: `scripts/venv.sh run` for the gateway alone, `scripts/venv.sh dev` with the tools too.
#
# Does nothing when what it depends on (pyproject.toml, constraints.txt, this file, the folder, the interpreter)
# is as it was at the last success. Needs the package registry only when something has to be installed.
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-dev}
venv=$PWD/.venv
enough='import sys; sys.exit(sys.version_info < (3, 11))'

die() {
    printf '\n%s\n\n' "$*" >&2
    exit 1
}

python=
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$enough" 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || die "CareerRelay needs Python 3.11 or newer; found: $(${PYTHON:-python3} --version 2>&1 || true).
Debian 12, Ubuntu 24.04 and later have it: apt-get install python3 python3-venv
Elsewhere name one that is new enough: make PYTHON=/path/to/python3.12 ${MAKECMDGOALS:-test}"
# With .venv activated it is .venv's own, which can't make itself anew: the one behind it can.
python=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
"$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot make virtual environments.
On Debian and Ubuntu: apt-get install python3-venv"

wanted=$({ printf '%s\n' "$venv"; "$python" -c 'import sys; print(sys.executable, sys.version)'; cat pyproject.toml constraints.txt scripts/venv.sh; } | cksum)
stamp() { cat "$venv/.ready-$1" 2>/dev/null || true; }

# What the tools need contains what the gateway needs.
[ "$(stamp dev)" = "$wanted" ] && exit 0
[ "$kind" = run ] && [ "$(stamp run)" = "$wanted" ] && exit 0

case $kind in
run) extra= ;;
dev) extra='[dev]' ;;
*) die "usage: scripts/venv.sh run|dev" ;;
esac

printf 'Setting up .venv (%s) with %s ...\n' "$kind" "$("$python" --version)" >&2
# Another interpreter or folder: the programs in .venv point to what is no longer there.
if [ -d "$venv" ] && [ "$(cat "$venv/.made-by" 2>/dev/null || true)" != "$python $venv" ]; then
    rm -rf "$venv"
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
printf '%s %s\n' "$python" "$venv" >"$venv/.made-by"
rm -f "$venv/.ready-run" "$venv/.ready-dev"
PIP_CONSTRAINT=$PWD/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 \
    "$venv/bin/python" -m pip install --quiet --editable ".$extra" </dev/null ||
    die "The packages could not be installed; pip's message above says why. Without the package registry nothing new can be set up."
# The packs that belong into a wheel were copied there as well; in a checkout rules/ itself is used.
rm -rf "$venv"/lib/python3.*/site-packages/gateway
printf '%s\n' "$wanted" >"$venv/.ready-$kind"
