"""What the rules found in a mail, held until it is known what becomes of it, then handed on to be kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.ruleset.ruleset import Verdict
from gateway.ruleset.snippet import snippets
from gateway.smtp.reply import Reply
from gateway.transaction.context import Services
from gateway.transaction.decide import Decision, Reading
from gateway.transaction.policy import Policy
from gateway.transaction.ports import MailSeen
from gateway.transaction.report import MailReport


@dataclass(slots=True, kw_only=True)
class Sighting:
    """Of one mail. Nothing in here raises: it is beside the mail's way (promise 1)."""

    services: Services
    policy: Policy
    _verdict: Verdict | None = None
    _snippets: tuple[str, ...] = ()

    def note(self, reading: Reading, decision: Decision) -> None:
        """Remember what the rules found, if anything."""
        verdict = decision.verdict
        if verdict is None or not verdict.pages:
            return
        self._verdict = verdict
        if self.policy.keep_snippets and verdict.matched and reading.text is not None:
            try:
                self._snippets = snippets(self.policy.ruleset.book, reading.text, verdict)
            except Exception as error:  # noqa: BLE001 - a fault of ours costs the snippets, nothing else
                self.services.journal.fault("snippets", error)

    def tell(self, report: MailReport, replies: Sequence[Reply]) -> None:
        """The mail is done. One that was put off comes again, and counts then."""
        if self._verdict is None or any(reply.code // 100 == 4 for reply in replies):
            return
        self.services.safety.seen(
            MailSeen(
                mail=report.id,
                message_id=report.message_id,
                sender=report.sender,
                ruleset=report.ruleset,
                verdict=self._verdict,
                reason=report.reason,
                snippets=self._snippets,
            )
        )
