"""What the runs of a wording come to in a letter; those of templates are remembered.

Kept are numbers of runs, without order or place, for that part of a template which is the same in all of its
letters. What changes from letter to letter is looked for anew, with its edges (`wording`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.ruleset.lexicon import Place
from gateway.ruleset.memo import Likeness
from gateway.ruleset.wording import LONGEST, Sum, Wording

#: How many texts of templates are remembered, at some twenty kilobytes each; with more, all are forgotten.
MOST_KNOWN = 300


class Same(NamedTuple):
    """The runs in what is the same in all letters of a template, and what they come to."""

    runs: frozenset[int]
    sum: Sum

    @classmethod
    def of(cls, wording: Wording, subject: str, text: str, places: Sequence[Place]) -> "Same":
        """What one wording has in this text apart from the `places` of the lines that change."""
        runs = wording.apart(subject, text, places)
        return cls(runs, wording.sum(runs))

    def all(self, wording: Wording, subject: str, text: str, places: Sequence[Place]) -> Sum:
        """What all runs come to in a letter of the template, those in and around the `places` too."""
        around = wording.around(subject, text, places)
        if around is None:
            return wording.sum(wording.read(subject, text))
        more = wording.sum(around - self.runs)
        return Sum(self.sum.number + more.number, self.sum.weight + more.weight)


class Runs:
    """The runs of some wordings in texts."""

    __slots__ = ("_hashed", "_known")

    def __init__(self, hashed: Callable[[str], bytes]) -> None:
        """`hashed` is the keyed hash by which a text is known again."""
        self._hashed = hashed
        self._known: dict[tuple[object, ...], Same] = {}

    def sum(self, wording: Wording, likeness: Likeness | None, *, subject: str, text: str) -> Sum:
        """What the runs of one wording come to in this text."""
        if likeness is None or likeness.template is None or len(text) > LONGEST:
            return wording.sum(wording.read(subject, text))
        starts, changing = likeness.starts, likeness.template[2]
        places = [(starts[at], starts[at + 1]) for at in changing]
        tail = text[starts[-1] :]
        key = (id(wording), likeness.template, self._hashed(tail) if tail else b"")
        same = self._known.get(key)
        if same is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            same = self._known[key] = Same.of(wording, subject, text, places)
        return same.all(wording, subject, text, places)
