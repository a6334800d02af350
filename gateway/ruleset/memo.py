"""What was found in letters that read alike: rejections are templates, and most of their lines come again.

Nothing of a mail is kept: a line is known again by a keyed hash of 128 bits (RFC 7693; without a key
nothing is remembered), and of the words in it only their numbers and places are held.

Theory of operation. What a page of a mail shows depends on its lines, on the subject and on the quoted text.
A line is remembered with its *shape*: which words of the lexicon stand in it, how far from each other, and
where its sentences end. Two lines of one shape (``山田様``, ``佐藤様``) are the same to every statement: it
asks for words, their order and their distances, and no word and no sentence goes over the end of a line.
Where something else of a line's text may count, the line itself stands for its shape:

* marks between which a statement does not count (`citation`), and our own names;
* lines so long that they are cut into sentences by their length;
* the line in which the signature begins, or the last one.

Which lines of a template change from letter to letter shows when one is read line by line: those that were
not known. In the next letter of its size all the others are looked up together, by one hash; if that is known
and holds a core word, no other one is looked for.

Where a sentence may end inside a word, the places of all words and ends together are the shape, and so they
are where a regular expression matches. A text with a match that might go over lines is not remembered at
all, nor is one longer than `MOST_LINES`. How a text reads as a whole (`wording`) depends on every word;
what of that can be remembered `runs` says. Letters that come with the number of their template are known by
that (`templates`). Whoever lets statements look at more of a text than its words has to say so here; a test
compares what is remembered with what is read.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, count
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from gateway.keyed import short_hash
from gateway.ruleset.evidence import Kind
from gateway.ruleset.lexicon import FIRST_WORD, MOST_FOUND, Match, ends_sentence
from gateway.ruleset.names import named_places
from gateway.ruleset.sentences import LONGEST_SENTENCE, LONGEST_TEXT, signature_start
from gateway.ruleset.termset import TermSet
from gateway.ruleset.wording import Sum

if TYPE_CHECKING:
    from gateway.ruleset.book import Book

#: Lines of a text that are looked at one by one; a letter has thirty.
MOST_LINES = 200
#: So many unknown lines are read one by one; with more of them all words of the text are looked for at once,
#: and the letter is of no template.
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

    `number`: its own, never given twice. `core`: a core word stands in the subject or in the lines. `about`
    and `held`: the terms that may stand in the subject and in the text. `strong`: is a strong signal among
    what holds? `terms`: what those that may stand there come to in each wording. `places`: by number of the
    clause, in the order of finding, how each of its hits begins and where it is.
    """

    number: int
    core: bool
    about: TermSet
    held: TermSet
    strong: bool
    terms: tuple[Sum, ...]
    places: tuple[tuple[int, tuple[Kind, str, float, bool], tuple[Spot, ...]], ...]


_Line = tuple[int, int, int]
"""The number of a line's shape, where its first word begins (that which was found first), how many it has."""

_Size = tuple[int, int, int]
"""How many line ends a text has, and how long its subject and quoted text are: a good guess which it is."""


_Tail = tuple[int, int, bool]
"""How far into the last line that counts the text goes on before its signature, how long that line is, and
whether it is the last of the text."""


class _Known(NamedTuple):
    """What is known of a text: the hashes of its subject and of the quoted text; and by line."""

    about: tuple[bytes, bytes]
    lines: Sequence[_Line]


_Template = tuple[bytes, _Size, tuple[int, ...]]
"""By what a template is known again: the hash of what doesn't change, its size, the lines that change."""


class Likeness(NamedTuple):
    """By what a page is known again, where its lines begin, and where in each of them its first word.

    Behind the lines stands in `starts` where the text goes on. `finding` is what was found in a page like it.
    `matches` are the words of the text where they were looked for: to read the page needs them too.
    `template` is that which it is of, if it has been recognised.
    """

    key: tuple[object, ...]
    starts: Sequence[int]
    firsts: Sequence[int]
    finding: Finding | None
    matches: Sequence[Match] | None
    template: _Template | None


