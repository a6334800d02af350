"""Rows of `people`: by what a person is known again, apart from the hash of the address that a send writes.

Every function works inside the transaction of its caller.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from gateway.store.base import insert_for
from gateway.store.parts import parts
from gateway.store.schema import people
from gateway.store.statements import Statements, ThroughSqlalchemy

#: Rows of one statement.
_ROWS = 256

_ADOPT = (
    "UPDATE registrations SET address_ref = ? WHERE address_ref = ?",
    "UPDATE people SET ref = ? WHERE ref = ?",
)


def write_matching(statements: Statements, matching: Mapping[tuple[str, bytes], bytes]) -> None:
    """Note the hashes of addresses under partners' matching keys.

    A hash that came before its address, with a registration by hash alone, has a reference of its own; from
    now on both are one.

    Args:
        statements: of an open transaction.
        matching: by (key's id, hash): the reference of the address.
    """
    # In one order, so that two writers who meet wait for each other in one direction only.
    rows = sorted(matching, key=lambda pair: pair[1])
    wanted = {value: ref for (_, value), ref in matching.items()}
    for part in parts(rows, _ROWS):
        values = [item for key_id, value in part for item in (value, wanted[value], "match", key_id)]
        marks = ", ".join(["(?, ?, ?, ?)"] * len(part))
        statement = (
            f"INSERT INTO people (hash, ref, kind, scope) VALUES {marks}"  # noqa: S608 - marks of parameters
            " ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING hash, ref"
        )
        for found, ref in list(statements.run(statement, values)):
            if bytes(ref) != wanted[bytes(found)]:
                for adopt in _ADOPT:
                    statements.run(adopt, (wanted[bytes(found)], bytes(ref)))


# --- who a registration is about --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """By what one report names a person. `address` and `person_id` are hashes; plain texts where kept.

    `matching` has the address's hashes under matching keys; for a report that has only such a hash, that.
    """

    partner: str
    address: bytes | None = None
    plain_address: str | None = None
    matching: tuple[tuple[str, bytes], ...] = ()
    person_id: bytes | None = None
    plain_person_id: str | None = None

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """All of them."""
        found = [value for _, value in self.matching]
        return tuple(found + [value for value in (self.address, self.person_id) if value is not None])


def refs_of(connection: Connection, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """The references of those hashes that are known."""
    wanted = sorted(set(hashes))
    found: dict[bytes, bytes] = {}
    for part in parts(wanted, _ROWS):
        rows = connection.execute(select(people.c.hash, people.c.ref).where(people.c.hash.in_(part)))
        found |= {bytes(row.hash): bytes(row.ref) for row in rows}
    return found


def introduce(
    connection: Connection, reports: Sequence[Known], now: int
) -> list[tuple[bytes | None, bytes | None]]:
    """The references of the address and of the person's id of each report; those that are new are made."""
    known = refs_of(connection, (value for report in reports for value in report.hashes))
    rows: dict[bytes, dict[str, object]] = {}
    matching: dict[tuple[str, bytes], bytes] = {}
    found: list[tuple[bytes | None, bytes | None]] = []
    for report in reports:
        address_ref = _address_ref(report, known, now)
        if address_ref is not None:
            if report.address is not None and report.address not in known:
                known[report.address] = address_ref
                rows[report.address] = _row(report.address, address_ref, address=report.plain_address)
            for key_id, value in report.matching:
                if known.get(value) != address_ref:
                    known[value] = matching[key_id, value] = address_ref
        if report.person_id is not None and report.person_id not in known:
            known[report.person_id] = _new_ref(now)
            rows[report.person_id] = _row(
                report.person_id,
                known[report.person_id],
                kind="person-id",
                scope=report.partner,
                person_id=report.plain_person_id,
            )
        found.append((address_ref, known[report.person_id] if report.person_id is not None else None))
    # The mail path may have been quicker with the same address: then its reference stands, and we take it.
    if rows:
        _insert(connection, [rows[value] for value in sorted(rows)])
    if matching:
        write_matching(ThroughSqlalchemy(connection), matching)
    actual = refs_of(connection, known) if rows or matching else known
    moved = {ref: actual[value] for value, ref in known.items() if actual.get(value, ref) != ref}
    return [
        (moved.get(one, one) if one else None, moved.get(two, two) if two else None) for one, two in found
    ]


def _address_ref(report: Known, known: Mapping[bytes, bytes], now: int) -> bytes | None:
    if report.address is not None and report.address in known:
        return known[report.address]
    for _, value in report.matching:
        if value in known:
            return known[value]
    return _new_ref(now) if report.address is not None or report.matching else None


def _new_ref(now: int) -> bytes:
    return (now // 1000).to_bytes(6, "big") + secrets.token_bytes(10)


def _row(value: bytes, ref: bytes, **more: object) -> dict[str, object]:
    return {
        "hash": value,
        "ref": ref,
        "address": None,
        "kind": "",
        "scope": "",
        "person_id": None,
        **more,
    }


def _insert(connection: Connection, rows: Sequence[dict[str, object]]) -> None:
    make = insert_for(connection)
    connection.execute(make(people).on_conflict_do_nothing(index_elements=["hash"]), list(rows))
