"""The last words of a session are heard: octets that nobody reads any more must not become a reset.

RFC 1122 §4.2.2.13: closing with input unread sends RST, and that may overtake what was said. So the edge
stops sending, reads on for a bounded time, and closes then.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.session import Session
from tests.integration.harness import ORDINARY, Relay, gateway, greeted
from tests.integration.test_tls import LISTEN, listener, pair
from tests.peers.client import Client, ClosedError, transact
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True
#: Commands that nobody will read.
MORE = b"NOOP\r\n" * 2_000


async def heard(client: Client, code: int, enhanced: str) -> None:
    """That the session ends with these words, while its peer keeps sending, and with no reset behind them."""
    stop = asyncio.Event()

    async def chatter() -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop's word for one that is closed
            while not stop.is_set():
                await client.send(MORE)
                await asyncio.sleep(0.01)

    talking = asyncio.create_task(chatter())
    try:
        answer = await client.reply()
        while answer.code == 250:
            answer = await client.reply()
        assert (answer.code, answer.enhanced) == (code, enhanced)
        await asyncio.sleep(0.1)  # it goes on for a while, as a peer that is slow to look
        stop.set()
        await talking
        assert client.reader.exception() is None, "a reset"
    finally:
        stop.set()
        await asyncio.gather(talking, return_exceptions=True)


@pytest.mark.parametrize(
    ("limits", "said", "code", "enhanced"),
    [
        ({"errors": 3}, b"WHAT\r\n" * 4 + b"NOOP\r\n", 421, "4.7.0"),
        ({"commands": 3}, b"NOOP\r\n" * 5, 421, "4.7.0"),
        ({"session_seconds": 0.0}, b"NOOP\r\n", 421, "4.4.2"),
        ({}, b"BDAT what\r\n", 501, "5.5.4"),
        ({}, b"NOOP\n", 500, "5.5.2"),
    ],
)
async def test_a_session_that_is_ended(
    limits: Mapping[str, Any], said: bytes, code: int, enhanced: str
) -> None:
    """Too many errors or commands, its age, a BDAT or a line whose end can't be known."""
    async with ScriptedHop() as hop, gateway(hop, limits=limits) as relay, greeted(relay.port) as client:
        await client.send(said)
        answer = await client.reply()
        while answer.code == 250 or (limits.get("errors") and answer.code == 500):
            answer = await client.reply()
        assert (answer.code, answer.enhanced) == (code, enhanced)
        for _ in range(20):
            await client.send(MORE)
        assert await client.closed() == b""
        assert client.reader.exception() is None, "a reset"
        await relay.until(lambda: not relay.registry._lingering)


@pytest.mark.parametrize("limits", [{}, {"connections": 1}])
async def test_a_refusal_in_the_banner(limits: Mapping[str, int]) -> None:
    """A stranger (554), or one too many (421), who was quick to speak and goes on doing so."""
    networks = ["127.0.0.2/32"] if not limits else ["127.0.0.0/8"]
    changes = {"listen": [{**LISTEN, "networks": networks}], "limits": limits}
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=changes) as relay,
        await Client.connect(relay.port) as first,
    ):
        await first.expect(220 if limits else 554)
        for _ in range(20):
            async with await Client.connect(relay.port) as client:
                client.writer.write(MORE)
                await heard(client, *((421, "4.7.0") if limits else (554, "5.7.1")))


async def test_under_tls(tmp_path: Path) -> None:
    """The same where the end of what is said can't be told apart from the end of the connection."""
    server = pair(tmp_path, "server")
    changes = listener(server, tls="required", tls_mode="implicit")
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=changes, limits={"commands": 3}) as relay,
        await Client.connect(relay.port, tls=server.client()) as client,
    ):
        await client.hello()
        await client.send(b"NOOP\r\n" * 5)
        await heard(client, 421, "4.7.0")


async def test_who_stays_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's place is free at once; its connection ends when the time is over, or past a bound."""
    monkeypatch.setattr("gateway.edge.wire.LINGER_SECONDS", 0.3)
    changes = {"limits": {"connections": 1}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes, limits={"errors": 0}) as relay:
        stays = await ended(relay)
        assert len(relay.registry._lingering) == 1
        async with greeted(relay.port) as client:
            assert (await transact(client, ORDINARY))[-1].code == 250
            await client.quit()
        await relay.until(lambda: not relay.registry._lingering)
        await stays.close()

        monkeypatch.setattr("gateway.edge.wire.LINGER_SECONDS", 60.0)
        talks = await ended(relay)
        with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop's word for one that is closed
            for _ in range(100):
                talks.writer.write(b"x" * 65_536)
                await asyncio.sleep(0.001)
        await relay.until(lambda: not relay.registry._lingering)
        await talks.close()


async def test_so_many_linger_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those past the bound are closed at once: strangers can't heap up connections."""
    monkeypatch.setattr("gateway.edge.wire.LINGER_SECONDS", 60.0)
    monkeypatch.setattr("gateway.edge.registry.LINGERING", 3)
    async with ScriptedHop() as hop, gateway(hop, limits={"errors": 0}) as relay:
        clients = [await ended(relay) for _ in range(6)]
        assert len(relay.registry._lingering) == 3
        assert await relay.registry.drain(0.2) == 0, "none of them is a session that was cut"
        for client in clients:
            await client.close()


async def ended(relay: Relay) -> Client:
    """A peer whose session was ended, and who stays."""
    client = await Client.connect(relay.port)
    await client.hello()
    await client.command(b"WHAT")
    assert await client.code() == 421
    await relay.until(lambda: len(relay.registry) == 0)
    return client


async def test_quit_ends_at_once() -> None:
    """Who says QUIT has said all there is."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"QUIT")).code == 221
        assert await client.closed() == b""
        assert not relay.registry._lingering


async def test_drained_while_a_command_waits_to_be_read() -> None:
    """The command has come, and nobody has looked at it yet: 421 is its answer, and nothing is begun.

    Found under load: the session went on with what it had read, and wrote to a connection that it had ended.
    """
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        (session,) = relay.registry._sessions
        assert isinstance(session, Session)
        await relay.until(lambda: session._waiting)
        session.data_received(b"MAIL FROM:<hr@example.co.jp>\r\n")
        session.drain()
        assert (await client.reply()).code == 421
        with pytest.raises(ClosedError):
            await client.reply()
        await relay.until(lambda: len(relay.registry) == 0)
        assert relay.journal.errors == []
        assert hop.transactions == []
