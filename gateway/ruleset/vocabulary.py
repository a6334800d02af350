"""The terms of all files as one numbered vocabulary, with their words written out."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class _Word:
    terms: dict[int, frozenset[str]] = field(default_factory=dict)
    denies: dict[int, None] = field(default_factory=dict)
    part: bool = False
    phrase: bool = True
    core: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The search, and for each of its entries the terms that it stands for in a body and in a subject."""

    lexicon: Lexicon
    in_body: tuple[tuple[int, ...], ...]
    in_subject: tuple[tuple[int, ...], ...]
    denied_by: tuple[tuple[int, ...], ...]


class Vocabulary:
    """Term names to numbers, and the lexicon that finds them. Collects problems as it goes."""

    def __init__(self, files: Sequence[ParsedFile], problems: list[Problem]) -> None:
        """Read the terms of all files; what is wrong is added to `problems` and left out."""
        self._problems = problems
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
        for number in range(len(self._tables)):
            self._add(number)
        self._sizes = Counter(term for word in self._words.values() for term in word.terms)

    def _say(self, file: ParsedFile, key: str, message: str, remedy: str) -> None:
        self._problems.append(Problem(file=file.name, key=key, message=message, remedy=remedy))

    def number(self, file: ParsedFile, reference: str) -> int | None:
        """The number of a term as this file names it (``goal``, or ``pack/goal``)."""
        pack, slash, name = reference.rpartition("/")
        return self._numbers.get((pack if slash else file.pack, name))

    def numbers(self, file: ParsedFile, key: str, references: Sequence[str]) -> tuple[int, ...]:
        """All terms named by `references` (each may join several with ``|``); unknown ones are problems."""
        found: dict[int, None] = {}
        for reference in references:
            for name in reference.split("|"):
                number = self.number(file, name)
                if number is None:
                    remedy = f"write [terms.{name}] in this pack, or name it as pack/term"
                    self._say(file, key, f"there is no term {name!r}", remedy)
                else:
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
        entries = [
            Entry(text=text, pattern=pattern, whole=not word.part, phrase=word.phrase, core=word.core)
            for (text, pattern), word in self._words.items()
        ]
        words = self._words.values()
        return Compiled(
            lexicon=Lexicon(entries),
            in_body=tuple(_terms_in(word, "body") for word in words),
            in_subject=tuple(_terms_in(word, "subject") for word in words),
            denied_by=tuple(tuple(word.denies) for word in words),
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
        for text in self._written(file, f"{key}.hide", table.hide):
            # What is only denied here must not hide the words of other terms: it stays a phrase.
            self._words.setdefault((text, False), _Word()).denies |= dict.fromkeys(self._holders[number])
        for pattern in table.patterns:
            if self._pattern_holds(file, f"{key}.patterns", pattern):
                self._enter(pattern, number, table, core=core, pattern=True)

    def _enter(self, text: str, number: int, table: TermTable, *, core: bool, pattern: bool = False) -> None:
        word = self._words.setdefault((text, pattern), _Word())
        for term, places in self._holders[number].items():
            word.terms[term] = word.terms.get(term, frozenset()) | places
        word.part |= table.part
        word.phrase &= table.phrase
        word.core |= core

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


def _terms_in(word: _Word, place: str) -> tuple[int, ...]:
    return tuple([term for term, places in word.terms.items() if place in places])


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
