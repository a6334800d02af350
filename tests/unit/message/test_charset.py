"""Charsets are read as Japanese and other mail really uses them."""

import codecs

import pytest

from gateway.message.charset import CharsetError, decode, decode_as, is_exact, lookup


def read(data: bytes, name: str) -> str:
    """Decode `data` under the charset's name in mail."""
    charset = lookup(name)
    assert charset is not None
    return decode(data, charset)


JAPANESE = "採用選考の結果、ー〜「」カタカナ abc\r\n"


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("ISO-2022-JP", "iso2022_jp", JAPANESE),
        ("Shift_JIS", "shift_jis", JAPANESE),
        ("EUC-JP", "euc_jp", JAPANESE),
        ("utf-8", "utf-8", JAPANESE + "😀"),
        ("UTF-7", "utf-7", JAPANESE),
        ("utf-16", "utf-16", JAPANESE),
        ("utf-16be", "utf-16-be", JAPANESE),
        ("utf-16le", "utf-16-le", JAPANESE),
        ("GB18030", "gb18030", "拒绝 €"),
        ("gb2312", "gb2312", "拒绝"),
        ("gbk", "gbk", "拒绝"),
        ("Big5", "big5", "遺憾"),
        ("euc-kr", "euc_kr", "불합격"),
        ("ks_c_5601-1987", "cp949", "똠방각하"),
        ("KOI8-R", "koi8_r", "отказ"),
        ("iso-8859-1", "latin-1", "Ablehnung für"),
        ("iso-8859-15", "iso8859_15", "50 €"),
        ("windows-1252", "cp1252", "“No”"),
        ("windows-1251", "cp1251", "отказ"),
        ("us-ascii", "ascii", "no"),
        ("iso-2022-kr", "iso2022_kr", "불합격"),
    ],
)
def test_charsets_by_their_names(name: str, codec: str, text: str) -> None:
    """What Python writes in a charset is read under the names that mail uses."""
    data = text.encode(codec)
    assert read(data, name) == text
    assert read(data, f' "{name.upper()}" ') == text


@pytest.mark.parametrize("name", ["windows-31j", "x-sjis", "cp932", "MS_Kanji", "shift-jis"])
def test_aliases_of_shift_jis(name: str) -> None:
    """All of them may hold the extensions of NEC and IBM, as on Windows."""
    assert read("①㈱髙﨑～".encode("cp932"), name) == "①㈱髙﨑～"


@pytest.mark.parametrize("name", ["iso-2022-jp", "cp50220", "CP50221", "iso-2022-jp-ms"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x1b$B-!-j\x1b(B", "①㈱"),
        (b"\x1b$B|byu\x1b(B!", "髙﨑!"),
        (b"\x1b(I1=\x1b(B", "ｱｽ"),
        (b"\x0e1=\x0f", "ｱｽ"),
        (b"a\xb1\xbdb\x1b$B-!\x1b(B", "aｱｽb①"),
        (b"\x1b$@:NMQ\x1b(J", "採用"),
        (b"\x1b$B:NMQ\r\n-!\x1b(B", "採用\r\n①"),
        (b"\x1b&@\x1b$B-!\x1b(B", "①"),
        (b"\x1b$(DSE\x1b(B\x1b$B-!\x1b(B", "糚①"),
        (b"a\x1b$B-!", "a①"),
    ],
)
def test_iso_2022_jp_as_it_is_written(name: str, data: bytes, expected: str) -> None:
    """NEC row 13, IBM rows, kana by escape, by shift and as single bytes, JIS X 0212, the old JIS."""
    assert read(data, name) == expected


def test_euc_jp_with_extensions() -> None:
    """Row 13 and JIS X 0212 side by side."""
    assert read(b"\xad\xa1\xc0\xdf\x8f\xb0\xa1\x8e\xb1\r\n", "euc-jp") == "①設丂ｱ\r\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xff", "utf-8"),
        (b"\xed\xa0\x80", "utf-8"),
        (b"\x80", "us-ascii"),
        (b"\x1b$B:", "iso-2022-jp"),
        (b"\x1b$B:N\xff\xff\x1b(B", "iso-2022-jp"),
        (b"\x1b$B:NM\r\n\x1b(B", "iso-2022-jp"),
        (b"a\xe3\x81\x82\xff", "iso-2022-jp"),
        (b"\x1b%G", "iso-2022-jp"),
        (b"\x81", "shift_jis"),
        (b"\xa1", "euc-jp"),
        (b"a\0b\0", "utf-16"),
        (b"\xff\xfea", "utf-16"),
        (b"\x81", "windows-1252"),
    ],
)
def test_other_bytes_are_refused(data: bytes, name: str) -> None:
    """Half characters, wrong bytes, unknown escapes, UTF-16 without its mark: an error, never a guess."""
    with pytest.raises(CharsetError):
        read(data, name)


