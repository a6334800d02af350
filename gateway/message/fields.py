"""Header fields as spans of the raw bytes, and the MIME values that the scanner needs from them.

A field keeps no copy of its value: what a mail says about itself stays where it is, and only what is asked
for is unfolded. Values that decide on structure (Content-Type and its parameters) are parsed strictly;
whatever leaves room for two readings is reported as unclear, never guessed at.
"""

import mmap
import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.message.defects import Defect, DefectKind

Buffer = bytes | mmap.mmap

# A header larger than this is no header that a person's mail has; Exchange stops at 256 KiB.
MAX_HEADER = 1 << 20
# No program writes more into one of these fields.
_MAX_VALUE = 16 * 1024
# Longer than any delimiter line that is understood.
_LONGEST = 300

# Name, white space (obsolete, RFC 5322 §4.5), colon, value with folds. Possessive: no backtracking, linear.
# A fold holds something: a line of blanks only (RFC 5322 §4.2) is the end of the header to some readers.
_FIELD = re.compile(rb"([!-9;-~]++)([ \t]*+):([^\r\n\0]*+(?>(?:\r\n[ \t]++[^\r\n\0]++)*))\r\n")
# The same where the data was cut in the middle of it.
_CUT_FIELD = re.compile(
    rb"[!-9;-~]++(?:[ \t]*+:[^\r\n\0]*+(?>(?:\r\n[ \t]++[^\r\n\0]++)*)(?:\r\n[ \t]*+)?)?\r?\n?\Z"
)
_BLANKS_LEFT = re.compile(rb"[ \t]*+\Z")
_CONTINUATION = re.compile(rb"\r\n(?=[ \t])")


class Field(NamedTuple):
    """One header field: ``data[start:end]`` with its folds and its final CRLF; `name` in lower case.

    A named tuple and not a dataclass since every mail makes dozens of them.
    """

    start: int
    end: int
    name: bytes
    value_start: int

    def raw(self, data: Buffer) -> bytes:
        """The bytes of the whole field."""
        return data[self.start : self.end]

    def value(self, data: Buffer) -> bytes:
        """The unfolded value without the white space around it (RFC 5322 §2.2.3)."""
        return unfolded(data[self.value_start : self.end])


def unfolded(value: bytes) -> bytes:
    """What comes behind a field's colon, without folds and the white space around it (RFC 5322 §2.2.3)."""
    value = value.strip(b" \t\r\n")
    return _CONTINUATION.sub(b"", value) if b"\r\n" in value else value


def in_pairs(text: bytes) -> bool:
    """Whether there is no NUL, no CR without its LF and no LF without its CR.

    What stands where the pairs were is as long as they are, so that nothing moves: that, and looking for one
    octet, is faster than any search for one that stands alone.
    """
    alone = text.replace(b"\r\n", b"  ")
    return b"\r" not in alone and b"\n" not in alone and b"\0" not in alone


class HeaderEnd(Enum):
    """What stands where a header ends."""

    BLANK_LINE = 1
    BOUNDARY = 2
    DATA = 3  # nothing: the data (or the limit) ended first


def read_fields(
    data: Buffer, start: int, defects: list[Defect], delimiters: tuple[bytes, ...], *, complete: bool = True
) -> tuple[tuple[Field, ...], int, HeaderEnd]:
    """Read header fields from `start` on.

    `delimiters` are the open boundaries with their two dashes: a header ends before such a line too.
    Returns the fields, the offset after the last one, and what stands there. Garbage lines are reported and
    skipped, so that trace fields below them are still seen.
    """
    fields: list[Field] = []
    limit = min(len(data), start + MAX_HEADER)
    match = _FIELD.match
    position = start
    while True:
        found = match(data, position, limit)
        if found is not None:
            name = found[1]
            if name.startswith(b"--") and _is_delimiter(data, position, delimiters):
                return tuple(fields), position, HeaderEnd.BOUNDARY
            end = found.end()
            if not complete and limit == len(data) and _BLANKS_LEFT.match(data, end):
                return tuple(fields), position, HeaderEnd.DATA  # its next fold may be still to come
            if found.end(2) != found.end(1):
                defects.append(Defect(kind=DefectKind.OBSOLETE_FIELD, at=position))
            fields.append(Field(position, end, name.lower(), found.start(3)))
            position = end
            continue
        line = data[position : position + 2]
        if line == b"\r\n":
            return tuple(fields), position, HeaderEnd.BLANK_LINE
        if line == b"--" and _is_delimiter(data, position, delimiters):
            return tuple(fields), position, HeaderEnd.BOUNDARY
        if not complete and limit == len(data) and _CUT_FIELD.match(data, position):
            return tuple(fields), position, HeaderEnd.DATA
        line_end = data.find(b"\r\n", position, limit)
        if line_end < 0:
            if limit < len(data):
                defects.append(Defect(kind=DefectKind.HEADER_TOO_LARGE, at=position))
            elif complete and position < limit:
                defects.append(Defect(kind=DefectKind.NO_COLON, at=position))
            return tuple(fields), limit if complete else position, HeaderEnd.DATA
        kind = DefectKind.OBSOLETE_FOLD if line[:1] in b" \t" else DefectKind.NO_COLON
        defects.append(Defect(kind=kind, at=position))
        position = line_end + 2


