"""The schema: made, compared, refused, on both databases."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from gateway.errors import LedgerFault
from gateway.store import (
    Database,
    KeyMatch,
    LedgerReader,
    LedgerStore,
    check_key_id,
    prepare,
    privacy,
    state_of,
)
from gateway.store import migrate as module
from gateway.store.credit import Operator
from gateway.store.journal import heads
from gateway.store.proof import check_books
from gateway.store.schema import REVISION, metadata
from gateway.store.views import RegistrationFilter, all_registrations, referrals_by
from tests.store.crediting import KEYS, Ledger
from tests.store.values import intent

ROOT = Path(__file__).resolve().parents[2]
WHO = Operator(name="test")
EVERY = RegistrationFilter()


def reading(url: str, look: Callable[[Connection], object]) -> object:
    """What `look` sees in the ledger."""
    with Database(url).reader().connect() as connection:
        return look(connection)


def execute(url: str, statement: str) -> None:
    """Run SQL as somebody else would."""
    with Database(url).writer(5).connect() as connection, connection.begin():
        connection.execute(text(statement))


def test_revision_is_alembics_head() -> None:
    """What the package calls the newest schema is the end of its migrations, and there is one end only."""
    assert ScriptDirectory.from_config(module._config()).get_heads() == [REVISION]


def test_migrations_make_the_tables_of_the_code(empty_url: str) -> None:
    """The revisions, written by hand, come to just the tables, columns.

    Indexes and keys that the code uses.
    """
    prepare(empty_url)
    found = reading(
        empty_url,
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), metadata
        ),
    )
    assert found == []


def test_prepare_from_nothing_and_again(empty_url: str) -> None:
    """The first time everything is made, the second nothing is done.

    The key is written once and then compared.
    """
    assert state_of(empty_url) is None
    assert check_key_id(empty_url, "k1") is KeyMatch.UNSET
    first = prepare(empty_url, key_id="k1")
    assert (first.before, first.after, first.key) == (None, REVISION, KeyMatch.SAME)
    second = prepare(empty_url, key_id="k2")
    assert (second.before, second.after, second.key) == (REVISION, REVISION, KeyMatch.OTHER)
    assert state_of(empty_url) == REVISION
    assert check_key_id(empty_url, "k1") is KeyMatch.SAME
    assert check_key_id(empty_url, "k2") is KeyMatch.OTHER


def test_key_is_written_when_it_is_known(url: str) -> None:
    """A ledger made by `db upgrade`, without a key, takes that of the first serve."""
    assert check_key_id(url, "k1") is KeyMatch.UNSET
    assert prepare(url).key is KeyMatch.UNSET
    assert prepare(url, key_id="k1").key is KeyMatch.SAME
    assert check_key_id(url, "k2") is KeyMatch.OTHER


def test_ready_ledger_waits_for_nobody(url: str) -> None:
    """A start doesn't hang behind somebody who writes, when there is nothing to write."""
    prepare(url, key_id="k1")
    with Database(url).writer(1).connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO meta (name, value) VALUES ('busy', '')"))
        assert prepare(url, key_id="k1", wait_seconds=0.1).key is KeyMatch.SAME


async def test_newer_schema_is_a_fault(url: str) -> None:
    """A schema from the future: every way in refuses, says what to do, and changes nothing."""
    execute(url, "UPDATE alembic_version SET version_num = '0099'")
    for call in (lambda: prepare(url), lambda: LedgerReader(url), lambda: check_key_id(url, "k1")):
        with pytest.raises(LedgerFault, match=r"0099.*upgrade the package"):
            call()
    async with LedgerStore(url, node="node1", wait_seconds=0.3) as ledger:
        with pytest.raises(LedgerFault, match=r"0099.*upgrade the package"):
            await ledger.intend([intent()])
    assert reading(url, lambda one: one.execute(text("SELECT count(*) FROM sends")).scalar_one()) == 0
    assert state_of(url) == "0099"


async def test_older_schema_is_upgraded_only_where_asked(empty_url: str) -> None:
    """An empty database is older than any: a plain store says what to run, one that may create it does."""
    Database(empty_url).create_file()
    async with LedgerStore(empty_url, node="node1", wait_seconds=0.5) as ledger:
        with pytest.raises(LedgerFault, match="db upgrade"):
            await ledger.intend([intent()])
    async with LedgerStore(empty_url, node="node1", create=True, key_id="k1") as ledger:
        await ledger.intend([intent()])
    assert check_key_id(empty_url, "k1") is KeyMatch.SAME


