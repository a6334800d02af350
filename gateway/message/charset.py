"""Charsets as mail really uses them: which name means what, and what bytes in it say.

Only the names in this table are known; Python's other codecs (some of them unpack archives) are never
reached from a mail. Decoding first takes the name to the letter, then as the mail world does: ISO-2022-JP
and EUC-JP with the rows of NEC and IBM, Shift_JIS as CP932. What is not even that raises CharsetError: it
is never guessed at here.

RFC 1468, RFC 1922, RFC 2237, RFC 2781; CP50220 to CP50222 and CP51932 as Microsoft documents them.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Charset:
    """What is known of a charset. `label` is its name in mail; the codecs are Python's names, or ours.

    `decoders` are tried in order: the first is what the name says to the letter, the others what programs
    write. `encoder` is the strict form that every reader of that name knows, None where text is only read.
    """

    label: str
    decoders: tuple[str, ...]
    encoder: str | None


class CharsetError(ValueError):
    """The bytes are not of this charset."""


@lru_cache(maxsize=64)
def lookup(name: str) -> Charset | None:
    """The charset that a mail means by `name`, in any case, blanks and quotes around it allowed; or None."""
    return _TABLE.get(name) or _TABLE.get(name.strip(" \t\"'").lower())


def decode(data: bytes, charset: Charset) -> str:
    """Decode all of `data`. Raises CharsetError where it is not of this charset, even read leniently."""
    for codec in charset.decoders:
        text = decode_as(data, codec)
        if text is not None:
            return text
    raise CharsetError(f"not {charset.label}")


def decode_as(data: bytes, codec: str) -> str | None:
    """Decode by one of a charset's decoders alone; None where it can't."""
    own = _OWN.get(codec)
    try:
        return data.decode(codec) if own is None else own(data)
    except (UnicodeError, CharsetError):
        return None


def decode_anyway(data: bytes, charset: Charset) -> str:
    """Decode what there is to decode, with U+FFFD for the rest: for the rules, when `decode` has refused."""
    return data.decode(charset.encoder or charset.decoders[0], "replace")


def is_doubtful(data: bytes, label: str) -> bool:
    """Whether readers differ on what is valid enough for our decoders."""
    if label == "iso-2022-jp":
        # Kana to some, nothing or a control character to others.
        return not data.isascii() or b"\x0e" in data or b"\x0f" in data
    # Line ends of the transfer encoding in a charset that has others.
    return label.startswith("utf-16") and b"\r\n" in data


def is_exact(data: bytes, charset: Charset) -> bool:
    """Whether `data` is what the charset's name says to the letter, so that all readers see the same text."""
    try:
        decode(data, Charset(label=charset.label, decoders=charset.decoders[:1], encoder=None))
    except CharsetError:
        return False
    # C1 controls in ISO-8859-1 are Windows-1252 to half of all readers.
    return charset.label != "iso-8859-1" or re.search(rb"[\x80-\x9f]", data) is None


# --- ISO-2022-JP and EUC-JP with the rows of NEC and IBM ------------------------------------------------

_ASCII = b"\x1b(B"
_KANA = b"\x1b(I"
_ONE_BYTE = frozenset({_ASCII, b"\x1b(J", b"\x1b(H"})
_TWO_BYTES = frozenset({b"\x1b$B", b"\x1b$@", b"\x1b&@\x1b$B"})
_SHIFT = re.compile(rb"(\x1b&@\x1b\$B|\x1b\([BJIH]|\x1b\$[@BA]|\x1b\$\([CDOPQ]|[\x0e\x0f])")
_CONTROLS = re.compile(rb"([\x00-\x20\x7f]+)")
_KANA_BYTES = re.compile(rb"[\x00-\x7f\xa1-\xdf]*")
_TO_KANA = bytes(each | 0x80 if 0x21 <= each <= 0x5F else each for each in range(256))
_TO_SEVEN = bytes(each & 0x7F for each in range(256))
_BIG5 = re.compile(rb"(?>(?:[\x00-\x7f]++|(?!\xc6[\xa1-\xfe]|[\xc7\xc8])[\x81-\xfe][\x40-\xfe])*)")
_EUC = re.compile(rb"(\x8f[\xa1-\xfe]{2}|(?:[\xa1-\xfe]{2})+)")


