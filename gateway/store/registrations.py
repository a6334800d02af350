"""Registrations in the database: taken in, decided anew with all that they have to do with, booked.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`). What is
decided is `gateway.ledger.matching`; here is only what it needs to see, and what becomes of its answer.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Row, bindparam, insert, select, update

from gateway.ledger.books import Kind
from gateway.ledger.contract import Contract, settings_of
from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import Reported
from gateway.ledger.matching import VERSION, Decision, Registration, Sent, decide
from gateway.store.credit_schema import registration_events, registrations, settings, tombstones
from gateway.store.journal import Journal
from gateway.store.people import Known, introduce
from gateway.store.schema import sends

#: Values of one IN.
_VALUES = 400
#: So many conflicts of one registration are recorded; a partner that repeats one for ever fills nothing.
_CONFLICTS = 20

_T = TypeVar("_T")


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
    for part in _parts(sorted(set(ids))):
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
            event_row(numbers[report.id], journal.now, "received", detail={"source": source})
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
    for part in _parts(tokens):
        rows = connection.execute(select(sends.c.token, sends.c.sender).where(sends.c.token.in_(part)))
        found |= {bytes(row.token): row.sender for row in rows}
    return found


def _barred(connection: Connection, desk: Desk, hashes: Sequence[tuple[bytes, ...]]) -> list[set[str]]:
    """The scopes in which an erased person who was known by one of these had counted."""
    stones = [[desk.keys.tombstone_of(value) for value in values] for values in hashes]
    found: dict[bytes, set[str]] = {}
    for part in _parts([stone for mine in stones for stone in mine]):
        rows = connection.execute(
            select(tombstones.c.hash, tombstones.c.company).where(tombstones.c.hash.in_(part))
        )
        for row in rows:
            found.setdefault(bytes(row.hash), set()).add(row.company)
    return [set().union(*(found.get(stone, set()) for stone in mine)) for mine in stones]


def record_conflict(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    reason: str = "same id, other content",
) -> None:
    """Note that something else was said under an id that is taken; so many times, and then no more."""
    seen = connection.execute(
        select(registration_events.c.id)
        .where(registration_events.c.registration_id == row.id, registration_events.c.kind == "conflict")
        .limit(_CONFLICTS)
    ).all()
    if len(seen) < _CONFLICTS:
        connection.execute(
            insert(registration_events),
            [event_row(row.id, journal.now, "conflict", state=row.state, reason=reason)],
        )


def event_row(
    number: int,
    at: int,
    kind: str,
    *,
    state: str = "",
    reason: str = "",
    operator: str = "",
    detail: Mapping[str, object] | None = None,
    partner: str | None = None,
    event_id: str | None = None,
    digest: bytes | None = None,
    occurred_at: int | None = None,
) -> dict[str, object]:
    """A line of a registration's history. Nothing about a person goes in."""
    return {
        "registration_id": number,
        "at": at,
        "kind": kind,
        "state": state,
        "reason": reason,
        "operator": operator,
        "detail": json.dumps(detail or {}, sort_keys=True, ensure_ascii=False),
        "partner": partner,
        "event_id": event_id,
        "digest": digest,
        "occurred_at": occurred_at,
    }


# --- deciding ---------------------------------------------------------------------------------------------


def reevaluate(connection: Connection, journal: Journal, numbers: Iterable[int]) -> int:
    """Decide these registrations anew, and all that have to do with them; book what changed.

    Gives how many changed.
    """
    seeds = sorted(set(numbers))
    if not seeds:
        return 0
    rows, by_token, by_person = _cluster(connection, seeds)
    decisions = decide(
        [registration_of(row) for row in rows.values()],
        by_token=by_token,
        by_person=by_person,
        programme=journal.programme,
    )
    changed = [
        (rows[number], decision)
        for number, decision in sorted(decisions.items())
        if _differs(rows[number], decision)
    ]
    if changed:
        _write(connection, journal, changed)
    return len(changed)


