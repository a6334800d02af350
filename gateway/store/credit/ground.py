"""Transactions of credit: one lock for all who write it, on all nodes.

SQLite's own, and on PostgreSQL an advisory one. So postings have one order, their moments only grow, and two
nodes never match the same person at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from gateway.ledger.contract import Programme
from gateway.ledger.identity import PersonKeys
from gateway.store import consent
from gateway.store.closing import Closing
from gateway.store.database import Database, faults_as_ledger_faults, is_transient, now_at
from gateway.store.journal import Journal, last_moment
from gateway.store.migrate import require_current
from gateway.store.registrations import Desk

# Any number, the same in all versions: whoever writes credit on PostgreSQL holds this advisory lock.
_CREDIT_LOCK = 0x43524544
_ATTEMPTS = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who does it by hand, and who else says yes: to the request of that number (`gateway.store.consent`)."""

    name: str = ""
    second: str = ""
    request: int = 0


class Ground(Closing):
    """A ledger's credit, opened when it is asked for; what the sides of the store stand on."""

    def __init__(
        self,
        url: str,
        *,
        programme: Programme,
        keys: PersonKeys,
        is_own: Callable[[str], bool] = lambda _: False,
        keep_plain: bool = False,
        wait_seconds: float = 30.0,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Say where the ledger is. Nothing is opened yet.

        Args:
            url: as in the config.
            programme: companies, campaigns, contracts.
            keys: for what is kept about people.
            is_own: whether an address is one of the companies' own.
            keep_plain: keep addresses in plain text too.
            wait_seconds: how long to wait for others who write.
            clock: microseconds, in place of the database's clock (tests).

        Raises:
            LedgerFault: the URL is none.
        """
        self.programme = programme
        self.keys = keys
        self._desk = Desk(keys=keys, is_own=is_own, keep_plain=keep_plain)
        self._database = Database(url)
        self._wait = wait_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._reader: Engine | None = None

    def close(self) -> None:
        """Disconnect. The store can be used again."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that can't write, in a transaction of its own."""
        if self._reader is None:
            self._reader = self._database.reader()
        with faults_as_ledger_faults(self._database), self._reader.connect() as connection:
            require_current(connection, self._database.name)
            yield connection

    def writing(self, work: Callable[[Connection, Journal], _T], operator: Operator | None = None) -> _T:
        """Do `work` in one transaction that holds the lock of credit; what it gives is committed.

        `work` may be called several times, for a transaction that the database gave up.
        """
        who = operator or Operator()
        with self._lock, faults_as_ledger_faults(self._database):
            for attempt in range(_ATTEMPTS):
                try:
                    return self._attempt(work, who)
                except DBAPIError as error:
                    self._drop()
                    # A commit whose answer was lost may have been done: that is for the caller to look into.
                    if attempt == _ATTEMPTS - 1 or not is_transient(error):
                        raise
                    time.sleep(0.05 * (attempt + 1))
                except BaseException:
                    self._drop()
                    raise
        raise AssertionError("unreachable")

    def _attempt(self, work: Callable[[Connection, Journal], _T], who: Operator) -> _T:
        connection = self._writer
        if connection is None:
            connection = self._writer = self._database.writer(self._wait).connect()
        with connection.begin():
            if not self._database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREDIT_LOCK})
            require_current(connection, self._database.name)
            journal = Journal(
                connection,
                self.programme,
                max(self._now(connection), last_moment(connection) + 1),
                who.name,
                who.second,
            )
            result = work(connection, journal)
            if who.request:
                consent.confirm(connection, journal, who.request)
            journal.flush()
        return result

    def _now(self, connection: Connection) -> int:
        return self._clock() if self._clock is not None else now_at(connection)
