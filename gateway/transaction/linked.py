"""A mail whose candidates get links: who gets which bytes, and what the ledger knows before and after.

Order is everything here (SMTP.md rules 3, 19, 20, 22): all copies are built and checked, then their intents
are committed, then the first of them goes on the wire; outcomes are in the ledger before the reply leaves. Up
to the commit every fault ends in `Unlinkable` or `LedgerFault`, and the mail goes untouched through the
transaction that is still open.

A mail for one person needs no memory: a retry simply sends it again, with the same token. A mail for several
is *claimed* recipient by recipient, so that a retry sends only what is owed; also one that names just one of
them. LMTP answers for each recipient and needs neither.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.errors import GatewayError, MailUnreadable
from gateway.message.identity import mail_key
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate, Outcome, fold, is_mixed
from gateway.smtp.reply import Reply
from gateway.transaction.build import Builder, Built
from gateway.transaction.compose import Composer, Content, compose
from gateway.transaction.context import Services
from gateway.transaction.copies import PUT_OFF_LIMIT, UNTOUCHED_PROOF_SECONDS, Courier, Job, out_of_time
from gateway.transaction.decide import Decision, Reading
from gateway.transaction.notice import MAX_QUOTED
from gateway.transaction.plan import Plan, in_share, make_plan, persons_of
from gateway.transaction.policy import Policy
from gateway.transaction.ports import (
    Claim,
    CopyIntent,
    Issued,
    Ledger,
    NextHop,
    OpenMail,
    Outbound,
    Standing,
)
from gateway.transaction.recording import Recorder
from gateway.transaction.report import CopyReport, MailReport
from gateway.transaction.settle import Settlement
from gateway.transaction.source import Source, need_sender


class Unlinkable(GatewayError):
    """No copy may carry a link after all; nothing has been sent or promised yet."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        super().__init__(detail)


def needs_lookup(reading: Reading, named: int) -> bool:
    """Whether an earlier attempt may be on record: several recipients, one of them a candidate (rule 21).

    Args:
        named: by the sender, whether or not the next hop accepts them in this attempt.
    """
    return named > 1 and reading.reason is None and reading.text is not None


