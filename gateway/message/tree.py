"""What a scan gives: the parts of a mail as values. Spans into the bytes, and no bytes.

Named tuples and not frozen dataclasses, since every mail makes them: to make one takes a quarter of the time.
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.message.defects import Defect
from gateway.message.fields import Buffer
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


class Message(NamedTuple):
    """A scanned mail. ``parts[0]`` is the root; parts stand in reading order.

    `complete` is false for a held head; `head` is the mail's own header. Any defect means: leave it as it is.
    """

    data: Buffer
    parts: tuple[Part, ...]
    defects: tuple[Defect, ...]
    complete: bool
    head: Header

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts that are no multipart, in reading order."""
        return tuple(part for part in self.parts if part.leaf is not None)
