"""The content of a mail on the wire: its end, its dots, its line ends (RFC 5321 §4.1.1.4, §4.5.2).

Theory of operation. Content ends with CRLF "." CRLF and with nothing else (SMTP.md rule 24): a bare LF or CR
next to a dot is content. `ContentReader` cuts the stream only at places where no CRLF and no stuffed dot is
torn apart, and gives *stuffed* octets: a mail that stays untouched goes to the next hop as those very octets,
without being taken apart and put together again. `unstuff` and `stuff` serve the mails that are read or
changed.

Bare CR and LF become CRLF in what the reader gives (CVE-2023-51764 family: what leaves can't be read two
ways); `bare` tells that there were some, for listeners that refuse them.

Finding them has to cost next to nothing. `io.IncrementalNewlineDecoder` notes every kind of line end it sees
in one pass in C (26 µs for 64 KB, where counting CR, LF and CRLF takes 110 µs). Nearly all of a large mail is
base64 in lines of one length: those are looked at in a third of that time (`_evenly_cut`).
"""

import io
import re
from collections.abc import Iterable, Iterator

END = b"\r\n.\r\n"
_ANY_NEWLINE = re.compile(rb"\r\n|\r|\n")
_TORN = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
#: From so many octets on it is worth a look whether all lines have one length.
_MANY = 16_384


class ContentReader:
    """Finds the end of a mail's content in the octets of a session, however they are cut.

    Attributes:
        octets: content octets given so far, as stuffed: a few more than RFC 1870 §3 counts.
        bare: whether a bare CR or LF was seen.
        done: whether the end has been seen.
    """

    __slots__ = ("_carry", "_drop", "_mended", "_newlines", "bare", "done", "octets")

    def __init__(self) -> None:
        self._carry = b"\r\n"  # content starts at the start of a line: ".CRLF" alone is an empty mail
        self._drop = 2
        self._mended = False
        self._newlines = io.IncrementalNewlineDecoder(None, translate=False)
        self.octets = 0
        self.bare = False
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what came; give the next segment and the octets behind the end.

        The segment is stuffed and may be empty; segments, joined, are the content with clean line ends. A
        CRLF and the dot behind it are always in the same segment, unless the CRLF stands for a bare CR or
        LF. Octets behind the end come only once `done`; from then on everything is behind it.
        """
        if self.done:
            return b"", data
        buffer = self._carry + data
        rest = b""
        end = buffer.find(END) if b"." in buffer else -1
        if end >= 0:
            self.done = True
            rest = buffer[end + 5 :]
            segment = buffer[: end + 2]
            self._carry = b""
        else:
            torn = next((tail for tail in _TORN if buffer.endswith(tail)), b"")
            segment = buffer[: len(buffer) - len(torn)]
            self._carry = torn
        if segment:
            bare = self._is_bare(segment)
            if bare or self._mended:
                segment = self._mend(segment, bare=bare)
            if self._drop:
                # the line end that we imagine before the content; whole, since no segment ends inside one
                segment = segment[self._drop :]
                self._drop = 0
            self.octets += len(segment)
        return segment, rest

    def _mend(self, segment: bytes, *, bare: bool) -> bytes:
        if bare:
            segment = self._clean(segment)
        if self._mended and segment.startswith(b"."):
            # the segment before ended in a bare LF or CR that is a line end now, so this dot stands at the
            # start of a line
            segment = b"." + segment
        self._mended = bare and segment.endswith(b"\r\n")
        return segment

    def _is_bare(self, segment: bytes) -> bool:
        # A segment never ends inside a CRLF, so each can be judged alone; a CR at its very end is one that no
        # LF follows.
        if len(segment) > _MANY and _evenly_cut(segment):
            return False
        self._newlines.decode(segment.decode("latin-1"))
        if self._newlines.newlines in (None, "\r\n") and not segment.endswith(b"\r"):
            return False
        self._newlines = io.IncrementalNewlineDecoder(None, translate=False)
        self.bare = True
        return True

    @staticmethod
    def _clean(segment: bytes) -> bytes:
        # Dots are taken out first: the one behind a bare LF is content, and needs stuffing only once that LF
        # is a CRLF.
        unstuffed = segment.replace(b"\r\n.", b"\r\n")
        return _ANY_NEWLINE.sub(b"\r\n", unstuffed).replace(b"\r\n.", b"\r\n..")


def _evenly_cut(segment: bytes) -> bool:
    """Whether every CR and LF is part of a CRLF, and those stand at equal distances.

    Each CRLF that should be there is looked for and taken out, with slices that have a step; then none of the
    two octets may be left.
    """
    first = segment.find(b"\r\n")
    distance = segment.find(b"\r\n", first + 2) - first
    if first < 0 or distance < 2:
        return False
    rest = bytearray(segment)
    count = len(range(first, len(rest), distance))
    if rest[first::distance] != b"\r" * count or rest[first + 1 :: distance] != b"\n" * count:
        return False
    rest[first::distance] = rest[first + 1 :: distance] = bytes(count)
    return b"\r" not in rest and b"\n" not in rest


def unstuff(content: bytes) -> bytes:
    """Take the transparency dots out of content that starts at the start of a line (RFC 5321 §4.5.2)."""
    content = content.replace(b"\r\n.", b"\r\n")
    return content[1:] if content.startswith(b".") else content


def stuffed(content: bytes) -> bytes:
    """All of a content that starts at the start of a line, with its transparency dots (RFC 5321 §4.5.2)."""
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def stuff(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Put transparency dots into content that comes in pieces, cut anywhere (RFC 5321 §4.5.2).

    The first piece starts at the start of a line. Gives one stuffed piece for each that isn't empty.
    """
    tail = b"\r\n"
    for piece in pieces:
        if not piece:
            continue
        dotted = (tail + piece).replace(b"\r\n.", b"\r\n..")[len(tail) :]
        tail = (tail + piece[-2:])[-2:]
        yield dotted


class Unstuffer:
    """Takes the dots out of the segments of a `ContentReader`, one by one and in order."""

    __slots__ = ("_line_start",)

    def __init__(self) -> None:
        self._line_start = True

    def __call__(self, segment: bytes) -> bytes:
        """The content octets of the next segment."""
        plain = segment.replace(b"\r\n.", b"\r\n")
        if self._line_start and plain.startswith(b"."):
            plain = plain[1:]
        if segment:
            self._line_start = segment.endswith(b"\r\n")
        return plain
