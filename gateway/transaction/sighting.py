"""What the rules found in a mail, held until it is known what becomes of it, then handed on to be kept."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.ruleset.ruleset import Verdict
from gateway.ruleset.snippet import snippets
from gateway.smtp.reply import Reply
from gateway.transaction.decide import Reading
from gateway.transaction.policy import Policy
from gateway.transaction.ports import MailSeen, Safety
from gateway.transaction.report import Journal, MailReport


class Sighting(NamedTuple):
    """Of one mail. Nothing in here raises: it is beside the mail's way (promise 1)."""

    verdict: Verdict
    snippets: tuple[str, ...] = ()

    @classmethod
    def of(cls, reading: Reading, verdict: Verdict, policy: Policy, journal: Journal) -> "Sighting":
        """What is remembered of a mail in which the rules found something."""
        if policy.keep_snippets and verdict.matched and reading.text is not None:
            try:
                return cls(verdict, snippets(policy.ruleset.book, reading.text, verdict))
            except Exception as error:  # noqa: BLE001 - a fault of ours costs the snippets, nothing else
                journal.fault("snippets", error)
        return cls(verdict)

    def tell(self, safety: Safety, report: MailReport, replies: Sequence[Reply]) -> None:
        """The mail is done. One that was put off comes again, and counts then."""
        for reply in replies:
            if reply.code // 100 == 4:
                return
        safety.seen(
            MailSeen(
                mail=report.id,
                message_id=report.message_id,
                sender=report.sender,
                ruleset=report.ruleset,
                verdict=self.verdict,
                reason=report.reason,
                snippets=self.snippets,
            )
        )
