"""How a text reads as a whole: many small weights instead of one telling sentence.

A refusal that avoids every usual word still reads like one, and an offer with a regret in it does not. A
*wording* is a list of short runs of words or characters with a weight each, fitted to labelled mails by
``scripts/learn.py`` and kept in a rule file like any other vocabulary. The terms of the rules have weights in
it, too: what a hundred words mean alike need not be learnt a hundred times. It says how likely a text is to
be what its pack looks for; statements with ``wording`` turn that into evidence (`page`).

Theory of operation. Which of the runs stand in subject and text is found in one walk of an Aho-Corasick
automaton; which terms may stand there `reading` knows. Each counts once. The logit is the bias and the mean
of their weights, times the root of their number (the scalar product with a vector of length one, so that a
long text is no surer than a short one).
"""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

import ahocorasick_rs

from gateway.ruleset.lexicon import encodable
from gateway.ruleset.scope import language_of
from gateway.ruleset.termset import TermSet

LONGEST = 4_000
"""Characters of a text that are read: the letter, not what hangs below it. Bounds the cost, too."""

FEWEST: Mapping[str, int] = {"en": 7, "ja": 15}
"""Runs that have to be there for an opinion: two words say nothing, nor does a text in another language."""

Language = Literal["ja", "en"]

_run = itemgetter(0)
# Letters and the apostrophe stay, anything else is a blank.
_SPACED = bytes(octet if octet == 0x27 or 0x61 <= octet <= 0x7A else 0x20 for octet in range(256))


def unrolled(language: Language, subject: str, text: str) -> str:
    """Normalised subject and text as the one line in which runs are looked for.

    English words stand between single spaces, with ``;`` between subject and text. Japanese has no words to
    see: its runs are of characters, all white space is gone, and ``|`` stands between the two.
    """
    if language == "en":
        return f" {_words(subject)} ; {_words(text)} "
    return f"{''.join(subject[:LONGEST].split())}|{''.join(text[:LONGEST].split())}"


def _words(text: str) -> str:
    """The words of a text, what stands between them one blank."""
    return " ".join(text[:LONGEST].encode("latin-1", "replace").translate(_SPACED).decode("ascii").split())


class Weighed(NamedTuple):
    """What a term adds: its name for people, itself as a set, its weight."""

    name: str
    term: TermSet
    weight: float


class Wording:
    """One fitted list of runs and terms. Immutable."""

    __slots__ = ("_bias", "_language", "_machine", "_runs", "_subject", "_terms", "_weights")

    def __init__(
        self,
        *,
        language: Language,
        bias: float,
        weights: Mapping[str, float],
        terms: Sequence[Weighed] = (),
        subject: Sequence[Weighed] = (),
    ) -> None:
        """`weights` has for each run what it adds to the logit (see `unrolled` for what a run is).

        `terms` are those that count in a text, `subject` those that count in a subject.
        """
        self._language = language
        self._bias = bias
        self._runs = tuple(weights)
        self._weights = tuple(weights.values())
        self._terms = tuple(terms)
        self._subject = tuple(subject)
        self._machine = ahocorasick_rs.AhoCorasick(
            [f" {run} " for run in weights] if language == "en" else list(weights),
            matchkind=ahocorasick_rs.MatchKind.Standard,
            store_patterns=False,
            implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        )

    def likelihood(self, subject: str, text: str, *, about: TermSet = 0, held: TermSet = 0) -> float | None:
        """How likely it is, from 0 to 1; None in another language or with too few known runs. Linear.

        `about` are the terms that may stand in the subject, `held` those that may stand in the text.
        """
        if language_of(subject, text) != self._language:
            return None
        found = self._found(subject, text)
        if len(found) < FEWEST[self._language]:
            return None
        weights = [self._weights[run] for run in found]
        weights += [weight for _, term, weight in self._terms if term & held]
        weights += [weight for _, term, weight in self._subject if term & about]
        logit = self._bias + sum(weights) / math.sqrt(len(weights))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))

    def telling(
        self, subject: str, text: str, most: int, *, about: TermSet = 0, held: TermSet = 0
    ) -> tuple[str, ...]:
        """The `most` runs and terms that count most, whichever way, for `explain`."""
        found = [(self._runs[run], self._weights[run]) for run in sorted(self._found(subject, text))]
        found += [(f"[{name}]", weight) for name, term, weight in self._terms if term & held]
        found += [
            (f"[{name} in the subject]", weight) for name, term, weight in self._subject if term & about
        ]
        found.sort(key=lambda each: -abs(each[1]))
        return tuple(name for name, _ in found[:most])

    def _found(self, subject: str, text: str) -> set[int]:
        line = encodable(unrolled(self._language, subject, text))
        return set(map(_run, self._machine.find_matches_as_indexes(line, overlapping=True)))
