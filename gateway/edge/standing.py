"""What a peer has shown of itself, and what it still has to show before it may send."""

from dataclasses import dataclass

from gateway.config.users import User
from gateway.edge.door import Access
from gateway.smtp import failure
from gateway.smtp.reply import Reply

#: What may be said before TLS where TLS is required (RFC 3207 §4).
BEFORE_TLS = frozenset({b"EHLO", b"HELO", b"LHLO", b"STARTTLS", b"NOOP", b"QUIT"})


@dataclass(slots=True, kw_only=True)
class Standing:
    """A peer's standing at a door.

    Attributes:
        secure: whether the connection is under TLS.
        certificate: the name behind the certificate that it gave, if it is a welcome one.
        user: who logged in.
        speaks_for: whether it may say XCLIENT and XFORWARD.
        for_others: it has said XCLIENT: its certificate is the speaker's, and logs in nobody else.
        nobody: a proxy that carries nobody; it may look in, and not send (SMTP.md rule 30).
    """

    access: Access
    secure: bool = False
    certificate: str = ""
    user: User | None = None
    speaks_for: bool = False
    for_others: bool = False
    nobody: bool = False

    def bar(self) -> Reply | None:
        """Why this peer may not send now; None if it may."""
        access = self.access
        if self.nobody:
            return failure.ACCESS_DENIED
        if access.tls == "required" and not self.secure:
            return failure.NEED_TLS
        if access.certificates == "required" and not self.certificate:
            return failure.ACCESS_DENIED
        if access.auth == "required" and not self.proven:
            return failure.NEED_AUTH
        return None

    @property
    def offers_tls(self) -> bool:
        """Whether STARTTLS is to be offered."""
        return self.access.tls != "none" and not self.secure

    @property
    def offers_auth(self) -> bool:
        """Whether AUTH is to be offered: under TLS only (RFC 4954 §4)."""
        return self.access.auth != "none" and self.secure and self.user is None

    def protocol(self, base: str) -> str:
        """The keyword for ``Received: with`` (RFC 3848)."""
        return base if base == "SMTP" else base + "S" * self.secure + "A" * (self.user is not None)

    @property
    def proven(self) -> str:
        """Who the peer has proven to be, for the log."""
        if self.user is not None:
            return f"user {self.user.name}"
        return "" if self.for_others else self.certificate
