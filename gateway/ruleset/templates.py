"""What holds in letters that come with the number of their template: only what changes in them is read.

Theory of operation. Whoever reads a mail may know which template its text is of, and which of its lines
change (`LetterLike`). All others are the same in each of its letters, so that what holds depends on those
that change, and of them on the words and the ends of sentences at their places alone (`exact`), as long as

* none of them holds a mark between which a statement does not count (`citation`), one of our own names, or a
  rule that could be drawn above a signature;
* the signature begins behind them, at the place where it is in the other letters (`sentences`);
* no match of a regular expression that goes over the end of a line touches them or is near (`patterns`).

The first letter with some words at some places in these lines is judged like any other mail. What held in it
is remembered as a *variant* of the template, and holds in each letter with the same words at the same places.
How a text reads as a whole depends on every word: the runs in these lines are looked for each time (`runs`).

Nothing of a mail is kept but numbers of words, and places. Whoever lets statements look at more of a text
than its words has to say so here, too; a test compares what is remembered with what is read.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.ruleset.evidence import Hit
from gateway.ruleset.lexicon import Place
from gateway.ruleset.memo import MOST_KNOWN_PAGES, exact, lines_of
from gateway.ruleset.names import named_places
from gateway.ruleset.pages import Pages
from gateway.ruleset.runs import MOST_KNOWN, Same
from gateway.ruleset.scope import language_of
from gateway.ruleset.sentences import (
    LONGEST_SIGNATURE,
    LONGEST_TEXT,
    RULE_SIGNS,
    draws_rule,
    signature_start,
)
from gateway.ruleset.wording import LONGEST, Sum

if TYPE_CHECKING:
    from gateway.ruleset.book import Book


class LetterLike(Protocol):
    """What is asked of `message.text.Letter`, which says what two letters of a template share."""

    @property
    def template(self) -> int:
        """Its number."""

    @property
    def changing(self) -> Sequence[int]:
        """The lines that are not the same in all of its letters, in their order."""


class PageLike(Protocol):
    """What is asked of `page.Page`."""

    @property
    def hits(self) -> Mapping[int, Sequence[Hit]]:
        """What holds, by number of the clause."""

    @property
    def strong(self) -> bool:
        """Does a strong signal stand?"""

    @property
    def terms(self) -> Sequence[Sum]:
        """What its terms come to in each wording."""


class Held(NamedTuple):
    """What holds in a letter. `number` stands for it and is never given twice.

    `core`: a core word stands in it; without one nothing counts. `pages` has what holds, if anything does.
    """

    number: int
    core: bool
    pages: Pages


class _Variant(NamedTuple):
    """What holds in a text without what is said of it as a whole; and with that, by what is said."""

    core: bool
    hits: Mapping[int, Sequence[Hit]]
    strong: bool
    terms: Sequence[Sum]
    held: dict[tuple[tuple[int, str], ...], Held]


class _Template(NamedTuple):
    """One template, as its first letter shows it.

    `lines` has start and length of those that change. `signature`: where that begins. `near`: they stand so
    near the end that this depends on them. `japanese`: what does not change shows that it is. `same` has by
    wording what is the same, and nothing where the text is too long to tell.
    """

    lines: Sequence[tuple[int, int]]
    signature: int
    near: bool
    japanese: bool
    same: Sequence[Same]
    variants: dict[tuple[object, ...], _Variant]


class Templates:
    """What is known of them by one `Book`."""

    __slots__ = ("_book", "_held", "_odd", "_templates", "_wholes")

    def __init__(self, book: "Book") -> None:
        self._book = book
        self._odd = book.memo.marks | RULE_SIGNS
        self._wholes = frozenset(number for _, numbers in book.wordings for number in numbers)
        # None for a template of which nothing can be said by its number.
        self._templates: dict[int, _Template | None] = {}
        self._held = 0

    def held(self, letter: LetterLike, subject: str, text: str) -> Held | None:
        """What holds in a letter with this text; None where it has to be read."""
        template = self._templates.get(letter.template)
        if template is None:
            return None
        key, places = self._changing(template, text)
        variant = template.variants.get(key)
        if variant is None:
            return None
        book = self._book
        if not variant.core or not book.wordings:
            return variant.held.get(()) or self._hold(variant, ())
        same = template.same if len(text) <= LONGEST else ()

        def sum_of(at: int) -> Sum:
            wording = book.wordings[at][0]
            if not same:
                return wording.sum(wording.read(subject, text))
            return same[at].all(wording, subject, text, places)

        language = "ja" if template.japanese and same else language_of(subject, text)
        opinions = book.opinions(language, sum_of, variant.terms, strong=variant.strong)
        said = tuple([(number, f"{likely:.2f}") for number, likely, _ in opinions])
        return variant.held.get(said) or self._hold(variant, said)

    def learn(self, letter: LetterLike, subject: str, text: str, page: PageLike | None) -> None:
        """Remember what holds in a letter; without a page no core word stands in it."""
        if not self._book.memo.usable or len(text) > LONGEST_TEXT:
            return
        if len(self._templates) >= MOST_KNOWN or self._held >= MOST_KNOWN_PAGES:
            self._templates.clear()
            self._held = 0
        number = letter.template
        if number not in self._templates:
            self._templates[number] = self._first(letter, subject, text)
        template = self._templates[number]
        if template is None:
            return
        key, _ = self._changing(template, text)
        if not key:
            return
        self._held += 1
        if page is None:
            template.variants[key] = _Variant(core=False, hits={}, strong=False, terms=(), held={})
        else:
            hits = {number: made for number, made in page.hits.items() if number not in self._wholes}
            template.variants[key] = _Variant(
                core=True, hits=hits, strong=page.strong, terms=page.terms, held={}
            )

    def _hold(self, variant: _Variant, said: tuple[tuple[int, str], ...]) -> Held:
        clauses = self._book.clauses
        hits = dict(variant.hits)
        for number, how in said:
            hits[number] = [clauses[number].as_a_whole("plain", how)]
        self._held += 1
        held = Held(self._book.memo.number(), variant.core, (hits,) if hits else ())
        variant.held[said] = held
        return held

    def _first(self, letter: LetterLike, subject: str, text: str) -> _Template | None:
        """What its first letter shows of a template; None where lines in or behind the signature change."""
        counting, _ = lines_of(text)
        if any(at >= len(counting) - 1 for at in letter.changing):
            return None
        starts = list(accumulate([len(line) + 1 for line in counting], initial=0))
        lines = [(starts[at], len(counting[at])) for at in letter.changing]
        places = [(start, start + length + 1) for start, length in lines]
        rest = [line for at, line in enumerate(text.split("\n")) if at not in letter.changing]
        return _Template(
            lines=lines,
            signature=signature_start(text),
            near=bool(places) and len(text) - places[-1][1] < LONGEST_SIGNATURE,
            japanese=language_of(subject, "".join(rest)) == "ja",
            same=tuple(
                [
                    Same.of(wording, subject, text, places)
                    for wording, _ in self._book.wordings
                    if len(text) <= LONGEST
                ]
            ),
            variants={},
        )

    def _changing(self, template: _Template, text: str) -> tuple[tuple[object, ...], list[Place]]:
        """By what a letter's variant is known, and where its lines change; empty where it is of none."""
        lexicon = self._book.lexicon
        patterns = lexicon.patterns
        around = patterns.reach + 2  # the ends of the line, and a character behind each for `\b`
        key: list[object] = [len(template.lines)]
        places: list[Place] = []
        moved = 0
        for start, length in template.lines:
            low = start + moved
            high = text.find("\n", low)
            line = text[low:high]
            if high < 0 or not self._is_plain(line):
                return (), places
            near = patterns.matching(text[max(0, low - around) : high + around])
            if near and not patterns.over.isdisjoint(near):
                return (), places
            key += (high - low, exact(line, lexicon.in_line(line) if near else lexicon.words(line)))
            places.append((low, high + 1))
            moved += high - low - length
        if len(text) > LONGEST_TEXT or (
            template.near and signature_start(text) != template.signature + moved
        ):
            return (), places
        return tuple(key), places

    def _is_plain(self, line: str) -> bool:
        """Does nothing of a line count but its words?"""
        if not self._odd.isdisjoint(line) and (
            not self._book.memo.marks.isdisjoint(line) or draws_rule(line)
        ):
            return False
        names = self._book.names
        return not (names and named_places(line, names))