def _decode_iso_2022_jp(data: bytes) -> str:
    """RFC 1468 and no more: Python lets unknown escape sequences and SO stand as if they were text."""
    text = data.decode("iso2022_jp")
    if "\x1b" in text or "\x0e" in text:
        raise CharsetError("unknown escape sequence")
    return text


def _decode_cp50220(data: bytes) -> str:
    """ISO-2022-JP with ①, ㈱, 髙 and half-width kana, as Outlook and others write it."""
    out: list[str] = []
    state = _ASCII
    shifted = False  # SO and SI: kana, and back
    for piece in _SHIFT.split(data):
        if piece[:1] == b"\x1b" and _SHIFT.fullmatch(piece):
            state, shifted = piece, False
        elif piece in {b"\x0e", b"\x0f"}:
            shifted = piece == b"\x0e"
        elif piece:
            out.append(_decode_run(piece, _KANA if shifted else state))
    return "".join(out)


def _decode_run(piece: bytes, state: bytes) -> str:
    """Bytes between two escape sequences."""
    if b"\x1b" in piece:
        raise CharsetError("unknown escape sequence")
    if state in _TWO_BYTES:
        return "".join([_decode_rows(each) for each in _CONTROLS.split(piece)])
    if state == _KANA or (state in _ONE_BYTE and not piece.isascii()):
        piece = piece.translate(_TO_KANA) if state == _KANA else piece
        if not _KANA_BYTES.fullmatch(piece):
            raise CharsetError("8-bit bytes in a 7-bit charset")
        return piece.decode("cp932")
    if state in _ONE_BYTE:
        return piece.decode("ascii")
    # The first plane of JIS X 0213 as of 2000 (O) and of 2004 (Q), and the second (P).
    codec = {b"O": "iso2022_jp_3", b"P": "iso2022_jp_3", b"Q": "iso2022_jp_2004"}.get(
        state[-1:], "iso2022_jp_2"
    )
    return (state + piece + _ASCII).decode(codec)


def _decode_rows(piece: bytes) -> str:
    """Rows 1 to 94 of two bytes each, those of NEC (13) and of IBM (89 to 92) among them: by way of CP932."""
    if not piece or piece[0] <= 0x20 or piece[0] == 0x7F:
        return piece.decode("ascii")
    if len(piece) % 2 or not piece.isascii():
        raise CharsetError("half a character of two bytes")
    out = bytearray()
    for high, low in zip(piece[::2], piece[1::2], strict=True):
        lead = ((high - 0x21) >> 1) + 0x81
        out.append(lead + 0x40 if lead > 0x9F else lead)
        out.append(low + 0x7E if not high & 1 else low + (0x1F if low < 0x60 else 0x20))
    return out.decode("cp932")


def _decode_euc_jp_ms(data: bytes) -> str:
    """EUC-JP with the same rows."""
    return "".join(
        [
            _decode_rows(piece.translate(_TO_SEVEN))
            if piece[:1] >= b"\xa1" and len(piece) % 2 == 0 and _EUC.fullmatch(piece)
            else piece.decode("euc_jp")
            for piece in _EUC.split(data)
        ]
    )


def _decode_big5(data: bytes) -> str:
    """Big5 as far as its readers agree, with the signs of CP950, as on nearly every screen.

    Rows 0xC6A1 to 0xC8FE hold kana and Cyrillic in one order for ETEN and the web, in another for Python and
    glibc, and nothing for Windows.
    """
    if not _BIG5.fullmatch(data):
        raise CharsetError("characters that no two readers agree on")
    return data.decode("cp950")


def _decode_utf_16(data: bytes) -> str:
    """UTF-16 with its byte order mark. Without one readers differ (RFC 2781 §4.3 against Windows)."""
    if not data.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        raise CharsetError("no byte order mark")
    return data.decode("utf-16")


