"""A whole header in one pass: which fields there are, and what the structure of the mail needs of them.

Nearly every header is made of well-formed fields and ends with a blank line. One that is not is read field
by field (`gateway.message.fields`), which gives the same and names its defects.
"""

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from gateway.message.defects import Defect, DefectKind
from gateway.message.fields import (
    Buffer,
    ContentType,
    Field,
    HeaderEnd,
    parse_content_type,
    read_fields,
    unfolded,
)

# Name and, from the colon on, the rest, as in `fields`. The first byte that fits no field takes all that is
# left with it: so nothing is skipped, and nothing is looked at twice.
_TILE = re.compile(rb"([!-9;-~]++)(:[^\r\n\0]*+(?>(?:\r\n[ \t]++[^\r\n\0]++)*)\r\n)|([\s\S]++)")
# Longer headers are rare; and the search for the end of one must not cost more than a step of the scan.
_AT_ONCE = 16 * 1024
_MIME_FIELDS = frozenset(
    {b"content-type", b"content-transfer-encoding", b"content-disposition", b"mime-version"}
)


class Mime(NamedTuple):
    """What a header says about its part. `doubts` are what could be read in two ways, and in which field.

    `kind` is None where there is no Content-Type: then the part around this one says what it is.
    """

    kind: ContentType | None
    encoding: str
    disposition: ContentType | None
    doubts: tuple[tuple[DefectKind, int], ...]


class Header:
    """The fields of one header: names and values at once, their places when somebody asks for them.

    Nobody asks for more than a few fields, and of a copy for none, so the places are worked out on the first
    use, and a field is made when it is asked for. `tiles` are the names and, from the colon on, the rest of
    the fields, which follow each other from `start` on and are together `raw`; a header with odd bytes in it
    brings `fields` instead.
    """

    __slots__ = ("_fields", "_places", "_start", "mime", "names", "raw", "tiles")

    def __init__(
        self,
        start: int,
        names: Sequence[bytes],
        mime: Mime,
        *,
        tiles: tuple[bytes, Sequence[tuple[bytes, ...]]] = (b"", ()),
        fields: tuple[Field, ...] | None = None,
    ) -> None:
        self.names = names
        self.mime = mime
        self.raw, self.tiles = tiles
        self._start = start
        self._fields = fields
        self._places: list[int] | None = None

    def at(self, start: int) -> "Header":
        """The same fields at another place of a mail."""
        return Header(start, self.names, self.mime, tiles=(self.raw, self.tiles))

    def __eq__(self, other: object) -> bool:
        """Whether the other header has the same fields at the same places."""
        return isinstance(other, Header) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields, from the top down."""
        if self._fields is None:
            self._fields = tuple(map(self._field, range(len(self.names))))
        return self._fields

    def first(self, name: bytes) -> Field | None:
        """The first field called `name` (lower case), or None."""
        return self._field(self.names.index(name)) if name in self.names else None

    def value(self, name: bytes, data: Buffer) -> bytes | None:
        """The unfolded value of the first field called `name` (lower case) in `data`, or None."""
        if name not in self.names:
            return None
        number = self.names.index(name)
        if self.tiles:
            return unfolded(self.tiles[number][1][1:])
        return self._field(number).value(data)

    def all(self, name: bytes) -> tuple[Field, ...]:
        """All fields called `name` (lower case), from the top down."""
        if name not in self.names:
            return ()
        return tuple([self._field(number) for number, each in enumerate(self.names) if each == name])

    def _field(self, number: int) -> Field:
        if self._fields is not None:
            return self._fields[number]
        if self._places is None:
            lengths = [len(name) + len(rest) for name, rest, _ in self.tiles]
            self._places = list(accumulate(lengths, initial=self._start))
        start, end = self._places[number : number + 2]
        name = self.names[number]
        return Field(start, end, name, start + len(name) + 1)


def read_header(
    data: Buffer,
    start: int,
    defects: list[Defect],
    delimiters: tuple[bytes, ...],
    *,
    complete: bool = True,
    like: Header | None = None,
) -> tuple[Header, int, HeaderEnd]:
    """Read the header at `start`: what `read_fields` reads, in one pass where it can be.

    `like` is a header that was read before; where the same bytes stand here, they are the same fields.
    """
    last = data.find(b"\r\n\r\n", start, start + _AT_ONCE)
    # A name that begins with two dashes may be a delimiter.
    if last > start and not (delimiters and data.find(b"\n--", start - 1, last) >= 0):
        raw = data[start : last + 2]
        if like is not None and raw == like.raw:
            return like.at(start), last + 2, HeaderEnd.BLANK_LINE
        tiles = _TILE.findall(raw)
        if not tiles[-1][2]:
            names = [name.lower() for name, _, _ in tiles]
            return (
                Header(start, names, _read_mime(names, tiles), tiles=(raw, tiles)),
                last + 2,
                HeaderEnd.BLANK_LINE,
            )
    fields, end, ended_by = read_fields(data, start, defects, delimiters, complete=complete)
    tiles = [(each.name, data[each.value_start - 1 : each.end]) for each in fields]
    names = [each.name for each in fields]
    return Header(start, names, _read_mime(names, tiles), fields=fields), end, ended_by


def _read_mime(names: Sequence[bytes], tiles: Sequence[tuple[bytes, ...]]) -> Mime:
    """The MIME fields that matter, with a doubt for each that could be read in two ways."""
    kind, encoding, disposition = None, "7bit", None
    seen = set()
    doubts = []
    for number, name in enumerate(names):
        if name not in _MIME_FIELDS:
            continue
        if name in seen:
            doubts.append((DefectKind.DUPLICATE_FIELD, number))
            continue
        seen.add(name)
        value = unfolded(tiles[number][1][1:])
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
