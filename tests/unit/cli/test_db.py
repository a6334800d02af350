"""``careerrelay db`` on a real ledger."""

import os
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.db import command
from gateway.cli.lazy import Entry, LazyGroup
from gateway.config import load_config, load_keys
from gateway.store import prepare
from gateway.store.schema import REVISION
from tests.configs import SMALL
from tests.store.test_migrate import older


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config without a ledger yet."""
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    return path


def run(*arguments: str | Path) -> Result:
    """``careerrelay db`` with these arguments."""
    group = LazyGroup("main", entries={"db": Entry("gateway.cli.db", "db", "")})
    return CliRunner().invoke(group, ["db", *(str(one) for one in arguments)])


def test_upgrade_makes_and_then_finds_it_made(config: Path, tmp_path: Path) -> None:
    """The first call makes the ledger, the second has nothing to do."""
    assert command.name == "db"
    first, second = run("upgrade", "-c", config), run("upgrade", "-c", config)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"is {REVISION} now (it was empty)" in first.output
    assert f"is {REVISION} already" in second.output
    assert (tmp_path / "ledger.db").exists()


def test_check(config: Path, tmp_path: Path) -> None:
    """Exit 1 without a ledger (and none is made), with another key, with a schema from the future; else 0."""
    absent = run("check", "-c", config)
    assert (absent.exit_code, "no ledger yet" in absent.stderr) == (1, True)
    assert not (tmp_path / "ledger.db").exists()
    loaded = load_config(config)
    keys = load_keys(loaded.gateway.key_file, create=True)
    prepare(loaded.ledger.url, key_id=keys.id)
    good = run("check", "-c", config)
    assert (good.exit_code, f"good (schema {REVISION})" in good.output) == (0, True)
    loaded.gateway.key_file.unlink()
    load_keys(loaded.gateway.key_file, create=True)
    other = run("check", "-c", config)
    assert (other.exit_code, "begun with another key" in other.stderr) == (1, True)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    newer = run("check", "-c", config)
    assert (newer.exit_code, "upgrade the package" in newer.stderr) == (1, True)
    upgrade = run("upgrade", "-c", config)
    assert (upgrade.exit_code, "upgrade the package" in upgrade.stderr) == (1, True)


def test_upgrade_copies_an_older_ledger_first(config: Path, tmp_path: Path) -> None:
    """With ``--backup``: a copy as it was before its schema changes; else none."""
    copy = tmp_path / "before.db"
    assert run("upgrade", "-c", config, "--backup", copy).exit_code == 0
    assert not copy.exists(), "there was no ledger"
    assert run("upgrade", "-c", config, "--backup", copy).exit_code == 0
    assert not copy.exists(), "nothing changed"
    (tmp_path / "ledger.db").unlink()
    older(load_config(config).ledger.url, "0001")
    done = run("upgrade", "-c", config, "--backup", copy)
    assert done.exit_code == 0, done.output
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    connection.close()
    assert f"is {REVISION} now (it was 0001)" in done.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_makes_is_the_gateways(config: Path, tmp_path: Path) -> None:
    """An admin who runs a command before the first start leaves no ledger that the gateway can't open."""
    os.chown(tmp_path, 65_534, 65_534)
    assert run("upgrade", "-c", config).exit_code == 0
    owners = {path.name: path.stat().st_uid for path in tmp_path.glob("ledger.db*")}
    assert owners
    assert set(owners.values()) == {65_534}
