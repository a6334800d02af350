"""One mail's way through a next hop: the `Outbound` of the transaction layer (SMTP.md rules 1 to 8).

Theory of operation. Until content flows, a void connection is replaced unseen: how is told in
`gateway.relay.place`. On a connection that was opened for the call under way 421 is an answer, and stands for
whatever was asked behind it.

From the first octet of content on there is one connection and no second attempt. Before the dot has been
written every fault is a `NextHopFault`: the next hop has no mail. After that it is an `OutcomeUnknown`.
"""

import asyncio
from collections.abc import Sequence

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.relay.commands import say
from gateway.relay.connection import Connection, ConnectionLost
from gateway.relay.introduce import introduce
from gateway.relay.place import Place
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.failure import NO_RECIPIENT
from gateway.smtp.reply import Reply
from gateway.transaction.ports import Start

#: So long RSET may take, in seconds; opening another connection is faster than waiting longer.
RSET_SECONDS = 20.0
#: A mail of this size leaves in one write with its dot: every write wakes the other side, which costs both
#: more than the copying. What is larger goes at once.
CORK = 32_768
_CRLF = b"\r\n"


class OutboundTransaction(Place):
    """See `gateway.transaction.ports.Outbound`, whose words hold here. Made by `Pool`, with a place in it.

    Beyond the port: `finish` raises plain `NextHopFault` where the connection was void before the dot was
    written (nothing was completed at the next hop), and gives a refusal that came while content was still
    flowing. After such a refusal `write` takes content and forgets it.
    """

    __slots__ = ("_corked", "_tail")
    # Both are set when content begins.
    _corked: bytes | None  # a first piece that waits to leave in one write with what follows
    _tail: bytes

    # MAIL and RCPT

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Send a group of MAIL and RCPT commands; give their replies in order.

        Raises:
            NextHopFault: not all of them were answered. None of this group counts as accepted then.
        """
        if not commands:
            return []
        connection: Connection | Reply | None = self._begin_call(commands)
        pool, said = self._pool, self._said
        given: list[Reply] = []
        rest = commands
        mark = None
        try:
            deadline = self._loop.time() + pool.settings.timeouts.envelope
            while True:
                if connection is None:
                    connection = await self._ready(deadline)
                if isinstance(connection, Reply):
                    # Said again, MAIL was refused: so is what the sender asks now. `data` tries, and tells,
                    # once more.
                    given += [connection] * len(rest)
                    break
                self._asked = True
                try:
                    first = rest[0]
                    if isinstance(first, Mail) and first.client is not None:
                        await introduce(connection, first, pool.settings, deadline)
                    replies = await say(connection, rest, deadline)
                except ConnectionLost as lost:
                    if self._answered(connection, rest, lost.replies, given):
                        break
                    self._lost(lost)
                else:
                    if self._answered(connection, rest, replies, given):
                        break
                    self._lost(ConnectionLost(connection.fault))
                # What is answered of the group stands, and is said again before the rest of it.
                mark = mark or said.mark()
                said.book(rest, given[len(commands) - len(rest) :])
                rest = commands[len(given) :]
                connection = None
        except BaseException:
            if mark is not None:
                said.back_to(mark)
            self._cut()
            raise
        said.book(rest, given[len(commands) - len(rest) :])
        pool.held[self] = self._loop.time()
        if pool.waiters:
            pool.relieve()
        return given

    def _answered(
        self,
        connection: Connection,
        rest: Sequence[Mail | Rcpt],
        replies: Sequence[Reply],
        given: list[Reply],
    ) -> bool:
        """Put what is an answer behind those `given`; tell whether all of `rest` is answered."""
        for at, reply in enumerate(replies):
            code = reply.code
            if code == 421:
                connection.quit()
                if self._new:
                    self._pool.notice(connection, reply)
                    given += [reply] * (len(rest) - at)
                return self._new
            if code >= 500:
                self._pool.notice(connection, reply)
            elif reply.intermediate or code in (220, 221):
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
        connection: Connection | Reply | None = self._begin_call()
        said = self._said
        if said.mail is None or not said.rcpts:
            return Start(NO_RECIPIENT, ())
        try:
            deadline = self._loop.time() + self._pool.settings.timeouts.data
            while True:
                if connection is None:
                    connection = await self._ready(deadline)
                if isinstance(connection, Reply):
                    return Start(connection, (connection,) * len(said.rcpts))
                answers = tuple(said.answers)
                for answer in answers:
                    if answer.positive:
                        break
                else:
                    return Start(
                        next((answer for answer in answers if answer.transient), answers[0]), answers
                    )
                try:
                    (reply,) = await connection.exchange(b"DATA\r\n", 1, deadline)
                except ConnectionLost as lost:
                    self._lost(lost)
                else:
                    if self._started(connection, reply):
                        return Start(reply, answers)
                    self._lost(ConnectionLost(connection.fault))
                connection = None
        except BaseException:
            self._cut()
            raise

    def _started(self, connection: Connection, reply: Reply) -> bool:
        """Act on the answer to DATA; give whether it is one."""
        if reply.code == 354:
            connection.stream()
            self._streaming = True
            self._tail = _CRLF
            self._corked = None
            return True
        if reply.code == 421:
            connection.quit()
            if not self._new:
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
                raise NextHopFault(f"{self.host}: {lost}") from lost

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
            raise fault(f"{self.host}: {lost}") from lost
        except asyncio.CancelledError:
            self._cut()
            raise
        code = reply.code
        if code < 400 and (not reply.positive or code in (220, 221)):
            connection.fail(f"not an answer to the final dot: {reply}"[:120])
            raise OutcomeUnknown(f"{self.host}: {connection.fault}")
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
        self._pool.held.pop(self, None)
        self._said.forget()
        self._needs = self._first_needs
        connection = self._connection
        if connection is None or not self._asked:
            return
        self._asked = False
        if self._streaming:
            self._streaming = False
            self._drop()
            return
        self._clean = False
        try:
            (reply,) = await connection.exchange(b"RSET\r\n", 1, self._loop.time() + RSET_SECONDS)
        except ConnectionLost:
            self._connection = None
            return
        except asyncio.CancelledError:
            self._cut()
            raise
        if reply.code != 250:
            self._drop()
