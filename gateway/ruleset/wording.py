"""How a text reads as a whole: many small weights instead of one telling sentence.

A refusal that avoids every usual word still reads like one, and an offer with a regret in it does not. A
*wording* is a list of short runs of words or characters with a weight each, fitted to labelled mails by
``scripts/learn.py`` and kept in a rule file like any other vocabulary. The terms of the rules have weights in
it, too: what a hundred words mean alike need not be learnt a hundred times. It says how likely a text is to
be what its pack looks for; statements with ``wording`` turn that into evidence (`page`).

Theory of operation. Which of the runs stand in subject and text is found in one walk of an Aho-Corasick
automaton; which terms may stand there `reading` knows. Each counts once. The logit is the bias and the mean
of their weights, times the root of their number (the scalar product with a vector of length one, so that a
long text is no surer than a short one). Weights are added as whole numbers: their sum is then the same in
whatever order.

In letters of one template most runs are the same. Which stand in the text apart from some of its lines
(`apart`) and which in those lines and at their edges (`around`) make together what stands in all of it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

import ahocorasick_rs

from gateway.ruleset.lexicon import Place
from gateway.ruleset.patterns import encodable
from gateway.ruleset.scope import language_of
from gateway.ruleset.termset import TermSet

LONGEST = 4_000
"""Characters of a text that are read: the letter, not what hangs below it. Bounds the cost, too."""

FEWEST: Mapping[str, int] = {"en": 7, "ja": 15}
"""Runs that have to be there for an opinion: two words say nothing, nor does a text in another language."""

Language = Literal["ja", "en"]

_UNIT = 1_000_000
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
    return f"{_characters(subject)}|{_characters(text)}"


def _characters(text: str) -> str:
    return "".join(text[:LONGEST].split())


def _words(text: str) -> str:
    """The words of a text, what stands between them one blank."""
    return " ".join(text[:LONGEST].encode("latin-1", "replace").translate(_SPACED).decode("ascii").split())


class Weighed(NamedTuple):
    """What a term adds: its name for people, itself as a set, its weight."""

    name: str
    term: TermSet
    weight: float


class Sum(NamedTuple):
    """How many runs or terms there are, and their weights together, in millionths."""

    number: int
    weight: int


class Wording:
    """One fitted list of runs and terms. Immutable. `language` is that of the texts that it has learnt."""

    __slots__ = (
        "_apart",
        "_bias",
        "_edge",
        "_machine",
        "_runs",
        "_subject",
        "_terms",
        "_weights",
        "language",
    )

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
        self.language = language
        self._bias = bias
        self._runs = tuple(weights)
        self._weights = tuple([_millionths(weight) for weight in weights.values()])
        self._terms = tuple(terms)
        self._subject = tuple(subject)
        runs = [f" {run} " for run in weights] if language == "en" else list(weights)
        held = {*"".join(runs)}
        self._apart = next(sign for sign in map(chr, range(0x110000)) if sign not in held)
        self._edge = max(map(len, runs), default=1) - 1
        self._machine = ahocorasick_rs.AhoCorasick(
            runs,
            matchkind=ahocorasick_rs.MatchKind.Standard,
            store_patterns=False,
            implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        )

    def likelihood(self, subject: str, text: str, *, about: TermSet = 0, held: TermSet = 0) -> float | None:
        """How likely it is, from 0 to 1; None in another language or with too few known runs. Linear.

        `about` are the terms that may stand in the subject, `held` those that may stand in the text.
        """
        if language_of(subject, text) != self.language:
            return None
        return self.opinion(self.sum(self.read(subject, text)), self.terms(about, held))

    def read(self, subject: str, text: str) -> frozenset[int]:
        """The runs that stand in subject and text."""
        return self._found(unrolled(self.language, subject, text))

    def apart(self, subject: str, text: str, places: Sequence[Place]) -> frozenset[int]:
        """Those that stand in subject and text between these places, which are whole lines in their order.

        The text is not longer than `LONGEST`.
        """
        low, pieces = 0, []
        for start, end in places:
            pieces.append(text[low:start])
            low = end
        pieces.append(text[low:])
        first = unrolled(self.language, subject, pieces[0])
        if self.language == "en":
            rest = [f" {_words(piece)} " for piece in pieces[1:]]
        else:
            rest = [_characters(piece) for piece in pieces[1:]]
        return self._found(self._apart.join([first, *rest]))

    def around(self, subject: str, text: str, places: Sequence[Place]) -> frozenset[int] | None:
        """Those that stand in these places or go over their edges, and perhaps some near them.

        None where too much white space stands around them.
        """
        edge = self._edge
        for reach in (edge + edge // 2 + 6, 4 * edge + 40):  # mostly the first is enough
            pieces = self._pieces(subject, text, places, reach)
            if pieces is not None:
                return self._found(self._apart.join(pieces))
        return None

    def _pieces(self, subject: str, text: str, places: Sequence[Place], reach: int) -> list[str] | None:
        """The places with so many characters around them; None where these are too few."""
        edge, length = self._edge, len(text)
        pieces = []
        for start, end in places:
            low, high = start - reach, end + reach
            if self.language == "en":
                before = (
                    _words(text[low:start]) if low > 0 else unrolled("en", subject, text[:start]).rstrip()
                )
                behind = _words(text[end:high])
                within = [part for part in (before, _words(text[start:end]), behind) if part]
                pieces.append(" ".join(within) + " " * (high >= length))
            else:
                before = _characters(text[low:start]) if low > 0 else unrolled("ja", subject, text[:start])
                behind = _characters(text[end:high])
                pieces.append(f"{before}{_characters(text[start:end])}{behind}")
            if (low > 0 and len(before) < edge) or (high < length and len(behind) < edge):
                return None
        return pieces

    def sum(self, runs: Iterable[int]) -> Sum:
        """What runs come to."""
        weights = self._weights
        found = [weights[run] for run in runs]
        return Sum(len(found), sum(found))

    def terms(self, about: TermSet, held: TermSet) -> Sum:
        """What terms come to that may stand in the subject and in the text."""
        found = [_millionths(weight) for _, term, weight in self._terms if term & held]
        found += [_millionths(weight) for _, term, weight in self._subject if term & about]
        return Sum(len(found), sum(found))

    def opinion(self, runs: Sum, terms: Sum) -> float | None:
        """How likely it is with these; None with too few runs."""
        if runs.number < FEWEST[self.language]:
            return None
        logit = self._bias + (runs.weight + terms.weight) / _UNIT / math.sqrt(runs.number + terms.number)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))

    def telling(
        self, subject: str, text: str, most: int, *, about: TermSet = 0, held: TermSet = 0
    ) -> tuple[str, ...]:
        """The `most` runs and terms that count most, whichever way, for `explain`."""
        found = [(self._runs[run], self._weights[run] / _UNIT) for run in sorted(self.read(subject, text))]
        found += [(f"[{name}]", weight) for name, term, weight in self._terms if term & held]
        found += [
            (f"[{name} in the subject]", weight) for name, term, weight in self._subject if term & about
        ]
        found.sort(key=lambda each: -abs(each[1]))
        return tuple(name for name, _ in found[:most])

    def _found(self, line: str) -> frozenset[int]:
        return frozenset(map(_run, self._machine.find_matches_as_indexes(encodable(line), overlapping=True)))


def _millionths(weight: float) -> int:
    return round(weight * _UNIT)
