"""DKIM-Signature fields for a mail that is about to leave (RFC 6376 §5).

relaxed/relaxed, SHA-256. Fields that say what a reader sees are signed once more than they occur, so that
nobody can add another of them (RFC 6376 §8.15). `t=` and `x=` are left out: the same mail gives the same
bytes, at a retry as in a rehearsal.
"""

import base64
import re
from collections.abc import Iterable, Sequence

from dkim.canonicalization import Relaxed

from gateway.dkim.body import BodyHash
from gateway.dkim.key import SigningKey
from gateway.errors import GatewayError
from gateway.message.defects import Defect
from gateway.message.fields import MAX_HEADER, Buffer, HeaderEnd, read_fields

#: Octets of a body canonicalised at a time.
BLOCK = 262_144

# One more than there are, even where there is none.
_GUARDED = (b"from", b"reply-to", b"subject", b"to", b"cc")
# One more than there are, where there is one: relays add these to mail that lacks them.
_GUARDED_IF_THERE = (
    b"sender",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
)
# As often as they occur (RFC 6376 §5.4.1; for List-Unsubscribe-Post RFC 8058 §4).
_SIGNED = (
    b"content-id",
    b"content-description",
    b"in-reply-to",
    b"references",
    b"list-id",
    b"list-help",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
    b"list-subscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
    b"auto-submitted",
    b"x-careerrelay-id",
)
# A mail that has more of them is somebody's attack; a real one has about fifteen.
_MAX_SIGNED = 100
_WIDTH = 72
_RUNS = re.compile(rb".{1,72}", re.DOTALL)


class SigningFault(GatewayError):
    """This mail could not be signed."""


def sign(head: bytes, data: Buffer, keys: Sequence[SigningKey]) -> bytes:
    """One DKIM-Signature field for each key, to be put before everything that they sign.

    Args:
        head: header fields of ours that go before `data`.
        data: a whole mail, with CRLF line ends and a header without defects.

    Raises:
        SigningFault: for whatever reason; nothing is half signed.
    """
    return sign_blocks(head, (data[at : at + BLOCK] for at in range(0, len(data), BLOCK)), keys)


def sign_blocks(head: bytes, content: Iterable[bytes], keys: Sequence[SigningKey]) -> bytes:
    """The same for a mail that comes in blocks and is never held whole. Raises `SigningFault`."""
    try:
        blocks = iter(content)
        top = b""
        while b"\r\n\r\n" not in top and len(top) <= MAX_HEADER and (block := next(blocks, b"")):
            top += block
        fields, start = _fields(head, top)
        body = BodyHash()
        body.update(top[start:])
        del top
        for block in blocks:
            body.update(block)
        digest = base64.b64encode(body.digest())
        names, canonical = _choose(fields)
        return b"".join(_field(key, names, canonical, digest) for key in keys)
    except SigningFault:
        raise
    except Exception as error:  # a key or a library that fails must not cost a mail (promise 1)
        raise SigningFault(f"{type(error).__name__}: {error}") from error


def _fields(head: bytes, data: bytes) -> tuple[list[tuple[bytes, bytes]], int]:
    """Name and value of each header field, from the top, and where the body begins."""
    defects: list[Defect] = []
    found: list[tuple[bytes, bytes]] = []
    start = 0
    for part in (head, data):
        fields, end, what = read_fields(part, 0, defects, ())
        found += [(field.name, part[field.value_start : field.end]) for field in fields]
        start = end + 2 if what is HeaderEnd.BLANK_LINE else len(part)
    if defects:
        raise SigningFault(f"the header has a defect: {defects[0]}")
    return found, start


def _choose(fields: Iterable[tuple[bytes, bytes]]) -> tuple[list[bytes], bytes]:
    """The names for ``h=``, and the canonical fields that they stand for (RFC 6376 §5.4.2, §3.7)."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    names: list[bytes] = []
    chosen: list[tuple[bytes, bytes]] = []
    for name in (*_GUARDED, *_GUARDED_IF_THERE, *_SIGNED):
        there = values.get(name, [])
        chosen += [(name, value) for value in reversed(there)]  # the last one is the first in h=
        guard = name in _GUARDED or (bool(there) and name in _GUARDED_IF_THERE)
        names += [name] * (len(there) + guard)
    if not values.get(b"from"):
        raise SigningFault("there is no From field, which has to be signed")
    if len(chosen) > _MAX_SIGNED:
        raise SigningFault(f"{len(chosen)} header fields would have to be signed")
    canonical = Relaxed.canonicalize_headers(chosen)
    return names, b"".join(b"%b:%b" % field for field in canonical)


def _field(key: SigningKey, names: Sequence[bytes], canonical: bytes, body_hash: bytes) -> bytes:
    """The signature field of one key, folded, with its CRLF."""
    value = (
        f" v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n\td={key.domain};\r\n\ts={key.selector};\r\n\t"
    ).encode("ascii") + b"h=%b;\r\n\tbh=%b;\r\n\tb=" % (_folded(names), body_hash)
    ((name, own),) = Relaxed.canonicalize_headers([(b"dkim-signature", value)])
    # RFC 6376 §3.7: itself comes last, with an empty b= and without its CRLF.
    signature = base64.b64encode(key.sign(canonical + name + b":" + own.removesuffix(b"\r\n")))
    return b"DKIM-Signature:%b%b\r\n" % (value, b"\r\n\t".join(_RUNS.findall(signature)))


def _folded(names: Sequence[bytes]) -> bytes:
    """The names with colons between them, on lines of a bearable length (RFC 6376 §3.5, FWS in ``h=``)."""
    lines = [names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) < _WIDTH:
            lines[-1] += b":" + name
        else:
            lines[-1] += b":"
            lines.append(name)
    return b"\r\n\t".join(lines)
