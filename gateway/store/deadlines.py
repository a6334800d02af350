"""When those who wait for the writer have waited long enough: one timer for all of them, not one for each.

All wait equally long, so the first to come is the first whose time is up. Used within one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.store.queue import Ticket


class Deadlines:
    """Tickets of one event loop, in the order in which their time is up.

    Args:
        loop: whose clock it is.
        seconds: how long each may wait.
        expire: told of each that is not over by then.
    """

    __slots__ = ("_armed", "_expire", "_seconds", "_waiting", "loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, expire: Callable[[Ticket], None]
    ) -> None:
        self.loop = loop
        self._seconds = seconds
        self._expire = expire
        self._waiting: deque[tuple[float, Ticket]] = deque()
        self._armed = False

    def add(self, ticket: Ticket) -> None:
        """From now on it waits."""
        waiting = self._waiting
        while waiting and waiting[0][1].over:
            waiting.popleft()
        waiting.append((self.loop.time() + self._seconds, ticket))
        if not self._armed:
            self._armed = True
            self.loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        now = self.loop.time()
        waiting = self._waiting
        while waiting and (waiting[0][1].over or waiting[0][0] <= now):
            _, ticket = waiting.popleft()
            if not ticket.over:
                self._expire(ticket)
        self._armed = bool(waiting)
        if waiting:
            self.loop.call_at(waiting[0][0], self._look)
