"""All words and patterns of a rule set, found in one pass, the longest one winning.

Theory of operation. Plain words, nearly all of a lexicon, go into one Aho-Corasick automaton: one walk over
the text gives every word with its place, at a cost that does not depend on how many words there are nor on
how they mix. (One RE2 set over 3,000 words costs the same when its cache is warm, and 2 to 7 ms when a text
mixes words in a way not seen before, since the states of a set are the sets of what has matched so far; and
it gives no places. docs/design.md has the measurement.) What needs a regular expression goes into such a set
(`patterns`).

A mail without any core word stops after the walk over the small automaton that holds only those.

The walk only says where words begin and end. `standing` then tells, for as much of a text as somebody asks
about, which of them stand.

Longest match wins: a word that lies inside a longer one is not there (不採用 hides 採用), whichever term
either belongs to. Terms marked `phrase` hide nothing and stand beside the words that they hold; only one that
begins in the middle of a word (合格となり in 不合格となり) is not there.
"""

import re
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

import ahocorasick_rs

from gateway.ruleset.patterns import Patterns, encodable
from gateway.ruleset.sentences import LONGEST_TEXT

MOST_FOUND = 4096
"""Words looked at in one text. Past it the text is no letter; the rest is not judged."""

MOST_QUICK = 4000
"""Core words for which the quicker form of automaton is worth its memory, some kilobytes a word."""

FEW_MATCHED = 24
"""So many matches of patterns are put in their places one by one; with more, all are sorted."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789" + "".join(map(chr, range(0xC0, 0x250))))
_RARE_LETTER = re.compile("[\u0100-\u024f]")

Place = tuple[int, int]
Match = tuple[int, int, int]
"""Word, start, end: what the walk found. Words have numbers of their own, not those of their entries."""

Found = tuple[int, int, int]
"""Start, end, meaning: a word that stands, and what it stands for (see `book`)."""


class Entry(NamedTuple):
    """One plain word or pattern, and what it means. A tuple: there are tens of thousands."""

    text: str
    pattern: bool = False
    whole: bool = True
    phrase: bool = False
    core: bool = False


_ANYWHERE, _LEFT, _RIGHT = 0, 1, 2

_LEFT_EDGE = bytes(_LEFT if chr(octet) in _LETTERS else 0 for octet in range(256))
_RIGHT_EDGE = bytes(_RIGHT if chr(octet) in _LETTERS else 0 for octet in range(256))

SENTENCE_ENDS = (".", "。", "!", "?", "\n")
"""What ends a sentence in normalised text, the first words of each automaton; see `ends_sentence`."""

FIRST_WORD = len(SENTENCE_ENDS)
"""The number of the first word behind them."""

_ENDS = frozenset(SENTENCE_ENDS)
_FULL_STOP = SENTENCE_ENDS.index(".")
_by_end = itemgetter(2, 1, 0)  # as the automaton gives them: of those that end together the longest first


class Lexicon:
    """The compiled entries. Entry numbers are positions in the sequence it was made from."""

    __slots__ = (
        "_apart",
        "_core",
        "_core_marks",
        "_core_patterns",
        "_count",
        "_first_pattern",
        "_machine",
        "_marks",
        "_phrase",
        "crossing",
        "entry_of",
        "first_marked",
        "goes_over_lines",
        "longest",
        "patterns",
    )

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Compile. Raises `ValueError` with RE2's own words for a pattern it cannot read.

        `entry_of` has for each word the position of its entry, or None for the ends of sentences. `longest`
        is the length of the longest plain word, `crossing` are the words inside which a sentence may end.
        Before `first_marked` are the words that stand wherever they are found. `goes_over_lines`: there is a
        plain word that holds the end of a line.
        """
        marks = [_mark(entry) for entry in entries]
        words = [number for number, entry in enumerate(entries) if not entry.pattern]
        words.sort(key=lambda number: marks[number] != _ANYWHERE)
        patterns = [number for number, entry in enumerate(entries) if entry.pattern]
        core = [number for number in words if entries[number].core]
        self._count = len(words)
        self.entry_of: tuple[int | None, ...] = (*(None,) * FIRST_WORD, *words, *patterns)
        self._marks = [*[_ANYWHERE] * FIRST_WORD, *(marks[number] for number in words)]
        self._marks += [_ANYWHERE] * len(patterns)
        self._phrase = [number is not None and entries[number].phrase for number in self.entry_of]
        self._machine = _machine([*SENTENCE_ENDS, *(entries[number].text for number in words)])
        self.first_marked = FIRST_WORD + sum(marks[number] == _ANYWHERE for number in words)
        self.longest = max((len(entries[number].text) for number in words), default=0)
        self.crossing = frozenset(
            word
            for word, number in enumerate(self.entry_of)
            if number is not None and _may_cross(entries[number])
        )
        self.goes_over_lines = any("\n" in entries[number].text for number in words)
        self._core_marks = [marks[number] for number in core]
        self._core = _machine([entries[number].text for number in core], quick=len(core) <= MOST_QUICK)
        held = _LETTERS.union("".join([entries[number].text for number in core]))
        self._apart = next(sign for sign in map(chr, range(0x110000)) if sign not in held)
        self._first_pattern = FIRST_WORD + len(words)
        self.patterns = Patterns([entries[number].text for number in patterns])
        self._core_patterns = Patterns([entries[number].text for number in patterns if entries[number].core])

    def has_core(self, *texts: str, patterns: bool = True) -> bool:
        """Does any core word or pattern stand in what is judged of the texts? One in a longer word counts.

        `patterns`: whether these are looked for. One walk for all texts: each lets other threads in.
        """
        text = self._apart.join([text[:LONGEST_TEXT] for text in texts])
        for word, start, end in _walk(self._core, text):
            mark = self._core_marks[word]
            if not mark or _stands_alone(text, start, end, mark):
                return True
        return patterns and any(self._core_patterns.matching(each[:LONGEST_TEXT]) for each in texts)

    def matches(self, text: str, limit: int) -> list[Match]:
        """Every word that begins before `limit` with its place, in order of its end; some behind it, too.

        The ends of sentences are among them, and no word that a Latin letter goes on where it demands an
        edge. Not yet told: which words stand.
        """
        reach = text if self.patterns or limit >= len(text) else text[: limit + self.longest]
        found = self._with_patterns(self.words(reach), text, 0)
        return found if len(found) <= MOST_FOUND else _first(found)

    def in_line(self, line: str) -> list[Match]:
        """The same for a line that stands between others, without what may go over its ends.

        As many as there are: whoever asks bounds the lines.
        """
        found = self.words(line)
        # `$` does not match before the end of a line.
        return self._with_patterns(found, f"\n{line}\n", 1) if self.patterns else found

    def words(self, text: str) -> list[Match]:
        """The same for plain words alone."""
        found = _walk(self._machine, text)
        if found and max(found)[0] >= self.first_marked:
            marks, (before, behind) = self._marks, _edges(text)
            found = [match for match in found if not marks[match[0]] & (before[match[1]] | behind[match[2]])]
        return found

    def _with_patterns(self, found: list[Match], text: str, behind: int) -> list[Match]:
        """The words that were found, and the matches of patterns in `text`, which begins so much earlier."""
        first = self._first_pattern
        matched = [
            (first + number, start - behind, end - behind)
            for number, start, end in self.patterns.places(text)
        ]
        if len(matched) >= FEW_MATCHED:
            return sorted([*found, *matched], key=_by_end)
        for match in matched:
            insort(found, match, key=_by_end)
        return found

    def standing(self, matches: Iterable[Match], meanings: Sequence[int]) -> list[Found]:
        """Those of the words that stand, in order of their start, the longer one first; with their meaning.

        Not there are words inside longer ones, and phrases that begin inside a word.
        """
        phrase = self._phrase
        placed = [(start, -end, word) for word, start, end in matches if word >= FIRST_WORD]
        placed.sort()
        kept: list[Found] = []
        # The furthest end of a word so far, where that word began, and the furthest end of those before it.
        reach, began, before = 0, -1, 0
        for start, minus, word in placed:
            if start > began:
                before = reach
            if phrase[word]:
                if before <= start:
                    kept.append((start, -minus, meanings[word]))
                continue
            end = -minus
            if end < reach or end <= before or (end == reach and start > began):
                continue
            kept.append((start, end, meanings[word]))
            reach, began = end, start
        return kept

    def describe(self) -> Mapping[str, int]:
        """Sizes, for `status` and the bench."""
        return {"words": self._count, "patterns": len(self.patterns)}


