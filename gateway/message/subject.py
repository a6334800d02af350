"""A header value as text: encoded words (RFC 2047), and what Japanese mail really sends instead of them.

Only for reading. Raw ISO-2022-JP (escape sequences in the header) and raw 8-bit bytes are old habits that
the rules must see through; encoded words may stand anywhere, next to each other, and split a character
between two of them.
"""

import binascii
import re
from typing import NamedTuple

from gateway.message.charset import CharsetError, decode, decode_anyway, lookup

WORD = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?=")
BETWEEN = re.compile(rb"[ \t\r\n]*")
# EUC-JP before Shift_JIS: Shift_JIS takes nearly all of it for half-width kana, the reverse is rare.
_RAW_GUESSES = ("utf-8", "euc-jp", "shift_jis")


class Word(NamedTuple):
    """An encoded word, its transfer encoding undone."""

    charset: str
    payload: bytes


def decode_header(value: bytes) -> str:
    """The text of an unfolded header value. Never fails: what cannot be read comes out replaced."""
    if b"=?" not in value:
        return _decode_raw(value)
    alone = WORD.fullmatch(value)
    if alone is not None:
        return _decode_payload(*read_word(alone))
    out: list[str] = []
    run: list[Word] = []  # adjacent encoded words: the white space between them is not text (RFC 2047 §6.2)
    reached = 0
    for found in WORD.finditer(value):
        between = value[reached : found.start()]
        if not run or not BETWEEN.fullmatch(between):
            out.append(_decode_run(run))
            run = []
            out.append(_decode_raw(between))
        run.append(read_word(found))
        reached = found.end()
    out.append(_decode_run(run))
    out.append(_decode_raw(value[reached:]))
    return "".join(out)


def read_word(found: re.Match[bytes]) -> Word:
    """The word that `WORD` found."""
    charset = found[1].split(b"*", 1)[0].decode("ascii", "replace").lower()  # RFC 2231 §5: language after "*"
    text = found[3]
    if found[2] in b"bB":
        try:
            payload = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
        except binascii.Error:
            payload = b""
    else:
        payload = binascii.a2b_qp(text, header=True)
    return Word(charset, payload)


def _decode_run(run: list[Word]) -> str:
    """Join the bytes of adjacent words of one charset, since some programs split characters between words."""
    out: list[str] = []
    at = 0
    while at < len(run):
        end = at + 1
        while end < len(run) and run[end].charset == run[at].charset:
            end += 1
        out.append(_decode_payload(run[at].charset, b"".join(word.payload for word in run[at:end])))
        at = end
    return "".join(out)


def _decode_payload(name: str, payload: bytes) -> str:
    charset = lookup(name)
    if charset is None:
        return _decode_raw(payload)
    try:
        return decode(payload, charset)
    except CharsetError:
        return decode_anyway(payload, charset)


def _decode_raw(value: bytes) -> str:
    """Bytes that stand in a header as they are: ASCII, raw ISO-2022-JP, UTF-8, or an old 8-bit charset."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    names = ("iso-2022-jp", *_RAW_GUESSES) if b"\x1b" in value else _RAW_GUESSES
    for name in names:
        charset = lookup(name)
        if charset is not None:
            try:
                return decode(value, charset)
            except CharsetError:
                continue
    return value.decode("latin-1")
