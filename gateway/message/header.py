"""A whole header in one pass: which fields there are, and what the structure of the mail needs of them.

Nearly every header is made of well-formed fields and ends with a blank line. One that is not is read field
by field (`gateway.message.fields`), which gives the same and names its defects.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from gateway.message.defects import Defect, DefectKind
from gateway.message.fields import (
    Buffer,
    ContentType,
    Field,
    HeaderEnd,
    in_pairs,
    parse_content_type,
    read_fields,
    unfolded,
)

# A name, and what comes behind its colon, as in `fields`.
_NAME = rb"[!-9;-~]++"
_REST = rb"[^\r\n\0]*+(?>(?:\r\n[ \t]++[^\r\n\0]++)*)"
_FIELD = re.compile(rb"(%b):(%b)\r\n" % (_NAME, _REST))
# The lines of well-formed fields, where CR and LF are known to stand in pairs, and NUL nowhere: to run to the
# end of a line is fast, to compare each octet with a set is not. The group finds the end of a first line
# without anything of its value, before a fold.
_WELL_FORMED = re.compile(
    rb"(?![ \t])(?>(?:(?:%b:[ \t]*+(?:[^ \t\r]|\r(?!\n[ \t])|(\r))|[ \t]++[^\r]).*+\n)+)" % _NAME
)
# The LF that every field follows in a header's `text`: one octet is searched for fast.
_MIME_FIELDS = re.compile(
    rb"\n((?i:content-(?:type|transfer-encoding|disposition)|mime-version):%b)\r" % _REST
)
_MIME_NAMES = frozenset(
    {b"content-type", b"content-transfer-encoding", b"content-disposition", b"mime-version"}
)
_FOLDS = frozenset({b" ", b"\t"})
# Longer headers are rare; and the search for the end of one must not cost more than a step of the scan.
_AT_ONCE = 16 * 1024
# MIME fields that are together up to so long are remembered.
_REMEMBERED = 300


class Mime(NamedTuple):
    """What a header says about its part. `doubts` are what could be read in two ways, and in which field.

    Fields are counted among those that it is read from (`Header.mime_fields`).
    `kind` is None where there is no Content-Type: then the part around this one says what it is.
    """

    kind: ContentType | None
    encoding: str
    disposition: ContentType | None
    doubts: tuple[tuple[DefectKind, int], ...]


class Header:
    """The fields of one header, which are looked for when somebody asks.

    Nobody asks for more than a few of them, and of a copy for none, so that no field is made of the others.
    `text` is the fields without what is between them, each behind an LF, with the CR of its end; `lower` is
    the same in lower case, to search for names: a fold begins with a blank, so an LF and a name with its
    colon is a field. `plain`: all fields are well-formed, and each value begins on the line of its name, or
    is empty.
    """

    __slots__ = ("_fields", "_start", "lower", "mime", "plain", "text", "well_formed")

    def __init__(
        self,
        start: int,
        text: bytes,
        lower: bytes,
        mime: Mime,
        fields: tuple[Field, ...] | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """A header at `start` of a mail; of one with odd bytes in it the `fields`, which then have gaps."""
        self.text = text
        self.lower = lower
        self.mime = mime
        self.plain = plain
        self.well_formed = fields is None
        self._start = start
        self._fields = fields

    def __eq__(self, other: object) -> bool:
        """Whether the other header has the same fields at the same places."""
        return isinstance(other, Header) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields, from the top down."""
        if self._fields is None:
            before = self._start - 1
            self._fields = tuple(
                Field(before + found.start(), before + found.end(), found[1].lower(), before + found.start(2))
                for found in _FIELD.finditer(self.text, 1)
            )
        return self._fields

    @property
    def mime_fields(self) -> list[Field]:
        """The fields that decide on structure."""
        return [field for field in self.fields if field.name in _MIME_NAMES]

    def first(self, name: bytes) -> Field | None:
        """The first field called `name` (lower case), or None."""
        at = self.lower.find(b"\n%b:" % name)
        if at < 0:
            return None
        if self._fields is not None:
            return next(field for field in self._fields if field.name == name)
        value = at + len(name) + 2
        before = self._start - 1
        return Field(before + at + 1, before + _end(self.text, value) + 2, name, before + value)

    def value(self, name: bytes) -> bytes | None:
        """The unfolded value of the first field called `name` (lower case), or None."""
        at = self.lower.find(b"\n%b:" % name)
        if at < 0:
            return None
        text = self.text
        start = at + len(name) + 2
        end = text.find(b"\r\n", start)
        if text[end + 2 : end + 3] in _FOLDS:
            return unfolded(text[start : _end(text, end + 2)])
        return text[start:end].strip(b" \t")

    def all(self, name: bytes) -> tuple[Field, ...]:
        """All fields called `name` (lower case), from the top down."""
        if self.lower.find(b"\n%b:" % name) < 0:
            return ()
        return tuple([field for field in self.fields if field.name == name])

    def count(self, name: bytes) -> int:
        """How many fields are called `name` (lower case)."""
        return self.lower.count(b"\n%b:" % name)


