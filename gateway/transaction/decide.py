"""Reading and deciding: from the bytes of a mail, or of its held head, to what is to become of it. Pure.

Two steps, since a mail with several recipients is looked up in the ledger between them (SMTP.md rule 21):
`read_mail` sees what kind of mail it is, `decide` asks the rules. Neither changes anything. Whatever they
raise is a fault of ours, and the mail then goes untouched (promise 1).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.dkim.treatment import UNSIGNED, Treatment, treat
from gateway.errors import MailUnreadable
from gateway.footer.compose import FooterPlan, prepare
from gateway.footer.place import Where
from gateway.message.agree import agrees_with_standard_library
from gateway.message.exempt import exemption
from gateway.message.mailboxes import first_mailbox, mailboxes
from gateway.message.scan import Buffer, Message, scan
from gateway.message.text import MailText
from gateway.message.trace import count_marks, count_received, has_own_id
from gateway.reason import Reason
from gateway.ruleset.ruleset import MailView, Verdict
from gateway.ruleset.scope import language_of
from gateway.smtp.envelope import Envelope
from gateway.transaction.markers import NOTHING, Marked, find_marks, may_be_marked
from gateway.transaction.policy import AddressTest, Policy

#: Mail that no rule is asked about, but which is read for markers that have to be taken out.
_CLEANED = frozenset({Reason.NO_CANDIDATE, Reason.SENDER_EXCLUDED})
_WHERE = {where.value: where for where in Where}
#: Valid loop marks at which a mail is refused; with fewer it passes untouched (SMTP.md rule 13).
MARKS_REFUSED = 3


class Reading(NamedTuple):
    """What the bytes and the envelope show before any rule is asked.

    This and `Decision` are named tuples and not dataclasses, since every mail makes them.

    Attributes:
        reason: why the mail goes untouched; None while the rules may still have a say.
        looping: the mail is to be refused with 554 5.4.6.
        candidates: indexes of the recipients that are candidates.
        message, text: what was read; `text` is None where `reason` made reading it needless.
        treatment: who signs the copies, and which signatures they replace.
        marked: what the sender says about this one mail, in its header, subject or text.
    """

    reason: Reason | None
    looping: bool
    candidates: frozenset[int]
    message: Message
    text: MailText | None
    detail: str = ""
    treatment: Treatment = UNSIGNED
    marked: Marked = NOTHING


class Decision(NamedTuple):
    """What is to become of the mail.

    Attributes:
        reason: `Reason.INJECTED` or `Reason.FORCED` if candidates get a link, else why not.
        whole: the mail has to be edited, but only the head was there: decide again when all is.
        footer: where the footer goes, if it does.
    """

    reason: Reason
    verdict: Verdict | None = None
    whole: bool = False
    footer: FooterPlan | None = None
    detail: str = ""

    @property
    def inject(self) -> bool:
        """Whether candidates get a link."""
        return self.footer is not None


def candidates_of(envelope: Envelope, policy: Policy) -> frozenset[int]:
    """The indexes of the recipients that would get a link."""
    found = []
    for index, rcpt in enumerate(envelope.recipients):
        if policy.is_candidate(rcpt.path):
            found.append(index)
    return frozenset(found)


def read_mail(
    data: Buffer,
    *,
    complete: bool,
    envelope: Envelope,
    policy: Policy,
    route: str = "",
    candidates: frozenset[int] | None = None,
) -> Reading:
    """Scan the mail and see whether it is one that the rules may be asked about.

    Args:
        data: the content, unstuffed; the held head of it if not `complete`.
        route: the name of the next hop, which may be one after which mail is signed.
        candidates: indexes of the recipients that would get a link; by default those that the policy says.
    """
    message = scan(data, complete=complete)
    marks = count_marks(message, policy.secrets.mark)
    looping = marks >= MARKS_REFUSED or count_received(message) > policy.max_received
    if candidates is None:
        candidates = candidates_of(envelope, policy)
    blocked = Reason.LOOP if marks else _by_envelope(message, envelope, policy, candidates)
    if blocked is not None and blocked not in _CLEANED:
        return Reading(reason=blocked, looping=looping, candidates=candidates, message=message, text=None)
    text: MailText | None = None
    reason, treatment = _by_kind(message, policy, route)
    detail = str(message.defects[0]) if reason is Reason.DEFECT else ""
    if reason is None and (blocked is None or may_be_marked(message, policy.markers)):
        text = policy.letters.read(message)
        if not complete and not text.complete:
            reason = Reason.WINDOW
        elif text.reason is not None:
            reason = text.reason
        elif not text.bodies:
            reason = Reason.NO_TEXT
        elif has_link(text, policy.prefixes):
            reason = Reason.HAS_LINK
    marked = find_marks(message, text, policy.markers, reason)
    if blocked is not None:
        reason, detail = blocked, ""
    return Reading(
        reason=reason,
        looping=looping,
        candidates=candidates,
        message=message,
        text=text,
        detail=detail,
        treatment=treatment,
        marked=marked,
    )


def _by_kind(message: Message, policy: Policy, route: str) -> tuple[Reason | None, Treatment]:
    """Why a mail of this kind is left alone, and what is done about its signatures."""
    treatment = UNSIGNED
    reason = exemption(message, null_sender=False)
    if reason is None or reason is Reason.DKIM:
        treatment = treat(message, policy.dkim, route)
        reason = None if treatment.allowed else Reason.DKIM
    if reason is None and message.defects:
        reason = Reason.DEFECT
    return reason, treatment


def _by_envelope(
    message: Message, envelope: Envelope, policy: Policy, candidates: frozenset[int]
) -> Reason | None:
    """Why a mail from and to these people is left alone, whatever kind of mail it is."""
    if policy.mode == "off":
        return Reason.MODE_OFF
    if envelope.mail.path.null:
        return Reason.NULL_SENDER
    if not candidates:
        return Reason.NO_CANDIDATE
    if has_own_id(message, policy.secrets.own_id):
        return Reason.OWN_HEADER
    listed = policy.is_excluded_sender
    if listed is not None and _sent_by(message, envelope, listed):
        return Reason.SENDER_EXCLUDED
    return None


def _sent_by(message: Message, envelope: Envelope, listed: AddressTest) -> bool:
    """Whether a list names the sender, by reverse-path or by From field."""
    senders = (envelope.mail.path.text, *mailboxes(message.head.value(b"from") or b""))
    return any(listed(sender) for sender in senders)


def has_link(text: MailText, prefixes: Sequence[str]) -> bool:
    """Whether a link that begins like one of ours stands anywhere in the main text, quotes included."""
    for body in text.bodies:
        for prefix in prefixes:
            if prefix in body.decoded:
                return True
    return False


def decide(
    reading: Reading, envelope: Envelope, policy: Policy, *, verdict: Verdict | None = None
) -> Decision:
    """Ask the rules, and find the place for the footer if they say so. A `verdict` given counts as theirs."""
    # what is edited has to be all there
    whole = not reading.message.complete and reading.marked.cleans
    if reading.reason is not None or reading.text is None:
        return Decision(reading.reason or Reason.NO_TEXT, whole=whole, detail=reading.detail)
    if verdict is None:
        verdict = policy.ruleset.judge(view_of(reading, envelope))
    if reading.marked.off:
        return Decision(Reason.MARKED_OFF, verdict, whole=whole)
    if reading.marked.on and (verdict.action != "inject" or verdict.share < 1):
        verdict = _forced(reading, envelope, policy, verdict)
    if verdict.action != "inject":
        return Decision(verdict.reason, verdict, whole=whole)
    if policy.mode != "inject":
        return Decision(Reason.OBSERVE, verdict, whole=whole)
    if 0 < policy.max_candidates < len(reading.candidates):
        # A mail in a file may name nobody, and yet be asked about as if it did (`rewrite --always`).
        named = envelope.recipients
        candidates = len({named[index].path.text for index in reading.candidates if index < len(named)})
        if candidates > policy.max_candidates:
            detail = f"{candidates} candidates, more than {policy.max_candidates} (max_recipients_per_mail)"
            return Decision(Reason.RECIPIENTS, verdict, whole=whole, detail=detail)
    if not reading.message.complete:
        return Decision(_given(verdict), verdict, whole=True)
    return place(reading, verdict, policy)


def _given(verdict: Verdict) -> Reason:
    return Reason.FORCED if verdict.reason is Reason.FORCED else Reason.INJECTED


def _forced(reading: Reading, envelope: Envelope, policy: Policy, said: Verdict) -> Verdict:
    """The verdict that a sender asks for, if this one may; else that of the rules."""
    if policy.may_force is None or not _sent_by(reading.message, envelope, policy.may_force):
        return said
    footer = policy.force_footer or (said.footer if said.matched else "") or shipped_footer(reading.text)
    if footer not in policy.footers:
        return said
    if not said.matched:
        said = replace(said, rule="", campaign="forced")
    return replace(said, action="inject", footer=footer, reason=Reason.FORCED, share=1.0)


def shipped_footer(text: MailText | None) -> str:
    """The shipped footer in a text's language."""
    texts = [] if text is None else [body.new.text for body in text.bodies]
    if text is not None:
        texts.append(text.subject.text)
    return "default-ja" if language_of(*texts) == "ja" else "default-en"


