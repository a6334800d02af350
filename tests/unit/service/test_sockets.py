import socket
from pathlib import Path

import pytest

from gateway.config import Config, embedded_config
from gateway.errors import ConfigError
from gateway.service import sockets
from gateway.service.sockets import name_of, open_listeners, turn_away

GOODBYE = b"421 4.3.2 Service shutting down, try again later\r\n"


def config(folder: Path, *listeners: tuple[str, int]) -> Config:
    """A config that listens there."""
    listen = [{"address": address, "port": port} for address, port in listeners]
    return embedded_config(folder, {"listen": listen})


def call(listener: socket.socket) -> socket.socket:
    """A peer that waits in the queue of `listener`."""
    peer = socket.create_connection(listener.getsockname()[:2], timeout=5)
    peer.settimeout(5)
    return peer


def heard(peer: socket.socket) -> bytes:
    """All that a peer is told, up to the clean end of the connection."""
    said = b""
    with peer:
        while octets := peer.recv(4_096):
            said += octets
    return said


def test_listeners_in_order(tmp_path: Path) -> None:
    """One for each `[[listen]]`, at its address, that nobody waits on."""
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0), ("127.0.0.2", 0)), file="c.toml")
    assert [name_of(listener).rpartition(":")[0] for listener in opened] == ["127.0.0.1", "127.0.0.2"]
    for listener in opened:
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.close()


def test_ipv6_is_apart(tmp_path: Path) -> None:
    """An IPv6 listener leaves the IPv4 port of the same number to others, and is shown in brackets."""
    try:
        opened = open_listeners(config(tmp_path, ("::1", 0)), file="c.toml")
    except ConfigError:
        pytest.skip("no IPv6 here")
    (listener,) = opened
    with listener:
        assert name_of(listener) == f"[::1]:{listener.getsockname()[1]}"
        assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_all_or_none(tmp_path: Path) -> None:
    """Every listener that can't be opened is told, with a remedy; those that could be are closed again."""
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        places = (("127.0.0.1", port), ("127.0.0.1", taken.getsockname()[1]), ("192.0.2.1", 2525))
        with pytest.raises(ConfigError) as caught:
            open_listeners(config(tmp_path, *places), file="c.toml")
    assert [(problem.file, problem.key) for problem in caught.value.problems] == [
        ("c.toml", "listen[1]"),
        ("c.toml", "listen[2]"),
    ]
    assert all(problem.remedy for problem in caught.value.problems)
    with socket.socket() as again:
        again.bind(("127.0.0.1", port))


def test_who_waits_is_told(tmp_path: Path) -> None:
    """Rule 26: all in the queues of all listeners get 421 and a clean end; then the sockets are closed."""
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0), ("127.0.0.2", 0)), file="c.toml")
    peers = [call(listener) for listener in opened for _ in range(5)]
    places = [listener.getsockname() for listener in opened]
    assert turn_away(opened) == 10
    assert [heard(peer) for peer in peers] == [GOODBYE] * 10
    for place in places:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place, timeout=5)


def test_implicit_tls_is_not_spoken_to_in_the_clear(tmp_path: Path) -> None:
    """Words before the handshake would be taken for a broken one: closed, and no more."""
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0), ("127.0.0.2", 0)), file="c.toml")
    peers = [call(listener) for listener in opened]
    assert turn_away(opened, implicit={1}) == 2
    assert [heard(peer) for peer in peers] == [GOODBYE, b""]


def test_who_left_the_queue_is_nobodys_trouble(tmp_path: Path) -> None:
    """A peer that reset its connection while it waited doesn't keep the others from their answer."""
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0)), file="c.toml")
    gone, waiting = call(opened[0]), call(opened[0])
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    turn_away(opened)
    assert heard(waiting) == GOODBYE


def test_the_end_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many call, turning away ends: past the bound the sockets are closed."""
    monkeypatch.setattr(sockets, "MAX_TURNED_AWAY", 2)
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0)), file="c.toml")
    peers = [call(opened[0]) for _ in range(3)]
    assert turn_away(opened) == 2
    for peer in peers:
        peer.close()


def test_nobody_waits(tmp_path: Path) -> None:
    """An empty queue is no wait, and a socket that is closed already no fault."""
    opened = open_listeners(config(tmp_path, ("127.0.0.1", 0)), file="c.toml")
    assert turn_away(opened) == 0
    assert turn_away(opened) == 0
