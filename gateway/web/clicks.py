"""Clicks, written in batches beside the requests: nobody waits for one, and none is worth waiting for.

Bounded: while the ledger is faulty clicks are kept up to `MAX_WAITING`, then dropped and counted.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from gateway.errors import LedgerFault
from gateway.store.links import Click
from gateway.web.ports import Links
from gateway.web.visitors import CROWD_SECONDS, Crowds, Label

#: How long a click waits for others.
FLUSH_SECONDS = 1.0
BATCH = 500
MAX_WAITING = 20_000


class ClickLog:
    """Takes clicks at any rate. `run` is its task; `close` writes what is left."""

    def __init__(
        self, links: Links, *, count: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._links = links
        self._count = count
        self._monotonic = monotonic
        self._waiting: list[Click] = []
        self._crowds = Crowds()
        self._crowded: dict[bytes, int] = {}

    def add(self, click: Click) -> None:
        """Note one. Never raises, never waits."""
        label = click.label
        place = click.place
        if place is not None and label != Label.OPT_OUT.value:
            crowd, fresh = self._crowds.add(place, click.token, self._monotonic())
            if crowd and label == Label.HUMAN.value:
                label = Label.CROWD.value
            if fresh:  # later ones are known for what they are
                self._crowded[place] = click.at - int(CROWD_SECONDS * 1_000_000)
        self._count(f"click:{label}")
        if len(self._waiting) >= MAX_WAITING:
            self._count("click:dropped")
            return
        self._waiting.append(Click(token=click.token, at=click.at, label=label, place=place))

    async def run(self) -> None:
        """Write now and then, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            with contextlib.suppress(LedgerFault):  # kept for the next time; the fault is told by others
                await self.flush()

    async def flush(self) -> None:
        """Write what waits.

        Raises:
            LedgerFault: the rest waits on.
        """
        while self._waiting:
            batch, crowded = self._waiting[:BATCH], self._crowded
            self._crowded = {}
            try:
                await self._links.log_clicks(batch, crowded)
            except LedgerFault:
                self._crowded = crowded | self._crowded
                raise
            del self._waiting[: len(batch)]
