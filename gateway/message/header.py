"""A whole header in one pass: which fields there are, and what the structure of the mail needs of them.

Nearly every header is made of well-formed fields and ends with a blank line. One that is not is read field
by field (`gateway.message.fields`), which gives the same and names its defects.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, repeat

from gateway.message.defects import Defect
from gateway.message.fields import Buffer, Field, HeaderEnd, read_fields, unfolded

# Name and, from the colon on, the rest, as in `fields`. The first byte that fits no field takes all that is
# left with it: so nothing is skipped, and nothing is looked at twice.
_TILE = re.compile(rb"([!-9;-~]++)(:[^\r\n\0]*+(?:\r\n[ \t]++[^\r\n\0]++)*+\r\n)|([\s\S]++)")
# Longer headers are rare; and the search for the end of one must not cost more than a step of the scan.
_AT_ONCE = 16 * 1024


class Header:
    """The fields of one header: names and values at once, their places when somebody asks for them.

    Most copies of a mail are scanned for their structure and nothing else, so the places, and the fields by
    name, are worked out on the first use. `tiles` are the names and, from the colon on, the rest of the
    fields, which follow each other from `start` on; a header with odd bytes in it brings `fields` instead.
    """

    __slots__ = ("_by_name", "_fields", "_start", "_tiles", "names")

    def __init__(
        self,
        start: int,
        names: Sequence[bytes],
        tiles: Sequence[tuple[bytes, ...]] = (),
        fields: tuple[Field, ...] | None = None,
    ) -> None:
        self.names = names
        self._start = start
        self._tiles = tiles
        self._fields = fields
        self._by_name: dict[bytes, list[Field]] | None = None

    def __eq__(self, other: object) -> bool:
        """Whether the other header has the same fields at the same places."""
        return isinstance(other, Header) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All fields, from the top down."""
        if self._fields is None:
            names = self.names
            lengths = [len(name) + len(rest) for name, rest, _ in self._tiles]
            at = list(accumulate(lengths, initial=self._start))
            values = [start + len(name) + 1 for start, name in zip(at, names, strict=False)]
            # What a named tuple's own constructor does, without a call of Python code for each.
            made = map(tuple.__new__, repeat(Field), zip(at, at[1:], names, values, strict=False))
            self._fields = tuple(made)
        return self._fields

    @property
    def by_name(self) -> Mapping[bytes, Sequence[Field]]:
        """The fields of each name, from the top down."""
        if self._by_name is None:
            found: dict[bytes, list[Field]] = {}
            for each in self.fields:
                found.setdefault(each.name, []).append(each)
            self._by_name = found
        return self._by_name

    def value(self, number: int, data: Buffer) -> bytes:
        """The unfolded value of a field by its number, as `Field.value` gives it."""
        return unfolded(self._tiles[number][1][1:]) if self._tiles else self.fields[number].value(data)


def read_header(
    data: Buffer, start: int, defects: list[Defect], delimiters: tuple[bytes, ...], *, complete: bool = True
) -> tuple[Header, int, HeaderEnd]:
    """Read the header at `start`: what `read_fields` reads, in one pass where it can be."""
    last = data.find(b"\r\n\r\n", start, start + _AT_ONCE)
    # A name that begins with two dashes may be a delimiter.
    if last > start and not (delimiters and data.find(b"\n--", start - 1, last) >= 0):
        tiles = _TILE.findall(data, start, last + 2)
        if not tiles[-1][2]:
            names = [name.lower() for name, _, _ in tiles]
            return Header(start, names, tiles), last + 2, HeaderEnd.BLANK_LINE
    fields, end, ended_by = read_fields(data, start, defects, delimiters, complete=complete)
    return Header(start, [each.name for each in fields], fields=fields), end, ended_by
