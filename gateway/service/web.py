"""The web process: the servers, and what goes on beside requests. Nothing in it can touch mail.

Started and watched by the parent like a worker; on sockets that the parent opened, so that one that dies is
replaced without anybody being refused.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from gateway.config import Config
from gateway.errors import GatewayError
from gateway.service.bundle import Bundle
from gateway.service.control import Channel, Drain, Reload, Word
from gateway.service.eyes.look import Look
from gateway.service.eyes.table import Table
from gateway.service.journal import LogJournal
from gateway.service.lines import start_logging
from gateway.service.links import issuing, link_for
from gateway.store.credit import CreditStore
from gateway.store.outbox import Outbox
from gateway.store.programme import open_credit
from gateway.web.app import make_app, private_routes, public_routes
from gateway.web.ledger import LedgerLinks, LedgerRegistrar
from gateway.web.pages import make_pages
from gateway.web.ports import Settings
from gateway.web.push import Courier, Target
from gateway.web.server import Server
from gateway.web.site import Site

log = logging.getLogger("careerrelay")

#: How often registrations that came before their sends are looked at again.
UPKEEP_SECONDS = 10.0
#: How long a thread that writes to the ledger may keep requests waiting for the interpreter; Python's default
#: is five times that.
SWITCH_SECONDS = 0.001
_DAY = 86_400_000_000


def settings_of(bundle: Bundle) -> Settings:
    """What requests go by, from what was read."""
    config = bundle.config
    company = config.company[0].name if len(config.company) == 1 else ""
    return Settings(
        pages=make_pages(company),
        landing_url=config.link.landing_url,
        landing_urls=dict(config.link.landing_urls),
        valid=config.link.valid_days * _DAY,
        proxies=config.web.proxies,
        requests_per_minute=config.web.requests_per_minute,
        partners=bundle.web_secrets.partners,
        issuers=bundle.web_secrets.issuers,
        body_bytes=config.web.body_bytes,
        batch=config.web.batch,
        link_for=partial(link_for, config),
        opt_out_for=config.link.opt_out_for_token,
        place_key=bundle.keys.place,
    )


def targets_of(bundle: Bundle) -> dict[str, Target]:
    """Where partners want to be told of sends."""
    return {
        one.id: Target(url=one.push_url, secret=bundle.web_secrets.push[one.id])
        for one in bundle.config.partner
        if one.push_url is not None and one.id in bundle.web_secrets.push
    }


def look_back(config: Config) -> int:
    """How far back sends are looked at for partners, in microseconds: as long as a mail may be owed.

    Less than messages are kept: what was told of and forgotten would be told of again.
    """
    kept = config.retention.outbox_days * _DAY - _DAY // 24
    return min(config.ledger.record_days * _DAY, kept)


class WebProcess:
    """Everything of the web process."""

    def __init__(
        self, bundle: Bundle, listeners: Sequence[socket.socket], channel: Channel, table: Table
    ) -> None:
        self._bundle = bundle
        self._listeners = listeners
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._going = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._credit: CreditStore = open_credit(bundle.config, bundle.keys)
        self._links = LedgerLinks(
            bundle.config.ledger.url,
            credit=self._credit,
            issue=issuing(bundle.config, bundle.keys, bundle.excluded),
        )
        self._registrar = LedgerRegistrar(self._credit)
        self.journal = LogJournal(shown=lambda _: "", tally=table.web)
        self._look = Look(table, lambda: self._bundle.config)
        self._courier = Courier(
            Outbox(bundle.config.ledger.url),
            targets_of(bundle),
            within=look_back(bundle.config),
            journal=self.journal,
        )
        self._site = Site(
            settings_of(bundle), links=self._links, registrar=self._registrar, journal=self.journal
        )

    async def run(self) -> None:
        """Serve until told to go."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._loop.add_reader(self._channel.fileno(), self._hear)
        self._loop.add_signal_handler(signal.SIGTERM, self._going.set)
        servers = self._servers()
        serving = [asyncio.create_task(server.run_until_told()) for server in servers]
        works = (self._site.clicks.run(), self._upkeep(), self._courier.run())
        beside = [asyncio.create_task(work) for work in works]
        self._tell(Word.READY)
        going = asyncio.create_task(self._going.wait())
        await asyncio.wait([going, *serving], return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        self._tell(Word.STOPPED)
        results = await asyncio.gather(*serving, return_exceptions=True)
        for task in (*beside, going):
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        with contextlib.suppress(GatewayError):
            await self._site.clicks.flush()
        await asyncio.to_thread(self._close)
        log.info("web server ends", extra={"fields": dict(sorted(self.journal.counts.items()))})
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _servers(self) -> list[Server]:
        connections = self._bundle.config.web.connections
        tables = (private_routes(self._site, self._look), public_routes(self._site))
        return [
            Server(make_app(self._site, routes), listener, connections=connections)
            for routes, listener in zip(tables, self._listeners, strict=False)
        ]

    def _close(self) -> None:
        self._courier.close()
        self._registrar.close()
        self._links.close()
        self._credit.close()

    async def _upkeep(self) -> None:
        await self._every(UPKEEP_SECONDS, self._registrar.upkeep, "upkeep of the books failed")

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], words: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - told, and tried again
                self.journal.fault(words, error)

    # --- the parent ---------------------------------------------------------------------------------------

    def _tell(self, word: Word) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(word)

    def _hear(self) -> None:
        for message in self._channel.receive():
            if isinstance(message, Drain):
                self._going.set()
            elif isinstance(message, Reload):
                self._reload(message.bundle)
        if self._channel.closed:
            self._loop.remove_reader(self._channel.fileno())
            self._going.set()

    def _reload(self, bundle: Bundle) -> None:
        """Take another config, whole or not at all."""
        try:
            settings, issue = settings_of(bundle), issuing(bundle.config, bundle.keys, bundle.excluded)
            credit = open_credit(bundle.config, bundle.keys)
        except Exception as error:  # noqa: BLE001 - a bad file changes nothing (promise 9)
            self.journal.fault("reload refused", error)
            self._tell(Word.RELOAD_FAILED)
            return
        self._site.reload(settings)
        self._courier.targets, self._courier.within = targets_of(bundle), look_back(bundle.config)
        self._links.issuing = issue
        self._links.credit = self._registrar.credit = credit
        old, self._credit = self._credit, credit
        closing = asyncio.create_task(asyncio.to_thread(old.close))  # waits for what it is doing
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._bundle = bundle
        start_logging(form=bundle.config.log.format, level=bundle.config.log.level)
        self._tell(Word.RELOADED)
