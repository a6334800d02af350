"""Whether the files of an open SQLite ledger are still the ones on disk.

SQLite goes on writing into a file that was deleted or replaced under it, and reports success. So after each
commit, before anybody is told that it is durable, this looks: the database, its ``-wal`` and its ``-shm``
still have the inodes they had when they were opened, and the database still begins as one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import LedgerFault

_MAGIC = b"SQLite format 3\0"

Identity = tuple[int, int]

# One descriptor an inode, never closed: POSIX drops all locks of a process on a file when *any*
# descriptor of it is closed, and SQLite's are among them (sqlite.org/howtocorrupt.html §2.2). There are
# as many as there were ledgers.
_headers: dict[Identity, int] = {}


def identity(path: str | Path) -> Identity | None:
    """Device and inode of the file with that name now; None without one."""
    try:
        state = os.stat(path)  # noqa: PTH116 - after every commit; a Path costs three times as much
    except OSError:
        return None
    return state.st_dev, state.st_ino


@dataclass(frozen=True, slots=True)
class Files:
    """The three files of an open ledger."""

    path: str
    database: Identity
    wal: Identity | None
    shm: Identity | None

    @classmethod
    def of(cls, path: Path) -> "Files":
        """The files behind `path` as they are now.

        Raises:
            LedgerFault: there is no database of that name.
        """
        name = str(path)
        database = identity(name)
        if database is None:
            raise LedgerFault(f"the ledger {name} is not there (deleted, moved, or its disk not mounted)")
        if database not in _headers:
            _headers[database] = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        return cls(name, database, identity(name + "-wal"), identity(name + "-shm"))

    def check(self) -> None:
        """Look whether they are still the same.

        Raises:
            LedgerFault: one of them is gone, replaced or overwritten: what was written may be lost.
        """
        now = identity(self.path)
        if now is None:
            raise LedgerFault(f"the ledger {self.path} was deleted or moved while in use")
        if now != self.database:
            raise LedgerFault(f"the ledger {self.path} was replaced by another file while in use")
        for ending, known in (("-wal", self.wal), ("-shm", self.shm)):
            if known is not None and identity(self.path + ending) != known:
                raise LedgerFault(
                    f"the ledger's file {self.path}{ending} was deleted or replaced while in use"
                )
        if os.pread(_headers[self.database], len(_MAGIC), 0) != _MAGIC:
            raise LedgerFault(f"the ledger {self.path} was overwritten: it is no database any more")

    def check_successor(self, later: "Files") -> None:
        """Whether `later` may be opened by a process that had these open before.

        A ``-wal`` that belongs to another database would be played into it.

        Raises:
            LedgerFault: the database was replaced, and the ``-wal`` of the old one still lies beside it.
        """
        if later.database != self.database and later.wal is not None and later.wal == self.wal:
            raise LedgerFault(
                f"the ledger {self.path} was replaced and the -wal file of the old one still lies beside it: "
                f"stop all gateways, remove {self.path}-wal and {self.path}-shm, and start again"
            )
