"""What is said of a registration after it came in: a partner's events, disputes and their ends.

Every function works inside a transaction that holds the lock of credit. What each event means, and from which
states it may come, is the table in `gateway.ledger.states`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger.states import EVENTS, OUTCOMES, Event, State, may
from gateway.store.bounded import bounded
from gateway.store.chronicle import event_row, record_conflict
from gateway.store.credit_schema import registration_events, registrations
from gateway.store.deciding import reevaluate
from gateway.store.journal import Journal


class NoSuchRegistration(GatewayError):
    """The partner has no registration of that id in the ledger."""


class NotPossible(GatewayError):
    """What was said means nothing for the registration as it stands; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """What a partner says of a registration.

    Attributes:
        registration: the partner's id of the registration.
        id: the partner's id of the event; the same again changes nothing.
        event: one of `gateway.ledger.states.PARTNER_EVENTS`.
        occurred_at: when, in microseconds; None: now.
        reason: in words, without anything about the person.
    """

    registration: str
    id: str
    event: Event
    occurred_at: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTaken:
    """What became of it: `result` is ``new``, ``known`` or ``conflict``; the state of now."""

    id: str
    result: str
    number: int
    state: str
    reason: str


def find_registration(
    connection: Connection, external_id: str, partner: str | None = None
) -> "Row[tuple[object, ...]]":
    """The registration of that id.

    Args:
        connection: to read with.
        external_id: the partner's id, or ``#`` and our number.
        partner: whose; None where the id alone says it.

    Raises:
        NoSuchRegistration: there is none, or several partners have one.
    """
    if bounded(external_id) != external_id:  # no id is like that, and PostgreSQL refuses to look for it
        raise NoSuchRegistration("there is no such registration")
    query = select(registrations)
    number = external_id.removeprefix("#")
    if external_id.startswith("#") and number.isdecimal() and len(number) < 19:
        query = query.where(registrations.c.id == int(number))
    else:
        query = query.where(registrations.c.external_id == external_id)
    if partner is not None:
        query = query.where(registrations.c.partner == partner)
    rows = connection.execute(query.limit(2)).all()
    if not rows:
        raise NoSuchRegistration(f"there is no registration {external_id!r}")
    if len(rows) > 1:
        raise NoSuchRegistration(f"several partners have a registration {external_id!r}: say --partner")
    return rows[0]


def partner_event(connection: Connection, journal: Journal, partner: str, report: EventReport) -> EventTaken:
    """Take in what a partner says. Idempotent on the event's id.

    Raises:
        NoSuchRegistration: of this partner.
        NotPossible: the table doesn't allow it.
    """
    row = find_registration(connection, report.registration, partner)
    content = json.dumps([report.registration, report.event.value, report.occurred_at, report.reason])
    digest = hashlib.sha256(content.encode()).digest()
    before = _by_id(connection, journal, row, report.id, digest)
    if before is not None:
        return before
    if not may(report.event, State(row.state)):
        raise NotPossible(f"{report.event.value} is not possible for a registration that is {row.state}")
    connection.execute(
        insert(registration_events),
        [
            event_row(
                row.id,
                journal.now,
                report.event.value,
                state=row.state,
                reason=bounded(report.reason),
                operator=bounded(journal.operator),
                partner=partner,
                event_id=report.id,
                digest=digest,
                occurred_at=report.occurred_at,
            )
        ],
    )
    changes: dict[str, object] = {}
    holds = EVENTS[report.event].holds
    if holds is not None:
        changes["hold"] = holds
    if report.event in (Event.CONFIRMED, Event.REINSTATED):
        changes["confirmed"] = True
    if report.event is Event.PLACED:
        changes["placed_at"] = report.occurred_at or journal.now
    return _changed(connection, journal, row, changes, report.id)


def dispute(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    *,
    by: str,
    reason: str,
    evidence: str = "",
    until: int | None = None,
    event_id: str = "",
) -> EventTaken:
    """Open a dispute. The books stay as they are until it is resolved.

    The same again changes nothing: the same id of the partner's (`event_id`), or without one, the same words
    as the dispute that is open.

    Raises:
        NotPossible: another one is open already.
    """
    digest = _digest_of(row, Event.DISPUTE, by, reason, evidence, until)
    before = _said_before(connection, journal, row, Event.DISPUTE, event_id=event_id, digest=digest)
    if before is not None:
        return before
    if not may(Event.DISPUTE, State(row.state)):
        raise NotPossible(f"registration {row.external_id} is disputed already")
    _say(
        connection,
        journal,
        row,
        Event.DISPUTE,
        reason=reason,
        detail={"by": by, "evidence": bounded(evidence), "until": until},
        event_id=event_id,
        digest=digest,
    )
    return _changed(connection, journal, row, {"disputed": True, "dispute_until": until}, event_id)


