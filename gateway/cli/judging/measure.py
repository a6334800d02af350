"""How right the rules are on labelled mails: precision, recall, F1, over all and by group.

Where nothing was found there is nothing wrong about it: precision is then 1, and recall is 1 where nothing
was to be found.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.judging.labels import Labelled
from gateway.ruleset.ruleset import Verdict

#: Two-sided 95 % of the normal distribution, for Wilson's interval.
_Z = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A labelled mail and what the rules say of it. `fault` is why they could not be asked."""

    mail: Labelled
    verdict: Verdict
    fault: str = ""

    @property
    def right(self) -> bool:
        """Whether the rules say what the label says."""
        return self.verdict.matched == self.mail.positive

    def as_json(self) -> dict[str, Any]:
        """As `rules eval --json` tells of a wrong one."""
        return {
            "file": self.mail.name,
            "label": self.mail.label,
            "matched": self.verdict.matched,
            "rule": self.verdict.rule,
            "score": self.verdict.score,
            "threshold": self.verdict.threshold,
            "reason": self.verdict.reason.value,
            "language": self.mail.language,
            "class": self.mail.kind,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How many mails of a group should match, do match, and both."""

    mails: int
    positive: int
    matched: int
    found: int

    @property
    def precision(self) -> float:
        """Of those that match, the share that should."""
        return self.found / self.matched if self.matched else 1.0

    @property
    def recall(self) -> float:
        """Of those that should match, the share that does."""
        return self.found / self.positive if self.positive else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it, with Wilson's 95 % intervals."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "precision_interval": wilson(self.found, self.matched),
            "recall_interval": wilson(self.found, self.positive),
            "mails": self.mails,
            "positive": self.positive,
            "matched": self.matched,
            "found": self.found,
            "false_positives": self.matched - self.found,
            "missed": self.positive - self.found,
        }


def score(results: Iterable[Result]) -> Score:
    """Count a group."""
    held = list(results)
    return Score(
        mails=len(held),
        positive=sum(one.mail.positive for one in held),
        matched=sum(one.verdict.matched for one in held),
        found=sum(one.verdict.matched and one.mail.positive for one in held),
    )


def by_language(results: Iterable[Result]) -> Mapping[str, Score]:
    """The score of each language, by name."""
    return _grouped((one.mail.language, one) for one in results)


def by_class(results: Iterable[Result]) -> Mapping[str, Score]:
    """The score of each class, by name."""
    return _grouped((one.mail.kind, one) for one in results)


def _grouped(pairs: Iterable[tuple[str, Result]]) -> Mapping[str, Score]:
    groups: dict[str, list[Result]] = {}
    for name, one in pairs:
        groups.setdefault(name, []).append(one)
    return {name: score(groups[name]) for name in sorted(groups)}


def wilson(hits: int, of: int) -> list[float] | None:
    """Wilson's 95 % interval of a share; None where there is nothing to be a share of."""
    if not of:
        return None
    share = hits / of
    base = 1 + _Z**2 / of
    middle = (share + _Z**2 / (2 * of)) / base
    half = _Z * math.sqrt(share * (1 - share) / of + _Z**2 / (4 * of**2)) / base
    return [max(0.0, middle - half), min(1.0, middle + half)]
