import asyncio

import pytest

from gateway.edge.upload import HIGH_WATER, Upload
from gateway.transaction.source import SenderGone


class Line:
    """A transport's switch."""

    def __init__(self) -> None:
        self.paused = False
        self.lost = False
        self.changes: list[str] = []

    def pause(self) -> None:
        """Stop."""
        self.paused = True
        self.changes.append("pause")

    def resume(self) -> None:
        """Go."""
        self.paused = False
        self.changes.append("resume")


def make(line: Line, silence: float = 5.0) -> Upload:
    """An upload on this line."""
    return Upload(line, loop=asyncio.get_running_loop(), silence=silence, total=100.0)


async def test_segments_come_in_order_and_then_the_end() -> None:
    """What was fed is read in order; at the end `done` holds and what lies behind the dot is given back."""
    upload = make(Line())
    assert upload.feed(b"one\r\n") == b""
    assert upload.feed(b"two\r\n.\r\nQUIT\r\n") == b"QUIT\r\n"
    assert upload.ended
    assert not upload.done
    assert await upload.read() == b"one\r\ntwo\r\n"
    assert upload.done
    assert await upload.read() == b""
    upload.close()


async def test_reader_waits_for_octets() -> None:
    """`read` waits until there is something, and no longer."""
    upload = make(Line())
    reading = asyncio.create_task(upload.read())
    await asyncio.sleep(0)
    assert not reading.done()
    upload.feed(b"late\r\nx")
    assert await reading == b"late\r\nx"
    upload.close()


async def test_what_is_not_read_stops_the_sender() -> None:
    """Backpressure: past the high-water mark the transport is paused; reading on lets it go."""
    line = Line()
    upload = make(line)
    upload.feed(b"x" * HIGH_WATER)
    assert not line.paused
    upload.feed(b"y")
    assert line.paused
    assert len(await upload.read()) == HIGH_WATER + 1
    assert line.changes == ["pause", "resume"]
    upload.close()


async def test_closing_a_paused_upload_lets_the_transport_go() -> None:
    """After a mail that was not read to its end, the session must hear its peer again."""
    line = Line()
    upload = make(line)
    upload.feed(b"x" * (HIGH_WATER + 1))
    upload.close()
    assert not line.paused


@pytest.mark.parametrize("fed", [b"", b"half a line", b"a line\r\n."])
async def test_a_sender_that_breaks_off_is_gone(fed: bytes) -> None:
    """Rule 6: EOF or RST before the end of content aborts, whatever had come."""
    upload = make(Line())
    upload.feed(fed)
    upload.lose("connection lost")
    with pytest.raises(SenderGone):
        await _read_all(upload)
    upload.close()


async def test_a_loss_after_the_end_is_no_matter_of_the_upload() -> None:
    """Rule 6: EOF behind the final dot means go on; only `gone` tells of it."""
    line = Line()
    upload = make(line)
    upload.feed(b"all\r\n.\r\n")
    upload.lose("closed")
    line.lost = True
    assert await upload.read() == b"all\r\n"
    assert upload.gone
    upload.close()


async def test_silence_ends_the_wait() -> None:
    """A sender that says nothing for too long counts as gone, and is known to have been silent."""
    upload = make(Line(), silence=5.0)
    reading = asyncio.create_task(upload.read())
    await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    assert 3.9 < upload.look(now + 1.0) < 4.1
    assert not upload.silent
    upload.look(now + 5.1)
    with pytest.raises(SenderGone):
        await asyncio.wait_for(reading, 2)
    assert (upload.silent, upload.slow) == (True, False)
    upload.close()


async def test_an_octet_now_and_then_is_slow() -> None:
    """All of a mail has its time too: it is looked at when that is over, whatever comes meanwhile."""
    upload = make(Line(), silence=200.0)
    reading = asyncio.create_task(_read_all(upload))
    upload.feed(b"now\r\n")
    await asyncio.sleep(0.01)
    now = asyncio.get_running_loop().time()
    assert 0 < upload.look(now + 99.0) < 1.1
    assert not upload.slow
    upload.look(now + 100.1)
    with pytest.raises(SenderGone):
        await asyncio.wait_for(reading, 2)
    assert (upload.silent, upload.slow) == (False, True)
    upload.close()


async def test_a_sender_that_we_keep_waiting_is_neither() -> None:
    """Nobody reads on: what the sender does not say is not its fault."""
    upload = make(Line(), silence=5.0)
    upload.feed(b"some\r\nx")
    assert upload.look(asyncio.get_running_loop().time() + 1_000.0) == 5.0
    assert (upload.silent, upload.slow) == (False, False)
    assert await upload.read() == b"some\r\nx"
    upload.close()


async def test_what_an_upload_tells_of_itself() -> None:
    """`octets`, `bare`, `ended` and `done` follow what came and what was read, in one segment or several."""
    upload = make(Line())
    assert (upload.octets, upload.bare, upload.ended, upload.done) == (0, False, False, False)
    upload.feed(b"one\ntwo\r\nx")
    assert (upload.octets, upload.bare, upload.ended, upload.done) == (11, True, False, False)
    assert await upload.read() == b"one\r\ntwo\r\nx"
    assert not upload.done
    upload.feed(b"\r\n.\r\n")
    assert (upload.octets, upload.ended, upload.done) == (13, True, False)
    assert await upload.read() == b"\r\n"
    assert upload.done
    empty = make(Line())
    assert empty.feed(b".\r\n") == b""
    assert (empty.octets, empty.bare, empty.ended, empty.done) == (0, False, True, True)
    assert await empty.read() == b""


async def _read_all(upload: Upload) -> None:
    while not upload.done:
        await upload.read()
