import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import Excluded, embedded_config, load_keys, read_rule_files
from gateway.service import control
from gateway.service.bundle import Bundle
from gateway.service.control import MAX_MESSAGE, Channel, Drain, Reload, Word


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    """Both ends of one channel."""
    one, two = socket.socketpair()
    channels = (Channel(one), Channel(two))
    yield channels
    for channel in channels:
        channel.close()


def framed(value: object) -> bytes:
    """A value as it is on the wire."""
    content = pickle.dumps(value)
    return struct.pack("!I", len(content)) + content


def test_values_arrive_in_order(ends: tuple[Channel, Channel]) -> None:
    """What is sent is received, whole and in order; nothing there is no value, and no wait."""
    parent, worker = ends
    assert worker.receive() == []
    for word in Word:
        parent.send(word)
    parent.send(Drain())
    assert worker.receive() == [*Word, Drain()]
    assert worker.receive() == []
    assert not worker.closed


def test_a_value_in_pieces(ends: tuple[Channel, Channel]) -> None:
    """A value is given once its last octet is there, however it was cut; the next one stays apart."""
    parent, worker = ends
    octets = framed(Word.READY) + framed(Word.STOPPED)
    got = []
    for at in range(len(octets)):
        parent.end.sendall(octets[at : at + 1])
        got.append(worker.receive())
    first = len(framed(Word.READY)) - 1
    assert [(at, values) for at, values in enumerate(got) if values] == [
        (first, [Word.READY]),
        (len(octets) - 1, [Word.STOPPED]),
    ]


def test_a_bundle_goes_over(ends: tuple[Channel, Channel], tmp_path: Path) -> None:
    """Config, keys, rules and passwords arrive as they were, larger than the socket's buffer or not."""
    parent, worker = ends
    config = embedded_config(tmp_path)
    bundle = Bundle(
        config=config,
        keys=load_keys(tmp_path / "key", create=True),
        files=read_rule_files(config),
        excluded=Excluded(recipients=("x" * 1_000_000,)),
        passwords={"default": "geheim"},
    )
    sender = threading.Thread(target=parent.send, args=(Reload(bundle),))
    sender.start()
    values: list[object] = []
    while not values:
        values = worker.receive()
    sender.join()
    (value,) = values
    assert isinstance(value, Reload)
    assert value.bundle == bundle
    assert "geheim" not in repr(value)


def test_the_other_end_is_gone(ends: tuple[Channel, Channel]) -> None:
    """What was sent before is still received, then `closed`; sending is an OSError."""
    parent, worker = ends
    parent.send(Word.STOPPED)
    parent.close()
    assert worker.receive() == [Word.STOPPED]
    assert worker.closed
    with pytest.raises(OSError, match="Broken pipe"):
        worker.send(Word.READY)


def test_half_a_value_and_the_end(ends: tuple[Channel, Channel]) -> None:
    """A process that died in the middle of a word has said nothing."""
    parent, worker = ends
    parent.end.sendall(framed(Word.READY)[:-1])
    parent.close()
    assert worker.receive() == []
    assert worker.closed


def test_a_length_that_is_not_ours(ends: tuple[Channel, Channel]) -> None:
    """Nothing of that size is waited for."""
    parent, worker = ends
    parent.end.sendall(struct.pack("!I", MAX_MESSAGE + 1))
    assert worker.receive() == []
    assert worker.closed


def test_nobody_reads(ends: tuple[Channel, Channel], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending to a process that hangs ends with TimeoutError; the sender must not hang with it."""
    monkeypatch.setattr(control, "SEND_SECONDS", 0.05)
    parent, _ = ends
    with pytest.raises(TimeoutError):
        parent.send(b"x" * 10_000_000)


def test_receiving_never_blocks(ends: tuple[Channel, Channel]) -> None:
    """Also not right after sending, which does."""
    parent, worker = ends
    worker.send(Word.READY)
    assert worker.receive() == []
    assert parent.receive() == [Word.READY]