@dataclass(slots=True, kw_only=True)
class LinkedMail:
    """One mail with links. `prepare`, then `send`.

    Attributes:
        received: makes the trace field for a copy that goes to these recipients.
        original: what those get who get no link.
    """

    services: Services
    policy: Policy
    hop: NextHop
    envelope: Envelope
    received: Callable[[Sequence[int]], bytes]
    reading: Reading
    lmtp: bool
    source: Source
    report: MailReport
    original: Content
    _key: bytes = field(init=False)
    _plan: Plan = field(init=False)
    _recorded: bool = False
    _opened: OpenMail | None = None
    _jobs: list[Job] = field(default_factory=list)
    _settled: dict[bytes, Outcome] = field(default_factory=dict)
    _left: dict[bytes, Reason] = field(default_factory=dict)

    @staticmethod
    def key_of(policy: Policy, reading: Reading, envelope: Envelope) -> bytes:
        """The key by which this mail is known again (rule 18). Only for readings with a text."""
        if reading.text is None:
            raise ValueError("a mail whose text was not read has no key")
        return mail_key(
            reading.message, reading.text, reverse_path=envelope.mail.path.mailbox, key=policy.secrets.mail
        )

    @staticmethod
    async def find(ledger: Ledger, policy: Policy, reading: Reading, envelope: Envelope) -> OpenMail | None:
        """The open record of this mail, if an earlier attempt left one (rule 21).

        Raises:
            LedgerFault: it could not be looked up.
        """
        return await ledger.find(LinkedMail.key_of(policy, reading, envelope))

    # --- before the wire ----------------------------------------------------------------------------------

    async def prepare(self, decision: Decision, opened: OpenMail | None) -> None:
        """Plan, build and check all copies, and commit their intents.

        Raises:
            Unlinkable: the mail has to go untouched.
            LedgerFault: the intents could not be committed.
        """
        self._opened = opened
        self._key = self.key_of(self.policy, self.reading, self.envelope)
        persons = persons_of(self.envelope.recipients, self.policy.secrets.person)
        candidates = self._candidates(persons, decision)
        self._plan = plan = make_plan(persons, candidates, opened.copies if opened is not None else None)
        if not plan.linked and opened is None:
            raise Unlinkable(decision.reason if decision.reason is not Reason.INJECTED else Reason.PARTIAL)
        self._recorded = not self.lmtp and (opened is not None or len(set(persons)) > 1)
        rule = decision.verdict.rule if decision.verdict is not None else ""
        builder = Builder(
            services=self.services,
            policy=self.policy,
            envelope=self.envelope,
            reading=self.reading,
            decision=decision,
            opened=opened,
            original=self.original,
            key=self._key,
            route=self.hop.name,
            message_id=self.report.message_id,
            alone=not (self.lmtp or self._recorded),
        )
        taken, new = self._pass_brake(rule, plan, opened), 0
        try:
            built, sends = [], []
            for copy in plan.copies:
                one = await builder.build(copy)
                built.append(one)
                if one.send is not None:
                    sends.append(one.send)
            if self._recorded:
                new = await self._claim(built)
            else:
                new = await self._take_answers(built, await self.services.ledger.intend(sends))
        except MailUnreadable as error:
            raise Unlinkable(error.reason, error.detail) from error
        finally:
            if taken != new:
                self.services.safety.give_back(rule, taken - new, mail=not new)

    def _pass_brake(self, rule: str, plan: Plan, opened: OpenMail | None) -> int:
        """Count the links that are about to be given; gives how many. What an open record planned may go on.

        Raises:
            Unlinkable: they would be too many.
        """
        links = len(plan.linked)
        if opened is not None:
            links -= sum(copy.person in opened.copies for copy in plan.linked)
        if not links:
            return 0
        why = self.services.safety.take(rule, links)
        if why:
            raise Unlinkable(Reason.BRAKE, why)
        return links

    def _candidates(self, persons: Sequence[bytes], decision: Decision) -> frozenset[int]:
        if decision.footer is None or decision.verdict is None:
            return frozenset()
        share = decision.verdict.share
        if share >= 1:
            return self.reading.candidates
        chosen = frozenset(i for i in self.reading.candidates if in_share(persons[i], share))
        self._left |= {persons[i]: Reason.PARTIAL for i in self.reading.candidates - chosen}
        return chosen

    async def _take_answers(self, built: Sequence[Built], answers: Sequence[Issued]) -> int:
        """Make jobs of what has been built, the ledger having answered; gives how many links are new."""
        new = 0
        for answer in answers:
            if answer.recorded:
                self._recorded = True
                return await self._claim(built)
            new += answer.left is None and not answer.attempts
        issued = iter(answers)
        untouched: list[int] = []
        for one in built:
            given = next(issued) if one.send is not None else None
            untouched += await self._add_job(one, one.copy.recipients, given)
        self._add_untouched(untouched)
        for job in self._jobs:
            if job.send is not None:
                return new
        # Nobody is left to get a link, and no record was opened: the mail goes as any other.
        raise Unlinkable(next(iter(self._left.values()), Reason.OBSERVE))

    async def _claim(self, built: Sequence[Built]) -> int:
        sends = {
            one.copy.person: one.send._replace(alone=False) if one.send is not None else None
            for one in built
            if one.copy.person is not None
        }
        persons = list(dict.fromkeys(self._plan.persons))
        intents = [CopyIntent(person=person, send=sends.get(person)) for person in persons]
        claims = dict(zip(persons, await self.services.ledger.claim(self._key, intents), strict=True))
        for person, claim in claims.items():
            if claim.standing is Standing.SETTLED and claim.outcome is not None:
                self._settled[person] = claim.outcome
            elif claim.standing is Standing.ELSEWHERE:
                self._settled[person] = Outcome(Fate.ELSEWHERE, failure.SENT_ELSEWHERE)
        untouched: list[int] = []
        for one in built:
            ours = tuple(index for index in one.copy.recipients if self._is_ours(claims, index))
            if ours:
                given = claims[one.copy.person].issued if one.copy.person is not None else None
                untouched += await self._add_job(one, ours, given)
        self._add_untouched(untouched)
        issued = [claim.issued for claim in claims.values() if claim.issued is not None]
        return sum(one.left is None and not one.attempts for one in issued)

    def _is_ours(self, claims: dict[bytes, Claim], index: int) -> bool:
        return claims[self._plan.persons[index]].standing is Standing.OURS

    async def _add_job(
        self, built: Built, recipients: tuple[int, ...], issued: Issued | None
    ) -> tuple[int, ...]:
        """A job for a copy with a link; gives those who are to get none, and share the untouched copy."""
        if issued is not None and issued.left is not None:
            self._left[self._plan.persons[recipients[0]]] = issued.left
            self.services.journal.count(f"left-alone-{issued.left}")
            return recipients
        if built.copy.person is None:
            return recipients
        job = Job(recipients=recipients, content=built.content, send=built.send, unlinked=built.unlinked)
        if issued is not None and built.send is not None:
            job.token = issued.token
            if issued.token != built.send.token and built.composer is not None:
                await self._make_again(job, built.composer)
            if issued.put_off >= PUT_OFF_LIMIT and self._takes_untouched():
                job.unlinked = True
        self._jobs.append(job)
        return ()

    def _add_untouched(self, recipients: Sequence[int]) -> None:
        if recipients:
            self._jobs.append(Job(recipients=tuple(sorted(recipients)), content=self.original))

    async def _make_again(self, job: Job, composer: Composer) -> None:
        """An earlier attempt of this mail: the same recipient keeps the same token (promise 4)."""
        try:
            job.content = await compose(composer, job.token, self.services.journal)
        except MailUnreadable:
            job.unlinked = True

    def _takes_untouched(self) -> bool:
        taken = self.services.untouched_taken.get(self.hop.name)
        return taken is not None and self.services.monotonic() - taken < UNTOUCHED_PROOF_SECONDS

    # --- the wire -----------------------------------------------------------------------------------------

    async def send(self, outbound: Outbound) -> list[Reply]:
        """Send every job, record what became of it, and give the reply: one, or with LMTP one a recipient.

        Takes `outbound`, whose MAIL and RCPTs are accepted, and gives it back in every case.

        Raises:
            SenderGone: the sender was lost before a copy was complete; what was complete is recorded.
        """
        courier = Courier(
            services=self.services,
            policy=self.policy,
            hop=self.hop,
            envelope=self.envelope,
            original=self.original,
            received=self.received,
            before_dot=partial(need_sender, self.source),
        )
        recorder = Recorder(
            services=self.services,
            source=self.source,
            key=self._key,
            persons=self._plan.persons,
            jobs=self._jobs,
            kept=self._recorded,
        )
        jobs = self._jobs
        try:
            if not jobs:
                await outbound.end()
            elif len(jobs) == 1 and len(jobs[0].recipients) == len(self.envelope.recipients):
                try:
                    await courier.send_open(outbound, jobs[0], jobs[0].recipients)
                except BaseException:
                    outbound.abort()
                    raise
                await outbound.end()
            else:
                await courier.send_all(
                    outbound, jobs, finished=recorder.finished, finished_late=recorder.finished_late
                )
        except Exception:  # the sender is gone, or a fault of ours
            await recorder.record()
            raise
        outcomes = self._account()
        if self.lmtp or not self._recorded:
            await recorder.record()
            return [outcome.reply for outcome in outcomes] if self.lmtp else [fold(outcomes)]
        return [await self._settle(outcomes, recorder)]

    async def _settle(self, outcomes: Sequence[Outcome], recorder: Recorder) -> Reply:
        """The reply of a mail that has a record, which ends with it where the reply is final."""
        host = next((job.host for job in self._jobs if job.host), "")
        settlement = Settlement(self.services, self.policy, self.hop, self.envelope, host)
        data = self.reading.message.data
        if is_mixed(outcomes):
            await recorder.settle_so_far()  # a notice may take long
        reply, notice = await settlement.reply(
            outcomes,
            original=data[:MAX_QUOTED],
            complete=len(data) <= MAX_QUOTED,
            earlier=self._opened.notice if self._opened else None,
        )
        await recorder.record([reply], notice)
        return reply

    # --- after the wire -----------------------------------------------------------------------------------

    def _account(self) -> list[Outcome]:
        """What became of each recipient; told to the report too."""
        report = self.report
        by_index: dict[int, Job] = {}
        linked = False
        for job in self._jobs:
            if job.unlinked:
                report.detail = "link left out for some: refused or put off by the next hop"
            linked = linked or job.unlinked or bool(job.token)
            for index in job.recipients:
                by_index[index] = job
        outcomes = []
        for index, rcpt in enumerate(self.envelope.recipients):
            person, found = self._plan.persons[index], by_index.get(index)
            outcome = found.outcomes.get(index) if found is not None else None
            outcome = outcome or self._settled.get(person) or out_of_time()
            linked_by = found is not None and found.token and not found.unlinked
            token = found.content.token if found is not None and linked_by else ""
            outcomes.append(outcome)
            report.copies.append(
                CopyReport(
                    recipient=rcpt.path.text,
                    token=token,
                    host=found.host if found is not None else "",
                    fate=outcome.fate,
                    reply=outcome.reply.shown,
                    reason="" if token else self._left.get(person, ""),
                )
            )
        if self._left and not linked:
            report.reason = next(iter(self._left.values()))
        return outcomes
