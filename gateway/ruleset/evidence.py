"""What was found in a mail: the values that a verdict carries and `rules explain` shows."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a statement of a rule file is."""

    SIGNAL = "signal"
    OBJECTION = "objection"
    VETO = "veto"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One statement that holds in a mail, and where.

    `where` is subject, plain or html; `start` and `end` are positions in that normalised text. `weight` is
    what it adds to the score (below zero: takes away; zero for vetoes). `unlocks` tells the strong ones.
    """

    kind: Kind
    id: str
    weight: float
    unlocks: bool
    where: str
    sentence: int
    start: int
    end: int
    text: str