def _is_delimiter(data: Buffer, position: int, delimiters: tuple[bytes, ...]) -> bool:
    return bool(delimiters) and data[position : position + _LONGEST].startswith(delimiters)


class ContentType(NamedTuple):
    """A parsed Content-Type or Content-Disposition value. `clear` is false where two readers could differ."""

    value: str
    parameters: Mapping[str, str]
    clear: bool


# RFC 2045 §5.1: token characters; the quoted string of RFC 5322 §3.2.4 on one (unfolded) line.
_TOKEN = rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]"
_TYPE = re.compile(rb"[ \t]*+(" + _TOKEN + rb"++(?:/" + _TOKEN + rb"++)?)[ \t]*+(?=;|\Z)")
_PARAMETER = re.compile(
    rb"[ \t]*+;[ \t]*+(?:("
    + _TOKEN
    + rb"++)[ \t]*+=[ \t]*+(?:\"((?>(?:[^\"\\]++|\\.)*))\"|([^\s;\"]++))[ \t]*+(?=;|\Z))?"
)
# RFC 2045 §5.1: what a value may have in it only between quotes.
_SPECIALS = re.compile(rb"[()<>@,:/\[\]?=]")
_QUOTED_PAIR = re.compile(rb"\\(.)")
_COMMENT = re.compile(rb"\"(?>(?:[^\"\\]++|\\.)*)(?:\"|\\?\Z)|(\([^()\\]*+\))")
_SECTION = re.compile(r"([^*]+)(?:\*(\d+))?(\*)?\Z")


def parse_content_type(value: bytes) -> ContentType:
    """Parse an unfolded Content-Type or Content-Disposition value.

    Type and parameter names come out in lower case; a parameter's value keeps its case. Where the value can't
    be read unambiguously `clear` is false, and what could be read is given. RFC 2045 §5.1, RFC 2231, comments
    as in RFC 5322 §3.2.2.
    """
    clear = True
    if b"(" in value:
        # Allowed, and yet many a reader takes a comment for a part of the value before it.
        plain = _COMMENT.sub(lambda found: b"" if found[1] else found[0], value)
        clear = plain == value
        value = plain
    found = _TYPE.match(value)
    if found is None or len(value) > _MAX_VALUE:
        return ContentType(
            value.split(b";", 1)[0].strip().decode("ascii", "replace").lower(),
            MappingProxyType({}),
            clear=False,
        )
    kind = found[1].decode("ascii").lower()
    raw: list[tuple[str, bytes]] = []
    position = found.end()
    while position < len(value):
        found = _PARAMETER.match(value, position)
        if found is None or found.end() == position:
            clear = clear and not value[position:].strip(b" \t")
            break
        position = found.end()
        if found[1] is None:
            continue  # an empty parameter (";;" or a final ";"), harmless and common
        name = found[1].decode("ascii").lower()
        text = found[3] if found[2] is None else _QUOTED_PAIR.sub(rb"\1", found[2])
        if name == "boundary" and found[2] is None and _SPECIALS.search(text):
            clear = False
        raw.append((name, text))
    parameters, unique = _join_sections(raw)
    return ContentType(kind, MappingProxyType(parameters), clear and unique)


def _join_sections(raw: list[tuple[str, bytes]]) -> tuple[dict[str, str], bool]:
    """Put RFC 2231 continuations and percent encodings together; false where a name comes twice."""
    clear = True
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, value in raw:
        if "*" not in name:
            clear = clear and name not in plain
            plain.setdefault(name, value.decode("utf-8", "replace"))
            continue
        found = _SECTION.match(name)
        if found is None:
            clear = False
            continue
        numbers = sections.setdefault(found[1], {})
        number = int(found[2][:4]) if found[2] else 0
        clear = clear and number not in numbers
        numbers[number] = (value, found[3] is not None)
    for name, numbers in sections.items():
        if name in plain or sorted(numbers) != list(range(len(numbers))):
            clear = False
            continue
        charset = "utf-8"
        joined = b""
        for number in range(len(numbers)):
            value, encoded = numbers[number]
            if encoded and number == 0 and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
                charset = label.decode("ascii", "replace") or charset
            joined += unquote_to_bytes(value) if encoded else value
        plain[name] = joined.decode(charset if charset.lower() in _NAME_CHARSETS else "utf-8", "replace")
    return plain, clear


_NAME_CHARSETS = frozenset({"us-ascii", "utf-8", "iso-8859-1", "iso-2022-jp", "shift_jis", "euc-jp"})
