"""What befalls a gateway from outside: its files locked, full or gone, its processes killed.

Each is a context manager: trouble inside, none afterwards. They know files and processes alone, so that the
same trouble can be made for any gateway, one test or many at once.
"""

import contextlib
import os
import random
import resource
import signal
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process holds BEGIN EXCLUSIVE on this SQLite file."""
    with contextlib.closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def quota(processes: Iterable[int]) -> Iterator[None]:
    """No file of these processes may grow: a full quota, as RLIMIT_FSIZE plays it. Some may die meanwhile."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bound = [process for process in processes if _limit(process, 0, hard)]
    try:
        yield
    finally:
        for process in bound:
            _limit(process, hard, hard)


def _limit(process: int, soft: int, hard: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))
        return True
    return False


@contextlib.contextmanager
def moved_away(path: Path) -> Iterator[None]:
    """A file or folder is not there, as with a disk that is not mounted, and comes back."""
    aside = path.with_name(f"{path.name}-aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


def kill_one(processes: Iterable[int], source: random.Random) -> int:
    """SIGKILL to one of these; its id, 0 if there is none."""
    candidates = sorted(processes)
    if not candidates:
        return 0
    chosen = source.choice(candidates)
    with contextlib.suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGKILL)
    return chosen


def resident(process: int) -> int:
    """Octets of memory of a process, shared ones included (RSS); 0 if it is gone."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()
    return 0


def descriptors(processes: Iterable[int]) -> int:
    """Open file descriptors of these processes together."""
    count = 0
    for process in processes:
        with contextlib.suppress(OSError):
            count += sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
    return count
