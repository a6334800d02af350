"""One compiled statement (signal, objection, veto, leave), matched within one sentence.

A clause has *slots*, each filled by one of some terms. Slots stand in the order written or in any order,
with at most `distance` characters from the end of one to the start of the next. Then its conditions: what
must not stand in the sentence, before, behind or between; no condition ("if ...") that turns the statement
into a case; and a bound noun in the same sentence or near it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.ruleset.evidence import Kind
from gateway.ruleset.lexicon import Place

Present = Mapping[int, Sequence[Place]]
"""The terms of one sentence, each with its places in order."""

MOST_PLACES = 24
"""Places of one slot looked at in a sentence; what repeats more often is no sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A statement with its terms as numbers. Made by `compiler`, immutable."""

    id: str
    pack: str
    kind: Kind
    weight: float
    unlocks: bool
    reason: str
    slots: tuple[tuple[int, ...], ...]
    ordered: bool
    distance: int
    none: tuple[int, ...]
    none_before: tuple[int, ...]
    none_after: tuple[int, ...]
    none_between: tuple[int, ...]
    reach: int
    condition_before: tuple[int, ...]
    condition_after: tuple[int, ...]
    bound: tuple[tuple[int, ...], ...]
    near: frozenset[str]
    unless_near: tuple[int, ...]
    where: frozenset[str]

    def find(self, present: Present) -> Place | None:
        """Where the clause holds in a sentence with these terms, or None.

        That every slot has a term in it and no term of `none` stands there, `page` has asked already; what
        must stand near is asked there too.
        """
        if len(self.slots) == 1:
            for place in _places(present, self.slots[0]):
                if self._undisturbed(present, place):
                    return place
            return None
        for place in self._chains(present) if self.ordered else self._windows(present):
            if self._undisturbed(present, place):
                return place
        return None

    def _chains(self, present: Present) -> list[Place]:
        """Spans in which the slots follow each other, the closest first slot for each last one."""
        chains = list(_places(present, self.slots[0]))
        for slot in self.slots[1:]:
            longer: list[Place] = []
            for start, end in _places(present, slot):
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
            (place, number) for number, slot in enumerate(self.slots) for place in _places(present, slot)
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
        if self.none_before and _stands(present, self.none_before, start - self.reach, start - 1):
            return False
        if self.none_after and _stands(present, self.none_after, end, end + self.reach):
            return False
        if self.none_between and _stands(present, self.none_between, start, end):
            return False
        if self.condition_before and _stands(present, self.condition_before, -1, start):
            return False
        return not (
            self.condition_after and _stands(present, self.condition_after, end - 1, end + self.reach)
        )


def _places(present: Present, terms: Sequence[int]) -> Sequence[Place]:
    if len(terms) == 1:
        return present[terms[0]][:MOST_PLACES] if terms[0] in present else ()
    found: list[Place] = []
    for term in terms:
        if term in present:
            found += present[term][:MOST_PLACES]
    found.sort()
    return found[:MOST_PLACES]


def _stands(present: Present, terms: Sequence[int], low: int, high: int) -> bool:
    """Does one of the terms begin in [low, high]?"""
    for term in terms:
        for start, end in present.get(term, ()):
            if low <= start <= high and end > low:
                return True
    return False
