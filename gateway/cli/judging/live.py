"""Another rule set against what the gateway saw of late: by the ids of the signals that were kept.

Changed weights, thresholds and vetoes show; new words don't, since no text was kept (`[rules] shadow` runs a
set beside the active one for that).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.ruleset.kept import Again, judge_again
from gateway.ruleset.ruleset import Ruleset
from gateway.store.flat import iso
from gateway.store.observations import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """A mail that the two sets decide otherwise."""

    observation: Observation
    before: Again
    after: Again

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        seen = self.observation
        return {
            "id": seen.id,
            "at": iso(seen.at),
            "message_id": seen.message_id,
            "sender": seen.sender,
            "review": seen.review,
            "active": _json(self.before),
            "other": _json(self.after),
        }


def _json(one: Again) -> dict[str, Any]:
    return {"matched": one.matched, "rule": one.rule, "score": one.score, "threshold": one.threshold}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How many mails were judged again, and which of them otherwise."""

    mails: int
    differ: tuple[Differs, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"mails": self.mails, "differ": [one.as_json() for one in self.differ]}

    def lines(self) -> list[str]:
        """For people."""
        lines = []
        for one in self.differ:
            now, then = ("matched" if said.matched else "not" for said in (one.before, one.after))
            seen = one.observation
            scores = f"{one.before.score:g} -> {one.after.score:g}"
            lines.append(f"  {seen.id}: {now} -> {then}  {scores}  {seen.message_id}")
        lines.append(f"{len(self.differ)} of {self.mails} recent mails differ")
        return lines


def compare_live(observations: Iterable[Observation], active: Ruleset, other: Ruleset) -> Live:
    """Judge what was kept by both sets."""
    differ: list[Differs] = []
    mails = 0
    for seen in observations:
        mails += 1
        before, after = judge_again(active, seen.hits), judge_again(other, seen.hits)
        if (before.matched, before.leave) != (after.matched, after.leave):
            differ.append(Differs(observation=seen, before=before, after=after))
    return Live(mails=mails, differ=tuple(differ))
