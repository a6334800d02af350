"""Credit in the database: what commands and the web side call. Synchronous; one transaction a call.

All that writes credit follows one lock, on all nodes: SQLite's own, and on PostgreSQL an advisory one. So
postings have one order, their moments only grow, and two nodes never match the same person at once. Calls
from an event loop go through a thread (`asyncio.to_thread`); one store serves many threads, one at a time.

Every call raises `LedgerFault` when the ledger can't be read or written, or its schema isn't the current one.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, Engine, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from gateway.ledger.books import Account, Balance, Kind, balance
from gateway.ledger.contract import Programme
from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import Reported
from gateway.ledger.months import month_bounds, month_of
from gateway.store import said, slots
from gateway.store.credit_schema import registrations, suppressions, webhooks
from gateway.store.credit_schema import slots as slots_table
from gateway.store.database import Database, faults_as_ledger_faults, is_transient, now_at
from gateway.store.journal import Journal, heads, last_moment, sums, write_audit
from gateway.store.migrate import require_current
from gateway.store.privacy import PURGE_ROWS, Retention, purge_step
from gateway.store.registrations import Desk, Taken, receive, reevaluate
from gateway.store.said import EventReport, EventTaken
from gateway.store.schema import meta, people, sends

# Any number, the same in all versions: whoever writes credit on PostgreSQL holds this advisory lock.
_CREDIT_LOCK = 0x43524544
#: So many reports share a transaction.
_BATCH = 500
_ATTEMPTS = 5
#: Sends that may become visible after others with a higher number: those of commits under way.
_SLACK = 5_000
_MARK = "matched_sends"
#: More rows than any ledger has.
_MANY = 1 << 60

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who does it by hand, and who else says yes."""

    name: str = ""
    second: str = ""


class _Undone(Exception):
    """No error: it ends a transaction that is not to be kept."""

    def __init__(self, answers: list[Taken]) -> None:
        self.answers = answers
        super().__init__()


class _Counted(Exception):
    """No error: it ends a purge that only counts."""

    def __init__(self, found: Mapping[str, int]) -> None:
        self.found = found
        super().__init__()


