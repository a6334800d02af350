"""Coverage-guided fuzzing with atheris, a little in each `make test` and more in `make test-long`.

What must hold is in `targets.py`, the program in scripts/fuzz.py. An input that breaks a promise is shown,
and stays in artefacts/fuzz/; `scripts/fuzz.py TARGET FILE` runs it again.
"""

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.targets import BYTE_SECONDS, START_SECONDS, TARGETS, BrokenPromiseError, bounded, seeds

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "artefacts" / "fuzz"
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason=f"atheris has no wheel for Python {sys.version_info[0]}.{sys.version_info[1]} on this machine",
)

SHORT = {"mail": 2_500, "pumped": 400, "content": 2_000, "replies": 1_000, "commands": 2_000}
"""Inputs in each `make test`: the same each time, however fast the machine is, so that red stays red."""
LONG = {"mail": 900, "pumped": 600, "content": 120, "replies": 120, "commands": 120}
"""Seconds in `make test-long`, which begins with what it has learnt before."""

MARGIN = 100
"""Seconds for the fuzzer to begin and to end."""


def fuzz(target: str, *options: str, patience: float) -> None:
    """Run the fuzzer for so many seconds at most, and fail with the end of what it says."""
    # It counts what is reached by itself; coverage.py on top would take most of the time.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    command = [sys.executable, "scripts/fuzz.py", target, *options]
    done = subprocess.run(
        [*command, f"--found={KEPT}"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=patience,
        check=False,
    )
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said[-4000:]
    runs = [int(line.split(":")[-1]) for line in said.splitlines() if "number_of_executed_units" in line]
    assert runs
    assert runs[0] > len(seeds(target)), "nothing but the seeds was run"


@needs_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_short(target: str) -> None:
    """Some inputs, the same each time: what breaks at once breaks here."""
    fuzz(target, f"--runs={SHORT[target]}", "--seconds=600", "--seed=1", patience=110)


@needs_atheris
@pytest.mark.long
@pytest.mark.parametrize(
    "target", [pytest.param(each, marks=pytest.mark.timeout(LONG[each] + 2 * MARGIN)) for each in TARGETS]
)
def test_long(target: str) -> None:
    """As long as there is time, with a corpus that grows from run to run."""
    seconds, corpus = LONG[target], KEPT / f"corpus-{target}"
    fuzz(target, f"--seconds={seconds}", f"--corpus={corpus}", patience=seconds + MARGIN)


WANTED = {
    "mail": {"edited": 140},
    "pumped": {"edited": 50},
    "content": {"content": 6, "bare": 3},
    "replies": {"replies": 6, "refused": 1},
    "commands": {"path": 6, "command": 1},
}


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    """Without atheris, too: every seed keeps the promises, and many get to the end of the road."""
    outcomes = Counter(TARGETS[target](seed) for seed in seeds(target))
    assert {
        outcome: outcomes[outcome] >= least for outcome, least in WANTED[target].items()
    } == dict.fromkeys(WANTED[target], True)


def test_every_target_has_its_time() -> None:
    """No target is left out of a run, and each short one gets beyond its seeds."""
    assert set(SHORT) == set(LONG) == set(WANTED) == set(TARGETS)
    assert [target for target in TARGETS if SHORT[target] <= len(seeds(target))] == []


def test_what_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on time can fail: something quadratic is told from something linear."""
    seconds = iter(range(0, 100, 4))
    monkeypatch.setattr("time.process_time", lambda: next(seconds))
    assert START_SECONDS + BYTE_SECONDS * 1000 < 4
    with pytest.raises(BrokenPromiseError, match=r"1000 octets took 4\.0 s"):
        bounded(lambda _: "", bytes(1000))


@needs_atheris
def test_a_broken_promise_fails(tmp_path: Path) -> None:
    """The fuzzer's exit code and last words say so when a target raises."""
    program = tmp_path / "fuzz.py"
    breaking = "targets.TARGETS = {'mail': lambda data: targets.promise(False, 'never held')}\n"
    source = (
        (ROOT / "scripts/fuzz.py").read_text("utf-8").replace("MAX_LENGTH = ", breaking + "MAX_LENGTH = ")
    )
    program.write_text(source.replace("Path(__file__).resolve().parent.parent", f"Path({str(ROOT)!r})"))
    done = subprocess.run(
        [sys.executable, str(program), "mail", "--seconds=5", f"--found={tmp_path}"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith("COV")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "never held" in done.stdout + done.stderr
    assert list(tmp_path.glob("mail-crash-*"))
