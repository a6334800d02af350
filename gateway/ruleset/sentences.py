"""Where sentences end in a normalised text, and where its signature begins."""

import re
from collections.abc import Iterable, Iterator
from operator import sub

LONGEST_TEXT = 32_768
"""Characters of a text that are judged. No letter to a candidate is longer; what is, is cut here."""

LONGEST_SENTENCE = 400
"""Characters; a text without sentence ends is cut at this length, so that cost a sentence is bounded."""

# A rule drawn with signs, as people put above their signature (and RFC 3676 §4.3: "-- ").
_RULE = re.compile(r"[-=_*+~#━─―═＿＝＊☆★◆◇■□・…]{4,}|(?:^|\n)-- ?(?:\n|$)")
_SIGNATURE_LONGEST = 700
# Running text: no signature holds a line of this length that ends like a sentence, in Japanese and elsewhere.
_RUN = re.compile(r"[^。.!?\n]{16,}")
_RUNNING, _RUNNING_LATIN = 16, 48


def sentence_ends(text: str, found: list[int]) -> list[int]:
    """Positions after each sentence, from the ends `found` in the text; the last is its length."""
    ends = found if found and found[-1] >= len(text) else [*found, len(text)]
    if max(map(sub, ends, [0, *ends])) > LONGEST_SENTENCE:
        return list(_cut(ends))
    return ends


def _cut(ends: Iterable[int]) -> Iterator[int]:
    """The same ends, and more where a sentence is too long to be one."""
    start = 0
    for end in ends:
        yield from range(start + LONGEST_SENTENCE, end, LONGEST_SENTENCE)
        yield end
        start = end


def signature_start(text: str) -> int:
    """Where the signature begins: after a drawn rule near the end with no running text behind it.

    The length of the text when there is none.
    """
    low = max(0, len(text) - _SIGNATURE_LONGEST)
    start, end, least = _last_running(text, low)
    for found in _RULE.finditer(text, low):
        if start < found.end() and end - found.end() < least:
            return found.start()
    return len(text)


def _last_running(text: str, low: int) -> tuple[int, int, int]:
    """The last piece of running text from `low` on: its place, and how long it must be to count as that."""
    last = (-1, -1, _RUNNING)
    for run in _RUN.finditer(text, low):
        end = run.end()
        mark = text[end : end + 1]
        if mark == "。":
            last = (run.start(), end, _RUNNING)
        elif (
            mark in (".", "!", "?")
            and end - run.start() >= _RUNNING_LATIN
            and (end + 1 == len(text) or text[end + 1].isspace())
        ):
            last = (run.start(), end, _RUNNING_LATIN)
    return last
