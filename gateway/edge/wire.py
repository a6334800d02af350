"""A session's connection: octets in and out, lines, clocks, the switch to TLS, and how it ends.

Rests on aiosmtpd's session class, which makes the stream reader and writer and starts the task that runs
`_handle_client`. What of it isn't public and relied on has a contract test. Not used: its constructor (it
looks through all methods of the class for each connection, 0.3 ms), its timers and its reaction to a lost
connection (they cut a mail off in the middle), its STARTTLS (made of asyncio's private parts, and bound to
one certificate for the life of a server).

A lost connection cancels nothing. Whoever is in the middle of a mail finds out when it asks, and ends in good
order: a mail that the next hop took is recorded whether or not its sender is still there.
"""

import asyncio
import ssl
from typing import Any, Protocol

import aiosmtpd.smtp

from gateway.edge.door import Door
from gateway.edge.limits import TABLE, Limit
from gateway.smtp import failure
from gateway.smtp.reply import Reply
from gateway.transaction.transaction import Transaction

#: A line longer than this many octets without an end is no command; the session is over.
MAX_ENDLESS = 1_048_576
#: So long the last words to a sender may take to be read, in seconds.
FAREWELL_SECONDS = 10.0
#: After the last words, what still comes is read and forgotten for so long, in seconds: closing with octets
#: unread is a reset (RFC 1122 §4.2.2.13), which may overtake the words. Time for a far peer to hear them.
LINGER_SECONDS = 2.0
#: So many octets at most.
LINGER_OCTETS = 1_048_576
#: So long a TLS handshake may take, in seconds.
HANDSHAKE_SECONDS = 30.0


class Sink(Protocol):
    """Who takes the octets that are no commands: a mail's content."""

    def feed(self, data: bytes) -> bytes:
        """Take octets off the wire; give those that are commands again, once `ended`."""

    @property
    def ended(self) -> bool:
        """Whether commands follow."""

    def lose(self, trouble: str) -> None:
        """No more octets will come."""


class TlsFailed(ConnectionError):
    """There is no TLS with this peer; the connection is of no use any more."""


