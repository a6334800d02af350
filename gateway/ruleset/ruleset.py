"""A set of rules, and its verdict on one mail.

What a rule makes of the hits stands in `rule`. It depends on what was found alone, so a mail whose pages were
known again (`memo`) has been weighed before: only its sender, recipients and header fields are new.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

from gateway.errors import Problem
from gateway.reason import Reason
from gateway.ruleset.book import Book
from gateway.ruleset.evidence import Hit
from gateway.ruleset.memo import MOST_KNOWN_PAGES, Likeness, Mark
from gateway.ruleset.page import Page, Subject
from gateway.ruleset.pages import Pages, written
from gateway.ruleset.rule import Rule, Weighed
from gateway.ruleset.scope import Scope, language_of
from gateway.ruleset.templates import Held, LetterLike

Action = Literal["inject", "observe", "none"]


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

    @property
    def letter(self) -> LetterLike | None:
        """The template that it is of, if that was recognised."""


def _no_header(_name: bytes) -> bytes | None:
    return None


class MailView(NamedTuple):
    """What the rules see of a mail. A named tuple and not a dataclass, since every mail makes one.

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

    def language(self) -> str:
        """In which language it is written, see `language_of`."""
        return language_of(self.text.subject.text, *(text for _, text, _ in texts_of(self.text)))


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
    pages: Pages = ()
    #: The same as `kept.keep` writes it, where it was written before: in letters of a template.
    kept: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How one rule sees one mail: for `explain`, and the ground of the verdict."""

    rule: Rule
    score: float
    scope: str
    veto: str
    leave: Reason | None
    #: Is the evidence enough, the scope apart?
    reached: bool
    hits: tuple[Hit, ...]


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
    #: What the rules made of pages that were known again, by their marks.
    _weighed: dict[tuple[Mark | None, ...], list[Weighed]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    #: The verdicts on letters, by what holds in them and what else was asked.
    _verdicts: dict[tuple[object, ...], Verdict] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    #: Each scope once, and the rules that inject for some senders only: all that is asked of who sends.
    _scopes: tuple[Scope, ...] = field(init=False, repr=False, compare=False)
    _partial: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asking = [rule for rule in self.rules if rule.action != "off"]
        scopes: list[Scope] = []
        for rule in asking:
            if rule.scope not in scopes:
                scopes.append(rule.scope)
        object.__setattr__(self, "_scopes", tuple(scopes))
        object.__setattr__(self, "_partial", tuple(rule for rule in asking if rule.action == "partial"))

    def judge(self, mail: MailView) -> Verdict:
        """The verdict on a mail. Never raises for anything that a mail can hold; linear in its text."""
        if not mail.sender:
            return _NULL_SENDER
        letter, templates = mail.text.letter, self.book.templates
        if letter is not None and mail.text.plain is not None:
            held = templates.held(letter, mail.text.subject.text, mail.text.plain.new.text)
            if held is not None:
                return self._of_letter(mail, held)
        texts, subject = texts_of(mail.text), mail.text.subject.text
        known: list[Likeness | None] = []
        has_core, new = False, [subject]
        for _, text, quoted in texts:
            likeness = self.book.memo.recognised(text, subject=subject, quoted=quoted)
            known.append(likeness)
            new.append(text)
            if likeness is not None and likeness.finding is not None and likeness.finding.core:
                has_core = True
        if not has_core and not self.book.lexicon.has_core(*new):
            if letter is not None:
                templates.learn(letter, subject, texts[0][1], None)
            return _NOTHING
        pages = self._find(texts, subject, known)
        if letter is not None:
            templates.learn(letter, subject, texts[0][1], pages[0])
        pages = [page for page in pages if page.hits]
        if not pages:
            return _NOTHING
        found = tuple([page.hits for page in pages])
        return self._decide(mail, self._weigh(found, [page.mark for page in pages]), found)

    def _of_letter(self, mail: MailView, held: Held) -> Verdict:
        """The verdict on a letter in which this holds: one for all of whom the rules think the same."""
        if not held.core or not held.pages:
            return _NOTHING
        key = (
            held.number,
            bool(mail.candidates),
            *[scope.refuses(mail) for scope in self._scopes],
            *[rule.asks(mail.sender, mail.header_from) for rule in self._partial],
        )
        verdict = self._verdicts.get(key)
        if verdict is None:
            if len(self._verdicts) >= MOST_KNOWN_PAGES:
                self._verdicts.clear()
            verdict = self._decide(mail, self._weigh_hits(held.pages), held.pages)
            verdict = self._verdicts[key] = replace(verdict, kept=written(held.pages))
        return verdict

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
        texts = texts_of(mail.text)
        pages = self._find(texts, mail.text.subject.text, [None] * len(texts), telling=True)
        return self.weigh([page.hits for page in pages if page.hits], mail, anyway=True)

    def weigh(self, pages: Pages, mail: MailView, *, anyway: bool = False) -> tuple[Assessment, ...]:
        """The same for hits that are known already, by text, under the numbers of this set's clauses.

        Their weights are taken from the set, not from the hits' makers.
        """
        return tuple(_assess(one, pages, mail) for one in self._weigh_hits(pages, anyway=anyway))

    def _find(
        self,
        texts: Sequence[tuple[str, str, str]],
        about: str,
        known: Sequence[Likeness | None],
        *,
        telling: bool = False,
    ) -> list[Page]:
        """What holds, by text."""
        subject = Subject(self.book, about)
        return [
            Page(
                self.book, subject, where=where, text=text, quoted=quoted, likeness=likeness, telling=telling
            )
            for (where, text, quoted), likeness in zip(texts, known, strict=True)
        ]

    def _weigh(self, pages: Pages, marks: Sequence[Mark | None]) -> list[Weighed]:
        """What the rules make of these pages, remembered where the pages are."""
        key = tuple(marks)
        weighed = self._weighed.get(key)
        if weighed is None:
            weighed = self._weigh_hits(pages)
            if None not in key:
                if len(self._weighed) >= MOST_KNOWN_PAGES:
                    self._weighed.clear()
                self._weighed[key] = weighed
        return weighed

    def _weigh_hits(self, pages: Pages, *, anyway: bool = False) -> list[Weighed]:
        if not pages:
            return []
        clauses = self.book.clauses
        return [rule.weigh(pages, clauses, anyway=anyway) for rule in self.rules if rule.action != "off"]

    def _decide(self, mail: MailView, weighed: Sequence[Weighed], pages: Pages) -> Verdict:
        best: Weighed | None = None
        highest = (False, False, 0.0)
        leave: Reason | None = None
        for one in weighed:
            if not one.grounds:
                continue
            rule = one.rule
            good = one.reached and not rule.scope.refuses(mail)
            if good and leave is None:
                leave = one.leave
            rank = (
                good,
                rule.asks(mail.sender, mail.header_from) == "inject",
                one.score - rule.threshold,
            )
            if best is None or rank > highest:
                best, highest = one, rank
        if best is None:
            return Verdict(matched=False, action="none", pages=pages)
        rule = best.rule
        matched, share = False, 1.0
        action: Action = "none"
        if not highest[0]:
            reason = Reason.VETO if best.veto else Reason.OUT_OF_SCOPE if best.reached else Reason.NO_MATCH
        elif not mail.candidates:
            reason = Reason.NO_CANDIDATE
        elif leave is not None:
            matched, reason = True, leave
        else:
            matched = True
            if rule.action == "partial":
                reason, share = Reason.PARTIAL, rule.share
            else:
                reason = Reason.OBSERVE
            action = "observe"
            if highest[1]:
                action, reason = "inject", Reason.INJECTED
        return Verdict(
            matched=matched,
            action=action,
            rule=rule.id,
            campaign=rule.campaign,
            footer=rule.footer,
            placement=rule.placement,
            score=best.score,
            threshold=rule.threshold,
            reason=reason,
            share=share,
            evidence=best.hits(pages),
            pages=pages,
        )


def _assess(one: Weighed, pages: Pages, mail: MailView) -> Assessment:
    return Assessment(
        rule=one.rule,
        score=one.score,
        scope=one.rule.scope.refuses(mail) if one.grounds else "",
        veto=one.veto,
        leave=one.leave,
        reached=one.reached,
        hits=one.hits(pages),
    )


def texts_of(text: TextLike) -> list[tuple[str, str, str]]:
    """The texts to judge, each with its quoted part; HTML that reads like the plain text is judged once.

    At least one, though there be none in the mail: a subject can say all.
    """
    texts: list[tuple[str, str, str]] = []
    known: list[str] = []
    for where, body in bodies_of(text):
        if body is not None:
            new = body.new.text
            if new not in known:
                known.append(new)
                texts.append((where, new, body.quoted.text))
    return texts or [("plain", "", "")]


def bodies_of(text: TextLike) -> list[tuple[str, BodyLike | None]]:
    """The bodies of a mail, by where a hit says that it is."""
    bodies = [("plain", text.plain), ("html", text.html)]
    if text.more:
        bodies += [(f"text {number}", body) for number, body in enumerate(text.more, start=1)]
    return bodies


def words_of(hit: Hit, text: TextLike) -> str:
    """What stands at the place of a hit; if that speaks of the text as a whole, how sure it is."""
    if hit.where == "subject":
        return text.subject.text[hit.start : hit.end]
    body = dict(bodies_of(text)).get(hit.where)
    return hit.said if body is None else body.new.text[hit.start : hit.end]
