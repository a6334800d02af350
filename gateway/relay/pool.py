"""The pool of connections to one next hop: the `NextHop` of the transaction layer (SMTP.md rules 2, 8 to 10).

Theory of operation. There are `connections` places. Whoever holds one may have one connection open; idle
connections count too, so that a host never sees more than its share. Those who find none free wait in a
line, first come, first served. A transaction that holds a place and has had nothing to say for `pin`
seconds (its mail is held, or comes in slowly) gives it up when somebody waits; its connection is closed,
and opened again when content can flow.

Connections come back only with a clean record: a 250 to their final dot, and nothing since. There is no
NOOP: an idle connection is read from, so that whatever the host says or does makes it void at once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from gateway.errors import NextHopFault
from gateway.relay.connection import Connection
from gateway.relay.hosts import Hosts, HostStatus
from gateway.relay.outbound import OutboundTransaction
from gateway.relay.place import Place
from gateway.relay.settings import Host, NextHopSettings
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.failure import refuses_gateway
from gateway.smtp.reply import Reply

#: Called with the next hop's name, ``host:port`` and the reply that refuses the gateway itself (rule 4).
Alarm = Callable[[str, str, Reply], None]


class Pool:
    """See `gateway.transaction.ports.NextHop`. Made and used in one running event loop.

    Attributes:
        settings: those in force.
        name: the name of the route.
        held: transactions that have a place and nothing to say now, with the time since when by the loop's
            clock, in the order in which they fell silent. They enter and leave by themselves.
        waiters: who waits for a place; whoever falls silent while there are some calls `relieve`.

    Raises:
        OSError: (when made, or reconfigured) a CA file can't be read, or holds no certificate
            (`ssl.SSLError`).
    """

    def __init__(self, settings: NextHopSettings, *, alarm: Alarm | None = None) -> None:
        self.settings = settings
        self.name = settings.name
        self.held: dict[Place, float] = {}
        self.waiters: deque[asyncio.Future[None]] = deque()
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._hosts = Hosts(settings)
        self._places = settings.connections
        self._taken = 0
        self._relief: asyncio.TimerHandle | None = None
        self._idle: list[Connection] = []  # the one used last is at the end
        self._live: set[Connection] = set()  # that can be used: idle, or with a transaction
        self._open: set[Connection] = set()  # those, and those that are about to close
        self._connecting = 0
        self._generation = 0
        self._retired = False
        self._closed = False  # nobody gets a place
        self._cut = False  # nobody gets a connection
        self._quiet: asyncio.Future[None] | None = None
        self._probe: asyncio.Task[None] | None = None

    # the port

    async def capabilities(self) -> Capabilities:
        """What the hosts said in EHLO. Asked once, by one caller for all, while nothing is known.

        Raises:
            NextHopFault: nothing is known and no host answers.
        """
        known = self._hosts.capabilities
        while known is None:
            if self._probe is None:
                self._probe = self._loop.create_task(self._ask_hosts())
                self._probe.add_done_callback(self._probed)
            probe = self._probe
            try:
                await asyncio.shield(probe)
            except asyncio.CancelledError:
                if probe.cancelled():  # by `close`; whoever asks was not cancelled
                    raise NextHopFault("pool is closed") from None
                raise
            known = self._hosts.capabilities
        return known

    async def begin(self, needs: frozenset[bytes]) -> OutboundTransaction:
        """Wait for a place.

        Raises:
            NextHopFault: none was free in time (`busy`), or the pool is closed.
        """
        outbound = self.try_begin(needs)
        if outbound is None:
            await self.place(None)
            outbound = OutboundTransaction(self, needs, self._loop)
            self.relieve()
        return outbound

    def try_begin(self, needs: frozenset[bytes]) -> OutboundTransaction | None:
        """A place if one is free now and nobody waits for it."""
        if self._closed or self.waiters or self._taken >= self._places:
            return None
        self._taken += 1
        return OutboundTransaction(self, needs, self._loop)

    # for the service

    def resize(self, connections: int) -> None:
        """Another share of the connections; what is above it ends with the mails that are on their way."""
        self._places = connections
        self._make_room(0)
        while self.waiters and self._taken < self._places:
            self._taken += 1
            self.release()

    def reconfigure(self, settings: NextHopSettings) -> None:
        """Take new settings.

        Mails on their way finish on the connections that they have; no old connection is used again. What
        is known of hosts that stay is kept. On an error nothing has changed.
        """
        self._hosts = Hosts(settings, self._hosts)
        self.settings = settings
        self.name = settings.name
        self._generation += 1
        for connection in self._idle.copy():
            connection.quit()
        self.resize(settings.connections)
        if self._relief is not None:
            self._relief.cancel()
            self._take_places()

    def retire(self) -> None:
        """Another takes over: keep no idle connection from now on. Whoever still comes is served."""
        self._retired = True
        for connection in self._idle.copy():
            connection.quit()

    async def close(self, patience: float) -> None:
        """Let nobody in, wait `patience` seconds for the mails on their way, then cut off the rest."""
        self.retire()
        self._closed = True
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(NextHopFault("pool is closed", busy=True))
        if self._probe is not None:
            self._probe.cancel()
        await self._silence(patience, taken=True)
        self._cut = True
        for connection in self._open.copy():
            connection.fail("pool is closed")
        await self._silence(1.0, taken=False)

    async def _silence(self, patience: float, *, taken: bool) -> None:
        """Wait until no connection is open (nor any place taken), but no longer than `patience` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._open or (taken and self._taken):
                    self._quiet = self._loop.create_future()
                    await self._quiet

    @property
    def places(self) -> tuple[int, int, int, int]:
        """(places, taken, idle connections, waiting), for people."""
        return self._places, self._taken, len(self._idle), sum(not waiter.done() for waiter in self.waiters)

    def status(self) -> tuple[HostStatus, ...]:
        """How each host has fared."""
        return self._hosts.status()

    # places (used by Place)

    async def place(self, deadline: float | None) -> None:
        """Wait for a place, at most `timeouts.wait` and not past `deadline` (on the loop's clock).

        Raises:
            NextHopFault: `busy`.
        """
        if self._closed:
            raise NextHopFault("pool is closed", busy=True)
        if self._taken < self._places and not self.waiters:
            self._taken += 1
            return
        until = self._loop.time() + self.settings.timeouts.wait
        if deadline is not None:
            until = min(until, deadline)
        waiter = self._loop.create_future()
        self.waiters.append(waiter)
        self.relieve()
        timer = self._loop.call_at(until, self._none_free, waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release()  # it came at the very moment at which we gave up
            elif waiter in self.waiters:
                self.waiters.remove(waiter)
            raise
        finally:
            timer.cancel()
            del waiter  # it keeps the error, the error this frame

    def _none_free(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            fault = NextHopFault(f"{self.name}: all {self._places} connections in use", busy=True)
            waiter.set_exception(fault)

    def release(self) -> None:
        """Give a place back: to whoever waits longest."""
        while self.waiters and self._taken <= self._places:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._taken -= 1
        if self._quiet is not None:
            self._note()

    def relieve(self) -> None:
        """Somebody waits: take places from transactions that have been silent for long enough.

        Where the time of the one that is silent for longest is waited for already, nobody's comes sooner.
        """
        if self._relief is None:
            self._take_places()

    def _take_places(self) -> None:
        self._relief = None
        while self.waiters and self.held:
            place, since = next(iter(self.held.items()))
            due = since + self.settings.pin
            if due > self._loop.time():
                self._relief = self._loop.call_at(due, self._take_places)
                return
            del self.held[place]
            place.give_up()

    # connections (used by Place)

    def fit(self, connection: Connection, now: float) -> bool:
        """Whether another mail may begin on it `now`, by the loop's clock (rule 8)."""
        settings = self.settings
        return (
            connection.mails < settings.max_mails
            and now < connection.born + settings.max_age
            and connection.generation == self._generation
        )

    def take(self, needs: frozenset[bytes]) -> Connection | None:
        """The idle connection that was used last and can carry `needs`, if there is one."""
        for at in range(len(self._idle) - 1, -1, -1):
            connection = self._idle[at]
            if not needs <= connection.extensions:
                continue
            if not self.fit(connection, self._loop.time()):
                connection.quit()
                continue
            del self._idle[at]
            return connection
        return None

    async def open(
        self, needs: frozenset[bytes], deadline: float, failed: Sequence[tuple[Host, str]]
    ) -> Connection:
        """A new connection, to the first host that can carry `needs` and is not among `failed`.

        Raises:
            NextHopFault: there is none to be had.
        """
        hosts, generation = self._hosts, self._generation
        self._make_room(1)
        until = min(deadline, self._loop.time() + self.settings.timeouts.connect)
        self._connecting += 1
        try:
            connection, faults = await hosts.open(self, needs, until, failed)
        finally:
            self._connecting -= 1
        for host, _, reply in faults or ():
            if reply is not None and self._alarm is not None:
                self._alarm(self.name, host.label, reply)
        if connection is None:
            raise hosts.fault(needs, failed, faults or ())
        connection.generation = generation
        if self._cut:
            connection.fail("pool is closed")
            raise NextHopFault("pool is closed", busy=True)
        self._open.add(connection)
        if not connection.fault:
            self._live.add(connection)
        return connection

    def _make_room(self, wanted: int) -> None:
        """Close idle connections until `wanted` more may be opened.

        Who holds a place and has none counts when it opens one.
        """
        while self._idle and len(self._live) + self._connecting + wanted > self._places:
            self._idle[0].quit()

    def give_back(self, connection: Connection) -> None:
        """A connection with a clean record: its last answer was a 250 to a final dot, or its greeting."""
        now = self._loop.time()
        if (
            self._retired
            or not self.fit(connection, now)
            or len(self._live) + self._connecting > self._places
        ):
            connection.quit()
            return
        self._idle.append(connection)
        connection.rest(now + self.settings.idle)

    def blame(self, host: Host, why: str) -> None:
        """A new connection to this host was void before it answered."""
        self._hosts.blame(host, why)

    def notice(self, connection: Connection, reply: Reply) -> None:
        """Raise the alarm if this refuses the gateway and not the mail."""
        if (
            reply.code >= 500
            and self._alarm is not None
            and refuses_gateway(reply, self.settings.gateway_refusals)
        ):
            self._alarm(self.name, connection.host.label, reply)

    def lost(self, connection: Connection) -> None:
        """It is void: nobody gets it any more."""
        self._live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def gone(self, connection: Connection) -> None:
        """Its socket is closed."""
        self._open.discard(connection)
        self._note()

    def _note(self) -> None:
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    # the probe

    @property
    def reachable(self) -> bool:
        """Whether a host has answered, and not all of them fail now."""
        known = self._hosts.capabilities is not None
        return known and not all(host.failures for host in self._hosts.status())

    async def probe(self) -> None:
        """Ask a host, whatever is known; `reachable` says how it went. Never raises for the host's sake."""
        with contextlib.suppress(NextHopFault):
            await self._ask_hosts()

    async def _ask_hosts(self) -> None:
        connection = await self.open(frozenset(), self._loop.time() + self.settings.timeouts.connect, ())
        # Fresh, and a mail is about to follow: not worth a second greeting.
        self.give_back(connection)

    def _probed(self, probe: asyncio.Task[None]) -> None:
        self._probe = None
        if not probe.cancelled():
            probe.exception()  # told to those who wait; if nobody does any more, to nobody
