"""How a footer is written in the charset of the part that it goes into.

`gateway.message.charset` knows the charsets; this module knows which of them something may be *added* in, and
where in the bytes that came a position of the decoded text lies. Nothing of the old text is encoded here.

A part's charset can hold a footer when its strict standard form can, the one that every reader knows: to
a part in ISO-2022-JP only JIS X 0208 is added, though the part itself may hold ① or ㈱ as Outlook writes
them. What a charset cannot hold, or one that nobody should write (UTF-7, ISO-2022-KR, HZ), moves the part
to UTF-8.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.message.charset import lookup

ASCII_STATE: Final = b"\x1b(B"
_ESCAPE: Final = re.compile(rb"\x1b(?:\$\([@-Z]|\$[@AB]|\([@-Z])")

# One character in the bytes of a charset whose second bytes can look like ASCII.
_SHIFT_JIS: Final = rb"[\x81-\x9f\xe0-\xfc][\x40-\xfc]|[^\n]"
_EUC_JP: Final = rb"\x8f[\xa1-\xfe]{2}|[\x8e\xa1-\xfe][\xa1-\xfe]|[^\n]"
_GB: Final = rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]|[\x81-\xfe][\x40-\xfe]|[^\n]"
_TWO_BYTES: Final = rb"[\x81-\xfe][\x40-\xfe]|[^\n]"
_CHARACTER: Final = {
    "shift_jis": _SHIFT_JIS,
    "euc-jp": _EUC_JP,
    "gb18030": _GB,
    "gbk": _GB,
    "gb2312": _GB,
    "big5": _TWO_BYTES,
    "big5-hkscs": _TWO_BYTES,
    "euc-kr": _TWO_BYTES,
}
# Tables of the same name that readers use as well: what they spell differently is not written.
_ALSO: Final = {"big5": ("cp950", "big5hkscs"), "gb2312": ("gbk",)}
# Names that some programs write and one or another common reader does not know (found with tests/readers):
# such a part moves to UTF-8, as all of them know that.
_LITTLE_KNOWN: Final = frozenset(
    """
    cp50220 cp50221 cp50222 csiso2022jp jis iso-2022-jp-ms iso-2022-jp-1 iso-2022-jp-3 iso-2022-jp-2004
    windows-31j cswindows31j x-ms-cp932 x-sjis cp51932 eucjp-ms ujis x-euc x-euc-jp utf-8-sig cp65001 utf16
    csutf16 gb_2312 gb_2312-80 euc-cn x-gbk csbig5 x-x-big5 big5hkscs ks_c_5601-1989 ks_c_5601 ksc_5601
    ksc5601 korean ms949 uhc latin-1 x-mac-roman x-cp1250 x-cp1252 x-cp1254 x-cp1257 x-cp1258
    x-cp1251 x-cp1253 x-cp1255 x-cp1256 mac unicode-1-1-utf-8 iso2022jp iso-2022-jp-2 ms_kanji csshiftjis
    cp932 eucjp cseucpkdfmtjapanese csgb2312 cp936 ms936 windows-936 big-5 cn-big5 cp950 euckr cseuckr
    cp949 windows-949 koi8 cskoi8r iso-8859-6-i iso-8859-6-e iso-8859-8-i iso-8859-8-e windows-874 tis620
    iso-ir-6 us 646 iso646-us cp367 l1 cp819 csisolatin1 iso8859_1 iso_8859-10 iso_8859-13 iso_8859-14
    iso8859-16 iso_8859-16
    """.split()  # noqa: SIM905 - a list of names reads better than a column of quotes
)
_NEVER_WRITTEN: Final = frozenset({"utf-7", "iso-2022-kr", "hz-gb-2312"})
_JAPANESE: Final = frozenset({"iso-2022-jp", "shift_jis", "euc-jp"})

# The characters of JIS X 0208 that Microsoft and JIS name differently, in the form of Python's codecs.
_JIS_FORM: Final = str.maketrans("～－∥￠￡￢—", "〜−‖¢£¬―")


class Script(NamedTuple):
    """How text is written in one charset: `codec` is Python's name for its strict form.

    `wide` says that ASCII takes two octets (UTF-16).
    """

    label: str
    codec: str
    wide: bool = False

    @property
    def by_character(self) -> bool:
        """Whether text can be encoded one character at a time, to the same octets."""
        return self.label != "iso-2022-jp" and not self.wide

    def write(self, text: str) -> bytes | None:
        """`text`, from ASCII state to ASCII state; None where the charset cannot hold it."""
        try:
            written = text.encode(self.codec)
        except UnicodeEncodeError:
            if self.label not in _JAPANESE:
                return None
            try:
                written = text.translate(_JIS_FORM).encode(self.codec)
            except UnicodeEncodeError:
                return None
        if self.label == "euc-jp" and b"\x8f" in written:
            return None  # JIS X 0212: strict EUC-JP has it, many readers of Japanese mail do not
        for codec in _ALSO.get(self.label, ()):
            if written.decode(codec, "replace") != text:
                return None
        return written

    def offset(self, payload: bytes, decoded: str, position: int) -> int:
        """Where in `payload` the character ``decoded[position]`` begins; `decoded` is what `payload` says.

        Right for text that is valid in its charset; for any other the check after the edit fails, and the
        mail stays as it came.
        """
        if position >= len(decoded):
            return len(payload)
        if len(payload) == len(decoded):
            return position
        if self.wide:
            mark = 2 if payload[:2] in (b"\xff\xfe", b"\xfe\xff") and decoded[:1] != "\ufeff" else 0
            return mark + len(decoded[:position].encode("utf-16-le"))
        if self.codec == "utf-8":
            return len(decoded[:position].encode())
        column = position - (decoded.rfind("\n", 0, position) + 1)
        line = _line_start(payload, decoded, position - column)
        if self.label == "iso-2022-jp":
            return _escaped_column(payload, line, column)
        if column == 0:
            return line
        character = _CHARACTER.get(self.label, b"[^\n]")
        found = re.compile(b"(?:%b){%d}" % (character, column), re.DOTALL).match(payload, line)
        return len(payload) if found is None else found.end()


@lru_cache(maxsize=64)
def _declared(label: str) -> Script | None:
    """As `script_of`, as far as the label tells."""
    charset = lookup(label or "us-ascii")
    if charset is None or charset.encoder is None or charset.label in _NEVER_WRITTEN:
        return None
    if label.lower() in _LITTLE_KNOWN or "'" in label:
        return None
    codec = charset.encoder
    return Script(label=charset.label, codec=codec, wide=codec.startswith("utf-16"))


UTF_8: Final = Script(label="utf-8", codec="utf-8")


def script_of(label: str, payload: bytes) -> Script | None:
    """How text is added to a `payload` labelled `label`, as declared; None where nothing is.

    A part without a label is US-ASCII (RFC 2045 §5.2). UTF-16 is big-endian without a byte order mark
    (RFC 2781 §4.3).
    """
    script = _declared(label)
    if script is None:
        return None
    if script.label == "iso-2022-jp" and not payload.isascii():
        return None  # kana as single octets: to some readers the text ends there
    if script.codec == "utf-16":
        return script._replace(codec="utf-16-le" if payload[:2] == b"\xff\xfe" else "utf-16-be")
    return script


def same_charset(one: str, other: str) -> bool:
    """Whether two labels mean one charset, as far as writing in it goes."""
    known, beside = lookup(one), lookup(other)
    return known is not None and beside is not None and known.label == beside.label


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for the characters that JIS and Microsoft name differently."""
    return one == other or one.translate(_JIS_FORM) == other.translate(_JIS_FORM)


