"""The books in the database: appending postings and audit lines to their chains, slots, sums.

Every function works inside a transaction that holds the lock of credit (`gateway.store.credit`), except those
that only read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, insert, select, update

from gateway.ledger import books
from gateway.ledger.books import Account, Held, Kind, Posting, Settlement, chained, posting_hash, target
from gateway.ledger.contract import DAY, Contract, Programme
from gateway.store.bounded import bounded
from gateway.store.credit_schema import audit, entries, postings, slots


@dataclass(slots=True)
class Journal:
    """The end of the chain, while one transaction appends to it. `now` is when all of it is recorded."""

    connection: Connection
    programme: Programme
    now: int
    operator: str = ""
    second: str = ""
    #: How many postings this transaction has made.
    posted: int = 0
    _last: int = -1
    _slot: int = -1
    _hash: bytes = books.GENESIS
    _rows: list[dict[str, object]] = field(default_factory=list)
    _lines: list[dict[str, object]] = field(default_factory=list)

    def post(
        self,
        kind: Kind,
        company: str,
        amount: int = 1,
        *,
        place: Account = Account.AVAILABLE,
        effective_at: int | None = None,
        campaign: str = "",
        registration: int | None = None,
        slot: int | None = None,
        reason: str = "",
        contract: tuple[int, int] = (0, 0),
        department: str | None = None,
    ) -> None:
        """Append a posting. It is written by `flush`.

        Args:
            kind: what it is for.
            company: whose books.
            amount: as `gateway.ledger.books.lines` has it.
            place: the same.
            effective_at: when it happened, where that isn't now.
            campaign: which it is credited to.
            registration: the number of the registration behind it.
            slot: the slot that moves.
            reason: in words.
            contract: from when the contract holds, and its ratio.
            department: where it is another than the campaign's.
        """
        if self._last < 0:
            last = self.connection.execute(
                select(postings.c.id, postings.c.hash).order_by(postings.c.id.desc()).limit(1)
            ).first()
            self._last, self._hash = (last.id, bytes(last.hash)) if last else (0, books.GENESIS)
        posting = Posting(
            kind=kind,
            at=self.now,
            effective_at=self.now if effective_at is None else effective_at,
            company=company,
            entries=books.lines(kind, amount, place=place),
            campaign=campaign,
            department=self.programme.department(campaign) if department is None else department,
            registration=registration,
            slot=slot,
            operator=bounded(self.operator),
            second=bounded(self.second),
            reason=bounded(reason),
            ratio=contract[1],
            contract_from=contract[0],
        )
        previous, number = self._hash, self._last + 1
        self._hash = posting_hash(number, previous, posting)
        self._last = number
        self.posted += 1
        self._rows.append(row_of(number, previous, self._hash, posting))
        self._lines += [
            {
                "posting_id": number,
                "line": line,
                "company": company,
                "account": entry.account.value,
                "commodity": entry.commodity,
                "amount": entry.amount,
            }
            for line, entry in enumerate(posting.entries)
        ]

    def flush(self) -> None:
        """Write what was posted."""
        if self._rows:
            self.connection.execute(insert(postings), self._rows)
            self.connection.execute(insert(entries), self._lines)
            self._rows, self._lines = [], []

    def settle(self, company: str) -> Settlement:
        """Grant or take back slots, until there are those that the referrals allow."""
        self.flush()
        spent = sums(self.connection, [company]).get(Account.SPENT, 0)
        found = books.settle(
            target(referrals_of(self.connection, company)), held_slots(self.connection, company), spent
        )
        contract = self.programme.company(company).contract_at(self.now)
        for slot in found.take_backs:
            self.connection.execute(
                update(slots).where(slots.c.id == slot.id).values(state="taken-back", changed_at=self.now)
            )
            self.post(
                Kind.TAKE_BACK,
                company,
                slot.price,
                place=slot.state,
                slot=slot.id,
                reason="referrals were taken back",
            )
        for price in found.grants:
            self.post(
                Kind.GRANT, company, price, slot=self._grant(company, price, contract), contract=(0, price)
            )
        if found.reprice:
            self.post(Kind.REPRICE, company, found.reprice, reason="slots at the ratio of their contracts")
        self.flush()
        return found

    def audit(self, action: str, detail: str, *, company: str = "") -> int:
        """Append a line on what somebody did; gives its number. `detail` names nobody."""
        last = self.connection.execute(
            select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
        ).first()
        number, previous = (last.id + 1, bytes(last.hash)) if last else (1, books.GENESIS)
        said = [bounded(self.operator), bounded(self.second), action, company, bounded(detail)]
        self.connection.execute(
            insert(audit).values(
                id=number,
                at=self.now,
                operator=said[0],
                second=said[1],
                action=action,
                company=company,
                detail=said[4],
                previous=previous,
                hash=chained(previous, [number, self.now, *said]),
            )
        )
        return number

    def _grant(self, company: str, price: int, contract: Contract) -> int:
        if self._slot < 0:
            # Not by the database's own count, which leaves gaps on PostgreSQL: where a number went is asked.
            self._slot = self.connection.execute(select(func.max(slots.c.id))).scalar_one() or 0
        self._slot += 1
        life = contract.slot_valid_days * DAY
        self.connection.execute(
            insert(slots).values(
                id=self._slot,
                company=company,
                state=Account.AVAILABLE.value,
                price=price,
                granted_at=self.now,
                expires_at=self.now + life if life else None,
                changed_at=self.now,
            )
        )
        return self._slot


def row_of(number: int, previous: bytes, digest: bytes, posting: Posting) -> dict[str, object]:
    """A posting as a row of its table."""
    return {
        "id": number,
        "at": posting.at,
        "effective_at": posting.effective_at,
        "kind": posting.kind.value,
        "company": posting.company,
        "campaign": posting.campaign,
        "department": posting.department,
        "registration_id": posting.registration,
        "slot_id": posting.slot,
        "operator": posting.operator,
        "second": posting.second,
        "reason": posting.reason,
        "ratio": posting.ratio,
        "contract_from": posting.contract_from,
        "previous": previous,
        "hash": digest,
    }


def last_moment(connection: Connection) -> int:
    """When the last posting or audit line was recorded; 0 before the first."""
    found = [
        connection.execute(select(table.c.at).order_by(table.c.id.desc()).limit(1)).scalar_one_or_none()
        for table in (postings, audit)
    ]
    return max((moment for moment in found if moment is not None), default=0)


# --- sums -------------------------------------------------------------------------------------------------


def sums(connection: Connection, companies: Sequence[str], *, until: int | None = None) -> dict[Account, int]:
    """What is in each account of these companies, all together.

    `until` is a moment of recording: what was recorded later is left out.
    """
    query = (
        select(entries.c.account, func.sum(entries.c.amount))
        .where(entries.c.company.in_(companies))
        .group_by(entries.c.account)
    )
    if until is not None:
        # The postings are numbered in the order of their moments.
        last = select(func.max(postings.c.id)).where(postings.c.at <= until).scalar_subquery()
        query = query.where(entries.c.posting_id <= last)
    return {Account(account): int(amount) for account, amount in connection.execute(query)}


def referrals_of(connection: Connection, company: str) -> list[tuple[int, int, int]]:
    """(From when a contract holds, its ratio, its referrals) of each contract with referrals."""
    found: dict[tuple[int, int], int] = {}
    grouped = (
        select(postings.c.kind, postings.c.contract_from, postings.c.ratio, func.count())
        .where(postings.c.company == company, postings.c.kind.in_([Kind.COUNT.value, Kind.UNCOUNT.value]))
        .group_by(postings.c.kind, postings.c.contract_from, postings.c.ratio)
    )
    for kind, since, ratio, count in connection.execute(grouped):
        sign = 1 if kind == Kind.COUNT.value else -1
        found[since, ratio] = found.get((since, ratio), 0) + sign * count
    adjusted = (
        select(postings.c.contract_from, postings.c.ratio, func.sum(entries.c.amount))
        .join(entries, entries.c.posting_id == postings.c.id)
        .where(
            postings.c.company == company,
            postings.c.kind == Kind.ADJUST.value,
            entries.c.account == Account.UNSPENT.value,
        )
        .group_by(postings.c.contract_from, postings.c.ratio)
    )
    for since, ratio, amount in connection.execute(adjusted):
        found[since, ratio] = found.get((since, ratio), 0) + int(amount)
    return [(since, ratio, count) for (since, ratio), count in found.items()]


def adjusted_since(connection: Connection, company: str, moment: int) -> int:
    """How many referrals one operator alone has added or taken by hand since then, taken together."""
    adjusted = (
        select(func.sum(func.abs(entries.c.amount)))
        .join(postings, postings.c.id == entries.c.posting_id)
        .where(
            postings.c.company == company,
            postings.c.kind == Kind.ADJUST.value,
            postings.c.at >= moment,
            postings.c.second == "",
            entries.c.account == Account.UNSPENT.value,
        )
    )
    return int(connection.execute(adjusted).scalar_one() or 0)


def held_slots(connection: Connection, company: str) -> list[Held]:
    """All slots that were granted and not taken back."""
    rows = connection.execute(
        select(slots.c.id, slots.c.state, slots.c.price).where(
            slots.c.company == company, slots.c.state != "taken-back"
        )
    )
    return [Held(id=row.id, state=Account(row.state), price=row.price) for row in rows]


def heads(connection: Connection) -> dict[str, tuple[int, str]]:
    """The last number and hash (hex) of each chain."""
    found: dict[str, tuple[int, str]] = {}
    for table in (postings, audit):
        last = connection.execute(
            select(table.c.id, table.c.hash).order_by(table.c.id.desc()).limit(1)
        ).first()
        found[table.name] = (last.id, bytes(last.hash).hex()) if last else (0, books.GENESIS.hex())
    return found
