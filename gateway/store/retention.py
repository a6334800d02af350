"""Forgetting what is too old: `careerrelay purge`.

What deletes works inside a transaction that holds the lock of credit (`gateway.store.credit`); what counts
only reads. Books and decisions stay: they name nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)

from gateway.ledger.contract import DAY, Programme
from gateway.store.credit_schema import clicks, outbox, registrations, tombstones, webhooks
from gateway.store.journal import Journal
from gateway.store.parts import parts
from gateway.store.schema import people, sends

#: Rows that one transaction of `purge` deletes of a table, so that the mail path never waits long.
PURGE_ROWS = 5_000


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


def _too_old(
    retention: Retention, programme: Programme, now: int
) -> "Mapping[str, tuple[Table, Column[int], ColumnElement[bool]]]":
    """By kind: its table, the moment by which rows are old, which has an index, and which are too old.

    Sends are kept for as long as a registration may be matched with them, whatever `retention` says. People
    are for `unused_people`.
    """
    longest = max(
        (
            (contract.window_days + contract.report_within_days) * DAY
            for company in programme.companies.values()
            for contract in company.contracts
        ),
        default=0,
    )
    oldest = now - max(retention.sends, longest)
    settled = and_(outbox.c.settled_at < now - retention.outbox, outbox.c.state != "waiting")
    return {
        "clicks": (clicks, clicks.c.at, clicks.c.at < now - retention.clicks),
        "sends": (
            sends,
            sends.c.intended_at,
            and_(sends.c.intended_at < oldest, sends.c.attempted_at < oldest),
        ),
        "outbox": (outbox, outbox.c.settled_at, settled),
        "webhooks": (webhooks, webhooks.c.at, webhooks.c.at < now - retention.outbox),
        "tombstones": (tombstones, tombstones.c.at, tombstones.c.at < now - retention.dedupe),
    }


def count_old(
    connection: Connection, retention: Retention, programme: Programme, now: int
) -> Mapping[str, int]:
    """How many rows of each kind `purge_step` would delete in the end. Reads only: nobody waits for it."""
    return {
        name: int(connection.execute(select(func.count()).select_from(table).where(old)).scalar_one())
        for name, (table, _, old) in _too_old(retention, programme, now).items()
    }


def purge_step(
    connection: Connection,
    journal: Journal,
    retention: Retention,
    programme: Programme,
    *,
    rows: int = PURGE_ROWS,
) -> Mapping[str, int]:
    """Delete what is too old, at most so many `rows` of each kind, the oldest first; gives how many."""
    found: dict[str, int] = {}
    for name, (table, moment, old) in _too_old(retention, programme, journal.now).items():
        key = list(table.primary_key.columns)
        # By the moment, which has an index: what is young is not gone through.
        chosen = select(*key).where(old).order_by(moment).limit(rows)
        found[name] = connection.execute(delete(table).where(tuple_(*key).in_(chosen))).rowcount
    _record_purge(journal, {name: count for name, count in found.items() if name != "webhooks"})
    return found


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
