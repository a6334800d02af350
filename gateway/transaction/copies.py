"""The copies of one mail, each through a transaction of its own at the next hop (SMTP.md rules 3, 9, 15).

A job is one copy for the recipients that are still owed it. Jobs go one after another through the connection
that the mail came with, and side by side through others that happen to be free; whoever holds a place in the
pool never waits for a second one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import NextHopFault
from gateway.smtp import failure
from gateway.smtp.capabilities import needs_of
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.reply import Reply
from gateway.transaction.compose import Content
from gateway.transaction.context import Services
from gateway.transaction.deliver import deliver, fault_reply, outcome_of
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop, Outbound, SendIntent, SendOutcome, SendState

#: How long a next hop's taking of untouched mail stands as proof that it is not the mail system that is in
#: trouble (rule 15).
UNTOUCHED_PROOF_SECONDS = 600.0
#: Links refused by the next hop, whose originals were then taken, within ten minutes: past it the link itself
#: is the problem (rule 15).
REFUSED_LINKS = 5
#: Attempts put off with 4.6.x or 4.7.x after which the copy goes without its link (rule 15).
PUT_OFF_LIMIT = 2

_STATES = {
    Fate.TAKEN: SendState.ACCEPTED,
    Fate.REFUSED: SendState.REFUSED,
    Fate.PUT_OFF: SendState.PUT_OFF,
    Fate.UNKNOWN: SendState.UNKNOWN,
    Fate.ELSEWHERE: SendState.UNKNOWN,
}
#: Which of several recipients' fates tells what became of a link.
_BEST = (Fate.TAKEN, Fate.UNKNOWN, Fate.PUT_OFF, Fate.REFUSED, Fate.ELSEWHERE)


@dataclass(slots=True, kw_only=True)
class Job:
    """One copy to be sent now, and what became of it.

    Attributes:
        recipients: indexes into the envelope's recipients.
        content: with the link, for a copy that has one.
        send: the intent behind the link; None for the untouched copy.
        token: 16 octets as the ledger gave them, for a copy with a link.
        outcomes: by recipient index, once known.
        unlinked: the link was left out, after a refusal or by rule 15.
        counts_as_put_off: put off after the dot in a way that may be the link's doing (rule 15).
        under_way: on the wire at this moment; whoever records outcomes leaves it to be recorded when it is
            done.
        recorded: the ledger has been told.
    """

    recipients: tuple[int, ...]
    content: Content
    send: SendIntent | None = None
    token: bytes = b""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    host: str = ""
    unlinked: bool = False
    counts_as_put_off: bool = False
    under_way: bool = False
    recorded: bool = False

    def send_outcome(self) -> SendOutcome | None:
        """The ledger's row for this copy's link; None where it has none or nothing is known."""
        if self.send is None:
            return None
        best: Outcome | None = None
        for outcome in self.outcomes.values():
            if best is None or _BEST.index(outcome.fate) < _BEST.index(best.fate):
                best = outcome
        if best is None:
            return None
        state = SendState.UNLINKED if self.unlinked and best.fate is Fate.TAKEN else _STATES[best.fate]
        return SendOutcome(
            mail_key=self.send.mail_key,
            person=self.send.person,
            state=state,
            reply=best.reply.shown,
            host=self.host,
            counts_as_put_off=self.counts_as_put_off,
        )


@dataclass(slots=True, kw_only=True)
class Courier:
    """Sends the jobs of one mail. `received` makes the trace field for the recipients of a copy."""

    services: Services
    policy: Policy
    hop: NextHop
    envelope: Envelope
    original: Content
    received: Callable[[Sequence[int]], bytes]
    before_dot: Callable[[], None]

    async def send_open(self, outbound: Outbound, job: Job, recipients: Sequence[int]) -> None:
        """Send a job through a transaction whose MAIL, and RCPTs for exactly these, are accepted already.

        A copy that is refused with its link goes once more without (rule 15).

        Raises:
            SenderGone: from `before_dot`; the caller aborts the outbound.
        """
        content = self.original if job.unlinked else job.content
        delivery = await deliver(
            outbound,
            content.blocks(self.received(job.recipients)),
            recipients=len(recipients),
            codes=self.policy.gateway_refusals,
            before_dot=self.before_dot,
        )
        job.host = outbound.host
        job.outcomes.update(zip(recipients, delivery.outcomes, strict=True))
        if job.send is None or job.unlinked:
            return
        if delivery.refused:
            await self._once_more_without_link(outbound, job, recipients)
        elif delivery.dotted:
            first = delivery.outcomes[0]
            job.counts_as_put_off = first.fate is Fate.PUT_OFF and first.reply.enhanced.startswith(
                ("4.6.", "4.7.")
            )

    async def send_all(
        self,
        outbound: Outbound,
        jobs: Sequence[Job],
        *,
        finished: Callable[[Job], None],
        finished_late: Callable[[Job], Awaitable[None]],
    ) -> None:
        """Send each job in a transaction of its own, for at most `copies_seconds`. Gives every outbound back.

        `finished` is told of each job as soon as its outcome is known. A job that hasn't begun in time is put
        off. One that is under way then, or when another one's fault ends the mail, is awaited in the
        background: its dot may have left. `finished_late` writes it to the ledger.
        """
        waiting = deque(jobs)
        deadline = self.services.monotonic() + self.policy.copies_seconds
        lines = [asyncio.create_task(self._line(outbound, waiting, deadline, finished, reset=True))]
        needs = needs_of(self.envelope.mail, self.envelope.recipients)
        while len(lines) < min(self.policy.parallel_copies, len(jobs)):
            another = self.hop.try_begin(needs)
            if another is None:
                break
            lines.append(asyncio.create_task(self._line(another, waiting, deadline, finished, reset=False)))
        done, pending = await asyncio.wait(
            lines, timeout=self.policy.copies_seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        failed = next(filter(None, [line.exception() for line in done]), None)
        if failed is not None:
            waiting.clear()
        if pending:
            self._leave_behind(pending, [job for job in jobs if job.under_way], finished_late)
        try:
            if failed is not None:
                raise failed
        finally:
            # An error keeps this frame; a frame that keeps the error is a circle, and keeps the mail and its
            # file until the collector comes by.
            del failed, lines, done

    def _leave_behind(
        self,
        pending: set[asyncio.Task[None]],
        unfinished: Sequence[Job],
        finished_late: Callable[[Job], Awaitable[None]],
    ) -> None:
        async def rest() -> None:
            await asyncio.gather(*pending, return_exceptions=True)
            for job in unfinished:
                job.under_way = False
                await finished_late(job)

        task = asyncio.create_task(rest())
        self.services.background.add(task)
        task.add_done_callback(self.services.background.discard)

    async def _line(
        self,
        outbound: Outbound,
        waiting: deque[Job],
        deadline: float,
        finished: Callable[[Job], None],
        *,
        reset: bool,
    ) -> None:
        """One connection, working off what waits."""
        try:
            while waiting and self.services.monotonic() < deadline:
                job = waiting.popleft()
                if reset:
                    await outbound.reset()
                reset = True
                job.under_way = True
                try:
                    await self._send(outbound, job)
                finally:
                    job.under_way = False
                finished(job)
        except BaseException:
            outbound.abort()
            raise
        await outbound.end()

    async def _send(self, outbound: Outbound, job: Job) -> None:
        accepted = await self._say_envelope(outbound, job, job.recipients)
        if accepted:
            await self.send_open(outbound, job, accepted)

    async def _say_envelope(self, outbound: Outbound, job: Job, recipients: Sequence[int]) -> tuple[int, ...]:
        """MAIL and RCPT for these recipients; gives those accepted, notes the others' outcomes."""
        rcpts = [self.envelope.recipients[index] for index in recipients]
        try:
            mail, *answers = await outbound.envelope([self.envelope.mail, *rcpts])
        except NextHopFault as fault:
            self._put_off(job, recipients, fault_reply(fault))
            return ()
        job.host = outbound.host
        if not mail.positive:
            answers = [mail] * len(recipients)
        for index, answer in zip(recipients, answers, strict=True):
            if not answer.positive:
                job.outcomes[index] = outcome_of(answer, self.policy.gateway_refusals)
        return tuple(index for index, answer in zip(recipients, answers, strict=True) if answer.positive)

    async def _once_more_without_link(self, outbound: Outbound, job: Job, recipients: Sequence[int]) -> None:
        """The copy was refused with its link: the original has one try, and its answer counts (rule 15)."""
        job.unlinked = True
        self.services.journal.count("link-refused")
        await outbound.reset()
        accepted = await self._say_envelope(outbound, job, recipients)
        if not accepted:
            return
        await self.send_open(outbound, job, accepted)
        if any(job.outcomes[index].fate is Fate.TAKEN for index in accepted):
            self.services.untouched_taken[self.hop.name] = self.services.monotonic()
            await self._count_refused_link()

    async def _count_refused_link(self) -> None:
        """After so many refused links whose originals were taken, fall to `observe` (rule 15)."""
        try:
            refused = await self.services.ledger.link_refused()
            if refused >= REFUSED_LINKS:
                why = f"next hop {self.hop.name} took {refused} mails in ten minutes only without their link"
                await self.services.ledger.pull_brake(why)
                told = f"mode is observe now: {why}; `careerrelay rules resume` ends it"
                self.services.journal.alarm(told)
                self.services.safety.alert("brake", told)
        except Exception as error:  # noqa: BLE001 - whatever the ledger's state, the mail has been taken
            self.services.journal.fault("refused link not recorded", error)

    @staticmethod
    def _put_off(job: Job, recipients: Sequence[int], reply: Reply) -> None:
        job.outcomes.update({index: Outcome(Fate.PUT_OFF, reply) for index in recipients})


def out_of_time() -> Outcome:
    """The outcome of a copy that could not be sent within the budget."""
    return Outcome(Fate.PUT_OFF, failure.OUT_OF_TIME)
