"""What a scripted peer saw, byte for byte, for a test to compare with what should have come."""

from dataclasses import dataclass, field

from .action import Stage


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From MAIL to the reply to the final dot, RSET, or the end of the connection.

    `raw` is the content as it stood on the wire (dots stuffed, without the final ``.CRLF``), `complete`
    says whether the end of data was seen. `reply` is the reply given to the dot (the last one for LMTP);
    empty: none was given.
    """

    connection: int
    index: int
    mail: bytes
    rcpts: list[bytes] = field(default_factory=list)
    recipients: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    data: bool = False
    raw: bytearray = field(default_factory=bytearray)
    octets: int = 0
    complete: bool = False
    reply: bytes = b""

    @property
    def content(self) -> bytes:
        """The mail: content with its dots un-stuffed (RFC 5321 §4.5.2)."""
        text = bytes(self.raw)
        if text.startswith(b"."):
            text = text[1:]
        return text.replace(b"\r\n.", b"\r\n")

    @property
    def sender(self) -> bytes:
        """The reverse-path, without its angle brackets."""
        return path_of(self.mail)

    @property
    def taken(self) -> bool:
        """Whether this peer said 2xx to a complete mail: from there on it is the peer's."""
        return self.complete and self.reply.startswith(b"2")


@dataclass(slots=True, kw_only=True)
class Session:
    """One connection: every octet and command that came over it, in order.

    `ended` says who ended it: "us" (by script), "client" (EOF), "lost" (reset), "quit", or "" while open.
    `faults` are breaches of the protocol that a lenient server would not notice, worded for the failure
    message of a test; they should be empty.
    """

    index: int
    peer: str = ""
    received: bytearray = field(default_factory=bytearray)
    commands: list[bytes] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    reached: dict[Stage, int] = field(default_factory=dict)
    hello: bytes = b""
    secure: bool = False
    auth: list[bytes] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    ended: str = ""


def path_of(line: bytes) -> bytes:
    """What stands between the first ``<`` and its ``>`` in a MAIL or RCPT line, quoting respected."""
    start = line.find(b"<") + 1
    quoted = escaped = False
    for at in range(start, len(line)):
        octet = line[at : at + 1]
        if escaped:
            escaped = False
        elif octet == b"\\" and quoted:
            escaped = True
        elif octet == b'"':
            quoted = not quoted
        elif octet == b">" and not quoted:
            return line[start:at]
    return b""