class CreditStore:
    """An open ledger whose credit can be read and written. A context manager."""

    def __init__(
        self,
        url: str,
        *,
        programme: Programme,
        keys: PersonKeys,
        is_own: Callable[[str], bool] = lambda _: False,
        keep_plain: bool = False,
        wait_seconds: float = 30.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Say where the ledger is. Nothing is opened yet.

        Args:
            url: as in the config.
            programme: companies, campaigns, contracts.
            keys: for what is kept about people.
            is_own: whether an address is one of the companies' own.
            keep_plain: keep addresses in plain text too.
            wait_seconds: how long to wait for others who write.
            clock: microseconds, in place of the database's clock (tests).

        Raises:
            LedgerFault: the URL is none.
        """
        self.programme = programme
        self.keys = keys
        self._desk = Desk(keys=keys, is_own=is_own, keep_plain=keep_plain)
        self._database = Database(url)
        self._wait = wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._reader: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. The store can be used again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    # --- the partner's side -------------------------------------------------------------------------------

    def receive_registrations(
        self,
        partner: str,
        reports: Sequence[Reported],
        *,
        source: str,
        received_at: int | None = None,
        progress: Callable[[int], None] = lambda _: None,
        dry_run: bool = False,
        whole: bool = False,
    ) -> list[Taken]:
        """Take in what a partner reports, in its order; each answer says what became of it.

        Idempotent on the partner's id: the same again is ``known``, other content ``conflict``. What is taken
        in stays, if a later part can't be; saying all of it again is safe.

        Args:
            partner: the id of the partner, who has proven that it is it.
            reports: read by `gateway.ledger.intake.read_reported`.
            source: ``webhook``, ``import``.
            received_at: when, where that isn't now.
            progress: is told how many are done, now and then.
            dry_run: answer as if, and change nothing.
            whole: all or nothing, in one transaction: a conflict undoes it.
        """
        together = dry_run or whole
        size = max(1, len(reports)) if together else _BATCH
        answers: list[Taken] = []
        with self.reading() as connection:
            first = connection.execute(select(registrations.c.id).limit(1)).first() is None
        if first:
            self.rematch()  # nothing waits: it only notes up to where sends are seen by what comes now
        for start in range(0, len(reports), size):
            part = reports[start : start + size]

            def work(
                connection: Connection, journal: Journal, part: Sequence[Reported] = part
            ) -> list[Taken]:
                taken = receive(
                    connection, journal, self._desk, partner, part, source=source, received_at=received_at
                )
                if dry_run or (whole and any(answer.result == "conflict" for answer in taken)):
                    raise _Undone(taken)
                return taken

            try:
                answers += self._write(work)
            except _Undone as undone:
                answers += undone.answers
            progress(len(answers))
        return answers

    def receive_event(self, partner: str, report: EventReport) -> EventTaken:
        """Take in what a partner says of a registration of its own.

        Raises:
            NoSuchRegistration, NotPossible: see `gateway.store.said`.
        """
        return self._write(
            lambda connection, journal: said.partner_event(connection, journal, partner, report)
        )

    def consume_webhook(self, partner: str, message_id: str, *, keep_seconds: int = 3_600) -> bool:
        """Note that a webhook was taken; False if it was before (a replay).

        Call it in the moment of acting on the message, and `forget_webhook` if acting fails.
        """

        def work(connection: Connection, journal: Journal) -> bool:
            connection.execute(
                webhooks.delete().where(webhooks.c.at < journal.now - keep_seconds * 1_000_000)
            )
            known = select(webhooks.c.at).where(
                webhooks.c.partner == partner, webhooks.c.message_id == message_id
            )
            if connection.execute(known).first() is not None:
                return False
            connection.execute(
                insert(webhooks).values(partner=partner, message_id=message_id, at=journal.now)
            )
            return True

        return self._write(work)

    def forget_webhook(self, partner: str, message_id: str) -> None:
        """Undo `consume_webhook`, so that the partner's retry of the same message is taken."""
        self._write(
            lambda connection, _: connection.execute(
                webhooks.delete().where(webhooks.c.partner == partner, webhooks.c.message_id == message_id)
            )
        )

    def rematch(self) -> int:
        """Decide anew what waits for sends that have come since; gives how many registrations changed.

        Cheap when nothing has come. For the service's upkeep, and before anything is shown. Which ones wait
        is looked up before the lock is taken: over a million sends that takes seconds, and mail has to write
        meanwhile.
        """
        with self.reading() as connection:
            mark = _mark(connection)
            newest = connection.execute(select(func.max(sends.c.id))).scalar_one() or 0
            if newest <= mark:
                return 0
            numbers = _waiting(connection, max(0, mark - _SLACK), newest)

        def work(connection: Connection, journal: Journal) -> int:
            changed = reevaluate(connection, journal, numbers)
            _set_mark(connection, newest)
            return changed

        return self._write(work)

    # --- people -------------------------------------------------------------------------------------------

    def suppress(self, person: bytes, *, source: str) -> bool:
        """Note that this person (the hash that `people` has) wants no more links; False if it was known."""

        def work(connection: Connection, journal: Journal) -> bool:
            known = select(suppressions.c.at).where(suppressions.c.hash == person)
            if connection.execute(known).first() is not None:
                return False
            connection.execute(insert(suppressions).values(hash=person, at=journal.now, source=source[:16]))
            return True

        return self._write(work)

    def suppress_token(self, token: bytes, *, source: str = "page") -> bool:
        """The same for whom a link was sent to; False if there is no such link, or the person is erased."""
        with self.reading() as connection:
            person = connection.execute(
                select(people.c.hash)
                .join(sends, sends.c.person_ref == people.c.ref)
                .where(sends.c.token == token, people.c.kind == "")
            ).scalar_one_or_none()
        if person is None:
            return False
        self.suppress(bytes(person), source=source)
        return True

    def unsuppress(self, person: bytes) -> bool:
        """Take that back; False if it wasn't known."""
        return self._write(
            lambda connection, _: (
                connection.execute(suppressions.delete().where(suppressions.c.hash == person)).rowcount > 0
            )
        )

    def suppressed(self) -> list[tuple[bytes, int, str]]:
        """Everybody who wants no more links: hash, since when, how they said so."""
        with self.reading() as connection:
            rows = connection.execute(select(suppressions).order_by(suppressions.c.at)).all()
        return [(bytes(row.hash), row.at, row.source) for row in rows]

    def purge(self, retention: Retention, *, dry_run: bool = False) -> Iterator[Mapping[str, int]]:
        """Delete what is too old, in transactions of bounded size; gives what each of them deleted."""

        def work(connection: Connection, journal: Journal) -> Mapping[str, int]:
            rows = _MANY if dry_run else PURGE_ROWS
            found = purge_step(connection, journal, retention, self.programme, rows=rows)
            if dry_run:
                raise _Counted(found)
            return found

        while True:
            try:
                found = self._write(work)
            except _Counted as counted:
                yield counted.found
                return
            yield found
            if max(found.values()) < PURGE_ROWS:
                return

    def heads(self) -> dict[str, tuple[int, str]]:
        """The last number and hash (hex) of each chain: what is told to others, to hold the ledger to it."""
        with self.reading() as connection:
            return heads(connection)

    # --- the books ----------------------------------------------------------------------------------------

    def balance(self, company: str, *, at: int | None = None) -> Balance:
        """The balance of a company now, or by what was recorded until a moment in the past."""

        def look(connection: Connection, now: int) -> Balance:
            terms = self.programme.company(company)
            moment = now if at is None else at
            found = sums(connection, [company], until=at)
            return balance(found, terms.contract_at(moment).ratio)

        if at is None:
            with self.reading() as connection:
                return look(connection, self._now(connection))
        # In the lock: what is being recorded now gets a moment that may lie before `at`.
        return self._write(lambda connection, journal: look(connection, journal.now))

    def reserve(
        self, company: str, operator: Operator, *, requisition: str = "", slot_id: int | None = None
    ) -> slots.Slot:
        """Reserve a slot. See `gateway.store.slots.reserve`."""
        return self._slot(
            company,
            operator,
            "reserve",
            lambda connection, journal: slots.reserve(
                connection, journal, company, requisition=requisition, slot_id=slot_id
            ),
        )

    def redeem(
        self, company: str, operator: Operator, *, requisition: str = "", slot_id: int | None = None
    ) -> slots.Slot:
        """Use a slot. See `gateway.store.slots.redeem`."""
        return self._slot(
            company,
            operator,
            "redeem",
            lambda connection, journal: slots.redeem(
                connection, journal, company, requisition=requisition, slot_id=slot_id
            ),
        )

    def give_back(
        self,
        company: str,
        operator: Operator,
        *,
        requisition: str = "",
        slot_id: int | None = None,
        reason: str = "",
    ) -> slots.Slot:
        """Return a slot. See `gateway.store.slots.give_back`."""
        return self._slot(
            company,
            operator,
            "return",
            lambda connection, journal: slots.give_back(
                connection, journal, company, requisition=requisition, slot_id=slot_id, reason=reason
            ),
        )

    def _slot(
        self,
        company: str,
        operator: Operator,
        action: str,
        work: Callable[[Connection, Journal], slots.Slot],
    ) -> slots.Slot:
        def do(connection: Connection, journal: Journal) -> slots.Slot:
            slots.expire_due(connection, journal)
            slot = work(connection, journal)
            # A returned slot may be one that nothing pays for any more.
            journal.settle(company)
            write_audit(
                connection,
                now=journal.now,
                operator=operator.name,
                second=operator.second,
                action=action,
                company=company,
                detail=f"slot {slot.id}",
            )
            return slot

        return self._write(do, operator)

    def adjust(
        self,
        company: str,
        operator: Operator,
        *,
        referrals: int,
        reason: str,
        campaign: str = "",
        effective_at: int | None = None,
    ) -> Balance:
        """Add referrals (or take some, below nought) by hand; slots follow."""

        def work(connection: Connection, journal: Journal) -> Balance:
            moment = journal.now if effective_at is None else effective_at
            contract = self.programme.company(company).contract_at(moment)
            journal.post(
                Kind.ADJUST,
                company,
                referrals,
                effective_at=moment,
                campaign=campaign,
                reason=reason,
                contract=(contract.since, contract.ratio),
            )
            journal.settle(company)
            write_audit(
                connection,
                now=journal.now,
                operator=operator.name,
                second=operator.second,
                action="adjust",
                company=company,
                detail=f"{referrals:+d} referrals",
            )
            return balance(
                sums(connection, [company]),
                self.programme.company(company).contract_at(journal.now).ratio,
            )

        return self._write(work, operator)

    def redeemed_this_month(self, company: str) -> int:
        """How many slots the company has used since the month (Japanese time) began, less returned ones."""
        with self.reading() as connection:
            since = month_bounds(month_of(self._now(connection)))[0]
            found = connection.execute(
                select(func.count())
                .select_from(slots_table)
                .where(slots_table.c.company == company, slots_table.c.used_at >= since)
            )
            return int(found.scalar_one())

    def expire_slots(self) -> int:
        """Expire the slots whose life is over; gives how many."""
        with self.reading() as connection:
            due = connection.execute(
                select(slots_table.c.id)
                .where(
                    slots_table.c.state == Account.AVAILABLE.value,
                    slots_table.c.expires_at <= self._now(connection),
                )
                .limit(1)
            ).first()
        return self._write(slots.expire_due) if due is not None else 0

    # --- disputes -----------------------------------------------------------------------------------------

    def dispute(
        self,
        registration: str,
        operator: Operator,
        *,
        by: str,
        reason: str,
        partner: str | None = None,
        evidence: str = "",
        until: int | None = None,
        event_id: str = "",
    ) -> EventTaken:
        """Open a dispute. See `gateway.store.said.dispute`."""

        def work(connection: Connection, journal: Journal) -> EventTaken:
            row = said.find_registration(connection, registration, partner)
            return said.dispute(
                connection,
                journal,
                row,
                by=by,
                reason=reason,
                evidence=evidence,
                until=until,
                event_id=event_id,
            )

        return self._write(work, operator)

    def resolve(
        self,
        registration: str,
        operator: Operator,
        *,
        outcome: str,
        reason: str,
        partner: str | None = None,
        company: str = "",
        by: str = "company",
        event_id: str = "",
    ) -> EventTaken:
        """End a dispute. See `gateway.store.said.resolve`."""

        def work(connection: Connection, journal: Journal) -> EventTaken:
            row = said.find_registration(connection, registration, partner)
            chosen = company or self.programme.sole_company or ""
            taken = said.resolve(
                connection,
                journal,
                row,
                by=by,
                outcome=outcome,
                reason=reason,
                company=chosen,
                event_id=event_id,
            )
            if taken.result == "new":
                write_audit(
                    connection,
                    now=journal.now,
                    operator=operator.name,
                    second=operator.second,
                    action="resolve",
                    company=row.company or chosen,
                    detail=f"registration #{row.id}: {outcome}",
                )
            return taken

        return self._write(work, operator)

    def forced_this_month(self) -> int:
        """How many referrals operators have made by `resolve` since the month (Japanese time) began."""
        with self.reading() as connection:
            return said.forced_since(connection, month_bounds(month_of(self._now(connection)))[0])

    # --- transactions -------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that can't write, in a transaction of its own."""
        if self._reader is None:
            self._reader = self._database.reader()
        with faults_as_ledger_faults(self._database), self._reader.connect() as connection:
            require_current(connection, self._database.name)
            yield connection

    def writing(self, work: Callable[[Connection, Journal], _T], operator: Operator | None = None) -> _T:
        """Do `work` in one transaction that holds the lock of credit; what it gives is committed.

        `work` may be called several times, for a transaction that the database gave up.
        """
        return self._write(work, operator)

    def _write(self, work: Callable[[Connection, Journal], _T], operator: Operator | None = None) -> _T:
        who = operator or Operator()
        with self._lock, faults_as_ledger_faults(self._database):
            for attempt in range(_ATTEMPTS):
                try:
                    return self._attempt(work, who)
                except DBAPIError as error:
                    self._drop()
                    # A commit whose answer was lost may have been done: that is for the caller to look into.
                    if attempt == _ATTEMPTS - 1 or not is_transient(error):
                        raise
                    time.sleep(0.05 * (attempt + 1))
                except BaseException:
                    self._drop()
                    raise
        raise AssertionError("unreachable")

    def _attempt(self, work: Callable[[Connection, Journal], _T], who: Operator) -> _T:
        connection = self._writer
        if connection is None:
            connection = self._writer = self._database.writer(self._wait).connect()
        with connection.begin():
            if not self._database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREDIT_LOCK})
            require_current(connection, self._database.name)
            journal = Journal(
                connection,
                self.programme,
                max(self._now(connection), last_moment(connection) + 1),
                who.name,
                who.second,
            )
            result = work(connection, journal)
            journal.flush()
        return result

    def _now(self, connection: Connection) -> int:
        return self._clock() if self._clock is not None else now_at(connection)


