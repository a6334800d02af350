"""Keeps what the rules saw in mails, in batches, and drops it rather than hold anything up.

A batch goes to the ledger once a second where a mail matched (it is wanted for review, and a rejection costs
a commit anyway), else when there are `BATCH` or after `SECONDS`: a mail with a core term costs no write of
its own. Past `MOST` that wait, or while the ledger is faulty, what comes is dropped and counted.
"""

import time
from collections.abc import Callable
from typing import Protocol

from gateway.ruleset.kept import keep
from gateway.store.observations import Sight
from gateway.transaction.ports import MailSeen
from gateway.transaction.report import Journal

MOST = 2_000
BATCH = 100
SECONDS = 30.0
#: How often what is too old is deleted.
FORGET_SECONDS = 3_600.0


class Shelf(Protocol):
    """What the keeper needs of `gateway.store.LedgerStore`."""

    def keep_sights(self, sights: tuple[Sight, ...]) -> bool:
        """Write them soon; false where they were dropped."""

    def forget_sights(self, *, days: int, snippet_days: int) -> None:
        """Delete what is older."""


class Keeper:
    """Made once a worker; `tick` is called every second or so."""

    def __init__(self, shelf: Shelf, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._shelf = shelf
        self._journal = journal
        self._clock = clock
        self._waiting: list[Sight] = []
        self._urgent = False
        self._since = clock()
        self._forget_at = clock()

    def add(self, seen: MailSeen) -> None:
        """Keep this one, if there is room. Never raises."""
        if len(self._waiting) >= MOST:
            self._journal.count("observations-dropped")
            return
        try:
            sight = _sight(seen)
        except Exception as error:  # noqa: BLE001 - it is beside the mail's way
            self._journal.fault("observation", error)
            return
        if not self._waiting:
            self._since = self._clock()
        self._waiting.append(sight)
        self._urgent = self._urgent or sight.matched

    def tick(self, *, days: int, snippet_days: int) -> None:
        """Write what waits, if it is time."""
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_SECONDS
            self._shelf.forget_sights(days=days, snippet_days=snippet_days)
        due = self._urgent or len(self._waiting) >= BATCH or now - self._since >= SECONDS
        if self._waiting and due:
            self.flush()

    def flush(self) -> None:
        """Write all that waits."""
        sights, self._waiting, self._urgent = tuple(self._waiting), [], False
        for start in range(0, len(sights), BATCH):
            part = sights[start : start + BATCH]
            if not self._shelf.keep_sights(part):
                for _ in part:
                    self._journal.count("observations-dropped")


def _sight(seen: MailSeen) -> Sight:
    verdict = seen.verdict
    return Sight(
        mail=seen.mail,
        message_id=seen.message_id,
        sender=seen.sender,
        rule=verdict.rule,
        ruleset=seen.ruleset,
        score=verdict.score,
        threshold=verdict.threshold,
        matched=verdict.matched,
        reason=seen.reason.value,
        hits=keep(verdict),
        snippets=seen.snippets,
    )