def _end(text: bytes, at: int) -> int:
    """Where the field ends that `at` is in, before its last CRLF."""
    end = text.find(b"\r\n", at)
    while text[end + 2 : end + 3] in _FOLDS:
        end = text.find(b"\r\n", end + 2)
    return end


def read_header(
    data: Buffer,
    start: int,
    defects: list[Defect],
    delimiters: tuple[bytes, ...],
    *,
    complete: bool = True,
    paired: bool = False,
    like: Header | None = None,
) -> tuple[Header, int, HeaderEnd]:
    """Read the header at `start`: what `read_fields` reads, in one pass where it can be.

    Args:
        paired: whether `data` is known to be `in_pairs`.
        like: a header that was read before; where the same bytes stand here, they are the same fields.
    """
    last = data.find(b"\r\n\r\n", start, start + _AT_ONCE)
    # A name that begins with two dashes may be a delimiter.
    if last > start and not (delimiters and data.find(b"\n--", start - 1, last) >= 0):
        lines = data[start : last + 2]
        text = b"\n" + lines
        if like is not None and like.well_formed and text == like.text:
            head = Header(start, text, like.lower, like.mime, plain=like.plain)
            return head, last + 2, HeaderEnd.BLANK_LINE
        found = _WELL_FORMED.fullmatch(lines) if paired or in_pairs(lines) else None
        if found is not None:
            head = Header(start, text, text.lower(), _mime_of(text), plain=found[1] is None)
            return head, last + 2, HeaderEnd.BLANK_LINE
    fields, end, ended_by = read_fields(data, start, defects, delimiters, complete=complete)
    text = b"\n" + b"".join([each.name + data[each.value_start - 1 : each.end] for each in fields])
    return Header(start, text, text.lower(), _mime_of(text), fields), end, ended_by


def _mime_of(text: bytes) -> Mime:
    """What the MIME fields in a header's text say. Most mails say one of a few things."""
    fields = b"\r\n".join(_MIME_FIELDS.findall(text))
    return _remembered(fields) if len(fields) <= _REMEMBERED else _read_mime(fields)


def _read_mime(fields: bytes) -> Mime:
    """What these fields say, with a doubt for each that could be read in two ways."""
    kind, encoding, disposition = None, "7bit", None
    seen = set()
    doubts = []
    for number, (written, rest) in enumerate(_FIELD.findall(fields + b"\r\n")):
        name = written.lower()
        if name in seen:
            doubts.append((DefectKind.DUPLICATE_FIELD, number))
            continue
        seen.add(name)
        value = unfolded(rest)
        if name == b"content-type":
            kind = parse_content_type(value)
            if not kind.clear or "/" not in kind.value:
                doubts.append((DefectKind.BAD_CONTENT_TYPE, number))
        elif name == b"content-transfer-encoding":
            encoding = value.lower().decode("ascii", "replace")
        elif name == b"content-disposition":
            disposition = parse_content_type(value)
        elif not value.startswith(b"1.0"):
            doubts.append((DefectKind.BAD_VERSION, number))
    return Mime(kind, encoding, disposition, tuple(doubts))


_remembered = lru_cache(maxsize=512)(_read_mime)
