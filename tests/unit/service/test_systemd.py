"""What systemd is told, and the sockets that it gives."""

import os
import socket
from pathlib import Path

import pytest

from gateway.service.systemd import Supervisor, claim, take_sockets


@pytest.mark.parametrize("abstract", [False, True])
def test_words(tmp_path: Path, *, abstract: bool) -> None:
    """READY, RELOADING with its time, STOPPING; the variables are gone, so that no child speaks for us."""
    place = f"@careerrelay-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + place[1:] if abstract else place)
        systemd.settimeout(5)
        environment = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "500000", "OTHER": "1"}
        supervisor = Supervisor(environment)
        assert environment == {"OTHER": "1"}
        supervisor.ready("on port 25")
        assert systemd.recv(1_000) == b"READY=1\nSTATUS=on port 25"
        supervisor.reloading()
        assert systemd.recv(1_000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        supervisor.stopping()
        assert systemd.recv(1_000).startswith(b"STOPPING=1")
        assert supervisor.wait() == 0
        supervisor.beat()
        supervisor.beat()  # not due
        assert systemd.recv(1_000) == b"WATCHDOG=1"
        assert 0.2 < (supervisor.wait() or 0) <= 0.25, "half of what is allowed"
        systemd.settimeout(0)
        with pytest.raises(BlockingIOError):
            systemd.recv(1_000)


def test_nobody_listens() -> None:
    """No systemd, one that is gone, or a watchdog of another process: nothing is said, nothing fails."""
    for environment in ({}, {"NOTIFY_SOCKET": "/nowhere"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}):
        supervisor = Supervisor(dict(environment))
        supervisor.ready("x")
        supervisor.beat()
        assert supervisor.wait() is None


def test_sockets_of_others_are_left() -> None:
    """Without LISTEN_PID that is ours, or with nonsense, there are none; and the variables are gone."""
    for process, count in (("1", "2"), (str(os.getpid()), "x"), (str(os.getpid()), "99999"), ("", "")):
        environment = {"LISTEN_PID": process, "LISTEN_FDS": count, "LISTEN_FDNAMES": "a"}
        assert take_sockets(environment) == []
        assert environment == {}


def test_claim() -> None:
    """The socket that is bound to the place, and no other; once."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        passed = [one]
        assert claim(passed, "0.0.0.0", port) is None  # noqa: S104 - another place
        assert claim(passed, "127.0.0.1", port) is one
        assert claim(passed, "127.0.0.1", port) is None
