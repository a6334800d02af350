"""All open sessions of a process: how many there may be, and how they end when the process does."""

import asyncio
from typing import Protocol


class Drainable(Protocol):
    """A session, as the registry sees it."""

    def drain(self) -> None:
        """End as soon as no mail is in hand: at once when idle, else after the reply that is due."""

    def abort(self) -> None:
        """End now."""


class Registry:
    """Counts sessions, and ends them in bounded time.

    Args:
        limit: sessions at once in this process.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.draining = False
        self._sessions: set[Drainable] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def full(self) -> bool:
        """Whether no more sessions may be opened."""
        return len(self._sessions) >= self.limit

    def add(self, session: Drainable) -> None:
        """A session begins."""
        self._sessions.add(session)
        self._empty.clear()

    def remove(self, session: Drainable) -> None:
        """A session is over."""
        self._sessions.discard(session)
        if not self._sessions:
            self._empty.set()

    async def drain(self, seconds: float) -> int:
        """Ask all sessions to end and wait; cut those that haven't after `seconds`, and give their number."""
        self.draining = True
        for session in tuple(self._sessions):
            session.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            left = tuple(self._sessions)
            for session in left:
                session.abort()
            return len(left)
        return 0
