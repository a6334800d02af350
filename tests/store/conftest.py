"""Real databases for the tests of the ledger: a SQLite file, and a PostgreSQL server of our own.

The server is one for all tests; each test gets a database of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store import prepare
from tests.peers.postgres import PostgresServer, running_postgres

_TEMPLATE = "careerrelay_template"


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[PostgresServer]:
    """The server. Used through `postgres`, which sees to it that it runs."""
    # What is tested is our side of a commit.
    with running_postgres("fsync=off") as server:
        server.run(f"CREATE DATABASE {_TEMPLATE}")
        prepare(server.url(_TEMPLATE))
        yield server


@pytest.fixture
def postgres(postgres_session: PostgresServer) -> PostgresServer:
    """The server, running whatever the test before has done to it."""
    if postgres_session.process is None:
        postgres_session.start()
    return postgres_session


_BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]


@pytest.fixture(params=_BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger that nobody has made yet, on each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/by/us/ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture(params=_BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a ledger with the newest schema and nothing in it, on each database in turn."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path}/ledger.db"
        prepare(found)
        return found
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(_TEMPLATE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite ledger in a folder of its own."""
    path = tmp_path / "ledger" / "ledger.db"
    prepare(f"sqlite:///{path}")
    return path
