import base64
import binascii
import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.footer.carry import (
    place_base64,
    place_quoted,
    quoted,
    quoted_end,
    quoted_offset,
    too_long,
    wrap_base64,
)
from gateway.footer.scripts import UTF_8, Script, script_of


def _script(label: str) -> Script:
    found = script_of(label, b"")
    assert found is not None
    return found


LATIN, JIS, SJIS = _script("iso-8859-1"), _script("iso-2022-jp"), _script("shift_jis")

_LINES = st.lists(st.text("aB =\t.あ漢é😀", max_size=90), max_size=6)


@given(_LINES, st.sampled_from(["\r\n", "\n"]), st.integers(0, 75))
def test_quoted_decodes_to_the_text_in_lines_of_76(lines: list[str], newline: str, column: int) -> None:
    """RFC 2045 §6.7 rules 3 and 5: no line past 76, no blank at a line's end."""
    text = newline.join(lines)
    written = quoted(text, UTF_8, newline=newline, column=column)
    assert written is not None
    first, *rest = written.split(b"\r\n")
    assert column + len(first) <= 76 or not first.strip(b"=")
    assert all(len(line) <= 76 for line in rest)
    assert not any(line.endswith((b" ", b"\t")) for line in (first, *rest))
    assert binascii.a2b_qp(written) == text.encode()


@pytest.mark.parametrize("script", [UTF_8, SJIS])
def test_no_character_is_split_between_two_lines(script: Script) -> None:
    """Some readers decode line by line (PITFALLS.md)."""
    text = "a" * 7 + "選考結果のお知らせ" * 20
    written = quoted(text, script)
    assert written is not None
    codec = script.codec
    pieces = [binascii.a2b_qp(line) for line in written.split(b"=\r\n")]
    assert len(pieces) > 5
    assert "".join(piece.decode(codec) for piece in pieces) == text


def test_a_charset_that_cannot_hold_the_text_says_so() -> None:
    """Then the part moves."""
    assert quoted("案", LATIN) is None
    assert quoted("a①", JIS) is None
    assert quoted("é ", LATIN) == b"=E9=20"
    assert place_quoted(b"abc", (1, 1), "案", LATIN, "\r\n") is None


def test_iso_2022_jp_keeps_its_escape_sequences_whole() -> None:
    """One sequence in and one out, not one for each character."""
    written = quoted("案内", JIS)
    assert written == b"=1B$B0FFb=1B(B"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"abc",
        b"a=3Db\r\nc=\r\nd  \r\n\r\ne=20\r\n",
        b"a=0D=0Ab=0D=0A=\r\nc",
        b"=E3=81=82=\r\n=E3=81=84\r\n",
        b"abc=",
        b"abc=\r\n",
    ],
)
def test_quoted_offset_is_where_the_octet_begins(raw: bytes) -> None:
    """Cutting the body there cuts what it decodes to."""
    decoded = binascii.a2b_qp(re.sub(rb"[ \t]+(?=\r\n|$)", b"", raw))
    for position in range(len(decoded)):
        if decoded[position - 1 : position + 1] == b"\r\n":
            continue  # nobody asks for a place inside of a line end
        at = quoted_offset(raw, position)
        head = re.sub(rb"[ \t]+(?=\r\n|$)", b"", raw[:at])
        assert binascii.a2b_qp(head) == decoded[:position]
        assert at == 0 or not raw[at:].startswith(b"=\r\n")


def test_the_end_of_a_body_is_before_a_last_soft_break() -> None:
    """It would swallow the line end that the footer begins with."""
    assert quoted_end(b"abc=") == 3
    assert quoted_offset(b"abc=", 9) == 3
    assert quoted_end(b"abc= ") == 3
    assert quoted_end(b"abc") == 3
    assert quoted_end(b"abc  ") == 3
    assert quoted_end(b"abc=\r\n") == 3
    assert quoted_end(b"abc\r\n") == 5
    assert quoted_end(b"abc=\r\n\r\n") == 8


@pytest.mark.parametrize(
    ("raw", "at", "run", "expected"),
    [
        (b"one\r\ntwo\r\n", 5, "X\r\n", b"one\r\nX\r\ntwo\r\n"),
        (b"one</b>", 3, "X", b"one=\r\nX=\r\n</b>"),
        (b"one</b>", 3, "\r\nX\r\n", b"one\r\nX\r\n</b>"),
        (b"one", 3, "\r\n\r\nX", b"one\r\n\r\nX"),
        (b"one=\r\ntwo", 6, "X", b"one=\r\nX=\r\ntwo"),
        (b"one=", 3, "\r\nX", b"one\r\nX="),
        (b"one\r\n", 5, "X ", b"one\r\nX=20"),
        (b"one </b>", 4, "\r\nX\r\n", b"one =\r\n\r\nX\r\n</b>"),
    ],
)
def test_a_run_is_joined_by_soft_breaks(raw: bytes, at: int, run: str, expected: bytes) -> None:
    """What stands before and after it keeps its lines."""
    written = place_quoted(raw, (at, at), run, UTF_8, "\r\n")
    assert written is not None
    assert raw[:at] + written + raw[at:] == expected


