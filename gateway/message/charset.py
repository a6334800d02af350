"""Charsets as mail really uses them: which name means what, decoding, encoding, and offsets.

Only the names in this table are known; Python's other codecs (some unpack archives) are never reached from a mail.
Decoding is lenient where the whole mail world is (ISO-2022-JP as Microsoft writes it, Shift_JIS as CP932) and strict
everywhere else. Encoding is strict: only what every reader of that charset understands, so that a footer is never
readable here and broken there.

RFC 1468, RFC 2237, RFC 2978; CP50220 as Microsoft documents it.
"""

import codecs
import re
from dataclasses import dataclass

_ISO_2022_JP = "iso2022_jp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charset:
    """What is known of a charset: `label` is its name in mail, the codecs are Python's.

    `decoders` are tried in order; the first is what the name says to the letter. `encoder` is None where text is only
    read, never written. `ascii_based` says that ASCII bytes mean ASCII at the start of each line.
    """

    label: str
    decoders: tuple[str, ...]
    encoder: str | None
    ascii_based: bool = True


def _known(label: str, *decoders: str, encoder: str | None = "", ascii_based: bool = True) -> Charset:
    return Charset(
        label=label,
        decoders=decoders,
        encoder=decoders[0] if encoder == "" else encoder,
        ascii_based=ascii_based,
    )


_TABLE: dict[str, Charset] = {}


def _add(charset: Charset, *aliases: str) -> None:
    for name in (charset.label, *aliases):
        _TABLE[name] = charset


