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
from dataclasses import dataclass, field, replace

from gateway.errors import GatewayError, MailUnreadable
from gateway.ledger.person import person_hash
from gateway.message.identity import mail_key
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate, Outcome, fold, is_mixed
from gateway.smtp.reply import Reply
from gateway.token import encode_token
from gateway.transaction.build import Builder, Built, compose
from gateway.transaction.compose import Content
from gateway.transaction.context import Services
from gateway.transaction.copies import PUT_OFF_LIMIT, UNTOUCHED_PROOF_SECONDS, Courier, Job, out_of_time
from gateway.transaction.decide import Decision, Reading
from gateway.transaction.notice import MAX_QUOTED
from gateway.transaction.plan import Plan, in_share, make_plan
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
    _key: bytes = b""
    _plan: Plan = field(default_factory=lambda: Plan(persons=(), copies=()))
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
        key = self.policy.secrets.person
        persons = tuple(person_hash(key, rcpt.path.text) for rcpt in self.envelope.recipients)
        candidates = self._candidates(persons, decision)
        self._plan = make_plan(persons, candidates, opened.copies if opened else None)
        if not self._plan.linked and opened is None:
            raise Unlinkable(decision.reason if decision.reason is not Reason.INJECTED else Reason.PARTIAL)
        self._recorded = not self.lmtp and (len(set(persons)) > 1 or opened is not None)
        taken = self._pass_brake(decision, opened)
        new = 0
        try:
            built = await self._build(decision)
            new = await (self._claim(built) if self._recorded else self._intend(built))
        finally:
            if taken != new:
                self.services.safety.give_back(self._rule(decision), taken - new, mail=not new)

    def _pass_brake(self, decision: Decision, opened: OpenMail | None) -> int:
        """Count the links that are about to be given; gives how many. What an open record planned may go on.

        Raises:
            Unlinkable: they would be too many.
        """
        known = opened.copies if opened is not None else {}
        links = sum(copy.person not in known for copy in self._plan.linked)
        if not links:
            return 0
        why = self.services.safety.take(self._rule(decision), links)
        if why:
            raise Unlinkable(Reason.BRAKE, why)
        return links

    @staticmethod
    def _rule(decision: Decision) -> str:
        return decision.verdict.rule if decision.verdict is not None else ""

    def _candidates(self, persons: Sequence[bytes], decision: Decision) -> frozenset[int]:
        if decision.footer is None or decision.verdict is None:
            return frozenset()
        share = decision.verdict.share
        if share >= 1:
            return self.reading.candidates
        chosen = frozenset(i for i in self.reading.candidates if in_share(persons[i], share))
        self._left |= {persons[i]: Reason.PARTIAL for i in self.reading.candidates - chosen}
        return chosen

    async def _build(self, decision: Decision) -> list[Built]:
        builder = Builder(
            services=self.services,
            policy=self.policy,
            envelope=self.envelope,
            reading=self.reading,
            decision=decision,
            opened=self._opened,
            original=self.original,
            key=self._key,
            route=self.hop.name,
            message_id=self.report.message_id,
            alone=not (self.lmtp or self._recorded),
        )
        try:
            return [await builder.build(copy) for copy in self._plan.copies]
        except MailUnreadable as error:
            raise Unlinkable(error.reason, error.detail) from error

    async def _intend(self, built: Sequence[Built]) -> int:
        """Commit the intents; gives how many links are new."""
        answers = await self.services.ledger.intend([b.send for b in built if b.send is not None])
        if any(answer.recorded for answer in answers):
            self._recorded = True
            return await self._claim(built)
        tokens = iter(answers)
        issued = [next(tokens) if one.send is not None else None for one in built]
        await self._add_jobs(
            [(one, one.copy.recipients, given) for one, given in zip(built, issued, strict=True)]
        )
        if not any(job.send for job in self._jobs):
            # Nobody is left to get a link, and no record was opened: the mail goes as any other.
            raise Unlinkable(next(iter(self._left.values()), Reason.OBSERVE))
        return sum(answer.left is None and not answer.attempts for answer in answers)

    async def _claim(self, built: Sequence[Built]) -> int:
        sends = {
            one.copy.person: replace(one.send, alone=False) if one.send is not None else None
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
        jobs = []
        for one in built:
            ours = tuple(index for index in one.copy.recipients if self._is_ours(claims, index))
            if ours:
                jobs.append(
                    (one, ours, claims[one.copy.person].issued if one.copy.person is not None else None)
                )
        await self._add_jobs(jobs)
        issued = [claim.issued for claim in claims.values() if claim.issued is not None]
        return sum(one.left is None and not one.attempts for one in issued)

    def _is_ours(self, claims: dict[bytes, Claim], index: int) -> bool:
        return claims[self._plan.persons[index]].standing is Standing.OURS

    async def _add_jobs(self, jobs: Sequence[tuple[Built, tuple[int, ...], Issued | None]]) -> None:
        """A job for each copy; those who are to get no link after all share the untouched one."""
        untouched: list[int] = []
        for built, recipients, issued in jobs:
            if issued is not None and issued.left is not None:
                self._left[self._plan.persons[recipients[0]]] = issued.left
                self.services.journal.count(f"left-alone-{issued.left}")
                untouched += recipients
            elif built.copy.person is None:
                untouched += recipients
            else:
                await self._add_job(built, recipients, issued)
        if untouched:
            original = self.original
            self._jobs.append(Job(recipients=tuple(sorted(untouched)), content=original))

    async def _add_job(self, built: Built, recipients: tuple[int, ...], issued: Issued | None) -> None:
        content, unlinked, token = built.content, built.unlinked, b""
        if issued is not None and built.send is not None:
            token = issued.token
            if token != built.send.token and built.composer is not None:
                # an earlier attempt of this mail: the same recipient keeps the same token (promise 4)
                try:
                    content = await compose(built.composer, token, self.services.journal)
                except MailUnreadable:
                    unlinked = True
            unlinked = unlinked or (issued.put_off >= PUT_OFF_LIMIT and self._takes_untouched())
        self._jobs.append(
            Job(recipients=recipients, content=content, send=built.send, token=token, unlinked=unlinked)
        )

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
            before_dot=lambda: need_sender(self.source),
        )
        recorder = Recorder(
            services=self.services,
            source=self.source,
            key=self._key,
            persons=self._plan.persons,
            jobs=self._jobs,
            kept=self._recorded,
        )
        try:
            await self._send_jobs(courier, outbound, recorder)
        except Exception:  # the sender is gone, or a fault of ours
            await recorder.record()
            raise
        outcomes = self._outcomes()
        host = next((job.host for job in self._jobs if job.host), "")
        self._report_copies(outcomes)
        if self.lmtp or not self._recorded:
            await recorder.record()
            return [outcome.reply for outcome in outcomes] if self.lmtp else [fold(outcomes)]
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
        return [reply]

    async def _send_jobs(self, courier: Courier, outbound: Outbound, recorder: Recorder) -> None:
        everybody = tuple(range(len(self.envelope.recipients)))
        if not self._jobs:
            await outbound.end()
        elif len(self._jobs) == 1 and self._jobs[0].recipients == everybody:
            try:
                await courier.send_open(outbound, self._jobs[0])
            except BaseException:
                outbound.abort()
                raise
            await outbound.end()
        else:
            await courier.send_all(
                outbound, self._jobs, finished=recorder.finished, finished_late=recorder.finished_late
            )

    # --- after the wire -----------------------------------------------------------------------------------

    def _outcomes(self) -> list[Outcome]:
        sent = {index: outcome for job in self._jobs for index, outcome in job.outcomes.items()}
        return [
            sent.get(index) or self._settled.get(person) or out_of_time()
            for index, person in enumerate(self._plan.persons)
        ]

    def _report_copies(self, outcomes: Sequence[Outcome]) -> None:
        tokens = {index: job.token for job in self._jobs if not job.unlinked for index in job.recipients}
        hosts = {index: job.host for job in self._jobs for index in job.recipients}
        if any(job.unlinked for job in self._jobs):
            self.report.detail = "link left out for some: refused or put off by the next hop"
        for index, (rcpt, outcome) in enumerate(zip(self.envelope.recipients, outcomes, strict=True)):
            token = tokens.get(index, b"")
            self.report.copies.append(
                CopyReport(
                    recipient=rcpt.path.text,
                    token=encode_token(token) if token else "",
                    host=hosts.get(index, ""),
                    fate=outcome.fate.value,
                    reply=outcome.reply.shown,
                    reason="" if token else self._left.get(self._plan.persons[index], ""),
                )
            )
        if self._left and not any(tokens.values()) and not any(job.unlinked for job in self._jobs):
            self.report.reason = next(iter(self._left.values()))
