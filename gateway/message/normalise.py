"""One spelling for what people write in many: the text that rules are matched against.

Case folded, NFKC, width folded; white space (line breaks too) between Japanese characters removed, any
other run of it one blank; a blank line becomes one line feed, since a paragraph ends there and a sentence
with it. Invisible characters that only split words are dropped.

Nearly all of it is done by methods of `str` over the whole text, each step only where it can find
something: `unicodedata` says in one pass whether a text is in NFKC already, and full-width forms, nearly all
that Japanese mail has to change, are replaced before it is asked once more. Python code runs only for what
is left.
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
_ALIKE = (("\u301c", "~"), ("\u2212", "-"), ("\u2010", "-"), ("\u2011", "-"))
# Segments up to this length are remembered; longer ones are the sender's puzzle.
_REMEMBERED = 16


def _fold(segment: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", segment).casefold())
    if " " in folded:  # accents that stand alone (´, ゛) would bring white space where none was
        return unicodedata.normalize("NFC", segment)
    for each, meant in _ALIKE:
        folded = folded.replace(each, meant)
    return folded


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


def _tables() -> tuple[str, str, str, bytes]:
    """Which characters of the BMP still change after case folding, and which join those before them.

    Then those whose case is not folded by `str.lower`, and the rows of 256 without any of these or of the
    invisible ones, but for the first, which has three. Ideographs and Hangul syllables do none of this and
    are not asked.
    """
    points = (*range(0x3400), *range(0xA000, 0xAC00), *range(0xD7A4, 0xD800), *range(0xE000, 0x10000))
    changed, joining, cased = [], [], []
    for point in points:
        character = chr(point)
        if character.lower() != character.casefold() or character == "Σ":  # ς at the end of a word
            cased.append(point)
        if _joins(character):
            joining.append(point)
        elif (
            not character.isspace()
            and (folded := character.casefold()) == character
            and _fold(folded) != character
        ):
            changed.append(point)
    odd = {point >> 8 for point in points if _INVISIBLE.match(chr(point))} | {point >> 8 for point in cased}
    surrogates = set(range(0xD8, 0xE0))
    usual = bytes(sorted(set(range(0x100)) - odd - surrogates | {0}))
    return _ranges(changed), _ranges(joining), _ranges(cased), usual


_INVISIBLE = re.compile(f"[{_INVISIBLE_SET}]")
_CHANGED_SET, _JOINING_SET, _CASED_SET, _USUAL_ROWS = _tables()
# Astral characters are all looked at (emoji stay, mathematical letters do not); they are rare.
_STOP_SET = f"[{_CHANGED_SET}\U00010000-\U0010ffff]"
_JOINING = re.compile(f"[{_JOINING_SET}]")
_LEFT = re.compile(f"[{_CHANGED_SET}{_JOINING_SET}\U00010000-\U0010ffff]")
# So many different ones are replaced by a search each; what has more is no letter.
_FEW = 24
_SEGMENT = re.compile(f"[^{_JOINING_SET}]?[{_JOINING_SET}]+|{_STOP_SET}")
# The row of 256 with dashes, dots and quotation marks, of which every Japanese mail has some; and where in it
# those invisible characters stand.
_PUNCTUATION_ROW = b"\x20"
_INVISIBLE_MARKS = bytes(low for low in range(256) if _INVISIBLE.match(chr(0x2000 | low)))
# What the first step has to look at: astral characters too.
_SPECIAL = re.compile(f"[{_CASED_SET}{_INVISIBLE_SET}\U00010000-\U0010ffff]")
# Full-width forms of ASCII, as UTF-16 has them, and what they are. The first octet stands alone in the
# pattern, since `re` searches fast for that.
_WIDE = re.compile(rb"\xff[\x01-\x5e](?>(?:\xff[\x01-\x5e])*)")
_NARROW = {low: (chr(0xFF00 + low), chr(low + 0x20).lower()) for low in range(1, 0x5F)}
# Those that Japanese letters are full of: to replace what is not there takes less time than to ask what is.
_LIKELY = tuple((wide, chr(ord(wide) - 0xFEE0)) for wide in "０１２３４５６７８９（）：／！？～，．－＆％＠")
_BLANK_LINE = re.compile(r"\n[^\S\n]*+\n")
# The same, and all white space behind it. NUL stands for it while white space is put in order.
_BLANK_LINES = re.compile(r"\n[^\S\n]*+\n\s*+")
_NEEDLESS = re.compile(f" (?<=[{_JAPANESE_SET}] )(?=[{_JAPANESE_SET}])")
_JAPANESE = re.compile(f"[{_JAPANESE_SET}]")


def _change(found: re.Match[str]) -> str:
    segment = found[0]
    return _remembered(segment) if len(segment) <= _REMEMBERED else _fold(segment)


def normalise(source: str) -> str:
    """The normal form of `source`, in linear time."""
    ascii_only = source.isascii()
    units = b"" if ascii_only else source.encode("utf-16-be", "surrogatepass")
    special = not ascii_only and _is_special(source, units)
    if special:
        source = _INVISIBLE.sub("", source)
    text = _in_order(source)
    if ascii_only:
        return text.lower()
    text = _NEEDLESS.sub("", text)
    text = text.casefold() if special else text.lower()
    normal = unicodedata.is_normalized("NFKC", text)
    if not normal:
        for wide, narrow in _LIKELY:
            text = text.replace(wide, narrow)
        normal = unicodedata.is_normalized("NFKC", text)
    if not normal:
        text = _narrowed(text, units)
        normal = unicodedata.is_normalized("NFKC", text)
    if not normal:
        return _changed(text)
    for each, meant in _ALIKE:
        text = text.replace(each, meant)
    return text


def _changed(text: str) -> str:
    """`text` with each of its characters in its normal form."""
    left = set(_LEFT.findall(text))
    if len(left) > _FEW or any(map(_JOINING.match, left)):
        return _SEGMENT.sub(_change, text)
    for character in left:
        text = text.replace(character, _remembered(character))
    return text


def _is_special(source: str, units: bytes) -> bool:
    """Whether something in it is invisible, or in a case that `str.lower` does not fold."""
    high = units[::2]
    rows = high.translate(None, _USUAL_ROWS)
    if "\u00ad" in source or "µ" in source or "ß" in source:  # the first row has no others
        return _SPECIAL.search(source) is not None
    if len(rows) > _FEW or rows.strip(_PUNCTUATION_ROW):
        return _SPECIAL.search(source) is not None
    at = -1
    for _ in rows:
        at = high.find(_PUNCTUATION_ROW, at + 1)
        if units[at * 2 + 1] in _INVISIBLE_MARKS:
            return True
    return False


def _in_order(source: str) -> str:
    """`source` with white space in its normal form, but for that between Japanese characters."""
    if "\0" in source:
        return "\n".join(filter(None, map(" ".join, map(str.split, _BLANK_LINE.split(source)))))
    words = " ".join(_BLANK_LINES.sub("\0", source).split())
    return words.replace(" \0", "\n").replace("\0", "\n").strip("\n")


def _narrowed(text: str, units: bytes) -> str:
    """`text` without full-width forms of ASCII. `units` is UTF-16 that has them all, and may have others."""
    for low in set(b"".join(_WIDE.findall(units))[1::2]):
        text = text.replace(*_NARROW[low])
    return text


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
