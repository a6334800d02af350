"""People's data: what the ledger knows of one, taking it out, and forgetting what is too old.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`), except
`report`, which only reads. Books and decisions stay: they name nobody (CREDIT.md, "People's data").
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Column, ColumnElement, Connection, Row, delete, func, insert, or_, select, update

from gateway.ledger.contract import DAY, Programme
from gateway.ledger.identity import PersonKeys
from gateway.store.base import insert_for
from gateway.store.chronicle import event_row
from gateway.store.credit_schema import (
    clicks,
    outbox,
    registration_events,
    registrations,
    suppressions,
    tombstones,
    webhooks,
)
from gateway.store.flat import iso
from gateway.store.journal import Journal
from gateway.store.parts import parts
from gateway.store.people import refs_of
from gateway.store.rollout_schema import observations
from gateway.store.schema import people, sends
from gateway.store.views import registration_record
from gateway.token import encode_token

#: Rows that one transaction of `purge` deletes of a table, so that the mail path never waits long.
PURGE_ROWS = 5_000


@dataclass(slots=True)
class Subject:
    """All references of one person: of the address, and of what registrations say is the same person."""

    refs: set[bytes] = field(default_factory=set)
    registrations: "dict[int, Row[tuple[object, ...]]]" = field(default_factory=dict)


def hashes_of(keys: PersonKeys, address: str) -> list[bytes]:
    """All hashes by which the ledger may know an address."""
    found = [keys.address(address)]
    for partner in keys.matching:
        found += [value for _, value in keys.matching_hashes(partner, address)]
    return found


def find_subject(connection: Connection, hashes: Iterable[bytes]) -> Subject:
    """Who is meant by these hashes."""
    subject = Subject(refs=set(refs_of(connection, hashes).values()))
    fresh = set(subject.refs)
    columns = registrations.c
    while fresh:
        said: set[bytes] = set()
        for column in (columns.address_ref, columns.person_id_ref, columns.send_ref):
            for row in connection.execute(select(registrations).where(column.in_(sorted(fresh)))):
                if column is columns.send_ref and row.address_ref is not None:
                    continue  # the link was used by somebody with another address
                if row.id not in subject.registrations:
                    subject.registrations[row.id] = row
                    said |= {bytes(ref) for ref in (row.address_ref, row.person_id_ref) if ref is not None}
        fresh = said - subject.refs
        subject.refs |= fresh
    return subject


# --- erase ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was taken out."""

    hashes: int
    sends: int
    registrations: int
    clicks: int
    tombstones: int


def erase(
    connection: Connection, journal: Journal, keys: PersonKeys, hashes: Sequence[bytes], *, forget: bool
) -> Erased:
    """Take a person out of the ledger. The books, and what was decided, stay.

    Args:
        connection: in a transaction.
        journal: of it.
        keys: for tombstones.
        hashes: by which the person may be known (`hashes_of`).
        forget: leave no tombstone, and forget the wish for no more links too: the person may count again.
    """
    subject = find_subject(connection, hashes)
    refs = sorted(subject.refs)
    # Locked before it is looked at: a send on its way to this person is committed, or comes after.
    known = [
        bytes(value)
        for value in connection.execute(
            select(people.c.hash).where(people.c.ref.in_(refs)).order_by(people.c.hash).with_for_update()
        ).scalars()
    ]
    counted = {
        journal.programme.company(row.company).scope for row in subject.registrations.values() if row.counts
    }
    stones = [] if forget else _bury(connection, journal, keys, sorted({*known, *hashes}), counted)
    connection.execute(delete(people).where(people.c.ref.in_(refs)))
    mine = connection.execute(
        select(sends.c.token, sends.c.message_id).where(sends.c.person_ref.in_(refs))
    ).all()
    gone = 0
    for part in parts([bytes(row.token) for row in mine]):
        gone += connection.execute(delete(clicks).where(clicks.c.token.in_(part))).rowcount
        connection.execute(update(sends).where(sends.c.token.in_(part)).values(message_id="", reply=""))
    for part in parts(sorted({row.message_id for row in mine if row.message_id})):
        connection.execute(delete(observations).where(observations.c.message_id.in_(part)))
    word = "forgotten" if forget else "erased"
    for numbers in parts(sorted(subject.registrations)):
        connection.execute(
            update(registrations).where(registrations.c.id.in_(numbers)).values(digest=None, frozen=word)
        )
        connection.execute(
            insert(registration_events),
            [
                event_row(
                    number, journal.now, "erased", state=subject.registrations[number].state, reason=word
                )
                for number in numbers
            ],
        )
    if forget:
        connection.execute(delete(suppressions).where(suppressions.c.hash.in_([*known, *hashes])))
        for part in parts([keys.tombstone_of(value) for value in {*known, *hashes}]):
            connection.execute(delete(tombstones).where(tombstones.c.hash.in_(part)))
    journal.audit(
        "forget" if forget else "erase", f"{len(mine)} sends, {len(subject.registrations)} registrations"
    )
    return Erased(
        hashes=len(known),
        sends=len(mine),
        registrations=len(subject.registrations),
        clicks=gone,
        tombstones=len(stones),
    )


