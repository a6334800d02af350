"""PostgreSQL as a peer: a server of our own, in a folder of its own, on a free port of loopback.

    with running_postgres() as server:
        url = server.create()

It is ended by its process id. Only processes started here are signalled.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from tests.programs import find

from .folder import free_port

_START_SECONDS = 30.0


@dataclass
class PostgresServer:
    """A running server. `stop` and `start` keep data and port."""

    program: Path
    folder: Path
    port: int
    user: str | None
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """Where that database is."""
        return f"postgresql://careerrelay@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for option in self.options for word in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(self.program),
                    *("-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.user,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, sessions and all, as a machine that fails over would."""
        process, self.process = self.process, None
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


@contextlib.contextmanager
def running_postgres(*options: str) -> Iterator[PostgresServer]:
    """A server with these settings (``fsync=off``), gone afterwards.

    Raises:
        FileNotFoundError: there is no PostgreSQL here.
    """
    initdb, program = find("initdb"), find("postgres")
    if initdb is None or program is None:
        raise FileNotFoundError("no PostgreSQL server here")
    # PostgreSQL refuses to run as root, and pytest's own folders are closed to everybody else.
    user = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-postgres-"))
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
        server = PostgresServer(program, folder, free_port(), user, options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