@pytest.mark.parametrize("length", [74, 75, 76, 77])
def test_a_soft_break_behind_a_long_run_fits_in(length: int) -> None:
    """With the sign at its end a line has 76 octets at most."""
    written = place_quoted(b"one</b>", (3, 3), "x" * length, UTF_8, "\r\n")
    assert written is not None
    assert max(map(len, written.split(b"\r\n"))) <= 76
    assert quopri.decodestring(b"one" + written + b"</b>") == b"one" + b"x" * length + b"</b>"


def test_a_lone_line_feed_is_encoded() -> None:
    """A text whose line ends are LF says =0A; a raw line end would add a CR."""
    assert quoted("a\nb\n", UTF_8, newline="\n") == b"a=0A=\r\nb=0A"
    assert place_quoted(b"x=0Ay", (4, 4), "f\n", UTF_8, "\n") == b"=\r\nf=0A=\r\n"


def test_taking_a_run_out_leaves_short_lines() -> None:
    """What follows begins a raw line, so that it is no longer than it was."""
    assert place_quoted(b"ab{{x}}cd", (2, 7), "", UTF_8, "\r\n") == b"=\r\n"
    assert place_quoted(b"{{x}}cd", (0, 5), "", UTF_8, "\r\n") == b""


@given(st.binary(max_size=300), st.data(), st.sampled_from([4, 20, 57, 60, 64, 72, 76, 77, 100]))
def test_base64_is_written_anew_from_the_group_on(content: bytes, data: st.DataObject, width: int) -> None:
    """It decodes to the content with the changes, lines keep their length, what stands before stays."""
    flat = base64.b64encode(content)
    raw = b"\r\n".join(flat[at : at + width] for at in range(0, len(flat), width))
    raw += data.draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
    places = sorted(data.draw(st.lists(st.integers(0, len(content)), min_size=2, max_size=4, unique=False)))
    changes = [
        (start, end, data.draw(st.binary(max_size=120)))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]
    start, end, replacement = place_base64(raw, content, changes)
    edited = raw[:start] + replacement + raw[end:]
    expected = b""
    reached = 0
    for first, last, new in changes:
        expected += content[reached:first] + new
        reached = last
    expected += content[reached:]
    assert base64.b64decode(edited) == expected
    assert edited[:start] == raw[:start]
    assert start >= changes[0][0] // 3 * 4
    stripped = edited.rstrip(b"\r\n")
    if b"\r\n" in raw.rstrip(b"\r\n") and stripped:
        *full, last_line = stripped.split(b"\r\n")
        assert {len(line) for line in full} <= {width}
        assert 0 < len(last_line) <= width
    assert edited.endswith(raw[len(raw.rstrip(b"\r\n")) :])


def test_base64_with_lines_of_many_lengths_is_read_by_counting() -> None:
    """Nothing says that lines have to be equal."""
    raw = b"YWJj\r\nZGVmZ2hp\r\namts\r\n"
    start, end, replacement = place_base64(raw, b"abcdefghijkl", [(10, 10, b"XX")])
    assert base64.b64decode(raw[:start] + replacement + raw[end:]) == b"abcdefghijXXkl"
    assert raw[:start] == b"YWJj\r\nZGVmZ2hp"
    start, end, replacement = place_base64(raw, b"abcdefghijkl", [(12, 12, b"XX")])
    assert base64.b64decode(raw[:start] + replacement + raw[end:]) == b"abcdefghijklXX"


@pytest.mark.parametrize(
    "raw",
    [
        b"YWJj   ZGVm\r\nZ2hpamts",
        b" YWJjZGV\r\nmZ2hpamts\t\r\n",
        b"Y W J j ZGVm\tZ2hpamts",
        b" YWJjZGVmZ\r\n2hpamts",
        b"\tYWJjZGVmZ\r\n2hpamts",
    ],
)
def test_blanks_in_base64_do_not_count(raw: bytes) -> None:
    """What was inserted on the way stays, and the place is found all the same (RFC 2045 §6.8)."""
    for at in range(13):
        start, end, replacement = place_base64(raw, b"abcdefghijkl", [(at, at, b"XX")])
        edited = base64.b64decode(raw[:start] + replacement + raw[end:])
        assert edited == b"abcdefghijkl"[:at] + b"XX" + b"abcdefghijkl"[at:]


def test_wrap_base64_goes_on_in_a_line() -> None:
    """`column` is taken already; a full line is ended first."""
    assert wrap_base64(b"abcdef", 8, 4) == b"YWJj\r\nZGVm"
    assert wrap_base64(b"abc", 8, 8) == b"\r\nYWJj"
    assert wrap_base64(b"", 8, 0) == b""


def test_998_octets_are_the_limit() -> None:
    """RFC 5322 §2.1.1, without the CRLF."""
    assert not too_long(b"x" * 998 + b"\r\n" + b"y" * 998)
    assert too_long(b"x" * 999)
    assert too_long(b"x\r\n" + b"y" * 999 + b"\r\n")
