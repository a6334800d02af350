"""Who may send a copy that is owed: rule 20 of SMTP.md as a function.

A row is claimed by a process. The claim holds while that process can still be sending: until its lease is
over, or until it is known to be dead. In doubt a duplicate, never a loss.
"""

from dataclasses import dataclass
from enum import Enum


class Life(Enum):
    """What is known about a process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMark:
    """What tells one process from every other that ever ran.

    Attributes:
        node: the name of the machine in the config.
        boot: the id of the machine's running kernel.
        space: the process namespace; ids of another one (a container's) mean nothing here.
        pid: the process id.
        started: its start, in clock ticks since boot: a process id is used again, this pair is not.
    """

    node: str
    boot: str
    space: str
    pid: int
    started: int


def life_of(other: ProcessMark, own: ProcessMark, started: int | None) -> Life:
    """Whether the process `other` lives, as seen from the process `own`.

    Args:
        other: the process asked about.
        own: the process that asks.
        started: the start of the process that has the id `other.pid` here now; None when there is none.
    """
    if other.node != own.node:
        return Life.UNKNOWN
    if other.boot != own.boot:
        return Life.DEAD
    if other.space != own.space:
        return Life.UNKNOWN
    return Life.ALIVE if started == other.started else Life.DEAD


def claim_holds(life: Life, *, lease_until: int, now: int) -> bool:
    """Whether a claim still keeps others from sending. Times are microseconds on the database's clock."""
    return life is not Life.DEAD and now < lease_until
