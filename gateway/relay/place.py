"""A mail's place in the pool, the connection behind it, and another one when that is void.

Theory of operation. What the sender was told stands: MAIL and the RCPTs that the next hop accepted are
remembered with their answers. Until content flows, the connection behind them is of no importance. When it
is void (EOF, nonsense, 421), the same question is asked again:

- on a new connection, if the one that failed was not opened for this very call (it may have died of age);
- else on a host that did not fail in this call;
- else the call fails with `NextHopFault`, and leaves nothing of itself behind.

A question that ran out of time is not asked again: there is no time left.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.errors import NextHopFault
from gateway.relay.connection import GIVEN_UP, Connection, ConnectionLost
from gateway.relay.said import Said
from gateway.relay.settings import Host
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply

if TYPE_CHECKING:
    from gateway.relay.pool import Pool


class Place:
    """Holds a place in the pool from the beginning to `end` or `abort`. Made by `Pool`, with the place taken.

    Attributes:
        host: ``host:port`` of the connection in use or last used; empty before the first.
    """

    __slots__ = (
        "_asked", "_clean", "_connection", "_done", "_failed", "_first_needs", "_loop", "_needs", "_new",
        "_placed", "_pool", "_said", "_streaming", "host",
    )  # fmt: skip

    def __init__(self, pool: "Pool", needs: frozenset[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.host = ""
        self._pool = pool
        self._loop = loop
        self._first_needs = self._needs = needs
        self._said = Said()
        self._connection: Connection | None = None
        self._placed = True
        self._done = False
        self._asked = False  # something stands open at the next hop that RSET would end
        self._clean = False  # the last answer was a 250 to a final dot
        self._streaming = False  # a 354 was read and no final dot was sent
        self._new = False  # the connection was opened for this call; one from the pool may have died of age
        # Hosts that did not answer in this call, with the reason; None while none was lost.
        self._failed: list[tuple[Host, str]] | None = None
        pool.held[self] = loop.time()

    async def end(self) -> None:
        """Give the place back, and the connection to the pool if its last answer was a 250 to a final dot."""
        if self._done:
            return
        self._done = True
        self._pool.held.pop(self, None)
        connection, self._connection = self._connection, None
        if connection is not None and not connection.fault:
            if self._clean:
                self._pool.give_back(connection)
            else:
                connection.quit()
        if self._placed:
            self._placed = False
            self._pool.release()

    def abort(self) -> None:
        """Give the place back and close the connection at once."""
        if self._done:
            return
        self._done = True
        self._pool.held.pop(self, None)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.fail("aborted")
        self.give_up()

    def give_up(self) -> None:
        """Let somebody else have the place (rule 2). For the pool, while it holds this."""
        self._drop()
        if self._placed:
            self._placed = False
            self._pool.release()

    # underneath

    def _begin_call(self, commands: Sequence[Mail | Rcpt] = ()) -> Connection | None:
        """There is something to say again, these commands for instance.

        Gives the connection in use, if there is one that will do for it.

        Raises:
            NextHopFault: `end` or `abort` was called.
        """
        if self._done:
            raise NextHopFault("transaction has ended")
        self._pool.held.pop(self, None)
        self._clean = False
        self._new = False
        self._failed = None
        if self._streaming:
            # A command would be content here, and complete it.
            self._streaming = False
            self._drop()
        for command in commands:
            if not command.parameters.needs <= self._needs:
                self._needs |= command.parameters.needs
        connection = self._connection
        if (
            connection is not None
            and not connection.fault
            and self._needs <= connection.extensions
            and (self._said.mail is not None or self._pool.fit(connection, self._loop.time()))
        ):
            return connection
        return None

    async def _ready(self, deadline: float) -> Connection | Reply:
        """Give another connection, on which MAIL and the accepted RCPTs have been said.

        Or MAIL's refusal, where it had to be said again.

        Raises:
            NextHopFault: there is no connection to be had.
        """
        pool, said = self._pool, self._said
        if self._connection is not None:
            self._drop()
        while True:
            if not self._placed:
                await pool.place(deadline)
                self._placed = True
            connection = pool.take(self._needs) if self._failed is None else None
            if connection is None:
                connection = await pool.open(self._needs, deadline, self._failed or ())
                self._new = True
            self._connection = connection
            self.host = connection.host.label
            self._asked = said.mail is not None
            if not self._asked:
                return connection
            try:
                refusal = await said.again(connection, deadline, settings=pool.settings, notice=pool.notice)
            except ConnectionLost as lost:
                self._lost(lost)
                continue
            if refusal is None:
                return connection
            self._drop()
            return refusal

    def _lost(self, lost: ConnectionLost) -> None:
        """The connection is void; make ready for another try.

        Raises:
            NextHopFault: time is over.
        """
        connection, self._connection = self._connection, None
        if lost.timed_out:
            raise NextHopFault(f"{self.host}: {lost}") from lost
        if self._failed is None:
            self._failed = []
        if self._new and connection is not None:
            why = f"{lost}, after {lost.replies[-1]}"[:200] if lost.replies else str(lost)
            self._failed.append((connection.host, why))
            self._pool.blame(connection.host, why)
        self._new = False

    def _drop(self) -> None:
        """Close the connection: politely where nothing is under way."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.quit()

    def _cut(self) -> None:
        """Close the connection at once: what was asked may still be answered."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.fail(GIVEN_UP)
