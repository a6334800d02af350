"""The connection alone, over a transport that only records: what voids it, and what its one timer does."""

import asyncio

import pytest

from gateway.relay.connection import Connection, ConnectionLost
from gateway.relay.settings import Host
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.reply import Reply
from tests.unit.relay.relaying import until

FAR = 1e6  # seconds: a deadline that no test meets
CALLER = Capabilities(((b"PIPELINING", b""), (b"SIZE", b"100")))


class RecordingTransport(asyncio.Transport):
    """Says what was done to it; `unsent` is what it pretends to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.done: list[str] = []
        self.unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take octets."""
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        """What is pretended."""
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Note the mark."""
        self.done.append(f"limit {high}")

    def abort(self) -> None:
        """Note it."""
        self.done.append("abort")

    def close(self) -> None:
        """Note it."""
        self.done.append("close")


class RecordingOwner:
    """Counts."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def lost(self, connection: Connection) -> None:
        """Note why."""
        self.told.append(f"lost: {connection.fault}")

    def gone(self, connection: Connection) -> None:
        """Note it."""
        self.told.append("gone")


class Made:
    """A connection with its surroundings."""

    def __init__(self) -> None:
        self.owner = RecordingOwner()
        self.transport = RecordingTransport()
        self.connection = Connection(Host(name="mx.example", port=25), CALLER, self.owner, secure=False)
        self.connection.connection_made(self.transport)

    def ask(
        self, octets: bytes = b"X\r\n", count: int = 1, seconds: float = FAR
    ) -> asyncio.Future[list[Reply]]:
        """An exchange under way."""
        return self.connection.exchange(octets, count, asyncio.get_running_loop().time() + seconds)


async def begun(made: Made) -> None:
    """The exchange has been written."""
    await until(lambda: bool(made.transport.written))


async def test_replies_answer_in_order() -> None:
    """A group of commands gets as many replies as it asked for, in order, however they are cut (RFC 2920)."""
    made = Made()
    task = made.ask(b"MAIL\r\nRCPT\r\n", 3)
    await begun(made)
    for octet in b"250 a\r\n550-b\r\n550 c\r\n251 d\r\n":
        made.connection.data_received(bytes([octet]))
    assert await task == [Reply(250, (b"a",)), Reply(550, (b"b", b"c")), Reply(251, (b"d",))]
    assert (made.transport.written, made.connection.fault, made.owner.told) == (b"MAIL\r\nRCPT\r\n", "", [])
    made.connection.fail("over")


@pytest.mark.parametrize("octets", [b"250 x\r\n", b"2", b"421 4.4.2 idle\r\n", b"\n"])
async def test_octets_that_nobody_asked_for(octets: bytes) -> None:
    """Anything while nothing is asked voids the connection at once, even half a reply."""
    made = Made()
    made.connection.data_received(octets)
    assert made.connection.fault.startswith("unasked")
    assert made.transport.done[-1] == "abort"
    assert made.owner.told == [f"lost: {made.connection.fault}"]
    with pytest.raises(ConnectionLost) as caught:
        await made.connection.exchange(b"NOOP\r\n", 1, FAR)
    assert (caught.value.sent, made.transport.written) == (False, b"")


@pytest.mark.parametrize("surplus", [b"250 again\r\n", b"25", b"nonsense\r\n"])
async def test_more_than_was_asked_for(surplus: bytes) -> None:
    """The replies asked for count; what stands behind them voids the connection."""
    made = Made()
    task = made.ask()
    await begun(made)
    made.connection.data_received(b"250 ok\r\n" + surplus)
    if surplus == b"nonsense\r\n":
        with pytest.raises(ConnectionLost):
            await task
    else:
        assert await task == [Reply(250, (b"ok",))]
    assert made.connection.fault


async def test_replies_before_the_loss_are_told() -> None:
    """What was answered before the connection ended is known to the caller."""
    made = Made()
    task = made.ask(b"X\r\n", 3)
    await begun(made)
    made.connection.data_received(b"250 one\r\n421 two\r\n")
    assert made.connection.eof_received() is False
    with pytest.raises(ConnectionLost) as caught:
        await task
    assert [reply.code for reply in caught.value.replies] == [250, 421]
    assert (caught.value.sent, caught.value.timed_out) == (True, False)


async def test_time_is_over() -> None:
    """A deadline that is met voids the connection, since its answer may come late."""
    made = Made()
    task = made.ask(seconds=0.01)
    with pytest.raises(ConnectionLost) as caught:
        await task
    assert (caught.value.timed_out, made.connection.fault) == (True, "no answer in time")
    made.connection.data_received(b"250 late\r\n")
    assert made.connection.fault == "no answer in time"


async def test_one_timer_for_all() -> None:
    """A sooner deadline moves the timer, a later one doesn't; it rings for the deadline in force."""
    made = Made()
    connection = made.connection
    task = made.ask(seconds=FAR)
    await begun(made)
    first = connection._timer
    connection.data_received(b"250 ok\r\n")
    await task
    task = made.ask(seconds=2 * FAR)
    await until(lambda: connection._waiter is not None)
    assert connection._timer is first
    connection.data_received(b"250 ok\r\n")
    await task
    connection.rest(asyncio.get_running_loop().time() + 0.01)
    assert connection._timer is not first
    task = made.ask(seconds=FAR)
    await asyncio.sleep(0.03)
    assert (connection.fault, connection._deadline) == ("", connection._due)
    connection.data_received(b"250 ok\r\n")
    await task
    connection.rest(asyncio.get_running_loop().time() + 0.01)
    await until(lambda: bool(connection.fault))
    assert made.transport.written.endswith(b"QUIT\r\n")
    connection.connection_lost(None)


