"""Statements written as text, with the parameter marks of the connection's driver."""

from sqlalchemy import Connection


def mark_of(connection: Connection) -> str:
    """The driver's mark of a parameter."""
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def marked(sql: str, connection: Connection) -> str:
    """`sql`, written with ``?``, with the parameter marks of the connection's driver."""
    return sql if connection.dialect.paramstyle == "qmark" else sql.replace("?", "%s")


def rows_of_marks(connection: Connection, rows: int, columns: int) -> str:
    """What stands behind VALUES for so many rows."""
    row = f"({', '.join([mark_of(connection)] * columns)})"
    return ", ".join([row] * rows)


def list_of_marks(connection: Connection, count: int) -> str:
    """What stands behind IN for so many values."""
    return f"({', '.join([mark_of(connection)] * count)})"
