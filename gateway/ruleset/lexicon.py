"""All words and patterns of a rule set, found in one pass, the longest one winning.

Theory of operation. Plain words, nearly all of a lexicon, go into one Aho-Corasick automaton: one walk over
the text gives every word with its place, at a cost that does not depend on how many words there are nor on
how they mix. (One RE2 set over 3,000 words costs the same when its cache is warm, and 2 to 7 ms when a text
mixes words in a way not seen before, since the states of a set are the sets of what has matched so far; and
it gives no places. docs/design.md has the measurement.) What needs a regular expression goes into one RE2
set, whose cost the lint bounds; places are looked up only for the patterns that the set found.

A mail without any core word stops after the walk over the small automaton that holds only those.

Longest match wins: a word that lies inside a longer one is not there (不採用 hides 採用), whichever term
either belongs to. Terms marked `phrase` hide nothing and stand beside the words that they hold; only one that
begins in the middle of a word (合格となり in 不合格となり) is not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import re2

MOST_FOUND = 4096
"""Words looked at in one text. Past it the text is no letter; the rest is not judged."""

HEAD = 256
"""Characters in which a core word is looked for first: most letters that have one have it there."""

MOST_QUICK = 1000
"""Core words for which the quicker form of automaton is worth its memory, some kilobytes a word."""

PATTERN_MEMORY = 32 << 20
"""Bytes that RE2 may use for the states of the pattern set; with its default 1,000 patterns thrash."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789" + "".join(map(chr, range(0xC0, 0x250))))

Place = tuple[int, int]
Found = tuple[int, int, int]
"""Start, end, entry: one word at its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One plain word or pattern, and what it means."""

    text: str
    pattern: bool = False
    whole: bool = True
    phrase: bool = False
    core: bool = False


_ANYWHERE, _LEFT, _RIGHT = 0, 1, 2

SENTENCE_ENDS = (".", "。", "!", "?", "\n")
"""What ends a sentence in normalised text; a Latin full stop only where no letter or digit follows."""

DRAWN = (*(sign * 4 for sign in "-=_*+~#─━═—＝＊☆★◆◇■□●○◎▽▼△▲"), "-- ", "--\n")
"""What a drawn rule holds, as people put above their signature."""

Findings = tuple[list[Found], list[int], bool]
"""The entries in order of start, the positions after the ends of sentences, and is there a drawn rule?"""


class Lexicon:
    """The compiled entries. Entry numbers are positions in the sequence it was made from."""

    __slots__ = (
        "_core",
        "_core_longest",
        "_core_marks",
        "_core_set",
        "_machine",
        "_marks",
        "_numbers",
        "_patterns",
        "_phrase",
        "_set",
        "_words",
        "entries",
    )

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Compile. Raises `ValueError` with RE2's own words for a pattern it cannot read."""
        self.entries = tuple(entries)
        words = [number for number, entry in enumerate(entries) if not entry.pattern]
        core = [number for number in words if entries[number].core]
        self._words = len(words)
        self._marks = [_mark(entries[number]) for number in words]
        self._machine = _machine([*(entries[number].text for number in words), *SENTENCE_ENDS, *DRAWN])
        patterns = [number for number, entry in enumerate(entries) if entry.pattern]
        self._numbers = [*words, *patterns]
        self._phrase = [entries[number].phrase for number in self._numbers]
        self._core_marks = [_mark(entries[number]) for number in core]
        self._core = _machine([entries[number].text for number in core], quick=len(core) <= MOST_QUICK)
        self._core_longest = max((len(entries[number].text) for number in core), default=0)
        self._patterns = [
            (index, _compile(entries[number].text)) for index, number in enumerate(patterns, len(words))
        ]
        self._set = _pattern_set([entries[number].text for number in patterns])
        self._core_set = _pattern_set([entries[number].text for number in patterns if entries[number].core])

    def has_core(self, text: str) -> bool:
        """Does any core word or pattern stand in the text? One inside a longer word counts here."""
        if self._has_core_word(text, 0, HEAD) or (
            len(text) > HEAD and self._has_core_word(text, max(0, HEAD + 1 - self._core_longest), len(text))
        ):
            return True
        return self._core_set is not None and bool(self._core_set.Match(_encodable(text)))

    def _has_core_word(self, text: str, low: int, high: int) -> bool:
        for word, start, end in _walk(self._core, text[low:high]):
            mark = self._core_marks[word]
            if not mark or _stands_alone(text, low + start, low + end, mark):
                return True
        return False

    def find(self, text: str, names: Sequence[str] = ()) -> Findings:
        """Every entry that stands in the text, in order of its start, less what is hidden or inside a name.

        `names` are masked: what touches one of them is not there. The same walk gives the ends of sentences.
        """
        raw: list[Found] = []
        ends: list[int] = []
        drawn = False
        marks, limit = self._marks, self._words
        for word, start, end in _walk(self._machine, text):
            if word < limit:
                # Sorted as they are, these stand in order of start, the longest first.
                if not marks[word] or _stands_alone(text, start, end, marks[word]):
                    raw.append((start, -end, word))
            elif word >= limit + len(SENTENCE_ENDS):
                drawn = True
            elif word > limit or not _goes_on(text, end):
                ends.append(end)
        if self._set is not None:
            raw += self._matched(text)
        raw.sort()
        kept = self._longest(raw[:MOST_FOUND])
        if names:
            kept = _mask(kept, text, names)
        return kept, ends, drawn

    def _matched(self, text: str) -> list[Found]:
        """The places of the patterns that the set finds, as `find` sorts them."""
        text = _encodable(text)
        places: list[Found] = []
        for index in self._set.Match(text) or ():
            number, pattern = self._patterns[index]
            for found, _ in zip(pattern.finditer(text), range(MOST_FOUND), strict=False):
                if found.end() > found.start():
                    places.append((found.start(), -found.end(), number))
        return places

    def _longest(self, raw: Sequence[Found]) -> list[Found]:
        """Drop words inside longer ones, and phrases that begin inside a word."""
        numbers, phrase = self._numbers, self._phrase
        kept: list[Found] = []
        # The furthest end of a word so far, where that word began, and the furthest end of those before it.
        reach, began, before = 0, -1, 0
        for start, minus, word in raw:
            end = -minus
            if start > began:
                before = reach
            if phrase[word]:
                if before <= start:
                    kept.append((start, end, numbers[word]))
                continue
            if end < reach or end <= before or (end == reach and start > began):
                continue
            kept.append((start, end, numbers[word]))
            reach, began = end, start
        return kept

    def describe(self) -> Mapping[str, int]:
        """Sizes, for `status` and the bench."""
        return {"words": self._words, "patterns": len(self._patterns)}


