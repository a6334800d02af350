"""One compiled statement (signal, objection, veto, leave), matched within one sentence.

A clause has *slots*, each filled by one of some terms. Slots stand in the order written or in any order,
with at most `distance` characters from the end of one to the start of the next. Then its conditions: what
must not stand in the sentence, before, behind or between; no condition ("if ...") that turns the statement
into a case; and a bound noun in the same sentence or near it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.lexicon import Place
from gateway.ruleset.termset import TermSet


class Present(Protocol):
    """What a clause asks a sentence."""

    @property
    def terms(self) -> TermSet:
        """All terms in it."""

    def places(self, terms: TermSet) -> list[Place]:
        """Where the words stand that are one of the terms, in order."""

    def begins(self, terms: TermSet, low: int, high: int) -> bool:
        """Does one of the terms begin in [low, high], and end behind `low`?"""


MOST_PLACES = 24
"""Places of one slot looked at in a sentence; what repeats more often is no sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A statement with its terms as numbers. Made by `statements`, immutable; `needed` are the slots as sets.

    `disturbing` are all terms of the conditions from `none_before` on: without any of them nothing disturbs.
    Between the marks in `cited` it does not count. One with a `wording` has no slots: it holds where a text
    reads as that wording to a likelihood of `at_least` or of `at_most`. No veto named in `over_vetoes` ends
    what it says.
    """

    id: str
    pack: str
    name: str
    kind: Kind
    weight: float
    unlocks: bool
    reason: str
    slots: tuple[tuple[int, ...], ...]
    needed: tuple[TermSet, ...]
    ordered: bool
    distance: int
    none: TermSet
    none_before: TermSet
    none_after: TermSet
    none_between: TermSet
    reach: int
    condition_before: TermSet
    condition_after: TermSet
    bound: tuple[TermSet, ...]
    near: frozenset[str]
    unless_near: TermSet
    disturbing: TermSet
    where: frozenset[str]
    cited: tuple[str, ...]
    wording: str = ""
    at_least: float = 0.0
    at_most: float = 1.0
    over_vetoes: frozenset[str] = frozenset()

    @property
    def beginning(self) -> tuple[Kind, str, float, bool]:
        """What all of its hits begin with."""
        return self.kind, self.name, self.weight, self.unlocks

    def as_a_whole(self, where: str, said: str) -> Hit:
        """Its hit in a text that it speaks of as a whole."""
        return Hit(*self.beginning, f"{where}, whole", 0, 0, 0, said)

    def find(self, present: Present) -> Place | None:
        """Where the clause holds in a sentence with these terms, or None.

        That every slot has a term in it and no term of `none` stands there, `page` has asked already; what
        must stand near is asked there too.
        """
        if len(self.slots) == 1:
            places = _places(present, self.slots[0], self.needed[0])
        else:
            places = self._chains(present) if self.ordered else self._windows(present)
        if not places or not self.disturbing & present.terms:
            return places[0] if places else None
        for place in places:
            if self._undisturbed(present, place):
                return place
        return None

    def _chains(self, present: Present) -> list[Place]:
        """Spans in which the slots follow each other, the closest first slot for each last one."""
        chains = _places(present, self.slots[0], self.needed[0])
        for slot, terms in zip(self.slots[1:], self.needed[1:], strict=True):
            longer: list[Place] = []
            for start, end in _places(present, slot, terms):
                # The latest chain that ends before this place: if that is too far away, all others are.
                best: Place | None = None
                for chain in chains:
                    if chain[1] <= start and (best is None or chain[1] >= best[1]):
                        best = chain
                if best is not None and start - best[1] <= self.distance:
                    longer.append((best[0], end))
            chains = longer
            if not chains:
                return chains
        return chains

    def _windows(self, present: Present) -> list[Place]:
        """Spans that hold every slot, in any order, with gaps of at most `distance` between neighbours."""
        tagged = sorted(
            (place, number)
            for number, (slot, terms) in enumerate(zip(self.slots, self.needed, strict=True))
            for place in _places(present, slot, terms)
        )
        windows: list[Place] = []
        for first in range(len(tagged)):
            (start, end), number = tagged[first]
            seen = {number}
            for place, other in tagged[first + 1 :]:
                if place[0] < end:  # overlaps what is taken already
                    continue
                if place[0] - end > self.distance:
                    break
                seen.add(other)
                end = place[1]
                if len(seen) == len(self.slots):
                    windows.append((start, end))
                    break
        return windows

    def _undisturbed(self, present: Present, place: Place) -> bool:
        start, end = place
        here = present.terms
        if self.none_before & here and present.begins(self.none_before, start - self.reach, start - 1):
            return False
        if self.none_after & here and present.begins(self.none_after, end, end + self.reach):
            return False
        if self.none_between & here and present.begins(self.none_between, start, end):
            return False
        if self.condition_before & here and present.begins(self.condition_before, -1, start):
            return False
        return not (
            self.condition_after & here and present.begins(self.condition_after, end - 1, end + self.reach)
        )


def _places(present: Present, terms: Sequence[int], together: TermSet) -> list[Place]:
    """Where one of the terms stands, in order; a word that is several of them counts as often."""
    found = present.places(together)
    if len(terms) == 1 or len(found) < 2:
        return found[:MOST_PLACES]
    if len(found) * len(terms) > MOST_PLACES:
        found = [place for term in terms for place in present.places(1 << term)[:MOST_PLACES]]
    return sorted(found)[:MOST_PLACES]
