"""Credit as records for people and programs: registrations and their stories, history, slots, counts.

Reads only. Records are flat and hold what the columns say; times are ISO 8601 in UTC, tokens in their text
form. Nothing here names a person, except `person_of`, which says what the ledger still knows.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Select, and_, func, select

from gateway.ledger.books import REF, Account
from gateway.ledger.matching import REASONS
from gateway.store.credit_schema import entries, postings, registration_events, registrations, settings
from gateway.store.flat import iso
from gateway.store.schema import people, sends
from gateway.store.slots import Slot, find_slots
from gateway.token import encode_token

_PAGE = 1_000

#: The fields of an exported registration, in order. New ones are added at the end.
REGISTRATION_FIELDS = (
    "id",
    "number",
    "partner",
    "state",
    "reason",
    "counts",
    "flags",
    "registered_at",
    "received_at",
    "token",
    "matched_by",
    "matched_token",
    "sent_at",
    "company",
    "campaign",
    "department",
    "ratio",
    "disputed",
    "dispute_until",
    "placed_at",
    "source",
    "matcher",
    "settings",
    "ruleset",
    "decided_at",
    "erased",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationFilter:
    """Which registrations are meant. Empty means all."""

    states: Collection[str] = ()
    company: str = ""
    partner: str = ""
    flagged: bool = False


def registration_record(row: "Row[tuple[object, ...]]") -> dict[str, object]:
    """A registration as one flat record with the keys of `REGISTRATION_FIELDS`."""
    return {
        "id": row.external_id,
        "number": row.id,
        "partner": row.partner,
        "state": row.state,
        "reason": row.reason,
        "counts": row.counts,
        "flags": row.flags,
        "registered_at": iso(row.registered_at),
        "received_at": iso(row.received_at),
        "token": encode_token(bytes(row.token)) if row.token is not None else None,
        "matched_by": row.matched_by,
        "matched_token": encode_token(bytes(row.send_token)) if row.send_token is not None else None,
        "sent_at": iso(row.sent_at),
        "company": row.company,
        "campaign": row.campaign,
        "department": row.department,
        "ratio": row.ratio,
        "disputed": row.disputed,
        "dispute_until": iso(row.dispute_until),
        "placed_at": iso(row.placed_at),
        "source": row.source,
        "matcher": row.matcher,
        "settings": row.settings,
        "ruleset": row.ruleset,
        "decided_at": iso(row.decided_at),
        "erased": bool(row.frozen),
    }


def _filtered(wanted: RegistrationFilter) -> "Select[tuple[object, ...]]":
    query: Select[tuple[object, ...]] = select(registrations)
    if wanted.states:
        query = query.where(registrations.c.state.in_(list(wanted.states)))
    if wanted.company:
        query = query.where(registrations.c.company == wanted.company)
    if wanted.partner:
        query = query.where(registrations.c.partner == wanted.partner)
    if wanted.flagged:
        query = query.where(registrations.c.flags != "")
    return query


def last_registrations(
    connection: Connection, count: int, wanted: RegistrationFilter
) -> list[dict[str, object]]:
    """The newest by receipt, newest first."""
    rows = connection.execute(_filtered(wanted).order_by(registrations.c.id.desc()).limit(count))
    return [registration_record(row) for row in rows]


def all_registrations(connection: Connection, wanted: RegistrationFilter) -> Iterator[dict[str, object]]:
    """All, oldest first, page by page."""
    after = 0
    query = _filtered(wanted)
    while page := connection.execute(
        query.where(registrations.c.id > after).order_by(registrations.c.id).limit(_PAGE)
    ).all():
        after = page[-1].id
        yield from map(registration_record, page)


def story(connection: Connection, row: "Row[tuple[object, ...]]") -> dict[str, object]:
    """Everything about one registration: what was said, what was decided and why, what was booked."""
    found = registration_record(row) | {"why": REASONS.get(row.reason, row.reason)}
    happened = connection.execute(
        select(registration_events)
        .where(registration_events.c.registration_id == row.id)
        .order_by(registration_events.c.id)
    )
    found["events"] = [
        {
            "at": iso(event.at),
            "kind": event.kind,
            "state": event.state,
            "reason": event.reason,
            "operator": event.operator,
            "event_id": event.event_id,
            "occurred_at": iso(event.occurred_at),
            **json.loads(event.detail),
        }
        for event in happened
    ]
    booked = connection.execute(
        select(postings).where(postings.c.registration_id == row.id).order_by(postings.c.id)
    )
    found["postings"] = [posting_record(posting) for posting in booked]
    content = connection.execute(
        select(settings.c.content).where(settings.c.digest == row.settings)
    ).scalar_one_or_none()
    found["contract"] = json.loads(content) if content else None
    found["send"] = _send_of(connection, row)
    found["others"] = _others(connection, row)
    return found


def _send_of(connection: Connection, row: "Row[tuple[object, ...]]") -> dict[str, object] | None:
    if row.send_token is None:
        return None
    send = connection.execute(select(sends).where(sends.c.token == row.send_token)).first()
    if send is None:
        return {"token": encode_token(bytes(row.send_token)), "sent_at": iso(row.sent_at), "purged": True}
    return {
        "token": encode_token(bytes(send.token)),
        "sent_at": iso(send.intended_at),
        "accepted_at": iso(send.accepted_at),
        "state": send.state,
        "sender": send.sender,
        "campaign": send.campaign,
        "rule": send.rule,
        "ruleset": send.ruleset,
        "message_id": send.message_id,
        "purged": False,
    }


def _others(connection: Connection, row: "Row[tuple[object, ...]]") -> list[dict[str, object]]:
    """Other registrations of the same person or link: ids and states."""
    conditions = [
        column == value
        for column, value in (
            (registrations.c.address_ref, row.address_ref),
            (registrations.c.person_id_ref, row.person_id_ref),
            (registrations.c.send_token, row.send_token),
        )
        if value is not None
    ]
    found: dict[int, dict[str, object]] = {}
    for condition in conditions:
        query = select(registrations).where(condition, registrations.c.id != row.id).limit(20)
        for other in connection.execute(query):
            found[other.id] = {"id": other.external_id, "partner": other.partner, "state": other.state}
    return [found[number] for number in sorted(found)]


# --- the books --------------------------------------------------------------------------------------------

POSTING_FIELDS = (
    "posting",
    "recorded_at",
    "effective_at",
    "kind",
    "company",
    "campaign",
    "department",
    "referrals",
    "slot",
    "registration",
    "operator",
    "second",
    "reason",
    "ratio",
    "hash",
)


def posting_record(row: "Row[tuple[object, ...]]", referrals: int | None = None) -> dict[str, object]:
    """A posting as one flat record with the keys of `POSTING_FIELDS`."""
    return {
        "posting": row.id,
        "recorded_at": iso(row.at),
        "effective_at": iso(row.effective_at),
        "kind": row.kind,
        "company": row.company,
        "campaign": row.campaign,
        "department": row.department,
        "referrals": referrals,
        "slot": row.slot_id,
        "registration": row.registration_id,
        "operator": row.operator,
        "second": row.second,
        "reason": row.reason,
        "ratio": row.ratio,
        "hash": bytes(row.hash).hex(),
    }


def _of_company(company: str) -> "Select[tuple[object, ...]]":
    """The postings of a company; `amount` is what `unspent` gained."""
    gained = and_(entries.c.posting_id == postings.c.id, entries.c.account == Account.UNSPENT.value)
    query: Select[tuple[object, ...]] = select(postings, entries.c.amount).outerjoin(entries, gained)
    return query.where(postings.c.company == company)


def history(
    connection: Connection, company: str, *, last: int, slot: int | None = None
) -> list[dict[str, object]]:
    """The last postings of a company, newest first; `referrals` is what `unspent` gained."""
    query = _of_company(company).order_by(postings.c.id.desc()).limit(last)
    if slot is not None:
        query = query.where(postings.c.slot_id == slot)
    return [posting_record(row, row.amount) for row in connection.execute(query)]


def all_postings(connection: Connection, company: str) -> Iterator[dict[str, object]]:
    """All of them, oldest first, page by page."""
    after = 0
    query = _of_company(company).order_by(postings.c.id).limit(_PAGE)
    while page := connection.execute(query.where(postings.c.id > after)).all():
        after = page[-1].id
        yield from (posting_record(row, row.amount) for row in page)


def slot_record(slot: Slot) -> dict[str, object]:
    """A slot as it stands."""
    return {
        "slot": slot.id,
        "company": slot.company,
        "state": slot.state,
        "granted_at": iso(slot.granted_at),
        "expires_at": iso(slot.expires_at),
        "requisition": slot.requisition,
        "reserved_at": iso(slot.reserved_at),
        "used_at": iso(slot.used_at),
    }


def slot_records(connection: Connection, company: str) -> list[dict[str, object]]:
    """The slots of a company as they stand."""
    return [slot_record(slot) for slot in find_slots(connection, company)]


def referrals_by(connection: Connection, company: str) -> tuple[dict[str, int], dict[str, int]]:
    """Referrals by campaign, and by department."""
    places = (postings.c.campaign, postings.c.department)
    mine = postings.c.company == company
    # A referral that is counted, or not any more, is one: only what was adjusted by hand has an amount.
    single = (
        select(*places, postings.c.kind, func.count().label("total"))
        .where(mine, postings.c.kind.in_(["count", "uncount"]))
        .group_by(*places, postings.c.kind)
    )
    by_hand = (
        select(*places, postings.c.kind, func.sum(-entries.c.amount).label("total"))
        .join(entries, entries.c.posting_id == postings.c.id)
        .where(
            mine,
            postings.c.kind == "adjust",
            entries.c.account == Account.SOURCE.value,
            entries.c.commodity == REF,
        )
        .group_by(*places, postings.c.kind)
    )
    campaigns: dict[str, int] = {}
    departments: dict[str, int] = {}
    for query in (single, by_hand):
        for campaign, department, kind, total in connection.execute(query):
            amount = -int(total) if kind == "uncount" else int(total)
            campaigns[campaign] = campaigns.get(campaign, 0) + amount
            departments[department] = departments.get(department, 0) + amount
    return dict(sorted(campaigns.items())), dict(sorted(departments.items()))


def person_of(connection: Connection, refs: Sequence[bytes]) -> list[dict[str, object]]:
    """What `people` still knows of these references."""
    rows = connection.execute(select(people).where(people.c.ref.in_(list(refs))))
    return [
        {
            "kind": row.kind or "address",
            "scope": row.scope,
            "hash": bytes(row.hash).hex(),
            "address": row.address,
            "person_id": row.person_id,
        }
        for row in rows
    ]