def resolve(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    *,
    by: str,
    outcome: str,
    reason: str,
    company: str = "",
    event_id: str = "",
) -> EventTaken:
    """End a dispute: `outcome` is ``count``, ``reverse`` or ``keep``.

    `count` makes a referral of it whatever matching says, but never a second one of the same person; where no
    send is known, `company` says whose. The same again changes nothing, as with `dispute`.

    Raises:
        NotPossible: no dispute is open, or it isn't clear whose referral it is to be.
    """
    digest = _digest_of(row, Event.RESOLVE, by, outcome, reason)
    before = _said_before(connection, journal, row, Event.RESOLVE, event_id=event_id, digest=digest)
    if before is not None:
        return before
    if not may(Event.RESOLVE, State(row.state)):
        raise NotPossible(f"registration {row.external_id} is not disputed")
    changes: dict[str, object] = {"disputed": False, "dispute_until": None}
    if (holds := OUTCOMES[outcome]) is not None:
        changes["hold"] = holds
    if holds == "counted" and not row.company:
        if not company:
            raise NotPossible("no send is known for it: say with --company whose referral it is")
        changes["company"] = company
    _say(
        connection,
        journal,
        row,
        Event.RESOLVE,
        reason=reason,
        detail={"by": by, "outcome": outcome},
        event_id=event_id,
        digest=digest,
    )
    return _changed(connection, journal, row, changes, event_id)


def forced_since(connection: Connection, moment: int) -> int:
    """How many registrations the company's own operators have made referrals since then, by `resolve`."""
    events = registration_events.c
    said = connection.execute(
        select(events.detail).where(events.kind == Event.RESOLVE.value, events.at >= moment)
    ).scalars()
    found = [json.loads(detail) for detail in said]
    return sum(one.get("outcome") == "count" and one.get("by") != "partner" for one in found)


def _digest_of(row: "Row[tuple[object, ...]]", *content: object) -> bytes:
    said = [row.external_id, *(one.value if isinstance(one, Event) else one for one in content)]
    return hashlib.sha256(json.dumps(said).encode()).digest()


def _by_id(
    connection: Connection, journal: Journal, row: "Row[tuple[object, ...]]", event_id: str, digest: bytes
) -> EventTaken | None:
    """What becomes of an event whose id the partner has used before; other content is recorded.

    Raises:
        NotPossible: no id is like that.
    """
    if bounded(event_id) != event_id:
        raise NotPossible("the id of the event is too long, or has characters that no id has")
    known = connection.execute(
        select(registration_events.c.digest).where(
            registration_events.c.partner == row.partner, registration_events.c.event_id == event_id
        )
    ).first()
    if known is None:
        return None
    result = "known" if known.digest is not None and bytes(known.digest) == digest else "conflict"
    if result == "conflict":
        record_conflict(connection, journal, row, "same id of an event, other content")
    return EventTaken(id=event_id, result=result, number=row.id, state=row.state, reason=row.reason)


def _said_before(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    event: Event,
    *,
    event_id: str,
    digest: bytes,
) -> EventTaken | None:
    if event_id:
        return _by_id(connection, journal, row, event_id, digest)
    last = connection.execute(
        select(registration_events.c.kind, registration_events.c.digest)
        .where(
            registration_events.c.registration_id == row.id,
            registration_events.c.kind.in_((Event.DISPUTE.value, Event.RESOLVE.value)),
        )
        .order_by(registration_events.c.id.desc())
        .limit(1)
    ).first()
    if last is None or last.kind != event.value or last.digest is None or bytes(last.digest) != digest:
        return None
    return EventTaken(id="", result="known", number=row.id, state=row.state, reason=row.reason)


def _say(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    event: Event,
    *,
    reason: str,
    detail: Mapping[str, object],
    event_id: str,
    digest: bytes,
) -> None:
    line = event_row(
        row.id,
        journal.now,
        event.value,
        state=row.state,
        reason=bounded(reason),
        operator=bounded(journal.operator),
        detail=detail,
        partner=row.partner if event_id else None,
        event_id=event_id or None,
        digest=digest,
    )
    connection.execute(insert(registration_events), [line])


def _changed(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    changes: Mapping[str, object],
    event_id: str,
) -> EventTaken:
    _change(connection, row.id, changes)
    reevaluate(connection, journal, [row.id])
    after = find_registration(connection, f"#{row.id}")
    return EventTaken(id=event_id, result="new", number=row.id, state=after.state, reason=after.reason)


def _change(connection: Connection, number: int, changes: Mapping[str, object]) -> None:
    if changes:
        connection.execute(update(registrations).where(registrations.c.id == number).values(dict(changes)))
