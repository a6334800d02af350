"""One mail and what is found in it: read, looked up, decided, and noted for log and counters.

Nothing here touches the wire. What goes wrong in reading or deciding is a fault of ours and gives a decision
to leave the mail alone (promise 1).
"""

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import LedgerFault, MailUnreadable
from gateway.message.scan import Buffer
from gateway.reason import Reason
from gateway.smtp import failure
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.transaction.compose import Content, without_marks
from gateway.transaction.context import Services, SessionInfo
from gateway.transaction.decide import Decision, Reading, decide, left_by_rules, read_mail, view_of
from gateway.transaction.linked import LinkedMail, needs_lookup
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop, OpenMail, Outbound
from gateway.transaction.report import MailReport, ShadowReport
from gateway.transaction.sighting import Sighting
from gateway.transaction.source import ContentRefused

T = TypeVar("T")


class Examined:
    """The part of a transaction that knows the mail and says what is to become of it.

    Args:
        lmtp: whether the sender speaks LMTP: then there is a reply for each recipient (SMTP.md rule 17).
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
        self._accepted: list[Rcpt] = []
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
        self._sighting = Sighting(services=services, policy=policy)
        self.mail = mail

    async def _verdict(
        self, content: Buffer, envelope: Envelope, *, complete: bool
    ) -> tuple[Reading | None, Decision, OpenMail | None]:
        """Read, look up, decide. A fault of ours on the way gives a decision to leave the mail alone."""
        left_alone = Decision(reason=Reason.INTERNAL_FAULT)
        reading = self._try(
            "reading",
            lambda: read_mail(
                content, complete=complete, envelope=envelope, policy=self._policy, route=self._hop.name
            ),
        )
        if reading is None:
            self._note(left_alone)
            return None, left_alone, None
        if reading.looping:
            self._report.reason = Reason.LOOP
            raise ContentRefused(failure.LOOP)
        message_id = reading.message.value(b"message-id")
        self._report.message_id = (message_id or b"").decode("ascii", "backslashreplace")[:998]
        opened: OpenMail | None = None
        if not self._lmtp and needs_lookup(reading, self._named):
            try:
                opened = await LinkedMail.find(self._services.ledger, self._policy, reading, envelope)
            except LedgerFault as fault:
                decision = self._ledger_fault(fault)
                return reading, decision, None
        decision = self._try("deciding", lambda: decide(reading, envelope, self._policy)) or left_alone
        self._note(decision)
        self._compare(reading, envelope, decision)
        self._sighting.note(reading, decision)
        if decision.reason is Reason.RECIPIENTS:
            told = f"a mail to many people stays as it came: {decision.detail}"
            self._services.journal.alarm(told)
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

    def _try(self, what: str, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - promise 1: a fault in rules or footer never holds a mail
            self._services.journal.fault(what, error)
            return None

    def _compare(self, reading: Reading, envelope: Envelope, decision: Decision) -> None:
        """What the candidate set would have said, where the active one was asked; for the log alone."""
        shadow = self._policy.shadow
        if shadow is None or decision.verdict is None or decision.whole:
            return
        try:
            active, candidate = decision.verdict, shadow.judge(view_of(reading, envelope))
        except Exception as error:  # noqa: BLE001 - promise 1
            self._services.journal.fault("candidate rules", error)
            return
        self._services.journal.count("shadow-judged")
        if active.matched != candidate.matched or left_by_rules(active) != left_by_rules(candidate):
            self._services.journal.count("shadow-differs")
            self._report.shadow = ShadowReport(ruleset=shadow.id, active=active, candidate=candidate)

    def _note(self, decision: Decision) -> None:
        self._report.reason = decision.reason
        self._report.detail = decision.detail
        if decision.verdict is not None:
            self._report.rule = decision.verdict.rule
            self._report.score = decision.verdict.score
            self._report.matched = decision.verdict.matched

    def _cleaned(self, reading: Reading) -> Content | None:
        """The mail without its markers, if there are any and they can be taken out."""
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
