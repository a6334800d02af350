"""The copies of a mail with links, built before anything is promised: their bytes, and their intents.

Nothing here writes to the ledger or to the wire. A copy that can't be made is a fault of `build`, and the
caller lets the mail go untouched.
"""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.footer.compose import FooterPlan
from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.smtp.envelope import Envelope
from gateway.transaction.compose import Composer, Content, compose
from gateway.transaction.context import Services
from gateway.transaction.decide import Decision, Reading, place
from gateway.transaction.plan import Copy
from gateway.transaction.policy import Policy
from gateway.transaction.ports import OpenMail, PlannedCopy, SendIntent

TOKEN_OCTETS = 16


class Built(NamedTuple):
    """A copy that is ready but not yet in the ledger.

    Attributes:
        send: the intent behind its link; None for the untouched copy.
        composer: makes the same copy with another token.
        unlinked: an open record promised a link that can't be made any more: the copy goes as it came.
    """

    copy: Copy
    content: Content
    send: SendIntent | None = None
    composer: Composer | None = None
    unlinked: bool = False


@dataclass(slots=True, kw_only=True)
class Builder:
    """Builds the copies of one mail.

    Attributes:
        opened: the mail's open record, whose plan holds for those whom it names (rule 21).
        original: what those get who get no link.
        key: of the mail (rule 18).
        route: the next hop's name.
        alone: as in `SendIntent`.
    """

    services: Services
    policy: Policy
    envelope: Envelope
    reading: Reading
    decision: Decision
    opened: OpenMail | None
    original: Content
    key: bytes
    route: str
    message_id: str
    alone: bool

    async def build(self, copy: Copy) -> Built:
        """The content of a copy, and the intent that has to be committed before it is sent.

        Raises:
            MailUnreadable: it can't be made; the fault is in the journal.
        """
        if copy.person is None:
            return Built(copy, self.original)
        policy, reading = self.policy, self.reading
        planned = self.opened.copies.get(copy.person) if self.opened is not None else None
        verdict, footer = self.decision.verdict, self.decision.footer
        ruling: PlannedCopy | Verdict | None = verdict
        if planned is not None:
            ruling = planned
            verdict, footer = self._as_planned(planned, verdict, footer)
        if ruling is None:
            return Built(copy, self.original)
        sender = self.envelope.mail.path.text
        recipient = self.envelope.recipients[copy.recipients[0]].path.text
        terms = policy.terms(ruling.campaign, sender)
        token = self.services.random_bytes(TOKEN_OCTETS)
        send = SendIntent(
            mail_key=self.key,
            person=copy.person,
            token=token,
            sender=sender,
            campaign=ruling.campaign,
            rule=ruling.rule,
            footer=ruling.footer,
            ruleset=planned.ruleset if planned is not None else policy.ruleset.id,
            message_id=self.message_id,
            route=self.route,
            address=recipient if policy.store_addresses else None,
            forced=verdict is not None and verdict.reason is Reason.FORCED,
            frequency_days=policy.frequency_days,
            company=terms.company,
            partner=terms.partner,
            footer_hash=terms.footers.get(ruling.footer),
            matching=terms.hashes(recipient) if terms.hashes is not None else (),
            alone=self.alone,
        )
        if footer is None or reading.text is None:
            return Built(copy, self.original, send, unlinked=True)
        composer = Composer(
            footer=footer,
            policy=policy,
            treatment=reading.treatment,
            marks=reading.marked.edits,
            link=terms.link,
        )
        return Built(copy, await compose(composer, token, self.services.journal), send, composer)

    def _as_planned(
        self, planned: PlannedCopy, verdict: Verdict | None, footer: FooterPlan | None
    ) -> tuple[Verdict | None, FooterPlan | None]:
        """What was decided now, where it puts in the same footer as was planned; else what was planned."""
        if footer is not None and verdict is not None and verdict.footer == planned.footer:
            return verdict, footer
        if planned.footer not in self.policy.footers:
            return verdict, None
        verdict = Verdict(matched=True, action="inject", rule=planned.rule, footer=planned.footer)
        return verdict, place(self.reading, verdict, self.policy).footer
