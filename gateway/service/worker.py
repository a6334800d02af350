"""A worker process: an event loop, sessions on inherited sockets, pools, and its own hand on the ledger.

Told by its parent what to run on, when to take something else, and when to go. A worker that loses its parent
closes its listening sockets at once, so that a new gateway can bind, and drains (SMTP.md rule 26).
"""

import asyncio
import contextlib
import email.utils
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime
from functools import partial

from gateway.edge.registry import Registry
from gateway.edge.session import Session
from gateway.edge.spool import Spool
from gateway.ledger.braking import Limits
from gateway.service.alerts import Alerts, Letter, brake_letter, insist, send_alert
from gateway.service.bundle import Built, Bundle, address_shower, build_policy
from gateway.service.control import Channel, Count, Drain, Reload, TellEditors, Word
from gateway.service.doors import Doors, build_doors
from gateway.service.editors import refused_letter
from gateway.service.eyes.gauges import Gauges
from gateway.service.eyes.table import Table
from gateway.service.guard import Guard
from gateway.service.journal import LogJournal
from gateway.service.keeper import Keeper
from gateway.service.ledger import open_ledger
from gateway.service.lines import start_logging
from gateway.service.notifier import Notifier
from gateway.service.pilot import LOOK_SECONDS, START_SECONDS, Pilot
from gateway.service.randomness import Randomness
from gateway.service.wiring import RouteTable, share
from gateway.store import LedgerStore
from gateway.store.programme import open_credit
from gateway.transaction.context import InHand, Services
from gateway.transaction.policy import Policy

log = logging.getLogger("careerrelay")

#: How often what was counted for the brake is compared with what others have.
COUNT_SECONDS = 1.0
#: How often it looks whether certificates and the like have changed on disk.
FILE_SECONDS = 2.0
#: How often a next hop that does not answer is asked again.
HOP_SECONDS = 5.0
#: What is left of the drain bound for closing connections and writing the last rows.
CLOSE_SECONDS = 5.0


