"""Everything that must hold before a change goes in: style, types, layers, spelling, tests, coverage.

`checks.py lint` runs what reads the sources; `checks.py test` that and the tests; `checks.py long` the long
tests alone. Every check is run even when one before it failed, so that one run shows all there is to mend.
Exit code: 0 when all held, else 1. Further arguments go to pytest (`make test ARGS="-k fold"`).
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent

Command = tuple[str, ...]

LINT: dict[str, Command] = {
    "ruff": ("ruff", "check", "."),
    "format": ("ruff", "format", "--check", "."),
    "types": ("mypy",),
    "layers": ("lint-imports",),
    "spelling": ("codespell",),
}
#: Many tests wait for peers more than they compute, so there are two processes for each core.
PROCESSES = min(8, 2 * len(os.sched_getaffinity(0)))
#: A file stays whole: its tests share started servers. Files go out in the order of their names, so those
#: with slow tests (integration, store) come first and hundreds of short ones (unit) fill the end.
TESTS = (
    "pytest",
    *(f"--numprocesses={PROCESSES}", "--dist=loadfile", "--no-loadscope-reorder"),
    *("--cov", "--cov-report=", "-m", "not long", "--durations=15"),
)
FLOORS = ("python", "scripts/floors.py")
LONG = ("pytest", "-m", "long", "--timeout=3600", "--hypothesis-profile=long")


def run(name: str, command: Command) -> bool:
    """Run one check in the project's folder with its output shown; True when it held."""
    print(f"\n== {name}: {' '.join(command)}", flush=True)
    environment = os.environ | {"PATH": f"{TOOLS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(
        (str(TOOLS / command[0]), *command[1:]),
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0


def plan(kind: str, further: Command) -> dict[str, Command]:
    """Which checks `kind` stands for, in order."""
    if kind == "lint":
        return LINT
    if kind == "test":
        # A part of the tests says nothing about coverage.
        return LINT | {"tests": TESTS + further} | ({} if further else {"coverage": FLOORS})
    if kind == "long":
        return {"long tests": LONG + further}
    message = "usage: checks.py lint|test|long [arguments for pytest]"
    raise SystemExit(message)


def main() -> int:
    """Run the checks asked for and print what became of each."""
    started = time.monotonic()
    results: dict[str, tuple[bool, float]] = {}
    for name, command in plan(sys.argv[1] if len(sys.argv) > 1 else "", tuple(sys.argv[2:])).items():
        begun = time.monotonic()
        results[name] = (run(name, command), time.monotonic() - begun)
    print("\n== summary")
    for name, (held, seconds) in results.items():
        print(f"  {name:<12} {'ok' if held else 'FAILED':<8} {seconds:6.1f} s")
    print(f"  in all                {time.monotonic() - started:6.1f} s")
    return 0 if all(held for held, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
