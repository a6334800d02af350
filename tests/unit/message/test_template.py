"""What letters have in common, and how a letter is put together from it and from what changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.normalise import normalise
from gateway.message.template import Template, blank_line, template_of
from gateway.message.text import NOTHING


def made(octets: bytes, changing: tuple[int, ...], charset: str = "utf-8") -> Template:
    """The template of a text."""
    template = template_of(octets, changing, charset, NOTHING)
    assert template is not None
    return template


@pytest.mark.parametrize(
    ("text", "changing", "stretches", "indexes"),
    [
        ("A--b", (0,), ["", "\nb"], (0,)),
        ("a--B", (1,), ["a\n", ""], (1,)),
        ("a--B--c", (1,), ["a\n", "\nc"], (1,)),
        ("a--B--C--d", (1, 2), ["a\n", "\n", "\nd"], (1, 2)),
        ("A--b--C", (0, 2), ["", "\nb\n", ""], (0, 2)),
        ("----A--b", (2,), ["", "\nb"], (0,)),
        ("A-- ----", (0,), ["", ""], (0,)),
        ("A-- --B", (0, 2), ["", "\n", ""], (0, 1)),
        ("a\r\n \r\nb--C--d", (1,), ["a\nb\n", "\nd"], (2,)),
    ],
)
def test_stretches(
    text: str, changing: tuple[int, ...], stretches: list[str], indexes: tuple[int, ...]
) -> None:
    """Which paragraphs of the normal form stay between those that change, and where these stand in it."""
    octets = text.replace("--", "\r\n\r\n").encode()
    template = made(octets, changing)
    assert [stretch.text for stretch in (*template.before, template.last)] == stretches
    assert template.letter.changing == indexes
    assert template.read(octets) == (octets.decode(), normalise(octets.decode()))


@given(st.binary(max_size=40))
def test_whatever_changes(name: bytes) -> None:
    """It is read as the whole is, or not at all."""
    template = made("拝啓\r\n\r\n%s\r\n\r\n\r\n敬具\r\n\r\n".encode(), (1,))
    octets = "拝啓\r\n\r\n%b\r\n\r\n\r\n敬具\r\n\r\n".encode().replace(b"%b", name)
    read = template.read(octets)
    if read is not None:
        assert read == (octets.decode(), normalise(octets.decode()))


@pytest.mark.parametrize(
    "octets",
    [
        *(
            b"",
            b"a",
            b"a\r\n\r\n",
            b"a\r\n\r\nx",
            b"a\r\n\r\nx\r\n\r\n",
            b"a\r\n\r\n\r\n\r\nb",
            b"a\r\n\r\nb",
        ),
        *(b"b\r\n\r\nx\r\n\r\nb", b"a\r\n\r\nx\r\n\r\ny\r\n\r\nb", b"a\r\n\r\nx\r\n\r\n\r\nb"),
    ],
)
def test_other_texts(octets: bytes) -> None:
    """Whatever is missing, too much, or another."""
    template = made(b"a\r\n\r\nX\r\n\r\nb", (1,))
    assert template.read(b"a\r\n\r\nx\r\n\r\nb") == ("a\r\n\r\nx\r\n\r\nb", "a\nx\nb")
    assert template.read(octets) is None


@pytest.mark.parametrize(
    "charset", ["utf-7", "utf-16", "hz", "iso-2022-kr", "gb18030", "big5", "x-none", "'utf-8'"]
)
def test_charsets_that_are_not_read_in_pieces(charset: str) -> None:
    """What stands before decides on what comes behind; or nobody has looked whether it does."""
    assert template_of(b"a\r\n\r\nb", (0,), charset, NOTHING) is None


@pytest.mark.parametrize(
    "piece", [b"\x1b$B;3ED", b"\x1b$B;3ED\x1b(J", b"\x0ea", b"a\x0f", b"\xb1", b"\x1b", b"\0"]
)
def test_pieces_that_shift(piece: bytes) -> None:
    """ISO-2022-JP that may leave behind another state than it found, in what stays or in what changes."""
    whole = b"a\r\n\r\n%b\r\n\r\nb"
    assert template_of(whole % piece, (0,), "iso-2022-jp", NOTHING) is None
    assert made(whole % b"x", (1,), "iso-2022-jp").read(whole % piece) is None
    assert made(whole % b"x", (1,), "iso-2022-jp").read(whole % b"\x1b$B;3ED\x1b(B") is not None


@pytest.mark.parametrize(
    ("octets", "blank"),
    [(b"a\r\n\r\nb\n\nc", b"\r\n\r\n"), (b"a\n\nb\r\nc", b"\n\n"), (b"a", b"\r\n\r\n")],
)
def test_blank_lines(octets: bytes, blank: bytes) -> None:
    """Those of mail, and where there are none of these, those of programs."""
    assert blank_line(octets) == blank
