"""Reverse-paths and forward-paths, parsed from raw octets and never rewritten (RFC 5321 §4.1.2).

Why our own parser: libraries on both sides were found to decode encoded-words in addresses (a real CRLF in
an envelope), to cut ``a,b@c`` to ``a``, and to accept ``<a@b`` (PITFALLS.md). What is accepted here goes out
as the same octets.

More is accepted than the grammar allows where real addresses need it: dots anywhere in a local part (old
Japanese mobile addresses end in one), underscores in domains, octets above 127 (SMTPUTF8, checked by
the caller). Nothing is accepted that could end a line, close the path early or stand for two addresses.
"""

import re
from dataclasses import dataclass, field

#: RFC 5321 §4.5.3.1.3 says 256; generous for BATV, SRS and VERP on top of long addresses, and small enough
#: that a header field which names the address stays below 998 octets (RFC 5322 §2.1.1).
MAX_PATH = 900

_ATOM = rb"[^\x00-\x20\x7f<>\"\\@,:;()\[\]]+"
_QUOTED = rb"\"(?:[^\x00-\x1f\x7f\"\\]|\\[\x20-\x7e\x80-\xff])*\""
_NAME = rb"[A-Za-z0-9_\x80-\xff](?:[A-Za-z0-9._\x80-\xff-]*[A-Za-z0-9_\x80-\xff])?\.?"
_LITERAL = rb"\[[^\x00-\x20\x7f<>\[\]\\]+\]"
_DOMAIN = rb"(?:" + _NAME + rb"|" + _LITERAL + rb")"
_PATH = re.compile(
    rb"<(?:(?P<route>@" + _DOMAIN + rb"(?:,@" + _DOMAIN + rb")*):)?"
    rb"(?P<local>" + _ATOM + rb"|" + _QUOTED + rb")(?:@(?P<domain>" + _DOMAIN + rb"))?>"
)


class PathError(ValueError):
    """Not a path that may be passed on. The text is safe to show to the peer."""


@dataclass(frozen=True, slots=True)
class Path:
    """A path as it came.

    Attributes:
        raw: with its angle brackets and source route, for the wire.
        local: the local part, quotes included; empty in the null reverse-path.
        domain: lower-case, without a final dot; empty where there is none (``<>``, ``<postmaster>``).
        mailbox: ``local@domain`` without brackets and source route; empty for ``<>``.
        text: the mailbox for people and for rules; octets that are not UTF-8 are shown escaped. A mail is
            asked for it a dozen times, so it is made once.
    """

    raw: bytes
    local: bytes
    domain: bytes
    mailbox: bytes = field(init=False, repr=False, compare=False)
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mailbox = self.local + b"@" + self.domain if self.domain else self.local
        object.__setattr__(self, "mailbox", mailbox)
        object.__setattr__(self, "text", mailbox.decode("utf-8", "backslashreplace"))

    @property
    def null(self) -> bool:
        """Whether this is ``<>``."""
        return not self.local

    @property
    def ascii(self) -> bool:
        """Whether the path can travel without SMTPUTF8 (RFC 6531 §3.1)."""
        return self.raw.isascii()


NULL_PATH = Path(b"<>", b"", b"")


def parse_path(argument: bytes, keyword: bytes, *, null_allowed: bool) -> tuple[Path, bytes]:
    """Split what follows ``MAIL`` or ``RCPT`` into the path and the raw parameters.

    Args:
        argument: the octets after the verb, for example ``b"FROM:<a@example.com> SIZE=9"``.
        keyword: ``b"FROM"`` or ``b"TO"``; case does not matter, blanks after the colon are let pass.
        null_allowed: whether ``<>`` may stand here (only in MAIL).

    Raises:
        PathError: anything else.
    """
    head, colon, rest = argument.partition(b":")
    if not colon or head.strip().upper() != keyword:
        raise PathError(f"syntax: {keyword.decode()}:<address>")
    rest = rest.lstrip(b" ")
    if rest.startswith(b"<>"):
        path, end = NULL_PATH, 2
        if not null_allowed:
            raise PathError("null path not allowed here")
    else:
        found = _PATH.match(rest)
        if found is None:
            raise PathError("malformed address, or address not in angle brackets")
        end = found.end()
        if end > MAX_PATH:
            raise PathError("address too long")
        domain = (found["domain"] or b"").removesuffix(b".").lower()
        path = Path(rest[:end], found["local"], domain)
    parameters = rest[end:]
    if parameters and not parameters.startswith(b" "):
        raise PathError("malformed address")
    return path, parameters