def test_failed_upgrade_leaves_the_old_state(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault half way through leaves not one table; the next attempt is a first one."""

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_match_key", fail)
        with pytest.raises(LedgerFault, match="the power went"):
            prepare(empty_url)
    assert reading(empty_url, lambda connection: inspect(connection).get_table_names()) == []
    assert prepare(empty_url).before is None


def older(url: str, revision: str) -> None:
    """Make the ledger as a release with that schema made it."""
    database = Database(url)
    database.create_file()
    config = module._config()
    with database.writer(5).connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


_FIRST_DATA = (
    "INSERT INTO people (hash, ref, address) VALUES ({h1}, {r1}, 'a@example.com'), ({h2}, {r2}, NULL)",
    (
        "INSERT INTO sends (token, mail_key, person_ref, campaign, rule, footer, ruleset, sender, message_id,"
        " route, forced, attempts, put_off, state, reply, host, intended_at, attempted_at)"
        " VALUES ({r1}, {h1}, {r1}, 'spring', 'r', 'f', 's', 'x', 'm', 'default', {no}, 1, 0, 'accepted', '',"
        " '', 1, 1)"
    ),
    "INSERT INTO events (at, kind, node, operator, detail) VALUES (1, 'brake', 'n', '', 'why')",
)


def fill_first(url: str) -> None:
    """Data as revision 0001 holds it."""
    sqlite = Database(url).sqlite
    values = {
        name: (f"x'{octet * size}'" if sqlite else f"'\\x{octet * size}'")
        for name, octet, size in (("h1", "01", 32), ("h2", "02", 32), ("r1", "0a", 16), ("r2", "0b", 16))
    }
    for statement in _FIRST_DATA:
        execute(url, statement.format(no="0" if sqlite else "false", **values))


async def test_upgrade_from_each_release_keeps_the_data(empty_url: str) -> None:
    """What was in the ledger of 0001 is there after the upgrade, with the defaults of what is new."""
    older(empty_url, "0001")
    fill_first(empty_url)
    done = prepare(empty_url)
    assert (done.before, done.after) == ("0001", REVISION)
    with LedgerReader(empty_url) as reader:
        (send,) = reader.all_sends()
        assert (send.address, send.campaign) == ("a@example.com", "spring")
        assert reader.brake() is not None
    found = reading(
        empty_url,
        lambda one: list(one.execute(text("SELECT company, partner, footer_hash, origin FROM sends"))),
    )
    assert found == [("default", "default", None, "mail")]
    async with LedgerStore(empty_url, node="node1") as ledger:
        (issued,) = await ledger.intend([intent()])
    assert issued.attempts == 0


def fill_books(url: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Credit as releases since 0002 hold it: what counts, what doesn't, a used slot, an erased person.

    Its tables have not changed since, only indexes and triggers, so that this version writes what those did.
    """
    monkeypatch.setattr("gateway.store.credit.ground.require_current", lambda *_: None)
    ledger = Ledger(url)
    for name in ("one", "two", "three"):
        ledger.send(name, f"{name}@example.com")
    ledger.later(1)
    ledger.report("A-1", token="one", person_id="P-1")
    ledger.report("A-2", email="two@example.com")
    ledger.report("A-3", token="three", person_id="P-1")
    ledger.store.redeem("default", WHO, requisition="R-1")
    ledger.store.dispute("A-3", WHO, by="company", reason="x")
    ledger.store.writing(
        lambda connection, journal: privacy.erase(
            connection,
            journal,
            KEYS,
            privacy.hashes_of(KEYS, "two@example.com"),
            forget=False,
        ),
        WHO,
    )
    monkeypatch.undo()
    return ledger


def books(ledger: Ledger) -> tuple[object, ...]:
    """All that is counted, and what stands in the chains."""
    with ledger.store.reading() as connection:
        assert list(check_books(connection)) == []
        found = [(one["id"], one["state"], one["flags"]) for one in all_registrations(connection, EVERY)]
        return found, heads(connection), referrals_by(connection, "default"), ledger.store.balance("default")


@pytest.mark.parametrize("revision", ["0002", "0003", "0004"])
def test_upgrade_keeps_the_books(empty_url: str, revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains, balances, states and tombstones are as they were, and counting goes on from there."""
    older(empty_url, revision)
    ledger = fill_books(empty_url, monkeypatch)
    with pytest.raises(LedgerFault, match="db upgrade"):
        ledger.store.balance("default")
    with monkeypatch.context() as patch:
        patch.setattr("gateway.store.credit.ground.require_current", lambda *_: None)
        before = books(ledger)
    with monkeypatch.context() as patch:
        patch.setattr(
            module, "_match_key", lambda *_a, **_k: (_ for _ in ()).throw(OSError("the power went"))
        )
        with pytest.raises(LedgerFault, match="the power went"):
            prepare(empty_url)
    assert state_of(empty_url) == revision, "a failed upgrade leaves the old state"
    assert prepare(empty_url).before == revision
    assert books(ledger) == before
    for table in ("postings", "entries", "audit", "registration_events"):
        with pytest.raises(DBAPIError, match="only appended"):
            execute(empty_url, f"DELETE FROM {table}")  # noqa: S608 - the names above
        if Database(empty_url).sqlite:
            with pytest.raises(DBAPIError, match="only appended"):
                execute(empty_url, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608 - as above
    ledger.send("again", "two@example.com")
    assert ledger.report("A-4", token="again", email="two@example.com").reason == "erased-person"
    assert ledger.report("A-5", token="three", email="new@example.com").counts
    assert ledger.totals() == (3, 1, 0)
    ledger.store.close()


def test_failed_upgrade_of_data_leaves_the_old_state(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault at the end of the way leaves the older schema with its data, as it was."""
    older(empty_url, "0001")
    fill_first(empty_url)
    with monkeypatch.context() as patch:
        patch.setattr(
            module, "_match_key", lambda *_a, **_k: (_ for _ in ()).throw(OSError("the power went"))
        )
        with pytest.raises(LedgerFault, match="the power went"):
            prepare(empty_url)
    assert state_of(empty_url) == "0001"
    columns = reading(empty_url, lambda one: [c["name"] for c in inspect(one).get_columns("people")])
    assert columns == ["hash", "ref", "address"]
    assert reading(empty_url, lambda one: one.execute(text("SELECT count(*) FROM people")).scalar_one()) == 2
    assert prepare(empty_url).before == "0001"


def test_many_processes_prepare_at_once(empty_url: str) -> None:
    """Several nodes start for the first time at the same moment: one makes the schema, all find it."""
    program = f"from gateway.store import prepare; print(prepare({empty_url!r}, key_id='k1').key.value)"
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == [b"same\n"] * 4


def test_several_revisions_at_once(url: str) -> None:
    """Somebody merged two ledgers by hand: refused."""
    execute(url, "INSERT INTO alembic_version (version_num) VALUES ('0001')")
    with pytest.raises(LedgerFault, match="several revisions"):
        prepare(url)


@pytest.mark.parametrize(
    "bad", ["mysql://host/name", "sqlite:///", "postgresql://host:port/name", "", "sqlite://x"]
)
def test_urls_that_are_no_ledger(bad: str) -> None:
    """Refused as a fault of the ledger, without a traceback of a library."""
    with pytest.raises(LedgerFault):
        prepare(bad)


def test_file_that_is_no_ledger(tmp_path: Path) -> None:
    """Somebody else's SQLite file with a table of ours in it is not upgraded over.

    A file that is none is refused.
    """
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE sends (x)")
    connection.close()
    with pytest.raises(LedgerFault, match="already exists"):
        prepare(f"sqlite:///{other}")
    text_file = tmp_path / "text"
    text_file.write_text("no database " * 500)
    with pytest.raises(LedgerFault, match="not a database"):
        prepare(f"sqlite:///{text_file}")
    with pytest.raises(LedgerFault):
        prepare(f"sqlite:///{tmp_path}")


def test_file_is_wal_and_private(tmp_path: Path) -> None:
    """Made with its folders, readable by its owner alone, with a write-ahead log; odd names are names."""
    for name in ("plain.db", "with space.db", "a%20b.db", "雪.db"):
        path = tmp_path / "made" / name
        prepare(f"sqlite:///{path}")
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


async def test_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    """Promise 5.

    The writer's own connection has synchronous=FULL, and its transactions take the lock at their begin.
    """
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepare(url)
    async with LedgerStore(url, node="node1") as ledger:
        await ledger.intend([intent()])
        connection = ledger._writer._session._connection
        assert connection is not None
        raw = connection.connection.driver_connection
        assert raw is not None
        assert raw.execute("PRAGMA synchronous").fetchone() == (2,)
        seen: list[str] = []
        raw.set_trace_callback(seen.append)
        await ledger.intend([intent(mail="other")])
        await asyncio.sleep(0)
        raw.set_trace_callback(None)
    assert "BEGIN IMMEDIATE" in seen
    assert "BEGIN" not in seen


def test_reader_cannot_write(url: str) -> None:
    """A command can't harm the ledger, whatever it does."""
    with Database(url).reader().connect() as connection, pytest.raises(Exception, match=r"(?i)read-?only"):
        connection.execute(text("DELETE FROM sends"))
