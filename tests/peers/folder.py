"""Free ports, waiting, and folders that a server's own user can enter; for the peers that are programs."""

import contextlib
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


#: Ports below those that the kernel gives by itself, where there are any.
_FIRST = 10_000
_END = max(_FIRST + 1_000, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0]))


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listened on a moment ago.

    It is none of those that the kernel gives by itself: until a slow program has bound it, and while one is
    restarted, no connection of another test gets it, nor one to itself.
    """
    while True:
        port = random.randrange(_FIRST, _END)  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port


def wait_until(condition: Callable[[], T], what: str, *, patience: float = 20.0) -> T:
    """Ask until the answer is true, and give it. TimeoutError names `what` was waited for."""
    end = time.monotonic() + patience
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"after {patience:g} s still not: {what}")
        time.sleep(0.02)
    return answer


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def group_members(group: int) -> list[int]:
    """Ids of the processes of a group that still run (a zombie doesn't)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # proc(5): "pid (comm) state ppid pgrp ...", and comm may hold anything
            state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX" and int(pgrp) == group:
                found.append(int(entry.name))
    return found


@contextlib.contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder that every user may enter (pytest's own are for root alone); gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if "CAREERRELAY_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)
