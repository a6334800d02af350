"""Real databases for the tests of the ledger: a SQLite file, and a PostgreSQL server of our own.

The server is one for all tests, in a folder of its own, on a free port of loopback and a socket in that
folder; each test gets a database of its own. It is ended by its process id. fsync is off: what is tested
is our side of a commit.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from gateway.store import prepare
from tests.programs import find

_START_SECONDS = 30.0
_TEMPLATE = "careerrelay_template"


@dataclass
class PostgresServer:
    """A running server. `stop` and `start` keep data and port."""

    program: Path
    folder: Path
    port: int
    user: str | None
    _numbers: Iterator[int] = field(default_factory=count)
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Where that database is."""
        return f"postgresql://careerrelay@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self.program),
                    *("-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                cwd="/",
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, sessions and all, as a machine that fails over would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(20)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run SQL as the owner of everything."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, template: str = "template0") -> str:
        """A fresh database; gives its URL."""
        name = f"t{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[PostgresServer]:
    """The server. Used through `postgres`, which sees to it that it runs."""
    initdb, program = find("initdb"), find("postgres")
    assert initdb is not None
    assert program is not None
    # PostgreSQL refuses to run as root, and pytest's own folders are closed to everybody else.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="ledger-tests-postgres-"))
    try:
        if user is not None:
            owner = pwd.getpwnam(user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [
                str(initdb),
                *("-D", str(folder / "data"), "-U", "careerrelay", "-A", "trust", "-E", "UTF8"),
                *("--locale=C", "--no-sync"),
            ],
            check=True,
            user=user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        server = PostgresServer(program, folder, _free_port(), user)
        server.start()
        try:
            server.run(f"CREATE DATABASE {_TEMPLATE}")
            prepare(server.url(_TEMPLATE))
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_session: PostgresServer) -> PostgresServer:
    """The server, running whatever the test before has done to it."""
    if postgres_session._process is None:
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
