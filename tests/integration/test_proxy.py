"""PROXY headers: only from named proxies, before TLS too, and the allow-list goes by whom they carry."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.limits import Limit
from tests.integration.harness import ORDINARY, Relay, gateway
from tests.integration.test_tls import LISTEN, listener, pair
from tests.peers.client import Client, transact
from tests.peers.folder import free_port
from tests.peers.scripted import ScriptedHop
from tests.programs import find

ON_UVLOOP = True
PROXY = "127.0.0.9"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def changes(**keys: object) -> dict[str, Any]:
    """A listener behind a proxy."""
    given = {"networks": ["192.0.2.0/24", "2001:db8::/32"], "proxy_networks": [PROXY], **keys}
    return {"listen": [{**LISTEN, **given}]}


def version_1(source: str = "192.0.2.7") -> bytes:
    """As HAProxy's `send-proxy` writes it."""
    family = "TCP6" if ":" in source else "TCP4"
    target = "2001:db8::1" if ":" in source else "192.0.2.1"
    return f"PROXY {family} {source} {target} 51234 25\r\n".encode()


def version_2(source: str = "192.0.2.7", *, command: int = 1, protocol: int = 1, extra: bytes = b"") -> bytes:
    """As `send-proxy-v2` writes it."""
    address = ipaddress.ip_address(source)
    family = 1 if address.version == 4 else 2
    block = address.packed * 2 + struct.pack("!HH", 51_234, 25) + extra
    return SIGNATURE + bytes([0x20 | command, family << 4 | protocol]) + struct.pack("!H", len(block)) + block


@asynccontextmanager
async def behind(
    header: bytes, *, source: str = PROXY, **keys: object
) -> AsyncIterator[tuple[Relay, ScriptedHop, Client]]:
    """A connection from the proxy that has sent this header."""
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=changes(**keys)) as relay,
        await Client.connect(relay.port, source=source) as client,
    ):
        await client.send(header)
        yield relay, hop, client


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (version_1(), b"([192.0.2.7])"),
        (version_1("2001:db8::9"), b"([IPv6:2001:db8::9])"),
        (version_2(), b"([192.0.2.7])"),
        (version_2("2001:db8::9"), b"([IPv6:2001:db8::9])"),
        (version_2(extra=b"\x04\0\x02ok"), b"([192.0.2.7])"),
    ],
)
async def test_carried(header: bytes, shown: bytes) -> None:
    """Whom the proxy carries is the peer, for the allow-list and in `Received:`."""
    async with behind(header) as (_, hop, client):
        await client.hello()
        assert (await transact(client, ORDINARY, pipelined=True))[-1].code == 250
        assert shown in hop.taken[0].content


async def test_header_by_the_octet() -> None:
    """However it is cut."""
    for header in (version_1(), version_2()):
        async with behind(b"") as (_, _, client):
            await client.send_by_byte(header)
            await client.hello()
            assert (await transact(client, ORDINARY))[-1].code == 250


@pytest.mark.parametrize(
    "header", [version_1("198.51.100.1"), version_2("198.51.100.1"), version_1("127.0.0.9")]
)
async def test_carried_stranger_is_refused(header: bytes) -> None:
    """Promise 7: the proxy's own address opens nothing."""
    async with behind(header) as (relay, _, client):
        assert await client.code() == 554
        await client.closed()
        assert relay.journal.counts["peer-refused"] == 1


@pytest.mark.parametrize(
    "header",
    [
        b"EHLO client.example\r\n",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 51234 25 more\r\n",
        b"PROXY TCP4 2001:db8::9 192.0.2.1 51234 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 25\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 1 25\r\n",
        b"PROXY TCP4 " + b"x" * 200 + b"\r\n",
        b"PROXY " + b"x" * 20_000,
        SIGNATURE + b"\x31\x11\0\x0c" + b"\0" * 12,
        SIGNATURE + b"\x25\x11\0\x0c" + b"\0" * 12,
        SIGNATURE + b"\x21\x11\0\x04" + b"\0" * 4,
        version_2(protocol=2),
        SIGNATURE + b"\x21\x31\0\xd8" + b"/tmp/socket".ljust(216, b"\0"),
        b"\r\n\r\n\0\r\nQUIX\n" + b"\0" * 16,
    ],
)
async def test_no_valid_header(header: bytes) -> None:
    """Rule 30: closed, without a word to whoever it is."""
    async with behind(header) as (relay, _, client):
        client.half_close()
        assert await client.closed() == b""
        assert relay.journal.counts["proxy-refused"] == 1


