"""A backup of each database: whole, closed to others, and good to begin again from."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.errors import LedgerFault
from gateway.store.backup import back_up, faults_of
from gateway.store.credit import Operator
from tests.peers.postgres import PostgresServer
from tests.programs import find
from tests.store.crediting import Ledger


def _filled(url: str) -> Ledger:
    made = Ledger(url)
    made.send("one", "a@example.com")
    made.later(1)
    made.report("A-1", token="one")
    made.store.adjust("default", Operator(name="x"), referrals=3, reason="moved")
    return made


def test_a_copy_can_take_the_ledgers_place(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same balance and unbroken books, after everything is restored from the file."""
    ledger = _filled(url)
    file = tmp_path / "backup"
    back_up(url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []
    if url.startswith("sqlite"):
        restored = f"sqlite:///{file}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        restored = server.create()
        program = find("pg_restore")
        assert program is not None
        subprocess.run(
            [str(program), "--no-owner", "--exit-on-error", "--dbname", restored, str(file)],
            check=True,
            capture_output=True,
            env={**os.environ},
        )
    assert faults_of(restored) == []
    copy = Ledger(restored, now=ledger.now)
    assert copy.totals() == ledger.totals() == (4, 2, 0)
    assert copy.store.heads() == ledger.store.heads()
    with pytest.raises(LedgerFault), copy.store.reading() as connection:
        connection.exec_driver_sql("DELETE FROM postings")
    copy.store.close()
    ledger.store.close()


@pytest.mark.peer("postgresql")
def test_pg_dump_that_fails_leaves_nothing(postgres: PostgresServer, tmp_path: Path) -> None:
    """Its words are told, and no half of a file stays."""
    url = postgres.url("there_is_none")
    with pytest.raises(LedgerFault, match="there_is_none"):
        back_up(url, tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_a_copy_takes_no_devices_place(file: Path, tmp_path: Path) -> None:
    """As root it would: /dev/null as a file breaks a machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(LedgerFault, match="is no file"):
        back_up(f"sqlite:///{file}", pipe)
    assert pipe.is_fifo()


def test_how_far_a_copy_is_is_told(file: Path, tmp_path: Path) -> None:
    """A large ledger takes a while."""
    told: list[str] = []
    back_up(f"sqlite:///{file}", tmp_path / "backup", progress=told.append)
    assert told == ["100 % copied", "copied, looking whether it is whole"]
