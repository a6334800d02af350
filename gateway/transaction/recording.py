"""What became of the copies of a mail with links, told to the ledger (SMTP.md rules 19, 20, 22).

A mail for one person: its outcome is noted, and nobody waits. A mail with a record: each copy is settled as
soon as it is answered, and the last ones together with the reply. A fault changes no reply: what the next hop
took is taken.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import LedgerFault
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.smtp.reply import Reply
from gateway.transaction.context import Services
from gateway.transaction.copies import Job, out_of_time
from gateway.transaction.ports import CopyOutcome
from gateway.transaction.source import Source


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Records the jobs of one mail.

    Attributes:
        key: of the mail (rule 18).
        persons: by index of the recipient.
        jobs: all copies, to the end.
        kept: whether the mail has a record in the ledger.
    """

    services: Services
    source: Source
    key: bytes
    persons: Sequence[bytes]
    jobs: Sequence[Job]
    kept: bool
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def record(self, replies: Sequence[Reply] = (), notice: Notice | None = None) -> None:
        """Tell the ledger what it does not know yet; with a final reply to the sender, close the record."""
        if not self.kept:
            for job in self.jobs:
                if (outcome := job.send_outcome()) is not None:
                    self.services.ledger.note(outcome)
            return
        final = bool(replies) and (replies[0].positive or replies[0].permanent) and not self.source.gone
        await asyncio.gather(*self._telling)
        await self._settle(self._unrecorded(), notice, close=final)

    async def settle_so_far(self) -> None:
        """What is known, before something that may take long: a crash must not cost a second copy."""
        await self._settle(self._unrecorded(), None, close=False)

    def finished(self, job: Job) -> None:
        """A copy is answered while others are still to come: the ledger is told now, and nobody waits for it.

        A crash then costs a second copy only to those whose answer was not there yet (promise 2).
        """
        if not self.kept or all(other.outcomes for other in self.jobs):
            return
        job.recorded = True
        task = asyncio.create_task(self._settle(self._outcomes_of(job), None, close=False))
        self._telling.add(task)
        self.services.background.add(task)
        task.add_done_callback(self.services.background.discard)

    async def finished_late(self, job: Job) -> None:
        """A copy still under way when the reply was due: recorded, so that no retry sends it again."""
        if not job.recorded:
            job.recorded = True
            await self._settle(self._outcomes_of(job), None, close=False)

    def _unrecorded(self) -> list[CopyOutcome]:
        """Outcomes of all copies that aren't on the wire now, as far as the ledger hasn't been told."""
        jobs = [job for job in self.jobs if not (job.under_way or job.recorded)]
        for job in jobs:
            job.recorded = True
        return [one for job in jobs for one in self._outcomes_of(job)]

    async def _settle(self, outcomes: list[CopyOutcome], notice: Notice | None, *, close: bool) -> None:
        try:
            await self.services.ledger.settle(self.key, outcomes, notice=notice, close=close)
        except LedgerFault as fault:
            # the ledger keeps them and writes them when it can, or puts them into the log for repair
            self.services.journal.fault("outcomes of a mail not yet in the ledger", fault)

    def _outcomes_of(self, job: Job) -> list[CopyOutcome]:
        send = job.send_outcome()
        by_person: dict[bytes, Outcome] = {}
        for index in job.recipients:
            outcome = job.outcomes.get(index) or out_of_time()
            known = by_person.get(self.persons[index])
            if known is None or outcome.fate is Fate.TAKEN:
                by_person[self.persons[index]] = outcome
        return [
            CopyOutcome(person=person, fate=outcome.fate, reply=outcome.reply, send=send)
            for person, outcome in by_person.items()
        ]
