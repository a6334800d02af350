"""The life of a slot: reserved for a requisition, used by a hire, returned when it falls through, expired.

Every function works inside a transaction that holds the lock of credit.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, func, select, update

from gateway.errors import GatewayError
from gateway.ledger.books import Account, Kind
from gateway.store.bounded import bounded
from gateway.store.credit_schema import slots
from gateway.store.journal import Journal


class CreditRefused(GatewayError):
    """What was asked for can't be done with the slots that there are; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot as it stands. `state` is an account of `gateway.ledger.books`, or ``taken-back``."""

    id: int
    company: str
    state: str
    price: int
    granted_at: int
    expires_at: int | None
    requisition: str
    reserved_at: int | None
    used_at: int | None


def slot_of(row: "Row[tuple[object, ...]]") -> Slot:
    """A row as a value."""
    return Slot(
        id=row.id,
        company=row.company,
        state=row.state,
        price=row.price,
        granted_at=row.granted_at,
        expires_at=row.expires_at,
        requisition=row.requisition,
        reserved_at=row.reserved_at,
        used_at=row.used_at,
    )


def find_slots(connection: Connection, company: str, *states: Account) -> list[Slot]:
    """The company's slots in these states (all, where none is named), oldest first."""
    query = select(slots).where(slots.c.company == company).order_by(slots.c.id)
    if states:
        query = query.where(slots.c.state.in_([state.value for state in states]))
    return [slot_of(row) for row in connection.execute(query)]


def used_since(connection: Connection, company: str, moment: int) -> int:
    """How many slots the company has used since then, less returned ones."""
    used = select(func.count()).where(slots.c.company == company, slots.c.used_at >= moment)
    return int(connection.execute(used).scalar_one())


def expire_due(connection: Connection, journal: Journal) -> int:
    """Expire the slots whose life is over; gives how many. Reserved and used ones don't expire."""
    due = connection.execute(
        select(slots).where(slots.c.state == Account.AVAILABLE.value, slots.c.expires_at <= journal.now)
    ).all()
    for row in due:
        _move(connection, journal, slot_of(row), Kind.EXPIRE, Account.EXPIRED, reason="its life is over")
    return len(due)


def reserve(
    connection: Connection,
    journal: Journal,
    company: str,
    *,
    requisition: str = "",
    slot_id: int | None = None,
) -> Slot:
    """Reserve a slot (the one that expires first) for a requisition.

    The same requisition again gives the slot that it has.

    Raises:
        CreditRefused: there is none.
    """
    requisition = bounded(requisition)
    if requisition:
        for slot in find_slots(connection, company, Account.RESERVED, Account.USED):
            if slot.requisition == requisition and slot_id in (None, slot.id):
                return slot
    free = find_slots(connection, company, Account.AVAILABLE)
    if slot_id is not None:
        free = [slot for slot in free if slot.id == slot_id]
        if not free:
            raise CreditRefused(f"slot {slot_id} is not available: see `careerrelay credits show`")
    if not free:
        raise CreditRefused("no slot is available: see `careerrelay credits show`")
    chosen = min(free, key=lambda slot: (slot.expires_at is None, slot.expires_at or 0, slot.id))
    _move(
        connection,
        journal,
        chosen,
        Kind.RESERVE,
        Account.RESERVED,
        reason=requisition,
        requisition=requisition,
        reserved_at=journal.now,
    )
    return slot_at(connection, chosen.id)


def redeem(
    connection: Connection,
    journal: Journal,
    company: str,
    *,
    requisition: str = "",
    slot_id: int | None = None,
) -> Slot:
    """Use a slot for a hire: the reserved one that is meant, else one that is reserved first.

    A requisition that has used its slot already gets that one, and nothing moves.

    Raises:
        CreditRefused: there is none, or it isn't clear which is meant.
    """
    requisition = bounded(requisition)
    reserved = find_slots(connection, company, Account.RESERVED)
    if slot_id is not None:
        mine = [slot for slot in reserved if slot.id == slot_id]
    elif requisition:
        mine = [slot for slot in reserved if slot.requisition == requisition]
    else:
        mine = reserved
    if not mine:
        slot = reserve(connection, journal, company, requisition=requisition, slot_id=slot_id)
        if slot.state == Account.USED.value:
            return slot
    elif len(mine) > 1:
        names = ", ".join(f"{slot.id} ({slot.requisition or 'no requisition'})" for slot in mine)
        raise CreditRefused(f"several slots are reserved: {names}; say which with --slot or --requisition")
    else:
        (slot,) = mine
    _move(
        connection,
        journal,
        slot,
        Kind.USE,
        Account.USED,
        reason=requisition or slot.requisition,
        requisition=requisition or slot.requisition,
        used_at=journal.now,
    )
    return slot_at(connection, slot.id)


def give_back(
    connection: Connection,
    journal: Journal,
    company: str,
    *,
    requisition: str = "",
    slot_id: int | None = None,
    reason: str = "",
) -> Slot:
    """The hire fell through (a used slot is returned), or the slot isn't needed (a reserved one is let go).

    The time that it was reserved or used is added to its life.

    Raises:
        CreditRefused: no such slot, or it isn't clear which is meant.
    """
    requisition = bounded(requisition)
    held = find_slots(connection, company, Account.USED) or find_slots(connection, company, Account.RESERVED)
    if slot_id is not None or requisition:
        held = [
            slot
            for slot in find_slots(connection, company, Account.USED, Account.RESERVED)
            if slot_id in (None, slot.id) and requisition in ("", slot.requisition)
        ]
    if not held:
        raise CreditRefused("there is no used or reserved slot to return")
    if len(held) > 1:
        names = ", ".join(f"{slot.id} ({slot.requisition or 'no requisition'})" for slot in held)
        raise CreditRefused(f"several slots could be meant: {names}; say which with --slot or --requisition")
    (slot,) = held
    used = slot.state == Account.USED.value
    away = journal.now - (slot.reserved_at or journal.now)
    _move(
        connection,
        journal,
        slot,
        Kind.RETURN if used else Kind.RELEASE,
        Account.AVAILABLE,
        reason=reason,
        requisition="",
        reserved_at=None,
        used_at=None,
        expires_at=None if slot.expires_at is None else slot.expires_at + away,
    )
    return slot_at(connection, slot.id)


def _move(
    connection: Connection,
    journal: Journal,
    slot: Slot,
    kind: Kind,
    state: Account,
    *,
    reason: str,
    **changes: object,
) -> None:
    connection.execute(
        update(slots)
        .where(slots.c.id == slot.id)
        .values(state=state.value, changed_at=journal.now, **changes)
    )
    journal.post(kind, slot.company, slot=slot.id, reason=reason)
    journal.flush()


def slot_at(connection: Connection, slot_id: int) -> Slot:
    """The slot of that id as it stands."""
    return slot_of(connection.execute(select(slots).where(slots.c.id == slot_id)).one())
