"""Words that a text cites: between quotation marks somebody else speaks, or nobody yet.

"We have decided on another candidate": everybody has had that mail. Whoever teaches how to refuse, corrects a
colleague's letter or tells of one puts it between marks; whoever refuses does not. A word or two between
marks (the answer is "no") is stress, not speech, so only longer pieces count.
"""

from collections.abc import Sequence

LEAST_CITED = 16
"""Characters between marks from which on they are speech."""

MOST_CITED = 600
"""Characters looked through to either side for a mark."""


def is_cited(text: str, start: int, end: int, marks: Sequence[str]) -> bool:
    """Does the piece of text lie between two of the `marks` (each an opening and a closing character)?

    Marks that open and close alike are counted from the start of the paragraph.
    """
    low = max(text.rfind("\n", 0, start) + 1, start - MOST_CITED)
    high = text.find("\n", end)
    high = min(len(text) if high < 0 else high, end + MOST_CITED)
    for pair in marks:
        opening, closing = pair[0], pair[1]
        if opening == closing:
            if text.count(opening, low, start) % 2 == 0:
                continue
        elif text.rfind(opening, low, start) <= text.rfind(closing, low, start):
            continue
        stop = text.find(closing, end, high)
        if stop >= 0 and stop - text.rfind(opening, low, start) - 1 >= LEAST_CITED:
            return True
    return False
