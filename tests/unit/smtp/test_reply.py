import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp import reply
from gateway.smtp.reply import (
    KNOWN,
    KNOWN_OCTETS,
    MAX_LINE,
    MAX_LINES,
    MAX_OCTETS,
    Reply,
    ReplyError,
    ReplyReader,
)

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20).map(str.encode)
replies = st.builds(Reply, st.integers(200, 599), st.lists(texts, min_size=1, max_size=4).map(tuple))


def test_of() -> None:
    """A reply of our own has its enhanced code before each line (RFC 2034 §4)."""
    assert Reply.of(451, "4.3.0", "one", "two") == Reply(451, (b"4.3.0 one", b"4.3.0 two"))
    assert Reply.of(220, "", "mx.example.com") == Reply(220, (b"mx.example.com",))


def test_of_cannot_be_made_two_replies() -> None:
    """What could end a line is shown as a question mark, whatever found its way into a text."""
    assert Reply.of(554, "5.3.0", "a\r\n250 OK\x00\x7f\tb").wire == b"554 5.3.0 a??250 OK??\tb\r\n"


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (250, (True, False, False, False)),
        (354, (False, True, False, False)),
        (451, (False, False, True, False)),
        (554, (False, False, False, True)),
    ],
)
def test_kinds(code: int, kinds: tuple[bool, ...]) -> None:
    """Each reply is positive, intermediate, transient or permanent, by its first digit (RFC 5321 §4.2.1)."""
    reply = Reply(code, (b"",))
    assert (reply.positive, reply.intermediate, reply.transient, reply.permanent) == kinds


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        (b"5.7.1 no", "5.7.1"),
        (b"5.7.1\tno", "5.7.1"),
        (b"4.3.999", "4.3.999"),
        (b"no 5.7.1 here", ""),
        (b"3.7.1 no", ""),
        (b"5.7.1234 no", ""),
        (b"5.7.1no", ""),
        (b"", ""),
    ],
)
def test_enhanced(line: bytes, enhanced: str) -> None:
    """The enhanced code is read at the start of the first line only (RFC 2034 §4)."""
    assert Reply(550, (line, b"5.9.9 second")).enhanced == enhanced


def test_with_code() -> None:
    """The enhanced code at the start of each line is replaced; what looks like one inside a text stays."""
    told = Reply(421, (b"4.7.0 10.4.5.6 is too fast", b"10.4.5.6 for release 4.7.1 of", b"4.7.0"))
    assert told.with_code(451, "4.3.2").lines == (
        b"4.3.2 10.4.5.6 is too fast",
        b"4.3.2 10.4.5.6 for release 4.7.1 of",
        b"4.3.2 ",
    )
    assert told.with_code(451) == Reply(451, (b"10.4.5.6 is too fast", b"10.4.5.6 for release 4.7.1 of", b""))


def test_text() -> None:
    """For people: all lines in one, octets that are not UTF-8 escaped."""
    assert str(Reply(550, ("5.1.1 不明".encode(), b"\xff"))) == "550 5.1.1 不明 / \\xff"


def test_wire() -> None:
    """All lines but the last have a hyphen (RFC 5321 §4.2.1)."""
    assert Reply(250, (b"mx", b"", b"DSN")).wire == b"250-mx\r\n250-\r\n250 DSN\r\n"


@given(st.lists(replies, max_size=4), st.data())
def test_reader_gives_the_same_replies_however_cut(expected: list[Reply], data: st.DataObject) -> None:
    """Whole, octet by octet and cut anywhere: the replies that were written are those that are read."""
    stream = b"".join(reply.wire for reply in expected)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    random = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))], random):
        reader = ReplyReader()
        assert [reply for piece in pieces for reply in reader.feed(piece)] == expected
        assert not reader.pending


def test_reader_takes_what_real_servers_send() -> None:
    """A bare LF ends a line, a line may be a code alone, control characters in a text are replaced."""
    assert ReplyReader().feed(b"250\n251-a\x00\r\r\n251 b\tc\x7f\r\n") == (
        Reply(250, (b"",)),
        Reply(251, (b"a??", b"b\tc?")),
    )