def place(reading: Reading, verdict: Verdict, policy: Policy) -> Decision:
    """Find the place for the verdict's footer, or the reason why there is none."""
    if reading.text is None:
        return Decision(reason=reading.reason or Reason.NO_TEXT, verdict=verdict)
    if not agrees_with_standard_library(reading.message):
        return Decision(reason=Reason.DISAGREE, verdict=verdict)
    try:
        where = _WHERE[verdict.placement]
        plan = prepare(reading.message, reading.text, policy.footers[verdict.footer], where=where)
    except MailUnreadable as error:
        return Decision(reason=error.reason, verdict=verdict, detail=error.detail)
    return Decision(reason=_given(verdict), verdict=verdict, footer=plan)


def left_by_rules(verdict: Verdict) -> Reason | None:
    """Why the rules themselves leave a mail alone that they match; None where they don't."""
    return verdict.reason if verdict.matched and verdict.action == "none" else None


def view_of(reading: Reading, envelope: Envelope) -> MailView:
    """The mail as the rules see it."""
    if reading.text is None:
        raise ValueError("a mail whose text was not read can't be judged")
    message = reading.message
    candidates = recipients = tuple([rcpt.path.text for rcpt in envelope.recipients])
    if len(reading.candidates) != len(recipients):
        candidates = tuple([recipients[index] for index in sorted(reading.candidates)])
    return MailView(
        text=reading.text,
        sender=envelope.mail.path.text,
        header_from=first_mailbox(message.head.value(b"from") or b""),
        recipients=recipients,
        candidates=candidates,
        header=message.head.value,
        size=len(message.data) if message.complete else None,
    )