_OWN: dict[str, Callable[[bytes], str]] = {
    "iso-2022-jp-strict": _decode_iso_2022_jp,
    "cp50220": _decode_cp50220,
    "euc-jp-ms": _decode_euc_jp_ms,
    "big5-agreed": _decode_big5,
    "utf-16-marked": _decode_utf_16,
}

# --- the table ------------------------------------------------------------------------------------------

# Label and aliases; decoders; encoder ("-": never written). IANA's names, and those that programs made up.
_ROWS = """
us-ascii ascii ansi_x3.4-1968 iso-ir-6 iso646-us us 646 cp367 | ascii | ascii
utf-8 utf8 utf-8-sig unicode-1-1-utf-8 cp65001 | utf-8 | utf-8
iso-2022-jp csiso2022jp iso2022jp jis iso-2022-jp-ms cp50220 | iso-2022-jp-strict cp50220 | iso2022_jp
iso-2022-jp cp50221 cp50222 | iso-2022-jp-strict cp50220 | iso2022_jp
iso-2022-jp iso-2022-jp-1 iso-2022-jp-2 | iso-2022-jp-strict cp50220 | iso2022_jp
iso-2022-jp iso-2022-jp-3 iso-2022-jp-2004 | iso-2022-jp-strict cp50220 | iso2022_jp
shift_jis shift-jis sjis x-sjis ms_kanji csshiftjis | shift_jis cp932 | shift_jis
shift_jis windows-31j cswindows31j cp932 ms932 x-ms-cp932 | cp932 | shift_jis
euc-jp eucjp x-euc-jp x-euc ujis eucjp-ms cp51932 cseucpkdfmtjapanese | euc_jp euc-jp-ms | euc_jp
utf-7 utf7 unicode-1-1-utf-7 csutf7 | utf-7 | utf-7
utf-16 utf16 csutf16 | utf-16-marked | utf-16
utf-16le | utf-16-le | utf-16-le
utf-16be | utf-16-be | utf-16-be
gb18030 | gb18030 | gb18030
gb2312 gb_2312-80 gb_2312 csgb2312 euc-cn | gbk gb18030 | gb2312
gbk cp936 ms936 windows-936 x-gbk | gbk gb18030 | gbk
big5 big-5 csbig5 cn-big5 x-x-big5 cp950 | big5-agreed | big5
big5-hkscs big5hkscs | big5hkscs | big5hkscs
euc-kr euckr ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 ksc_5601 ksc5601 korean | euc_kr cp949 | euc_kr
euc-kr cseuckr windows-949 cp949 ms949 uhc | euc_kr cp949 | euc_kr
iso-2022-kr csiso2022kr | iso2022_kr | -
hz-gb-2312 hz | hz | -
koi8-r koi8 cskoi8r | koi8_r | koi8_r
koi8-u | koi8_u | koi8_u
iso-8859-1 latin1 latin-1 iso8859-1 iso8859_1 iso_8859-1 l1 cp819 csisolatin1 | latin-1 | latin-1
iso-8859-8 iso-8859-8-i iso-8859-8-e iso8859-8 iso_8859-8 | iso8859_8 | iso8859_8
iso-8859-6 iso-8859-6-i iso-8859-6-e iso8859-6 iso_8859-6 | iso8859_6 | iso8859_6
tis-620 tis620 iso-8859-11 windows-874 | tis_620 cp874 | tis_620
macintosh mac x-mac-roman | mac_roman | mac_roman
"""


def _read_table() -> dict[str, Charset]:
    rows = [*_ROWS.strip().splitlines()]
    rows += [
        f"iso-8859-{n} iso8859-{n} iso_8859-{n} | iso8859_{n} | iso8859_{n}"
        for n in (2, 3, 4, 5, 7, 9, 10, 13, 14, 15, 16)
    ]
    rows += [f"windows-{n} cp{n} x-cp{n} | cp{n} | cp{n}" for n in range(1250, 1259)]
    table: dict[str, Charset] = {}
    for row in rows:
        names, decoders, encoder = (cell.split() for cell in row.split("|"))
        charset = Charset(
            label=names[0], decoders=tuple(decoders), encoder=None if encoder == ["-"] else encoder[0]
        )
        for name in names:
            table.setdefault(name, charset)
    return table


_TABLE = _read_table()
