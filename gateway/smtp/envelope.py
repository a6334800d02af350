"""MAIL and RCPT as values, and the envelope that they make."""

from dataclasses import dataclass, field

from gateway.smtp.address import Path
from gateway.smtp.client import Client
from gateway.smtp.parameters import Parameters

#: What the gateway may add to a mail on its way (Received:, our own field); SMTP.md rule 10.
OWN_OCTETS = 2_048


@dataclass(frozen=True, slots=True)
class Mail:
    """``MAIL FROM``: the reverse-path and its parameters; whose mail it is, where that is to be told.

    Attributes:
        size: the octets that the sender announced (RFC 1870), or None.
        line: the command for the next hop, CRLF included. Every octet is the sender's, but SIZE= grows by
            what we may add (SMTP.md rule 10).
    """

    path: Path
    parameters: Parameters
    client: Client | None = field(default=None, compare=False)
    size: int | None = field(init=False, repr=False, compare=False)
    line: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        value = self.parameters.get(b"SIZE")
        size = int(value) if value is not None and value.isdigit() else None
        words = self.parameters.wire
        if size is not None:
            words = b"".join(
                [
                    b" SIZE=%d" % (size + OWN_OCTETS) if keyword == b"SIZE" else b" " + word
                    for keyword, word in self.parameters.items
                ]
            )
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "line", b"MAIL FROM:%b%b\r\n" % (self.path.raw, words))


@dataclass(frozen=True, slots=True)
class Rcpt:
    """``RCPT TO``: one forward-path and its parameters."""

    path: Path
    parameters: Parameters

    @property
    def line(self) -> bytes:
        """The command for the next hop, CRLF included, with the sender's octets."""
        return b"RCPT TO:%b%b\r\n" % (self.path.raw, self.parameters.wire)

    @property
    def notify(self) -> frozenset[bytes]:
        """The NOTIFY values in upper case (RFC 3461 §4.1).

        Where none are given FAILURE and DELAY, the default.
        """
        value = self.parameters.get(b"NOTIFY")
        return frozenset(value.upper().split(b",")) if value else frozenset((b"FAILURE", b"DELAY"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reverse-path and the forward-paths that the next hop accepted, in the order they were given."""

    mail: Mail
    recipients: tuple[Rcpt, ...]
