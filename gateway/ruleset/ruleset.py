"""A set of rules, and its verdict on one mail.

The score of a rule: its strongest strong signal, plus its weak ones up to `weak_cap` (among them, with a
small weight each, other strong ones at other places), less what speaks against and less the objections, each
statement counted once however often it is made. Without a strong signal there is no score. A veto ends it,
unless a signal stands over that veto. The plain and the HTML text are judged each for itself and the higher
score stands, but a veto, an objection or a reason to leave the mail alone counts from either.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from gateway.errors import Problem
from gateway.reason import Reason
from gateway.ruleset.book import Book
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.page import Page, Subject
from gateway.ruleset.scope import AddressPattern, Scope, any_matches, language_of
from gateway.ruleset.sentences import LONGEST_TEXT

Action = Literal["inject", "observe", "none"]

OTHER_STRONG = 0.2
"""What a second strong signal adds: a refusal said twice in two ways is surer than one."""


class ProseLike(Protocol):
    """What judging needs of `message.text.Prose`."""

    @property
    def text(self) -> str:
        """Normalised text."""


class BodyLike(Protocol):
    """What judging needs of `message.text.Body`."""

    @property
    def new(self) -> ProseLike:
        """Newly written text."""

    @property
    def quoted(self) -> ProseLike:
        """Quoted and forwarded text."""


class TextLike(Protocol):
    """What judging needs of `message.text.MailText`."""

    @property
    def subject(self) -> ProseLike:
        """Decoded subject."""

    @property
    def plain(self) -> BodyLike | None:
        """First text/plain."""

    @property
    def html(self) -> BodyLike | None:
        """First text/html."""

    @property
    def more(self) -> Sequence[BodyLike]:
        """What else is shown as the mail's text."""


