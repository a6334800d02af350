"""One mail, as the gateway would relay it: the same reading, verdict, footer and check, and no ledger.

What differs from a mail on the wire: the token is a sample, the candidate is whoever is named, and nothing is
remembered. With `always` the rules and the test for candidates are not asked; every other reason to leave the
mail alone holds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.cli.rewriting.envelope import envelope_of
from gateway.cli.rewriting.leaves import Edited, edited_leaves
from gateway.config import (
    DEFAULT_ROUTE,
    Config,
    Keys,
    derive_keys,
    embedded_config,
    load_config,
    load_keys,
    read_excluded,
    read_rule_files,
)
from gateway.config.names import in_domains
from gateway.errors import GatewayError, MailUnreadable
from gateway.footer.compose import FooterPlan, prepare_removal
from gateway.message.scan import scan
from gateway.message.text import MailText
from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.service.bundle import Bundle, build_policy, read_signing_keys
from gateway.smtp.envelope import Envelope
from gateway.token import TOKEN_OCTETS
from gateway.transaction.compose import Composer, without_marks
from gateway.transaction.decide import Decision, Reading, decide, read_mail, shipped_footer
from gateway.transaction.policy import Policy

SAMPLE_TOKEN = bytes(TOKEN_OCTETS)
#: Where no config has a key: what is made with it is known again by the next run, and by no gateway.
SAMPLE_KEYS = derive_keys(b"careerrelay rewrite: sample key ")
#: Octets; more than mail systems take. A config's own limit is obeyed where it is lower.
MAX_MAIL = 160 << 20

_NEWLINE = re.compile(rb"\r\n|\r|\n")


class Refused(GatewayError):
    """The gateway would not relay this mail at all."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        super().__init__(f"the gateway would refuse this mail: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What became of one mail.

    Attributes:
        original: the mail as the gateway would get it: line ends are CRLF.
        content: the mail as it would leave, without ``Received:``; `original` itself where nothing changed.
        reason: why it was changed or left alone; `detail` says more, where there is more.
        edited: the leaves that got the footer, or lost a placeholder, in reading order.
        linked: whether it would leave with a footer.
    """

    original: bytes
    content: bytes
    reason: Reason
    sender: str
    recipients: tuple[str, ...]
    detail: str = ""
    verdict: Verdict | None = None
    footer: str = ""
    placement: str = ""
    edited: tuple[Edited, ...] = ()

    linked: bool = False

    @property
    def changed(self) -> bool:
        """Whether it would leave otherwise than it came: with a footer, or without a marker."""
        return self.content is not self.original

    @property
    def parts(self) -> tuple[int, ...]:
        """The edited leaves, numbered in reading order; an embedded message is one leaf."""
        return tuple(each.leaf for each in self.edited)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The same for those who walk into embedded messages, as readers of a report do."""
        return tuple(each.number for each in self.edited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriter:
    """Rewrites mails by one policy.

    `limit` is the size of a mail in octets; `sender_is_own` says that each sender's domain counts as the
    company's, where no config names any; `route` gives the name of the next hop for a sender.
    """

    policy: Policy
    always: bool
    sender_is_own: bool
    limit: int = MAX_MAIL
    route: Callable[[str], str] = lambda _: DEFAULT_ROUTE

    def rewrite(self, raw: bytes, *, sender: str | None, recipients: Sequence[str] | None) -> Rewritten:
        """What would become of `raw`, a mail as it lies in a file.

        `sender` is a mailbox, or empty for the null reverse-path; None takes it from the header. The same
        for `recipients`.

        Raises:
            Refused: the gateway would not take it.
            NoAddress: an address that was given is none.
        """
        original = as_received(raw)
        if self.policy.refuse_bare_newlines and has_bare_newline(raw):
            raise Refused(Reason.DEFECT, "a CR or LF stands alone in it (gateway.bare_newlines)")
        if len(original) > self.limit:
            raise Refused(Reason.SIZE, f"it has {len(original)} octets, and {self.limit} are the limit")
        envelope = envelope_of(original, sender, recipients)
        policy = self.policy_for(envelope)
        reading, decision = self._decide(original, envelope, policy)
        left = Rewritten(
            original=original,
            content=original,
            reason=decision.reason,
            detail=decision.detail,
            verdict=decision.verdict,
            sender=envelope.mail.path.text,
            recipients=tuple(rcpt.path.text for rcpt in envelope.recipients),
        )
        if decision.footer is None or decision.verdict is None or reading.text is None:
            return _cleaned(left, reading, policy)
        try:
            content = compose(reading, decision.footer, policy)
        except MailUnreadable as error:
            return _cleaned(replace(left, reason=error.reason, detail=error.detail), reading, policy)
        return replace(
            left,
            linked=True,
            content=content,
            reason=Reason.FORCED if self.always else decision.reason,
            footer=decision.verdict.footer,
            placement=decision.footer.placement,
            edited=edited_leaves(reading.message, decision.footer, scan(content)),
        )

    def policy_for(self, envelope: Envelope) -> Policy:
        """The policy for a mail: without a config the sender's domain counts as own."""
        if not self.sender_is_own:
            return self.policy
        domains = (envelope.mail.path.domain.decode("utf-8", "replace"),)
        return replace(
            self.policy, is_own=lambda address: in_domains(domains, address.rpartition("@")[2].lower())
        )

    def _decide(self, data: bytes, envelope: Envelope, policy: Policy) -> tuple[Reading, Decision]:
        """As in a transaction: by the held head first, and by all of it if that says so."""
        window = policy.window
        complete = len(data) <= window
        reading, decision = self._ask(data if complete else data[:window], envelope, policy, complete)
        if decision.whole:
            reading, decision = self._ask(data, envelope, policy, complete=True)
        return reading, decision

    def _ask(
        self,
        data: bytes,
        envelope: Envelope,
        policy: Policy,
        complete: bool,  # noqa: FBT001 - as read_mail
    ) -> tuple[Reading, Decision]:
        candidates = frozenset(range(len(envelope.recipients) or 1)) if self.always else None
        reading = read_mail(
            data,
            complete=complete,
            envelope=envelope,
            policy=policy,
            route=self.route(envelope.mail.path.text),
            candidates=candidates,
        )
        if reading.looping:
            raise Refused(Reason.LOOP, "it has been here before, or has too many Received: fields")
        verdict = forced_verdict(reading.text) if self.always else None
        return reading, decide(reading, envelope, policy, verdict=verdict)


def make_rewriter(
    config_path: Path | None, *, always: bool, rules: Path | None = None
) -> tuple[Rewriter, tuple[str, ...]]:
    """The rewriter for a config, or for the shipped rules and footers without one; and what is to be told.

    `rules` is a folder that stands in for the config's, or the shipped one; then its files alone say what a
    rule does. Makes no key file. Raises `ConfigError` with everything that is wrong.
    """
    notes: list[str] = []
    if config_path is None:
        config = embedded_config(Path("/"), {"rules": {"senders": ["*@*"]}})
        keys = SAMPLE_KEYS
    else:
        config = load_config(config_path)
        keys = _keys(config, notes)
    if rules is not None:
        section = config.rules.model_copy(update={"directory": rules, "mode": {}})
        config = config.model_copy(update={"rules": section})
    bundle = Bundle(
        config=config,
        keys=keys,
        files=read_rule_files(config),
        excluded=read_excluded(config),
        signing_keys=read_signing_keys(config),
    )
    policy = build_policy(bundle)
    if always and "policy" not in config.dkim.model_fields_set:
        policy = replace(policy, dkim=replace(policy.dkim, rule="break"))
    size = config.limits.mail_bytes
    rewriter = Rewriter(
        policy=policy,
        always=always,
        sender_is_own=config_path is None,
        limit=min(size, MAX_MAIL) if size else MAX_MAIL,
        route=lambda sender: config.route_for(config.listen[0].label, sender),
    )
    return rewriter, tuple(notes)


def _keys(config: Config, notes: list[str]) -> Keys:
    path = config.gateway.key_file
    if not path.exists():
        notes.append(f"{path}: no key file yet, so X-CareerRelay-Id is made with a sample key")
        return SAMPLE_KEYS
    return load_keys(path, create=False)


def as_received(raw: bytes) -> bytes:
    """The mail of a file as the gateway would have it: every line end is CRLF (SMTP.md rule 24)."""
    return _NEWLINE.sub(b"\r\n", raw) if _has_other_newline(raw) else raw


def has_bare_newline(raw: bytes) -> bool:
    """Whether a CR or LF stands alone, in a file that is not simply one with LF as its line end."""
    return b"\r" in raw and _has_other_newline(raw)


def _has_other_newline(raw: bytes) -> bool:
    pairs = raw.count(b"\r\n")
    return pairs != raw.count(b"\n") or pairs != raw.count(b"\r")


def forced_verdict(text: MailText | None) -> Verdict:
    """The verdict of nobody: to inject the shipped footer of the text's language."""
    return Verdict(matched=False, action="inject", footer=shipped_footer(text), reason=Reason.FORCED)


def compose(reading: Reading, footer: FooterPlan, policy: Policy) -> bytes:
    """The copy's octets, signed. Raises `MailUnreadable` where the check after the edit fails."""
    composer = Composer(footer=footer, policy=policy, treatment=reading.treatment, marks=reading.marked.edits)
    return composer.compose(SAMPLE_TOKEN).octets


def _cleaned(left: Rewritten, reading: Reading, policy: Policy) -> Rewritten:
    """A mail that gets no footer, without the markers in it; a detail tells of those that stay."""
    stays = reading.marked.stays
    try:
        content = without_marks(reading, policy)
    except MailUnreadable as error:
        content, stays = None, f"markers stay in it: {error}"
    if stays:
        left = replace(left, detail="; ".join(filter(None, (left.detail, stays))))
    if content is None:
        return left
    plan = None
    if reading.marked.bodies and reading.text is not None:
        plan = prepare_removal(reading.message, reading.text)
    written = content.octets
    edited = () if plan is None else edited_leaves(reading.message, plan, scan(written))
    return replace(left, content=written, edited=edited)
