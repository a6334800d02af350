"""The brake of one worker: counts mails and links, stops a rule, tells people. Implements `Safety`.

Every mail costs a number in memory. What was counted goes to the other processes in batches: with a mail
that a rule changed, which cost a commit anyway, else after `MAILS` mails or `SECONDS` seconds.

A rule that crosses its bound is stopped here at once, by the counts themselves; the ledger tells the others.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Protocol

from gateway.errors import LedgerFault
from gateway.ledger.braking import ALL, Limits, Row, Tally
from gateway.ledger.controls import Controls
from gateway.transaction.ports import MailSeen
from gateway.transaction.report import Journal

MAILS = 10
SECONDS = 300.0

Background = Callable[[Coroutine[None, None, None]], None]


class Counts(Protocol):
    """What the guard needs of `gateway.store.LedgerStore`."""

    @property
    def controls(self) -> Controls:
        """What operators and brakes have set."""

    @property
    def others(self) -> tuple[Row, ...]:
        """What other processes have counted."""

    def count_for_brake(self, *, wanted: bool) -> None:
        """Whether to read that."""

    def write_tallies(self, rows: list[Row]) -> None:
        """Tell them what this one has counted."""

    async def stop_rule(self, rule: str, why: str) -> bool:
        """Put a rule into observe."""


class Guard:
    """Made once a worker; `tick` is called every second or so."""

    def __init__(
        self,
        ledger: Counts,
        journal: Journal,
        *,
        background: Background,
        tell: Callable[[str, str], None],
        keep: Callable[[MailSeen], None],
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Put it together.

        Args:
            ledger: where counts and brakes go.
            journal: for the log.
            background: runs a coroutine that nobody waits for.
            tell: sends an alert of this kind, with this text.
            keep: keeps what the rules saw.
            now: microseconds since 1970.
        """
        self._ledger = ledger
        self._journal = journal
        self._background = background
        self._keep = keep
        self._now = now
        self._tally = Tally(now())
        self._pulling: set[str] = set()
        self._told_at = now()
        self.alert = tell

    def limit(self, limits: Limits) -> None:
        """From now on these hold."""
        self._tally.limits = limits
        self._ledger.count_for_brake(wanted=limits.any)

    # --- the port -----------------------------------------------------------------------------------------

    def mail(self) -> None:
        """See `gateway.transaction.ports.Safety`."""
        self._tally.mail()

    def take(self, rule: str, links: int) -> str:
        """See `gateway.transaction.ports.Safety`."""
        crossed = self._tally.take(rule, links)
        if crossed is None:
            return ""
        name, why = crossed
        if name not in self._pulling:
            self._pulling.add(name)
            self._background(self._pull(name, why))
        return why

    def give_back(self, rule: str, links: int, *, mail: bool) -> None:
        """See `gateway.transaction.ports.Safety`."""
        self._tally.give_back(rule, links, mail=mail)

    def seen(self, mail: MailSeen) -> None:
        """See `gateway.transaction.ports.Safety`."""
        self._keep(mail)

    # --- beside the mail ----------------------------------------------------------------------------------

    async def _pull(self, name: str, why: str) -> None:
        try:
            pulled = await self._ledger.stop_rule(name, why)
        except LedgerFault as fault:
            # Nothing is added to mail without the ledger either, and the writer goes on trying.
            self._journal.fault("brake not in the ledger yet", fault)
            pulled = True
        finally:
            self._pulling.discard(name)
        if pulled:
            what = f"rule {name}" if name != ALL else "the gateway"
            resume = f"careerrelay rules resume {name}".strip()
            told = f"brake: {what} only observes now: {why}; `{resume}` ends it"
            self._journal.alarm(told)
            self.alert(f"brake {name}", told)

    def tick(self) -> None:
        """Look what the others counted; tell them what was counted here, if it is worth a write."""
        controls, now, tally = self._ledger.controls, self._now(), self._tally
        tally.roll(now, self._ledger.others, resumed=controls.resumed, braked=controls.brakes)
        if not tally.limits.any:
            return
        mails, changed = tally.news()
        late = bool(mails) and now - self._told_at >= SECONDS * 1_000_000
        if changed or mails >= MAILS or late:
            self._ledger.write_tallies(tally.unwritten())
            tally.written()
            self._told_at = now
