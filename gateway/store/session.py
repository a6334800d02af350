"""The writer's connection to the ledger.

Opened, checked, used for one batch after another, thrown away after a fault.

Used by one thread. What it reports as done is on the disk of the file that has the ledger's name now.
"""

import logging
import secrets
from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.ledger.claims import ProcessMark
from gateway.store.batch import Desk, enrol, leave, note_claims, perform, perform_sends
from gateway.store.database import Database, bare_transaction, now_at
from gateway.store.migrate import prepare, require_current
from gateway.store.statements import ToSqlite
from gateway.store.watch import Files
from gateway.store.work import SENDING, Work, is_reading

_log = logging.getLogger("careerrelay.ledger")

_READ_ONLY = {"careerrelay_begin": "BEGIN"}
_WRITING = {"careerrelay_begin": "BEGIN IMMEDIATE"}


class Session:
    """One process's way to write. Not connected until `open`."""

    def __init__(
        self,
        database: Database,
        mark: ProcessMark,
        *,
        wait_seconds: float,
        lease_seconds: float,
        record_days: float,
        create: bool,
        key_id: str | None,
    ) -> None:
        self._database = database
        self._lock_seconds = wait_seconds
        self._create = create
        self._key_id = key_id
        self._desk = Desk(
            process=secrets.token_bytes(12),
            mark=mark,
            lease=int(lease_seconds * 1_000_000),
            memory=int(record_days * 86_400 * 1_000_000),
        )
        self._connection: Connection | None = None
        self._files: Files | None = None
        self._reading = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection that nothing is known against."""
        return self._connection is not None

    def open(self) -> None:
        """Connect, check the schema, enrol this process, free the claims of dead ones.

        Raises:
            LedgerFault, SQLAlchemyError, OSError: it can't be; the session stays closed.
        """
        if self._create:
            # Until it worked once. A ledger that vanishes later is not to be replaced by an empty one unseen.
            prepare(self._database.url, key_id=self._key_id, wait_seconds=self._lock_seconds)
        before = Files.of(self._database.file) if self._database.file else None
        if before is not None and self._files is not None:
            self._files.check_successor(before)
        connection = self._database.writer(self._lock_seconds).connect()
        self._reading = False
        try:
            with connection.begin():
                require_current(connection, self._database.name)
                enrol(connection, self._desk, now_at(connection))
            if before is not None and self._database.file is not None:
                files = Files.of(self._database.file)
                files.check()
                if files.database == before.database:
                    self._files = files
        except BaseException:
            _discard(connection)
            raise
        self._connection = connection
        self._create = False

    def perform(self, works: Sequence[Work]) -> list[object]:
        """Do `works` in one transaction; when it returns, it is committed and durable.

        Raises:
            LedgerFault, SQLAlchemyError, OSError: it is not known to be. Whether the connection can be
            used again is the caller's to judge.
        """
        connection = self._connection
        if connection is None:
            raise RuntimeError("the session is not open")
        short = self._database.sqlite and SENDING.issuperset(map(type, works))
        if short:
            with bare_transaction(connection, self._lock_seconds) as raw:
                results = perform_sends(ToSqlite(raw), works, now_at(connection))
        else:
            results = self._perform(connection, works)
        if self._files is not None:
            self._files.check()
        if not short:
            note_claims(works, results, self._desk)
        return results

    def _perform(self, connection: Connection, works: Sequence[Work]) -> list[object]:
        reading = all(map(is_reading, works))
        if reading is not self._reading and self._database.sqlite:
            # A look-up alone takes no lock, and makes nobody wait.
            connection.execution_options(**(_READ_ONLY if reading else _WRITING))
            self._reading = reading
        with connection.begin():
            return perform(connection, works, self._desk, now_at(connection))

    def drop(self) -> None:
        """Forget the connection after a fault. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _discard(connection)

    def leave(self) -> None:
        """Take this process out of the ledger and disconnect. Never raises: a dead process is noticed too."""
        connection = self._connection
        if connection is not None:
            try:
                connection.execution_options(**_WRITING)
                with connection.begin():
                    leave(connection, self._desk)
            except Exception as error:  # noqa: BLE001 - whatever it is, the process is about to end
                _log.info("ledger: not left in order: %s", error)
        self.drop()


def _discard(connection: Connection) -> None:
    try:
        connection.invalidate()
        connection.close()
    except Exception as error:  # noqa: BLE001 - a connection at fault may fail in closing, and is gone either way
        _log.debug("ledger: connection not closed in order: %s", error)