async def test_silent_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that doesn't come is waited for some seconds, not for ever."""
    monkeypatch.setattr("gateway.edge.proxy.HEADER_SECONDS", 0.2)
    async with behind(b"PROXY TCP4") as (relay, _, client):
        assert await client.closed() == b""
        await relay.until(lambda: len(relay.registry) == 0)


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", version_2(command=0), SIGNATURE + b"\x20\0\0\0"])
async def test_a_proxy_that_carries_nobody_may_look_and_not_send(header: bytes) -> None:
    """Rule 30: LOCAL is the proxy's own health check."""
    async with behind(header) as (_, hop, client):
        await client.hello()
        answer = await client.command(b"MAIL FROM:<hr@example.co.jp>")
        assert (answer.code, answer.enhanced) == (554, "5.7.1")
        assert (await client.command(b"QUIT")).code == 221
        assert hop.transactions == []


async def test_forged_header_from_somebody_else() -> None:
    """Only a named proxy is believed; from anybody else the header is a command that is none."""
    async with behind(version_1(), source="127.0.0.8", networks=["127.0.0.8"]) as (_, hop, client):
        await client.expect(220)
        assert await client.code() == 500
        assert (await client.greet()).code == 250
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b"([127.0.0.8])" in hop.taken[0].content
    async with behind(version_1(), source="127.0.0.8") as (_, _, client):
        assert await client.code() == 554


async def test_limit_by_peer_counts_the_carried() -> None:
    """All of a proxy's connections come from one address; its peers don't."""
    given = {**changes(), "limits": {"connections_per_peer": 1}}
    async with ScriptedHop() as hop, gateway(hop, changes=given) as relay:
        clients = [await Client.connect(relay.port, source=PROXY) for _ in range(3)]
        for client, source in zip(clients, ("192.0.2.7", "192.0.2.8", "192.0.2.7"), strict=True):
            await client.send(version_1(source))
        assert [await client.code() for client in clients] == [220, 220, 421]
        assert relay.journal.counts[Limit.PEER_CONNECTIONS] == 1
        for client in clients:
            await client.close()


@pytest.mark.parametrize("together", [True, False])
async def test_before_implicit_tls(tmp_path: Path, *, together: bool) -> None:
    """The header stands before the handshake, in one segment with it or not."""
    import ssl  # noqa: PLC0415 - for this test

    server = pair(tmp_path, "server")
    given = listener(
        server, tls="required", tls_mode="implicit", networks=["192.0.2.0/24"], proxy_networks=[PROXY]
    )
    async with ScriptedHop() as hop, gateway(hop, changes=given) as relay:
        client = await Client.connect(relay.port, source=PROXY)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        if together:
            await client.send(version_2() + outgoing.read())
        else:
            await client.send(version_2())
            await asyncio.sleep(0.05)
            await client.send(outgoing.read())

        async def until(step: Any) -> Any:  # noqa: ANN401 - of ssl
            async with asyncio.timeout(5):
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        incoming.write(await client.reader.read(65_536))

        await until(tls.do_handshake)
        await client.send(outgoing.read())
        assert (await until(lambda: tls.read(100))).startswith(b"220 ")
        client.reset()


async def test_before_starttls(tmp_path: Path) -> None:
    """Whom the proxy carries is remembered through STARTTLS."""
    server = pair(tmp_path, "server")
    given = listener(server, networks=["192.0.2.0/24"], proxy_networks=[PROXY])
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=given) as relay,
        await Client.connect(relay.port, source=PROXY) as client,
    ):
        await client.send(version_1())
        await client.hello()
        await client.starttls(server.client())
        await client.greet()
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b"([192.0.2.7])" in hop.taken[0].content


@pytest.mark.peer("haproxy")
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
async def test_haproxy(tmp_path: Path, send: str) -> None:
    """A real load balancer before the gateway."""
    given = changes(networks=["127.0.0.8"], proxy_networks=["127.0.0.1"])
    async with ScriptedHop() as hop, gateway(hop, changes=given) as relay:
        port = free_port()
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n"
            f"listen smtp\n bind 127.0.0.1:{port}\n server gw 127.0.0.1:{relay.port} {send}\n"
        )
        program = await asyncio.create_subprocess_exec(
            str(find("haproxy")), "-db", "-f", str(config), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(10):
                while True:
                    try:
                        client = await Client.connect(port, source="127.0.0.8")
                        break
                    except OSError:
                        await asyncio.sleep(0.05)
            await client.hello()
            assert (await transact(client, ORDINARY))[-1].code == 250
            await client.quit()
            assert b"([127.0.0.8])" in hop.taken[0].content
        finally:
            program.terminate()
            await program.wait()
