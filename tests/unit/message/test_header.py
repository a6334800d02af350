"""A header read at once: what counts as well-formed, and what as plain."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.defects import Defect
from gateway.message.fields import in_pairs
from gateway.message.header import Header, read_header

# The same two grammars octet by octet, for any bytes.
_WELL_FORMED = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*(?:\r\n[ \t]+(?![ \t])[^\r\n\0]+)*\r\n)+")
_PLAIN = re.compile(rb"(?:[!-9;-~]+:[ \t]*(?:(?![ \t])[^\r\n\0]+(?:\r\n[ \t]+(?![ \t])[^\r\n\0]+)*)?\r\n)+")
_LINES = st.lists(
    st.builds(
        lambda *pieces: b"".join(pieces),
        st.sampled_from((b"", b"A", b"b-C", b"--", b" ", b"\t", b"\x7f", b"\x80", b"a b", b"\x0b", b"~!")),
        st.sampled_from((b":", b": ", b":\t ", b"", b" :", b"::")),
        st.sampled_from((b"", b"v", b"v w ", b"\xe6\x8e\xa1", b"\x0c", b" ", b"\0", b"\r", b"\n", b"\x85")),
        st.sampled_from((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r")),
    ),
    max_size=6,
).map(b"".join)


def head_of(data: bytes, *, paired: bool = False) -> Header:
    """The header that begins the mail."""
    defects: list[Defect] = []
    return read_header(data, 0, defects, (), paired=paired)[0]


@given(_LINES)
def test_both_grammars(lines: bytes) -> None:
    """What is told line by line where CR and LF stand in pairs is what the grammars say of any bytes."""
    data = lines.removesuffix(b"\r\n") + b"\r\n\r\ntext\r\n"
    header = data[: data.index(b"\r\n\r\n") + 2]
    plain = _PLAIN.fullmatch(header) is not None
    for head in (head_of(data), head_of(data, paired=in_pairs(data))):
        assert head.well_formed == (_WELL_FORMED.fullmatch(header) is not None)
        assert head.plain == plain


@pytest.mark.parametrize(
    ("lines", "well_formed", "plain"),
    [
        (b"A: b\r\n c\r\n\td\r\nE:\r\nF: \t\r\nG:h:\r\n", True, True),
        (b"A:\r\n b\r\nC: d\r\n", True, False),
        (b"A: b\r\nC: \t\r\n\td\r\n", True, False),
        (b"A: b\r\n \t\r\nC: d\r\n", False, False),
        (b" A: b\r\n", False, False),
        (b"A: b\r\nC d\r\n", False, False),
        (b"A : b\r\n", False, False),
        (b": b\r\n", False, False),
        (b"\xc3\xa4: b\r\n", False, False),
        (b"A: b\rc\r\n", False, False),
        (b"A: b\nc: d\r\n", False, False),
        (b"A: b\0\r\n", False, False),
    ],
)
def test_well_formed_and_plain(lines: bytes, *, well_formed: bool, plain: bool) -> None:
    """Folds, empty values, and what no field looks like."""
    head = head_of(lines + b"\r\ntext\r\n")
    assert (head.well_formed, head.plain) == (well_formed, plain)
