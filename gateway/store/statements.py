"""Prepared text in the transaction that is open, whatever driver lies below.

Written with ``?`` for a parameter. The rows of every rejection mail go through here, a hundred a commit: on
SQLite straight to the driver, since there each layer above it costs more than the row.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection


class Rows(Protocol):
    """What a statement gave back."""

    @property
    def rowcount(self) -> int:
        """How many rows were written."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that were read."""


class Statements(Protocol):
    """Runs statements, one by one. Raises what the driver raises, in SQLAlchemy's words or its own."""

    @property
    def sqlite(self) -> bool:
        """Whether it is SQLite, rather than PostgreSQL."""

    def run(self, sql: str, values: Sequence[object]) -> Rows:
        """One statement."""

    def run_each(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """The same statement for each of `rows`; gives how many rows were written in all."""


class ThroughSqlalchemy:
    """Implements `Statements` for either database."""

    __slots__ = ("_connection", "sqlite")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sqlite = connection.dialect.name == "sqlite"

    def _marked(self, sql: str) -> str:
        return sql if self.sqlite else sql.replace("?", "%s")

    def run(self, sql: str, values: Sequence[object]) -> Rows:
        """See `Statements`."""
        return self._connection.exec_driver_sql(self._marked(sql), tuple(values))

    def run_each(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See `Statements`."""
        return self._connection.exec_driver_sql(self._marked(sql), [tuple(row) for row in rows]).rowcount


class ToSqlite:
    """Implements `Statements` on the driver itself."""

    __slots__ = ("_connection", "sqlite")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.sqlite = True

    def run(self, sql: str, values: Sequence[object]) -> Rows:
        """See `Statements`."""
        return self._connection.execute(sql, values)

    def run_each(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """See `Statements`."""
        return self._connection.executemany(sql, rows).rowcount


def listed(values: Sequence[bytes]) -> tuple[str, tuple[bytes, ...]]:
    """What stands behind IN for these values (at least one), and the parameters.

    The last one is repeated up to a power of two: statements of a few sizes stay prepared.
    """
    count = 1 << (len(values) - 1).bit_length()
    return f"({', '.join('?' * count)})", (*values, *[values[-1]] * (count - len(values)))
