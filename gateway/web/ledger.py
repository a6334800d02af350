"""The ports of `gateway.web.ports` on the real ledger: what writes, or waits for a server, is in threads.

Three of them: one that looks up links, and is never behind a writer; one that writes clicks and opt-outs;
one for the books. Look-ups that come while one is under way are done together. On SQLite a look-up needs no
thread.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from gateway.errors import LedgerFault
from gateway.ledger.intake import Reported
from gateway.store.credit import CreditStore, Operator
from gateway.store.database import Database
from gateway.store.links import Click, Given, Link, LinkDesk, Wanted
from gateway.store.registrations import Taken
from gateway.store.said import EventReport, EventTaken, find_registration
from gateway.web.ports import Standing

_T = TypeVar("_T")

#: Look-ups and pieces of work that may wait; more are refused as if the ledger were gone.
MAX_WAITING = 2_000
#: How long a look-up may wait where it stands, and when a ledger that failed is asked again.
INLINE_SECONDS, AGAIN_SECONDS = 0.1, 1.0
#: What one look into the ledger finds at once.
_TOGETHER = 100

Issue = Callable[[LinkDesk, Sequence[Wanted], str], list[Given]]


class _Thread:
    """Work done one after another, in a thread; bounded."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting = 0

    async def do(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= MAX_WAITING:
            raise LedgerFault("too much is waiting for the ledger")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=True)


class LedgerLinks:
    """Implements `Links`."""

    def __init__(self, url: str, *, credit: CreditStore, issue: Issue) -> None:
        self._inline = Database(url).sqlite
        self._finder = LinkDesk(url, wait_seconds=INLINE_SECONDS if self._inline else 5.0)
        self._clerk = LinkDesk(url)
        self._fault: tuple[float, LedgerFault] | None = None
        self._finding, self._writing = _Thread("links"), _Thread("clicks")
        self.credit = credit
        self.issuing = issue
        self._wanted: dict[bytes, list[asyncio.Future[Link | None]]] = {}
        self._round: asyncio.Task[None] | None = None

    async def find(self, token: bytes) -> Link | None:
        """See `Links.find`."""
        if self._inline:
            return self._find_at_once(token)
        if len(self._wanted) >= MAX_WAITING:
            raise LedgerFault("too many look-ups are waiting for the ledger")
        future: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._wanted.setdefault(token, []).append(future)
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._find_wanted())
        return await future

    def _find_at_once(self, token: bytes) -> Link | None:
        """On SQLite a look-up costs 50 µs where it stands, 350 through a thread; readers wait for nobody.

        A ledger that is gone is asked once in `AGAIN_SECONDS`, so that trying costs the others nothing.
        """
        now = time.monotonic()
        if self._fault is not None and now - self._fault[0] < AGAIN_SECONDS:
            raise LedgerFault(str(self._fault[1]))
        try:
            found = self._finder.find_all([token]).get(token)
        except LedgerFault as fault:
            self._fault = (now, fault)
            raise
        self._fault = None
        return found

    async def _find_wanted(self) -> None:
        """Look up what is wanted, as often as more is wanted meanwhile."""
        while self._wanted:
            tokens = list(self._wanted)[:_TOGETHER]
            waiting = [self._wanted.pop(token) for token in tokens]
            found: dict[bytes, Link] = {}
            fault: BaseException | None = None
            try:
                found = await self._finding.do(partial(self._finder.find_all, tokens))
            except Exception as error:  # noqa: BLE001 - those who wait hear of it
                fault = error
            for token, futures in zip(tokens, waiting, strict=True):
                for future in futures:
                    if future.done():
                        continue
                    if fault is None:
                        future.set_result(found.get(token))
                    else:
                        future.set_exception(LedgerFault(str(fault)))

    async def suppress(self, token: bytes) -> bool:
        """See `Links.suppress`."""
        return await self._writing.do(partial(self.credit.suppress_token, token))

    async def log_clicks(self, clicks: Sequence[Click], crowded: Mapping[bytes, int]) -> None:
        """See `Links.log_clicks`."""
        await self._writing.do(partial(self._clerk.log_clicks, clicks, crowded))

    async def issue(self, wanted: Sequence[Wanted], by: str) -> list[Given]:
        """See `Links.issue`."""
        return await self._writing.do(partial(self.issuing, self._clerk, wanted, by))

    def close(self) -> None:
        """Finish what is under way and disconnect."""
        for thread, desk in ((self._finding, self._finder), (self._writing, self._clerk)):
            thread.close()
            desk.close()


class LedgerRegistrar:
    """Implements `Registrar`."""

    def __init__(self, credit: CreditStore) -> None:
        self.credit = credit
        self._thread = _Thread("books")

    async def consume(self, partner: str, message_id: str) -> bool:
        """See `Registrar.consume`."""
        return await self._thread.do(partial(self.credit.consume_webhook, partner, message_id))

    async def forget(self, partner: str, message_id: str) -> None:
        """See `Registrar.forget`."""
        await self._thread.do(partial(self.credit.forget_webhook, partner, message_id))

    async def register(self, partner: str, reports: Sequence[Reported]) -> list[Taken]:
        """See `Registrar.register`."""
        return await self._thread.do(
            partial(self.credit.receive_registrations, partner, reports, source="webhook")
        )

    async def event(self, partner: str, report: EventReport) -> EventTaken:
        """See `Registrar.event`."""
        return await self._thread.do(partial(self.credit.receive_event, partner, report))

    async def dispute(
        self, partner: str, id_: str, *, event_id: str, reason: str, evidence: str, until: int | None
    ) -> EventTaken:
        """See `Registrar.dispute`."""
        return await self._thread.do(
            partial(
                self.credit.dispute,
                id_,
                _said_by(partner),
                by="partner",
                reason=reason,
                partner=partner,
                evidence=evidence,
                until=until,
                event_id=event_id,
            )
        )

    async def resolve(
        self, partner: str, id_: str, *, event_id: str, outcome: str, reason: str
    ) -> EventTaken:
        """See `Registrar.resolve`."""
        return await self._thread.do(
            partial(
                self.credit.resolve,
                id_,
                _said_by(partner),
                outcome=outcome,
                reason=reason,
                partner=partner,
                by="partner",
                event_id=event_id,
            )
        )

    async def standing(self, partner: str, id_: str) -> Standing:
        """See `Registrar.standing`."""
        return await self._thread.do(partial(self._standing, partner, id_))

    async def upkeep(self) -> None:
        """Decide anew what waits for sends that have come since; expire slots whose life is over."""
        await self._thread.do(self.credit.rematch)
        await self._thread.do(self.credit.expire_slots)

    def _standing(self, partner: str, id_: str) -> Standing:
        self.credit.rematch()
        with self.credit.reading() as connection:
            row = find_registration(connection, id_, partner)
            return Standing(
                id=row.external_id,
                state=row.state,
                reason=row.reason,
                counts=row.counts,
                registered_at=row.registered_at,
                received_at=row.received_at,
                campaign=row.campaign,
                disputed=row.disputed,
            )

    def close(self) -> None:
        """Finish what is under way."""
        self._thread.close()


def _said_by(partner: str) -> Operator:
    return Operator(name=f"partner {partner}")
