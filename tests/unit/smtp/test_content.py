import itertools
import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.content import END, ContentReader, Unstuffer, stuff, unstuff

#: Every way that CR, LF and dots can stand next to each other is short; longer ones are made of these.
octets = st.lists(
    st.sampled_from([b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\r", b"\n", b".", b"a", b"\xff\x00"])
).map(b"".join)


def _pieces(stream: bytes, cuts: Iterable[int]) -> list[bytes]:
    ends = sorted(cuts)
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


def _expected(stream: bytes) -> tuple[bytes, bool, bytes] | None:
    """RFC 5321 §4.5.2, line by line: content, whether it has a bare CR or LF, what is behind its end."""
    content, end, rest = (b"\r\n" + stream).partition(END)
    if not end:
        return None
    lines = (content + b"\r\n").split(b"\r\n")[1:-1]
    plain = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
    return re.sub(rb"\r\n|\r|\n", b"\r\n", plain), any(b"\r" in line or b"\n" in line for line in lines), rest


def _check(stream: bytes, pieces: Sequence[bytes]) -> None:
    reader, unstuffer = ContentReader(), Unstuffer()
    segments: list[bytes] = []
    plain = rest = b""
    for piece in pieces:
        segment, behind = reader.feed(piece)
        segments.append(segment)
        plain += unstuffer(segment)
        rest += behind
    given = b"".join(segments)
    assert END not in b"\r\n" + given, pieces
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", given), pieces
    assert reader.octets == len(given)
    expected = _expected(stream)
    assert reader.done is (expected is not None), pieces
    if expected is not None:
        assert (plain, reader.bare, rest) == expected, pieces
        assert unstuff(given) == expected[0], pieces
        assert given == b"" or given.endswith(b"\r\n")


def test_every_short_stream_cut_in_every_way() -> None:
    """All streams of up to five octets that matter, and all ways to cut them, are read alike."""
    for length in range(6):
        for letters in itertools.product(b"\r\n.a", repeat=length):
            stream = bytes(letters)
            for mask in range(1 << max(length - 1, 0)):
                _check(stream, _pieces(stream, [at + 1 for at in range(length - 1) if mask >> at & 1]))


@given(octets, st.data())
def test_content_is_the_same_however_cut(content: bytes, data: st.DataObject) -> None:
    """Whole, octet by octet, cut anywhere: no false end, no bare CR or LF, the content, what is behind it."""
    stream = content + END + b"QUIT\r\n"
    cuts = data.draw(st.sets(st.integers(0, len(stream))))
    for pieces in ([stream], _pieces(stream, range(1, len(stream))), _pieces(stream, cuts)):
        _check(stream, pieces)


#: Lines of one length, as base64 is: more octets than are looked at one by one.
EVEN = (b"QUJD" * 19 + b"\r\n") * 400


@pytest.mark.parametrize("cut", [0, 77])
@pytest.mark.parametrize("at", [None, 0, 76, 77, 78, 20_000, len(EVEN) - 1])
@pytest.mark.parametrize("octets", [b"\r", b"\n", b".", b"\r\n", b"\n\r", b"\r\n.", b""])
def test_lines_of_one_length(octets: bytes, at: int | None, cut: int) -> None:
    """Many lines of one length are looked at in another way, with the same result: not one octet slips in."""
    content = EVEN if at is None else EVEN[:at] + octets + EVEN[at + len(octets) :]
    shifted = EVEN if at is None else EVEN[:at] + octets + EVEN[at:]
    for each in (content[cut:], shifted[cut:], b"\n" * 40_000, b"\r\n" * 20_000, b"a" * 40_000):
        stream = each + END + b"QUIT\r\n"
        _check(stream, [stream])
        _check(stream, _pieces(stream, [17_000]))


@given(octets, st.data())
def test_content_without_an_end(content: bytes, data: st.DataObject) -> None:
    """A sender that breaks off: what has been given so far holds no end and no bare line end either."""
    _check(content, _pieces(content, data.draw(st.sets(st.integers(0, len(content))))))


@pytest.mark.parametrize(
    "ending",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n\x00.\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\r\r\n",
    ],
)
def test_smuggled_end(ending: bytes) -> None:
    """What some servers take for the end of data is content, and no end behind us (CVE-2023-51764)."""
    stream = b"a" + ending + b"MAIL FROM:<x@example.com>\r\n.\r\n"
    segment, rest = ContentReader().feed(stream)
    assert rest == b""
    assert segment.endswith(b"MAIL FROM:<x@example.com>\r\n")
    assert not re.search(rb"(?:^|[\r\n])\.[\r\n]", segment)


def test_untouched_content_keeps_its_octets() -> None:
    """Clean content leaves as the very octets that came, dots and long lines included."""
    content = b"..leading\r\n...\r\n\r\n" + b"x" * 5_000 + b"\r\n\xff\x00\r\n.single\r\n"
    reader = ContentReader()
    assert reader.feed(content + b".\r\nNOOP\r\n") == (content, b"NOOP\r\n")
    assert (reader.done, reader.bare, reader.octets) == (True, False, len(content))


def test_empty_content() -> None:
    """A dot at once is an empty mail."""
    reader = ContentReader()
    assert [reader.feed(piece) for piece in (b".", b"\r\n")] == [(b"", b""), (b"", b"")]
    assert reader.done


def test_nothing_is_content_behind_the_end() -> None:
    """Once the end was seen everything is behind it."""
    reader = ContentReader()
    reader.feed(b"a\r\n.\r\n")
    assert reader.feed(b"b\r\n.\r\n") == (b"", b"b\r\n.\r\n")
    assert reader.octets == 3


def test_reader_holds_next_to_nothing() -> None:
    """Whatever comes is given at once, but for the few octets that may be torn."""
    reader = ContentReader()
    given = 0
    for piece in (b"a" * 100_000, b"\r\n.\r", b"\r", b".", b"\r\n.", b"b" * 10):
        segment, _ = reader.feed(piece)
        given += len(segment)
    assert given >= 100_010


@pytest.mark.parametrize(
    ("stuffed", "plain"),
    [
        (b"", b""),
        (b"..\r\n", b".\r\n"),
        (b"a\r\n..b\r\n...\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"a.\r\nb\r\n", b"a.\r\nb\r\n"),
    ],
)
def test_stuffing(stuffed: bytes, plain: bytes) -> None:
    """A dot at the start of a line is doubled on the wire, and only there (RFC 5321 §4.5.2)."""
    assert unstuff(stuffed) == plain
    assert b"".join(stuff([plain])) == stuffed


@given(octets, st.data())
def test_stuff_however_cut(content: bytes, data: st.DataObject) -> None:
    """The pieces' stuffing is that of the whole, holds no end of data, and is undone by `unstuff`."""
    pieces = _pieces(content, data.draw(st.sets(st.integers(0, len(content)))))
    stuffed = b"".join(stuff(pieces))
    assert stuffed == (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
    assert END not in b"\r\n" + stuffed
    assert unstuff(stuffed) == content
    assert len(list(stuff(pieces))) == sum(1 for piece in pieces if piece)


@given(octets)
def test_stuffed_content_comes_back(content: bytes) -> None:
    """What we send is what a server of RFC 5321 reads, where line ends are clean."""
    clean = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    clean += b"" if not clean or clean.endswith(b"\r\n") else b"\r\n"
    segment, rest = ContentReader().feed(b"".join(stuff([clean])) + b".\r\n")
    assert (unstuff(segment), rest) == (clean, b"")
