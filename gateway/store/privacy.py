"""People's data: what the ledger knows of one, and taking it out. What is too old: `gateway.store.retention`.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`), except
`report`, which only reads. Books and decisions stay: they name nobody (CREDIT.md, "People's data").
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.ledger.identity import PersonKeys
from gateway.store.base import insert_for
from gateway.store.chronicle import event_row
from gateway.store.credit_schema import clicks, registration_events, registrations, suppressions, tombstones
from gateway.store.flat import iso
from gateway.store.journal import Journal
from gateway.store.parts import parts
from gateway.store.people import refs_of
from gateway.store.rollout_schema import observations
from gateway.store.schema import people, sends
from gateway.store.views import registration_record
from gateway.token import encode_token


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
