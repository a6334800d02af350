import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.lines import MAX_ENDLESS, MAX_HELD, EndlessLine, LineReader
from gateway.edge.wire import HIGH_WATER, Wire
from gateway.smtp import failure
from gateway.smtp.reply import Reply

LIMIT = 40


def lines(pieces: list[bytes], limit: int = LIMIT) -> list[bytes | Reply]:
    """What a reader gives of these pieces, asked after each."""
    reader = LineReader()
    given_: list[bytes | Reply] = []
    for piece in pieces:
        reader.held += piece
        while (line := reader.take(limit)) is not None:
            given_.append(line)
    return given_


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"NOOP\r\n", b"NOOP\r\n"),
        (b"\r\n", b"\r\n"),
        (b"NOOP\n", failure.BARE_COMMAND),
        (b"\n", failure.BARE_COMMAND),
        (b"a" * (LIMIT - 2) + b"\r\n", b"a" * (LIMIT - 2) + b"\r\n"),
        (b"a" * (LIMIT - 1) + b"\r\n", failure.LINE_TOO_LONG),
        (b"a" * (3 * MAX_HELD) + b"\r\n", failure.LINE_TOO_LONG),
        (b"a" * (3 * MAX_HELD) + b"\n", failure.BARE_COMMAND),
    ],
)
@pytest.mark.parametrize("step", [1, 7, MAX_HELD, 1 << 20], ids=lambda step: f"by-{step}")
def test_a_line_or_what_refuses_it(said: bytes, line: bytes | Reply, step: int) -> None:
    """SMTP.md rule 24: a line ends in CRLF and with nothing else, however it is cut."""
    pieces = [said[at : at + step] for at in range(0, len(said), step)]
    assert lines([*pieces, b"QUIT\r\n"]) == [line, b"QUIT\r\n"]


@given(st.lists(st.sampled_from([b"NOOP", b"\r", b"\n", b"\r\n", b" ", b"x" * 30]), max_size=30), st.data())
def test_cuts_make_no_difference(words: list[bytes], data: st.DataObject) -> None:
    """Whole, or cut anywhere, the same octets are the same lines; what is no line yet is held as it came."""
    said = b"".join(words)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(said)))))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert lines(pieces) == lines([said])
    whole = lines([said], limit=1_000_000)
    expected = [line + b"\n" for line in said.split(b"\n")[:-1]]
    assert whole == [line if line.endswith(b"\r\n") else failure.BARE_COMMAND for line in expected]


