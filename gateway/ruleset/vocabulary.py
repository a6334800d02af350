"""The terms of all files as one numbered vocabulary, with their words written out."""

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import re2

from gateway.errors import Problem
from gateway.ruleset.lexicon import Entry, Lexicon
from gateway.ruleset.parse import ParsedFile
from gateway.ruleset.schema import TermTable
from gateway.ruleset.spelling import WordError, variants

LONGEST_GAP = 8
"""Largest counted repetition in a pattern: each count is another state in every thread."""

LARGEST_PROGRAM = 400
"""RE2 instructions that one pattern may have. Deterministic, where the lint's measured cost is not."""

_COUNTED = re.compile(r"(?<!\\)\{(\d+)?(?:,(\d+)?)?\}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Word:
    """What a word means. One value for all words of a term that are in no other: there are thousands."""

    terms: Mapping[int, frozenset[str]] = field(default_factory=dict)
    denies: Mapping[int, None] = field(default_factory=dict)
    part: bool = False
    phrase: bool = True
    core: bool = False

    def joined(self, other: "_Word") -> "_Word":
        """What it means where it is both."""
        places = [(term, held) for word in (self, other) for term, held in word.terms.items()]
        terms: dict[int, frozenset[str]] = {}
        for term, held in places:
            terms[term] = terms.get(term, frozenset()) | held
        return _Word(
            terms=terms,
            denies={**self.denies, **other.denies},
            part=self.part or other.part,
            phrase=self.phrase and other.phrase,
            core=self.core or other.core,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The search, and for each of its entries the terms that it stands for in a body and in a subject."""

    lexicon: Lexicon
    in_body: tuple[tuple[int, ...], ...]
    in_subject: tuple[tuple[int, ...], ...]
    denied_by: tuple[tuple[int, ...], ...]


class Vocabulary:
    """Term names to numbers, and the lexicon that finds them. Collects problems as it goes."""

    def __init__(
        self, files: Sequence[ParsedFile], problems: list[Problem], *, torn: Container[str] = ()
    ) -> None:
        """Read the terms of all files; what is wrong is added to `problems` and left out.

        `torn` are the packs of which a file could not be read: what they lack may stand in it, and is no
        problem of its own.
        """
        self._problems = problems
        self.torn = torn
        self._numbers: dict[tuple[str, str], int] = {}
        self._tables: list[tuple[ParsedFile, str, TermTable]] = []
        for file in files:
            for name, table in file.table.terms.items():
                key = (file.pack, name)
                if key in self._numbers:
                    other = self._tables[self._numbers[key]][0].name
                    self._say(file, f"terms.{name}", f"is already in {other}", "rename one, or merge the two")
                    continue
                self._numbers[key] = len(self._tables)
                self._tables.append((file, name, table))
        self._holders = self._closure()
        self._words: dict[tuple[str, bool], _Word] = {}
        self._alone: dict[int, _Word] = {}
        self._joined: dict[tuple[_Word, _Word], _Word] = {}
        for number in range(len(self._tables)):
            self._add(number)
        self._sizes = Counter[int]()
        for word, count in Counter(self._words.values()).items():
            for term in word.terms:
                self._sizes[term] += count

    def _say(self, file: ParsedFile, key: str, message: str, remedy: str) -> None:
        self._problems.append(Problem(file=file.name, key=key, message=message, remedy=remedy))

    def number(self, file: ParsedFile, reference: str) -> int | None:
        """The number of a term as this file names it (``goal``, or ``pack/goal``)."""
        return self._numbers.get((self._pack(file, reference), reference.rpartition("/")[2]))

    @staticmethod
    def _pack(file: ParsedFile, reference: str) -> str:
        pack, slash, _ = reference.rpartition("/")
        return pack if slash else file.pack

    def numbers(self, file: ParsedFile, key: str, references: Sequence[str]) -> tuple[int, ...]:
        """All terms named by `references` (each may join several with ``|``); unknown ones are problems."""
        found: dict[int, None] = {}
        for reference in references:
            for name in reference.split("|"):
                number = self.number(file, name)
                if number is None and self._pack(file, name) not in self.torn:
                    remedy = f"write [terms.{name}] in this pack, or name it as pack/term"
                    self._say(file, key, f"there is no term {name!r}", remedy)
                elif number is not None:
                    found[number] = None
        return tuple(found)

    def is_core(self, number: int, outside: frozenset[int] = frozenset()) -> bool:
        """Is every word of the term a core word: by its own mark or that of a term around or inside it?"""
        if any(self._tables[holder][2].core for holder in self._holders[number]):
            return True
        file, _, table = self._tables[number]
        inner = [self.number(file, name) for name in table.include]
        return (
            bool(inner)
            and not table.words
            and not table.patterns
            and all(found is not None and found not in outside for found in inner)
            and all(found is not None and self.is_core(found, outside | {number}) for found in inner)
        )

    def size(self, number: int) -> int:
        """How many words the term has: a measure of how common it is."""
        return self._sizes[number]

    def label(self, number: int) -> str:
        """The term's name as a person wrote it."""
        file, name, _ = self._tables[number]
        return f"{file.pack}/{name}"

    def lexicon(self) -> "Compiled":
        """The compiled search; for each entry the terms that it stands for, and those that it denies."""
        entries = tuple(
            Entry(text, pattern, not word.part, word.phrase, word.core)
            for (text, pattern), word in self._words.items()
        )
        meant = {word: _meant(word) for word in set(self._words.values())}
        each = [meant[word] for word in self._words.values()]
        return Compiled(
            lexicon=_lexicon(entries),
            in_body=tuple(in_body for in_body, _, _ in each),
            in_subject=tuple(in_subject for _, in_subject, _ in each),
            denied_by=tuple(denied for _, _, denied in each),
        )

    def _closure(self) -> list[dict[int, frozenset[str]]]:
        """For each term: itself and every term that includes it, at any depth, and where it does."""
        direct: list[set[int]] = [set() for _ in self._tables]
        for number, (file, name, table) in enumerate(self._tables):
            for inner in self.numbers(file, f"terms.{name}.include", table.include):
                direct[inner].add(number)
        holders: list[dict[int, frozenset[str]]] = []
        for number, (file, name, table) in enumerate(self._tables):
            seen = {number: frozenset[str](table.where)}
            waiting = [number]
            while waiting:
                inner = waiting.pop()
                for holder in sorted(direct[inner]):
                    if holder == number:
                        self._say(file, f"terms.{name}.include", "includes itself", "break the circle")
                    known = seen.get(holder, frozenset())
                    places = known | (seen[inner] & frozenset(self._tables[holder][2].where))
                    if holder not in seen or places != known:
                        seen[holder] = places
                        waiting.append(holder)
            holders.append(seen)
        return holders

    def _add(self, number: int) -> None:
        file, name, table = self._tables[number]
        key = f"terms.{name}"
        if not (table.words or table.patterns or table.include or table.hide):
            self._say(file, key, "has no words", "add words, patterns or include")
        core = any(self._tables[holder][2].core for holder in self._holders[number])
        for text in self._written(file, f"{key}.words", table.words):
            self._enter(text, number, table, core=core)
        denying = _Word(denies=dict.fromkeys(self._holders[number]))
        for text in self._written(file, f"{key}.hide", table.hide):
            # What is only denied here must not hide the words of other terms: it stays a phrase.
            self._mean(text, denying)
        for pattern in table.patterns:
            if self._pattern_holds(file, f"{key}.patterns", pattern):
                self._enter(pattern, number, table, core=core, pattern=True)

    def _enter(self, text: str, number: int, table: TermTable, *, core: bool, pattern: bool = False) -> None:
        alone = self._alone.get(number)
        if alone is None:
            alone = self._alone[number] = _Word(
                terms=self._holders[number], part=table.part, phrase=table.phrase, core=core
            )
        self._mean(text, alone, pattern=pattern)

    def _mean(self, text: str, word: _Word, *, pattern: bool = False) -> None:
        known = self._words.get((text, pattern))
        if known is not None:
            both = self._joined.get((known, word))
            if both is None:
                both = self._joined[known, word] = known.joined(word)
            word = both
        self._words[text, pattern] = word

    def _written(self, file: ParsedFile, key: str, words: Sequence[str]) -> Iterator[str]:
        for word in words:
            try:
                yield from variants(word, file.table.spellings)
            except WordError as error:
                self._say(file, key, f"{word!r} {error}", "write it as a plain word, or as two")

    def _pattern_holds(self, file: ParsedFile, key: str, pattern: str) -> bool:
        for counted in _COUNTED.finditer(pattern):
            bounds = [int(bound) for bound in counted.groups() if bound]
            if bounds and max(bounds) > LONGEST_GAP:
                self._say(
                    file,
                    key,
                    f"{pattern!r} counts further than {LONGEST_GAP}",
                    "split it into two terms and say how near they stand with `distance` in the signal",
                )
                return False
        try:
            compiled = re2.compile(pattern, _quiet())
        except re2.error as error:
            self._say(
                file,
                key,
                f"{pattern!r} is not RE2: {_text(error)}",
                "mend the pattern (no look-around in RE2)",
            )
            return False
        if compiled.search("") is not None:
            self._say(file, key, f"{pattern!r} matches an empty text", "let it demand at least one character")
            return False
        if compiled.programsize > LARGEST_PROGRAM:
            self._say(
                file, key, f"{pattern!r} is too costly", "split it into several patterns or plain words"
            )
            return False
        return True


@lru_cache(maxsize=2)
def _lexicon(entries: tuple[Entry, ...]) -> Lexicon:
    """The compiled search. Remembered, since a reload that changes no word need not compile it again."""
    return Lexicon(entries)


def _meant(word: _Word) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The terms that it stands for in a body, in a subject, and those that it denies."""
    terms = word.terms.items()
    return (
        tuple([term for term, places in terms if "body" in places]),
        tuple([term for term, places in terms if "subject" in places]),
        tuple(word.denies),
    )


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
