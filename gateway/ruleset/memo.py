"""What was found in letters that read alike: rejections are templates, and most of their lines come again.

Nothing of a mail is kept: a line is known again by a keyed hash of 128 bits (RFC 7693; without a key
nothing is remembered), and of the words in it only their numbers and places are held.

Theory of operation. What a page of a mail shows depends on its lines, on the subject and on the quoted text.
A line is remembered with its *shape*: which words of the lexicon stand in it, how far from each other, and
where its sentences end. Two lines of one shape (``山田様``, ``佐藤様``) are the same to every statement: it
asks for words, their order and their distances, and no word and no sentence goes over the end of a line.
Where something else of a line's text may count, the line itself stands for its shape:

* marks between which a statement does not count (`citation`), our own names, words inside which a sentence
  may end;
* lines so long that they are cut into sentences by their length;
* the line in which the signature begins, or the last one.

What is longer than `MOST_LINES`, or holds a regular expression's match (that could go over lines), is not
remembered at all, nor is how a text reads as a whole (`wording`): that depends on every word. Whoever lets
statements look at more of a text than its words has to say so here; a test
compares what is remembered with what is read.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from gateway.ruleset.evidence import Kind
from gateway.ruleset.lexicon import FIRST_WORD, MOST_FOUND, Match, ends_sentence
from gateway.ruleset.names import named_places
from gateway.ruleset.sentences import LONGEST_SENTENCE, LONGEST_TEXT, signature_start
from gateway.ruleset.termset import TermSet

if TYPE_CHECKING:
    from gateway.ruleset.book import Book

#: Lines of a text that are looked at one by one; a letter has thirty.
MOST_LINES = 200
#: So many unknown lines are read one by one; with more of them all words of the text are looked for at once.
FEW_UNKNOWN = 3
#: How many lines and pages are remembered; when there are more, all are forgotten.
MOST_KNOWN_LINES, MOST_KNOWN_PAGES = 20_000, 2_000

_end = itemgetter(2)

Shape = tuple[object, ...]
Spot = tuple[int, int, int, int]
"""Sentence, line (below zero: the subject), and start and end behind the line's first word."""

Mark = tuple[int, ...]
"""What holds in a page, as numbers: two pages of one mark are weighed alike."""


class Finding(NamedTuple):
    """What was found in a page.

    `number`: its own, never given twice. `about` and `held`: the terms that may stand in the subject and in
    the text. `strong`: is a strong signal among what holds? `places`: by number of the clause, in the order
    of finding, how each of its hits begins and where it is.
    """

    number: int
    about: TermSet
    held: TermSet
    strong: bool
    places: tuple[tuple[int, tuple[Kind, str, float, bool], tuple[Spot, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """`number`: of its shape. `first`: where its first word begins. `words`: how many were found in it."""

    number: int
    first: int
    words: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """By what a page is known again, and where in it each line's first word begins.

    `matches` are the words of the text where they were looked for: to read the page needs them too.
    """

    key: tuple[object, ...]
    firsts: Sequence[int]
    starts: Sequence[int]
    matches: Sequence[Match] | None = None


class Memo:
    """What was found by one `Book`. Everything in it is for that book alone."""

    __slots__ = ("_book", "_key", "_lines", "_marks", "_numbers", "_pages", "_shapes", "_usable")

    def __init__(self, book: "Book", key: bytes | None) -> None:
        """`key` is the secret of the hashes."""
        self._book = book
        self._key = key or b""
        self._marks = frozenset("".join(pair for clause in book.clauses for pair in clause.cited))
        # A word that goes over lines could stand where no single line has it.
        self._usable = bool(key) and not (
            book.lexicon.goes_over_lines or any("\n" in name for name in book.names)
        )
        self._lines: dict[bytes, _Line] = {}
        self._shapes: dict[Shape, int] = {}
        self._pages: dict[tuple[object, ...], Finding] = {}
        self._numbers = count()  # never given twice, so that none means two shapes

    def likeness(self, text: str, *, subject: str, quoted: str) -> Likeness | None:
        """By what a text is known again; None for one that is not to be remembered."""
        if not self._usable or len(text) > LONGEST_TEXT or self._book.lexicon.has_pattern(text):
            return None
        limit = signature_start(text)
        shapes: list[object] = [self._hash(subject), self._hash(quoted) if quoted else b""]
        firsts: list[int] = []
        starts: list[int] = []
        words = start = unknown = 0
        found: list[Match] | None = None
        while True:
            end = text.find("\n", start) + 1 or len(text)
            last = end >= limit
            name = self._hash(text[start:end]) + (b"w" if last else b"")
            line = self._lines.get(name)
            if line is None:
                unknown += 1
                if unknown > FEW_UNKNOWN and found is None:
                    found = self._book.lexicon.matches(text, len(text))
                line = self._learn_line(name, text, start, end, found, whole=last)
            words += line.words
            if len(starts) >= MOST_LINES or words > MOST_FOUND // 2:
                return None
            shapes.append(line.number)
            starts.append(start)
            firsts.append(start + line.first)
            if last:
                shapes += (limit - start, end == len(text))
                return Likeness(tuple(shapes), firsts, starts, found)
            start = end

    def known(self, likeness: Likeness) -> Finding | None:
        """What was found in a page like this one."""
        return self._pages.get(likeness.key)

    def number(self) -> int:
        """One that stands for nothing else that is remembered."""
        return next(self._numbers)

    def learn(self, likeness: Likeness, finding: Finding) -> None:
        """Remember what was found in it."""
        if len(self._pages) >= MOST_KNOWN_PAGES:
            self._pages.clear()
        self._pages[likeness.key] = finding

    def _hash(self, text: str) -> bytes:
        octets = text.encode("utf-8", "surrogatepass")
        return blake2b(octets, digest_size=16, key=self._key).digest()

    def _learn_line(
        self, name: bytes, text: str, start: int, end: int, found: list[Match] | None, *, whole: bool
    ) -> _Line:
        """Read a line; `whole`: the line itself is to stand for its shape.

        `found` are the words of the text, if they have been looked for. No word goes over a line's end, so
        those of the line are among them as the line by itself has them.
        """
        if len(self._lines) >= MOST_KNOWN_LINES:
            self._lines.clear()
            self._shapes.clear()
            self._pages.clear()
        content = text[start:end]
        if found is None:
            here = self._book.lexicon.matches(content, len(content))
        else:
            low, high = bisect_right(found, start, key=_end), bisect_right(found, end, key=_end)
            here = [(word, at - start, stop - start) for word, at, stop in found[low:high]]
        line = self._lines[name] = self._read(content, here, name, whole=whole)
        return line

    def _read(self, text: str, matches: Sequence[Match], name: bytes, *, whole: bool) -> _Line:
        book = self._book
        lexicon = book.lexicon
        words = [match for match in matches if match[0] >= FIRST_WORD]
        first = min((start for _, start, _ in words), default=0)
        shape: Shape = (name,)
        if (
            not whole
            and len(text) <= LONGEST_SENTENCE
            and self._marks.isdisjoint(text)
            and lexicon.crossing.isdisjoint(word for word, _, _ in words)
            and not named_places(text, book.names)
        ):
            shape = tuple(
                (word, start - first, end - first) if word >= FIRST_WORD else -1
                for word, start, end in matches
                if word >= FIRST_WORD or ends_sentence(text, word, end)
            )
        else:
            first = 0
        number = self._shapes.setdefault(shape, next(self._numbers))
        return _Line(number, first, len(matches))
