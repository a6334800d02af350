"""What was found in a mail: the values that a verdict carries and `rules explain` shows."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a statement of a rule file is."""

    SIGNAL = "signal"
    OBJECTION = "objection"
    VETO = "veto"
    LEAVE = "leave"


class Hit(NamedTuple):
    """One statement that holds in a mail, and where. A tuple: every mail makes ten, and few look at them.

    `where` is subject, plain, html, or ``text 1`` and so on for those of ``MailText.more``; `start` and `end`
    are positions in that normalised text. What stands there is not held, so that letters of a template share
    their hits; `ruleset.words_of` has it. `weight` is what it adds to the score (below zero: takes away; zero
    for vetoes). `unlocks` tells the strong ones. `said`: of a text as a whole, how sure.
    """

    kind: Kind
    id: str
    weight: float
    unlocks: bool
    where: str
    sentence: int
    start: int
    end: int
    said: str = ""
