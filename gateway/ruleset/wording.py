"""How a text reads as a whole: many small weights instead of one telling sentence.

A refusal that avoids every usual word still reads like one, and an offer with a regret in it does not. A
*wording* is a list of short runs of words or characters with a weight each, fitted to labelled mails by
``scripts/learn.py`` and kept in a rule file like any other vocabulary. It says how likely a text is to be
what its pack looks for; statements with ``wording`` turn that into evidence (`page`).

Theory of operation. Which of the runs stand in subject and text is found in one walk of an Aho-Corasick
automaton; each counts once. The logit is the bias and the mean of their weights, times the root of their
number (the scalar product with a vector of length one, so that a long text is no surer than a short one).
"""

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Literal

import ahocorasick_rs

from gateway.ruleset.lexicon import encodable
from gateway.ruleset.scope import language_of

LONGEST = 4_000
"""Characters of a text that are read: the letter, not what hangs below it. Bounds the cost, too."""

FEWEST = 50
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


class Wording:
    """One fitted list of runs. Immutable."""

    __slots__ = ("_bias", "_language", "_machine", "_runs", "_weights")

    def __init__(self, *, language: Language, bias: float, weights: Mapping[str, float]) -> None:
        """`weights` has for each run what it adds to the logit (see `unrolled` for what a run is)."""
        self._language = language
        self._bias = bias
        self._runs = tuple(weights)
        self._weights = tuple(weights.values())
        self._machine = ahocorasick_rs.AhoCorasick(
            [f" {run} " for run in weights] if language == "en" else list(weights),
            matchkind=ahocorasick_rs.MatchKind.Standard,
            store_patterns=False,
            implementation=ahocorasick_rs.Implementation.ContiguousNFA,
        )

    def likelihood(self, subject: str, text: str) -> float | None:
        """How likely it is, from 0 to 1; None in another language or with too few known runs. Linear."""
        if language_of(subject, text) != self._language:
            return None
        found = self._found(subject, text)
        if len(found) < FEWEST:
            return None
        logit = self._bias + sum(map(self._weights.__getitem__, found)) / math.sqrt(len(found))
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, logit))))

    def telling(self, subject: str, text: str, most: int) -> tuple[str, ...]:
        """The `most` runs that count most, whichever way, for `explain`."""
        found = sorted(self._found(subject, text), key=lambda run: -abs(self._weights[run]))
        return tuple(self._runs[run] for run in found[:most])

    def _found(self, subject: str, text: str) -> set[int]:
        line = encodable(unrolled(self._language, subject, text))
        return set(map(_run, self._machine.find_matches_as_indexes(line, overlapping=True)))
