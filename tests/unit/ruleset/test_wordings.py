"""The shipped packs on formulas by families: ways to refuse, and what only looks like one."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.ruleset.examples import written_mail
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import Ruleset
from gateway.ruleset.spelling import variants
from tests.corpus.measure import ROOT

HERE = Path(__file__).parent
WORDINGS: dict[str, dict[str, Any]] = {
    language: tomllib.loads((HERE / f"wordings-{language}.toml").read_text(encoding="utf-8"))
    for language in ("en", "ja")
}

FLOORS = [
    ("refusals", "en", 2200, 0.005),
    ("refusals", "ja", 2100, 0.005),
    ("indirect", "en", 1900, 0.05),
    ("indirect", "ja", 2100, 0.05),
]
"""Kind, language, number of wordings, and the share of them that may be missed."""
OTHERS = [
    ("others", "other_frames", "en", 1000, 0.0),
    ("others", "other_frames", "ja", 500, 0.0),
    ("welcomes", "frames", "en", 200, 0.03),
    ("welcomes", "frames", "ja", 200, 0.012),
]
"""The same for what is none, and the share that may be taken for one: a welcome in the frame of a refusal,
with its regrets and good wishes, reads like one, and nobody writes that."""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    """All rules, for any sender."""
    files = {path.name: path.read_bytes() for path in sorted((ROOT / "rules").glob("*.toml"))}
    return load_rules(files, examples=False).anybody()


def said_in(lines: str) -> list[tuple[str, str]]:
    """Each wording of each line with its subject."""
    parted = [line.rpartition("|") for line in lines.strip().splitlines()]
    return [(subject, " ".join(said.split())) for subject, _, line in parted for said in variants(line)]


def matched(ruleset: Ruleset, frame: dict[str, str], subject: str, said: str) -> bool:
    """What the rules say of a letter."""
    mail = written_mail(frame["text"].format(said=said), subject=frame["subject"].format(subject=subject))
    return ruleset.judge(mail).matched


@pytest.mark.parametrize(("kind", "language", "least", "share"), FLOORS)
def test_every_formula_refuses(ruleset: Ruleset, kind: str, language: str, least: int, share: float) -> None:
    """Stock wordings (`refusals`), and reasons without the word (`indirect`), in the frames by turns."""
    frames = WORDINGS[language]["frames"]
    said = said_in(WORDINGS[language][kind])
    missed = [
        formula
        for turn, (subject, formula) in enumerate(said)
        if not matched(ruleset, frames[turn % len(frames)], subject, formula)
    ]
    assert len(said) >= least
    assert len(missed) <= len(said) * share, missed


@pytest.mark.parametrize("family", OTHERS)
def test_what_looks_like_a_refusal_is_none(
    ruleset: Ruleset, family: tuple[str, str, str, int, float]
) -> None:
    """Each wording in every frame."""
    kind, frame, language, least, share = family
    said = said_in(WORDINGS[language][kind])
    wrong = [
        formula
        for subject, formula in said
        for one in WORDINGS[language][frame]
        if matched(ruleset, one, subject, formula)
    ]
    assert len(said) >= least
    assert len(wrong) <= share * len(said) * len(WORDINGS[language][frame]), wrong


@pytest.mark.parametrize(("language", "least", "share"), [("en", 190, 0.012), ("ja", 95, 0.036)])
def test_what_stands_beside_a_refusal_does_not_undo_it(
    ruleset: Ruleset, language: str, least: int, share: float
) -> None:
    """A refund, a survey, another opening: each behind a stock refusal, in every frame."""
    written = WORDINGS[language]
    said = said_in(written["besides"])
    undone = [
        beside
        for turn, (subject, beside) in enumerate(said)
        for number, frame in enumerate(written["frames"])
        if not matched(ruleset, frame, subject, f"{written['stock'][(turn + number) % 3]}\n{beside}")
    ]
    assert len(said) >= least
    assert len(undone) <= share * len(said) * len(written["frames"]), undone
