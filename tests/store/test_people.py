"""By what a person is known again, on SQLite and PostgreSQL alike."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.store import Database, LedgerReader, LedgerStore
from tests.store.values import intent, key


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    """What the ledger has."""
    with Database(url).reader().connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


async def test_send_notes_the_partner_hashes(url: str) -> None:
    """A send's recipient is known by the hash under each live matching key, all with one reference."""
    matching = (("k1", key("m1")), ("k2", key("m2")))
    async with LedgerStore(url, node="node1") as ledger:
        await ledger.intend(
            [intent(matching=matching, company="acme", partner="agency", footer_hash=key("f"))]
        )
        await ledger.intend([intent(mail="second", matching=matching)])
    found = rows(url, "SELECT kind, scope, ref FROM people ORDER BY scope")
    assert [row[:2] for row in found] == [("", ""), ("match", "k1"), ("match", "k2")]
    assert len({bytes(row[2]) for row in found}) == 1  # type: ignore[call-overload]  # octets of a column
    sends = rows(url, "SELECT company, partner, footer_hash, origin FROM sends ORDER BY id")
    assert [(*row[:2], row[3]) for row in sends] == [
        ("acme", "agency", "mail"),
        ("default", "default", "mail"),
    ]
    assert sends[0][2] == key("f")


async def test_hash_that_came_first_is_the_same_person(url: str) -> None:
    """A registration by hash alone, before any send: the send's reference takes its place."""
    with Database(url).writer(5).connect() as connection, connection.begin():
        connection.execute(
            text("INSERT INTO people (hash, ref, kind, scope) VALUES (:hash, :ref, 'match', 'k1')"),
            {"hash": key("m1"), "ref": b"r" * 16},
        )
    async with LedgerStore(url, node="node1") as ledger:
        await ledger.intend([intent(matching=(("k1", key("m1")),))])
    found = rows(url, "SELECT ref FROM people")
    assert len(found) == 2
    assert found[0] == found[1] != (b"r" * 16,)


async def test_append_only_tables_refuse(url: str) -> None:
    """Promise 6: what counts is only appended to, whoever asks (short of the database's own admin)."""
    filled = {
        "settings": "INSERT INTO settings VALUES ('d', '{}', 1)",
        "registration_events": "INSERT INTO registration_events (registration_id, at, kind, state, reason,"
        " operator, detail) VALUES (1, 1, 'received', 'counted', '', '', '')",
        "entries": "INSERT INTO entries VALUES (1, 0, 'c', 'unspent', 'REF', 1)",
    }
    database = Database(url)
    for table, statement in filled.items():
        with database.writer(5).connect() as connection, connection.begin():
            connection.execute(text(statement))
        column = "line" if table == "entries" else "at"
        for change in ("DELETE FROM {0}", "UPDATE {0} SET {1} = 2"):
            with (
                database.writer(5).connect() as connection,
                pytest.raises(DBAPIError, match="only appended to"),
                connection.begin(),
            ):
                connection.execute(text(change.format(table, column)))


async def test_since_when_a_matching_key_is_used(url: str) -> None:
    """Noted when sends begin to carry hashes under it, and never moved by a later start."""
    async with LedgerStore(url, node="node1") as ledger:
        ledger.keep_terms([], {"agency": [("k1", key("m1"))]})
        await ledger.intend([intent()])
    with LedgerReader(url) as reader:
        first = reader.matching_keys()["agency"]["k1"]
    async with LedgerStore(url, node="node1") as ledger:
        ledger.keep_terms([], {"agency": [("k1", key("m1")), ("k2", key("m2"))]})
        await ledger.intend([intent(mail="second")])
    with LedgerReader(url) as reader:
        found = reader.matching_keys()
    assert list(found["agency"]) == ["k1", "k2"]
    assert found["agency"]["k1"] == first < found["agency"]["k2"]
