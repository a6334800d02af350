"""What all tables of the ledger share: their metadata, the naming of keys and indexes, row numbers."""

from collections.abc import Callable

from sqlalchemy import BigInteger, Connection, Integer, MetaData
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

#: Rows are numbered: 64 bits on PostgreSQL, and on SQLite the row id itself.
Number: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def insert_for(connection: Connection) -> Callable[..., sqlite.Insert | postgresql.Insert]:
    """The INSERT with ON CONFLICT of the connection's database."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
