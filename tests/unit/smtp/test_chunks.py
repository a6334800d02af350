"""Chunks give what the same mail by DATA gives (RFC 3030)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.chunks import Chunk, ChunkReader, parse_bdat
from gateway.smtp.content import ContentReader, unstuff


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"0", Chunk(0, last=False)),
        (b"100", Chunk(100, last=False)),
        (b"100 LAST", Chunk(100, last=True)),
        (b"0 last", Chunk(0, last=True)),
        (b"7  LAST", Chunk(7, last=True)),
        (b"", None),
        (b"LAST", None),
        (b"-1", None),
        (b"1x", None),
        (b"0x10", None),
        (b"1 LAST 2", None),
        (b"1 2", None),
        (b"1" * 21, None),
        ("１".encode(), None),
    ],
)
def test_argument(argument: bytes, expected: Chunk | None) -> None:
    """A number of 20 digits at most, and maybe LAST."""
    assert parse_bdat(argument) == expected


def read(chunks: list[bytes], cut: int) -> tuple[bytes, ChunkReader]:
    """The segments of these chunks, joined; fed in pieces of `cut` octets, with a command behind each."""
    reader, given_out = ChunkReader(), b""
    for at, chunk in enumerate(chunks):
        reader.expect(Chunk(len(chunk), last=at == len(chunks) - 1))
        behind = b"QUIT\r\n"
        stream = chunk + behind
        if not chunk:
            segment, rest = reader.feed(b"")
            assert rest == b""
            given_out += segment
            continue
        position = 0
        while reader.left:
            segment, rest = reader.feed(stream[position : position + cut])
            given_out += segment
            position += cut
        assert rest == stream[len(chunk) : position]
    return given_out, reader


OCTETS = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n.", b".\r\n"]), max_size=12).map(
    b"".join
)


@given(st.lists(OCTETS, min_size=1, max_size=4), st.integers(1, 7))
def test_as_by_data(chunks: list[bytes], cut: int) -> None:
    """However it is cut: clean lines, stuffed dots, a line end at the end; and the same words as by DATA."""
    stuffed, reader = read(chunks, cut)
    whole = b"".join(chunks)
    lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    expected = lines if lines.endswith(b"\r\n") or not lines else lines + b"\r\n"
    assert unstuff(stuffed) == expected
    assert reader.done
    assert reader.octets == len(stuffed)
    assert reader.bare == (
        whole.replace(b"\r\n", b"").count(b"\r") + whole.replace(b"\r\n", b"").count(b"\n") > 0
    )
    # by DATA the stuffed octets mean the same mail, and end where they should
    segment, rest = ContentReader().feed(stuffed + b".\r\nQUIT\r\n")
    assert (segment, rest) == (stuffed, b"QUIT\r\n")