@pytest.mark.parametrize("what_follows", ["answer", "question", "quit", "loss", "silence"])
async def test_cancelled_exchange_voids(what_follows: str) -> None:
    """PITFALLS: the late answer of a cancelled command must never answer the next."""
    made = Made()
    connection = made.connection
    task = made.ask(seconds=0.01)
    await begun(made)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if what_follows == "answer":
        connection.data_received(b"250 late\r\n")
    elif what_follows == "question":
        with pytest.raises(ConnectionLost) as caught:
            await made.ask(b"Y\r\n")
        assert not caught.value.sent
    elif what_follows == "quit":
        connection.quit()
    elif what_follows == "loss":
        connection.connection_lost(None)
    else:
        await until(lambda: bool(connection.fault))
    assert connection.fault
    assert made.transport.written == b"X\r\n"
    assert what_follows == "loss" or "abort" in made.transport.done
    with pytest.raises(ConnectionLost):
        await made.ask(b"Y\r\n")


async def test_early_refusal_is_kept() -> None:
    """A 4xx or 5xx while content flows is kept; a second reply, or a 2xx, voids the connection."""
    made = Made()
    made.connection.stream()
    made.connection.data_received(b"552-5.3.4 too\r\n552 big\r\n")
    assert made.connection.early == Reply(552, (b"5.3.4 too", b"big"))
    assert made.connection.fault == ""
    made.connection.data_received(b"250 taken\r\n")
    assert made.connection.fault
    assert made.connection.early == Reply(552, (b"5.3.4 too", b"big"))


async def test_reply_that_began_early_never_counts() -> None:
    """Half a reply before the question: its rest isn't the answer, and the question isn't asked."""
    made = Made()
    made.connection.stream()
    made.connection.data_received(b"250 ta")
    with pytest.raises(ConnectionLost) as caught:
        await made.connection.exchange(b".\r\n", 1, FAR)
    assert (caught.value.sent, made.transport.written) == (False, b"")


async def test_backpressure() -> None:
    """The high-water mark is 256 KiB; a writer above it waits until the peer has taken most of it."""
    made = Made()
    assert made.transport.done == ["limit 262144"]
    connection = made.connection
    connection.stream()
    assert connection.write(b"x") is False
    await connection.drained(FAR)
    connection.pause_writing()
    assert connection.write(b"y") is True
    task = asyncio.ensure_future(connection.drained(FAR))
    await until(lambda: connection._drain is not None)
    connection.resume_writing()
    await task
    assert (connection.write(b"z"), made.transport.written) == (False, b"xyz")
    connection.fail("over")


@pytest.mark.parametrize("ending", ["refusal", "loss", "cancel"])
async def test_waiting_writer_is_woken(ending: str) -> None:
    """A writer that waits is woken by a refusal, the end of the connection, or its own cancellation."""
    made = Made()
    connection = made.connection
    connection.stream()
    connection.pause_writing()
    task = asyncio.ensure_future(connection.drained(FAR))
    await until(lambda: connection._drain is not None)
    if ending == "refusal":
        connection.data_received(b"452 4.3.1 full\r\n")
        await task
        await connection.drained(FAR)
    elif ending == "loss":
        connection.connection_lost(ConnectionResetError("reset"))
        with pytest.raises(ConnectionLost, match="reset"):
            await task
        with pytest.raises(ConnectionLost):
            connection.write(b"x")
        with pytest.raises(ConnectionLost):
            await connection.drained(FAR)
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.fault
    connection.fail("over")


async def test_slow_is_not_stalled() -> None:
    """Rule 7: the block budget begins again whenever the peer has taken something, however little."""
    made = Made()
    connection = made.connection
    connection.stream()
    connection.pause_writing()
    made.transport.unsent = 300_000
    task = asyncio.ensure_future(connection.drained(0.02))
    await until(lambda: connection._drain is not None)
    for unsent in (299_999, 299_998):
        made.transport.unsent = unsent
        due = connection._due
        await until(lambda due=due: connection._due > due)  # type: ignore[misc]
    with pytest.raises(ConnectionLost, match="not taken in time"):
        await task


async def test_quit_waits_for_nobody() -> None:
    """QUIT is said, the peer's end closes the connection, and its owner learns of both."""
    made = Made()
    made.connection.quit()
    made.connection.quit()
    assert (made.transport.written, made.connection.fault) == (b"QUIT\r\n", "closed by us")
    made.connection.data_received(b"221 bye\r\n")
    assert made.connection.eof_received() is False
    assert "abort" not in made.transport.done
    made.connection.connection_lost(None)
    assert made.owner.told == ["lost: closed by us", "gone"]
    assert made.connection._timer is None


async def test_quit_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that doesn't answer QUIT is cut off."""
    monkeypatch.setattr("gateway.relay.connection.QUIT_SECONDS", 0.01)
    made = Made()
    made.connection.quit()
    await until(lambda: made.transport.done[-1] == "abort")


@pytest.mark.parametrize("under_way", ["content", "question"])
async def test_no_quit_into_something(under_way: str) -> None:
    """QUIT never becomes content, nor the second of two questions: the connection is cut."""
    made = Made()
    task = None
    if under_way == "content":
        made.connection.stream()
    else:
        task = made.ask()
        await begun(made)
    made.connection.quit()
    assert made.transport.done[-1] == "abort"
    assert b"QUIT" not in made.transport.written
    if task is not None:
        with pytest.raises(ConnectionLost):
            await task
