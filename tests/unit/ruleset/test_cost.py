"""What judging costs: many patterns beside few, and the shipped packs on mails of 4 KB, hostile ones too.

RULES.md's finding (401 patterns took 17 s) must not come back.
"""

import sys
import time
from collections.abc import Callable, Iterator

import pytest

from bench.micro_rules import EN, EN_ORDINARY, HOSTILE_EN, HOSTILE_JA, JA, JA_ORDINARY, filled
from gateway.ruleset.examples import written_mail
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset
from tests.corpus.measure import ROOT

TEXT = "慎重に選考を重ねました結果、採用を見送らせていただくこととなりました。ご応募に感謝いたします。" * 70
FEW, MANY, MOST = 40, 1000, 1.5
TRIES = 5


def rules(patterns: int) -> Ruleset:
    """One rule over so many patterns, none of which is in the text; a core word is."""
    listed = ", ".join(f"'見送り[らりるれろ]{chr(0x4E00 + number)}[一二三]?て'" for number in range(patterns))
    text = f"""
        [terms.hire]
        core = true
        words = ["採用"]
        [terms.many]
        patterns = [{listed}]
        [[signal]]
        id = "many"
        strength = "strong"
        terms = ["hire", "many"]
        [[rule]]
        id = "many"
        scope.senders = "any"
    """
    return load_rules({"many.toml": text.encode()})


def best(action: Callable[[], object]) -> float:
    """CPU seconds of the quickest of some calls."""
    quickest = float("inf")
    for _ in range(40):
        start = time.process_time()
        action()
        quickest = min(quickest, time.process_time() - start)
    return quickest


def pace() -> float:
    """How many times slower than usual this machine is now, at least 1."""

    def work() -> None:
        for number in range(3_000):
            seen[number % 97] = str(number)

    seen: dict[int, str] = {}
    return max(1.0, best(work) / USUAL)


def test_a_thousand_patterns_cost_little_more_than_forty() -> None:
    """Issue 4, item 9: at most 1.5 times, on 10 KB of Japanese. Other work on the machine gets some tries."""
    assert 9_500 < len(TEXT.encode()) < 10_500
    letter = written_mail(TEXT)
    few, many = rules(FEW), rules(MANY)
    ratios = []
    for _ in range(TRIES):
        ratios.append(best(lambda: many.judge(letter)) / best(lambda: few.judge(letter)))
        if ratios[-1] <= MOST:
            return
    raise AssertionError(ratios)


MOST_SECONDS = {"with a core term": 0.001, "without": 0.000_1}
"""Issue 4, "What it must reach", for 4 KB of normalised text."""
COLD = 2
"""Times as much the first mail of a new set may take here; alone it stays within (`bench/micro_rules.py`)."""
PATIENCE = 15
"""So many tries, with a pause between them: the same code takes twice as long while a neighbour is busy."""
USUAL = 0.000_3
"""CPU seconds that `pace` takes where the promise was measured; a slower machine has more time."""
FILES = {path.name: path.read_bytes() for path in sorted((ROOT / "rules").glob("*.toml"))}


@pytest.fixture
def untraced() -> Iterator[None]:
    """Without the tracer of coverage, by which each line costs several times as much."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (filled(JA, JA_ORDINARY), "with a core term"),
        (filled(EN, EN_ORDINARY), "with a core term"),
        (filled("", HOSTILE_JA), "with a core term"),
        (filled("", HOSTILE_EN), "with a core term"),
        (filled("", JA_ORDINARY), "without"),
        (filled("", EN_ORDINARY.replace("start", "begin")), "without"),
    ],
    ids=["ja rejection", "en rejection", "hostile ja", "hostile en", "ja ordinary", "en ordinary"],
)
def test_four_kilobytes_are_judged_in_time(text: str, kind: str) -> None:
    """Hostile text, too; and the first mail that a set judges takes no more than a few times as long."""
    letter = written_mail(text, subject="")
    cold = warm = float("inf")
    for _ in range(PATIENCE):
        ruleset = load_rules(FILES, examples=False)
        start = time.process_time()
        ruleset.judge(letter)
        cold = min(cold, time.process_time() - start)
        warm = min(warm, best(lambda ruleset=ruleset: ruleset.judge(letter)))  # type: ignore[misc]
        most = MOST_SECONDS[kind] * pace()
        if warm < most and cold < COLD * most:
            return
        time.sleep(0.2)
    raise AssertionError((warm, cold))
