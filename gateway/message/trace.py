"""Trace fields: ``Received:`` with the keyed loop mark, and our own X-CareerRelay-Id.

The mark is a comment that only a holder of the installation's key can make; it stands in every mail that
passes, so that a mail which comes round again is known, whatever others do to its body (SMTP.md rule 13).
What a peer calls itself goes into the field only as far as it cannot be mistaken for anything else.

RFC 5321 §4.4, RFC 5322 §3.6.7.
"""

import hmac
import re
from functools import lru_cache

from gateway.keyed import keyed_hash
from gateway.message.scan import Message

OWN_ID = b"x-careerrelay-id"

_MARKED = b"(careerrelay-mark"  # no fold can stand within it
_MARK = re.compile(rb"\(careerrelay-mark[ \t]++([0-9A-Za-z._-]{1,64})[ \t]++([0-9a-f]{32})[ \t]*+\)")
_OWN_VALUE = re.compile(rb"([0-9A-Za-z._-]{1,64})[ \t]++([0-9a-f]{32})")
_NOT_DOMAIN = re.compile(rb"[^0-9A-Za-z.:_\[\]-]")
_NOT_ATOM = re.compile(r"[^0-9A-Za-z._-]")
_PATH = re.compile(rb"<[!-~]{1,320}>")
_MAX_HELO = 255


def received_field(
    *,
    helo: bytes,
    peer: str,
    hostname: str,
    protocol: str,
    recipient: bytes | None,
    session_id: str,
    date: str,
    mark_key: bytes,
) -> bytes:
    """One ``Received:`` field with its CRLF, carrying the loop mark.

    `peer` is the address that the mail came from ("" where there is none), `protocol` a keyword of RFC 3848,
    `recipient` the path (``<a@b>`` or ``a@b``) if the copy has exactly one, `date` in the form of RFC 5322
    §3.3.
    """
    nonce = _NOT_ATOM.sub("-", session_id)[:64] or "-"
    mark = _keyed(mark_key, b"loop", nonce.encode("ascii"))
    path = b"" if recipient is None else recipient if recipient.startswith(b"<") else b"<%b>" % recipient
    recipient_clause = f"\r\n\tfor {path.decode('ascii')}" if _PATH.fullmatch(path) else ""
    return (
        f"{_of_session(helo, peer, hostname, protocol)} id {nonce}{recipient_clause}\r\n"
        f"\t(careerrelay-mark {nonce} {mark});\r\n"
        f"\t{date}\r\n"
    ).encode("ascii", "replace")


@lru_cache(maxsize=256)
def _of_session(helo: bytes, peer: str, hostname: str, protocol: str) -> str:
    """What is the same in the field for all mails of a session."""
    name = _NOT_DOMAIN.sub(b"?", helo[:_MAX_HELO]).decode("ascii") or "unknown"
    address = f" ([{'IPv6:' if ':' in peer else ''}{peer}])" if peer else ""
    return f"Received: from {name}{address}\r\n\tby {hostname} with {protocol}"


def count_received(message: Message) -> int:
    """How many ``Received:`` fields the mail has (RFC 5321 §6.3)."""
    return message.head.count(b"received")


def count_marks(message: Message, mark_key: bytes) -> int:
    """How many of them carry a loop mark made with `mark_key`. Others' and forged marks do not count."""
    if message.data.find(_MARKED, *message.parts[0].header) < 0:
        return 0
    count = 0
    for field in message.head.all(b"received"):
        value = field.value(message.data)
        if _MARKED in value:
            count += any(_verifies(mark_key, b"loop", found[1], found[2]) for found in _MARK.finditer(value))
    return count


def own_id_field(token_or_id: str, id_key: bytes) -> bytes:
    """Our own header field with its CRLF. Raises ValueError for an id that is no atom."""
    if not token_or_id or _NOT_ATOM.search(token_or_id) or len(token_or_id) > 64:
        raise ValueError(f"not an id: {token_or_id!r}")
    value = token_or_id.encode("ascii")
    return b"X-CareerRelay-Id: %b %b\r\n" % (value, _keyed(id_key, b"id", value).encode("ascii"))


def has_own_id(message: Message, id_key: bytes) -> bool:
    """Whether the mail carries our own header field, made with `id_key`. A forged one does not count."""
    for field in message.head.all(OWN_ID):
        found = _OWN_VALUE.fullmatch(field.value(message.data))
        if found is not None and _verifies(id_key, b"id", found[1], found[2]):
            return True
    return False


def _keyed(key: bytes, purpose: bytes, value: bytes) -> str:
    """128 bits of HMAC-SHA256, in hexadecimal."""
    return keyed_hash(key, purpose + b"\0" + value)[:16].hex()


def _verifies(key: bytes, purpose: bytes, value: bytes, mark: bytes) -> bool:
    return hmac.compare_digest(_keyed(key, purpose, value).encode("ascii"), mark)
