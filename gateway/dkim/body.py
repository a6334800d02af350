"""The hash of a body in relaxed canonicalisation (RFC 6376 §3.4.4), piece by piece.

The canonicalisation is dkimpy's, applied to pieces: what may still change with the next octets (blanks before
a line end, empty lines at the end) is held back. Blanks are compressed before those at line ends are taken
out, which gives the same bytes and is linear: the other way round a run of a million blanks takes hours.
"""

import hashlib

from dkim.canonicalization import compress_whitespace, strip_trailing_whitespace

CRLF = b"\r\n"
# Empty lines are put back in runs of this many octets at most.
_RUN = CRLF * 8_192


class BodyHash:
    """SHA-256 of a canonical body. The octets have no CR or LF that stands alone."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._open = b""  # a blank, a CR, or both, at the end of what was given so far
        self._line_ends = 0  # CRLFs at the end of what was given; they count once something follows
        self._empty = True

    def update(self, piece: bytes) -> None:
        """Take the next octets of the body."""
        content = self._open + piece
        end = len(content) - content.endswith(b"\r")
        cut = len(content[:end].rstrip(b" \t"))
        self._open = compress_whitespace(content[cut:])
        self._take(_canonical(content[:cut]))

    def digest(self) -> bytes:
        """The hash. Call it once, at the end: a last line without a line end gets one (RFC 6376 §3.4.4)."""
        if not self._empty:
            self._hash.update(CRLF)
        return self._hash.digest()

    def _take(self, content: bytes) -> None:
        text = content.rstrip(CRLF)
        if text:
            self._put_line_ends()
            self._hash.update(text)
            self._empty = False
        self._line_ends += content.count(b"\n", len(text))

    def _put_line_ends(self) -> None:
        octets = 2 * self._line_ends
        while octets:
            run = _RUN[:octets]
            self._hash.update(run)
            octets -= len(run)
        self._line_ends = 0


def _canonical(content: bytes) -> bytes:
    """Blanks made one, and those at line ends taken out."""
    # Looking first is a tenth of the cost: base64 and most prose have nothing to compress.
    if b"\t" in content or b"  " in content:
        content = compress_whitespace(content)
    return strip_trailing_whitespace(content) if b" \r\n" in content else content
