"""The PROXY header (version 1 and 2) that a load balancer puts before a connection: whom it carries.

Read by aiosmtpd's parser, out of what the session holds, so that what stands behind the header stays there: a
TLS handshake on an implicit listener, or a peer that speaks too early. Only peers that the config names as
proxies are asked for one, and from those nothing else is taken (SMTP.md rule 30).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, get_proxy

#: So long the header may take to come, in seconds; a proxy sends it at once.
HEADER_SECONDS = 5.0
#: Octets in which a line of it has to end: version 1 has 107 at most.
_MAX_LINE = 8_192


@dataclass(frozen=True, slots=True)
class Carried:
    """Whom a connection carries; `address` is empty where that is nobody: the proxy itself, looking in."""

    address: str


class _Reader:
    """What aiosmtpd's parser asks of a stream reader, over what a session holds."""

    def __init__(self, held: bytearray, more: Callable[[], Awaitable[None]]) -> None:
        self._held = held
        self._more = more

    def _take(self, count: int) -> bytes:
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    async def read(self, n: int = _MAX_LINE) -> bytes:
        while not self._held:
            await self._more()
        return self._take(n)

    async def readexactly(self, n: int) -> bytes:
        while len(self._held) < n:
            await self._more()
        return self._take(n)

    async def readuntil(self, until_chars: bytes = b"\n") -> bytes:
        while (at := self._held.find(until_chars)) < 0:
            if len(self._held) > _MAX_LINE:
                raise asyncio.LimitOverrunError("no line", len(self._held))
            await self._more()
        return self._take(at + len(until_chars))


async def read_header(held: bytearray, more: Callable[[], Awaitable[None]]) -> Carried | None:
    """The header at the start of a connection; None if there is no valid one.

    Args:
        held: what has come and was not read; the header is taken out of it.
        more: waits until more has come; raises `IncompleteReadError` or `ConnectionError` if none will.
    """
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            found = await get_proxy(_Reader(held, more))
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None
    if not found.valid:
        return None
    if found.command == V2_CMD.LOCAL or found.family == AF.UNSPEC or found.protocol == PROTO.UNSPEC:
        return Carried("")
    if found.protocol != PROTO.STREAM or found.family not in (AF.INET, AF.INET6):
        return None
    return Carried(str(found.src_addr))
