"""What a stranger can hold open is bounded; and what we lean on in uvicorn is as it was."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.web import server as module
from gateway.web.app import make_app, private_routes
from gateway.web.server import Server
from tests.fakes.web import LINK, Web, signature


@contextlib.asynccontextmanager
async def serving(web: Web, *, connections: int = 20) -> AsyncIterator[int]:
    """A server on a free port; told to end afterwards."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = Server(make_app(web.site, private_routes(web.site)), listener, connections=connections)
    task = asyncio.create_task(server.run_until_told())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


async def talk(port: int, octets: bytes, *, patience: float = 5.0) -> bytes:
    """Send, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(octets)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
            async with asyncio.timeout(patience):
                return await reader.read()
        return b""
    finally:
        writer.close()


GET = f"GET /r/{LINK} HTTP/1.1\r\nHost: go.example\r\nUser-Agent: Mozilla/5.0\r\n".encode()


async def test_serves_and_ends() -> None:
    """A request over a real socket, with the fields of every answer, and no name of ours."""
    async with serving(Web()) as port:
        answer = await talk(port, GET + b"Connection: close\r\n\r\n")
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 302")
    assert b"referrer-policy: no-referrer" in head
    assert b"uvicorn" not in head
    assert b"set-cookie" not in head


async def test_a_signed_body_over_a_socket() -> None:
    """Cut into many pieces, as networks do."""
    body = b'{"id": "A-1", "person_id": "P", "registered_at": "2026-12-01T09:00:00+09:00"}'
    head = "".join(f"{name}: {value}\r\n" for name, value in signature(body).items()).encode()
    octets = b"POST /v1/registrations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + head
    octets += b"Content-Length: %d\r\n\r\n" % len(body) + body
    web = Web()
    async with serving(web) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for start in range(0, len(octets), 7):
            writer.write(octets[start : start + 7])
            await asyncio.sleep(0)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert ("default", "A-1") in web.ledger.registered


@pytest.mark.parametrize(
    "octets",
    [
        GET + b"X: " + b"a" * 300_000,
        b"GET /" + b"a" * 300_000,
        GET + b"".join(b"X-%d: y\r\n" % number for number in range(40_000)),
    ],
    ids=["one field", "the path", "many fields"],
)
async def test_a_head_without_end(octets: bytes) -> None:
    """431, and the connection is closed."""
    async with serving(Web()) as port:
        answer = await talk(port, octets)
        assert answer.startswith(b"HTTP/1.1 431") or answer == b""  # the reset may overtake it
        assert (await talk(port, GET + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 302")


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\1\2\3\r\n\r\n",
        b"EHLO x\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET x\r\n\r\n",
    ],
    ids=["nul", "smtp", "tls", "path", "http/0.9"],
)
async def test_no_http(octets: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """400, or nothing; a stranger writes no line of our log."""
    async with serving(Web()) as port:
        answer = await talk(port, octets)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 404"))
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_requests_have_to_be_there_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing, or half of something, is let go: at the start, in head or body, in between."""
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.2)
    async with serving(Web()) as port:
        for octets in (
            b"",
            GET,
            b"POST /v1/registrations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            GET + b"\r\nGET /r",
        ):
            async with asyncio.timeout(3):
                await talk(port, octets)


async def test_one_connection_too_many() -> None:
    """503 at once; those that are there are served, and a place that is free again is given away."""
    async with serving(Web(), connections=3) as port:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert (await talk(port, GET)).startswith(b"HTTP/1.1 503")
        reader, writer = kept[0]
        writer.write(GET + b"Connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 302")
        for _, other in kept:
            other.close()
        await asyncio.sleep(0.05)
        assert (await talk(port, GET + b"Connection: close\r\n\r\n")).startswith(b"HTTP/1.1 302")


def test_what_we_lean_on() -> None:
    """Uvicorn's protocol has the attributes and callbacks that ours builds on, called as they were."""
    for name in (
        *("connection_made", "connection_lost", "data_received"),
        *("on_message_begin", "on_headers_complete", "on_message_complete"),
    ):
        assert callable(getattr(HttpToolsProtocol, name))
    config = uvicorn.Config(lambda: None, lifespan="off", log_config=None, ws="none")
    config.load()
    loop = asyncio.new_event_loop()
    try:
        state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[], total_requests=0)
        protocol = HttpToolsProtocol(config, state, {}, _loop=loop)  # type: ignore[arg-type]  # the shape of it
        assert protocol.connections is state.connections
        assert protocol.loop is loop
    finally:
        loop.close()
    assert hasattr(uvicorn.Server, "capture_signals")