def _bury(
    connection: Connection,
    journal: Journal,
    keys: PersonKeys,
    hashes: Sequence[bytes],
    scopes: Iterable[str],
) -> list[bytes]:
    """Tombstones for all that the person was known by, in each scope where they counted."""
    stones = [keys.tombstone_of(value) for value in hashes]
    rows = [
        {"hash": stone, "company": scope, "at": journal.now} for stone in stones for scope in sorted(scopes)
    ]
    if not rows:
        return []
    statement = insert_for(connection)(tombstones).values(rows)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["hash", "company"]))
    return stones


# --- report -----------------------------------------------------------------------------------------------


def report(connection: Connection, keys: PersonKeys, hashes: Sequence[bytes]) -> dict[str, object]:
    """Everything that the ledger has about a person, for that person."""
    subject = find_subject(connection, hashes)
    refs = sorted(subject.refs)
    known = connection.execute(select(people).where(people.c.ref.in_(refs))).all()
    mine = connection.execute(
        select(sends).where(sends.c.person_ref.in_(refs)).order_by(sends.c.intended_at)
    ).all()
    visits = _visits(connection, [bytes(row.token) for row in mine])
    values = [*hashes, *(bytes(row.hash) for row in known)]
    silent = connection.execute(
        select(suppressions.c.at, suppressions.c.source).where(suppressions.c.hash.in_(values))
    ).all()
    stones = connection.execute(
        select(tombstones.c.at).where(tombstones.c.hash.in_([keys.tombstone_of(one) for one in values]))
    ).all()
    return {
        "known": bool(known or silent or stones or subject.registrations),
        "identifiers": [
            {
                "kind": row.kind or "address",
                "scope": row.scope,
                "hash": bytes(row.hash).hex(),
                "address": row.address,
                "person_id": row.person_id,
            }
            for row in known
        ],
        "sends": [
            {
                "token": encode_token(bytes(row.token)),
                "sent_at": iso(row.intended_at),
                "accepted_at": iso(row.accepted_at),
                "state": row.state,
                "sender": row.sender,
                "company": row.company,
                "campaign": row.campaign,
                "partner": row.partner,
                "message_id": row.message_id,
                "reply": row.reply,
                "clicks": visits.get(bytes(row.token), []),
            }
            for row in mine
        ],
        "mails_judged": _judged(connection, [row.message_id for row in mine if row.message_id]),
        "registrations": [registration_record(row) for _, row in sorted(subject.registrations.items())],
        "no_more_links": [{"at": iso(row.at), "source": row.source} for row in silent],
        "erased_before": [iso(row.at) for row in stones],
    }


def _visits(connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, list[dict[str, object]]]:
    found: dict[bytes, list[dict[str, object]]] = {}
    for part in parts(tokens):
        rows = connection.execute(select(clicks).where(clicks.c.token.in_(part)).order_by(clicks.c.at))
        for row in rows:
            found.setdefault(bytes(row.token), []).append({"at": iso(row.at), "label": row.label})
    return found


def _judged(connection: Connection, message_ids: Sequence[str]) -> list[dict[str, object]]:
    """What the rules saw in the mails that brought the links; sentences where they are kept."""
    found: list[dict[str, object]] = []
    for part in parts(sorted(set(message_ids))):
        seen = select(observations).where(observations.c.message_id.in_(part)).order_by(observations.c.id)
        found += [
            {
                "at": iso(row.at),
                "message_id": row.message_id,
                "sender": row.sender,
                "rule": row.rule,
                "matched": row.matched,
                "reason": row.reason,
                "snippets": json.loads(row.snippets) if row.snippets else [],
            }
            for row in connection.execute(seen)
        ]
    return found


# --- purge ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each kind of data is kept, in microseconds."""

    sends: int
    clicks: int
    outbox: int
    dedupe: int

    @classmethod
    def of_days(cls, *, sends: int, clicks: int, outbox: int, dedupe_years: int) -> "Retention":
        """From the units of the config."""
        return cls(
            sends=sends * DAY, clicks=clicks * DAY, outbox=outbox * DAY, dedupe=dedupe_years * 366 * DAY
        )


