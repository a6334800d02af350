"""What is kept of a mail in which the rules found something, and judging it again by another set.

Kept are the names of the statements that held, by text and sentence, with their places: no text. Enough to
judge again with other weights, thresholds and vetoes; not with other words (RULES.md, "Roll-out").
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.reason import Reason
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.pages import written
from gateway.ruleset.ruleset import Assessment, MailView, Ruleset, Verdict
from gateway.ruleset.scope import Scope

_EVERYBODY = Scope(senders=None)


class _NoText:
    """A mail whose text is not there any more."""

    text = ""
    new = quoted = property(lambda self: self)
    subject = property(lambda self: self)
    plain = html = None
    more = ()
    letter = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What a set says of hits that were kept, whoever sent the mail: scope is not judged again."""

    matched: bool
    rule: str
    score: float
    threshold: float
    veto: str = ""
    leave: Reason | None = None


def keep(verdict: Verdict) -> str:
    """The hits of a verdict as JSON; empty where there are none."""
    return written(verdict.pages) if verdict.kept is None else verdict.kept


def signals(kept: str) -> tuple[str, ...]:
    """The names of the statements, each once, in the order in which they were found."""
    return tuple(dict.fromkeys(str(hit[1]) for page in json.loads(kept or "[]") for hit in page))


def judge_again(ruleset: Ruleset, kept: str) -> Again:
    """What the set says of hits that were kept by this or another one.

    Statements that it doesn't have count as if they didn't hold.
    """
    clauses = ruleset.book.clauses
    numbers = {(clause.kind, clause.name): number for number, clause in enumerate(clauses)}
    pages: list[Mapping[int, list[Hit]]] = []
    for page in json.loads(kept or "[]"):
        found: dict[int, list[Hit]] = {}
        for kind, name, where, sentence, start, end in page:
            number = numbers.get((Kind(kind), name))
            if number is not None:
                clause = clauses[number]
                hit = Hit(clause.kind, name, clause.weight, clause.unlocks, where, sentence, start, end)
                found.setdefault(number, []).append(hit)
        if found:
            pages.append(found)
    rules = tuple(replace(rule, scope=_EVERYBODY) for rule in ruleset.rules)
    seen = replace(ruleset, rules=rules).weigh(pages, MailView(text=_NoText(), sender="x"))
    return _best(seen)


def _best(seen: Sequence[Assessment]) -> Again:
    best: Assessment | None = None
    for one in seen:
        if one.hits and (best is None or _rank(one) > _rank(best)):
            best = one
    if best is None:
        return Again(matched=False, rule="", score=0.0, threshold=0.0)
    leave = next((one.leave for one in seen if one.leave and one.reached), None)
    return Again(
        matched=best.reached,
        rule=best.rule.id,
        score=best.score,
        threshold=best.rule.threshold,
        veto=best.veto,
        leave=leave,
    )


def _rank(one: Assessment) -> tuple[bool, float]:
    return one.reached, one.score - one.rule.threshold