def test_what_has_no_end_is_not_held() -> None:
    """Memory of a line under way is bounded, and so is the line: then the session ends."""
    reader = LineReader()
    piece = b"x" * MAX_HELD
    for _ in range(MAX_ENDLESS // MAX_HELD):
        reader.held += piece
        assert reader.take(LIMIT) is None
        assert len(reader.held) <= MAX_HELD
    reader.held += piece
    with pytest.raises(EndlessLine):
        reader.take(LIMIT)
    reader = LineReader()
    reader.held += b"x" * MAX_ENDLESS + b"\r\n"
    with pytest.raises(EndlessLine):
        reader.take(LIMIT)


class Switch:
    """A transport that tells what it is told to do."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.closing = False

    def pause_reading(self) -> None:
        """Stop."""
        self.told.append("pause")

    def resume_reading(self) -> None:
        """Go."""
        self.told.append("resume")

    def is_closing(self) -> bool:
        """As it is set."""
        return self.closing

    def write(self, data: bytes) -> None:
        """Say it."""
        self.told.append(data.decode())


class Taker:
    """A sink for so many octets."""

    def __init__(self, octets: int, trouble: str = "") -> None:
        self.left = octets
        self.taken = b""
        self.trouble = trouble

    @property
    def ended(self) -> bool:
        """All have come."""
        return not self.left

    def feed(self, data: bytes) -> bytes:
        """Take its own, give the rest."""
        taken, rest = data[: self.left], data[self.left :]
        self.taken += taken
        self.left -= len(taken)
        return rest

    def lose(self, trouble: str) -> None:
        """Note it."""
        self.trouble = trouble


@pytest.fixture
async def session() -> AsyncIterator[Wire]:
    """The connection of a session on a `Switch`, which is closed in the end, or a writer complains."""
    made = Wire(cast("Any", None), asyncio.get_running_loop())
    made.transport = transport = Switch()
    yield made
    transport.closing = True


def told(session: Wire) -> list[str]:
    """What the transport was told."""
    found: list[str] = session.transport.told
    return found


async def test_a_peer_that_says_too_much_is_stopped(session: Wire) -> None:
    """Past the high-water mark of what nobody has read the transport is paused, until more is asked for."""
    session.data_received(b"x" * HIGH_WATER)
    assert told(session) == []
    session.data_received(b"x")
    session.data_received(b"x")
    assert told(session) == ["pause"]
    waiting = session._more()
    assert told(session) == ["pause", "resume"]
    assert not waiting.done()
    session.data_received(b"x")
    assert waiting.done()


async def test_content_lets_a_stopped_peer_go_on(session: Wire) -> None:
    """Content that begins in what was held has a transport that reads, or it would wait for ever."""
    session.data_received(b"x" * (HIGH_WATER + 1))
    sink = Taker(HIGH_WATER + 3)
    session._divert(sink)
    assert told(session) == ["pause", "resume"]
    session.data_received(b"yyNOOP\r\n")
    assert (sink.ended, sink.taken[-3:]) == (True, b"xyy")
    assert session._lines.take(LIMIT) == b"NOOP\r\n"


async def test_commands_behind_content_that_had_come_already(session: Wire) -> None:
    """What the sink gives back is read as commands, and the sink gets no more."""
    session.data_received(b"contentNOOP\r\n")
    sink = Taker(7)
    session._divert(sink)
    session.data_received(b"QUIT\r\n")
    assert sink.taken == b"content"
    assert [session._lines.take(LIMIT), session._lines.take(LIMIT)] == [b"NOOP\r\n", b"QUIT\r\n"]


async def test_lines_that_came_before_the_end_are_read(session: Wire) -> None:
    """A sender that closes behind its last words is heard to the end (rule 6)."""
    waiting = session._more()
    session.data_received(b"NOOP\r\nQUI")
    session.eof_received()
    assert waiting.done()
    assert session._lines.take(LIMIT) == b"NOOP\r\n"
    assert session._lines.take(LIMIT) is None
    with pytest.raises(asyncio.IncompleteReadError):
        await session._more()
    sink = Taker(10)
    session._divert(sink)
    assert sink.trouble


async def test_who_waits_is_woken_by_the_end_alone(session: Wire) -> None:
    """EOF without a word before it."""
    waiting = session._more()
    session.eof_received()
    await asyncio.wait_for(waiting, 1)


async def test_who_waits_no_more_is_not_woken(session: Wire) -> None:
    """A wait that was given up is no obstacle to what comes afterwards."""
    waiting = session._more()
    waiting.cancel()
    session.data_received(b"NOOP\r\n")
    assert session._lines.take(LIMIT) == b"NOOP\r\n"


async def test_nothing_of_the_clear_is_left_before_tls(session: Wire) -> None:
    """CVE-2011-0411: all that had come is taken, and the transport stands still."""
    session.data_received(b"NOOP\r\nleft")
    assert session._stop_reading() == b"NOOP\r\nleft"
    assert session._lines.take(LIMIT) is None
    assert told(session) == ["pause"]


async def test_replies_wait_for_a_peer_that_reads_none(session: Wire) -> None:
    """Replies go to the transport at once; the session waits when it is full, and is known to wait."""
    session._writer = asyncio.StreamWriter(session.transport, session, None, session.loop)
    await session._answer(failure.OK)
    session.pause_writing()
    saying = asyncio.ensure_future(session._answer(failure.OK, failure.BYE))
    await asyncio.sleep(0)
    assert told(session) == [failure.OK.wire.decode(), (failure.OK.wire + failure.BYE.wire).decode()]
    assert session._answering
    assert not saying.done()
    session.resume_writing()
    await asyncio.wait_for(saying, 1)
    assert not session._answering
    session.pause_writing()
    saying = asyncio.ensure_future(session._answer(failure.OK))
    await asyncio.sleep(0)
    asyncio.StreamReaderProtocol.connection_lost(session, ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(saying, 1)


def test_the_bounds_fit_each_other() -> None:
    """A line that may be held is below the mark at which a peer is stopped, or it would never be whole."""
    assert MAX_HELD < HIGH_WATER
