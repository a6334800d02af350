"""One text, read as far as somebody asks: what it may hold at a glance, and sentence by sentence exactly.

What the lexicon finds is compared in bulk; which of the words stand (the longest do) is worked out only for
the sentences in which something may hold, a few of a letter's twenty.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import reduce
from operator import itemgetter, or_

from gateway.ruleset.book import Book
from gateway.ruleset.lexicon import FIRST_WORD, Found, Match, Place, ends_sentence
from gateway.ruleset.names import is_named, named_places
from gateway.ruleset.sentences import LONGEST_TEXT, sentence_ends, signature_start
from gateway.ruleset.termset import TermSet

MOST_SENTENCES = 256
"""Sentences looked at in one text; a letter has twenty."""

_start = itemgetter(0)


class Sentence:
    """The words of one sentence in order, and all `terms` that they stand for."""

    __slots__ = ("_places", "_words", "terms")

    def __init__(self, book: Book, words: list[Found]) -> None:
        held = 0
        for _, _, terms in words:
            held |= terms
        if held & book.denier:
            words = _less_denied(words, book)
            held = reduce(or_, [terms for _, _, terms in words])
        self._words = words
        self._places: dict[TermSet, list[Place]] = {}
        self.terms: TermSet = held

    def places(self, terms: TermSet) -> list[Place]:
        """Where the words stand that are one of the terms, in order. Not to be changed."""
        places = self._places.get(terms)
        if places is None:
            places = [(start, end) for start, end, held in self._words if held & terms]
            self._places[terms] = places
        return places

    def begins(self, terms: TermSet, low: int, high: int) -> bool:
        """Does one of the terms begin in [low, high], and end behind `low`?"""
        return any(held & terms and low <= start <= high and end > low for start, end, held in self._words)


class Reading:
    """A text and its words.

    `likely` has for each sentence the terms that may stand in it, `terms` all of them together: more than do
    stand, since of words that lie within each other all count.
    """

    __slots__ = (
        "_book",
        "_breaks",
        "_first",
        "_limit",
        "_matches",
        "_meanings",
        "_named",
        "_sentences",
        "_standing",
        "_stretches",
        "likely",
        "terms",
        "text",
    )

    def __init__(
        self, book: Book, text: str, *, subject: bool = False, matches: Sequence[Match] | None = None
    ) -> None:
        """Find the words of the text, up to its signature and to `LONGEST_TEXT`.

        `matches` are all of its words if they were looked for before.
        """
        self._book = book
        self._meanings = book.in_subject if subject else book.in_body
        self.text = text = text[:LONGEST_TEXT]
        self._limit = signature_start(text)
        if matches is None:
            matches = book.lexicon.matches(text, self._limit)
        if self._limit < len(text):  # what begins in the signature is not there, however far was looked
            matches = [match for match in matches if match[1] < self._limit or match[0] < FIRST_WORD]
        self._matches = matches
        self._sentences: dict[int, Sentence] = {}
        self._standing: dict[int, list[Found]] = {}
        self._named = named_places(text, book.names) if book.names else []
        self._divide()

    def _divide(self) -> None:
        """Find the sentences, and the stretches: no word reaches from one of these into the next."""
        text, meanings = self.text, self._meanings
        stretches: list[int] = []
        first: list[int] = [0]
        likely: list[TermSet] = []
        held = together = 0
        for index, match in enumerate(self._matches):
            word = match[0]
            if word >= FIRST_WORD:
                held |= meanings[word]
            elif ends_sentence(text, word, match[2]):
                stretches.append(match[2])
                first.append(index)
                likely.append(held)
                together |= held
                held = 0
        together |= held
        if not stretches or stretches[-1] < len(text):
            stretches.append(len(text))
            likely.append(held)
        breaks = sentence_ends(stretches)
        if together & self._book.crosser:
            stretches, first, likely = self._joined(stretches, first, likely)
        if breaks is not stretches:
            likely = [likely[bisect_left(stretches, end)] for end in breaks]
        del breaks[min(bisect_left(breaks, self._limit) + 1, MOST_SENTENCES) :]
        self._breaks, self._stretches, self._first = breaks, stretches, first
        self.likely, self.terms = likely[: len(breaks)], together

    def _joined(
        self, stretches: list[int], first: list[int], likely: list[TermSet]
    ) -> tuple[list[int], list[int], list[TermSet]]:
        """The stretches, those over whose ends a word goes joined to one."""
        meanings, crosser = self._meanings, self._book.crosser
        gone: set[int] = set()
        for word, start, end in self._matches:
            if word >= FIRST_WORD and meanings[word] & crosser:
                # What ends a sentence and is nothing else is listed behind that end, as if it went over it.
                low = bisect_right(stretches, start)
                gone.update(range(low, bisect_left(stretches, end + (end == start + 1), low)))
        gone.discard(len(stretches) - 1)
        if not gone:
            return stretches, first, likely
        ends: list[int] = []
        begins: list[int] = []
        terms: list[TermSet] = []
        held = 0
        fresh = True
        for number, end in enumerate(stretches):
            if fresh:
                begins.append(first[number] if number < len(first) else len(self._matches))
            held |= likely[number]
            fresh = number not in gone
            if fresh:
                ends.append(end)
                terms.append(held)
                held = 0
        return ends, begins, terms

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self._breaks)

    def bounds(self, number: int) -> Place:
        """Where a sentence begins and ends."""
        return (self._breaks[number - 1] if number else 0), self._breaks[number]

    def sentence(self, number: int) -> Sentence:
        """One sentence. The signature and our own names are left out."""
        known = self._sentences.get(number)
        if known is None:
            known = self._sentences[number] = Sentence(self._book, self._found(number))
        return known

    def whole(self) -> Sentence:
        """All sentences as one."""
        if len(self) == 1:
            return self.sentence(0)
        return Sentence(self._book, [place for number in range(len(self)) for place in self._found(number)])

    def _found(self, number: int) -> list[Found]:
        """The words that stand in one sentence; none that runs over its end."""
        low, high = self.bounds(number)
        if self._stretches is self._breaks and high <= self._limit:
            return self._stand(number)
        stretch = bisect_left(self._stretches, high)
        if (
            high <= self._limit
            and self._stretches[stretch] == high
            and low == (self._stretches[stretch - 1] if stretch else 0)
        ):
            return self._stand(stretch)
        found = self._standing.get(stretch)
        if found is None:
            found = self._standing[stretch] = self._stand(stretch)
        first = bisect_left(found, low, key=_start)
        last = bisect_left(found, min(high, self._limit), key=_start)
        return [place for place in found[first:last] if place[1] <= high]

    def _stand(self, stretch: int) -> list[Found]:
        """The words that stand in one stretch, without those that touch a name."""
        last = self._first[stretch + 1] if stretch + 1 < len(self._first) else len(self._matches)
        found = self._book.lexicon.standing(self._matches[self._first[stretch] : last], self._meanings)
        if self._named:
            return [place for place in found if not is_named(self._named, place[0], place[1])]
        return found


def _less_denied(words: Sequence[Found], book: Book) -> list[Found]:
    """The words without the terms that others, which they touch, deny them."""
    left = list(words)
    for start, end, meaning in words:
        denied = (meaning & book.denier) >> book.width
        if denied:
            for index, (low, high, terms) in enumerate(left):
                if terms & denied and low < end and high > start:
                    left[index] = (low, high, terms & ~denied)
    return left
