"""Registrations in the database: what partners report is taken in, once, and decided.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`). What becomes
of a registration is for `gateway.store.deciding`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select

from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import Reported
from gateway.store.bounded import bounded
from gateway.store.chronicle import event_row, record_conflict
from gateway.store.credit_schema import registration_events, registrations, tombstones
from gateway.store.deciding import reevaluate
from gateway.store.journal import Journal
from gateway.store.parts import parts
from gateway.store.people import Known, introduce
from gateway.store.schema import sends


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one report.

    `result` is ``new``, ``known`` (said before, nothing changed) or ``conflict`` (the id is taken by other
    content; recorded).
    """

    id: str
    result: str
    number: int
    state: str = ""
    reason: str = ""
    counts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the work on registrations goes by.

    Attributes:
        keys: for everything about people.
        is_own: whether an address is one of the companies' own.
        keep_plain: keep addresses and the partner's ids in plain text.
    """

    keys: PersonKeys
    is_own: Callable[[str], bool]
    keep_plain: bool = False


def receive(
    connection: Connection,
    journal: Journal,
    desk: Desk,
    partner: str,
    reports: Sequence[Reported],
    *,
    source: str,
    received_at: int | None = None,
) -> list[Taken]:
    """Take in what a partner reports, decide, book. Answers in the order of `reports`.

    The same again changes nothing.
    """
    existing = _existing(connection, partner, [report.id for report in reports])
    digests = [desk.keys.digest_of(partner, report) for report in reports]
    fresh: dict[str, int] = {}
    for index, report in enumerate(reports):
        if report.id not in existing:
            fresh.setdefault(report.id, index)
    numbers = _insert_new(
        connection,
        journal,
        desk,
        partner,
        [(reports[index], digests[index]) for index in fresh.values()],
        source=source,
        received_at=journal.now if received_at is None else received_at,
    )
    reevaluate(connection, journal, numbers.values())
    rows = _existing(connection, partner, [report.id for report in reports])
    answers: list[Taken] = []
    for index, (report, digest) in enumerate(zip(reports, digests, strict=True)):
        row = rows[report.id]
        result = "new"
        if fresh.get(report.id) != index:
            same = row.digest is None or bytes(row.digest) == digest
            result = "known" if same else "conflict"
        if result == "conflict":
            record_conflict(connection, journal, row)
        answers.append(
            Taken(
                id=report.id,
                result=result,
                number=row.id,
                state=row.state,
                reason=row.reason,
                counts=row.counts,
            )
        )
    return answers


def _existing(
    connection: Connection, partner: str, ids: Sequence[str]
) -> "dict[str, Row[tuple[object, ...]]]":
    found: dict[str, Row[tuple[object, ...]]] = {}
    for part in parts(sorted(set(ids))):
        query = select(registrations).where(
            registrations.c.partner == partner, registrations.c.external_id.in_(part)
        )
        found |= {row.external_id: row for row in connection.execute(query)}
    return found


def _insert_new(
    connection: Connection,
    journal: Journal,
    desk: Desk,
    partner: str,
    reports: Sequence[tuple[Reported, bytes]],
    *,
    source: str,
    received_at: int,
) -> dict[str, int]:
    if not reports:
        return {}
    senders = _senders(
        connection, [report.token for report, _ in reports if report.token and report.email_hash]
    )
    known = [_known(desk, partner, report) for report, _ in reports]
    refs = introduce(connection, known, journal.now)
    barred = _barred(connection, desk, [one.hashes for one in known])
    rows = []
    for (report, digest), (address_ref, person_ref), scopes in zip(reports, refs, barred, strict=True):
        own = bool(report.email) and desk.is_own(report.email)
        if not own and report.email_hash and (sender := senders.get(report.token or b"")):
            # Only the sender's own address can be told from a hash.
            own = any(value == report.email_hash for _, value in desk.keys.matching_hashes(partner, sender))
        rows.append(
            {
                "partner": partner,
                "external_id": report.id,
                "digest": digest,
                "token": report.token,
                "registered_at": report.registered_at,
                "received_at": received_at,
                "source": source,
                "known": report.known,
                "address_ref": address_ref,
                "person_id_ref": person_ref,
                "own_address": own,
                "barred": json.dumps(sorted(scopes)) if scopes else "",
                "confirmed": False,
                "disputed": False,
                "state": "unmatched",
                "reason": "no-send",
                "flags": report.token_flag,
                "counts": False,
                "decided_at": journal.now,
            }
        )
    connection.execute(insert(registrations), rows)
    found = _existing(connection, partner, [report.id for report, _ in reports])
    numbers = {name: int(row.id) for name, row in found.items()}
    connection.execute(
        insert(registration_events),
        [
            event_row(
                numbers[report.id],
                journal.now,
                "received",
                operator=bounded(journal.operator),
                detail={"source": source},
            )
            for report, _ in reports
        ],
    )
    return numbers


def _known(desk: Desk, partner: str, report: Reported) -> Known:
    matching: tuple[tuple[str, bytes], ...] = ()
    if report.email:
        matching = desk.keys.matching_hashes(partner, report.email)
    elif report.email_hash:
        matching = (("", report.email_hash),)
    return Known(
        partner=partner,
        address=desk.keys.address(report.email) if report.email else None,
        plain_address=report.email if report.email and desk.keep_plain else None,
        matching=matching,
        person_id=desk.keys.person_id(partner, report.person_id) if report.person_id else None,
        plain_person_id=report.person_id or None,
    )


def _senders(connection: Connection, tokens: Sequence[bytes]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for part in parts(tokens):
        rows = connection.execute(select(sends.c.token, sends.c.sender).where(sends.c.token.in_(part)))
        found |= {bytes(row.token): row.sender for row in rows}
    return found


def _barred(connection: Connection, desk: Desk, hashes: Sequence[tuple[bytes, ...]]) -> list[set[str]]:
    """The scopes in which an erased person who was known by one of these had counted."""
    stones = [[desk.keys.tombstone_of(value) for value in values] for values in hashes]
    found: dict[bytes, set[str]] = {}
    for part in parts([stone for mine in stones for stone in mine]):
        rows = connection.execute(
            select(tombstones.c.hash, tombstones.c.company).where(tombstones.c.hash.in_(part))
        )
        for row in rows:
            found.setdefault(bytes(row.hash), set()).add(row.company)
    return [set().union(*(found.get(stone, set()) for stone in mine)) for mine in stones]
