"""One mail's way through a next hop: the `Outbound` of the transaction layer (SMTP.md rules 1 to 8).

Theory of operation. What the sender was told stands: MAIL and the RCPTs that the next hop accepted are
remembered with their answers. Until content flows, the connection behind them is of no importance. When it
is void (EOF, nonsense, 421), the same question is asked again:

- on a new connection, if the one that failed was not opened for this very call (it may have died of age);
- else on a host that did not fail in this call;
- else the call fails with `NextHopFault`, and leaves nothing of itself behind.

A question that ran out of time is not asked again: there is no time left. On a new connection 421 is an
answer, and stands for whatever was asked behind it.

From the first octet of content on there is one connection and no second attempt. Before the dot has been
written every fault is a `NextHopFault`: the next hop has no mail. After that it is an `OutcomeUnknown`.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.relay.attempt import Attempt
from gateway.relay.commands import line_for, one_by_one
from gateway.relay.connection import Connection, ConnectionLost
from gateway.relay.introduce import introduce
from gateway.relay.said import Said
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.failure import NO_RECIPIENT
from gateway.smtp.reply import Reply
from gateway.transaction.ports import Start

if TYPE_CHECKING:
    from gateway.relay.pool import Pool

#: So long RSET may take, in seconds; opening another connection is faster than waiting longer.
RSET_SECONDS = 20.0
#: A mail of this size leaves in one write with its dot: every write wakes the other side, which costs both
#: more than the copying. What is larger goes at once.
CORK = 32_768
_CRLF = b"\r\n"


class OutboundTransaction:
    """See `gateway.transaction.ports.Outbound`, whose words hold here. Made by `Pool`, with a place in it.

    Beyond the port: `finish` raises plain `NextHopFault` where the connection was void before the dot was
    written (nothing was completed at the next hop), and gives a refusal that came while content was still
    flowing. After such a refusal `write` takes content and forgets it.
    """

    __slots__ = (
        "_asked",
        "_base_needs",
        "_clean",
        "_connection",
        "_corked",
        "_done",
        "_host",
        "_loop",
        "_needs",
        "_placed",
        "_pool",
        "_said",
        "_streaming",
        "_tail",
    )  # fmt: skip

    def __init__(self, pool: "Pool", needs: frozenset[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._base_needs = self._needs = needs
        self._connection: Connection | None = None
        self._host = ""
        self._said = Said()
        self._placed = True
        self._done = False
        self._asked = False  # something stands open at the next hop that RSET would end
        self._clean = False  # the last answer was a 250 to a final dot
        self._streaming = False
        self._corked: bytes | None = None  # a first piece that waits to leave in one write with what follows
        self._tail = _CRLF

    @property
    def host(self) -> str:
        """``host:port`` of the connection in use or last used; empty before the first."""
        return self._host

    # MAIL and RCPT

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Send a group of MAIL and RCPT commands; give their replies in order.

        Raises:
            NextHopFault: not all of them were answered. None of this group counts as accepted then.
        """
        if not commands:
            return []
        self._begin_call()
        mark = self._said.mark()
        given: list[Reply] = []
        try:
            await self._envelope(commands, given)
        except BaseException as error:
            self._said.back_to(mark)
            self._drop(f"envelope failed: {type(error).__name__}")
            raise
        self._pool.hold(self)
        return given

    async def _envelope(self, commands: Sequence[Mail | Rcpt], given: list[Reply]) -> None:
        deadline = self._loop.time() + self._pool.settings.timeouts.envelope
        self._needs = self._said.needs(self._needs, commands)
        attempt = Attempt()
        while True:
            try:
                await self._ask_envelope(attempt, commands[len(given) :], given, deadline)
            except ConnectionLost as lost:
                self._failed(attempt, lost)
            else:
                return

    async def _ask_envelope(
        self, attempt: Attempt, rest: Sequence[Mail | Rcpt], given: list[Reply], deadline: float
    ) -> None:
        connection = await self._ready(attempt, deadline)
        if isinstance(connection, Reply):
            # Said again, MAIL was refused: so is what the sender asks now. `data` tries, and tells, once
            # more.
            given += [connection] * len(rest)
            return
        self._asked = True
        if isinstance(rest[0], Mail) and rest[0].client is not None:
            await introduce(connection, rest[0], self._pool.settings, deadline)
        lines = [line_for(command, connection.extensions) for command in rest]
        replies: Sequence[Reply]
        lost: ConnectionLost | None = None
        try:
            if connection.pipelining or len(lines) == 1:
                replies = await connection.exchange(b"".join(lines), len(lines), deadline)
            else:
                replies = await one_by_one(connection, lines, deadline)
        except ConnectionLost as error:
            replies, lost = error.replies, error
        try:
            if not self._answered(connection, rest, replies, given, new=attempt.new):
                raise lost or ConnectionLost(connection.fault)
        finally:
            del lost  # no circle of an error and the frame that raised it

    def _answered(
        self,
        connection: Connection,
        rest: Sequence[Mail | Rcpt],
        replies: Sequence[Reply],
        given: list[Reply],
        *,
        new: bool,
    ) -> bool:
        """Book the replies; give whether all of `rest` is answered."""
        for at, reply in enumerate(replies):
            code = reply.code
            if code == 421:
                connection.quit()
                if new:
                    self._pool.notice(connection, reply)
                    given += [reply] * (len(rest) - at)
                return new
            if 200 <= code < 300 and code not in (220, 221):
                self._said.accept(rest[at], reply)
            elif code >= 400:
                if code >= 500:
                    self._pool.notice(connection, reply)
            else:
                connection.fail(f"not an answer to MAIL or RCPT: {reply}"[:120])
                return False
            given.append(reply)
        return len(replies) == len(rest)

    # DATA and content

    async def data(self) -> Start:
        """Send DATA; give its answer and the RCPT answers in force.

        Where none of the recipients is accepted any more nothing is sent: the reply is then one of their
        refusals, a transient one if there is any; `NO_RECIPIENT` if none ever was. Where MAIL is refused
        when it is said again, that is the reply, and every recipient's.

        Raises:
            NextHopFault: no host could be asked; `busy` where the place had been given up and none was free.
        """
        self._begin_call()
        if self._said.mail is None or not self._said.rcpts:
            return Start(NO_RECIPIENT, ())
        try:
            return await self._data()
        except BaseException as error:
            self._drop(f"DATA failed: {type(error).__name__}")
            raise

    async def _data(self) -> Start:
        deadline = self._loop.time() + self._pool.settings.timeouts.data
        attempt = Attempt()
        while True:
            try:
                return await self._ask_data(attempt, deadline)
            except ConnectionLost as lost:
                self._failed(attempt, lost)

    async def _ask_data(self, attempt: Attempt, deadline: float) -> Start:
        connection = await self._ready(attempt, deadline)
        if isinstance(connection, Reply):
            return Start(connection, (connection,) * len(self._said.rcpts))
        answers = tuple(self._said.answers)
        if not any(answer.positive for answer in answers):
            return Start(next((answer for answer in answers if answer.transient), answers[0]), answers)
        (reply,) = await connection.exchange(b"DATA\r\n", 1, deadline)
        if not self._started(connection, reply, new=attempt.new):
            raise ConnectionLost(connection.fault)
        return Start(reply, answers)

    def _started(self, connection: Connection, reply: Reply, *, new: bool) -> bool:
        """Act on the answer to DATA; give whether it is one."""
        if reply.code == 354:
            connection.stream()
            self._streaming = True
            self._tail = _CRLF
            self._corked = None
            return True
        if reply.code == 421:
            connection.quit()
            if not new:
                return False
        elif reply.code < 400:
            connection.fail(f"not an answer to DATA: {reply}"[:120])
            return False
        self._pool.notice(connection, reply)
        return True

    async def write(self, piece: bytes) -> None:
        """Send stuffed content. A first piece of `CORK` octets at most waits for what follows.

        Raises:
            NextHopFault: the connection is void; nothing was completed.
        """
        connection = self._connection
        if connection is None or not self._streaming:
            raise NextHopFault("content without a 354")
        if connection.early is not None or not piece:
            return
        self._tail = piece[-2:] if len(piece) > 1 else self._tail[-1:] + piece
        if self._corked is None and len(piece) <= CORK and not connection.fault:
            self._corked = piece
            return
        corked, self._corked = self._corked, b""
        try:
            if corked and len(piece) <= CORK:
                piece = corked + piece
            elif corked:
                connection.write(corked)  # they leave together all the same, and the large one isn't copied
            if connection.write(piece):
                await connection.drained(self._pool.settings.timeouts.block)
        except ConnectionLost as lost:
            if connection.early is None:
                raise NextHopFault(f"{self._host}: {lost}") from lost

    async def finish(self) -> Reply:
        """Send the final dot; give the answer.

        Raises:
            OutcomeUnknown: the dot was written and no answer came.
            NextHopFault: the connection was void before it was written.
        """
        connection = self._connection
        if connection is None or not self._streaming:
            raise NextHopFault("final dot without a 354")
        self._streaming = False
        self._said.forget()
        if connection.early is not None:
            connection.fail("content refused before its end")
            self._pool.notice(connection, connection.early)
            return connection.early
        if self._tail != _CRLF:
            # A dot behind half a line would be content, and the next command too (RFC 5321 §4.1.1.4).
            connection.fail("content doesn't end with CRLF")
            raise NextHopFault("content doesn't end with CRLF")
        try:
            (reply,) = await connection.exchange(
                (self._corked or b"") + b".\r\n", 1, self._loop.time() + self._pool.settings.timeouts.dot
            )
        except ConnectionLost as lost:
            fault = OutcomeUnknown if lost.sent else NextHopFault
            raise fault(f"{self._host}: {lost}") from lost
        code = reply.code
        if code < 400 and (not reply.positive or code in (220, 221)):
            connection.fail(f"not an answer to the final dot: {reply}"[:120])
            raise OutcomeUnknown(f"{self._host}: {connection.fault}")
        connection.mails += 1
        self._asked = False
        self._clean = code == 250
        if code >= 400:
            self._pool.notice(connection, reply)
            if code == 421:
                connection.quit()
        return reply

    # ending

    async def reset(self) -> None:
        """RSET. Never fails: a connection that doesn't answer 250 in good time is closed.

        `envelope` opens another.
        """
        self._pool.unhold(self)
        self._said.forget()
        self._needs = self._base_needs
        connection = self._connection
        if connection is None or not self._asked:
            return
        self._asked = False
        if self._streaming:
            self._drop("reset while content was flowing")
            return
        self._clean = False
        try:
            (reply,) = await connection.exchange(b"RSET\r\n", 1, self._loop.time() + RSET_SECONDS)
        except ConnectionLost:
            self._connection = None
            return
        if reply.code != 250:
            self._drop("RSET refused")

    async def end(self) -> None:
        """Give the place back, and the connection to the pool if its last answer was a 250 to a final dot."""
        if self._done:
            return
        self._done = True
        self._pool.unhold(self)
        connection = self._connection
        self._connection = None
        if connection is not None and not connection.fault:
            if self._clean:
                self._pool.give_back(connection)
            elif self._streaming:
                connection.fail("ended while content was flowing")
            else:
                connection.quit()
        self._release()

    def abort(self) -> None:
        """Give the place back and close the connection at once."""
        if self._done:
            return
        self._done = True
        self._pool.unhold(self)
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.fail("aborted")
        self._release()

    def give_up_place(self) -> None:
        """Let somebody else have the place (rule 2). For the pool, while `Pool.hold` has this transaction."""
        self._drop("place given up")
        self._release()

    # underneath

    def _begin_call(self) -> None:
        if self._done:
            raise NextHopFault("transaction has ended")
        self._pool.unhold(self)
        self._clean = False
        if self._streaming:
            # A command would be content here, and complete it.
            self._drop("command while content was flowing")

    def _release(self) -> None:
        if self._placed:
            self._placed = False
            self._pool.release()

    def _drop(self, reason: str) -> None:
        """Close the connection: politely where nothing is under way."""
        connection = self._connection
        self._connection = None
        if connection is None:
            return
        if self._streaming:
            self._streaming = False
            connection.fail(reason)
        else:
            connection.quit()

    def _failed(self, attempt: Attempt, lost: ConnectionLost) -> None:
        """Make ready for another attempt.

        Raises:
            NextHopFault: time is over.
        """
        connection, self._connection = self._connection, None
        attempt.lost(connection, lost, self._pool.blame, self._host)

    async def _ready(self, attempt: Attempt, deadline: float) -> Connection | Reply:
        """Give a live connection on which MAIL and the accepted RCPTs have been said.

        Or MAIL's refusal, where it had to be said again.

        Raises:
            ConnectionLost: while they were said again.
            NextHopFault: there is no connection to be had.
        """
        pool = self._pool
        connection = self._connection
        if connection is not None and not connection.fault:
            if self._needs <= connection.extensions and (self._said.mail is not None or pool.fit(connection)):
                return connection
            self._drop("another is needed")
        if not self._placed:
            await pool.place(deadline)
            self._placed = True
        connection = None if attempt.fresh_only else pool.take(self._needs)
        if connection is None:
            connection = await pool.open(self._needs, deadline, attempt.failed)
            attempt.new = True
        self._connection = connection
        self._host = connection.host.label
        self._asked = False
        if self._said.mail is not None:
            self._asked = True
            refusal = await self._said.again(connection, deadline, settings=pool.settings, notice=pool.notice)
            if refusal is not None:
                self._drop("MAIL refused when said again")
                return refusal
        return connection
