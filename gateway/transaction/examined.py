"""One mail and what is found in it: read, looked up, decided, and noted for log and counters.

Nothing here touches the wire. What goes wrong in reading or deciding is a fault of ours and gives a decision
to leave the mail alone (promise 1).
"""

from gateway.errors import LedgerFault, MailUnreadable
from gateway.message.scan import Buffer
from gateway.reason import Reason
from gateway.ruleset.ruleset import Ruleset, Verdict
from gateway.smtp import failure
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.transaction.compose import Content, without_marks
from gateway.transaction.context import Services, SessionInfo
from gateway.transaction.decide import Decision, Reading, decide, left_by_rules, read_mail, view_of
from gateway.transaction.linked import LinkedMail, needs_lookup
from gateway.transaction.markers import NOTHING
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop, OpenMail, Outbound
from gateway.transaction.report import MailReport, ShadowReport
from gateway.transaction.sighting import Sighting
from gateway.transaction.source import ContentRefused

_LEFT_ALONE = Decision(reason=Reason.INTERNAL_FAULT)


class Examined:
    """The part of a transaction that knows the mail and says what is to become of it.

    Args:
        lmtp: whether the sender speaks LMTP: then there is a reply for each recipient (SMTP.md rule 17).

    Attributes:
        mail: the MAIL that this transaction was made for.
        accepted: the recipients that the next hop accepted, in order.
    """

    def __init__(
        self,
        *,
        services: Services,
        policy: Policy,
        hop: NextHop,
        mail: Mail,
        session: SessionInfo,
        lmtp: bool = False,
    ) -> None:
        self._services = services
        self._policy = policy
        self._hop = hop
        self._session = session
        self._lmtp = lmtp
        self._outbound: Outbound | None = None
        self._named = 0
        self._report = MailReport(
            id=session.next_mail(),
            peer=session.peer,
            listener=session.listener,
            route=hop.name,
            sender=mail.path.text,
            proven=session.proven,
            ruleset=policy.ruleset.id,
        )
        self._sighting: Sighting | None = None
        self.mail = mail
        self.accepted: list[Rcpt] = []

    async def _verdict(
        self, content: Buffer, envelope: Envelope, *, complete: bool
    ) -> tuple[Reading | None, Decision, OpenMail | None]:
        """Read, look up, decide. A fault of ours on the way gives a decision to leave the mail alone."""
        policy, report, journal = self._policy, self._report, self._services.journal
        try:
            reading = read_mail(
                content, complete=complete, envelope=envelope, policy=policy, route=report.route
            )
        except Exception as error:  # noqa: BLE001 - promise 1: a fault in reading never holds a mail
            journal.fault("reading", error)
            self._note(_LEFT_ALONE)
            return None, _LEFT_ALONE, None
        if reading.looping:
            report.reason = Reason.LOOP
            raise ContentRefused(failure.LOOP)
        message_id = reading.message.head.value(b"message-id") or b""
        report.message_id = message_id.decode("ascii", "backslashreplace")[:998]
        opened: OpenMail | None = None
        if not self._lmtp and needs_lookup(reading, self._named):
            try:
                opened = await LinkedMail.find(self._services.ledger, policy, reading, envelope)
            except LedgerFault as fault:
                return reading, self._ledger_fault(fault), None
        try:
            decision = decide(reading, envelope, policy)
        except Exception as error:  # noqa: BLE001 - promise 1: a fault in rules or footer never holds a mail
            journal.fault("deciding", error)
            decision = _LEFT_ALONE
        self._note(decision)
        verdict = decision.verdict
        if verdict is not None:
            if policy.shadow is not None and not decision.whole:
                self._compare(reading, envelope, verdict, policy.shadow)
            if verdict.pages:
                self._sighting = Sighting.of(reading, verdict, policy, journal)
        if decision.reason is Reason.RECIPIENTS:
            told = f"a mail to many people stays as it came: {decision.detail}"
            journal.alarm(told)
            self._services.safety.alert("recipients", told)
        return reading, decision, opened

    def _ledger_fault(self, fault: LedgerFault) -> Decision:
        """Without the ledger a mail goes untouched, or waits where the admin chose that (SMTP.md rule 22)."""
        self._services.journal.fault("ledger", fault)
        decision = Decision(reason=Reason.LEDGER_FAULT, detail=str(fault))
        self._note(decision)
        if self._policy.defer_on_ledger_fault:
            raise ContentRefused(failure.LEDGER_DEFER)
        return decision

    def _compare(self, reading: Reading, envelope: Envelope, active: Verdict, shadow: Ruleset) -> None:
        """What the candidate set would have said, where the active one was asked; for the log alone."""
        try:
            candidate = shadow.judge(view_of(reading, envelope))
        except Exception as error:  # noqa: BLE001 - promise 1
            self._services.journal.fault("candidate rules", error)
            return
        self._services.journal.count("shadow-judged")
        if active.matched != candidate.matched or left_by_rules(active) != left_by_rules(candidate):
            self._services.journal.count("shadow-differs")
            self._report.shadow = ShadowReport(ruleset=shadow.id, active=active, candidate=candidate)

    def _note(self, decision: Decision) -> None:
        report, verdict = self._report, decision.verdict
        report.reason, report.detail = decision.reason, decision.detail
        if verdict is not None:
            report.rule, report.score, report.matched = verdict.rule, verdict.score, verdict.matched

    def _cleaned(self, reading: Reading) -> Content | None:
        """The mail without its markers, if there are any and they can be taken out."""
        if reading.marked is NOTHING:
            return None
        stays = reading.marked.stays
        content: Content | None = None
        try:
            content = without_marks(reading, self._policy)
        except MailUnreadable as error:
            stays = f"markers stay in it: {error}"
        except Exception as error:  # noqa: BLE001 - promise 1: then the mail goes as it came
            self._services.journal.fault("taking markers out", error)
        if stays:
            self._services.journal.count("marker-left")
            self._report.detail = "; ".join(filter(None, (self._report.detail, stays)))
        elif content is not None:
            self._services.journal.count("marker-taken-out")
        return content
