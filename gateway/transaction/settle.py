"""The end of a mail for several recipients: the failure notice where one is owed, and the fold.

SMTP.md, "Several recipients, one reply", and rule 16.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import NextHopFault
from gateway.smtp.envelope import Envelope
from gateway.smtp.fold import Fate, Notice, Outcome, fold, is_mixed
from gateway.smtp.reply import Reply
from gateway.transaction.context import Services
from gateway.transaction.notice import Failure, compose_notice, envelope_of, wanted
from gateway.transaction.own import send_own
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop

_NOTICES = {Fate.TAKEN: Notice.TAKEN, Fate.REFUSED: Notice.REFUSED}


@dataclass(frozen=True, slots=True)
class Settlement:
    """Finds the one reply for all recipients of a mail.

    It went by `hop`, and `host` (``host:port``) took or refused the copies.
    """

    services: Services
    policy: Policy
    hop: NextHop
    envelope: Envelope
    host: str

    async def reply(
        self, outcomes: Sequence[Outcome], *, original: bytes, complete: bool, earlier: Notice | None
    ) -> tuple[Reply, Notice | None]:
        """The reply to the sender, and what became of the failure notice if one was due.

        Args:
            outcomes: one a recipient of the envelope, in order.
            original: the mail as it came, its header at least; `complete` if it is all of it.
            earlier: the notice's fate in an earlier attempt of the same mail: it is not sent twice.
        """
        if not is_mixed(outcomes):
            return fold(outcomes), None
        failures = wanted(self.envelope.mail, self.envelope.recipients, outcomes)
        if not failures:
            notice = Notice.UNWANTED
        elif earlier in (Notice.TAKEN, Notice.REFUSED):
            notice = earlier
        else:
            notice = await self._send(failures, original, complete=complete)
        names = [recipient.path.text for recipient in self.envelope.recipients]
        return fold(outcomes, notice, names=names), notice

    async def _send(self, failures: Sequence[Failure], original: bytes, *, complete: bool) -> Notice:
        """Send the notice; give what became of it.

        The mail's own place in the pool has been given back, so waiting for one here holds nobody up (SMTP.md
        rule 9).
        """
        hop = self.services.notice_hop(self.hop)
        mail, rcpt = envelope_of(self.envelope.mail)
        content = compose_notice(
            mail=self.envelope.mail,
            failures=failures,
            original=original,
            complete=complete,
            hostname=self.policy.hostname,
            date=self.services.date(),
            unique=self.services.random_bytes(16).hex(),
            from_name=self.policy.notice_from,
            postmaster=self.policy.postmaster,
            next_hop=self.host,
        )
        try:
            (outcome,) = await send_own(hop, mail, (rcpt,), content, self.policy.gateway_refusals)
        except NextHopFault as fault:
            self.services.journal.fault("failure notice", fault)
            return Notice.PUT_OFF
        return _NOTICES.get(outcome.fate, Notice.PUT_OFF)
