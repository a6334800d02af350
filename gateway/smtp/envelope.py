"""MAIL and RCPT as values, and the envelope that they make."""

from dataclasses import dataclass, field

from gateway.smtp.address import Path
from gateway.smtp.client import Client
from gateway.smtp.parameters import Parameters

#: What the gateway may add to a mail on its way (Received:, our own field); SMTP.md rule 10.
OWN_OCTETS = 2_048


@dataclass(frozen=True, slots=True)
class Mail:
    """``MAIL FROM``: the reverse-path and its parameters; whose mail it is, where that is to be told."""

    path: Path
    parameters: Parameters
    client: Client | None = field(default=None, compare=False)

    @property
    def size(self) -> int | None:
        """The octets that the sender announced (RFC 1870), or None."""
        value = self.parameters.get(b"SIZE")
        return int(value) if value is not None and value.isdigit() else None

    def line(self) -> bytes:
        """The command for the next hop, CRLF included.

        Every octet is the sender's, but SIZE= grows by what we may add (SMTP.md rule 10).
        """
        words = (
            b" SIZE=%d" % (self.size + OWN_OCTETS)
            if keyword == b"SIZE" and self.size is not None
            else b" " + word
            for keyword, word in self.parameters.items
        )
        return b"MAIL FROM:" + self.path.raw + b"".join(words) + b"\r\n"


@dataclass(frozen=True, slots=True)
class Rcpt:
    """``RCPT TO``: one forward-path and its parameters."""

    path: Path
    parameters: Parameters

    def line(self) -> bytes:
        """The command for the next hop, CRLF included, with the sender's octets."""
        return b"RCPT TO:" + self.path.raw + self.parameters.wire() + b"\r\n"

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