def _stands_alone(text: str, start: int, end: int, mark: int) -> bool:
    """No Latin letter goes on where the word demands an edge."""
    if mark & _LEFT and start and _is_letter(text[start - 1]):
        return False
    return not (mark & _RIGHT and end < len(text) and _is_letter(text[end]))


def _goes_on(text: str, end: int) -> bool:
    """A full stop inside a number, a name or an address."""
    return end < len(text) and text[end] > " " and text[end].isascii()


def _is_letter(character: str) -> bool:
    return character in _LETTERS


def _walk(machine: ahocorasick_rs.AhoCorasick, text: str) -> list[Found]:
    """Every word with its place, as (word, start, end)."""
    try:
        return machine.find_matches_as_indexes(text, overlapping=True)
    except UnicodeEncodeError:
        return machine.find_matches_as_indexes(_encodable(text), overlapping=True)


def _encodable(text: str) -> str:
    """The same text with the same length; half of a surrogate pair, which no word can hold, is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text)
    return text


def _mark(entry: Entry) -> int:
    mark = _ANYWHERE
    if entry.whole:
        mark |= _LEFT if _is_letter(entry.text[0]) else 0
        mark |= _RIGHT if _is_letter(entry.text[-1]) else 0
    return mark


def _mask(found: Sequence[Found], text: str, names: Sequence[str]) -> list[Found]:
    spans: list[Place] = []
    for name in names:
        at = text.find(name) if name else -1
        while at >= 0 and len(spans) < MOST_FOUND:
            spans.append((at, at + len(name)))
            at = text.find(name, at + len(name))
    if not spans:
        return list(found)
    spans.sort()
    kept: list[Found] = []
    first = 0
    for place in found:
        while first < len(spans) and spans[first][1] <= place[0]:
            first += 1
        if not any(span[0] < place[1] and place[0] < span[1] for span in spans[first : first + 4]):
            kept.append(place)
    return kept


def _machine(words: Sequence[str], *, quick: bool = False) -> ahocorasick_rs.AhoCorasick:
    forms = ahocorasick_rs.Implementation
    return ahocorasick_rs.AhoCorasick(
        words,
        matchkind=ahocorasick_rs.MatchKind.Standard,
        store_patterns=False,
        implementation=forms.DFA if quick else forms.ContiguousNFA,
    )


def _options() -> Any:  # noqa: ANN401 - the library has no type information
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY
    return options


def _compile(pattern: str) -> Any:  # noqa: ANN401 - the library has no type information
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        raise ValueError(_words_of(error)) from error


def _words_of(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _pattern_set(patterns: Sequence[str]) -> Any:  # noqa: ANN401 - the library has no type information
    if not patterns:
        return None
    compiled = re2.Set.SearchSet(_options())
    for pattern in patterns:
        compiled.Add(pattern)
    compiled.Compile()
    return compiled
