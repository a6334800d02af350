"""What happened to one mail, as a value for the log and the counters; and the port that takes it."""

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.smtp.reply import Reply


class CopyReport(NamedTuple):
    """What became of one recipient.

    `token` is empty for a copy without a link; `fate` as in `gateway.smtp.fold`. `reason`: why a candidate's
    copy has none while others have.
    """

    recipient: str
    token: str
    host: str
    fate: str
    reply: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """What the candidate set says of a mail of which the active one says something else."""

    ruleset: str
    active: Verdict
    candidate: Verdict


@dataclass(slots=True, kw_only=True)
class MailReport:
    """One mail from MAIL to its reply.

    Filled in as the transaction goes on, handed to the journal once, at the end.
    """

    id: str
    peer: str
    listener: str
    route: str
    sender: str
    proven: str = ""
    message_id: str = ""
    octets: int = 0
    reason: Reason = Reason.INTERNAL_FAULT
    detail: str = ""
    rule: str = ""
    score: float = 0.0
    #: What the rules said; None where they were not asked.
    matched: bool | None = None
    ruleset: str = ""
    shadow: ShadowReport | None = None
    copies: list[CopyReport] = field(default_factory=list)
    reply: Reply | None = None
    #: Seconds: taking the content in until the verdict, and from there to the reply.
    held: float = 0.0
    sent: float = 0.0


class Journal(Protocol):
    """Where reports go. Nothing here raises or waits."""

    def mail(self, report: MailReport) -> None:
        """One mail is done: one line in the log, its reason counted."""

    def count(self, name: str) -> None:
        """Count something that has no mail of its own (``edit-check-failed``, ``link-refused``)."""

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Something of ours failed and mail went on all the same."""

    def alarm(self, text: str) -> None:
        """Something that a person has to mend."""
