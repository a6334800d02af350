"""The scanner: from the raw bytes of a mail to the spans of its fields, parts and bodies.

One pass. It reads header fields where a header is, then jumps from one line that could be a boundary to
the next; what lies between is never looked at. Nothing is copied or decoded. The scanner does not repair:
where a mail could be read in two ways it goes on as RFC 2046 says and names a defect, and a mail with a
defect is not changed.

message/rfc822 and its like are leaves: what is inside belongs to somebody else.

RFC 5322 §2.2, RFC 2045, RFC 2046 §5.1.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.message.defects import Defect, DefectKind
from gateway.message.fields import Buffer, ContentType, Field, HeaderEnd, in_pairs
from gateway.message.header import Header, read_header
from gateway.message.tree import Message, Part, Span

__all__ = ["Buffer", "Defect", "DefectKind", "Field", "Message", "Part", "Span", "scan"]


# More than any program that writes mail makes; past them the mail is a puzzle, not a letter.
MAX_DEPTH = 100
MAX_PARTS = 10_000
# Lines that could be a boundary (they begin as one does). Bounds the work on a body made of such lines.
MAX_CANDIDATES = 200_000
# From this size on it pays to ask whether there is anything to be looked for.
_LARGE = 64 * 1024
# Up to this size it is asked first, at once for all of a mail, whether its octets are as they should be.
_SHORT = 16 * 1024
# RFC 2046 §5.1.1 allows 70; some programs write a little more.
MAX_BOUNDARY = 200

_ENCODINGS = frozenset({"7bit", "8bit", "binary", "quoted-printable", "base64"})
_IDENTITY = frozenset({"7bit", "8bit", "binary"})
_EMPTY: Mapping[str, str] = MappingProxyType({})
_PLAIN = ContentType("text/plain", _EMPTY, True)  # noqa: FBT003 - a tuple's member; RFC 2045 §5.2
_DIGEST = ContentType("message/rfc822", _EMPTY, True)  # noqa: FBT003 - RFC 2046 §5.1.5


@dataclass(slots=True)
class _Draft:
    """A part while its end is not known yet."""

    index: int
    parent: int | None
    start: int
    head: Header
    kind: ContentType
    body: int
    children: list[int]
    end: int | None = None


@dataclass(slots=True, kw_only=True)
class _Level:
    """An open multipart: its boundary, and whether its close delimiter was seen."""

    draft: _Draft
    boundary: bytes
    closed: bool = False


def scan(data: Buffer, *, complete: bool = True, like: Message | None = None) -> Message:
    """Find the spans of `data`, the whole of a mail or (``complete=False``) its held head.

    `like` is a mail that `data` was made from. It changes nothing but the time that this takes: a header
    whose bytes are those of the same part's there is not cut into its fields again.

    Never raises, whatever the bytes. Time is linear in the data, memory in the number of fields and parts.
    """
    return _Scan(data, complete=complete, known=() if like is None else like.parts).run()


class _Scan:
    """The state of one pass."""

    __slots__ = (
        "complete",
        "data",
        "defects",
        "delimiters",
        "drafts",
        "known",
        "levels",
        "needless",
        "paired",
        "prefix",
        "tried",
    )

    def __init__(self, data: Buffer, *, complete: bool, known: tuple[Part, ...]) -> None:
        self.data = data
        self.known = known
        self.complete = complete
        # Then there is nothing in the stream that `_check_stream` looks for.
        self.paired = isinstance(data, bytes) and len(data) <= _SHORT and in_pairs(data)
        self.defects: list[Defect] = []
        self.drafts: list[_Draft] = []
        self.levels: list[_Level] = []  # open multiparts, outermost first
        self.tried: tuple[bytes, ...] = ()  # their boundaries
        self.delimiters: tuple[bytes, ...] = ()  # the same with their two dashes
        self.needless: list[_Draft] = []  # parts with a boundary that they have no use for
        self.prefix = b""  # what a line must begin with to be worth a look

    def run(self) -> Message:
        position = self._open_part(0, None, _PLAIN)
        if self.levels:
            self._walk(position)
        if self.complete:
            for draft in self.drafts:
                if draft.end is None:
                    draft.end = len(self.data)
        if not self.paired:
            self._check_stream()
        for draft in self.needless:
            self._check_needless_boundary(draft)
        parts = self._parts()
        return Message(self.data, parts, tuple(self.defects), self.complete, parts[0].head)

    def _defect(self, kind: DefectKind, at: int) -> None:
        self.defects.append(Defect(kind=kind, at=at))

    def _check_stream(self) -> None:
        """NUL, and CR or LF that stand alone: other readers would see other lines than we do.

        In a file that hangs on the mail they hide nothing but a boundary; there only those are looked for.
        """
        data = self.data
        size = len(data)
        at = data.find(b"\0")
        if at >= 0:
            self._defect(DefectKind.NUL, at)
        several = len(self.drafts) > 1
        for draft in self.drafts:
            if draft.parent is None:
                end = draft.body if several else size
            elif draft.kind.value.startswith("text/"):
                end = size if draft.end is None else draft.end
            else:
                continue
            # A header of nothing but well-formed fields has no such thing in it.
            start = draft.body - 2 if draft.head.well_formed else draft.start
            if has_bare_line_end(data, start, end, complete=self.complete or end < size):
                self._defect(DefectKind.BARE_LINE_END, draft.start)
                return
        if several:
            self._check_dashes()

    def _check_needless_boundary(self, draft: _Draft) -> None:
        """Whether a boundary that a part has no use for stands in it: mailparser makes two parts of that."""
        value = draft.kind.parameters["boundary"]
        if value:
            end = len(self.data) if draft.end is None else draft.end
            at = self.data.find(b"\n--" + value.encode("utf-8", "replace"), draft.body - 1, end)
            if at >= 0:
                self._defect(DefectKind.LOOKALIKE, at)

    def _check_dashes(self) -> None:
        """Whether a CR or LF stands alone before two dashes, as a boundary has them."""
        data = self.data
        candidates = 0
        for start, end in self._with_dashes():
            at = data.find(b"\r--", start, end)
            if at >= 0:
                self._defect(DefectKind.BARE_LINE_END, at)
                return
            at = data.find(b"\n--", start, end)
            while at >= 0:
                candidates += 1
                if data[at - 1 : at] != b"\r":
                    self._defect(DefectKind.BARE_LINE_END, at)
                    return
                if candidates >= MAX_CANDIDATES:
                    self._defect(DefectKind.TOO_MANY, at)
                    return
                at = data.find(b"\n--", at + 1, end)

    def _with_dashes(self) -> Iterator[Span]:
        """All of the mail but for large files without a dash, as base64 is: that is found out at once."""
        position = 0
        for draft in self.drafts:
            end = len(self.data) if draft.end is None else draft.end
            if end - draft.body > _LARGE and not draft.children:
                at = self.data.find(b"-", draft.body, end)
                if at < 0:
                    yield position, draft.body
                    position = end
        yield position, len(self.data)

    def _open_part(self, start: int, parent: _Draft | None, default: ContentType) -> int:
        """Read the header at `start`, add the part, and give back where to look for the next boundary."""
        complete = self.complete
        index = len(self.drafts)
        head, end, ended_by = read_header(
            self.data,
            start,
            self.defects,
            self.delimiters,
            complete=complete,
            paired=self.paired,
            like=self.known[index].head if index < len(self.known) else None,
        )
        mime = head.mime
        if mime.doubts:
            written = head.mime_fields
            for doubt, number in mime.doubts:
                self._defect(doubt, written[number].start)
        if mime.encoding not in _ENCODINGS:
            self._defect(DefectKind.BAD_ENCODING, start)
        kind = mime.kind or default
        body = end + 2 if ended_by is HeaderEnd.BLANK_LINE else end
        draft = _Draft(index, None if parent is None else parent.index, start, head, kind, body, [])
        self.drafts.append(draft)
        if parent is not None:
            parent.children.append(index)
        if ended_by is HeaderEnd.BOUNDARY or (ended_by is HeaderEnd.DATA and parent is not None and complete):
            self._defect(DefectKind.NO_BLANK_LINE, end)
        if parent is None and head.text == b"\n" and (complete or ended_by is HeaderEnd.BLANK_LINE):
            self._defect(DefectKind.NO_HEADER, 0)
        if kind.value.startswith("multipart/"):
            self._open_level(draft)
        elif "boundary" in kind.parameters:
            self.needless.append(draft)
        return body - 2

    def _open_level(self, draft: _Draft) -> None:
        """Note the boundary of a multipart, if it can be told apart from the others."""
        at = draft.start
        if draft.head.mime.encoding not in _IDENTITY:
            self._defect(DefectKind.ENCODED_MULTIPART, at)
        value = draft.kind.parameters.get("boundary")
        if value is None:
            self._defect(DefectKind.NO_BOUNDARY, at)
            return
        boundary = value.encode("utf-8", "replace")
        if (
            not boundary
            or not boundary.isascii()
            or len(boundary) > MAX_BOUNDARY
            or boundary != boundary.strip()
            or not boundary.strip(b"-")  # its delimiters are the rules that people, and footers, draw
        ):
            self._defect(DefectKind.BAD_BOUNDARY, at)
            return
        if len(self.levels) >= MAX_DEPTH:
            self._defect(DefectKind.TOO_DEEP, at)
            return
        for other in self.tried:
            if other == boundary:
                self._defect(DefectKind.SAME_BOUNDARY, at)
                return
            if other.startswith(boundary) or boundary.startswith(other):
                self._defect(DefectKind.BOUNDARY_PREFIX, at)
        self.levels.append(_Level(draft=draft, boundary=boundary))
        self._retry()

    def _retry(self) -> None:
        self.tried = tuple(level.boundary for level in self.levels)
        self.delimiters = tuple(b"--" + boundary for boundary in self.tried)
        self.prefix = b"\r\n--" + _common_prefix(self.tried)

    def _walk(self, position: int) -> None:
        """Go from one line that could be a boundary to the next, until no multipart is open."""
        data = self.data
        for _ in range(MAX_CANDIDATES):
            # The dash first: base64 has none, and one octet is found in a tenth of the time.
            dash = data.find(b"-", position)
            hit = -1 if dash < 0 else data.find(self.prefix, max(dash - 2, position))
            if hit < 0:
                break
            line_end = data.find(b"\r\n", hit + 4)
            if line_end < 0:
                if not self.complete:
                    break  # the line may go on: not known yet what it is
                line_end = len(data)
            position = self._line(hit, line_end)
            if len(self.drafts) > MAX_PARTS:
                self._defect(DefectKind.TOO_MANY, hit)
                return
        else:
            self._defect(DefectKind.TOO_MANY, position)
            return
        if self.complete:
            for level in self.levels:
                if not level.closed:
                    kind = DefectKind.NOT_CLOSED if level.draft.children else DefectKind.NO_PARTS
                    self._defect(kind, level.draft.body)

    def _line(self, hit: int, line_end: int) -> int:
        """One candidate line. Gives back where to go on."""
        line = self.data[hit + 4 : min(line_end, hit + 4 + MAX_BOUNDARY + 80)].rstrip(b" \t")
        closing = False
        depth = self._depth(line)
        if depth is None and line.endswith(b"--"):
            closing = True
            depth = self._depth(line[:-2])
        if depth is None:
            if line.startswith(self.tried):
                self._defect(DefectKind.LOOKALIKE, hit)
            return line_end
        level = self.levels[depth]
        if level.closed:
            self._defect(DefectKind.AFTER_CLOSE, hit)
            return line_end
        for inner in self.levels[depth + 1 :]:
            if not inner.closed:
                self._defect(DefectKind.NOT_CLOSED, hit)
        self._end_parts(level.draft, hit)
        del self.levels[depth + 1 :]
        if closing:
            level.closed = True
            if not level.draft.children:
                self._defect(DefectKind.NO_PARTS, hit)
            self._retry()
            return line_end
        self._retry()
        if line_end == len(self.data):
            self._defect(DefectKind.EMPTY_PART, hit)
            return line_end
        default = _DIGEST if level.draft.kind.value == "multipart/digest" else _PLAIN
        return self._open_part(line_end + 2, level.draft, default)

    def _depth(self, line: bytes) -> int | None:
        try:
            return self.tried.index(line)
        except ValueError:
            return None

    def _end_parts(self, parent: _Draft, end: int) -> None:
        """End the last open child of `parent`, and whatever is open inside it."""
        draft = parent
        while draft.children:
            draft = self.drafts[draft.children[-1]]
            if draft.end is not None:
                break
            draft.end = max(end, draft.body)

    def _parts(self) -> tuple[Part, ...]:
        parts = []
        leaves = 0
        size = len(self.data)
        for draft in self.drafts:
            kind, disposition = draft.kind, draft.head.mime.disposition
            leaf = None
            if not draft.children and not kind.value.startswith("multipart/"):
                leaf = leaves
                leaves += 1
            name = kind.parameters.get("name", "")
            parts.append(
                Part(
                    index=draft.index,
                    leaf=leaf,
                    parent=draft.parent,
                    children=tuple(draft.children),
                    header=(draft.start, draft.body),
                    head=draft.head,
                    body=(draft.body, size if draft.end is None else draft.end),
                    content_type=kind.value,
                    parameters=kind.parameters,
                    encoding=draft.head.mime.encoding,
                    disposition="" if disposition is None else disposition.value,
                    filename=name if disposition is None else disposition.parameters.get("filename", name),
                    complete=draft.end is not None,
                )
            )
        return tuple(parts)


def _common_prefix(values: tuple[bytes, ...]) -> bytes:
    """What all `values` begin with: it is enough to look at the least and the greatest."""
    least, greatest = min(values), max(values)
    for at, each in enumerate(least):
        if greatest[at : at + 1] != bytes((each,)):
            return least[:at]
    return least


_BARE_RETURN = re.compile(rb"\r(?!\n)")
_BARE_FEED = re.compile(rb"\n(?<!\r\n)")


def has_bare_line_end(data: Buffer, start: int, end: int, *, complete: bool = True) -> bool:
    """Whether a CR or LF stands alone in a span. The last byte of a held head may be the CR of a CRLF."""
    if not complete and data[end - 1 : end] == b"\r":
        end -= 1
    return (
        _BARE_RETURN.search(data, start, end) is not None or _BARE_FEED.search(data, start, end) is not None
    )