def _cluster(
    connection: Connection, seeds: Sequence[int]
) -> "tuple[dict[int, Row[tuple[object, ...]]], dict[bytes, Sent], dict[bytes, list[Sent]]]":
    """All registrations that share an address, a person's id or a link with the seeds, and their sends."""
    columns = registrations.c
    rows = {row.id: row for part in _parts(seeds) for row in _rows(connection, columns.id.in_(part))}
    by_token: dict[bytes, Sent] = {}
    by_person: dict[bytes, list[Sent]] = {}
    refs: set[bytes] = set()
    tokens: set[bytes] = set()
    fresh = list(rows.values())
    while fresh:
        new_refs = {
            bytes(ref)
            for row in fresh
            for ref in (row.address_ref, row.person_id_ref, row.send_ref)
            if ref is not None
        }
        new_tokens = {
            bytes(token) for row in fresh for token in (row.token, row.send_token) if token is not None
        }
        found = _sends(connection, sends.c.token, new_tokens - tokens)
        found += _sends(
            connection, sends.c.person_ref, {bytes(r.address_ref) for r in fresh if r.address_ref}
        )
        for send in found:
            by_token[send.token] = send
            mine = by_person.setdefault(send.person_ref, [])
            if send not in mine:
                mine.append(send)
            new_refs.add(send.person_ref)
            new_tokens.add(send.token)
        new_refs -= refs
        new_tokens -= tokens
        refs |= new_refs
        tokens |= new_tokens
        fresh = []
        for column, values in (
            (columns.address_ref, new_refs),
            (columns.person_id_ref, new_refs),
            (columns.send_ref, new_refs),
            (columns.token, new_tokens),
            (columns.send_token, new_tokens),
        ):
            for part in _parts(sorted(values)):
                for row in _rows(connection, column.in_(part)):
                    if row.id not in rows:
                        rows[row.id] = row
                        fresh.append(row)
    return rows, by_token, by_person


def _rows(connection: Connection, condition: ColumnElement[bool]) -> "list[Row[tuple[object, ...]]]":
    return list(connection.execute(select(registrations).where(condition)))


def _sends(connection: Connection, column: ColumnElement[object], values: Collection[bytes]) -> list[Sent]:
    found: list[Sent] = []
    for part in _parts(sorted(values)):
        query = select(
            sends.c.token,
            sends.c.person_ref,
            sends.c.company,
            sends.c.campaign,
            sends.c.partner,
            sends.c.intended_at,
            sends.c.ruleset,
            sends.c.state,
            sends.c.accepted_at,
        ).where(column.in_(part))
        for row in connection.execute(query):
            if (
                column is not sends.c.token
                and row.state in ("refused", "unlinked")
                and row.accepted_at is None
            ):
                continue  # nothing with this link ever arrived: only who shows its token has it
            found.append(
                Sent(
                    token=bytes(row.token),
                    person_ref=bytes(row.person_ref),
                    company=row.company,
                    campaign=row.campaign,
                    partner=row.partner,
                    sent_at=row.intended_at,
                    ruleset=row.ruleset,
                )
            )
    return found


def registration_of(row: "Row[tuple[object, ...]]") -> Registration:
    """A row as matching sees it."""
    matched = None
    if row.send_token is not None:
        matched = Sent(
            token=bytes(row.send_token),
            person_ref=bytes(row.send_ref),
            company=row.company,
            campaign=row.campaign,
            partner=row.partner,
            sent_at=row.sent_at,
            ruleset=row.ruleset,
        )
    return Registration(
        number=row.id,
        partner=row.partner,
        external_id=row.external_id,
        registered_at=row.registered_at,
        received_at=row.received_at,
        token=bytes(row.token) if row.token is not None else None,
        token_flag="token-unreadable" if "token-unreadable" in row.flags else "",
        address_ref=bytes(row.address_ref) if row.address_ref is not None else None,
        person_id_ref=bytes(row.person_id_ref) if row.person_id_ref is not None else None,
        own=row.own_address,
        known=row.known,
        barred=frozenset(json.loads(row.barred)) if row.barred else frozenset(),
        hold=row.hold,
        company=row.company,
        confirmed=row.confirmed,
        disputed=row.disputed,
        forgotten=row.frozen == "forgotten",
        matched=matched,
        matched_by=row.matched_by,
    )


