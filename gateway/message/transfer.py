"""Transfer encodings: reading a body, writing one, and changing a run of it without touching the rest.

`replace` is what a footer needs: it says which encoded bytes to exchange for which, so that all the others stay. A
body that cannot be decoded to the letter raises TransferError; such a body is not edited.

RFC 2045 §6.
"""

import binascii
import re

IDENTITY = frozenset({"7bit", "8bit", "binary"})
SUPPORTED = IDENTITY | {"quoted-printable", "base64"}

# RFC 2045 §6.7 (5) and §6.8: at most 76 characters in a line.
LINE = 76

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/\r\n \t]")
_BASE64_WHITE = re.compile(rb"[\r\n \t]+")
_QP_ODD = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r\n|\Z))")
_QP_TRAILING = re.compile(rb"[ \t]+(?=\r\n|\Z)")
_QP_UNIT = re.compile(rb"=[0-9A-Fa-f]{2}|=[ \t]*(?:\r\n|\Z)|\r\n|[^=\r]|.", re.DOTALL)


class TransferError(ValueError):
    """The body is not what its Content-Transfer-Encoding says."""


def decode(raw: bytes, encoding: str) -> bytes:
    """Decode a body. `encoding` in lower case. Raises TransferError."""
    if encoding in IDENTITY:
        return raw
    if encoding == "base64":
        return _decode_base64(raw)
    if encoding == "quoted-printable":
        return _decode_quoted_printable(raw)
    message = f"unknown transfer encoding {encoding[:40]!r}"
    raise TransferError(message)


def encode(data: bytes, encoding: str, *, line: int = LINE) -> bytes:
    """Encode a whole body; lines end with CRLF, base64 also after its last line."""
    if encoding == "base64":
        return _encode_base64(data, line)
    if encoding == "quoted-printable":
        return _encode_quoted_printable(data)
    return data


def replace(raw: bytes, encoding: str, start: int, end: int, new: bytes) -> tuple[int, int, bytes]:
    """Exchange the decoded bytes ``start:end`` for `new`.

    Gives ``(raw_start, raw_end, replacement)``: exchange those encoded bytes for these, and the body decodes to the
    old one with `new` in it. ``start == end`` inserts. In base64 all lines from the change on are written anew where
    the change moves them; in quoted-printable and the others nothing beyond the change is.
    """
    if encoding in IDENTITY:
        return start, end, new
    if encoding == "base64":
        return _replace_base64(raw, start, end, new)
    return _replace_quoted_printable(raw, start, end, new)


def _decode_base64(raw: bytes) -> bytes:
    body = raw.rstrip(b"\r\n \t")
    padded = body.rstrip(b"=")
    if len(body) - len(padded) > 2 or _NOT_BASE64.search(padded):  # noqa: PLR2004 - RFC 2045 §6.8
        message = "not base64"
        raise TransferError(message)
    try:
        return binascii.a2b_base64(body)
    except binascii.Error as error:
        message = "not base64"
        raise TransferError(message) from error


def _encode_base64(data: bytes, line: int) -> bytes:
    flat = binascii.b2a_base64(data, newline=False)
    return b"".join(flat[at : at + line] + b"\r\n" for at in range(0, len(flat), line))


def _replace_base64(raw: bytes, start: int, end: int, new: bytes) -> tuple[int, int, bytes]:
    data = _decode_base64(raw)
    first = raw.find(b"\r\n")
    line = LINE if first <= 0 else max(4, first - first % 4)
    # Whole lines before the change stay, if all of them are as long as the first.
    per_line = line // 4 * 3
    kept = start // per_line
    raw_start = kept * (line + 2)
    if kept and _BASE64_WHITE.sub(b"", raw[:raw_start]) != raw[:raw_start].replace(b"\r\n", b""):
        kept = raw_start = 0
    if kept and len(raw[:raw_start].replace(b"\r\n", b"")) != kept * line:
        kept = raw_start = 0
    tail = data[kept * per_line : start] + new + data[end:]
    text = _encode_base64(tail, line)
    if not raw.endswith(b"\r\n"):
        text = text.removesuffix(b"\r\n")
    return raw_start, len(raw), text


def _decode_quoted_printable(raw: bytes) -> bytes:
    if _QP_ODD.search(raw):
        message = "not quoted-printable"
        raise TransferError(message)
    return binascii.a2b_qp(_QP_TRAILING.sub(b"", raw))


def _encode_quoted_printable(data: bytes) -> bytes:
    """Text lines keep their CRLF; everything that is not plain printable ASCII is escaped; dots and From too."""
    out = []
    for text in data.split(b"\r\n"):
        out.append(_encode_quoted_line(text))
    return b"\r\n".join(out)


_QP_SAFE = re.compile(rb"[^!-<>-~ \t]")


def _encode_quoted_line(text: bytes) -> bytes:
    text = _QP_SAFE.sub(lambda found: b"=%02X" % found[0][0], text.replace(b"=", b"=3D"))
    if text[-1:] in (b" ", b"\t"):
        text = text[:-1] + b"=%02X" % text[-1]
    lines = []
    while len(text) > LINE:
        cut = LINE - 1
        escape = text.rfind(b"=", cut - 2, cut)
        if escape >= 0:
            cut = escape
        lines.append(text[:cut] + b"=")
        text = text[cut:]
    lines.append(text)
    return b"\r\n".join(lines)


def _replace_quoted_printable(raw: bytes, start: int, end: int, new: bytes) -> tuple[int, int, bytes]:
    raw_start = quoted_offset(raw, start)
    raw_end = quoted_offset(raw, end)
    return raw_start, raw_end, _encode_quoted_printable(new)


def quoted_offset(raw: bytes, offset: int) -> int:
    """Where in quoted-printable `raw` the decoded byte `offset` begins."""
    position = 0
    for found in _QP_UNIT.finditer(raw):
        if position >= offset and not found[0].startswith((b"=\r", b"= ", b"=\t")):
            return found.start()
        unit = found[0]
        if unit == b"\r\n":
            position += 2
        elif unit[:1] == b"=" and len(unit) == 3 and unit[1:2] not in b" \t\r":  # noqa: PLR2004
            position += 1
        elif unit[:1] != b"=":
            position += len(unit)
    return len(raw)
