"""Where sentences end in a normalised text, and where its signature begins."""

import re
from bisect import bisect_left

LONGEST_TEXT = 32_768
"""Characters of a text that are judged. No letter to a candidate is longer; what is, is cut here."""

LONGEST_SENTENCE = 400
"""Characters; a text without sentence ends is cut at this length, so that cost a sentence is bounded."""

_END = re.compile(r"[。!?！？\n]+[」』)\]]?|\.(?=\s|$)|(?<=[a-z])\.(?=[^\x00-\x7f])")
# A rule drawn with signs, as people put above their signature (and RFC 3676 §4.3: "-- ").
_RULE = re.compile(r"[-=_*+~#━─―═＿＝＊☆★◆◇■□・…]{4,}|(?:^|\n)-- ?(?:\n|$)")
_SIGNATURE_LONGEST = 700
# Running text: no signature holds a line of this length that ends like a sentence.
_RUNNING = re.compile(r"[^。.!?\n]{16}。|[^。.!?\n]{48}[.!?](?:\s|$)")


def sentence_ends(text: str) -> list[int]:
    """Positions after each sentence; the last one is the length of the text. Never empty."""
    ends: list[int] = []
    start = 0
    for found in _END.finditer(text):
        end = found.end()
        while end - start > LONGEST_SENTENCE:
            start += LONGEST_SENTENCE
            ends.append(start)
        ends.append(end)
        start = end
    while len(text) - start > LONGEST_SENTENCE:
        start += LONGEST_SENTENCE
        ends.append(start)
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    return ends


def sentence_at(ends: list[int], position: int) -> int:
    """The number of the sentence that holds this character."""
    return bisect_left(ends, position + 1)


def signature_start(text: str) -> int:
    """Where the signature begins: after a drawn rule near the end with no running text behind it.

    The length of the text when there is none.
    """
    low = max(0, len(text) - _SIGNATURE_LONGEST)
    for found in _RULE.finditer(text, low):
        if _RUNNING.search(text, found.end()) is None:
            return found.start()
    return len(text)
