"""The verdict on a mail in a file: what the rules say of it, and what would be done.

*Matched* is the rules' word alone: their evidence, their scope, a candidate among the recipients. That a mail
is signed, or suppressed, or cannot be edited, does not change it; an automatic reply or a null sender does.
*What would be done* is the gateway's, so `gateway.cli.rewriting` is asked, which does all but send.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gateway.cli.rewriting.envelope import envelope_of
from gateway.cli.rewriting.mail import Refused, Rewriter, Rewritten, as_received, make_rewriter
from gateway.ledger.person import person_hash
from gateway.message.exempt import exemption
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.reason import Reason
from gateway.ruleset.ruleset import MailView, Verdict
from gateway.smtp.envelope import Envelope
from gateway.transaction.decide import Reading, candidates_of, view_of
from gateway.transaction.plan import in_share
from gateway.transaction.policy import Policy

Done = Literal["inject", "observe", "none", "skip"]

_AUTO_REPLY = Verdict(matched=False, action="none", reason=Reason.AUTO_REPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A mail as the rules see it. `view` is None for an automatic reply, on which they are not asked."""

    reading: Reading
    envelope: Envelope
    policy: Policy
    view: MailView | None

    @property
    def verdict(self) -> Verdict:
        """What the rules say."""
        return _AUTO_REPLY if self.view is None else self.policy.ruleset.judge(self.view)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one mail.

    Attributes:
        said: what the rules say.
        done: inject, observe; skip, which is left alone though it matched; none.
        reason: why.
        rewritten: what would become of it; None where the gateway would refuse it.
    """

    said: Verdict
    done: Done
    reason: Reason
    detail: str = ""
    rewritten: Rewritten | None = None

    def as_json(self) -> dict[str, Any]:
        """What `rules test` tells of it."""
        told = self.said
        if self.rewritten is not None and self.rewritten.verdict is not None and self.done == "inject":
            told = self.rewritten.verdict
        return {
            "matched": self.said.matched,
            "verdict": self.done,
            "rule": told.rule,
            "score": told.score,
            "threshold": told.threshold,
            "reason": self.reason.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges mails by one set of rules, loaded once."""

    rewriter: Rewriter

    def see(self, raw: bytes, *, sender: str | None, recipients: Sequence[str] | None) -> Seen:
        """Read a mail for the rules, as far as it can be read. Raises `NoAddress`."""
        data = as_received(raw)
        envelope = envelope_of(data, sender, recipients)
        policy = self.rewriter.policy_for(envelope)
        message = scan(data)
        reading = Reading(
            reason=None,
            looping=False,
            candidates=candidates_of(envelope, policy),
            message=message,
            text=read_text(message),
        )
        automatic = exemption(message, null_sender=False) is Reason.AUTO_REPLY
        view = None if automatic else view_of(reading, envelope)
        return Seen(reading=reading, envelope=envelope, policy=policy, view=view)

    def say(self, raw: bytes, *, sender: str | None, recipients: Sequence[str] | None) -> Verdict:
        """What the rules say of a mail, and no more: fast. Raises `NoAddress`."""
        return self.see(raw, sender=sender, recipients=recipients).verdict

    def judge(self, raw: bytes, *, sender: str | None, recipients: Sequence[str] | None) -> Judgement:
        """What the rules say, and what would be done. Raises `NoAddress`."""
        seen = self.see(raw, sender=sender, recipients=recipients)
        said = seen.verdict
        try:
            result = self.rewriter.rewrite(raw, sender=sender, recipients=recipients)
        except Refused as refused:
            done: Done = "skip" if said.matched else "none"
            return Judgement(said=said, done=done, reason=refused.reason, detail=str(refused))
        done, reason = _done(said, result)
        if done == "inject" and not self._anybody(seen, result):
            done, reason = "observe", Reason.PARTIAL
        detail = result.detail if reason is result.reason else ""
        return Judgement(said=said, done=done, reason=reason, detail=detail, rewritten=result)

    @staticmethod
    def _anybody(seen: Seen, result: Rewritten) -> bool:
        """Whether a candidate is in the share of a rule that is being rolled out."""
        share = 1.0 if result.verdict is None else result.verdict.share
        key = seen.policy.secrets.person
        recipients = seen.envelope.recipients
        return share >= 1 or any(
            in_share(person_hash(key, recipients[at].path.text), share) for at in seen.reading.candidates
        )


def _done(said: Verdict, result: Rewritten) -> tuple[Done, Reason]:
    if result.linked:
        return "inject", result.reason
    if not said.matched:
        return "none", said.reason
    if result.reason in (Reason.OBSERVE, Reason.PARTIAL):
        return "observe", result.reason
    return "skip", result.reason


def make_judge(config_path: Path | None, *, rules: Path | None = None) -> tuple[Judge, tuple[str, ...]]:
    """The judge by a config, by the rules in a folder, or by the shipped ones; and what is to be told.

    Raises `ConfigError` with everything that is wrong.
    """
    rewriter, notes = make_rewriter(config_path, always=False, rules=rules)
    return Judge(rewriter=rewriter), notes