def purge_step(
    connection: Connection,
    journal: Journal,
    retention: Retention,
    programme: Programme,
    *,
    rows: int = PURGE_ROWS,
) -> Mapping[str, int]:
    """Delete what is too old, at most so many `rows` of each kind that may have many; gives how many.

    Sends are kept for as long as a registration may be matched with them, whatever `retention` says. People
    are for `unused_people` and `purge_people`.
    """
    longest = max(
        (
            (contract.window_days + contract.report_within_days) * DAY
            for company in programme.companies.values()
            for contract in company.contracts
        ),
        default=0,
    )
    now = journal.now
    oldest = now - max(retention.sends, longest)
    found = {
        "clicks": _purge(connection, clicks.c.id, rows, clicks.c.at, now - retention.clicks),
        "sends": _purge(
            connection, sends.c.id, rows, sends.c.intended_at, oldest, sends.c.attempted_at < oldest
        ),
        "outbox": _purge(
            connection,
            outbox.c.id,
            rows,
            outbox.c.settled_at,
            now - retention.outbox,
            outbox.c.state != "waiting",
        ),
        "webhooks": connection.execute(
            delete(webhooks).where(webhooks.c.at < now - retention.outbox)
        ).rowcount,
        "tombstones": connection.execute(
            delete(tombstones).where(tombstones.c.at < now - retention.dedupe)
        ).rowcount,
    }
    _record_purge(journal, {name: count for name, count in found.items() if name != "webhooks"})
    return found


def _purge(
    connection: Connection,
    number: "Column[int]",
    rows: int,
    moment: "Column[int]",
    before: int,
    *conditions: "ColumnElement[bool]",
) -> int:
    """Delete the oldest by `moment`, which has an index: what is young is not gone through."""
    old = select(number).where(moment < before, *conditions).order_by(moment).limit(rows)
    return connection.execute(delete(number.table).where(number.in_(old.scalar_subquery()))).rowcount


def _record_purge(journal: Journal, found: Mapping[str, int]) -> None:
    """That it was done is to be shown to whoever asks; what was gone through for nothing is not."""
    told = ", ".join(f"{count} {name}" for name, count in found.items() if count)
    if told:
        journal.audit("purge", told)


def _in_use(since: int) -> "ColumnElement[bool]":
    """Whether a row of `people` has a send, or a registration that came after `since`."""
    young = registrations.c.received_at >= since
    return or_(
        select(sends.c.id).where(sends.c.person_ref == people.c.ref).exists(),
        select(registrations.c.id).where(registrations.c.address_ref == people.c.ref, young).exists(),
        select(registrations.c.id).where(registrations.c.person_id_ref == people.c.ref, young).exists(),
    )


def unused_people(connection: Connection, since: int, after: bytes, rows: int) -> list[bytes]:
    """The first `rows` hashes beyond `after` of people that nothing needs any more. Reads only.

    All of `people` is looked at for that, which takes seconds for a million: not in the lock.
    """
    query = select(people.c.hash).where(people.c.hash > after, ~_in_use(since)).order_by(people.c.hash)
    return [bytes(value) for value in connection.execute(query.limit(rows)).scalars()]


def purge_people(connection: Connection, journal: Journal, since: int, hashes: Sequence[bytes]) -> int:
    """Delete those of `unused_people` that nothing needs still; gives how many."""
    gone = 0
    for part in parts(hashes):
        # Locked before it is looked at once more: a send that takes hold of the row meanwhile keeps it.
        query = select(people.c.hash).where(people.c.hash.in_(part), ~_in_use(since))
        chosen = list(connection.execute(query.order_by(people.c.hash).with_for_update()).scalars())
        refs = select(people.c.ref).where(people.c.hash.in_(chosen)).scalar_subquery()
        connection.execute(
            update(registrations)
            .where(or_(registrations.c.address_ref.in_(refs), registrations.c.person_id_ref.in_(refs)))
            .values(digest=None)
        )
        gone += connection.execute(delete(people).where(people.c.hash.in_(chosen), ~_in_use(since))).rowcount
    _record_purge(journal, {"people": gone})
    return gone


def counts(connection: Connection) -> dict[str, int]:
    """How many rows each kind of data has."""
    tables = {"sends": sends, "clicks": clicks, "people": people, "registrations": registrations}
    return {
        name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for name, table in tables.items()
    }
