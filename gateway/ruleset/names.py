"""Our own names in a text: what touches one of them says nothing about anybody."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from gateway.ruleset.lexicon import Place

MOST_NAMED = 4096
"""Places of names looked at in one text."""

_end = itemgetter(1)


def named_places(text: str, names: Sequence[str]) -> list[Place]:
    """Where the names stand, in order; those that overlap are one place."""
    places: list[Place] = []
    for name in names:
        at = text.find(name) if name else -1
        while at >= 0 and len(places) < MOST_NAMED:
            places.append((at, at + len(name)))
            at = text.find(name, at + len(name))
    places.sort()
    apart: list[Place] = []
    for start, end in places:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return apart


def is_named(places: Sequence[Place], start: int, end: int) -> bool:
    """Does the piece of text touch one of the places?"""
    first = bisect_right(places, start, key=_end)
    return first < len(places) and places[first][0] < end
