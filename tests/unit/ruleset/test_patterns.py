"""What is read off a pattern: how far its matches reach, and whether they go over lines."""

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.ruleset.patterns import Patterns


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "[a-z]+ b",
        r"\b[0-9]{1,2}[:.][0-5][0-9]\b",
        "(?:a|b c){2}?$",
        r"\[x\]",
        "a.*b",
        "[0-9]{1,2}日\\(",
        "(a)",
    ],
)
def test_of_one_line(pattern: str) -> None:
    """What has no way to hold a line feed does not go over lines."""
    patterns = Patterns([pattern])
    assert patterns.reach == 0
    assert not patterns.goes_over_lines("a b c x [x] 10:30 3日( aab")


@pytest.mark.parametrize(
    ("pattern", "reach"),
    [
        ("[^a]", 1),
        (r"a\s?b", 3),
        ("ab[^。、]{0,6}(?:cd|e)", 10),
        ("(?:ab|cde){1,3}[^a](?:f{2})?", 12),
    ],
)
def test_how_far_it_reaches(pattern: str, reach: int) -> None:
    """The longest match of what may go over lines."""
    assert Patterns([pattern, "[0-9]+"]).reach == reach


@pytest.mark.parametrize(
    "pattern",
    [
        r"a\s+b",
        "[^a]*",
        "[^a]{2,}",
        "(?s)a.b",
        "(?s:a.b)",
        "(?i)a",
        "^a",
        r"\n",
        r"[\n]",
        "a\nb",
        "[[:space:]]",
        "[a[:space:]]",
        r"\pZ",
        r"\PL",
        r"\W",
        r"[\s]",
        r"[\t- ]",
        r"\x0a",
        r"\012",
        r"\Qa\E",
        r"\Aa",
        "(?P<x>a)",
        "[\t-~]",
    ],
)
def test_what_is_not_plain_may_go_anywhere(pattern: str) -> None:
    """Nothing is taken for granted."""
    assert Patterns([pattern]).reach > 100_000


ATOMS = [
    "a",
    "b",
    " ",
    ".",
    r"\s",
    "[^a]",
    "[ab]",
    "[^b ]",
    r"\b",
    "$",
    "(?:a|b )",
    "(?:[^a]|bb)",
    r"\w",
    "(a)",
    r"\n",
]
COUNTS = ["", "?", "*", "+", "{2}", "{0,3}", "{1,}", "??"]


@given(
    st.lists(st.tuples(st.sampled_from(ATOMS), st.sampled_from(COUNTS)), min_size=1, max_size=4),
    st.sampled_from(["", "|"]),
    st.text("ab \n", max_size=30),
)
def test_no_match_is_longer_or_goes_over_more(parts: list[tuple[str, str]], between: str, text: str) -> None:
    """Whatever RE2 makes of it."""
    pattern = f"(?:{between.join(atom + how for atom, how in parts)})"
    try:
        patterns = Patterns([pattern])
    except ValueError:
        return
    for found in re2.compile(pattern).finditer(text):
        if "\n" in found.group():
            assert patterns.goes_over_lines(text)
            assert found.end() - found.start() <= patterns.reach


@given(st.text("ab1: 日\n", max_size=60))
def test_the_matches_of_a_text_are_those_of_its_lines(text: str) -> None:
    """For patterns that do not go over lines, but for `$` at the very end."""
    patterns = Patterns([r"\b[0-9]{1,2}:[0-9]\b", "a+ ?b", "1日", "b.*a", r"b \b", "a(?:b|$)"])
    whole, by_line, start = sorted(patterns.places(f"{text}\n")), [], 0
    for line in text.split("\n"):
        by_line += [
            (number, low - 1 + start, high - 1 + start)
            for number, low, high in patterns.places(f"\n{line}\n")
        ]
        start += len(line) + 1
    assert whole == sorted(by_line)


def test_half_a_surrogate_pair_is_no_fault() -> None:
    """It matches what a stand-in would."""
    assert list(Patterns(["a."]).places("a\ud800")) == [(0, 0, 2)]


def test_without_any() -> None:
    """There is nothing to find."""
    assert not Patterns([])
    assert list(Patterns([]).places("a")) == []
