"""How a word of a rule file is written out: normalised like the text of a mail, alternatives expanded.

A word may hold alternatives in braces, ``見送{り,る,らせ}``, also nested and empty (``regret{,s}``). The
spellings of a pack (``["いただ", "頂"]``) are variants too: a word with いただ is also looked for with 頂.
Both are expanded here, once, so that the search itself only ever sees plain strings: their number costs
nothing at match time, and the text of the mail need not be folded.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from gateway.message.normalise import normalise

MOST_VARIANTS = 4096
"""Spellings that one word may have. Braces multiply; a slip must not fill the memory."""


REMEMBERED = 16_384
"""Words remembered with what they stand for: a reload changes few of them, and has to be quick."""


class WordError(ValueError):
    """A word that cannot be expanded; the text says why, for the person who wrote it."""


def variants(word: str, spellings: Sequence[Sequence[str]] = ()) -> tuple[str, ...]:
    """All plain strings that `word` stands for, normalised, without doubles.

    Raises `WordError` for unbalanced braces, an empty word, or more than `MOST_VARIANTS` results.
    """
    return _variants(word, tuple(map(tuple, spellings)))


@lru_cache(maxsize=REMEMBERED)
def _variants(word: str, spellings: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    results: dict[str, None] = {}
    forms = _speller(spellings) if spellings else None
    for plain in _expand(word):
        for spelled in _respell(normalise(plain), forms):
            if not spelled:
                raise WordError("stands for an empty word")
            results[spelled] = None
            if len(results) > MOST_VARIANTS:
                raise WordError(f"stands for more than {MOST_VARIANTS} words")
    return tuple(results)


def _expand(word: str) -> Iterator[str]:
    pieces = _pieces(word)
    total = 1
    for piece in pieces:
        total *= len(piece)
        if total > MOST_VARIANTS:
            raise WordError(f"stands for more than {MOST_VARIANTS} words")
    for combination in itertools.product(*pieces):
        yield "".join(combination)


def _pieces(word: str) -> list[list[str]]:
    """The word as a row of pieces, each with its alternatives."""
    pieces: list[list[str]] = []
    position = 0
    while position < len(word):
        if word[position] == "}":
            raise WordError("has a '}' without its '{'")
        if word[position] != "{":
            plain = re.compile(r"[^{}]+").match(word, position)
            if plain is None:  # pragma: no cover - the two tests above leave no other character
                raise WordError("cannot be read")
            pieces.append([plain.group()])
            position = plain.end()
            continue
        end = _closing(word, position)
        alternatives: list[str] = []
        for alternative in _split(word[position + 1 : end]):
            alternatives += itertools.islice(_expand(alternative), MOST_VARIANTS + 1) if alternative else [""]
            if len(alternatives) > MOST_VARIANTS:
                raise WordError(f"stands for more than {MOST_VARIANTS} words")
        pieces.append(alternatives)
        position = end + 1
    return pieces


def _closing(word: str, start: int) -> int:
    depth = 0
    for position in range(start, len(word)):
        depth += {"{": 1, "}": -1}.get(word[position], 0)
        if depth == 0:
            return position
    raise WordError("has a '{' without its '}'")


def _split(inside: str) -> list[str]:
    parts, depth = [""], 0
    for character in inside:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


_Speller = tuple[re.Pattern[str], dict[str, tuple[str, ...]]]


@lru_cache(maxsize=32)
def _speller(spellings: tuple[tuple[str, ...], ...]) -> _Speller:
    """The forms of all groups as one expression, longest first, and the group of each."""
    group_of = {form: group for group in spellings for form in group}
    longest_first = sorted(group_of, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), group_of


def _respell(word: str, speller: _Speller | None) -> Iterator[str]:
    if speller is None:
        yield word
        return
    forms, group_of = speller
    pieces: list[Sequence[str]] = []
    position = 0
    total = 1
    for found in forms.finditer(word):
        pieces += [[word[position : found.start()]], group_of[found.group()]]
        total *= len(group_of[found.group()])
        position = found.end()
    if total > MOST_VARIANTS:
        raise WordError(f"stands for more than {MOST_VARIANTS} words")
    pieces.append([word[position:]])
    for combination in itertools.product(*pieces):
        yield "".join(combination)
