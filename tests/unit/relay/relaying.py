"""What the relay's tests have in common.

Commands, settings, a pool that is closed, a mail sent the usual way.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from gateway.relay.outbound import OutboundTransaction
from gateway.relay.pool import Alarm, Pool
from gateway.relay.settings import Host, NextHopSettings, Timeouts
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.smtp.reply import Reply
from tests.peers.scripted import ScriptedHop

CONTENT = b"Subject: a\r\n\r\n..dot\r\nend\r\n"
NOTHING: frozenset[bytes] = frozenset()
#: Long enough for a busy machine, short enough for a test that waits for it.
SOON = 0.25


def mail(address: bytes = b"saiyo@example.co.jp", parameters: bytes = b"") -> Mail:
    """MAIL from this address."""
    path, _ = parse_path(b"FROM:<" + address + b">", b"FROM", null_allowed=True)
    return Mail(path, Parameters.parse(parameters))


def rcpt(address: bytes = b"a@example.com", parameters: bytes = b"") -> Rcpt:
    """RCPT to this address."""
    path, _ = parse_path(b"TO:<" + address + b">", b"TO", null_allowed=False)
    return Rcpt(path, Parameters.parse(parameters))


def host(hop: ScriptedHop) -> Host:
    """Where this hop listens."""
    return Host(name=hop.host, port=hop.port)


def settings(*hops: ScriptedHop, **changes: Any) -> NextHopSettings:  # noqa: ANN401 - whatever the settings take
    """Clear text to these hops, in order; `timeouts` may be given as a dict."""
    if isinstance(changes.get("timeouts"), dict):
        changes["timeouts"] = Timeouts(**changes["timeouts"])
    values: dict[str, Any] = {
        "name": "next-hop",
        "hosts": tuple(host(hop) for hop in hops),
        "helo": "gw.example.co.jp",
        "tls": "none",
    }
    return NextHopSettings(**(values | changes))


@contextlib.asynccontextmanager
async def pooled(
    *hops: ScriptedHop,
    alarm: Alarm | None = None,
    **changes: Any,  # noqa: ANN401 - whatever the settings take
) -> AsyncIterator[Pool]:
    """A pool to these hops, closed in the end; nothing of it may be left open then."""
    pool = Pool(settings(*hops, **changes), alarm=alarm)
    try:
        yield pool
    finally:
        await pool.close(0.0 if pool.places[1] else 5.0)
        assert not pool._open
        assert not pool._idle


async def accepted(pool: Pool, *recipients: bytes) -> OutboundTransaction:
    """A transaction with MAIL and these RCPTs accepted, each asked by itself."""
    outbound = await pool.begin(NOTHING)
    assert codes(await outbound.envelope([mail()])) == [250]
    for address in recipients or (b"a@example.com",):
        assert codes(await outbound.envelope([rcpt(address)])) == [250]
    return outbound


async def finished(outbound: OutboundTransaction, content: bytes = CONTENT) -> Reply:
    """DATA, content, dot, end; the answer to the dot."""
    start = await outbound.data()
    assert start.reply.code == 354, start
    await outbound.write(content)
    reply = await outbound.finish()
    await outbound.end()
    return reply


async def sent(pool: Pool, *recipients: bytes) -> Reply:
    """A whole mail."""
    return await finished(await accepted(pool, *recipients))


def codes(replies: Sequence[Reply]) -> list[int]:
    """The replies in short."""
    return [reply.code for reply in replies]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until `condition` holds; fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0)
