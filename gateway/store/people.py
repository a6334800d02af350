"""Rows of `people`: by what a person is known again, apart from the hash of the address that a send writes.

Every function works inside the transaction of its caller.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from gateway.store.marks import marked, rows_of_marks

#: Rows of one statement.
_ROWS = 256

_ADOPT = (
    "UPDATE registrations SET address_ref = ? WHERE address_ref = ?",
    "UPDATE people SET ref = ? WHERE ref = ?",
)


def write_matching(connection: Connection, matching: Mapping[tuple[str, bytes], bytes]) -> None:
    """Note the hashes of addresses under partners' matching keys.

    A hash that came before its address, with a registration by hash alone, has a reference of its own; from
    now on both are one.

    Args:
        connection: in a transaction.
        matching: by (key's id, hash): the reference of the address.
    """
    # In one order, so that two writers who meet wait for each other in one direction only.
    rows = sorted(matching, key=lambda pair: pair[1])
    wanted = {value: ref for (_, value), ref in matching.items()}
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        values = [item for key_id, value in part for item in (value, wanted[value], "match", key_id)]
        statement = (
            f"INSERT INTO people (hash, ref, kind, scope) VALUES {rows_of_marks(connection, len(part), 4)}"  # noqa: S608 - marks of parameters
            " ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING hash, ref"
        )
        for found, ref in connection.exec_driver_sql(statement, tuple(values)).all():
            if bytes(ref) != wanted[bytes(found)]:
                for adopt in _ADOPT:
                    connection.exec_driver_sql(marked(adopt, connection), (wanted[bytes(found)], bytes(ref)))
