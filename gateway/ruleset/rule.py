"""One rule, and what it makes of the hits of a mail whoever sent it.

The score of a rule: its strongest strong signal, plus its weak ones up to `weak_cap` (among them, with a
small weight each, other strong ones at other places), less what speaks against and less the objections, each
statement counted once however often it is made. Without a strong signal there is no score. A veto ends it,
unless a signal stands over that veto. The plain and the HTML text are judged each for itself and the higher
score stands, but a veto, an objection or a reason to leave the mail alone counts from either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gateway.reason import Reason
from gateway.ruleset.clause import Clause
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.pages import Pages
from gateway.ruleset.scope import AddressPattern, Scope, any_matches

OTHER_STRONG = 0.2
"""What a second strong signal adds: a refusal said twice in two ways is surer than one."""


class Weighed(NamedTuple):
    """What one rule makes of a mail's hits. Numbers and names only: it may be remembered (`memo`).

    `reached`: is the evidence enough, the scope apart? `grounds` are the hits that count, by page and clause;
    there are none where no strong signal stands.
    """

    rule: "Rule"
    score: float
    veto: str
    leave: Reason | None
    reached: bool
    grounds: tuple[tuple[int, int], ...]

    def hits(self, pages: Pages) -> tuple[Hit, ...]:
        """The hits that count in a mail with these pages."""
        hits: list[Hit] = []
        for page, number in self.grounds:
            hits += pages[page][number]
        return tuple(hits)


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

    def weigh(self, pages: Pages, clauses: Sequence[Clause], *, anyway: bool = False) -> Weighed:
        """What the hits come to; `anyway`: also where no strong signal stands and nothing else counts."""
        best = 0.0
        chosen: list[tuple[int, int]] = []
        against: dict[str, float] = {}
        vetoes: list[str] = []
        leave: Reason | None = None
        over: set[str] = set()
        shown: list[tuple[int, int]] = []
        for at, page in enumerate(pages):
            strong: list[Hit] = []
            weak = 0.0
            counted: list[tuple[int, int]] = []
            for number, made in page.items():
                if number not in self.clauses:
                    continue
                clause = clauses[number]
                if clause.kind is Kind.SIGNAL and clause.weight > 0:
                    counted.append((at, number))
                    over |= clause.over_vetoes
                    if clause.unlocks:
                        strong += made
                    else:
                        weak += clause.weight
                    continue
                shown.append((at, number))
                if clause.kind is Kind.VETO:
                    vetoes.append(clause.name)
                elif clause.kind is Kind.LEAVE:
                    leave = leave or Reason(clause.reason)
                else:
                    against[clause.name] = clause.weight
            score = _strong(strong, weak, self.weak_cap)
            if score > best or (anyway and not chosen):
                best, chosen = score, counted
        score = round(best + sum(against.values()) if best else 0.0, 6)
        veto = next((veto for veto in vetoes if veto not in over), "")
        return Weighed(
            rule=self,
            score=score,
            veto=veto,
            leave=leave,
            reached=not veto and score >= self.threshold - 1e-9,
            grounds=(*chosen, *shown) if best or anyway else (),
        )

    def asks(self, sender: str, header_from: str) -> Literal["inject", "observe"]:
        """What it asks for in the mail of this sender, by reverse-path and by From field."""
        if self.action == "inject":
            return "inject"
        if self.action != "partial":
            return "observe"
        if self.partial_senders and not any_matches(self.partial_senders, sender, header_from):
            return "observe"
        return "inject"


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
