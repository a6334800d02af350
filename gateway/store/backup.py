"""A copy of the ledger while it is in use, and whether it is whole."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from sqlalchemy import make_url

from gateway.errors import LedgerFault
from gateway.store.database import Database, faults_as_ledger_faults
from gateway.store.migrate import require_current
from gateway.store.proof import check_audit, check_books

_PAGES = 4_096
_FAULTS = 20


def back_up(url: str, file: Path, *, progress: Callable[[str], None] = lambda _: None) -> None:
    """Copy the ledger at `url` into `file`, which only its owner may read; whole or not at all.

    Args:
        url: as in the config.
        file: a new one, or one to be replaced.
        progress: is told how far it is, now and then.

    Raises:
        LedgerFault: the ledger can't be read, or the copy can't be written.
    """
    database = Database(url)
    if file.exists() and not file.is_file():
        raise LedgerFault(f"{file} is no file: a copy can't take its place")
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if database.file is not None:
            _copy(database, part, progress)
        else:
            _dump(url, part)
        part.replace(file)
    except OSError as error:
        raise LedgerFault(f"{file} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(database: Database, part: Path, progress: Callable[[str], None]) -> None:
    if database.file is None or not database.file.exists():
        raise LedgerFault(f"there is no ledger at {database.file}")

    def copied(_status: int, remaining: int, total: int) -> None:
        progress(f"{100 * (total - remaining) // max(1, total)} % copied")

    with faults_as_ledger_faults(database):
        source = sqlite3.connect(f"file:{database.file.as_posix()}?mode=ro", uri=True)
        target = sqlite3.connect(part)
        try:
            # In steps: the mail path never waits for a reader in WAL, but the copy sees one moment.
            source.backup(target, pages=_PAGES, progress=copied)
            progress("copied, looking whether it is whole")
            if target.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise LedgerFault(f"the copy of {database.name} is damaged")
        finally:
            target.close()
            source.close()


def _dump(url: str, part: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise LedgerFault("pg_dump is not on the PATH: install the client programs of PostgreSQL")
    parts = make_url(url)
    place = parts.set(drivername="postgresql", password=None).render_as_string()
    # The password not as an argument, which others on this machine could read.
    secret = {"PGPASSWORD": str(parts.password)} if parts.password else {}
    done = subprocess.run(  # noqa: S603 - a fixed program
        [program, "--format=custom", "--no-owner", "--no-password", "--file", str(part), "--dbname", place],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise LedgerFault(f"pg_dump: {done.stderr.decode('utf-8', 'replace').strip()[:400]}")


def faults_of(url: str, *, progress: Callable[[int], None] = lambda _: None) -> list[str]:
    """What is wrong with the ledger at `url`: a damaged file, books that are not what was recorded.

    `progress` is told how many postings were looked at, now and then.

    Raises:
        LedgerFault: it can't be read.
    """
    database = Database(url)
    found: list[str] = []
    with faults_as_ledger_faults(database), database.reader().connect() as connection:
        require_current(connection, database.name)
        if database.sqlite:
            rows = connection.exec_driver_sql(f"PRAGMA quick_check({_FAULTS})").scalars().all()
            found += [str(row) for row in rows if row != "ok"]
        for fault in chain(check_books(connection, progress), check_audit(connection)):
            found.append(fault)
            if len(found) >= _FAULTS:
                break
    return found