@pytest.mark.parametrize(
    "name", ["", "x-unknown", "rot13", "base64", "zlib", "idna", "unicode_escape", "utf-32"]
)
def test_unknown_names(name: str) -> None:
    """Python's other codecs are out of reach of a mail."""
    assert lookup(name) is None


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ("採用".encode("iso2022_jp"), "iso-2022-jp", True),
        (b"\x1b$B-!\x1b(B", "iso-2022-jp", False),
        ("①".encode("cp932"), "shift_jis", False),
        ("①".encode("cp932"), "windows-31j", True),
        (b"\x93No\x94", "iso-8859-1", False),
        (b"f\xfcr", "iso-8859-1", True),
        (codecs.BOM_UTF16_LE + b"a\0", "utf-16", True),
    ],
)
def test_exact_means_that_all_readers_agree(data: bytes, name: str, expected: bool) -> None:  # noqa: FBT001
    """Only what the name says to the letter."""
    charset = lookup(name)
    assert charset is not None
    assert is_exact(data, charset) is expected


@pytest.mark.parametrize("data", [b"\xc6\xe7", b"\xc7\x4d", b"\xbf\xf2\xc8\xfe"])
def test_big5_rows_that_readers_disagree_on_are_not_read(data: bytes) -> None:
    """Kana and Cyrillic stand in two orders there: in UTF-8 they would be other letters than were sent."""
    for name in ("big5", "cp950"):
        with pytest.raises(CharsetError):
            read(data, name)


def test_big5_beside_those_rows_is_read() -> None:
    """A trail byte is no lead byte; signs are Windows' own, as on nearly all screens; Hong Kong's are not."""
    assert read(b"\xa4\xc6\xc5\xe9\xa1\x45", "big5") == b"\xa4\xc6\xc5\xe9".decode("big5") + "‧"
    assert read("啫".encode("big5hkscs"), "big5-hkscs") == "啫"
    with pytest.raises(CharsetError):
        read("啫".encode("big5hkscs"), "big5")


def test_gb2312_has_the_signs_of_gbk() -> None:
    """As every reader has them: the raised dot of foreign names, the long dash."""
    assert read(b"\xa1\xa4\xa1\xaa", "gb2312") == "·—"


@pytest.mark.parametrize("data", [b"\xa10", b"\xa4\xa2\xa4", b"\xff\xfe"])
def test_half_characters_of_euc_jp_are_not_read(data: bytes) -> None:
    """Not even with the rows of NEC and IBM."""
    with pytest.raises(CharsetError):
        read(data, "euc-jp")


@pytest.mark.parametrize(
    ("final", "codec"), [("O", "iso2022_jp_3"), ("P", "iso2022_jp_3"), ("Q", "iso2022_jp_2004")]
)
def test_planes_of_jis_x_0213(final: str, codec: str) -> None:
    """Read, under any name of ISO-2022-JP; never written."""
    known = lookup("iso-2022-jp-2004")
    assert known is not None
    escaped = f"\x1b$({final}".encode()
    kanji = (escaped + b"!!\x1b(B").decode(codec)
    assert decode(b"a" + escaped + b"!!\x1b(Bz", known) == f"a{kanji}z"


@pytest.mark.parametrize("name", ["iso-2022-kr", "hz-gb-2312"])
def test_charsets_that_are_only_read(name: str) -> None:
    """No text is written in them."""
    known = lookup(name)
    assert known is not None
    assert known.encoder is None


def test_one_decoder_alone() -> None:
    """It reads what it can, and nothing stands in for it."""
    assert decode_as("〜".encode("shift_jis"), "shift_jis") == "〜"
    assert decode_as("髙".encode("cp932"), "shift_jis") is None
    assert decode_as("髙".encode("cp932"), "cp932") == "髙"
    assert decode_as(b"\x1b$B-!\x1b(B", "iso-2022-jp-strict") is None
    assert decode_as(b"\x1b$B-!\x1b(B", "cp50220") == "①"
