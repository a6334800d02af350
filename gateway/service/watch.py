"""Notices that files have changed: by looking, five times a second, at what `stat` says of them.

Looking costs a system call a file and works wherever files can lie: on NFS, in a container's mount, behind a
symbolic link that is turned to another folder. What the kernel announces (inotify) does none of these
reliably, and would need a library. What is told is a change that has been over for `QUIET_SECONDS`: an editor
writes a file in several steps, and a copied folder comes file by file.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from gateway.config.packs import is_leftover

LOOK_SECONDS = 0.2
QUIET_SECONDS = 0.5
#: More files than a folder of rules may have; what is past them is refused when it is read.
_MAX_ENTRIES = 5_000

_Mark = tuple[int, int, int, int]
_Signature = tuple[object, ...]
_T = TypeVar("_T")

#: Files that have not changed for so long behind a reading of them were whole when they were read. Whoever
#: writes a file in place (an editor, `cp`) has it empty for a moment, and half for another.
STEADY_SECONDS = 0.05
#: So often files are read again that go on changing; somebody may be writing all the time.
MAX_READINGS = 20


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at some files and folders. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _places: tuple[Path, ...] = ()
    _known: _Signature = ()
    _changed: float | None = None
    _next: float = field(default=0.0)

    def aim(self, places: Iterable[Path]) -> None:
        """From now on look at these; what they are like at this moment is what is known."""
        self._places = tuple(places)
        self._known = _signature(self._places)
        self._changed = None
        self._next = self.clock() + LOOK_SECONDS

    def wait(self) -> float | None:
        """Seconds until the next look; None when there is nothing to look at."""
        return max(0.0, self._next - self.clock()) if self._places else None

    def changed(self) -> bool:
        """Look, if it is time to. True once for each change, when it is over."""
        now = self.clock()
        if not self._places or now < self._next:
            return False
        self._next = now + LOOK_SECONDS
        signature = _signature(self._places)
        if signature != self._known:
            self._known, self._changed = signature, now
            return False
        if self._changed is None or now - self._changed < QUIET_SECONDS:
            return False
        self._changed = None
        return True


def read_steadily(
    read: Callable[[], _T], places: Sequence[Path], *, pause: Callable[[float], None] = time.sleep
) -> _T:
    """What `read` makes of these files and folders, once they stay as they are while it is read.

    Half a rule file can be a valid one: nothing else would tell that rules are missing from it.
    """
    for _ in range(MAX_READINGS):
        before = _signature(places)
        result = read()
        pause(STEADY_SECONDS)
        if _signature(places) == before:
            break
    return result


def _signature(places: Iterable[Path]) -> _Signature:
    return tuple(_folder(place) or _mark(place) for place in places)


def _folder(place: Path) -> _Signature | None:
    """Names and marks of the files in a folder, less what editors put there; None if it is no folder."""
    try:
        with os.scandir(place) as entries:
            names = [
                entry.name
                for entry in islice(entries, _MAX_ENTRIES)
                if not entry.name.startswith(".") and not is_leftover(entry.name)
            ]
    except OSError:
        return None
    # The folder itself is marked too, so that an empty one is not the same as none.
    return ("folder", *((name, _mark(place / name)) for name in sorted(names)))


def _mark(place: Path) -> _Mark | None:
    """What changes when a file does, also when it keeps its size and its date; None where there is none."""
    try:
        found = place.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