_add(_known("us-ascii", "ascii"), "ascii", "ansi_x3.4-1968", "iso-ir-6", "iso646-us", "us", "646", "cp367")
_add(_known("utf-8", "utf-8"), "utf8", "unicode-1-1-utf-8", "utf-8-sig", "cp65001")
_add(_known("iso-2022-jp", _ISO_2022_JP, "cp50220"), "csiso2022jp", "iso2022jp", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222", "jis", "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-2004")
_add(_known("shift_jis", "shift_jis", "cp932"), "shift-jis", "sjis", "x-sjis", "ms_kanji", "csshiftjis", "windows-31j", "cswindows31j", "cp932", "ms932", "x-ms-cp932")
_add(_known("euc-jp", "euc_jp", "euc-jp-ms"), "eucjp", "x-euc-jp", "x-euc", "cseucpkdfmtjapanese", "ujis", "eucjp-ms", "cp51932")
_add(_known("utf-7", "utf-7"), "unicode-1-1-utf-7", "csutf7")
_add(_known("utf-16", "utf-16", ascii_based=False), "utf16", "csutf16")
_add(_known("utf-16le", "utf-16-le", ascii_based=False), "utf-16-le")
_add(_known("utf-16be", "utf-16-be", ascii_based=False), "utf-16-be")
_add(_known("gb18030", "gb18030"))
_add(_known("gb2312", "gb2312", "gb18030"), "gb_2312-80", "csgb2312", "euc-cn", "gb_2312", "x-gbk-gb2312")
_add(_known("gbk", "gbk", "gb18030"), "cp936", "ms936", "windows-936", "x-gbk")
_add(_known("big5", "big5", "cp950", "big5hkscs"), "big-5", "csbig5", "cn-big5", "x-x-big5", "cp950")
_add(_known("big5-hkscs", "big5hkscs"), "big5hkscs")
_add(_known("euc-kr", "euc_kr", "cp949"), "euckr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "ksc_5601", "cseuckr", "korean", "windows-949", "cp949", "ms949", "uhc")
_add(_known("iso-2022-kr", "iso2022_kr", encoder=None), "csiso2022kr")
_add(_known("hz-gb-2312", "hz", encoder=None), "hz")
_add(_known("koi8-r", "koi8_r"), "koi8", "cskoi8r")
_add(_known("koi8-u", "koi8_u"))
_add(_known("iso-8859-1", "latin-1", "cp1252"), "latin1", "iso8859-1", "iso_8859-1", "l1", "cp819", "iso-ir-100", "csisolatin1", "iso8859_1", "iso88591")
for _number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16):
    _add(_known(f"iso-8859-{_number}", f"iso8859_{_number}"), f"iso8859-{_number}", f"iso_8859-{_number}")
_add(_TABLE["iso-8859-8"], "iso-8859-8-i", "iso-8859-8-e")
_add(_TABLE["iso-8859-6"], "iso-8859-6-i", "iso-8859-6-e")
_add(_known("tis-620", "tis_620", "cp874"), "tis620", "iso-8859-11", "windows-874")
for _number in range(1250, 1259):
    _add(_known(f"windows-{_number}", f"cp{_number}"), f"cp{_number}", f"x-cp{_number}")

# The two code points that Unicode and Microsoft map differently; only for writing.
_JIS_FORM = str.maketrans("～－∥￠￡￢", "〜−‖¢£¬")


class CharsetError(ValueError):
    """The bytes are not of this charset, or the text does not fit into it."""


def lookup(name: str) -> Charset | None:
    """The charset that a mail means by `name` (any case, quotes and blanks around it allowed), or None."""
    return _TABLE.get(name.strip(" \t\"'").lower())


def decode(data: bytes, charset: Charset) -> str:
    """Decode all of `data`. Raises CharsetError where it is not of this charset, however leniently it is read."""
    for codec in charset.decoders:
        try:
            return decode_exactly(data, codec)
        except (UnicodeError, CharsetError):
            continue
    message = f"not {charset.label}"
    raise CharsetError(message)


def decode_exactly(data: bytes, codec: str) -> str:
    """Decode with one codec of the table, Python's or one of ours."""
    own = _OWN_DECODERS.get(codec)
    return data.decode(codec) if own is None else own(data)


def is_exact(data: bytes, charset: Charset) -> bool:
    """Whether `data` is what the charset's name says to the letter, so that all readers see the same text."""
    try:
        decode_exactly(data, charset.decoders[0])
    except (UnicodeError, CharsetError):
        return False
    # C1 controls in ISO-8859-1 are Windows-1252 in half of all readers.
    return charset.label != "iso-8859-1" or re.search(rb"[\x80-\x9f]", data) is None


def encode(text: str, charset: Charset, *, context: bytes = b"") -> bytes:
    """Encode `text` so that every reader of the charset can read it, to stand beside `context` (the body so far).

    Starts and ends in the charset's initial state. Raises CharsetError where the charset cannot hold it.
    """
    encoder = charset.encoder
    if encoder is None:
        message = f"{charset.label} is never written"
        raise CharsetError(message)
    if encoder == "utf-16":
        encoder = "utf-16-le" if context.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    try:
        if charset.label in ("iso-2022-jp", "shift_jis", "euc-jp"):
            return text.translate(_JIS_FORM).encode(encoder)
        return text.encode(encoder)
    except UnicodeError as error:
        message = f"{charset.label} cannot hold this text"
        raise CharsetError(message) from error


def can_encode(text: str, charset: Charset) -> bool:
    """Whether `encode` would take `text`."""
    try:
        encode(text, charset)
    except CharsetError:
        return False
    return True


def byte_offset(data: bytes, charset: Charset, decoded: str, index: int) -> int:
    """The offset in `data` of character `index` of `decoded`, which is what `decode` made of it.

    For a charset with escape states this is the offset before any escape sequence that stands there.
    """
    if index >= len(decoded):
        return len(data)
    if index <= 0:
        return 0
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        if _length(data[:middle], charset) < index:
            low = middle + 1
        else:
            high = middle
    return low


def _length(data: bytes, charset: Charset) -> int:
    return len(data.decode(charset.decoders[0], "ignore"))


def escape_state(data: bytes, charset: Charset, offset: int) -> bytes:
    """The escape sequence in force at `offset` of ISO-2022-JP text (RFC 1468); empty where it is ASCII."""
    if charset.label != "iso-2022-jp":
        return b""
    at = data.rfind(b"\x1b", 0, offset)
    if at < 0:
        return b""
    found = _ESCAPE.match(data, at)
    if found is None or found[0] == b"\x1b(B":
        return b""
    return found[0]


_ESCAPE = re.compile(rb"\x1b(?:&@\x1b\$B|\([BJIH]|\$[@B]|\$\([DOPQ])")
_SHIFTS = re.compile(rb"(\x1b(?:&@\x1b\$B|\([BJIH]|\$[@B]|\$\([DOPQ])|[\x0e\x0f])")


def _decode_cp50220(data: bytes) -> str:
    """ISO-2022-JP with NEC and IBM extensions and half-width kana, as CP50220 to CP50222 write it."""
    out: list[str] = []
    state = b"\x1b(B"
    shifted = False
    for piece in _SHIFTS.split(data):
        if not piece:
            continue
        if piece[0] == 0x1B:  # noqa: PLR2004 - ESC
            if _ESCAPE.fullmatch(piece):
                state = piece
                shifted = False
                continue
        elif piece in (b"\x0e", b"\x0f"):
            shifted = piece == b"\x0e"
            continue
        out.append(_decode_run(piece, b"\x1b(I" if shifted else state))
    return "".join(out)


def _decode_run(piece: bytes, state: bytes) -> str:
    if state in (b"\x1b(B", b"\x1b(J", b"\x1b(H"):
        if b"\x1b" in piece:
            message = "unknown escape sequence"
            raise CharsetError(message)
        return piece.decode("ascii") if piece.isascii() else _decode_kana(piece)
    if state == b"\x1b(I":
        return _decode_kana(bytes(each | 0x80 if 0x21 <= each <= 0x5F else each for each in piece))  # noqa: PLR2004
    if state in (b"\x1b$B", b"\x1b$@", b"\x1b&@\x1b$B"):
        return "".join(
            line if line in ("\r\n", "\n") else line
            for line in (_decode_two_bytes(part) for part in re.split(rb"([\x00-\x20\x7f]+)", piece) if part)
        )
    # JIS X 0212 and 0213: Python knows them.
    return (state + piece + b"\x1b(B").decode("iso2022_jp_1" if state == b"\x1b$(D" else "iso2022_jp_2004")


def _decode_kana(piece: bytes) -> str:
    """ASCII, and half-width kana as single bytes."""
    if any(not (each < 0x80 or 0xA1 <= each <= 0xDF) for each in piece):  # noqa: PLR2004
        message = "8-bit bytes in a 7-bit charset"
        raise CharsetError(message)
    return piece.decode("cp932")


def _decode_two_bytes(piece: bytes) -> str:
    """JIS X 0208 with rows 13, 89 to 92 of NEC and IBM: through Shift_JIS to CP932."""
    if piece[0] <= 0x20 or piece[0] == 0x7F:  # noqa: PLR2004
        return piece.decode("ascii")
    if len(piece) % 2 or not piece.isascii():
        message = "half a double-byte character"
        raise CharsetError(message)
    out = bytearray()
    for high, low in zip(piece[::2], piece[1::2], strict=True):
        lead = ((high - 0x21) >> 1) + 0x81
        out.append(lead + 0x40 if lead > 0x9F else lead)  # noqa: PLR2004
        if high & 1:
            out.append(low + (0x1F if low < 0x60 else 0x20))  # noqa: PLR2004
        else:
            out.append(low + 0x7E)
    return out.decode("cp932")


def _decode_euc_jp_ms(data: bytes) -> str:
    """EUC-JP with the NEC and IBM rows of CP51932 and eucJP-ms."""
    out: list[str] = []
    for piece in re.split(rb"(\x8f[\xa1-\xfe]{2}|(?:[\xa1-\xfe]{2})+)", data):
        if piece[:1] == b"\x8f":
            out.append(piece.decode("euc_jp"))
        elif piece[:1] >= b"\xa1":
            out.append(_decode_two_bytes(bytes(each & 0x7F for each in piece)))
        elif piece:
            out.append(piece.decode("euc_jp"))
    return "".join(out)


_OWN_DECODERS = {"cp50220": _decode_cp50220, "euc-jp-ms": _decode_euc_jp_ms}
