"""What all tables of the ledger share: their metadata, the naming of keys and indexes, row numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Connection, Integer, MetaData
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: Rows are numbered: 64 bits on PostgreSQL, and on SQLite the row id itself.
Number: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def insert_for(connection: Connection) -> "Callable[..., sqlite.Insert | postgresql.Insert]":
    """The INSERT with ON CONFLICT of the connection's database.

    Only that database's part of SQLAlchemy is loaded: a command that shows a balance has to be quick.
    """
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert
