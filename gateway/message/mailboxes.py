"""The addresses in a header field.

Only what could stand in MAIL and RCPT is found; display names, comments and groups are passed over. Linear,
and bounded: a field with 20,000 addresses costs as much as its first `MAX_FIELD` octets.

RFC 5322 §3.4.
"""

import re
from functools import lru_cache

from gateway.smtp.address import PathError, parse_path

MAX_FIELD = 65_536
MAX_MAILBOXES = 1_000
# Fields longer than this are not remembered.
_LONGEST_KNOWN = 500

# Every run is either bounded or taken whole, so that no octet is looked at more than `_RUN` times.
_RUN = 400
_ATOM = rb"[^\s<>,;:\"()@]++"
_QUOTED = rb"\"(?>(?:[^\"\\]|\\.){0,%d})\"" % _RUN
_TOKEN = re.compile(
    rb"<(?P<angle>[^<>]{0,%d}+)>" % _RUN
    + rb"|(?P<bare>(?:%b|%b)@%b)" % (_QUOTED, _ATOM, _ATOM)
    + rb"|%b|%b" % (_QUOTED, _ATOM)
    + rb"|\((?>(?:[^()\\]|\\.){0,%d})\)" % _RUN
    + rb"|(?P<end>[,;])",
    re.DOTALL,
)


def mailboxes(value: bytes, most: int = MAX_MAILBOXES) -> list[str]:
    """The mailboxes (``local@domain``) that an unfolded field value names, in order, `most` at most."""
    found: list[str] = []
    angle = bare = b""
    for token in (*_TOKEN.finditer(value[:MAX_FIELD]), None):
        if token is not None and token["end"] is None:
            angle = angle or (token["angle"] or b"").strip()
            bare = bare or token["bare"] or b""
            continue
        address = _mailbox(angle or bare)
        if address:
            found.append(address)
        angle = bare = b""
        if len(found) >= most:
            break
    return found


def first_mailbox(value: bytes) -> str:
    """The first of the `mailboxes`, or nothing. A field that comes again and again is read once."""
    return _first(value) if len(value) <= _LONGEST_KNOWN else next(iter(mailboxes(value, 1)), "")


@lru_cache(maxsize=256)
def _first(value: bytes) -> str:
    return next(iter(mailboxes(value, 1)), "")


def _mailbox(written: bytes) -> str:
    """The mailbox as text, or nothing if it could not stand in an envelope."""
    try:
        path, rest = parse_path(b"TO:<" + written + b">", b"TO", null_allowed=False)
        return "" if rest or not path.domain else path.mailbox.decode("utf-8")
    except (PathError, UnicodeDecodeError):
        return ""
