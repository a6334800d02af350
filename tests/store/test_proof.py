"""What `careerrelay db check` finds in books that somebody changed who may switch triggers off."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from gateway.store import Database, proof
from gateway.store.credit import Operator
from gateway.store.credit_schema import postings
from gateway.store.proof import check_audit, check_books
from tests.store.crediting import Ledger

WHO = Operator(name="a", second="b")

Found = Callable[..., list[str]]


@pytest.fixture
def found(url: str) -> Found:
    """A ledger with four referrals, two slots, one of them used: what is found once these statements ran."""
    ledger = Ledger(url)
    for name in "abcd":
        ledger.send(name, f"{name}@example.com")
    ledger.later(1)
    for name in "abcd":
        ledger.report(f"R-{name}", token=name)
    ledger.store.redeem("default", WHO, requisition="Q")
    ledger.store.adjust("default", WHO, referrals=1, reason="by hand")
    ledger.store.close()

    def change(*statements: str) -> list[str]:
        database = Database(url)
        with database.writer(20).connect() as connection:
            with connection.begin():
                for table in ("postings", "entries", "audit"):
                    _unguard(connection, table)
                for statement in statements:
                    connection.execute(text(statement))
            with connection.begin():
                return [*check_books(connection), *check_audit(connection)]

    def _unguard(connection: object, table: str) -> None:
        run = connection.exec_driver_sql  # type: ignore[attr-defined]  # a connection of either kind
        if database_is_sqlite:
            guards = run("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,))
            for (name,) in guards.all():
                run(f'DROP TRIGGER "{name}"')
        else:
            run(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    database_is_sqlite = Database(url).sqlite
    return change


def test_books_as_they_were_recorded(found: Found) -> None:
    """Nothing is wrong with them."""
    assert found() == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE postings SET reason = 'other' WHERE id = 2", "posting 2 is not what was recorded"),
        ("UPDATE postings SET kind = 'gift' WHERE id = 2", "posting 2 has words that no posting has"),
        ("UPDATE postings SET previous = hash WHERE id = 3", "posting 3 does not follow the one before it"),
        ("DELETE FROM postings WHERE id = 2", "posting 3 does not follow the one before it"),
        ("DELETE FROM postings WHERE id = 2", "entries without a posting: 2"),
        (
            "UPDATE entries SET amount = 5 WHERE posting_id = 2 AND amount = 1",
            "posting 2 does not balance in REF",
        ),
        (
            "UPDATE entries SET company = 'other' WHERE posting_id = 2",
            "posting 2 has entries of another company",
        ),
        (
            "UPDATE entries SET account = 'pocket' WHERE posting_id = 2",
            "posting 2 has words that no posting has",
        ),
        (
            "INSERT INTO entries VALUES (-7, 0, 'default', 'unspent', 'REF', 9)",
            "entries without a posting: -7",
        ),
        (
            "INSERT INTO entries VALUES (999, 0, 'default', 'unspent', 'REF', 9)",
            "entries without a posting: 999",
        ),
        (
            "UPDATE slots SET state = 'available' WHERE state = 'used'",
            "slot 1 says available, the books say used",
        ),
        (
            "UPDATE registrations SET counts = false WHERE external_id = 'R-a'",
            "registration #1 doesn't count, the books have it 1 times",
        ),
        (
            "DELETE FROM registrations WHERE external_id = 'R-a'",
            "registration #1 is in the books, and nowhere else",
        ),
        ("UPDATE audit SET second = 'c' WHERE id = 1", "audit line 1 is not what was recorded"),
        ("DELETE FROM audit WHERE id = 1", "audit line 2 does not follow the one before it"),
    ],
)
def test_what_was_changed_is_found(found: Found, statement: str, fault: str) -> None:
    """Each change, on either database."""
    assert fault in found(statement)


def test_what_is_cut_off_is_for_the_head_to_tell(url: str, found: Found) -> None:
    """A chain that ends earlier is a chain still: only its head, told elsewhere, says that more was there."""
    store = Ledger(url).store
    before = store.heads()
    last = before["audit"][0]
    assert found(f"DELETE FROM audit WHERE id = {last}") == []  # noqa: S608 - a number
    assert store.heads()["audit"] != before["audit"]
    assert store.heads()["postings"] == before["postings"]


def test_books_longer_than_a_page(url: str, found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain goes on from page to page, and so does what is wrong with it."""
    monkeypatch.setattr(proof, "_PAGE", 2)
    assert found() == []
    told: list[int] = []
    with Database(url).reader().connect() as connection:
        assert list(check_books(connection, told.append)) == []
        newest = connection.execute(postings.select().order_by(postings.c.id.desc())).first()
    assert newest is not None
    assert told == [*range(2, newest.id, 2), newest.id]
    assert "posting 3 is not what was recorded" in found("UPDATE postings SET at = at - 1 WHERE id = 3")
