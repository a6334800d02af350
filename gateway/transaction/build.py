"""The copies of a mail with links, built before anything is promised: their bytes, and their intents.

Nothing here writes to the ledger or to the wire. A copy that can't be made is a fault of `build`, and the
caller lets the mail go untouched.
"""

from dataclasses import dataclass

from gateway.errors import MailUnreadable
from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.smtp.envelope import Envelope
from gateway.transaction.compose import Composer, Content, compose_aside
from gateway.transaction.context import Services
from gateway.transaction.decide import Decision, Reading, place
from gateway.transaction.plan import Copy
from gateway.transaction.policy import Policy, Terms
from gateway.transaction.ports import OpenMail, PlannedCopy, SendIntent
from gateway.transaction.report import Journal

TOKEN_OCTETS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
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
            return Built(copy=copy, content=self.original)
        planned = self.opened.copies.get(copy.person) if self.opened else None
        composer, verdict = self._composer(planned)
        token = self.services.random_bytes(TOKEN_OCTETS)
        send = self._intent(copy.person, copy, token, verdict, planned)
        if composer is None:
            return Built(copy=copy, content=self.original, send=send, unlinked=True)
        content = await compose(composer, token, self.services.journal)
        return Built(copy=copy, content=content, send=send, composer=composer)

    def _composer(self, planned: PlannedCopy | None) -> tuple[Composer | None, Verdict | None]:
        verdict, footer = self.decision.verdict, self.decision.footer
        if planned is not None and (footer is None or verdict is None or verdict.footer != planned.footer):
            footer = None
            if planned.footer in self.policy.footers:
                verdict = Verdict(matched=True, action="inject", rule=planned.rule, footer=planned.footer)
                footer = place(self.reading, verdict, self.policy).footer
        if footer is None or self.reading.text is None:
            return None, verdict
        composer = Composer(
            footer=footer,
            policy=self.policy,
            treatment=self.reading.treatment,
            marks=self.reading.marked.edits,
            link=self._terms(planned, verdict).link,
        )
        return composer, verdict

    def _terms(self, planned: PlannedCopy | None, verdict: Verdict | None) -> Terms:
        campaign = planned.campaign if planned else (verdict.campaign if verdict else "")
        return self.policy.terms(campaign, self.envelope.mail.path.text)

    def _intent(
        self, person: bytes, copy: Copy, token: bytes, verdict: Verdict | None, planned: PlannedCopy | None
    ) -> SendIntent:
        recipient = self.envelope.recipients[copy.recipients[0]].path.text
        terms = self._terms(planned, verdict)
        footer = planned.footer if planned else (verdict.footer if verdict else "")
        return SendIntent(
            mail_key=self.key,
            person=person,
            token=token,
            sender=self.envelope.mail.path.text,
            campaign=planned.campaign if planned else (verdict.campaign if verdict else ""),
            rule=planned.rule if planned else (verdict.rule if verdict else ""),
            footer=footer,
            ruleset=planned.ruleset if planned else self.policy.ruleset.id,
            message_id=self.message_id,
            route=self.route,
            address=recipient if self.policy.store_addresses else None,
            frequency_days=self.policy.frequency_days,
            forced=verdict is not None and verdict.reason is Reason.FORCED,
            company=terms.company,
            partner=terms.partner,
            footer_hash=terms.footers.get(footer),
            matching=terms.hashes(recipient) if terms.hashes is not None else (),
            alone=self.alone,
        )


async def compose(composer: Composer, token: bytes, journal: Journal) -> Content:
    """The copy with the link of `token` (16 octets); what goes wrong with it is told to the journal.

    Raises:
        MailUnreadable: it can't be made.
    """
    try:
        content = await compose_aside(composer, token)
    except MailUnreadable as error:
        journal.fault("copy with a link not made", error)
        raise
    if content.fault is not None:
        journal.fault("copy goes unsigned", content.fault)
        journal.count(Reason.SIGNING_FAULT)
    return content
