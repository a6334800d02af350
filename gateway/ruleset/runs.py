"""What the runs of a wording come to in a letter; those of templates are remembered.

Kept are numbers of runs, without order or place, for that part of a template which is the same in all of its
letters. What changes from letter to letter is looked for anew, with its edges (`wording`).
"""

from collections.abc import Callable
from typing import NamedTuple

from gateway.ruleset.memo import Likeness
from gateway.ruleset.wording import LONGEST, Sum, Wording

#: How many texts of templates are remembered, at some twenty kilobytes each; with more, all are forgotten.
MOST_KNOWN = 300


class _Same(NamedTuple):
    """The runs in what is the same in all letters of a template, and what they come to."""

    runs: frozenset[int]
    sum: Sum


class Runs:
    """The runs of some wordings in texts."""

    __slots__ = ("_hashed", "_known")

    def __init__(self, hashed: Callable[[str], bytes]) -> None:
        """`hashed` is the keyed hash by which a text is known again."""
        self._hashed = hashed
        self._known: dict[tuple[object, ...], _Same] = {}

    def sum(self, wording: Wording, likeness: Likeness | None, *, subject: str, text: str) -> Sum:
        """What the runs of one wording come to in this text."""
        if likeness is None or likeness.template is None or len(text) > LONGEST:
            return wording.sum(wording.read(subject, text))
        starts, changing = likeness.starts, likeness.template[2]
        places = [(starts[at], starts[at + 1]) for at in changing]
        around = wording.around(subject, text, places)
        if around is None:
            return wording.sum(wording.read(subject, text))
        tail = text[starts[-1] :]
        key = (id(wording), likeness.template, self._hashed(tail) if tail else b"")
        same = self._known.get(key)
        if same is None:
            runs = wording.apart(subject, text, places)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            same = self._known[key] = _Same(runs, wording.sum(runs))
        more = wording.sum(around - same.runs)
        return Sum(same.sum.number + more.number, same.sum.weight + more.weight)
