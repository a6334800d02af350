"""Whether the books are what was recorded: for `careerrelay db check`. Reads only.

Whoever may write to the database may switch its triggers off. What they change is found, as long as the head
of a chain is known elsewhere (the log of `purge`, a signed statement); what they cut off at the end is found
by that head alone.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Table, case, func, select

from gateway.ledger import books
from gateway.ledger.books import Account, Kind, Posting, chained, posting_hash
from gateway.store.credit_schema import audit, entries, postings, registrations, slots

#: Rows that are looked at together.
_PAGE = 1_000
_BELOW_ALL = -(1 << 63)

_Row = Row[tuple[object, ...]]


def check_books(connection: Connection, progress: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """What is wrong: a broken chain, a sum that isn't nought, a slot in another place.

    However long the books are, they are gone through in pages; `progress` is told up to which posting.
    """
    chain = _Chain("posting")
    places: dict[int, str] = {}
    for page in _pages(connection, postings):
        lines = _entries(connection, chain.seen, page[-1].id)
        for row in page:
            yield from chain.add(row)
            mine = lines.pop(row.id, [])
            posting = _posting(row, mine)
            if posting is None:
                yield f"posting {row.id} has words that no posting has"
                continue
            if posting_hash(row.id, bytes(row.previous), posting) != bytes(row.hash):
                yield f"posting {row.id} is not what was recorded"
            yield from _faults_within(row, posting, mine)
            if row.slot_id is not None:
                places[row.slot_id] = _place_after(posting)
        yield from _orphans(lines)
        progress(chain.last)
    yield from _orphans(_entries(connection, chain.seen, None))
    yield from _miscounted(connection)
    for slot in connection.execute(select(slots.c.id, slots.c.state).order_by(slots.c.id)):
        if places.get(slot.id) != slot.state:
            yield f"slot {slot.id} says {slot.state}, the books say {places.get(slot.id, 'nothing')}"


def _miscounted(connection: Connection) -> Iterator[str]:
    """Registrations that say they are referrals, and aren't in the books, or the other way round."""
    worth = case((postings.c.kind == Kind.COUNT.value, 1), else_=-1)
    booked = (
        select(postings.c.registration_id.label("id"), func.sum(worth).label("net"))
        .where(postings.c.kind.in_([Kind.COUNT.value, Kind.UNCOUNT.value]))
        .group_by(postings.c.registration_id)
        .subquery()
    )
    net = func.coalesce(booked.c.net, 0)
    query = (
        select(registrations.c.id, registrations.c.counts, net.label("net"))
        .outerjoin(booked, booked.c.id == registrations.c.id)
        .where(net != case((registrations.c.counts, 1), else_=0))
        .order_by(registrations.c.id)
    )
    for row in connection.execute(query.limit(_PAGE)):
        says = "counts" if row.counts else "doesn't count"
        yield f"registration #{row.id} {says}, the books have it {row.net} times"
    lost = (
        select(booked.c.id)
        .outerjoin(registrations, registrations.c.id == booked.c.id)
        .where(registrations.c.id.is_(None))
        .order_by(booked.c.id)
    )
    for row in connection.execute(lost.limit(_PAGE)):
        yield f"registration #{row.id} is in the books, and nowhere else"


def check_audit(connection: Connection) -> Iterator[str]:
    """The same for what people did by commands."""
    chain = _Chain("audit line")
    for page in _pages(connection, audit):
        for row in page:
            yield from chain.add(row)
            said = [row.operator, row.second, row.action, row.company, row.detail]
            if chained(bytes(row.previous), [row.id, row.at, *said]) != bytes(row.hash):
                yield f"audit line {row.id} is not what was recorded"


@dataclass(slots=True)
class _Chain:
    """Each row has the next number, and the hash of the one before it."""

    what: str
    last: int = 0
    hash: bytes = books.GENESIS
    seen: int = _BELOW_ALL

    def add(self, row: _Row) -> Iterator[str]:
        if row.id != self.last + 1 or bytes(row.previous) != self.hash:
            yield f"{self.what} {row.id} does not follow the one before it"
        self.last = self.seen = row.id
        self.hash = bytes(row.hash)


def _pages(connection: Connection, table: Table) -> "Iterator[list[_Row]]":
    after = _BELOW_ALL
    query = select(table).order_by(table.c.id).limit(_PAGE)
    while page := list(connection.execute(query.where(table.c.id > after))):
        after = page[-1].id
        yield page


def _entries(connection: Connection, after: int, upto: int | None) -> dict[int, list[_Row]]:
    """The entries of postings with numbers beyond `after`, by number."""
    query = select(entries).where(entries.c.posting_id > after)
    if upto is not None:
        query = query.where(entries.c.posting_id <= upto)
    found: dict[int, list[_Row]] = {}
    for row in connection.execute(query.order_by(entries.c.posting_id, entries.c.line)):
        found.setdefault(row.posting_id, []).append(row)
    return found


def _orphans(lines: Mapping[int, object]) -> Iterator[str]:
    if lines:
        yield f"entries without a posting: {', '.join(map(str, sorted(lines)[:10]))}"


def _posting(row: _Row, lines: list[_Row]) -> Posting | None:
    try:
        return Posting(
            kind=Kind(row.kind),
            at=row.at,
            effective_at=row.effective_at,
            company=row.company,
            entries=tuple(books.Entry(Account(one.account), one.commodity, one.amount) for one in lines),
            campaign=row.campaign,
            department=row.department,
            registration=row.registration_id,
            slot=row.slot_id,
            operator=row.operator,
            second=row.second,
            reason=row.reason,
            ratio=row.ratio,
            contract_from=row.contract_from,
        )
    except ValueError:
        return None


def _faults_within(row: _Row, posting: Posting, lines: list[_Row]) -> Iterator[str]:
    for commodity in (books.REF, books.SLOT):
        if sum(entry.amount for entry in posting.entries if entry.commodity == commodity):
            yield f"posting {row.id} does not balance in {commodity}"
    # Balances are summed by what the entries say of it, and no hash covers that.
    if any(one.company != row.company for one in lines):
        yield f"posting {row.id} has entries of another company"


def _place_after(posting: Posting) -> str:
    if posting.kind is Kind.TAKE_BACK:
        return "taken-back"
    gained = [e.account.value for e in posting.entries if e.commodity == books.SLOT and e.amount > 0]
    return gained[0] if gained else ""
