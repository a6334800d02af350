"""One spelling for what people write in many: the text that rules are matched against.

Case folded, NFKC, width folded; white space (line breaks too) between Japanese characters removed, any
other run of it one blank; a blank line becomes one line feed, since a paragraph ends there and a sentence
with it. Invisible characters that only split words are dropped.

Nearly all of it is done by methods of `str` over the whole text; Python code runs only for what NFKC changes.
`positions` does the same slowly, one character after another, for those who ask where a phrase stood.

UAX #15; UAX #44 (Case_Folding).
"""

import re
import unicodedata
from array import array
from functools import lru_cache

# Soft hyphen, zero-width characters, marks of direction, word joiner, BOM.
_INVISIBLE_SET = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
# Kana, ideographs, Japanese and full-width punctuation: no space between two of them means anything.
_JAPANESE_SET = (
    "\u3001-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f\U00020000-\U0003ffff"
)
# Pairs that vendors map differently, or that people cannot tell apart.
_ALIKE = str.maketrans({"\u301c": "~", "\u2212": "-", "\u2010": "-", "\u2011": "-"})
# Segments up to this length are remembered; longer ones are the sender's puzzle.
_REMEMBERED = 16


def _fold(segment: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", segment).casefold())
    if " " in folded:  # accents that stand alone (´, ゛) would bring white space where none was
        return unicodedata.normalize("NFC", segment)
    return folded.translate(_ALIKE)


_remembered = lru_cache(maxsize=4096)(_fold)


def _joins(character: str) -> bool:
    """Whether normalisation may join `character` to what stands before it."""
    decomposed = unicodedata.normalize("NFKD", character)
    return unicodedata.combining(decomposed[0]) != 0 or 0x1160 <= ord(decomposed[0]) <= 0x11FF


def _ranges(points: list[int]) -> str:
    """Code points as the inside of a character class."""
    out = []
    start = previous = points[0]
    for point in [*points[1:], -1]:
        if point == previous + 1:
            previous = point
            continue
        out.append(f"\\u{start:04x}-\\u{previous:04x}")
        start = previous = point
    return "".join(out)


def _tables() -> tuple[str, str, str]:
    """Which characters of the BMP still change after case folding, and which join those before them.

    At last those that become one of these when their case is folded. Ideographs and Hangul syllables do none
    of this and are not asked.
    """
    points = (*range(0x3400), *range(0xA000, 0xAC00), *range(0xD7A4, 0xD800), *range(0xE000, 0x10000))
    changed, joining = [], []
    for point in points:
        character = chr(point)
        if _joins(character):
            joining.append(point)
        elif (
            not character.isspace()
            and (folded := character.casefold()) == character
            and _fold(folded) != character
        ):
            changed.append(point)
    special = {chr(point) for point in (*changed, *joining)}
    unusual = [point for point in points if not special.isdisjoint(chr(point).casefold())]
    return _ranges(changed), _ranges(joining), _ranges(unusual)


_CHANGED_SET, _JOINING_SET, _UNUSUAL_SET = _tables()
# Astral characters are all looked at (emoji stay, mathematical letters do not); they are rare.
_STOP_SET = f"[{_CHANGED_SET}\U00010000-\U0010ffff]"
# Written twice, since `re` searches fast for a pattern that begins with a set, and not for a repeated one.
_STOP = re.compile(f"{_STOP_SET}{_STOP_SET}*+")
_JOINING = re.compile(f"[{_JOINING_SET}]")
_SEGMENT = re.compile(f"[^{_JOINING_SET}]?[{_JOINING_SET}]+|{_STOP_SET}")
_INVISIBLE = re.compile(f"[{_INVISIBLE_SET}]")
# Text without any of these (most letters are) only needs its case and its white space folded.
_UNUSUAL = re.compile(f"[{_UNUSUAL_SET}{_INVISIBLE_SET}\U00010000-\U0010ffff]")
_BLANK_LINE = re.compile(r"\n[^\S\n]*+\n")
_NEEDLESS = re.compile(f" (?<=[{_JAPANESE_SET}] )(?=[{_JAPANESE_SET}])")
_JAPANESE = re.compile(f"[{_JAPANESE_SET}]")


def _change(found: re.Match[str]) -> str:
    segment = found[0]
    return _remembered(segment) if len(segment) <= _REMEMBERED else _fold(segment)


def normalise(source: str) -> str:
    """The normal form of `source`, in linear time."""
    ascii_only = source.isascii()
    usual = ascii_only or _UNUSUAL.search(source) is None
    if not usual:
        source = _INVISIBLE.sub("", source)
    paragraphs = [" ".join(words) for each in _BLANK_LINE.split(source) if (words := each.split())]
    text = "\n".join(paragraphs)
    if ascii_only:
        return text.lower()
    text = _NEEDLESS.sub("", text).casefold()
    if usual:
        return text
    if _JOINING.search(text):
        return _SEGMENT.sub(_change, text)
    return _STOP.sub(_change, text)


def positions(source: str) -> "array[int]":
    """For each character of ``normalise(source)`` the index in `source` that it came from; the end at last.

    Linear, but slow: for explaining, not for judging.
    """
    kept = _spaced(source)
    folded = [(each, at) for character, at in kept for each in character.casefold()]
    text = "".join(character for character, _ in folded)
    out = array("q")
    reached = 0
    for found in _SEGMENT.finditer(text):
        start, end = found.span()
        out.extend(at for _, at in folded[reached:start])
        out.extend([folded[start][1]] * len(_fold(found[0])))
        reached = end
    out.extend(at for _, at in folded[reached:])
    out.append(len(source))
    return out


def _spaced(source: str) -> list[tuple[str, int]]:
    """The characters that stay, with their places, once white space is in its normal form."""
    seen = [(character, at) for at, character in enumerate(source) if not _INVISIBLE.match(character)]
    visible = "".join(character for character, _ in seen)
    out: list[tuple[str, int]] = []
    for found in re.finditer(r"\s+|\S+", visible):
        start, end = found.span()
        if not visible[start].isspace():
            out.extend(seen[start:end])
        elif start == 0 or end == len(visible):
            continue
        elif _BLANK_LINE.search(found[0]):
            out.append(("\n", seen[start][1]))
        elif not (_JAPANESE.match(visible, start - 1) and _JAPANESE.match(visible, end)):
            out.append((" ", seen[start][1]))
    return out
