"""The states of a registration, and who may move it: tables that `docs/credit.md` shows and the code follows.

A state is never written by hand. It follows from what was sent, what was registered, the contract, and what
people said since (`EVENTS`); `gateway.ledger.matching` works it out anew whenever one of these changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class State(Enum):
    """What a registration is worth, in one word."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    UNMATCHED = "unmatched"
    LATE = "late"
    BEFORE_SEND = "before-send"
    FUTURE = "future"
    SELF_REFERRAL = "self-referral"
    SHARED_TOKEN = "shared-token"  # noqa: S105 - a word, no secret
    REFUSED = "refused"
    DISPUTED = "disputed"
    WITHDRAWN = "withdrawn"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRule:
    """One line of the table.

    `counts`: whether it is a referral in the books; None: as it would be without the dispute.
    """

    state: State
    counts: bool | None
    meaning: str
    moved_by: str


STATES: tuple[StateRule, ...] = (
    StateRule(
        state=State.COUNTED,
        counts=True,
        meaning="a referral",
        moved_by="matcher; `resolve --outcome count`",
    ),
    StateRule(
        state=State.DUPLICATE,
        counts=False,
        meaning="the person counts already by another registration",
        moved_by="matcher",
    ),
    StateRule(
        state=State.UNMATCHED,
        counts=False,
        meaning='no send is known for it (yet), or it waits for the partner\'s yes (`no_token = "propose"`)',
        moved_by="matcher",
    ),
    StateRule(
        state=State.LATE,
        counts=False,
        meaning="registered after the window, or reported after `report_within_days`",
        moved_by="matcher",
    ),
    StateRule(
        state=State.BEFORE_SEND,
        counts=False,
        meaning="registered before the send, by more than the clock skew",
        moved_by="matcher",
    ),
    StateRule(
        state=State.FUTURE,
        counts=False,
        meaning="registered after its receipt, by more than the clock skew",
        moved_by="matcher",
    ),
    StateRule(
        state=State.SELF_REFERRAL,
        counts=False,
        meaning="an address of the company's own, such as a recruiter who tries the link",
        moved_by="matcher",
    ),
    StateRule(
        state=State.SHARED_TOKEN,
        counts=False,
        meaning="the link has counted for somebody else already",
        moved_by="matcher",
    ),
    StateRule(
        state=State.REFUSED,
        counts=False,
        meaning="the partner refused it, or the contract does (`already_known`, `no_token`)",
        moved_by="partner (`refused`); matcher",
    ),
    StateRule(
        state=State.DISPUTED,
        counts=None,
        meaning="somebody objects; until it is resolved the books stay as they are without the dispute",
        moved_by="company or partner (`dispute`)",
    ),
    StateRule(
        state=State.WITHDRAWN,
        counts=False,
        meaning="the candidate withdrew, says the partner",
        moved_by="partner (`withdrawn`)",
    ),
    StateRule(
        state=State.REVERSED,
        counts=False,
        meaning="a dispute ended against it",
        moved_by="company and partner (`resolve --outcome reverse`)",
    ),
)


class Event(Enum):
    """What people say of a registration after it came in."""

    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    REINSTATED = "reinstated"
    CONFIRMED = "confirmed"
    PLACED = "placed"
    DISPUTE = "dispute"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRule:
    """One line of the table of events.

    `holds`: the state that holds from now on whatever the matcher says; None leaves it, empty ends it.
    """

    event: Event
    by: str
    from_states: frozenset[State]
    holds: str | None
    meaning: str


_ALL = frozenset(State)

EVENTS: Mapping[Event, EventRule] = MappingProxyType(
    {
        rule.event: rule
        for rule in (
            EventRule(
                event=Event.WITHDRAWN,
                by="partner",
                from_states=_ALL - {State.WITHDRAWN, State.REVERSED},
                holds="withdrawn",
                meaning="the candidate withdrew; a referral is taken back",
            ),
            EventRule(
                event=Event.REFUSED,
                by="partner",
                from_states=_ALL - {State.REVERSED},
                holds="refused",
                meaning="the partner does not accept it; a referral is taken back",
            ),
            EventRule(
                event=Event.REINSTATED,
                by="partner",
                from_states=frozenset({State.WITHDRAWN, State.REFUSED, State.UNMATCHED, State.DISPUTED}),
                holds="",
                meaning="`withdrawn` or `refused` no longer holds; a yes to what was proposed",
            ),
            EventRule(
                event=Event.CONFIRMED,
                by="partner",
                from_states=_ALL - {State.REVERSED},
                holds=None,
                meaning="the partner's yes to a match that was proposed",
            ),
            EventRule(
                event=Event.PLACED,
                by="partner",
                from_states=_ALL,
                holds=None,
                meaning="the candidate was placed elsewhere; counts for the circle, not for credit",
            ),
            EventRule(
                event=Event.DISPUTE,
                by="company, partner",
                from_states=_ALL - {State.DISPUTED},
                holds=None,
                meaning="somebody objects, with reason, evidence and a deadline",
            ),
            EventRule(
                event=Event.RESOLVE,
                by="company, partner",
                from_states=frozenset({State.DISPUTED}),
                holds=None,
                meaning="the end of a dispute: `count`, `reverse` or `keep`",
            ),
        )
    }
)

#: What `resolve` makes hold: by outcome. `keep` leaves what held before.
OUTCOMES: Mapping[str, str | None] = MappingProxyType(
    {"count": "counted", "reverse": "reversed", "keep": None}
)

PARTNER_EVENTS = tuple(
    event for event in (Event.WITHDRAWN, Event.REFUSED, Event.REINSTATED, Event.CONFIRMED, Event.PLACED)
)


def may(event: Event, state: State) -> bool:
    """Whether `event` means anything for a registration in `state`."""
    return state in EVENTS[event].from_states


def markdown() -> str:
    """Both tables as `docs/credit.md` shows them."""
    counts = {True: "yes", False: "no", None: "as before"}
    lines = ["| state | counts | meaning | moved by |", "|---|---|---|---|"]
    lines += [
        f"| `{rule.state.value}` | {counts[rule.counts]} | {rule.meaning} | {rule.moved_by} |"
        for rule in STATES
    ]
    lines += ["", "| event | said by | from | meaning |", "|---|---|---|---|"]
    for rule in EVENTS.values():
        lines.append(f"| `{rule.event.value}` | {rule.by} | {_from(rule.from_states)} | {rule.meaning} |")
    return "\n".join(lines) + "\n"


def _from(states: frozenset[State]) -> str:
    missing = [f"`{state.value}`" for state in State if state not in states]
    if not missing:
        return "any"
    if len(missing) <= 3:
        return f"any but {', '.join(missing)}"
    return ", ".join(f"`{state.value}`" for state in State if state in states)