def test_reader_tells_what_is_pending() -> None:
    """Part of a line, or a line of an unfinished reply."""
    reader = ReplyReader()
    pending = [reader.pending]
    for piece in (b"25", b"0-a\r\n", b"250 b\r\n"):
        reader.feed(piece)
        pending.append(reader.pending)
    assert pending == [False, True, True, False]


@pytest.mark.parametrize(
    "stream",
    [
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"25 short\r\n",
        b"2500 long\r\n",
        b"150 too low\r\n",
        b"600 too high\r\n",
        b"250_no\r\n",
        b" 250 no\r\n",
        b"250-a\r\n251 b\r\n",
        b"250-a\r\n\r\n",
        b"250 " + b"x" * (MAX_LINE - 3) + b"\r\n",
        b"250-a\r\n" * (MAX_LINES + 1),
        b"250-" + b"x" * (MAX_LINE - 4) + b"\r\n" + (b"250-" + b"x" * (MAX_OCTETS // 16) + b"\r\n") * 16,
    ],
)
def test_reader_refuses_what_is_no_reply(stream: bytes) -> None:
    """Lines that are none, codes that differ in one reply, and replies past the bounds."""
    with pytest.raises(ReplyError):
        ReplyReader().feed(stream)


def test_bounds_of_a_reply() -> None:
    """A line of `MAX_LINE` octets, and a reply of `MAX_LINES` lines, are still read."""
    line = b"250 " + b"x" * (MAX_LINE - 4) + b"\r\n"
    many = b"250-a\r\n" * (MAX_LINES - 1) + b"250 a\r\n"
    assert [len(reply.lines) for reply in ReplyReader().feed(line + many)] == [1, MAX_LINES]
    reader = ReplyReader()
    assert reader.feed(line[:-1]) == ()
    assert len(reader.feed(line[-1:])) == 1


def test_reader_holds_no_endless_line() -> None:
    """A server that never ends its line is given up; what is held until then is bounded."""
    reader = ReplyReader()
    for _ in range(MAX_LINE + 1):
        reader.feed(b"2")
    with pytest.raises(ReplyError, match="too long"):
        reader.feed(b"2")


@given(
    st.lists(st.sampled_from([b"2", b"5", b"0", b"-", b" ", b"\r", b"\n", b"x", b"\x00", b"\xff"])).map(
        b"".join
    )
)
def test_no_reply_can_end_a_line(stream: bytes) -> None:
    """Whatever a server sends: a reply passed on is one reply, line by line with one code."""
    try:
        found = ReplyReader().feed(stream)
    except ReplyError:
        return
    for one in found:
        assert ReplyReader().feed(one.wire) == (one,)


@given(st.lists(st.sampled_from([b"250 ok\r\n", b"250-a\r\n", b"25", b"0 b@c\r\n", b"x\r\n", b"354 go\r\n"])))
def test_replies_that_are_known_read_the_same(pieces: list[bytes]) -> None:
    """What was read before is looked up: the same replies, the same part pending, the same fault."""

    def read() -> list[object]:
        reader = ReplyReader()
        seen: list[object] = []
        for piece in pieces:
            try:
                seen += [*reader.feed(piece), reader.pending]
            except ReplyError as error:
                return [*seen, str(error)]
        return seen

    reply._known.clear()
    fresh = read()
    assert read() == fresh


def test_known_replies_are_bounded() -> None:
    """Nothing large is remembered, nothing that is about somebody, and of the rest only so much."""
    reply._known.clear()
    reader = ReplyReader()
    for stream in (
        b"250 <a@example.com> ok\r\n",
        b"550 taro is unknown\r\n",
        b"250 ok\r\n450 taro is busy\r\n",
        b"250 " + b"x" * KNOWN_OCTETS + b"\r\n",
        b"250-a\r\n250 b",
    ):
        reader.feed(stream)
        assert not reply._known
    reader.feed(b"\r\n")
    assert not reply._known, "it came in two pieces"
    for number in range(3 * KNOWN):
        assert reader.feed(b"250 queued as %d\r\n" % number) == (Reply(250, (b"queued as %d" % number,)),)
        assert len(reply._known) <= KNOWN
    assert reader.feed(b"250 queued as 1\r\n") is reader.feed(b"250 queued as 1\r\n")
