"""The search for words: what is asked of every mail, whether a core word stands in it."""

import pytest

from gateway.ruleset.lexicon import Entry, Lexicon
from gateway.ruleset.sentences import LONGEST_TEXT


def lexicon(*words: str, pattern: str = "") -> Lexicon:
    """One of core words, a word that is none, and perhaps a core pattern."""
    entries = [Entry(word, core=True) for word in words] + [Entry("other")]
    return Lexicon([*entries, Entry(pattern, pattern=True, core=True)] if pattern else entries)


@pytest.mark.parametrize(
    ("texts", "there"),
    [
        ((), False),
        (("",), False),
        (("hire",), True),
        (("to", "hire"), True),
        (("we hire.", ""), True),
        (("hired",), False),
        (("hi", "re"), False),
        (("no other",), False),
        ((" " * LONGEST_TEXT + "hire",), False),
        ((" " * LONGEST_TEXT, "hire"), True),
        (("採", "用"), False),
        (("不採用",), True),
        (("a\0b", ""), True),
        (("a", "b"), False),
        (("\ud800 hire",), True),
    ],
)
def test_a_core_word_in_one_of_the_texts(texts: tuple[str, ...], *, there: bool) -> None:
    """By itself, within what is judged of a text, and never from the end of one text into the next."""
    assert lexicon("hire", "採用", "a\0b").has_core(*texts) is there


def test_a_core_pattern_in_one_of_the_texts() -> None:
    """Patterns count as words do, but not where they are not asked for."""
    some = lexicon("hire", pattern="reject[a-z]+")
    assert some.has_core("", "rejected \ud800")
    assert not some.has_core("reject", "ed")
    assert not some.has_core("rejected", patterns=False)
    assert not some.has_core(" " * LONGEST_TEXT + "rejected")
