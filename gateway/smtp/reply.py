"""SMTP replies: the value, its bytes on the wire, and a bounded reader for a stream of them.

RFC 5321 §4.2 (replies), §4.2.1 (multi-line), §4.5.3.1.5 (length); RFC 2034 and RFC 3463 (enhanced codes).
A reply keeps its text as the bytes that came, since it is passed on; only control characters that could
end or split a line are replaced.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

#: RFC 5321 §4.5.3.1.5 says 512; real servers exceed it with long explanations and URLs.
MAX_LINE = 4_096
#: A reply of more lines or octets than this is not a reply but an attack on our memory.
MAX_LINES = 128
MAX_OCTETS = 65_536
#: So many replies are remembered, and none from more octets than a line has by RFC 5321.
KNOWN = 256
KNOWN_OCTETS = 512

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]|\Z)")
_REPEATED = re.compile(rb"(?:[23][^@\n]*\n)+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class ReplyError(ValueError):
    """What the peer sent is not an SMTP reply, or is larger than any honest one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply: a code from 200 to 599 and at least one line of text.

    Lines are octets without code and line end, and hold no control character but the tab.

    Attributes:
        positive: 2xx: done.
        intermediate: 3xx: go on.
        transient: 4xx: try again later.
        permanent: 5xx: do not try again.
        shown: code and all lines in one, for logs and the ledger; octets outside UTF-8 are shown escaped.
        wire: the octets with CRLF line ends, multi-line as RFC 5321 §4.2.1 has it.
    """

    code: int
    lines: tuple[bytes, ...]
    # Told at once, and not when asked: most replies are made once and asked often.
    positive: bool = field(init=False, repr=False, compare=False)
    intermediate: bool = field(init=False, repr=False, compare=False)
    transient: bool = field(init=False, repr=False, compare=False)
    permanent: bool = field(init=False, repr=False, compare=False)
    shown: str = field(init=False, repr=False, compare=False)
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        code = self.code
        kind = code // 100
        tell = object.__setattr__
        tell(self, "positive", kind == 2)
        tell(self, "intermediate", kind == 3)
        tell(self, "transient", kind == 4)
        tell(self, "permanent", kind >= 5)
        *before, last = self.lines
        wire = b"%d %b\r\n" % (code, last)
        if before:
            wire = b"".join([b"%d-%b\r\n" % (code, line) for line in before]) + wire
        tell(self, "wire", wire)
        tell(self, "shown", f"{code} {b' / '.join(self.lines).decode('utf-8', 'backslashreplace')}")

    @classmethod
    def of(cls, code: int, enhanced: str, *texts: str) -> "Reply":
        """A reply of our own, in ASCII.

        Args:
            code: 200 to 599.
            enhanced: such as ``"4.3.0"``, or empty for none; put before each line (RFC 2034 §4).
            texts: one a line; a control character in them, which could end a line, becomes a question mark.
        """
        prefix = f"{enhanced} " if enhanced else ""
        return cls(code, tuple(_CONTROL.sub(b"?", (prefix + text).encode("ascii")) for text in texts))

    @property
    def enhanced(self) -> str:
        """The enhanced status code of the first line (RFC 3463), or an empty string."""
        found = _ENHANCED.match(self.lines[0])
        return found.group(1).decode("ascii") if found else ""

    def with_code(self, code: int, enhanced: str = "") -> "Reply":
        """The same text under another code; `enhanced` replaces the enhanced code that a line starts with."""
        prefix = enhanced.encode("ascii") + b" " if enhanced else b""
        lines = []
        for line in self.lines:
            found = _ENHANCED.match(line)
            lines.append(prefix + (line[found.end() :] if found else line))
        return Reply(code, tuple(lines))

    def __str__(self) -> str:
        return self.shown


#: Replies by the octets that they came in: a next hop says the same few things all day.
_known: dict[bytes, tuple[Reply, ...]] = {}


class ReplyReader:
    """Turns the octets that a server sends into replies, however they are cut (sans I/O).

    What is held is bounded by `MAX_OCTETS`. After a `ReplyError` the stream has no meaning any more: the
    connection has to be closed. Replies that came whole and in one piece are remembered and not read again
    (`KNOWN` of them, of `KNOWN_OCTETS` at most), except refusals and what has an address in it: those are
    about somebody.

    Attributes:
        pending: whether part of a reply has come and the rest has not.
    """

    __slots__ = ("_buffer", "_code", "_lines", "_octets", "pending")

    def __init__(self) -> None:
        self.pending = False
        self._buffer = b""
        self._code = 0
        self._lines: list[bytes] = []
        self._octets = 0

    def feed(self, data: bytes) -> Sequence[Reply]:
        """Take `data`; give the replies that are complete with it.

        Raises:
            ReplyError: a line that is no reply line, codes that differ within one reply, or a reply past the
                bounds.
        """
        if self.pending:
            return self._read(self._buffer + data)
        known = _known.get(data)
        if known is None:
            known = self._read(data)
            whole = not (self._buffer or self._lines)
            if whole and len(data) <= KNOWN_OCTETS and _REPEATED.fullmatch(data):
                if len(_known) >= KNOWN:
                    _known.clear()
                _known[data] = known
        return known

    def _read(self, data: bytes) -> tuple[Reply, ...]:
        replies: list[Reply] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(line.removesuffix(b"\r"), replies)
        if len(rest) > MAX_LINE + 1:  # the CR of a line that is as long as it may be
            raise ReplyError("reply line too long")
        self._buffer = rest
        self.pending = bool(rest or self._lines)
        return tuple(replies)

    def _line(self, line: bytes, replies: list[Reply]) -> None:
        found = _LINE.match(line)
        if found is None or len(line) > MAX_LINE:
            raise ReplyError(f"not a reply: {line[:80]!r}")
        digits, divider, text = found.groups(b"")
        code = int(digits)
        if self._lines and code != self._code:
            raise ReplyError(f"code changed within a reply: {line[:80]!r}")
        self._code = code
        self._octets += len(line)
        self._lines.append(_CONTROL.sub(b"?", text))
        if len(self._lines) > MAX_LINES or self._octets > MAX_OCTETS:
            raise ReplyError("reply too long")
        if divider != b"-":
            replies.append(Reply(code, tuple(self._lines)))
            self._lines = []
            self._octets = 0
