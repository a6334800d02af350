"""What waits to be written, and when the writer's thread is to write it.

A commit costs as much as twenty rows, and for each one the event loop and the thread change places several
times; so the first piece of work waits a little for others, where others can be expected. Each piece comes
with its patience; the most impatient one says when all of them are due.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence

from gateway.store.work import Mixture, Work, is_lasting, rows_of

#: Rows in one transaction. More would make the first of them wait for the last.
BATCH_ROWS = 512
#: How long an outcome may wait for a commit that takes it along.
NOTE_SECONDS = 0.05
#: How long a commit waits for each mail that is under way, and at most.
_GATHER_SECONDS, _LONGEST_GATHER = 0.000_5, 0.02
#: Fewer mails than this are not waited for.
_FEW = 4
NEVER = float("inf")


def patience(*, under_way: int, asking: int) -> float:
    """How long a commit that somebody waits for may wait for others to join, in seconds.

    Args:
        under_way: mails in hand, that one included.
        asking: how many of them wait for a commit already; all of them, and nobody else will come.
    """
    if under_way < _FEW or asking >= under_way:
        return 0.0
    return min(under_way * _GATHER_SECONDS, _LONGEST_GATHER)


class Ticket:
    """A piece of work and who waits for it. `over` is set once nobody does."""

    __slots__ = ("future", "loop", "over", "rows", "work")

    def __init__(self, work: Work, loop: asyncio.AbstractEventLoop | None) -> None:
        self.work = work
        self.rows = rows_of(work)
        self.loop = loop
        self.future: asyncio.Future[object] | None = loop.create_future() if loop is not None else None
        self.over = False


class Queue:
    """Tickets in their order. `put` and `close` from anywhere, the rest from the writer's thread.

    Attributes:
        rows: how many rows wait.
        closing: nothing comes any more; what is here is written at once.
        tick_at: when the thread wants to be woken with nothing to write, on the monotonic clock.
        retry_at: nothing is given out before.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.closing = False
        self.tick_at = 0.0
        self.retry_at = 0.0
        self._tickets: deque[Ticket] = deque()
        # Entered by itself: a condition's own doors cost two calls more, for each piece of work.
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._idle = False
        self._due = NEVER  # when what waits is to be written
        self._wakes_at = 0.0  # when the thread looks again by itself
        self._gave_at = -NEVER
        self._close_at = NEVER

    def put(self, ticket: Ticket, seconds: float) -> None:
        """Add a ticket that may wait so long for others."""
        due = time.monotonic() + seconds
        with self._lock:
            self._tickets.append(ticket)
            self.rows += ticket.rows
            self._due = min(self._due, due)
            if self._idle and self._due < self._wakes_at:
                self._idle = False
                self._condition.notify()

    def put_back(self, tickets: Sequence[Ticket], *, retry_at: float) -> None:
        """Tickets that could not be written, in front of all others."""
        with self._lock:
            self.retry_at = retry_at
            self.tick_at = min(self.tick_at, retry_at)
            self._tickets.extendleft(reversed(tickets))
            self.rows += sum(ticket.rows for ticket in tickets)
            self._due = 0.0 if self._tickets else NEVER

    def close(self, seconds: float) -> None:
        """Write what is here, for at most so long."""
        with self._lock:
            self.closing = True
            self._close_at = time.monotonic() + seconds
            self._condition.notify()

    def clear(self) -> list[Ticket]:
        """Take everything out."""
        with self._lock:
            left = list(self._tickets)
            self._tickets.clear()
            self.rows = 0
        return left

    def take(self) -> list[Ticket] | None:
        """Wait for the next batch; perhaps an empty one for the tick.

        None when the queue is closing and all is done, or time is up.
        """
        with self._lock:
            while True:
                now = time.monotonic()
                if self.closing and (not self._tickets or now >= self._close_at):
                    return None
                due = self._due_at(now)
                if now >= due:
                    return self._gather(now)
                self._wakes_at = due
                self._idle = True
                self._condition.wait(due - now)
                self._idle = False

    def _due_at(self, now: float) -> float:
        """When there is something to do, or a look is worth while."""
        if self.closing:
            return min(self.retry_at, self._close_at)
        if self._tickets:
            return self.retry_at if self.rows >= BATCH_ROWS else max(self._due, self.retry_at)
        # After work its outcome is soon to come; a thread that is awake needn't be woken for it.
        soon = self._gave_at + NOTE_SECONDS
        due = max(self.tick_at, self.retry_at)
        return soon if now < soon < due else due

    def _gather(self, now: float) -> list[Ticket]:
        batch: list[Ticket] = []
        mixture = Mixture()
        rows = 0
        while self._tickets and rows < BATCH_ROWS:
            ticket = self._tickets[0]
            if not (ticket.over and not is_lasting(ticket.work)):
                if not mixture.admits(ticket.work):
                    break
                batch.append(ticket)
                rows += ticket.rows
            self._tickets.popleft()
            self.rows -= ticket.rows
        self._due = 0.0 if self._tickets else NEVER
        if batch:
            self._gave_at = now
        return batch
