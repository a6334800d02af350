"""The writer: one thread a process through which everything goes into the ledger.

While a commit is under way, work gathers; all of it goes into the next one (group commit, see
`gateway.store.queue`). The event loop is woken once a batch.

What it does about faults (SMTP.md rule 22):

* Whoever waits gets an answer in `wait_seconds`: the result, or a `LedgerFault`. Once the ledger has been
  faulty, or the thread has been held up, for that long, new work is refused at once.
* The thread survives. It tries again with pauses that double up to a second, on a fresh connection, and
  goes on as if nothing had been once the fault is gone. Faults and their end are logged once each.
* What tells of things that have happened (`is_lasting`) is kept and written later. Only past the bound of
  the queue, or when the process ends, it goes to the log as lines to repair from.
* Work that was done too late for its caller is taken back: nothing was sent with those links.
* A piece of work that can't be written by its nature fails alone, not the batch that it was in.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from gateway.errors import LedgerFault
from gateway.ledger.braking import Row
from gateway.ledger.controls import Controls
from gateway.store.chores import News, ReadNews
from gateway.store.database import Database, fault_of, is_transient
from gateway.store.deadlines import Deadlines
from gateway.store.queue import NEVER, NOTE_SECONDS, Queue, Ticket, patience
from gateway.store.repair import repair_lines
from gateway.store.session import Session
from gateway.store.work import (
    Chore,
    Intend,
    KeepHouse,
    Note,
    Probe,
    TakeBackClaims,
    TakeBackIntents,
    TakeClaims,
    Work,
    is_lasting,
)

#: Pauses between attempts while the ledger is faulty.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
#: How often the files are looked at, and what operators and brakes have set.
_TICK_SECONDS = 0.5
#: How often what is over is deleted.
_HOUSE_SECONDS = 3_600.0
#: How long `close` waits for the thread past its bound: for a commit that is nearly through.
_CLOSE_GRACE = 0.2

_log = logging.getLogger("careerrelay.ledger")

_T = TypeVar("_T")


class Writer:
    """The thread, its queue and its bounds. Work is handed in from event loops.

    `post` also from anywhere else.
    """

    def __init__(
        self,
        database: Database,
        session: Session,
        *,
        wait_seconds: float,
        queue_rows: int,
        under_way: Callable[[], int],
    ) -> None:
        """`under_way` says how many mails this process has in hand."""
        self._under_way = under_way
        self._asking = 0
        self._database = database
        self._session = session
        self._wait = wait_seconds
        self._limit = queue_rows
        self._queue = Queue()
        self._current: list[Ticket] = []
        self._deadlines: Deadlines | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        # Written by the thread, read by everybody. Times are monotonic.
        self._working = False
        self._busy_since: float = NEVER
        self._faulty_since: float = NEVER
        self._fault: LedgerFault | None = None
        self._pause = 0.0
        self._house_at = time.monotonic() + _HOUSE_SECONDS
        #: What operators and brakes have set, and what other processes have counted for the brake: a second
        #: old, as long as the ledger is well. `informed` once it was read at all.
        self.controls = Controls()
        self.others: tuple[Row, ...] = ()
        self.informed = False
        #: Whether anybody wants to know of those counts.
        self.counting = False
        self._news_lock = threading.Lock()

    # --- from the event loop ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread. After the process has forked, never before."""
        self._working = True
        self._thread.start()

    @property
    def fault(self) -> LedgerFault | None:
        """What is wrong with the ledger now; None when nothing is."""
        fault = self._fault
        if fault is not None:
            return fault
        if time.monotonic() - self._busy_since > self._wait:
            return LedgerFault(f"ledger {self._database.name}: no answer for {self._wait:g} s")
        return None

    async def ask(self, work: Work, expected: Callable[[object], _T]) -> _T:
        """Hand `work` in and wait for it.

        Raises:
            LedgerFault: it was not done in `wait_seconds`. What `is_lasting` is done later even so.
        """
        loop = asyncio.get_running_loop()
        ticket = Ticket(work, loop)
        future = ticket.future
        if future is None:
            raise RuntimeError("a ticket of an event loop has a future")
        deadlines = self._deadlines
        if deadlines is None or deadlines.loop is not loop:
            deadlines = self._deadlines = Deadlines(loop, self._wait, self._expire)
        refusal = self._refusal(ticket.rows)
        if refusal is not None:
            if is_lasting(work):
                self.post(work)
            try:
                raise refusal
            finally:
                del refusal  # a frame that keeps the error that went through it keeps a mail, until the
                # collector comes by; here and below
        self._asking += 1
        self._queue.put(ticket, patience(under_way=self._under_way(), asking=self._asking))
        deadlines.add(ticket)
        try:
            return expected(await future)
        finally:
            self._asking -= 1
            ticket.over = True
            del future, ticket

    def post(self, work: Work) -> None:
        """Hand `work` in and forget it. Never raises: what finds no place in the queue goes to the log."""
        if self._queue.closing or self._queue.rows >= self._limit:
            self._give_up(work, "the queue is full" if not self._queue.closing else "the ledger is closed")
            return
        if isinstance(work, Note):
            seconds = NOTE_SECONDS
        else:
            seconds = work.patience if isinstance(work, Chore) else 0.0
        self._queue.put(Ticket(work, None), seconds)

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._queue.rows

    @property
    def crowded(self) -> bool:
        """Whether so much waits that what can be done without had better not come."""
        return self._queue.rows > self._limit // 4

    def _refusal(self, rows: int) -> LedgerFault | None:
        if self._queue.closing or not self._working:
            return LedgerFault("the ledger is closed")
        if self._queue.rows + rows > self._limit:
            return LedgerFault(
                f"ledger {self._database.name}: more than {self._limit} rows wait to be written"
            )
        now = time.monotonic()
        if now - self._faulty_since > self._wait or now - self._busy_since > self._wait:
            # Another one each time: an exception keeps the frames through which it was raised, and with them
            # every mail that met it, for as long as the fault lasts.
            fault = self.fault
            return None if fault is None else LedgerFault(str(fault))
        return None

    def _expire(self, ticket: Ticket) -> None:
        ticket.over = True
        if ticket.future is not None and not ticket.future.done():
            why = self.fault or f"ledger {self._database.name}: not written in {self._wait:g} s"
            ticket.future.set_exception(LedgerFault(str(why)))

    def _deliver(self, done: Sequence[tuple[Ticket, object]]) -> None:
        """In the event loop, once a batch."""
        for ticket, result in done:
            future = ticket.future
            if future is None:
                continue
            if not future.done():
                if isinstance(result, BaseException):
                    future.set_exception(LedgerFault(str(result)))
                else:
                    future.set_result(result)
            elif not isinstance(result, BaseException):
                self._take_back(ticket.work, result)

    def _take_back(self, work: Work, result: object) -> None:
        if isinstance(work, Intend) and isinstance(result, list):
            self.post(TakeBackIntents(work.intents, tuple(result)))
        elif isinstance(work, TakeClaims) and isinstance(result, list):
            self.post(TakeBackClaims(work, tuple(result)))

    async def close(self, seconds: float) -> bool:
        """Write what waits, disconnect, end the thread; True if that was done in time.

        What could not be written by then is in the log.
        """
        self._queue.close(seconds)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, seconds + _CLOSE_GRACE)
        left = [*self._current, *self._queue.clear()]
        for ticket in left:
            self._give_up(ticket.work, "the ledger was closed before it could be written")
            if ticket.future is not None and not ticket.future.done():
                ticket.future.set_exception(LedgerFault("the ledger is closed"))
        return not left and not self._thread.is_alive()

    # --- in the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._working = False

    def _work(self) -> None:
        while (tickets := self._queue.take()) is not None:
            self._busy_since = time.monotonic()
            self._current = tickets
            try:
                self._attempt(tickets)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the thread
                _log.exception("ledger: the writer failed")
                for ticket in tickets:
                    self._give_up(ticket.work, "the writer failed")
                self._finish([(ticket, fault_of(error, self._database)) for ticket in tickets])
            self._current = []
            self._busy_since = NEVER
        self._session.leave()

    def _attempt(self, tickets: list[Ticket], *, alone: bool = False) -> None:
        works: list[Work] = [ticket.work for ticket in tickets]
        extra = [] if alone else self._upkeep()
        try:
            if not self._session.connected:
                self._session.open()
            results = self._session.perform([*works, *extra]) if works or extra else []
        except Exception as error:  # noqa: BLE001 - every fault of database and disk comes through here
            if tickets and self._session.connected and _is_of_the_work(error):
                self._failed_by_nature(tickets, error, alone=alone)
            else:
                self._failed(tickets, error)
            return
        if extra:
            self.hear(results[-1])
        self._recovered()
        self._finish(list(zip(tickets, results, strict=False)))

    def _upkeep(self) -> list[Work]:
        """What is due beside the work of others; `ReadNews` is the last of it."""
        now = time.monotonic()
        if self._fault is not None:
            return [Probe(), self.news()]
        if now < self._queue.tick_at:
            return []
        self._queue.tick_at = now + _TICK_SECONDS
        if now < self._house_at:
            return [self.news()]
        self._house_at = now + _HOUSE_SECONDS
        return [KeepHouse(), self.news()]

    def news(self) -> ReadNews:
        """The question for what is not known yet."""
        return ReadNews(self.controls.last, self.counting)

    def hear(self, news: object) -> None:
        """Take the answer; from the thread and from event loops alike."""
        if isinstance(news, News):
            with self._news_lock:
                self.controls = self.controls.after(news.events)
                self.others = news.tallies
                self.informed = True

    def _finish(self, done: list[tuple[Ticket, object]]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, object]]] = {}
        for ticket, result in done:
            if ticket.loop is not None:
                loops.setdefault(ticket.loop, []).append((ticket, result))
        for loop, part in loops.items():
            try:
                loop.call_soon_threadsafe(self._deliver, part)
            except RuntimeError:  # the loop is closed: nobody waits any more
                for ticket, result in part:
                    self._take_back(ticket.work, result)

    def _failed(self, tickets: list[Ticket], error: Exception) -> None:
        if not is_transient(error):
            self._session.drop()
        now = time.monotonic()
        fault = fault_of(error, self._database)
        if self._fault is None:
            # a lock that was waited for is as old as the wait
            self._faulty_since = min(now, self._busy_since)
            _log.error("ledger fault, mail goes on by the fault policy: %s", fault)
        elif str(fault) != str(self._fault):
            _log.error("ledger fault is another now: %s", fault)
        self._fault = fault
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)
        self._queue.put_back(tickets, retry_at=now + self._pause)
        self._current = []

    def _failed_by_nature(self, tickets: list[Ticket], error: Exception, *, alone: bool) -> None:
        """Something in the batch can't be written, whatever the state of the ledger: find it, do the rest."""
        if not alone:
            for ticket in tickets:
                self._attempt([ticket], alone=True)
            return
        for ticket in tickets:
            fault = fault_of(error, self._database)
            _log.error("ledger: can't be written: %s", fault)
            self._give_up(ticket.work, "it can't be written")
            self._finish([(ticket, fault)])

    def _recovered(self) -> None:
        if self._fault is not None:
            seconds = time.monotonic() - self._faulty_since
            self._fault = None
            _log.warning("ledger is well again after %.1f s", seconds)
        self._faulty_since = NEVER
        self._pause = 0.0
        self._queue.retry_at = 0.0

    def _give_up(self, work: Work, why: str) -> None:
        try:
            lines = repair_lines(work)
        except Exception:  # noqa: BLE001 - what can't be written can't always be shown either; the thread goes on
            lines = [repr(work)]
        for line in lines:
            _log.error("not in the ledger (%s), to be repaired: %s", why, line)


def _is_of_the_work(error: Exception) -> bool:
    """Whether the values are at fault, not the ledger.

    On SQLite a trigger's refusal is an IntegrityError too.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, IntegrityError | DataError) and not error.connection_invalidated
    return not isinstance(error, LedgerFault | OSError)