def _no_header(_name: bytes) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailView:
    """What the rules see of a mail.

    `sender` is the mailbox of the reverse-path without angle brackets (empty: null sender), `header_from`
    that of the From field. `candidates` are those of `recipients` who may get a link. `header` gives the
    unfolded value of the first field of that lower-case name. `size` is None while it is not known.
    """

    text: TextLike
    sender: str
    header_from: str = ""
    recipients: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    header: Callable[[bytes], bytes | None] = _no_header
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say about a mail.

    `matched`: a rule's evidence reaches its threshold within its scope, and there is a candidate. `action`
    is what that rule asks for; ``none`` when nothing matched or a matched mail is left alone for `reason`.
    `share` below 1 asks the plan to give the link to that share of recipients, by keyed hash. `placement`
    says where in a body the footer goes.
    """

    matched: bool
    action: Action
    rule: str = ""
    campaign: str = ""
    footer: str = ""
    placement: Literal["auto", "end", "top"] = "auto"
    score: float = 0.0
    threshold: float = 0.0
    reason: Reason = Reason.NO_MATCH
    share: float = 1.0
    evidence: tuple[Hit, ...] = ()
    #: All that holds, whichever rule asks for it, by text: what can be kept and judged again.
    pages: Sequence[Mapping[int, Sequence[Hit]]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, compiled. `clauses` are the numbers of its statements."""

    id: str
    pack: str
    clauses: frozenset[int]
    threshold: float
    weak_cap: float
    action: Literal["inject", "observe", "partial", "off"]
    partial_senders: tuple[AddressPattern, ...] = ()
    share: float = 1.0
    campaign: str = ""
    footer: str = ""
    placement: Literal["auto", "end", "top"] = "auto"
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How one rule sees one mail: for `explain`, and the ground of the verdict."""

    rule: Rule
    score: float
    scope: str
    veto: str
    leave: Reason | None
    hits: tuple[Hit, ...]

    @property
    def reached(self) -> bool:
        """Is the evidence enough, the scope apart?"""
        return not self.veto and self.score >= self.rule.threshold - 1e-9


_NOTHING = Verdict(matched=False, action="none")
_NULL_SENDER = Verdict(matched=False, action="none", reason=Reason.NULL_SENDER)
_NO_CANDIDATE = Verdict(matched=False, action="none", reason=Reason.NO_CANDIDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """All rules of a snapshot. Immutable; `id` is a short hash of what it was made from."""

    id: str
    rules: tuple[Rule, ...]
    book: Book = field(repr=False)
    warnings: tuple[Problem, ...] = ()

    def judge(self, mail: MailView) -> Verdict:
        """The verdict on a mail. Never raises for anything that a mail can hold; linear in its text."""
        if not mail.sender:
            return _NULL_SENDER
        texts = _texts(mail.text)
        if not self._has_core(texts, mail.text.subject.text):
            return _NOTHING
        found = self._find(mail, texts)
        return self._decide(mail, self._weigh_all(found, mail), found) if found else _NOTHING

    def anybody(self) -> "Ruleset":
        """The same rules for mail of any sender, those that are off included: to test evidence alone."""
        rules = tuple(
            replace(rule, action="observe", scope=replace(rule.scope, senders=None)) for rule in self.rules
        )
        return replace(self, rules=rules)

    def explain(self, mail: MailView) -> tuple[Assessment, ...]:
        """What every rule that is not off sees in the mail, in the order of the rules.

        Also where no strong signal stands and nothing else counts: what there is shows what it lacks.
        """
        found = self._find(mail, _texts(mail.text), telling=True)
        return tuple(self._weigh_all(found, mail, anyway=True))

    def weigh(self, pages: Sequence[Mapping[int, list[Hit]]], mail: MailView) -> tuple[Assessment, ...]:
        """The same for hits that are known already, by text, under the numbers of this set's clauses.

        Their weights are taken from the set, not from the hits' makers.
        """
        return tuple(self._weigh_all(pages, mail))

    def _has_core(self, texts: Iterable[tuple[str, str, str]], subject: str) -> bool:
        lexicon = self.book.lexicon
        if any(lexicon.has_core(text[:LONGEST_TEXT]) for _, text, _ in texts):
            return True
        return bool(subject) and lexicon.has_core(subject[:LONGEST_TEXT])

    def _find(
        self, mail: MailView, texts: Sequence[tuple[str, str, str]], *, telling: bool = False
    ) -> list[Mapping[int, list[Hit]]]:
        subject = Subject(self.book, mail.text.subject.text)
        pages = [
            Page(self.book, subject, where=where, text=text, quoted=quoted, telling=telling)
            for where, text, quoted in texts or [("plain", "", "")]
        ]
        return [page.hits for page in pages if page.hits]

    def _weigh_all(
        self, pages: Sequence[Mapping[int, list[Hit]]], mail: MailView, *, anyway: bool = False
    ) -> list[Assessment]:
        if not pages:
            return []
        return [self._weigh(rule, pages, mail, anyway=anyway) for rule in self.rules if rule.action != "off"]

    def _weigh(
        self, rule: Rule, pages: Sequence[Mapping[int, list[Hit]]], mail: MailView, *, anyway: bool
    ) -> Assessment:
        if all(rule.clauses.isdisjoint(page) for page in pages):
            return Assessment(rule=rule, score=0.0, scope="", veto="", leave=None, hits=())
        best = 0.0
        chosen: tuple[Hit, ...] = ()
        against: dict[str, float] = {}
        vetoes: list[str] = []
        leave: Reason | None = None
        over: set[str] = set()
        shown: list[Hit] = []
        clauses = self.book.clauses
        for page in pages:
            strong: list[Hit] = []
            weak = 0.0
            hits: list[Hit] = []
            for number, made in page.items():
                if number not in rule.clauses:
                    continue
                clause = clauses[number]
                if clause.kind is Kind.SIGNAL and clause.weight > 0:
                    hits += made
                    over |= clause.over_vetoes
                    if clause.unlocks:
                        strong += made
                    else:
                        weak += clause.weight
                    continue
                shown += made
                if clause.kind is Kind.VETO:
                    vetoes.append(made[0].id)
                elif clause.kind is Kind.LEAVE:
                    leave = leave or Reason(clause.reason)
                else:
                    against[made[0].id] = clause.weight
            score = _strong(strong, weak, rule.weak_cap)
            if score > best or (anyway and not chosen):
                best, chosen = score, tuple(hits)
        score = best + sum(against.values()) if best else 0.0
        refused = ""
        if best or anyway:
            refused = rule.scope.refuses(
                senders=tuple(address for address in (mail.sender, mail.header_from) if address),
                recipients=mail.recipients,
                header=mail.header,
                size=mail.size,
                language=lambda: language_of(
                    mail.text.subject.text, *(text[:LONGEST_TEXT] for _, text, _ in _texts(mail.text))
                ),
            )
        return Assessment(
            rule=rule,
            score=round(score, 6),
            scope=refused,
            veto=next((veto for veto in vetoes if veto not in over), ""),
            leave=leave,
            hits=(*chosen, *shown) if best or anyway else (),
        )

    def _decide(
        self, mail: MailView, seen: Sequence[Assessment], pages: Sequence[Mapping[int, Sequence[Hit]]]
    ) -> Verdict:
        best: tuple[tuple[bool, bool, float], Assessment] | None = None
        for assessment in seen:
            if not assessment.hits:
                continue
            good = assessment.reached and not assessment.scope
            rank = (
                good,
                _asks(assessment.rule, mail) == "inject",
                assessment.score - assessment.rule.threshold,
            )
            if best is None or rank > best[0]:
                best = (rank, assessment)
        if best is None:
            return replace(_NOTHING, pages=pages)
        chosen = best[1]
        rule = chosen.rule
        common = {
            "rule": rule.id,
            "campaign": rule.campaign,
            "footer": rule.footer,
            "placement": rule.placement,
            "score": chosen.score,
            "threshold": rule.threshold,
            "evidence": chosen.hits,
            "pages": pages,
        }
        if not best[0][0]:
            reason = (
                Reason.VETO if chosen.veto else Reason.OUT_OF_SCOPE if chosen.reached else Reason.NO_MATCH
            )
            return _verdict(common, matched=False, action="none", reason=reason)
        if not mail.candidates:
            return _verdict(common, matched=False, action="none", reason=Reason.NO_CANDIDATE)
        leave = next((item.leave for item in seen if item.leave and item.reached and not item.scope), None)
        if leave is not None:
            return _verdict(common, matched=True, action="none", reason=leave)
        action = _asks(rule, mail)
        observed = Reason.PARTIAL if rule.action == "partial" else Reason.OBSERVE
        reason = Reason.INJECTED if action == "inject" else observed
        share = rule.share if rule.action == "partial" else 1.0
        return _verdict(common, matched=True, action=action, reason=reason, share=share)


def _strong(hits: Sequence[Hit], weak: float, cap: float) -> float:
    """The strongest hit, and what supports it: weak ones, and other strong ones at another place."""
    if not hits:
        return 0.0
    best = max(hits, key=lambda hit: hit.weight)
    others = {
        hit.id
        for hit in hits
        if hit.sentence != best.sentence or hit.end <= best.start or best.end <= hit.start
    }
    return best.weight + min(weak + OTHER_STRONG * len(others - {best.id}), cap)


def _verdict(common: Mapping[str, object], **values: object) -> Verdict:
    return Verdict(**{**common, **values})  # type: ignore[arg-type]


def _asks(rule: Rule, mail: MailView) -> Literal["inject", "observe"]:
    if rule.action == "inject":
        return "inject"
    if rule.action != "partial":
        return "observe"
    senders = [address for address in (mail.sender, mail.header_from) if address]
    if rule.partial_senders and not any_matches(rule.partial_senders, *senders):
        return "observe"
    return "inject"


def _texts(text: TextLike) -> list[tuple[str, str, str]]:
    """The texts to judge, each with its quoted part; HTML that reads like the plain text is judged once."""
    texts: list[tuple[str, str, str]] = []
    more = [(f"text {number}", body) for number, body in enumerate(text.more, start=1)]
    for where, body in (("plain", text.plain), ("html", text.html), *more):
        if body is not None and not any(body.new.text == known for _, known, _ in texts):
            texts.append((where, body.new.text, body.quoted.text))
    return texts