def _values(decision: Decision) -> dict[str, object]:
    send = decision.send
    return {
        "state": decision.state.value,
        "reason": decision.reason,
        "flags": " ".join(decision.flags),
        "counts": decision.counts,
        "company": decision.company,
        "campaign": decision.campaign,
        "matched_by": decision.matched_by,
        "send_token": send.token if send else None,
        "send_ref": send.person_ref if send else None,
        "sent_at": send.sent_at if send else None,
        "ruleset": send.ruleset if send else "",
    }


def _differs(row: "Row[tuple[object, ...]]", decision: Decision) -> bool:
    return any(
        (bytes(found) if isinstance(found := getattr(row, name), memoryview) else found) != value
        for name, value in _values(decision).items()
    )


def _write(
    connection: Connection,
    journal: Journal,
    changed: "Sequence[tuple[Row[tuple[object, ...]], Decision]]",
) -> None:
    digests = {contract: settings_of(contract) for contract in {decision.contract for _, decision in changed}}
    _keep_settings(connection, digests.values(), journal.now)
    events = []
    updates: list[dict[str, object]] = []
    touched: set[str] = set()
    for row, decision in changed:
        booked = row.counts, row.company, row.campaign
        recount = (decision.counts, decision.company, decision.campaign) != booked and (
            decision.counts or row.counts
        )
        values = _values(decision) | {
            "matcher": VERSION,
            "settings": digests[decision.contract][0],
            "decided_at": journal.now,
            # What it was booked by stays, for as long as it is booked.
            "ratio": row.ratio,
            "contract_from": row.contract_from,
            "department": row.department,
        }
        if decision.counts and recount:
            values |= {
                "ratio": decision.contract.ratio,
                "contract_from": decision.contract.since,
                "department": journal.programme.department(decision.campaign),
            }
        updates.append({f"new_{name}": value for name, value in values.items()} | {"number": row.id})
        events.append(
            event_row(
                row.id,
                journal.now,
                "decided",
                state=decision.state.value,
                reason=decision.reason,
                detail={
                    "matcher": VERSION,
                    "settings": digests[decision.contract][0],
                    "ruleset": decision.send.ruleset if decision.send else "",
                    "counts": decision.counts,
                    "company": decision.company,
                    "campaign": decision.campaign,
                    "by": decision.matched_by,
                    "flags": list(decision.flags),
                },
            )
        )
        if recount and decision.counts:
            touched.add(decision.company)
            _book(journal, Kind.COUNT, row, (decision.company, decision.campaign), decision.contract)
    # Only after all that count: a referral that moves to another registration must not cost a slot meanwhile.
    for row, decision in changed:
        same = (decision.counts, decision.company, decision.campaign) == (
            row.counts,
            row.company,
            row.campaign,
        )
        if row.counts and not same:
            touched.add(row.company)
            contract = Contract(since=row.contract_from, ratio=row.ratio)
            _book(journal, Kind.UNCOUNT, row, (row.company, row.campaign), contract, reason=decision.reason)
    names = [name.removeprefix("new_") for name in updates[0] if name != "number"]
    connection.execute(
        update(registrations)
        .where(registrations.c.id == bindparam("number"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        updates,
    )
    connection.execute(insert(registration_events), events)
    for company in sorted(touched):
        journal.settle(company)


def _book(
    journal: Journal,
    kind: Kind,
    row: "Row[tuple[object, ...]]",
    place: tuple[str, str],
    contract: Contract,
    *,
    reason: str = "",
) -> None:
    """`place`: the company and the campaign that it is booked to."""
    journal.post(
        kind,
        place[0],
        effective_at=row.registered_at,
        campaign=place[1],
        registration=row.id,
        reason=reason,
        contract=(contract.since, contract.ratio),
        department=row.department if kind is Kind.UNCOUNT else None,
    )


def _keep_settings(connection: Connection, found: Iterable[tuple[str, str]], now: int) -> None:
    for digest, content in found:
        known = connection.execute(select(settings.c.digest).where(settings.c.digest == digest)).first()
        if known is None:
            connection.execute(insert(settings).values(digest=digest, content=content, at=now))


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _VALUES):
        yield values[start : start + _VALUES]