def shift_at(payload: bytes, offset: int) -> bytes:
    """The escape sequence in force at `offset` of ISO-2022-JP text; nothing in ASCII (RFC 1468)."""
    at = payload.rfind(b"\x1b", 0, offset)
    found = None if at < 0 else _ESCAPE.match(payload, at)
    return b"" if found is None or found[0] == ASCII_STATE else found[0]


def _line_start(payload: bytes, decoded: str, position: int) -> int:
    """Where the line of `payload` begins that begins at `position` of `decoded`.

    0x0A is a line feed and nothing else in every charset that is left here.
    """
    count = decoded.count("\n", 0, position)
    if count == 0:
        return 0
    after = payload.count(b"\n") - count
    if after < count:
        at = len(payload)
        for _ in range(after + 1):
            at = payload.rfind(b"\n", 0, at)
        return at + 1
    at = -1
    for _ in range(count):
        at = payload.find(b"\n", at + 1)
    return at + 1


def _escaped_column(payload: bytes, line: int, column: int) -> int:
    """Where the character at `column` of an ISO-2022-JP line is, in ASCII state if it can be."""
    at, left, width = line, column, 1
    for escape in _ESCAPE.finditer(payload, line):
        count = (escape.start() - at) // width
        if count > left or (count == left and escape[0] != ASCII_STATE):
            break
        left -= count
        at = escape.end()
        width = 2 if escape[0][1:2] == b"$" else 1
    return at + left * width