def _mark(connection: Connection) -> int:
    found = connection.execute(select(meta.c.value).where(meta.c.name == _MARK)).scalar_one_or_none()
    return int(found or 0)


def _set_mark(connection: Connection, value: int) -> None:
    if connection.execute(update(meta).where(meta.c.name == _MARK).values(value=str(value))).rowcount == 0:
        connection.execute(insert(meta).values(name=_MARK, value=str(value)))


def _waiting(connection: Connection, since: int, newest: int) -> list[int]:
    """Registrations that sends after that number, up to about the newest one, may be meant by."""
    columns = registrations.c
    known = connection.execute(select(func.max(columns.id))).scalar_one() or 0
    if not known:
        return []
    # Of the two tables the one with fewer rows to look at is gone through. A sum is in no index, so that the
    # database takes the other one.
    number = sends.c.id if newest - since < known else sends.c.id + 0
    # "No send yet" must not be taken for "another send" by the comparison.
    other = (columns.send_token.is_(None)) | (columns.send_token != sends.c.token)
    base = select(columns.id).where(number > since, other, columns.partner == sends.c.partner)
    by_token = base.join(sends, sends.c.token == columns.token)
    by_address = base.join(sends, sends.c.person_ref == columns.address_ref)
    return [int(number) for number in connection.execute(by_token.union(by_address)).scalars()]
