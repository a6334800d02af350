"""The `Received:` field that every mail gets, with the loop mark (RFC 5321 §4.4; SMTP.md rule 13)."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.message.trace import received_field
from gateway.smtp.envelope import Envelope
from gateway.transaction.context import Services, SessionInfo
from gateway.transaction.policy import Policy


@dataclass(frozen=True, slots=True)
class Trace:
    """Makes the trace fields for the copies of one mail."""

    mail_id: str
    session: SessionInfo
    policy: Policy
    services: Services
    envelope: Envelope

    def received(self, recipients: Sequence[int]) -> bytes:
        """The field for a copy that goes to these recipients.

        It names one only if there is no other (RFC 5321 §7.2).
        """
        only = self.envelope.recipients[recipients[0]].path.raw if len(recipients) == 1 else None
        return received_field(
            helo=self.session.helo,
            peer=self.session.peer,
            hostname=self.policy.hostname,
            protocol=self.session.protocol,
            recipient=only,
            session_id=self.mail_id,
            date=self.services.date(),
            mark_key=self.policy.secrets.mark,
        )
