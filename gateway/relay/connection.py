"""One connection to a next hop, past EHLO: octets out, replies in, one question at a time.

Theory of operation. `exchange` writes commands and says how many replies it wants; `data_received` fills
them in, in order. Whatever was not asked for makes the connection void at once and for good: a reply too
many, octets while nothing is asked, a reply that is none, EOF. So does a question that was given up (a
timeout, a cancelled task), since its late answer would be taken for the next one's. A void connection has a
`fault`, and says nothing any more.

While content flows (`stream` to the final dot) a refusal may come early: it is kept in `early` as the answer
to the content. An early 2xx is not an answer (SMTP.md rule 1: nothing is taken before the dot).

There is no task and no timeout object here, but one timer handle, moved only when it would ring too late:
at a thousand mails a second those would be half of the cost.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol, cast

from gateway.relay.settings import Host
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.reply import Reply, ReplyError, ReplyReader

#: What may wait for a slow next hop, in octets; above it `write` tells its caller to wait.
HIGH_WATER = 256 * 1024
#: So long a 221 is waited for, in seconds; a peer that doesn't answer QUIT loses nothing but that.
QUIT_SECONDS = 5.0
#: The fault of a connection whose question was cancelled.
GIVEN_UP = "given up before the answer came"


class ConnectionLost(Exception):
    """No (further) answer will come on this connection.

    Attributes:
        replies: the answers that did come, in order.
        sent: whether the question was handed to the transport: then the peer may have seen it.
        timed_out: whether the time was over, rather than the connection.
    """

    def __init__(
        self, reason: str, replies: Sequence[Reply] = (), *, sent: bool = True, timed_out: bool = False
    ) -> None:
        self.replies = replies
        self.sent = sent
        self.timed_out = timed_out
        super().__init__(reason)


class Owner(Protocol):
    """Who wants to know what becomes of a connection."""

    def lost(self, connection: "Connection") -> None:
        """It became void, or was closed by us; called once, at once."""

    def gone(self, connection: "Connection") -> None:
        """Its socket is closed; called once."""


class Connection(asyncio.Protocol):
    """An SMTP connection that is past EHLO, TLS and AUTH.

    Attributes:
        host: whom it is with.
        capabilities: what that host said in its last EHLO.
        extensions: the keywords alone.
        pipelining: whether commands may be grouped (RFC 2920).
        secure: whether it is under TLS.
        born: when it was opened, by the loop's clock.
        mails: how many final dots were answered.
        generation: of the settings it was opened with.
        fault: why it can't be used any more; empty while it can.
        early: a refusal that came while content was flowing.
    """

    __slots__ = (
        "_deadline", "_drain", "_due", "_expected", "_loop", "_owner", "_patience", "_paused", "_quitting",
        "_reader", "_replies", "_resting", "_streaming", "_timer", "_transport", "_unsent", "_waiter", "born",
        "capabilities", "early", "extensions", "fault", "generation", "host", "mails", "pipelining", "secure",
    )  # fmt: skip

    def __init__(self, host: Host, capabilities: Capabilities, owner: Owner, *, secure: bool) -> None:
        self.host = host
        self.capabilities = capabilities
        self.extensions = frozenset(keyword for keyword, _ in capabilities.keywords)
        self.pipelining = b"PIPELINING" in self.extensions
        self.secure = secure
        self.mails = 0
        self.generation = 0
        self.fault = ""
        self.early: Reply | None = None
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.born = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._waiter: asyncio.Future[list[Reply]] | None = None
        self._expected = 0
        self._replies: list[Reply] = []
        self._streaming = False
        self._resting = False
        self._quitting = False
        self._paused = False
        self._drain: asyncio.Future[None] | None = None
        self._patience = 0.0
        self._unsent = 0
        self._deadline = 0.0
        self._due = math.inf  # when the timer rings
        self._timer: asyncio.TimerHandle | None = None

    # asking

    def exchange(self, octets: bytes, count: int, deadline: float) -> asyncio.Future[list[Reply]]:
        """Write `octets` and wait for `count` replies, until `deadline` on the loop's clock.

        What it gives is to be awaited at once, and by nobody else: a coroutine between them would cost as
        much as the question. So whoever is cancelled meanwhile has to call `fail`; until then neither an
        answer is taken nor another question.

        Raises:
            ConnectionLost: not all of them came, or nothing can be asked. The connection is void then.
        """
        transport = self._transport
        if self.fault or transport is None or self._waiter is not None or self._reader.pending:
            raise self._unfit()
        self._streaming = self._resting = False
        self._expected = count
        self._replies = []
        waiter: asyncio.Future[list[Reply]] = self._loop.create_future()
        self._waiter = waiter
        self._deadline = deadline
        if deadline < self._due:
            self._arm(deadline)
        transport.write(octets)
        return waiter

    def _unfit(self) -> ConnectionLost:
        """Why nothing can be asked."""
        if self._waiter is not None:
            self.fail(GIVEN_UP)
        elif self._reader.pending:
            self.fail("a reply began before it was asked for")
        return ConnectionLost(self.fault, sent=False)

    def stream(self) -> None:
        """From now on content flows (a 354 was read), until the next `exchange`."""
        self._streaming = True

    def write(self, octets: bytes) -> bool:
        """Hand over content; give whether more should wait until `drained`.

        Raises:
            ConnectionLost: the connection is void.
        """
        transport = self._transport
        if self.fault or transport is None:
            raise ConnectionLost(self.fault, sent=False)
        transport.write(octets)
        return self._paused

    async def drained(self, patience: float) -> None:
        """Wait until the peer has taken most of what was written, or has refused it.

        Raises:
            ConnectionLost: the connection is void, or the peer took nothing at all in `patience` seconds.
        """
        transport = self._transport
        if self.fault or transport is None:
            raise ConnectionLost(self.fault)
        if not self._paused or self.early is not None:
            return
        drain = self._drain = self._loop.create_future()
        self._patience = patience
        self._unsent = transport.get_write_buffer_size()
        self._arm(self._loop.time() + patience)
        try:
            await drain
        except asyncio.CancelledError:
            self.fail("given up while content was waiting")
            raise
        finally:
            self._drain = None

    # resting and ending

    def rest(self, until: float) -> None:
        """Nobody needs it now: QUIT at `until`, unless something is asked before."""
        self._resting = True
        self._deadline = until
        if until < self._due:
            self._arm(until)

    def quit(self) -> None:
        """End it with QUIT (RFC 5321 §4.1.1.10), without anybody waiting for that.

        While content flows QUIT would be part of it, so then the connection is cut instead.
        """
        transport = self._transport
        if self.fault or transport is None:
            return
        if self._streaming or self._waiter is not None:
            self.fail("left while something was under way")
            return
        self.fault = "closed by us"
        self._quitting = True
        self._owner.lost(self)
        transport.write(b"QUIT\r\n")
        self._arm(self._loop.time() + QUIT_SECONDS)

    def fail(self, reason: str, *, timed_out: bool = False) -> None:
        """Make it void and close it at once; what is still unsent is never sent."""
        transport = self._transport
        if transport is not None:
            transport.abort()
        if self.fault:
            return
        self.fault = reason
        for waiter in (self._waiter, self._drain):
            if waiter is not None and not waiter.done():
                waiter.set_exception(ConnectionLost(reason, self._replies, timed_out=timed_out))
        self._waiter = None
        self._owner.lost(self)

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport. Called by `connect`, not by the loop: the connection exists already."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Replies, or what pretends to be some."""
        if self.fault:
            return  # the 221, or too late; the peer closes after it (RFC 5321 §4.1.1.10), or the timer does
        waiter = self._waiter
        if waiter is None:
            if not self._streaming:
                self.fail(f"unasked: {data[:80]!r}")
                return
        elif waiter.done():
            self.fail(GIVEN_UP)
            return
        try:
            replies = self._reader.feed(data)
        except ReplyError as error:
            self.fail(str(error))
            return
        answers, surplus = replies[: self._expected], replies[self._expected :]
        self._expected -= len(answers)
        self._replies += answers
        if waiter is not None and not self._expected:
            self._waiter = None
            waiter.set_result(self._replies)
        for reply in surplus:
            if self._streaming and self.early is None and reply.code >= 400:
                self.early = reply
                self.resume_writing()
            else:
                self.fail(f"a reply that nobody asked for: {reply}"[:120])
                return
        if self._waiter is None and not self._streaming and self._reader.pending:
            self.fail("more than was asked for")

    def eof_received(self) -> bool:
        """The peer sends no more. Nothing can be asked of it then; False has the transport close."""
        if not self._quitting:
            self.fail("closed by the next hop")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport = None
        self.fail(f"connection lost: {exc}" if exc else "connection lost")
        self._owner.gone(self)

    def pause_writing(self) -> None:
        """More than `HIGH_WATER` octets wait to be taken."""
        self._paused = True

    def resume_writing(self) -> None:
        """Most of them are taken (or need not be, since the content was refused)."""
        self._paused = False
        drain = self._drain
        if drain is not None and not drain.done():
            drain.set_result(None)

    # time

    def _arm(self, deadline: float) -> None:
        """Have the timer ring at `deadline`; one that rings sooner stays, and finds out then."""
        self._deadline = deadline
        if deadline < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = deadline
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._due = math.inf
        if self._loop.time() < self._deadline - 0.001:
            if self._waiter is not None or self._drain is not None or self._resting or self._quitting:
                self._arm(self._deadline)
        elif self._quitting:
            self.fail("no answer to QUIT")
        elif self.fault:
            return
        elif self._waiter is not None:
            self.fail("no answer in time", timed_out=True)
        elif self._drain is not None:
            self._stalled()
        elif self._resting:
            self.quit()

    def _stalled(self) -> None:
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self._arm(self._loop.time() + self._patience)
        else:
            self.fail("content not taken in time", timed_out=True)
