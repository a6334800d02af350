"""Why a mail has its verdict: every statement that holds in it, with its place, and the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.cli.judging.judge import Judge, Judgement, Seen
from gateway.cli.rewriting.show import difference, printable
from gateway.message.text import MailText, Prose
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.ruleset import Assessment

#: Characters of the text shown on either side of what a statement found.
AROUND = 24
#: Lines of the difference that are told.
MOST_LINES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One statement that holds, and where: the line of the decoded text, and what stands around it."""

    hit: Hit
    text: str
    line: int
    before: str
    after: str

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        hit = self.hit
        return {
            "kind": hit.kind.value,
            "id": hit.id,
            "strength": strength(hit),
            "weight": hit.weight,
            "where": hit.where,
            "line": self.line,
            "start": hit.start,
            "end": hit.end,
            "text": self.text,
            "context": f"{self.before}{self.text}{self.after}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeing:
    """How one rule sees the mail."""

    assessment: Assessment
    found: tuple[Found, ...]

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        one = self.assessment
        return {
            "rule": one.rule.id,
            "pack": one.rule.pack,
            "action": one.rule.action,
            "score": one.score,
            "threshold": one.rule.threshold,
            "reached": one.reached,
            "scope": {"holds": not one.scope, "fails": one.scope},
            "veto": one.veto,
            "leave": one.leave.value if one.leave is not None else "",
            "evidence": [found.as_json() for found in self.found],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All of it. `rules` are those that saw something, `others` how many saw nothing."""

    name: str
    seen: Seen
    judgement: Judgement
    rules: tuple[Seeing, ...]
    others: int

    @property
    def candidates(self) -> list[str]:
        """The recipients who may get a link."""
        recipients = self.seen.envelope.recipients
        return [recipients[index].path.text for index in sorted(self.seen.reading.candidates)]

    @property
    def difference(self) -> list[str]:
        """What would be changed in the mail, line by line."""
        result = self.judgement.rewritten
        if result is None or not result.changed:
            return []
        return [line for line, _ in zip(difference(result), range(MOST_LINES), strict=False)]

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        envelope = self.seen.envelope
        return {
            "file": self.name,
            **self.judgement.as_json(),
            "detail": self.judgement.detail,
            "from": envelope.mail.path.text,
            "to": [rcpt.path.text for rcpt in envelope.recipients],
            "candidates": self.candidates,
            "rules": [rule.as_json() for rule in self.rules],
            "difference": self.difference,
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """For a person: each line with its colour, empty for none."""
        told = self.judgement.as_json()
        colour = {"inject": "green", "observe": "green", "skip": "yellow"}.get(told["verdict"], "")
        matched = "matched" if told["matched"] else "not matched"
        detail = f" ({printable(self.judgement.detail)})" if self.judgement.detail else ""
        yield f"{printable(self.name)}: {matched}, {told['verdict']}: {told['reason']}{detail}", colour
        envelope = self.seen.envelope
        yield f"  from {printable(envelope.mail.path.text) or '<>'}", ""
        for index, rcpt in enumerate(envelope.recipients):
            candidate = "" if index in self.seen.reading.candidates else ", no candidate"
            yield f"  to   {printable(rcpt.path.text)}{candidate}", ""
        if self.seen.view is None:
            yield "\nAn automatic reply: no rule is asked.", ""
        elif not self.rules:
            yield "\nNo rule saw anything in it.", ""
        for rule in self.rules:
            yield "", ""
            yield from _rule_lines(rule)
        if self.rules and self.others:
            yield f"\nRules that saw nothing: {self.others}", ""
        if self.difference:
            yield "\nWhat would change:", ""
            for line in self.difference:
                yield line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def explain(
    judge: Judge, name: str, raw: bytes, *, sender: str | None, recipients: Sequence[str] | None
) -> Explanation:
    """Explain one mail. Raises `NoAddress`."""
    seen = judge.see(raw, sender=sender, recipients=recipients)
    judgement = judge.judge(raw, sender=sender, recipients=recipients)
    assessments = () if seen.view is None else seen.policy.ruleset.explain(seen.view)
    places = _Places(seen.reading.text)
    rules = tuple(
        Seeing(assessment=one, found=tuple(map(places.find, one.hits))) for one in assessments if one.hits
    )
    total = sum(rule.action != "off" for rule in seen.policy.ruleset.rules)
    return Explanation(
        name=name, seen=seen, judgement=judgement, rules=rules, others=max(0, total - len(rules))
    )


def strength(hit: Hit) -> str:
    """The word of the rule file: strong, weak, against; or the kind of a statement that has none."""
    if hit.kind is not Kind.SIGNAL:
        return hit.kind.value
    return "strong" if hit.unlocks else "weak" if hit.weight > 0 else "against"


def _rule_lines(rule: Seeing) -> Iterator[tuple[str, str]]:
    one = rule.assessment
    reached = "reached" if one.score >= one.rule.threshold - 1e-9 else "not reached"
    yield f"Rule {one.rule.id}: score {one.score:g} of {one.rule.threshold:g}, {reached}", "cyan"
    if not any(found.hit.unlocks for found in rule.found):
        yield "  without a strong signal nothing else counts", "yellow"
    yield f"  scope: {'holds' if not one.scope else f'fails ({one.scope})'}", ""
    if one.veto:
        yield f"  veto: {one.veto}", "red"
    if one.leave is not None:
        yield f"  left alone: {one.leave}", "yellow"
    for found in sorted(rule.found, key=lambda found: -found.hit.weight):
        hit = found.hit
        sign = f"{hit.weight:+g}" if hit.weight else ""
        colour = "green" if hit.weight > 0 else "red"
        place = f"{hit.where}, line {found.line}" if found.line else hit.where
        yield f"  {sign:>5} {strength(hit):9} {hit.id}  ({place})", colour
        before, after = printable(found.before), printable(found.after)
        yield f"        …{before}[{printable(found.text)}]{after}…", ""


class _Places:
    """From positions in normalised text to lines of what the mail says."""

    def __init__(self, text: MailText | None) -> None:
        self._texts: dict[str, tuple[Prose, str]] = {}
        if text is None:
            return
        self._texts["subject"] = (text.subject, "")
        more = [(f"text {number}", body) for number, body in enumerate(text.more, start=1)]
        for where, body in (("plain", text.plain), ("html", text.html), *more):
            if body is not None:
                self._texts[where] = (body.new, body.decoded)
        self._positions: dict[str, Sequence[int]] = {}

    def find(self, hit: Hit) -> Found:
        """Where a statement holds."""
        prose, decoded = self._texts.get(hit.where, (None, ""))
        if prose is None:
            return Found(hit=hit, text=hit.said, line=0, before="", after="")
        line = 0
        if decoded:
            if hit.where not in self._positions:
                self._positions[hit.where] = prose.positions
            line = decoded.count("\n", 0, self._positions[hit.where][hit.start]) + 1
        return Found(
            hit=hit,
            text=prose.text[hit.start : hit.end],
            line=line,
            before=prose.text[max(0, hit.start - AROUND) : hit.start].replace("\n", " "),
            after=prose.text[hit.end : hit.end + AROUND].replace("\n", " "),
        )
