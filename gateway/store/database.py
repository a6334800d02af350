"""Opening the ledger's database: one place that knows SQLite from PostgreSQL.

A `Database` is made from the URL of the config and opens connections of three kinds: for the writer, for
readers that never disturb it, and for changes of the schema. Nothing is shared between them, and nothing
is open before it is asked for, so that a process may fork in between (SMTP.md rule 23).
"""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from gateway.config.ledger_url import file_of, without_password
from gateway.errors import LedgerFault

#: Statements that a connection keeps compiled. Each size of a batch is one (`gateway.store.sends`).
_CACHED_STATEMENTS = 128
#: In KiB: the upper levels of the indexes of a million sends.
_CACHE_KIB = 16_384
#: A WAL that a long reader made large is cut back to this.
_JOURNAL_LIMIT = 64 * 1024 * 1024
#: How long to wait for a server; libpq knows nothing below two seconds.
_CONNECT_SECONDS, _LONGEST_CONNECT = 2, 5

#: How long to sleep between two looks at SQLite's lock, at least and at most.
_LOCK_POLL_SECONDS = (0.000_2, 0.001)

# SQLite's primary result codes (sqlite.org/rescode.html): SQLITE_BUSY, SQLITE_LOCKED.
_SQLITE_TRANSIENT = frozenset({5, 6})
# What an admin can do about it, by primary result code.
_SQLITE_REMEDIES = {
    5: "another program holds it",  # SQLITE_BUSY
    8: "the gateway's user has to be able to write the file and its folder",  # SQLITE_READONLY
    10: "look at the disk",  # SQLITE_IOERR
    11: "stop the gateway and restore it from a backup",  # SQLITE_CORRUPT
    13: "make room on its disk",  # SQLITE_FULL
    14: "the gateway's user has to be able to write the file and its folder",  # SQLITE_CANTOPEN
    26: "stop the gateway and restore it from a backup",  # SQLITE_NOTADB
}
# PostgreSQL: serialization failure, deadlock, lock not available, query cancelled (by our own timeout).
_POSTGRESQL_TRANSIENT = frozenset({"40001", "40P01", "55P03", "57014"})

_MICROSECONDS = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


class Database:
    """Where the ledger is, and how to open it. Holds no connection."""

    __slots__ = ("file", "name", "url")

    def __init__(self, url: str) -> None:
        """`url` as `gateway.config` gives it: ``sqlite:///`` and a path, or ``postgresql://``.

        Raises:
            LedgerFault: it is neither.
        """
        if url.startswith("postgresql://"):
            url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
        self.url = url
        self.file: Path | None = file_of(url)
        if self.file is None and not url.startswith("postgresql+psycopg://"):
            raise LedgerFault("the ledger's URL is neither SQLite nor PostgreSQL")
        self.name = str(self.file) if self.file else without_password(url)

    @property
    def sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.file is not None

    def create_file(self) -> None:
        """Make the SQLite file and the folders above it where they are missing. Only its owner may read it.

        What root makes belongs to the folder's owner, so that the gateway can use it.

        Raises:
            LedgerFault: it can't be made.
        """
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                if os.geteuid() == 0:
                    folder = self.file.parent.stat()
                    os.fchown(descriptor, folder.st_uid, folder.st_gid)
            finally:
                os.close(descriptor)
        except FileExistsError:
            return
        except OSError as error:
            raise LedgerFault(f"the ledger {self.name} can't be made: {error}") from error

    def writer(self, wait_seconds: float) -> Engine:
        """Connections that write.

        Each transaction takes the lock at its begin, each commit is on the disk when it returns.

        Args:
            wait_seconds: how long a statement may wait for a lock.
        """
        return self._engine(wait_seconds, write=True)

    def reader(self, wait_seconds: float = 5.0) -> Engine:
        """Connections that can't write. Readers and the writer never wait for each other."""
        return self._engine(wait_seconds, write=False)

    def _engine(self, wait_seconds: float, *, write: bool) -> Engine:
        if self.sqlite:
            return self._sqlite_engine(wait_seconds, write=write)
        return self._postgresql_engine(wait_seconds, write=write)

    def _sqlite_engine(self, wait_seconds: float, *, write: bool) -> Engine:
        name = f"file:{quote(str(self.file))}?mode=rw"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                name,
                uri=True,
                timeout=wait_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_CACHED_STATEMENTS,
            )
            try:
                # query_only rather than mode=ro: a read-only connection can't open a WAL that nobody else
                # has open.
                for pragma in (
                    "synchronous=FULL",
                    f"cache_size=-{_CACHE_KIB}",
                    f"journal_size_limit={_JOURNAL_LIMIT}",
                    "temp_store=MEMORY",
                    "trusted_schema=OFF",
                    # A writer waits in its own way (`_take_lock`).
                    "busy_timeout=0" if write else "query_only=1",
                ):
                    connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                connection.close()
                raise
            return connection

        engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool)
        begin = "BEGIN IMMEDIATE" if write else "BEGIN"

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            # With a deferred BEGIN 943 of 1,200 transactions of several writers failed (rule 23).
            statement = connection.get_execution_options().get("careerrelay_begin", begin)
            raw = connection.connection.driver_connection if write else None
            if not (isinstance(raw, sqlite3.Connection) and _take_lock(raw, statement, wait_seconds)):
                connection.exec_driver_sql(statement)

        return engine

    def _postgresql_engine(self, wait_seconds: float, *, write: bool) -> Engine:
        milliseconds = max(1, int(wait_seconds * 1000))
        try:
            engine = create_engine(
                make_url(self.url),
                poolclass=NullPool,
                isolation_level="READ COMMITTED",
                connect_args={
                    "connect_timeout": min(max(_CONNECT_SECONDS, int(wait_seconds)), _LONGEST_CONNECT),
                    "application_name": "careerrelay",
                    # A peer that vanished without a word must not hold the writer for the kernel's two hours.
                    "keepalives_idle": 10,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                    "tcp_user_timeout": max(_CONNECT_SECONDS * 1000, milliseconds),
                },
            )
        except ModuleNotFoundError as error:
            raise LedgerFault(
                f"the ledger {self.name} needs psycopg: pip install 'careerrelay-gateway[postgresql]'"
            ) from error
        except (ArgumentError, ValueError) as error:
            raise LedgerFault(f"the ledger's URL {self.name} can't be read: {error}") from error

        @event.listens_for(engine, "connect")
        def _settings(connection: object, _record: object) -> None:
            # By SET and not as start-up options, which poolers refuse.
            settings = [f"SET lock_timeout = {milliseconds}", f"SET statement_timeout = {milliseconds}"]
            settings.append("SET idle_in_transaction_session_timeout = 60000")
            if not write:
                settings[1] = "SET statement_timeout = 0"
                settings.append("SET default_transaction_read_only = on")
            with connection.cursor() as cursor:  # type: ignore[attr-defined]  # a psycopg connection
                cursor.execute("; ".join(settings))
                # What the server asks for beyond `on` (remote_apply) stays; less would lose commits
                # (promise 5).
                cursor.execute(
                    "SELECT set_config('synchronous_commit', 'on', false) "
                    "WHERE current_setting('synchronous_commit') = 'off'"
                )
            connection.commit()  # type: ignore[attr-defined]  # a psycopg connection

        return engine


