"""The content of a mail in chunks (RFC 3030): octets by count, made into the stuffed lines of DATA.

What comes out is what a `gateway.smtp.content.ContentReader` gives for the same mail sent by DATA, so that
nothing behind it needs to know: bare CR and LF are CRLF, dots are stuffed, and content that doesn't end in
CRLF gets one, since a final dot has to stand on a line of its own.
"""

import re
from dataclasses import dataclass

_ANY_NEWLINE = re.compile(rb"\r\n|\r|\n")
# RFC 3030 §2: a number and maybe LAST. RFC 1870 §4 has 20 digits at most.
_ARGUMENT = re.compile(rb"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a BDAT command announces."""

    size: int
    last: bool


def parse_bdat(argument: bytes) -> Chunk | None:
    """The argument of BDAT; None for what is none. Then nobody can say where the next command begins."""
    found = _ARGUMENT.fullmatch(argument)
    return None if found is None else Chunk(int(found[1]), found[2] is not None)


class ChunkReader:
    """Turns chunks into stuffed segments, however they are cut.

    Attributes:
        left: octets of the chunk under way that have not come yet.
        octets: content octets given so far, as stuffed.
        bare: whether a bare CR or LF was seen.
        done: whether the last chunk has come whole.
    """

    __slots__ = ("_carry", "_last", "_line_start", "bare", "done", "left", "octets")

    def __init__(self) -> None:
        self._carry = b""
        self._last = False
        self._line_start = True
        self.left = 0
        self.octets = 0
        self.bare = False
        self.done = False

    def expect(self, chunk: Chunk) -> None:
        """A chunk begins. Feed nothing, once, for one without octets."""
        self.left = chunk.size
        self._last = chunk.last

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what came; give the next segment, and the octets behind the chunk."""
        rest = data[self.left :]
        taken = self._carry + data[: self.left]
        self.left = max(0, self.left - len(data))
        ends = self._last and self.left == 0
        # A CR may belong to an LF that is still to come, in this chunk or the next.
        self._carry = b"\r" if taken.endswith(b"\r") and not ends else b""
        segment = self._cleaned(taken[: len(taken) - len(self._carry)])
        if ends and not self.done:
            self.done = True
            if not self._line_start:
                segment += b"\r\n"
        self.octets += len(segment)
        return segment, rest

    def _cleaned(self, plain: bytes) -> bytes:
        if not plain:
            return b""
        pairs = plain.count(b"\r\n")
        if plain.count(b"\n") != pairs or plain.count(b"\r") != pairs:
            self.bare = True
            plain = _ANY_NEWLINE.sub(b"\r\n", plain)
        stuffed = plain.replace(b"\r\n.", b"\r\n..")
        if self._line_start and stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        self._line_start = stuffed.endswith(b"\r\n")
        return stuffed