class Wire(aiosmtpd.smtp.SMTP):
    """The connection of a session at one `Door`."""

    line_length_limit = 8_192

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        # See above: not aiosmtpd's own constructor, but what its `connection_made` reads.
        asyncio.StreamReaderProtocol.__init__(
            self,
            asyncio.StreamReader(loop=loop, limit=self.line_length_limit),
            client_connected_cb=self._cb_client_connected,
            loop=loop,
        )
        self.loop = loop
        self.session: Any = None
        self.transport: Any = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._original_transport = None
        self._door = door
        self._transaction: Transaction | None = None
        self._sink: Sink | None = None
        self._lost = False
        self._over = False
        self._parted = False
        self._ended = False
        self._lingering = False
        self._forgotten = 0
        self._waiting = False
        self._answering = False
        self._draining = False
        self._last = self._begun = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    # --- what the loop tells ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; aiosmtpd makes the session object and the task that runs `_handle_client`."""
        self._door.registry.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Octets off the wire: content to whoever takes it, everything else to the line reader."""
        if self._lingering:
            self._forgotten += len(data)
            if self._forgotten > LINGER_OCTETS:
                self._hang_up()
            return
        sink = self._sink
        if sink is None:
            super().data_received(data)
            return
        rest = sink.feed(data)
        if sink.ended:
            self._sink = None
            if rest:
                super().data_received(rest)

    def eof_received(self) -> bool | None:
        """The sender sends no more; it may still be listening, so what came is worked off (rule 6)."""
        if self._lingering:
            return False
        self._ended = True
        if self._sink is not None:
            self._sink.lose("closed before the end of content")
        return asyncio.StreamReaderProtocol.eof_received(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone in both directions. Cancels nothing."""
        self._lost = True
        self._door.registry.part(self)
        if self._sink is not None:
            self._sink.lose("connection lost before the end of content")
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Instead of aiosmtpd's timer, that would cut a mail off in the middle: see `_check_idle`."""

    # --- clocks and ends ----------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        self._begun = self._last = self.loop.time()
        self._idle_timer = self.loop.call_later(self._door.limits.command_seconds, self._check_idle)

    def _check_idle(self) -> None:
        seconds = self._door.limits.command_seconds
        idle = self._waiting or self._answering
        left = self._last + seconds - self.loop.time() if idle else seconds
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._check_idle)
            return
        if self._answering and self.transport is not None:
            # It reads no replies: a goodbye would wait behind them for ever.
            self._over = True
            self._door.services.journal.count(Limit.IDLE)
            self.transport.abort()
            return
        self._exceed(Limit.IDLE)

    def _exceed(self, limit: Limit) -> None:
        """The peer ran into this bound, and the session ends."""
        self._door.services.journal.count(limit)
        self._say_goodbye(TABLE[limit][1])

    def _say_goodbye(self, reply: Reply) -> None:
        self._over = True
        if self.transport is not None and not self._lingering:
            self._writer.write(reply.wire)
            self._close(linger=True)

    def _close(self, *, linger: bool = False) -> None:
        """Close once what was said has been read, but don't wait for that for ever.

        Args:
            linger: the peer may still be sending, and has to hear what was said: the session is over, but its
                connection stays until the peer closes it, for `LINGER_SECONDS` at most. It takes no session's
                place meanwhile; there is a bound of its own (`Registry.linger`).
        """
        transport = self.transport
        if transport is None or transport.is_closing() or self._lingering:
            return
        if not linger or self._ended or not self._door.registry.linger(self):
            self._hang_up()
            return
        self._lingering = True
        self._reader.feed_eof()  # whoever waits for a line waits no more
        if transport.can_write_eof():  # TLS has no such thing: its end is said when the time is over
            transport.write_eof()
        self._resume()
        self.loop.call_later(LINGER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        """Close; what was said still goes out."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size():
            self.loop.call_later(FAREWELL_SECONDS, transport.abort)
        self._writer.close()

    def drain(self) -> None:
        """Implements `Drainable`: 421 at once when idle, else after the mail in hand."""
        self._draining = True
        if self._waiting and self._transaction is None:
            self._say_goodbye(failure.SHUTTING_DOWN)

    def abort(self) -> None:
        """Implements `Drainable`: end now; what is open at the next hop is not completed."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        if self._lingering and self.transport is not None:
            self.transport.abort()

    # --- lines and replies --------------------------------------------------------------------------------

    async def _answer(self, *replies: Reply) -> None:
        """Give these replies.

        Raises:
            ConnectionError: the sender is gone, or takes no replies.
        """
        if self._lost:
            raise ConnectionResetError("the sender is gone")
        self._writer.write(b"".join([reply.wire for reply in replies]))
        self._last = self.loop.time()
        self._answering = True
        try:
            await self._writer.drain()
        finally:
            self._answering = False

    async def _read_line(self, limit: int) -> bytes | Reply:
        """One line of at most `limit` octets with its line end; a refusal for one that is none.

        Raises:
            asyncio.IncompleteReadError: the sender sends no more.
        """
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            skipped, overrun = 0, error
            while True:
                dropped = await self._reader.read(max(overrun.consumed, 1))
                skipped += len(dropped)
                if skipped > MAX_ENDLESS:
                    self._exceed(Limit.ERRORS)
                    raise asyncio.IncompleteReadError(b"", None) from error
                try:
                    rest = await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as again:
                    overrun = again
                else:
                    whole = (dropped[-1:] + rest).endswith(b"\r\n")
                    return failure.LINE_TOO_LONG if whole else failure.BARE_COMMAND
        if not line.endswith(b"\r\n"):
            return failure.BARE_COMMAND
        return line if len(line) <= limit else failure.LINE_TOO_LONG

    async def _read_answer(self) -> bytes | Reply:
        """A line that the peer was asked for.

        Raises:
            ConnectionError: there is none to come.
        """
        self._waiting = True
        self._last = self.loop.time()
        try:
            return await self._read_line(self._door.limits.command_line)
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the sender is gone") from None
        finally:
            self._waiting = False

    @property
    def _pending(self) -> bytearray:
        """What came and was not read."""
        pending: bytearray = self._reader._buffer  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
        return pending

    async def _stop_reading(self) -> bytes:
        """Take all of it, and nothing more off the wire until TLS has begun. Never waits.

        Between the last word in the clear and the handshake no octet may get lost (a quick peer's first one
        of the handshake), and none may get in (CVE-2011-0411).
        """
        taken = b""
        while self._pending:
            taken += await self._reader.read(self.line_length_limit * 8)
        self._pause()
        return taken

    async def _divert(self, sink: Sink) -> None:
        """Hand what has come to the sink, and what comes from now on, unless that was all of it."""
        while self._pending and not sink.ended:
            rest = sink.feed(await self._reader.read(self.line_length_limit * 8))
            if rest:
                # commands behind the content: back into the line reader, in front of whatever it holds
                self._pending[:0] = rest
        if not sink.ended:
            self._sink = sink
            if self._lost or self._reader.at_eof():
                sink.lose("closed before the end of content")

    def _pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    # --- TLS ----------------------------------------------------------------------------------------------

    async def _start_tls(self, context: ssl.SSLContext, first: bytes = b"") -> ssl.SSLObject:
        """Go on under TLS. The reading has to be stopped (`_stop_reading`).

        Args:
            first: octets of the handshake that came with what was read before it.

        Raises:
            TlsFailed: the handshake failed, or took too long.
        """
        clear = self.transport
        if clear is None or clear.is_closing():
            raise TlsFailed("gone before TLS")
        self._over_ssl = True  # a peer that is gone at once: there is no half of a TLS connection
        handshake = asyncio.ensure_future(
            self.loop.start_tls(
                clear,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
        )
        await asyncio.sleep(0)  # it has taken the transport now, and asked the loop to begin
        if first and not handshake.done():
            self.loop.call_soon(_feed, clear.get_protocol(), first)
        try:
            transport: Any = await handshake
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise TlsFailed(f"{type(error).__name__}: {error}") from error
        if transport is None:
            raise TlsFailed("gone during the handshake")
        self.transport = transport
        self._reader._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
        self._writer._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
        self._last = self.loop.time()
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        return secured


def _feed(protocol: Any, octets: bytes) -> None:  # noqa: ANN401 - asyncio's and uvloop's have no common type
    """Hand octets to a TLS layer as if they had just come off the wire."""
    view = memoryview(octets)
    while view:
        room = protocol.get_buffer(len(view))
        count = min(len(room), len(view))
        room[:count] = view[:count]
        protocol.buffer_updated(count)
        view = view[count:]