class Memo:
    """What was found by one `Book`. Everything in it is for that book alone."""

    __slots__ = (
        "_book",
        "_changing",
        "_key",
        "_lines",
        "_numbers",
        "_pages",
        "_shapes",
        "_templates",
        "marks",
        "usable",
    )

    def __init__(self, book: "Book", key: bytes | None) -> None:
        """`key` is the secret of the hashes. `usable`: may anything be remembered?

        `marks` are those between which some statement does not count.
        """
        self._book = book
        self._key = key or b""
        self.marks = frozenset("".join(pair for clause in book.clauses for pair in clause.cited))
        # A word that goes over lines could stand where no single line has it.
        self.usable = bool(key) and not (
            book.lexicon.goes_over_lines or any("\n" in name for name in book.names)
        )
        self._lines: dict[bytes, _Line] = {}
        self._changing: dict[_Size, tuple[int, ...]] = {}
        self._templates: dict[_Template, _Known] = {}
        self._shapes: dict[Shape, int] = {}
        self._pages: dict[tuple[object, ...], Finding] = {}
        self._numbers = count()  # never given twice, so that none means two shapes

    def recognised(self, text: str, *, subject: str, quoted: str) -> Likeness | None:
        """By what a text is known again, if it is of a template: only lines that change are looked up.

        Costs next to nothing for a text that is of none.
        """
        size = text.count("\n"), len(subject), len(quoted)
        changing = self._changing.get(size)
        if changing is None or len(text) > LONGEST_TEXT or self._book.lexicon.patterns.goes_over_lines(text):
            return None
        lines, tail = lines_of(text)
        if changing and changing[-1] >= len(lines):
            return None
        template = self._rest(lines, changing, subject, quoted), size, changing
        known = self._templates.get(template)
        if known is None:
            return None
        read, last = [*known.lines], len(lines) - 1
        for at in changing:
            line = lines[at]
            name = self.hashed(line) + b"w" if at == last else self.hashed(line)
            read[at] = self._lines.get(name) or self._learn_line(
                name, line, self._book.lexicon.in_line(line), whole=at == last
            )
        return self._likeness(_Known(known.about, read), lines, tail, template=template)

    def likeness(self, text: str, *, subject: str, quoted: str) -> Likeness | None:
        """By what a text is known again, line by line; None for one that is not to be remembered."""
        if not self.usable or len(text) > LONGEST_TEXT or self._book.lexicon.patterns.goes_over_lines(text):
            return None
        lines, tail = lines_of(text)
        if len(lines) > MOST_LINES:
            return None
        lexicon = self._book.lexicon
        read: list[_Line] = []
        fresh: list[int] = []
        found: list[Match] | None = None
        start, last = 0, len(lines) - 1
        for at, line in enumerate(lines):
            name = self.hashed(line) + b"w" if at == last else self.hashed(line)
            known = self._lines.get(name)
            if known is None:
                fresh.append(at)
                if len(fresh) > FEW_UNKNOWN and found is None:
                    found = lexicon.matches(text, len(text))
                here = lexicon.in_line(line) if found is None else _between(found, start, start + len(line))
                known = self._learn_line(name, line, here, whole=at == last)
            read.append(known)
            start += len(line) + 1
        whole = _Known((self.hashed(subject), self.hashed(quoted) if quoted else b""), read)
        if len(fresh) <= FEW_UNKNOWN and len(fresh) < len(lines):
            size = text.count("\n"), len(subject), len(quoted)
            changing = tuple(sorted({*self._changing.get(size, ()), *fresh}))
            if len(changing) > FEW_UNKNOWN or changing[-1:] >= (len(lines),):  # another template of this size
                changing = tuple(fresh)
            template = self._rest(lines, changing, subject, quoted), size, changing
            self._learn_template(template, whole)
        return self._likeness(whole, lines, tail, found=found)

    def _likeness(
        self,
        known: _Known,
        lines: Sequence[str],
        tail: _Tail,
        *,
        found: Sequence[Match] | None = None,
        template: _Template | None = None,
    ) -> Likeness | None:
        numbers, firsts, words = zip(*known.lines, strict=True)
        if sum(words) + len(lines) > MOST_FOUND // 2:
            return None
        starts = list(accumulate([len(line) + 1 for line in lines], initial=0))
        key = known.about, tail, *numbers
        return Likeness(key, starts, firsts, self._pages.get(key), found, template)

    def number(self) -> int:
        """One that stands for nothing else that is remembered."""
        return next(self._numbers)

    def learn(self, likeness: Likeness, finding: Finding) -> None:
        """Remember what was found in it."""
        if len(self._pages) >= MOST_KNOWN_PAGES:
            self._pages.clear()
        self._pages[likeness.key] = finding

    def hashed(self, text: str) -> bytes:
        """By what it is known again: its keyed hash."""
        return short_hash(self._key, text.encode("utf-8", "surrogatepass"))

    def _learn_line(self, name: bytes, line: str, words: Sequence[Match], *, whole: bool) -> _Line:
        """Read a line with these words; `whole`: the line itself is to stand for its shape."""
        if len(self._lines) >= MOST_KNOWN_LINES:
            self._lines.clear()
            self._shapes.clear()
            self._pages.clear()
            self._templates.clear()
            self._changing.clear()
        book = self._book
        shape: list[object] = []
        first, crosses = -1, False
        for word, start, end in words:
            if word >= FIRST_WORD:
                if first < 0:
                    first = start
                crosses = crosses or word in book.lexicon.crossing
                shape.append((word, start - first, end - first))
            elif ends_sentence(line, word, end):
                shape.append(-1)
        if crosses:
            shape, first = [len(line), exact(line, words)], 0
        if (
            whole
            or len(line) >= LONGEST_SENTENCE
            or not self.marks.isdisjoint(line)
            or (book.names and named_places(line, book.names))
        ):
            shape, first = [name], 0
        shaped = tuple(shape)
        number = self._shapes.get(shaped)
        if number is None:
            number = self._shapes[shaped] = next(self._numbers)
        known = self._lines[name] = number, max(first, 0), len(words)
        return known

    def _learn_template(self, template: _Template, known: _Known) -> None:
        if len(self._templates) >= MOST_KNOWN_PAGES:
            self._templates.clear()
            self._changing.clear()
        self._changing[template[1]] = template[2]
        self._templates[template] = known

    def _rest(self, lines: Sequence[str], changing: Sequence[int], subject: str, quoted: str) -> bytes:
        """The hash of a text without the lines that change, of its subject, and of the quoted text."""
        rest = [*lines, subject, quoted]
        for at in changing:
            rest[at] = ""
        return self.hashed("\n".join(rest))


def exact(line: str, words: Sequence[Match]) -> tuple[Match, ...]:
    """The words of a line that stands between others, and the ends of its sentences, at their places."""
    return tuple(
        [match for match in words if match[0] >= FIRST_WORD or ends_sentence(line, match[0], match[2])]
    )


def lines_of(text: str) -> tuple[list[str], _Tail]:
    """The lines up to the one in which the signature begins, that one included, without their ends."""
    limit = signature_start(text)
    end = text.find("\n", max(limit - 1, 0)) + 1 or len(text)
    lines = text[: end - text.endswith("\n", 0, end)].split("\n")
    start = text.rfind("\n", 0, max(end - 1, 0)) + 1
    return lines, (limit - start, end - start, end == len(text))


def _between(matches: Sequence[Match], start: int, end: int) -> list[Match]:
    """Those that end behind `start`, up to `end`, with their places behind `start`.

    No word goes over a line's end, so those of a line are among a text's as the line by itself has them.
    """
    low, high = bisect_right(matches, start, key=_end), bisect_right(matches, end, key=_end)
    return [(word, at - start, stop - start) for word, at, stop in matches[low:high]]
