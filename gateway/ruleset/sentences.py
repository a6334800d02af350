"""Where sentences end in a normalised text, and where its signature begins."""

import re
from collections.abc import Iterable, Iterator
from operator import sub

LONGEST_TEXT = 32_768
"""Characters of a text that are judged. No letter to a candidate is longer; what is, is cut here."""

LONGEST_SENTENCE = 400
"""Characters; a text without sentence ends is cut at this length, so that cost a sentence is bounded."""

# A rule drawn with signs, as people put above their signature (and RFC 3676 §4.3: "-- ").
_SIGN = frozenset("-=_*+~#━─―═＿＝＊☆★◆◇■□・…")
_SIGNS = re.compile(rf"[{re.escape(''.join(sorted(_SIGN)))}]{{4,}}")
_DASHES = re.compile(r"(?:^|\n)-- ?(?:\n|$)")
# One of these has to be in the text; a rule of mixed signs, or of rarer ones, does not do alone.
_PLAIN_RULES = (*(sign * 4 for sign in "-=_*+~#─━═—＝＊☆★◆◇■□●○◎▽▼△▲"), "-- ", "--\n")
LONGEST_SIGNATURE = 700
"""Characters at the end of a text among which its signature begins, if it has one."""
RULE_SIGNS = frozenset("".join(_PLAIN_RULES)) - {" ", "\n"}
"""Without any of them a line draws no rule."""

# Running text: no signature holds a line of this length that ends like a sentence, in Japanese and elsewhere.
# Read backwards: its mark comes first, and a Latin one has nothing or white space before it.
_RUNNING, _RUNNING_LATIN = 16, 48
_LAST_RUN = re.compile(
    rf"[。.!?](?:(?<=。)[^。.!?\n]{{{_RUNNING},}}|(?:(?<=\s.)|(?<=\A.))[^。.!?\n]{{{_RUNNING_LATIN},}})"
)


def sentence_ends(breaks: list[int]) -> list[int]:
    """The same positions, and more where a sentence is too long to be one."""
    if max(map(sub, breaks, [0, *breaks])) > LONGEST_SENTENCE:
        return list(_cut(breaks))
    return breaks


def _cut(breaks: Iterable[int]) -> Iterator[int]:
    start = 0
    for end in breaks:
        yield from range(start + LONGEST_SENTENCE, end, LONGEST_SENTENCE)
        yield end
        start = end


def signature_start(text: str) -> int:
    """Where the signature begins: after a drawn rule near the end with no running text behind it.

    The length of the text when there is none.
    """
    low = max(0, len(text) - LONGEST_SIGNATURE)
    tail = text[low:]
    start, end, least = _last_running(text, tail)
    behind = max(start, end - least)  # a rule that ends further on has no running text behind it
    at = max(behind, low)
    while at > low and text[at - 1] in _SIGN:
        at -= 1
    rules: Iterable[re.Match[str]] = _SIGNS.finditer(text, at)
    if "--" in tail:
        rules = sorted([*rules, *_DASHES.finditer(text, low)], key=re.Match.span)
    for rule in rules:
        if rule.end() > behind:
            return rule.start() if any(plain in text for plain in _PLAIN_RULES) else len(text)
    return len(text)


def draws_rule(line: str) -> bool:
    """May a line be what tells that a rule is drawn in its text?"""
    return line.endswith("--") or any(plain in line for plain in _PLAIN_RULES)


def _last_running(text: str, tail: str) -> tuple[int, int, int]:
    """The last piece of running text in the tail: its place, and how long it must be to count as that."""
    last = _LAST_RUN.search(tail[::-1])
    if last is None:
        return -1, -1, _RUNNING
    start, end = len(text) - last.end(), len(text) - last.start() - 1
    return start, end, _RUNNING if text[end] == "。" else _RUNNING_LATIN
