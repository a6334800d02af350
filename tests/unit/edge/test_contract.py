"""What `gateway.edge` leans on in aiosmtpd 1.4.6 and asyncio that isn't public."""

import asyncio
import inspect
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiosmtpd.smtp
import pytest
import uvloop

from tests.peers.certificate import make_certificate


class Probe(aiosmtpd.smtp.SMTP):
    """A session that records which of the things we override are called."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.called: list[str] = []
        self.ended = asyncio.Event()
        super().__init__(object(), hostname="localhost", ident="", loop=loop)
        # as ours does it: without a stream reader
        asyncio.StreamReaderProtocol.__init__(
            self,
            None,  # type: ignore[arg-type]
            client_connected_cb=self._cb_client_connected,
            loop=loop,
        )
        self.held = b""
        self.two_lines = loop.create_future()

    def data_received(self, data: bytes) -> None:
        """As ours: no octet goes to a stream reader."""
        self.held += data
        if self.held.count(b"\n") == 2:
            self.two_lines.set_result(None)

    def _reset_timeout(self, duration: float | None = None) -> None:
        self.called.append("_reset_timeout")

    async def _handle_client(self) -> None:
        self.called.append("_handle_client")
        await self.two_lines
        self._writer.write(self.held)
        await self._writer.drain()
        self._writer.close()
        self.ended.set()


def test_version_is_the_pinned_one() -> None:
    """The contract was checked on this version and no other."""
    assert version("aiosmtpd") == "1.4.6"


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connection_made_runs_our_loop_on_its_writer(factory: object) -> None:
    """`connection_made` asks for a timer, makes a writer, and runs `_handle_client` as a task.

    There is no stream reader: neither the writer's `drain` nor what ends a connection asks for one.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        sessions: list[Probe] = []

        def make() -> Probe:
            sessions.append(Probe(loop))
            return sessions[-1]

        server = await loop.create_server(make, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        writer.write(b"one\r\ntwo\r\n")
        assert await reader.read() == b"one\r\ntwo\r\n"
        await sessions[0].ended.wait()
        assert sessions[0].called == ["_reset_timeout", "_handle_client"]
        assert sessions[0].session is not None
        assert (sessions[0].session.peer or "")[0] == "127.0.0.1"
        assert isinstance(sessions[0]._handler_coroutine, asyncio.Task)
        assert sessions[0]._reader is None
        assert sessions[0]._writer.transport is sessions[0].transport
        writer.close()
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(main())


@pytest.mark.parametrize("name", ["connection_lost", "eof_received"])
def test_stock_handlers_cancel_the_session(name: str) -> None:
    """Why these two are replaced: aiosmtpd cancels the session's task in them, in the middle of a mail."""
    assert "_handler_coroutine.cancel()" in inspect.getsource(getattr(aiosmtpd.smtp.SMTP, name))


def test_stream_reader_protocol_keeps_the_connection_after_eof() -> None:
    """A half-close leaves our side open, so that the reply can still be given (SMTP.md rule 6)."""
    source = inspect.getsource(asyncio.StreamReaderProtocol.eof_received)
    assert "return True" in source


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_tls_layer_takes_octets_by_hand(factory: object, tmp_path: Path) -> None:
    """`start_tls` has set its own protocol after one turn of the loop, which takes octets by `get_buffer`."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        certificate = make_certificate(tmp_path)
        ended: asyncio.Future[bytes] = loop.create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first = await reader.read(65_536)  # the client's hello, read in the clear
            clear = writer.transport
            handshake = asyncio.ensure_future(
                loop.start_tls(clear, writer._protocol, certificate.server(), server_side=True)  # type: ignore[attr-defined]
            )
            await asyncio.sleep(0)
            layer: Any = clear.get_protocol()
            room = layer.get_buffer(len(first))
            room[: len(first)] = first
            loop.call_soon(layer.buffer_updated, len(first))
            transport = await handshake
            assert transport is not None
            reader._transport = writer._transport = transport  # type: ignore[attr-defined]
            ended.set_result(await reader.readuntil(b"\n"))
            transport.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=certificate.client(), server_hostname="localhost"
        )
        writer.write(b"under TLS\n")
        assert await asyncio.wait_for(ended, 5) == b"under TLS\n"
        writer.close()
        server.close()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(main())


def test_what_connection_made_reads() -> None:
    """Our session does without aiosmtpd's constructor, so `connection_made` must read nothing else of it."""
    source = inspect.getsource(aiosmtpd.smtp.SMTP.connection_made)
    read = set(re.findall(r"self\.(_?[a-z_]+)", source))
    given = {"_original_transport", "transport", "session", "loop", "_handler_coroutine", "_handle_client"}
    ours = {"_reset_timeout", "_set_rset_state"}
    only_for_its_starttls = {"_reader", "_writer", "_tls_protocol", "_handle_hooks", "_tls_handshake_okay"}
    assert read <= given | ours | only_for_its_starttls | {"_create_session", "envelope"}