class Worker:
    """Everything of one worker process."""

    def __init__(
        self,
        bundle: Bundle,
        policy: Policy,
        listeners: Sequence[socket.socket],
        channel: Channel,
        table: Table,
        *,
        index: int,
        create: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bundle = bundle
        self._listeners = listeners
        self._channel = channel
        self._index = index
        self._workers = bundle.config.gateway.worker_count
        self._built = policy
        self._policy = self._built
        self._wanted: Bundle | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._taking = asyncio.Lock()
        self._dates = ("", 0)
        self._going = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._registry = Registry(share(bundle.config.limits.connections, of=self._workers, index=index))
        tally = table.worker(index)
        self.journal = LogJournal(shown=address_shower(bundle.config, bundle.keys), tally=tally)
        in_hand = InHand()
        self._ledger: LedgerStore = open_ledger(bundle, create=create, under_way=lambda: in_hand.mails)
        self._routes = RouteTable(bundle, workers=self._workers, index=index, alarm=self.journal.alarm)
        self._gauges = Gauges(tally, self._ledger, self._registry, in_hand)
        self._alerts = Alerts()
        self._keeper = Keeper(self._ledger, self.journal)
        self._guard = Guard(
            self._ledger,
            self.journal,
            background=self._in_background,
            tell=self._alert,
            keep=self._keeper.add,
        )
        self._pilot = Pilot(bundle, self._ledger, self.journal, take=self._take, index=index)
        self._services = Services(
            ledger=self._ledger,
            journal=self.journal,
            random_bytes=Randomness(),
            date=self._date,
            monotonic=time.monotonic,
            spool=self._spool,
            notice_hop=self._routes.notice_hop,
            untouched_taken={},
            background=set(),
            in_hand=in_hand,
            safety=self._guard,
        )
        self._doors = self._build_doors(bundle, None)
        self._ledger.keep_terms(policy.kept, bundle.matching_keys)

    def _date(self) -> str:
        """The time of now for a header, made anew once a second."""
        second = int(time.time())
        if self._dates[1] != second:
            self._dates = (email.utils.format_datetime(datetime.fromtimestamp(second).astimezone()), second)
        return self._dates[0]

    def _spool(self) -> Spool:
        limits = self._bundle.config.limits
        return Spool(
            memory=limits.memory_bytes, directory=limits.spool_directory, reserve=limits.spool_reserve_bytes
        )

    def _current_policy(self) -> Policy:
        return self._policy

    # --- life ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until told to go, then drain."""
        self._loop.add_reader(self._channel.fileno(), self._hear)
        self._loop.add_signal_handler(signal.SIGTERM, self._going.set)
        await self._begin()
        await self._open()
        watches = [
            asyncio.create_task(watch)
            for watch in (
                self._watch_controls(),
                self._watch_ruleset(),
                self._watch_counts(),
                self._watch_hops(),
                self._watch_files(),
            )
        ]
        if self._index == 0:
            watches.append(asyncio.create_task(self._notifier().run()))
        self._tell(Word.READY)
        await self._going.wait()
        for watch in watches:
            watch.cancel()
        await self._drain()

    async def _begin(self) -> None:
        """Hear what operators and brakes have set before the first mail comes."""
        self._guard.limit(_limits(self._bundle))
        deadline = time.monotonic() + START_SECONDS
        while not (self._pilot.informed or self._going.is_set()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self._obey()
        await self._pilot.follow()

    async def _open(self) -> None:
        for listen, listener in zip(self._bundle.config.listen, self._listeners, strict=True):
            server = await self._loop.create_server(
                partial(self.session, listen.label), sock=listener, backlog=1_024
            )
            self._servers.append(server)

    def _build_doors(self, bundle: Bundle, before: Doors | None) -> Doors:
        """What sessions that begin from now on go by; those that are open keep their bounds."""
        doors = build_doors(
            bundle.config,
            services=self._services,
            registry=self._registry,
            policy=self._current_policy,
            routes=lambda: self._routes,
            before=before,
        )
        limits = bundle.config.limits
        self._registry.limit = share(limits.connections, of=self._workers, index=self._index)
        self._registry.per_peer = share(limits.connections_per_peer, of=self._workers, index=self._index)
        return doors

    def session(self, label: str) -> Session:
        """A session at the door of this listener, for one connection."""
        return Session(self._doors.by_label[label], self._loop)

    async def _drain(self) -> None:
        """Stop accepting, finish what is in hand, close everything; bounded by `drain_seconds`."""
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.close()
        self._tell(Word.STOPPED)
        deadline = time.monotonic() + self._bundle.config.gateway.drain_seconds
        cut = await self._registry.drain(self._bundle.config.gateway.drain_seconds)
        if cut:
            log.warning("drain: time is up", extra={"fields": {"sessions_cut": cut}})
        if self._services.background:
            await asyncio.wait(
                tuple(self._services.background), timeout=max(0.1, deadline - time.monotonic())
            )
        for pool in self._routes.pools:
            await pool.close(min(CLOSE_SECONDS, max(0.1, deadline - time.monotonic())))
        self._keeper.flush()
        await self._ledger.close()
        counts = dict(sorted(self.journal.counts.items()))
        log.info("worker ends", extra={"fields": counts})

    # --- the parent ---------------------------------------------------------------------------------------

    def _tell(self, word: Word) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(word)

    def _hear(self) -> None:
        for message in self._channel.receive():
            if isinstance(message, Drain):
                self._going.set()
            elif isinstance(message, Count):
                self.journal.count(message.name)
            elif isinstance(message, TellEditors):
                editors = self._bundle.config.rules.editors
                self._in_background(self._insist(editors, refused_letter(message.problems)))
            elif isinstance(message, Reload):
                self._wanted = message.bundle
                if self._reloading is None or self._reloading.done():
                    self._reloading = asyncio.create_task(self._reload_wanted())
        if self._channel.closed:
            self._loop.remove_reader(self._channel.fileno())
            self._going.set()

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._services.background.add(task)
        task.add_done_callback(self._services.background.discard)

    async def _reload_wanted(self) -> None:
        """Take the newest bundle, until there is no newer one."""
        while self._wanted is not None:
            bundle, self._wanted = self._wanted, None
            async with self._taking:
                await self._pilot.given(bundle)

    async def _take(self, bundle: Bundle) -> bool:
        """Take another config and rule set, whole or not at all. Mails in hand keep what they began with.

        Rules take long to build, so a thread does it, while mail goes on by the old ones.
        """
        try:
            last = Built(bundle=self._bundle, policy=self._built)
            build = partial(build_policy, bundle, last=last)
            policy = await self._loop.run_in_executor(None, build)
            doors = self._build_doors(bundle, self._doors)
            unused = self._routes.reconfigure(bundle)
        except Exception as error:  # noqa: BLE001 - a bad file changes nothing (promise 9)
            self.journal.fault("reload refused", error)
            self._tell(Word.RELOAD_FAILED)
            return False
        self._bundle = bundle
        self.journal.show(address_shower(bundle.config, bundle.keys))
        self._built = policy
        self._ledger.keep_terms(policy.kept, bundle.matching_keys)
        self._policy = self._pilot.policy(policy, bundle)
        self._doors = doors
        self._guard.limit(_limits(bundle))
        start_logging(form=bundle.config.log.format, level=bundle.config.log.level)
        for pool in unused:
            self._in_background(pool.close(bundle.config.gateway.drain_seconds))
        self.journal.count("reloaded")
        self._tell(Word.RELOADED)
        return True

    async def _watch_files(self) -> None:
        """Take over certificates that were renewed, without anybody having to say so."""
        while True:
            await asyncio.sleep(FILE_SECONDS)
            taken, refused = self._doors.refresh()
            for name in taken:
                log.info("read again", extra={"fields": {"what": name}})
            for problem in refused:
                self.journal.alarm(problem)

    # --- what operators and brakes have set ---------------------------------------------------------------

    async def _watch_controls(self) -> None:
        """Follow them, whichever process of which node they were set in (rule 15)."""
        while True:
            self._obey()
            await asyncio.sleep(LOOK_SECONDS)

    def _obey(self) -> None:
        if self._pilot.news():
            # Counts first: what was counted before a resume would pull the brake again with the next mail.
            self._guard.tick()
            self._policy = self._pilot.policy(self._built, self._bundle)

    async def _watch_ruleset(self) -> None:
        """Run the active rule set; apart from the rest, since to build one takes a while."""
        while True:
            async with self._taking:
                await self._pilot.follow()
            await asyncio.sleep(LOOK_SECONDS)

    async def _watch_counts(self) -> None:
        while True:
            await asyncio.sleep(COUNT_SECONDS)
            self._guard.tick()
            self._gauges.show(self._routes.pools)
            review = self._bundle.config.rules.review
            self._keeper.tick(days=review.days, snippet_days=review.snippet_days)

    async def _watch_hops(self) -> None:
        """With a web listener: ask next hops that are unknown, since no mail may come to find out."""
        while True:
            if self._bundle.config.web.listen is not None:
                for pool in self._routes.pools:
                    if not pool.reachable:
                        await pool.probe()
            self._gauges.show(self._routes.pools)
            await asyncio.sleep(HOP_SECONDS)

    # --- telling people -----------------------------------------------------------------------------------

    def _notifier(self) -> Notifier:
        return Notifier(
            config=lambda: self._bundle.config,
            open_store=lambda: open_credit(self._bundle.config, self._bundle.keys, wait_seconds=5.0),
            send=self._send_alert,
            journal=self.journal,
        )

    def _alert(self, kind: str, text: str) -> None:
        """Tell who wants to know of brakes by mail, if it is not too soon."""
        config = self._bundle.config
        people = tuple(dict.fromkeys((*config.rules.editors, *config.notify.brake_pulled)))
        if people and self._alerts.due(kind, config.notify.every_seconds):
            self._in_background(self._insist(people, brake_letter(text)))

    async def _insist(self, people: Sequence[str], letter: Letter) -> None:
        try:
            await insist(people, lambda left: self._send_alert(left, letter), pause=self._pause)
        except Exception as error:  # noqa: BLE001 - mail of others is what matters
            self.journal.fault("alert by mail", error)

    async def _pause(self, seconds: float) -> bool:
        """False when it is time to go."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._going.wait(), seconds)
        return not self._going.is_set()

    async def _send_alert(self, people: Sequence[str], letter: Letter) -> list[str]:
        return await send_alert(
            people,
            letter,
            hop=self._routes.own_hop(),
            policy=self._built,
            journal=self.journal,
            date=self._date(),
            unique=os.urandom(16).hex(),
        )


def _limits(bundle: Bundle) -> Limits:
    brake = bundle.config.rules.brake
    return Limits(per_hour=brake.max_per_hour, share=brake.max_share)
