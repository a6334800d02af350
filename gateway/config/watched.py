"""A value that is made from files, and made anew when they change: certificates, lists of users."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
_Stamp = tuple[tuple[int, int, int] | None, ...]


class Watched(Generic[T]):
    """The value, and when it was made.

    Attributes:
        value: made from the files as they were at the last good look.

    Raises:
        whatever `make` raises, when this is made.
    """

    def __init__(self, files: Sequence[Path], make: Callable[[], T]) -> None:
        self._files = tuple(files)
        self._make = make
        self._stamp = self._look()
        self.value = make()

    def refresh(self) -> bool:
        """Make it anew if a file has changed; give whether it was.

        Files are often replaced one after another (a certificate, then its key): what does not fit yet is
        tried again with the next change, and the old value holds until then.

        Raises:
            whatever `make` raises; once for each change.
        """
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self.value = self._make()
        return True

    def _look(self) -> _Stamp:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - a look every few seconds at a handful of files
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
