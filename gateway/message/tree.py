"""What a scan gives: the parts of a mail as values. Spans into the bytes, and no bytes.

Named tuples and not frozen dataclasses, since every mail makes them: to make one takes a quarter of the time.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.message.defects import Defect
from gateway.message.fields import Buffer, Field
from gateway.message.header import Header

Span = tuple[int, int]


class Part(NamedTuple):
    """One part of a mail: its place in the tree, its spans, and what its header says about it.

    `body` ends before the CRLF that belongs to the following boundary. A multipart's body holds its preamble,
    parts and epilogue. `complete` is false where the data ended before the part did.
    """

    index: int  # type: ignore[assignment]  # hides the search that every tuple has
    leaf: int | None
    parent: int | None
    children: tuple[int, ...]
    header: Span
    head: Header
    body: Span
    content_type: str
    parameters: Mapping[str, str]
    encoding: str
    disposition: str
    filename: str
    complete: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """The part's header fields."""
        return self.head.fields

    def first(self, name: bytes) -> Field | None:
        """The first field called `name` (lower case), or None."""
        return self.head.first(name)


class Message(NamedTuple):
    """A scanned mail. ``parts[0]`` is the root; parts stand in reading order.

    `complete` is false for a held head. Any defect means: do not change this mail.
    """

    data: Buffer
    parts: tuple[Part, ...]
    defects: tuple[Defect, ...]
    complete: bool

    @property
    def fields(self) -> tuple[Field, ...]:
        """The mail's own header fields."""
        return self.parts[0].fields

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts that are no multipart, in reading order."""
        return tuple(part for part in self.parts if part.leaf is not None)

    def first(self, name: bytes) -> Field | None:
        """The first field of the mail's header called `name` (lower case), or None."""
        return self.parts[0].head.first(name)

    def all(self, name: bytes) -> Sequence[Field]:
        """All fields of the mail's header called `name` (lower case), from the top down."""
        return self.parts[0].head.all(name)

    def value(self, name: bytes) -> bytes | None:
        """The unfolded value of the first field called `name`, or None."""
        return self.parts[0].head.value(name, self.data)
