"""All open sessions of a process: how many there may be, and how they end when the process does."""

import asyncio
import ipaddress
from typing import Protocol

#: Connections of sessions that are over and whose peers may still have to hear why. So many at once in a
#: process: strangers who come and stay must take nobody's place, neither in `limit` nor without bound.
LINGERING = 100


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
        per_peer: of these, from one address.
    """

    def __init__(self, limit: int, per_peer: int | None = None) -> None:
        self.limit = limit
        self.per_peer = limit if per_peer is None else per_peer
        self._peers: dict[str, int] = {}
        self.draining = False
        self._sessions: set[Drainable] = set()
        self._lingering: set[Drainable] = set()
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
        self._settle()

    def linger(self, session: Drainable) -> bool:
        """A session is over, its connection stays a moment; False if too many do. `part` has to follow."""
        if len(self._lingering) >= LINGERING:
            return False
        self._lingering.add(session)
        return True

    def part(self, session: Drainable) -> None:
        """A connection is gone, whether or not it had lingered."""
        self._lingering.discard(session)
        self._settle()

    def _settle(self) -> None:
        if not self._sessions and not self._lingering:
            self._empty.set()

    def enter(self, peer: str) -> bool:
        """A session is this peer's; False if it has too many then. `leave` has to follow."""
        count = self._peers.get(peer, 0) + 1
        self._peers[peer] = count
        return count <= self.per_peer

    def leave(self, peer: str) -> None:
        """A session that entered is over."""
        count = self._peers.get(peer, 0) - 1
        if count > 0:
            self._peers[peer] = count
        else:
            self._peers.pop(peer, None)

    async def drain(self, seconds: float) -> int:
        """Ask all sessions to end and wait; cut those that haven't after `seconds`, and give their number."""
        self.draining = True
        for session in tuple(self._sessions):
            session.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), seconds)
        except TimeoutError:
            cut = len(self._sessions)
            for session in self._sessions | self._lingering:
                session.abort()
            return cut
        return 0


def network_of(peer: str) -> str:
    """Whom an address stands for when somebody is counted: itself, or with IPv6 its /64."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False).network_address)
    return str(address)
