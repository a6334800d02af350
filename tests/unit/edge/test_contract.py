"""What `gateway.edge` leans on in aiosmtpd 1.4.6 and asyncio that isn't public."""

import asyncio
import inspect
from importlib.metadata import version

import aiosmtpd.smtp
import pytest
import uvloop


class Probe(aiosmtpd.smtp.SMTP):
    """A session that records which of the things we override are called."""

    line_length_limit = 8_192

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.called: list[str] = []
        self.ended = asyncio.Event()
        super().__init__(object(), hostname="localhost", ident="", loop=loop)

    def _reset_timeout(self, duration: float | None = None) -> None:
        self.called.append("_reset_timeout")

    async def _handle_client(self) -> None:
        self.called.append("_handle_client")
        line = await self._reader.readuntil(b"\n")
        while b"\n" in self._reader._buffer:  # type: ignore[attr-defined]
            line += await self._reader.readuntil(b"\n")
        self._writer.write(line)
        await self._writer.drain()
        self._writer.close()
        self.ended.set()


def test_version_is_the_pinned_one() -> None:
    """The contract was checked on this version and no other."""
    assert version("aiosmtpd") == "1.4.6"


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connection_made_runs_our_loop_on_its_reader_and_writer(factory: object) -> None:
    """`connection_made` asks for a timer, makes reader and writer, and runs `_handle_client` as a task."""

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
        writer.close()
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        runner.run(main())


def test_line_length_limit_bounds_the_stream_reader() -> None:
    """The class attribute is what the stream reader holds before it stops the peer."""
    loop = asyncio.new_event_loop()
    probe = Probe(loop)
    reader = probe._stream_reader  # type: ignore[attr-defined]
    assert reader._limit == 8_192
    assert isinstance(reader._buffer, bytearray)
    loop.close()


@pytest.mark.parametrize("name", ["connection_lost", "eof_received"])
def test_stock_handlers_cancel_the_session(name: str) -> None:
    """Why these two are replaced: aiosmtpd cancels the session's task in them, in the middle of a mail."""
    assert "_handler_coroutine.cancel()" in inspect.getsource(getattr(aiosmtpd.smtp.SMTP, name))


def test_stream_reader_protocol_keeps_the_connection_after_eof() -> None:
    """A half-close leaves our side open, so that the reply can still be given (SMTP.md rule 6)."""
    source = inspect.getsource(asyncio.StreamReaderProtocol.eof_received)
    assert "return True" in source