@contextmanager
def bare_transaction(connection: Connection, wait_seconds: float) -> Iterator[sqlite3.Connection]:
    """A transaction that writes, of SQLite's driver itself, on a connection of `Database.writer`.

    For the batches of every rejection mail: SQLAlchemy's way to begin, run and commit costs as much as
    twenty rows. Committed and on the disk when it ends, rolled back where anything is raised.

    Raises:
        SQLAlchemyError: what the driver raises, as SQLAlchemy says it.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("not a connection of SQLite")
    try:
        if not _take_lock(raw, "BEGIN IMMEDIATE", wait_seconds):
            raw.execute("BEGIN IMMEDIATE")
        try:
            yield raw
            raw.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # after some faults SQLite has done it by itself
                raw.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error) from error


def _take_lock(raw: sqlite3.Connection, statement: str, wait_seconds: float) -> bool:
    """Begin a transaction as soon as no other process has the lock.

    False where that is for the driver to report.

    SQLite's own waiting sleeps up to 100 ms at a time, while the process that has the lock comes back for
    it within one: with two busy workers one of them starved for a third of a second.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            raw.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                return False
            time.sleep(random.uniform(*_LOCK_POLL_SECONDS))  # noqa: S311 - so that two don't keep in step
        else:
            return True


def now_at(connection: Connection) -> int:
    """Microseconds since 1970 UTC on the database's clock. A SQLite file's clock is this machine's."""
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(connection.exec_driver_sql(_MICROSECONDS).scalar_one())


def is_transient(error: BaseException) -> bool:
    """Whether trying again on the same connection is all that is needed: locked, deadlocked, timed out."""
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _SQLITE_TRANSIENT
    return getattr(original, "sqlstate", None) in _POSTGRESQL_TRANSIENT


def fault_of(error: BaseException, database: Database) -> LedgerFault:
    """`error` in the words of the log: what failed, where, in one line."""
    if isinstance(error, LedgerFault):
        return error
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(cause).split())[:400] or type(cause).__name__
    remedy = _SQLITE_REMEDIES.get((getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF)
    return LedgerFault(f"ledger {database.name}: {text}{f' ({remedy})' if remedy else ''}")


@contextmanager
def faults_as_ledger_faults(database: Database) -> Iterator[None]:
    """Whatever the database or the disk raise inside comes out as `LedgerFault`."""
    try:
        yield
    except BrokenPipeError:  # not the database's: whoever reads what a command prints has seen enough
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise fault_of(error, database) from error
