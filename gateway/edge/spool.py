"""Content taken in whole: in memory, past a bound in a temporary file without a name (SMTP.md rule 27)."""

import mmap
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from gateway.message.scan import Buffer


class Spool:
    """Implements `gateway.transaction.source.Spool`.

    Args:
        memory: octets kept in memory; more goes to a file.
        directory: where that file is made. It is unlinked from the start: a crash leaves nothing behind.
        reserve: free octets that have to stay there.
    """

    def __init__(self, *, memory: int, directory: Path, reserve: int) -> None:
        self._memory = memory
        self._directory = directory
        self._reserve = reserve
        self._pieces: list[bytes] = []
        self._octets = 0
        self._file: BinaryIO | None = None
        self._map: mmap.mmap | None = None

    def write(self, piece: bytes) -> None:
        """Append content octets.

        Raises:
            OSError: there is no space but the reserve, or the file can't be written.
        """
        octets = self._octets + len(piece)
        if self._file is None and octets <= self._memory:
            self._pieces.append(piece)
            self._octets = octets
            return
        if shutil.disk_usage(self._directory).free - len(piece) < self._reserve:
            raise OSError(f"less than the reserve of {self._reserve} octets is free in {self._directory}")
        if self._file is None:
            self._move_to_file()
        if self._file is not None:
            self._append(self._file, piece, at=self._octets)
        self._octets = octets

    def _move_to_file(self) -> None:
        file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115 - closed in `close`
        try:
            self._append(file, b"".join(self._pieces), at=0)
        except OSError:
            file.close()  # the pieces are still there
            raise
        self._file = file
        self._pieces.clear()

    @staticmethod
    def _append(file: BinaryIO, piece: bytes, *, at: int) -> None:
        """All of the piece, or nothing: whoever is refused sends it by another way (SMTP.md rule 3)."""
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(file.fileno(), view) :]
        except OSError:
            os.ftruncate(file.fileno(), at)
            os.lseek(file.fileno(), at, os.SEEK_SET)
            raise

    def buffer(self) -> Buffer:
        """Everything that was written; a map of the file if there is one, valid until `close`."""
        if self._file is None or not self._octets:
            content = b"".join(self._pieces)
            self._pieces = [content]
            return content
        if self._map is None or len(self._map) != os.fstat(self._file.fileno()).st_size:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map

    def close(self) -> None:
        """Give memory and file back. A buffer that is still being sent keeps its pages until it is let go."""
        self._pieces.clear()
        self._map = None
        if self._file is not None:
            self._file.close()
            self._file = None
