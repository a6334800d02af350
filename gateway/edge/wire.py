"""A session's connection: octets in and out, lines, clocks, the switch to TLS, and how it ends.

Rests on aiosmtpd's session class, which makes the session's stream writer and starts the task that runs
`_handle_client`. What of it isn't public and relied on has a contract test. Not used: its constructor (it
looks through all methods of the class for each connection, 0.3 ms), its stream reader (see
`gateway.edge.lines`), its timers and its reaction to a lost connection (they cut a mail off in the middle),
its STARTTLS (made of asyncio's private parts, and bound to one certificate for the life of a server).

A lost connection cancels nothing. Whoever is in the middle of a mail finds out when it asks, and ends in good
order: a mail that the next hop took is recorded whether or not its sender is still there.
"""

import asyncio
import ssl
from typing import Any, Protocol

import aiosmtpd.smtp

from gateway.edge.door import Door
from gateway.edge.limits import TABLE, Limit
from gateway.edge.lines import EndlessLine, LineReader
from gateway.edge.upload import Upload
from gateway.smtp import failure
from gateway.smtp.reply import Reply
from gateway.transaction.transaction import Transaction

#: What came and was not read stops the peer when it is more than this.
HIGH_WATER = 16_384
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

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        # See above: not aiosmtpd's own constructor, but what its `connection_made` reads.
        asyncio.StreamReaderProtocol.__init__(
            self,
            None,  # type: ignore[arg-type] # contract test
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
        self._upload: Upload | None = None
        self._lines = LineReader()
        self._held = self._lines.held
        self._listener: asyncio.Future[None] | None = None
        self._fault: Exception | None = None
        self._deaf = False
        self._crowded = False
        self._full = False
        self.lost = False
        self._over = False
        self._parted = False
        self._ended = False
        self._lingering = False
        self._forgotten = 0
        self._waiting = False
        self._answering = False
        self._draining = False
        self._last = self._begun = 0.0
        self._tick = 0.0
        self._clock: asyncio.TimerHandle | None = None

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
        if sink is not None:
            data = sink.feed(data)
            if not sink.ended:
                return
            self._sink = None
            if not data:
                return
        held = self._held
        held += data
        listener = self._listener
        if listener is not None:
            self._listener = None
            if not listener.done():
                listener.set_result(None)
        if len(held) > HIGH_WATER and not self._crowded:
            self._crowded = True
            self.pause()

    def eof_received(self) -> bool | None:
        """The sender sends no more; it may still be listening, so what came is worked off (rule 6)."""
        if self._lingering:
            return False
        self._ended = True
        if self._sink is not None:
            self._sink.lose("closed before the end of content")
        self._hear_no_more()
        return asyncio.StreamReaderProtocol.eof_received(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone in both directions. Cancels nothing."""
        self.lost = True
        self._door.registry.part(self)
        if self._sink is not None:
            self._sink.lose("connection lost before the end of content")
        if self._clock is not None:
            self._clock.cancel()
        if error is not None:
            self._fault = error
            self._held.clear()  # nobody is there to be answered
        self._hear_no_more()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def pause_writing(self) -> None:
        """The peer doesn't read what it is told."""
        super().pause_writing()
        self._full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        super().resume_writing()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Instead of aiosmtpd's timer, that would cut a mail off in the middle: see `_check_clock`."""

    # --- clocks and ends ----------------------------------------------------------------------------------

    def _start_clock(self) -> None:
        """One timer a session, set anew only when it fires: early enough for whatever begins meanwhile."""
        limits = self._door.limits
        self._tick = min(limits.command_seconds, limits.block_seconds, limits.upload_seconds)
        self._begun = self._last = self.loop.time()
        self._clock = self.loop.call_later(self._tick, self._check_clock)

    def _check_clock(self) -> None:
        now = self.loop.time()
        left = self._tick
        if self._upload is not None:
            left = min(left, self._upload.look(now))
        if self._waiting or self._answering:
            left = min(left, self._last + self._door.limits.command_seconds - now)
        if left > 0:
            self._clock = self.loop.call_later(left, self._check_clock)
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
        self._hear_no_more()
        if transport.can_write_eof():  # TLS has no such thing: its end is said when the time is over
            transport.write_eof()
        self.resume()
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
        if self.lost:
            raise ConnectionResetError("the sender is gone")
        transport = self.transport
        transport.write(replies[0].wire if len(replies) == 1 else b"".join([one.wire for one in replies]))
        self._last = self.loop.time()
        if self._full or transport.is_closing():
            self._answering = True
            try:
                await self._writer.drain()
            finally:
                self._answering = False

    def _more(self) -> asyncio.Future[None]:
        """To be awaited: until there is more than was held when this was called, or an end of it.

        Raises:
            asyncio.IncompleteReadError: the sender sends no more.
            OSError: the connection broke.
        """
        if self._fault is not None:
            raise self._fault
        if self._deaf:
            raise asyncio.IncompleteReadError(b"", None)
        if self._crowded:
            self._uncrowd()
        listener = self._listener = self.loop.create_future()
        return listener

    def _hear_no_more(self) -> None:
        """Whoever waits for a line waits no more, once those that are held are read."""
        self._deaf = True
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)

    def _uncrowd(self) -> None:
        """What is held is read, or will be: let the peer go on."""
        self._crowded = False
        self.resume()

    async def _read_answer(self) -> bytes | Reply:
        """A line that the peer was asked for.

        Raises:
            ConnectionError: there is none to come.
        """
        self._waiting = True
        self._last = self.loop.time()
        try:
            while (line := self._lines.take(self._door.limits.command_line)) is None:
                await self._more()
        except EndlessLine:
            self._exceed(Limit.ERRORS)
            raise ConnectionResetError("a line without an end") from None
        except asyncio.IncompleteReadError:
            raise ConnectionResetError("the sender is gone") from None
        finally:
            self._waiting = False
        return line

    def _stop_reading(self) -> bytes:
        """Take all of it, and nothing more off the wire until TLS has begun. Never waits.

        Between the last word in the clear and the handshake no octet may get lost (a quick peer's first one
        of the handshake), and none may get in (CVE-2011-0411).
        """
        taken = bytes(self._held)
        self._held.clear()
        self._crowded = False
        self.pause()
        return taken

    def _divert(self, sink: Sink) -> None:
        """Hand what has come to the sink, and what comes from now on, unless that was all of it."""
        held = self._held
        if self._crowded:
            self._uncrowd()  # before the sink gets any, which may stop the peer in its turn
        if held and not sink.ended:
            held[:] = sink.feed(bytes(held))  # what it gives back are commands behind the content
        if not sink.ended:
            self._sink = sink
            if self.lost or self._deaf:
                sink.lose("closed before the end of content")

    def pause(self) -> None:
        """Implements `Line`: take nothing more off the wire."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Implements `Line`: go on."""
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
