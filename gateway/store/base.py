"""What all tables of the ledger share: their metadata, the naming of keys and indexes, row numbers."""

from sqlalchemy import BigInteger, Integer, MetaData
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
