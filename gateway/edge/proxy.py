"""The PROXY header (version 1 and 2) that a load balancer puts before a connection: whom it carries.

Read by aiosmtpd's parser, on the session's own reader, so that what stands behind the header stays there: a
TLS handshake on an implicit listener, or a peer that speaks too early. Only peers that the config names as
proxies are asked for one, and from those nothing else is taken (SMTP.md rule 30).
"""

import asyncio
from dataclasses import dataclass

from aiosmtpd.proxy_protocol import AF, PROTO, V2_CMD, get_proxy

#: So long the header may take to come, in seconds; a proxy sends it at once.
HEADER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Carried:
    """Whom a connection carries; `address` is empty where that is nobody: the proxy itself, looking in."""

    address: str


async def read_header(reader: asyncio.StreamReader) -> Carried | None:
    """The header at the start of a connection; None if there is no valid one."""
    try:
        async with asyncio.timeout(HEADER_SECONDS):
            found = await get_proxy(reader)
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None
    if not found.valid:
        return None
    if found.command == V2_CMD.LOCAL or found.family == AF.UNSPEC or found.protocol == PROTO.UNSPEC:
        return Carried("")
    if found.protocol != PROTO.STREAM or found.family not in (AF.INET, AF.INET6):
        return None
    return Carried(str(found.src_addr))
