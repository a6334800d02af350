import pytest

from gateway.footer.scripts import UTF_8, Script, same_charset, same_text, script_of, shift_at
from gateway.message.charset import decode, lookup


def script(label: str, payload: bytes = b"") -> Script:
    """The script of a label that has one."""
    found = script_of(label, payload)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "label",
    ["utf-7", "iso-2022-kr", "hz-gb-2312", "x-unknown", "CP50221", "Windows-31J", "x-sjis", "'utf-8'"],
)
def test_nothing_is_added_in_a_charset_that_nobody_should_write(label: str) -> None:
    """Nor under a name that not every reader knows. Such a part moves to UTF-8."""
    assert script_of(label, b"") is None


@pytest.mark.parametrize(
    ("label", "text", "written"),
    [
        ("us-ascii", "link", b"link"),
        ("us-ascii", "案内", None),
        ("", "link", b"link"),
        ("iso-2022-jp", "案内 A", b"\x1b$B0FFb\x1b(B A"),
        ("iso-2022-jp", "案\r\n内", b"\x1b$B0F\x1b(B\r\n\x1b$BFb\x1b(B"),
        ("iso-2022-jp", "①", None),
        ("iso-2022-jp", "ｱ", None),
        ("iso-2022-jp", "～－", b"\x1b$B!A!]\x1b(B"),
        ("shift_jis", "〜～", b"\x81\x60\x81\x60"),
        ("shift_jis", "㈱", None),
        ("sjis", "案内", b"\x88\xc4\x93\xe0"),
        ("euc-jp", "丂", None),
        ("big5", "案內", b"\xae\xd7\xa4\xba"),
        ("big5", "の", None),
        ("big5", "•", None),
        ("gb2312", "案内", b"\xb0\xb8\xc4\xda"),
        ("gb2312", "・", None),
        ("iso-8859-1", "é", b"\xe9"),
        ("utf-16", "a", b"\0a"),
    ],
)
def test_only_what_every_reader_of_the_charset_knows_is_written(
    label: str, text: str, written: bytes | None
) -> None:
    """JIS X 0208 and no extensions; the wave dash and its like are written whichever way they are spelled."""
    assert script(label).write(text) == written


def test_iso_2022_jp_with_octets_above_127_moves() -> None:
    """Half-width kana to some readers; others stop reading there, and would not come to the footer."""
    assert script_of("iso-2022-jp", b"\xb1") is None
    assert script_of("iso-2022-jp", b"\x1b(I1\x1b(B") is not None


def test_utf_16_is_written_in_the_order_of_its_mark() -> None:
    """RFC 2781 §4.3: big-endian without one."""
    assert script("utf-16", b"\xff\xfea\0").write("b") == b"b\0"
    assert script("utf-16", b"\xfe\xff\0a").write("b") == b"\0b"
    assert script("utf-16le", b"a\0").write("b") == b"b\0"


_TEXT = "山田様\r\n\r\n</p>ソ表{x}ABC構\r\n終"


@pytest.mark.parametrize(
    "label",
    ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr", "utf-16", "utf-16le"],
)
def test_offset_finds_each_character(label: str) -> None:
    """Also after second bytes that look like ASCII, and around escape sequences."""
    text = _TEXT if label not in {"big5", "euc-kr"} else "山田\r\n</p>表{x}ABC\r\n終"
    payload = text.encode(label)
    codec = "utf-16" if label == "utf-16" else label
    for position in range(len(text)):
        at = script(label, payload).offset(payload, text, position)
        if label == "iso-2022-jp":
            head = payload[:at] + (b"\x1b(B" if shift_at(payload, at) else b"")
            tail = shift_at(payload, at) + payload[at:]
        elif label == "utf-16":
            head, tail = payload[:at], payload[:2] + payload[at:]
        else:
            head, tail = payload[:at], payload[at:]
        assert (head.decode(codec), tail.decode(codec)) == (text[:position], text[position:])
    assert script(label, payload).offset(payload, text, len(text)) == len(payload)


def test_offset_prefers_the_ascii_state() -> None:
    """Where a place lies beside an escape sequence, a footer goes on its ASCII side."""
    payload = "<p>案</p>".encode("iso2022_jp")
    text = "<p>案</p>"
    assert shift_at(payload, script("iso-2022-jp").offset(payload, text, 3)) == b""
    assert shift_at(payload, script("iso-2022-jp").offset(payload, text, 4)) == b""


@pytest.mark.parametrize(
    ("label", "payload"),
    [
        ("utf-16", "\ufeff山a".encode("utf-16-le")),
        ("utf-16", "\ufeff山a".encode("utf-16-be")),
        ("utf-16le", "\ufeff山a".encode("utf-16-le")),
        ("utf-16be", "山a".encode("utf-16-be")),
        ("utf-16le", "山\U0001f600a".encode("utf-16-le")),
    ],
)
def test_offset_in_utf_16(label: str, payload: bytes) -> None:
    """A byte order mark is of the text where the name says the order, and before it where not."""
    known = lookup(label)
    assert known is not None
    text = decode(payload, known)
    assert payload[script(label, payload).offset(payload, text, len(text) - 1) :].strip(b"\0") == b"a"


def test_shift_at_names_the_state() -> None:
    """Also one that the text never leaves."""
    payload = b"a\x1b$B0F\x1b(Jb\x1b(Bc"
    assert [shift_at(payload, at) for at in (1, 5, 10, len(payload))] == [b"", b"\x1b$B", b"\x1b(J", b""]


def test_only_japanese_charsets_spell_signs_anew() -> None:
    """Elsewhere a full-width pound is not the pound."""
    assert script("iso-8859-1").write("￡") is None
    assert script("windows-1252").write("￠￢") is None
    assert script("euc-jp").write("￡") == script("euc-jp").write("£")


def test_no_state_comes_before_the_first_escape_sequence() -> None:
    """At the very start of a text it is ASCII, whatever comes."""
    assert shift_at(b"\x1b$B;D", 0) == b""
    assert shift_at(b"\x1b$B;D", 3) == b"\x1b$B"


def test_same_charset_and_same_text() -> None:
    """Labels by what they mean, texts by what a reader sees."""
    assert same_charset("UTF-8", "utf8")
    assert not same_charset("utf-8", "shift_jis")
    assert not same_charset("x-unknown", "x-unknown")
    assert same_text("〜−", "～－")
    assert not same_text("〜", "~")


def test_utf_8_is_at_hand() -> None:
    """It is what a part moves to."""
    assert script("UTF8") == UTF_8


@pytest.mark.parametrize("label", ["x-sjis", "cp932", "iso-8859-8-i", "us", "windows-874"])
def test_a_name_that_a_common_reader_lacks_is_not_written_in(label: str) -> None:
    """Such a part moves to UTF-8, so that the footer is readable to all."""
    assert script_of(label, b"abc") is None
