"""A partner's list held against the ledger: what is on one side only, or differs, and why that may be."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import Reported
from gateway.ledger.matching import REASONS
from gateway.store.credit_schema import registrations
from gateway.store.flat import iso
from gateway.store.parts import parts
from gateway.store.people import refs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A line of the partner's list. `counted` is what it says of credit, where it says something."""

    line: int
    reported: Reported
    counted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One entry that is not the same on both sides.

    `side` is ``theirs``, ``ours`` or ``both``; `fields` are those that differ.
    """

    id: str
    side: str
    line: int | None
    fields: tuple[str, ...]
    state: str
    reason: str


def compare(
    connection: Connection, keys: PersonKeys, partner: str, theirs: Sequence[Theirs], span: tuple[int, int]
) -> tuple[int, list[Difference]]:
    """How many are the same, and the differences: theirs in the order of the list, then ours.

    Args:
        connection: to read with.
        keys: for the hashes of people.
        partner: whose list it is.
        theirs: the list.
        span: from when to when (not included) ours are looked at, by `registered_at`.
    """
    ours = _ours(connection, partner, [one.reported.id for one in theirs])
    known = refs_of(connection, (value for one in theirs for value in _hashes(keys, partner, one.reported)))
    found: list[Difference] = []
    same = 0
    seen: set[str] = set()
    for one in theirs:
        row = ours.get(one.reported.id)
        if one.reported.id in seen:
            found.append(_difference(one, row, ("id",), "the id stands in the list more than once"))
            continue
        seen.add(one.reported.id)
        if row is None:
            found.append(
                _difference(one, None, (), "it was never reported to us, or under another id: import it")
            )
            continue
        fields, reason = _differing(keys, partner, one, row, known)
        if fields:
            found.append(_difference(one, row, fields, reason))
        else:
            same += 1
    missing = connection.execute(
        select(registrations)
        .where(
            registrations.c.partner == partner,
            registrations.c.registered_at >= span[0],
            registrations.c.registered_at < span[1],
        )
        .order_by(registrations.c.id)
    )
    found += [
        Difference(
            id=row.external_id, side="ours", line=None, fields=(), state=row.state, reason=_why_missing(row)
        )
        for row in missing
        if row.external_id not in seen
    ]
    return same, found


def _ours(connection: Connection, partner: str, ids: Sequence[str]) -> "dict[str, Row[tuple[object, ...]]]":
    found: dict[str, Row[tuple[object, ...]]] = {}
    for part in parts(ids):
        query = select(registrations).where(
            registrations.c.partner == partner,
            registrations.c.external_id.in_(part),
        )
        found |= {row.external_id: row for row in connection.execute(query)}
    return found


def _hashes(keys: PersonKeys, partner: str, reported: Reported) -> list[bytes]:
    found: list[bytes] = []
    if reported.email:
        found.append(keys.address(reported.email))
    if reported.email_hash:
        found.append(reported.email_hash)
    if reported.person_id:
        found.append(keys.person_id(partner, reported.person_id))
    return found


def _differing(
    keys: PersonKeys,
    partner: str,
    one: Theirs,
    row: "Row[tuple[object, ...]]",
    known: dict[bytes, bytes],
) -> tuple[tuple[str, ...], str]:
    said = one.reported
    fields: list[str] = []
    reasons: list[str] = []
    if said.registered_at != row.registered_at:
        fields.append("registered_at")
        reasons.append(f"we have {iso(row.registered_at)}: another time zone, or corrected after the report")
    token = bytes(row.token) if row.token is not None else None
    if said.token != token:
        fields.append("token")
        reasons.append("it was added or corrected after the report" if token is None else "another link")
    if row.digest is not None:
        # The person is known still: what they were reported with can be compared.
        address = keys.address(said.email) if said.email else said.email_hash
        if (known.get(address) if address else None) != _octets(row.address_ref):
            fields.append("email")
            reasons.append("another address, or reported without one")
        number = keys.person_id(partner, said.person_id) if said.person_id else None
        if (known.get(number) if number else None) != _octets(row.person_id_ref):
            fields.append("person_id")
            reasons.append("another person's number, or reported without one")
    if one.counted is not None and one.counted != row.counts:
        fields.append("counted")
        ours = "counts" if row.counts else "doesn't count"
        reasons.append(f"here it {ours}: {row.state}, {REASONS.get(row.reason, row.reason)}")
    return tuple(fields), "; ".join(reasons)


def _octets(value: object) -> bytes | None:
    return bytes(value) if isinstance(value, bytes | memoryview) else None


def _difference(
    one: Theirs, row: "Row[tuple[object, ...]] | None", fields: tuple[str, ...], reason: str
) -> Difference:
    return Difference(
        id=one.reported.id,
        side="theirs" if row is None else "both",
        line=one.line,
        fields=fields,
        state=row.state if row is not None else "",
        reason=reason,
    )


def _why_missing(row: "Row[tuple[object, ...]]") -> str:
    if row.state in ("withdrawn", "refused", "reversed"):
        return f"they have taken it off their list; here it is {row.state} too"
    if row.frozen:
        return "the person was erased here, and perhaps there"
    return "they have deleted it, given it another id, or the list is of another period"
