"""PostgreSQL at fault.

Stopped, failed over, locked, read-only, sessions killed (SMTP.md rule 22, promise 1).
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pytest

from gateway.errors import LedgerFault
from gateway.smtp.fold import Fate
from gateway.store import LedgerReader, LedgerStore
from gateway.store.schema import REVISION
from gateway.transaction.ports import SendState
from tests.peers.postgres import PostgresServer
from tests.store.values import became, copy, intent, key, outcome

WAIT = 0.6
MARGIN = 1.5

pytestmark = pytest.mark.peer("postgresql")


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The name of a fresh ledger."""
    return postgres.create("careerrelay_template").rpartition("/")[2]


def store(url: str, *, wait: float = WAIT) -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(url, node="node1", wait_seconds=wait)


@contextmanager
def stopped(server: PostgresServer, database: str) -> Iterator[None]:
    """The server is gone, in the middle of whatever it did, and comes back."""
    server.stop()
    yield
    server.start()


@contextmanager
def locked(server: PostgresServer, database: str) -> Iterator[None]:
    """Somebody holds the tables."""
    with psycopg.connect(server.url(database)) as other:
        other.execute("LOCK TABLE sends, mails, meta IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def read_only(server: PostgresServer, database: str) -> Iterator[None]:
    """A standby that was not promoted: everything reads, nothing writes."""
    server.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    killed(server, database)
    yield
    server.run(f"ALTER DATABASE {database} RESET default_transaction_read_only")


@contextmanager
def refused(server: PostgresServer, database: str) -> Iterator[None]:
    """The server lets nobody in."""
    server.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    killed(server, database)
    yield
    server.run(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


@contextmanager
def newer(server: PostgresServer, database: str) -> Iterator[None]:
    """A newer version has changed the schema."""
    server.run("UPDATE alembic_version SET version_num = '9999'", database)
    killed(server, database)
    yield
    server.run(f"UPDATE alembic_version SET version_num = '{REVISION}'", database)  # noqa: S608 - a constant of ours


def killed(server: PostgresServer, database: str) -> None:
    """End every session of that database."""
    of_database = f"pg_stat_activity WHERE datname = '{database}'"
    server.run(f"SELECT pg_terminate_backend(pid, 5000) FROM {of_database}")  # noqa: S608 - our own name


Fault = Callable[[PostgresServer, str], AbstractContextManager[None]]


@pytest.mark.parametrize(
    "fault", [stopped, locked, read_only, refused, newer], ids=lambda fault: fault.__name__
)
async def test_fault_shows_in_time_and_passes(postgres: PostgresServer, database: str, fault: Fault) -> None:
    """Calls fail in their time, later ones at once.

    Afterwards it goes on by itself, and outcomes said meanwhile are written.
    """
    url, mail = postgres.url(database), key("several")
    async with store(url) as ledger:
        await ledger.intend([intent()])
        await ledger.claim(mail, [copy("a", mail="several")])
        with fault(postgres, database):
            started = time.monotonic()
            ledger.note(outcome())
            answers = await asyncio.gather(
                ledger.intend([intent(mail="during")]),
                ledger.settle(mail, [became("a", Fate.TAKEN, mail="several")], close=False),
                return_exceptions=True,
            )
            assert [type(answer) for answer in answers] == [LedgerFault] * 2
            assert time.monotonic() - started < WAIT + MARGIN
            await asyncio.sleep(WAIT)
            started = time.monotonic()
            with pytest.raises(LedgerFault):
                await ledger.intend([intent(mail="later")])
            assert time.monotonic() - started < WAIT / 2
        deadline = time.monotonic() + 10
        while True:
            try:
                await ledger.intend([intent(mail="after")])
            except LedgerFault:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            else:
                break
        (claim,) = await ledger.claim(mail, [copy("a", mail="several")])
        assert claim.standing.value == "settled"
    with LedgerReader(url) as reader:
        states = {send.token: send.state for send in reader.last_sends(9)}
    assert states == {
        intent().token: SendState.ACCEPTED,
        intent("several", "a").token: SendState.ACCEPTED,
        intent(mail="after").token: SendState.INTENDED,
    }


async def test_killed_session_is_not_noticed(postgres: PostgresServer, database: str) -> None:
    """A connection that the server or a pooler closed is replaced within the time of the call."""
    async with store(postgres.url(database)) as ledger:
        for number in range(3):
            await ledger.intend([intent(mail=str(number))])
            killed(postgres, database)
    with LedgerReader(postgres.url(database)) as reader:
        assert len(reader.last_sends(9)) == 3


async def test_commit_waits_for_the_disk_whatever_the_default(
    postgres: PostgresServer, database: str
) -> None:
    """Promise 5: a server or user set to asynchronous commit doesn't make our commits so.

    Stricter settings stay.
    """
    for setting, expected in (("off", "on"), ("remote_apply", "remote_apply"), ("local", "local")):
        postgres.run(f"ALTER DATABASE {database} SET synchronous_commit = {setting}")
        async with store(postgres.url(database), wait=10.0) as ledger:  # nothing is at fault here
            await ledger.intend([intent(mail=setting)])
            connection = ledger._writer._session._connection
            assert connection is not None
            await asyncio.sleep(0.05)
            with postgres_cursor(connection) as value:
                assert value == expected


@contextmanager
def postgres_cursor(connection: object) -> Iterator[str]:
    """The setting as the writer's own connection has it."""
    raw = connection.connection.driver_connection  # type: ignore[attr-defined]  # a SQLAlchemy connection
    yield raw.execute("SHOW synchronous_commit").fetchone()[0]
    raw.rollback()
