"""Coverage-guided fuzzing of what reads hostile octets, with atheris: `fuzz.py TARGET --seconds N`.

With `--runs` and `--seed` the inputs are the same each time, on a slow machine too.

Targets and what must hold for them are in tests/fuzz/targets.py. An input that breaks a promise is written
into the folder `--found` and its traceback printed; the exit code is then not 0. `--corpus` keeps what was
learnt, so that the next run begins there. `fuzz.py TARGET FILE...` runs inputs again.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# Before anything of the gateway is imported: what is imported here is rewritten to tell what it reaches.
with atheris.instrument_imports(include=["gateway", "tests.fuzz"]):
    from tests.fuzz import targets

MAX_LENGTH = 16 * 1024
MEMORY_MB = 2_048
SECONDS_EACH = 60
"""For a single input: the targets' own bound is far below, and says more."""


def arguments(command: Sequence[str]) -> argparse.Namespace:
    """What the person, or the test, asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(targets.TARGETS))
    parser.add_argument("inputs", nargs="*", type=Path, help="run only these, and end")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=-1, help="end after so many inputs; default: no bound")
    parser.add_argument("--corpus", type=Path, help="folder that keeps interesting inputs (default: none)")
    parser.add_argument("--found", type=Path, default=Path("artefacts/fuzz"), help="folder for what fails")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations; 0 for a new one each time")
    return parser.parse_args(command)


def quoted(word: bytes) -> str:
    """A word as libFuzzer's dictionaries want it."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n'


def main(command: Sequence[str]) -> int:
    """Fuzz until time or runs are up; libFuzzer ends the process by itself."""
    asked = arguments(command)
    target = targets.TARGETS[asked.target]
    if asked.inputs:
        for path in asked.inputs:
            print(path, target(path.read_bytes()))
        return 0
    # libFuzzer ends the process without a chance to clean up: the folder of the run before goes now.
    work = asked.found / f"begin-{asked.target}"
    shutil.rmtree(work, ignore_errors=True)
    begin, words = work / "seeds", work / "words"
    begin.mkdir(parents=True)
    for number, seed in enumerate(targets.seeds(asked.target)):
        (begin / f"{number:04}").write_bytes(seed)
    words.write_text("".join(map(quoted, targets.dictionary())), "ascii")
    corpus = asked.corpus or work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={asked.seconds}",
        f"-runs={asked.runs}",
        f"-max_len={MAX_LENGTH}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-timeout={SECONDS_EACH}",
        f"-dict={words}",
        f"-artifact_prefix={asked.found}/{asked.target}-",
        f"-seed={asked.seed}",
        "-print_final_stats=1",
    ]

    def one(data: bytes) -> None:
        target(data)

    atheris.Setup([sys.argv[0], *options, str(corpus), str(begin)], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
