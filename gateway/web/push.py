"""Messages to partners on their way: signed webhooks, tried again with growing pauses, put aside in the end.

A partner's endpoint has an answer's time to say 2xx; anything else, and no answer, is a failure. Redirects
are not followed: what is signed for one address is not for another. `410 Gone` puts a message aside at once.
"""

import asyncio
import http.client
import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.errors import LedgerFault
from gateway.store.outbox import Letter, Outbox
from gateway.web.signature import signed_headers
from gateway.web.site import Journal

#: Seconds before each further attempt; after the last one the message is put aside. About three days in all.
PAUSES = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400)
#: Pauses differ by so much, so that what failed together isn't tried together.
_SPREAD = 0.2
ANSWER_SECONDS = 15.0
#: How often is looked for what is due, and how far back each time; now and then all that may have changed.
TICK_SECONDS = 2.0
_QUICK, _THOROUGH_EVERY = 3_600 * 1_000_000, 150
_AT_ONCE = 8
_GONE = 410
_MAX_ANSWER = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a partner takes messages, and the secret that signs them."""

    url: str
    secret: bytes = field(repr=False)


_T = TypeVar("_T")
Post = Callable[[str, Mapping[str, str], bytes], int]


def pause_after(attempts: int, status: int, chance: float) -> float | None:
    """Seconds until the next attempt, after so many; None: no more of them.

    Args:
        attempts: failed ones, this one included.
        status: of HTTP; 0 without an answer.
        chance: from 0 to 1.
    """
    if status == _GONE or attempts > len(PAUSES):
        return None
    return PAUSES[attempts - 1] * (1 + _SPREAD * (2 * chance - 1))


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """One request; gives the status.

    Raises:
        OSError, http.client.HTTPException: there was no answer.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=ANSWER_SECONDS, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=ANSWER_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        answer.read(_MAX_ANSWER)
        return answer.status
    finally:
        connection.close()


class Courier:
    """Delivers what is due, for as long as it runs.

    Args:
        outbox: is used by one thread of its own.
        targets: by partner; may be changed at any time.
        within: how far back sends are looked at, in microseconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        targets: Mapping[str, Target],
        *,
        within: int,
        journal: Journal,
        send: Post = post,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self.targets = targets
        self.within = within
        self._journal = journal
        self._send = send
        self._clock = clock
        self._ledger = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._network = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push")

    async def run(self) -> None:
        """Work until cancelled."""
        round_ = 0
        while True:
            try:
                thorough = round_ % _THOROUGH_EVERY == 0
                await self.work(within=self.within if thorough else min(self.within, _QUICK))
            except LedgerFault as fault:
                self._journal.fault("push: the ledger can't be used", fault)
            round_ += 1
            await asyncio.sleep(TICK_SECONDS)

    async def work(self, *, within: int) -> int:
        """Put in what is new, deliver what is due; gives how many messages were tried."""
        if not self.targets:
            return 0
        partners = tuple(self.targets)
        await self._do(partial(self._outbox.tell_of_sends, partners, within=within))
        tried = 0
        while letters := await self._claim(partners):
            await asyncio.gather(*(self._deliver(letter) for letter in letters))
            tried += len(letters)
        return tried

    async def _claim(self, partners: Sequence[str]) -> list[Letter]:
        # Long enough for every one of them to take as long as an answer may.
        claim = partial(self._outbox.claim, partners, count=_AT_ONCE, seconds=4 * ANSWER_SECONDS)
        return await self._do(claim)

    async def _deliver(self, letter: Letter) -> None:
        target = self.targets.get(letter.partner)
        if target is None:
            return  # taken out of the config just now; the claim runs out
        body = letter.payload.encode("utf-8")
        headers = {
            "content-type": "application/json",
            "user-agent": "CareerRelay",
            **signed_headers(target.secret, letter.message_id, int(self._clock()), body),
        }
        status, error = 0, ""
        try:
            loop = asyncio.get_running_loop()
            status = await loop.run_in_executor(self._network, self._send, target.url, headers, body)
            error = f"HTTP {status}"
        except (OSError, http.client.HTTPException, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if 200 <= status < 300:
            await self._do(partial(self._outbox.delivered, letter))
            self._journal.count("push:delivered")
            return
        pause = pause_after(letter.attempts + 1, status, random.random())  # noqa: S311 - only spreads
        await self._do(partial(self._outbox.failed, letter, error, again_in=pause))
        self._journal.count("push:failed" if pause is not None else "push:dead")
        if pause is None:
            self._journal.fault("push: a message was put aside, `careerrelay outbox list --state dead`")

    async def _do(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._ledger, work)

    def close(self) -> None:
        """Wait for what is under way and disconnect."""
        self._network.shutdown(wait=True, cancel_futures=True)
        self._ledger.shutdown(wait=True)
        self._outbox.close()