def ends_sentence(text: str, word: int, end: int) -> bool:
    """Is this one of the `SENTENCE_ENDS` the end of one? A full stop inside a number or a name is not."""
    return word != _FULL_STOP or end >= len(text) or text[end] <= " " or not text[end].isascii()


def _first(found: Sequence[Match]) -> list[Match]:
    """The ends of all sentences, and the `MOST_FOUND` words that begin first."""
    ends = [match for match in found if match[0] < FIRST_WORD]
    words = [match for match in found if match[0] >= FIRST_WORD]
    words.sort(key=lambda match: (match[1], -match[2], match[0]))
    return sorted([*ends, *words[:MOST_FOUND]], key=_by_end)


def _edges(text: str) -> tuple[bytes, bytes]:
    """For each position `_LEFT` if a Latin letter stands before it, and `_RIGHT` if one stands at it.

    The same as `_stands_alone` asks, for all words of a text at once.
    """
    if not text.isascii() and _RARE_LETTER.search(text) is not None:
        text = _RARE_LETTER.sub("a", text)
    narrow = text.encode("latin-1", "replace")
    return b"\0" + narrow.translate(_LEFT_EDGE), narrow.translate(_RIGHT_EDGE) + b"\0"


def _stands_alone(text: str, start: int, end: int, mark: int) -> bool:
    """No Latin letter goes on where the word demands an edge."""
    if mark & _LEFT and start and _is_letter(text[start - 1]):
        return False
    return not (mark & _RIGHT and end < len(text) and _is_letter(text[end]))


def _is_letter(character: str) -> bool:
    return character in _LETTERS


def _walk(machine: ahocorasick_rs.AhoCorasick, text: str) -> list[Match]:
    """Every word with its place, in order of its end."""
    try:
        return machine.find_matches_as_indexes(text, overlapping=True)
    except UnicodeEncodeError:
        return machine.find_matches_as_indexes(encodable(text), overlapping=True)


def _may_cross(entry: Entry) -> bool:
    """May a sentence end inside the word? One that is nothing else counts as if it did."""
    text = entry.text
    if entry.pattern or text in SENTENCE_ENDS:
        return True
    return not _ENDS.isdisjoint(text) and any(end in text[:-1] for end in SENTENCE_ENDS)


def _mark(entry: Entry) -> int:
    mark = _ANYWHERE
    if entry.whole:
        mark |= _LEFT if _is_letter(entry.text[0]) else 0
        mark |= _RIGHT if _is_letter(entry.text[-1]) else 0
    return mark


def _machine(words: Sequence[str], *, quick: bool = False) -> ahocorasick_rs.AhoCorasick:
    forms = ahocorasick_rs.Implementation
    return ahocorasick_rs.AhoCorasick(
        words,
        matchkind=ahocorasick_rs.MatchKind.Standard,
        store_patterns=False,
        implementation=forms.DFA if quick else forms.ContiguousNFA,
    )
