"""XCLIENT and XFORWARD: from named peers only, and passed on where the next hop takes them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.harness import ORDINARY, Relay, gateway, greeted
from tests.integration.test_tls import LISTEN
from tests.peers.action import Action, Moment, reply
from tests.peers.client import Client, transact
from tests.peers.scripted import KEYWORDS, ScriptedHop

ON_UVLOOP = True
SPEAKER = "127.0.0.9"
CHANGES: Mapping[str, Any] = {
    "listen": [{**LISTEN, "networks": ["127.0.0.0/8", "192.0.2.0/24"], "xclient_networks": [SPEAKER]}]
}
OFFERS = (*KEYWORDS, "XFORWARD NAME ADDR PROTO HELO SOURCE", "XCLIENT NAME ADDR PROTO HELO LOGIN")


@asynccontextmanager
async def speaking(
    *,
    source: str = SPEAKER,
    forward: str = "none",
    script: Any = None,  # noqa: ANN401 - a script
) -> AsyncIterator[tuple[Relay, ScriptedHop, Client]]:
    """A greeted session from a mail server that may speak for others."""
    changes = {**CHANGES, "next_hop": {"forward_client": forward}}
    async with (
        ScriptedHop(script, keywords=OFFERS) as hop,
        gateway(hop, changes=changes) as relay,
        await Client.connect(relay.port, source=source) as client,
    ):
        await client.hello()
        yield relay, hop, client


async def test_only_from_named_peers() -> None:
    """Offered to nobody else, and refused from everybody else: who could would be whoever they like."""
    async with speaking(source="127.0.0.8") as (_, hop, client):
        assert not [word for word in client.keywords if word.startswith((b"XCLIENT", b"XFORWARD"))]
        for line in (b"XCLIENT ADDR=192.0.2.7", b"XFORWARD ADDR=192.0.2.7"):
            answer = await client.command(line)
            assert (answer.code, answer.enhanced) == (550, "5.7.0")
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b"([127.0.0.8])" in hop.taken[0].content
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"XCLIENT ADDR=192.0.2.7")).code == 502


async def test_xclient() -> None:
    """The session begins anew as the other client's: greeting, allow-list, trace; then as a third's."""
    async with speaking() as (_, hop, client):
        assert [word for word in client.keywords if word.startswith(b"XCLIENT NAME ADDR")]
        await client.command(b"MAIL FROM:<hr@example.co.jp>")
        assert (await client.command(b"XCLIENT ADDR=192.0.2.7")).code == 503
        await client.command(b"RSET")
        assert (await client.command(b"XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE]")).code == 220
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 503  # EHLO first
        await client.greet()
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b"([192.0.2.7])" in hop.taken[0].content
        assert (await client.command(b"XCLIENT ADDR=192.0.2.8")).code == 220


@pytest.mark.parametrize("address", [b"198.51.100.1", b"[UNAVAILABLE]", b"IPV6:2001:db8::1"])
async def test_xclient_stranger_is_refused(address: bytes) -> None:
    """Promise 7: the allow-list goes by the client that is spoken for."""
    async with speaking() as (relay, _, client):
        assert (await client.command(b"XCLIENT ADDR=" + address)).code == 554
        await client.closed()
        assert relay.journal.counts["peer-refused"] == 1
        await relay.until(lambda: relay.registry._peers == {})


@pytest.mark.parametrize(
    "argument", [b"", b"ADDR", b"ADDR=host", b"WHAT=1", b"HELO=a+0D+0AMAIL", b"ADDR=192.0.2.7+0A"]
)
async def test_attributes_that_are_none(argument: bytes) -> None:
    """CWE-93: refused whole; nothing is changed."""
    async with speaking(forward="xforward") as (_, hop, client):
        for verb in (b"XCLIENT ", b"XFORWARD "):
            if (verb, argument) != (b"XFORWARD ", b"ADDR=host"):
                assert (await client.command(verb + argument)).code == 501
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b"([127.0.0.9])" in hop.taken[0].content


async def test_xforward_is_passed_on() -> None:
    """For one mail; the next is our own peer's; nothing is allowed by it."""
    async with speaking(forward="xforward") as (_, hop, client):
        assert (
            await client.command(b"XFORWARD ADDR=198.51.100.1 NAME=a+2Bb IDENT=x SOURCE=REMOTE")
        ).code == 250
        for _ in range(2):
            assert (await transact(client, ORDINARY, pipelined=True))[-1].code == 250
        told = [line for line in hop.sessions[0].commands if line.startswith(b"XFORWARD")]
        assert told == [
            b"XFORWARD NAME=a+2Bb ADDR=198.51.100.1 HELO=client.example.co.jp PROTO=ESMTP SOURCE=REMOTE",
            b"XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.9 HELO=client.example.co.jp PROTO=ESMTP",
        ]
        assert len(hop.sessions) == 1
        assert b"([127.0.0.9])" in hop.taken[0].content


async def test_xclient_is_passed_on_and_never_pooled() -> None:
    """Rule 8: a connection that was somebody's is nobody else's; the host greets anew behind it."""

    def taken(moment: Moment) -> Action | None:
        return reply(220, "hop.test") if moment.line.startswith(b"XCLIENT") else None

    async with speaking(source="127.0.0.8", forward="xclient", script=taken) as (_, hop, client):
        for _ in range(2):
            assert (await transact(client, ORDINARY))[-1].code == 250
        assert len(hop.sessions) == 2
        for session in hop.sessions:
            assert session.commands[1] == (
                b"XCLIENT NAME=[UNAVAILABLE] ADDR=127.0.0.8 HELO=client.example.co.jp PROTO=ESMTP"
            )
            assert session.commands[2] == b"EHLO gw.example.co.jp"


@pytest.mark.parametrize("forward", ["xclient", "xforward"])
async def test_a_host_that_refuses_gets_the_mail(forward: str) -> None:
    """It is a hint, and no reason to hold a mail."""
    async with speaking(forward=forward) as (_, hop, client):
        hop.script(lambda moment: reply(550, "5.7.0 no") if moment.stage == "unknown" else None)
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert len(hop.taken) == 1
