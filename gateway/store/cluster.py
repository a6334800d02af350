"""What is decided together: registrations that share a person or a link, directly or through others.

Reads only.
"""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Row, select

from gateway.ledger.matching import Registration, Sent
from gateway.store.credit_schema import registrations
from gateway.store.parts import parts
from gateway.store.schema import sends


def cluster_of(
    connection: Connection, seeds: Sequence[int]
) -> "tuple[dict[int, Row[tuple[object, ...]]], dict[bytes, Sent], dict[bytes, list[Sent]]]":
    """All registrations that share an address, a person's id or a link with the seeds, and their sends."""
    columns = registrations.c
    rows = {row.id: row for part in parts(seeds) for row in _rows(connection, columns.id.in_(part))}
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
            for part in parts(sorted(values)):
                for row in _rows(connection, column.in_(part)):
                    if row.id not in rows:
                        rows[row.id] = row
                        fresh.append(row)
    return rows, by_token, by_person


def _rows(connection: Connection, condition: ColumnElement[bool]) -> "list[Row[tuple[object, ...]]]":
    return list(connection.execute(select(registrations).where(condition)))


def _sends(connection: Connection, column: ColumnElement[object], values: Collection[bytes]) -> list[Sent]:
    found: list[Sent] = []
    for part in parts(sorted(values)):
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
