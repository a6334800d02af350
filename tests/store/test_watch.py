"""What happens to the files of an open SQLite ledger is seen even where SQLite itself doesn't."""

import os
from pathlib import Path

import pytest

from gateway.errors import LedgerFault
from gateway.store.watch import Files

HEADER = b"SQLite format 3\0" + bytes(84)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Three files that look like a ledger's."""
    path = tmp_path / "ledger.db"
    path.write_bytes(HEADER)
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").write_bytes(b"x")
    return path


def test_untouched_files_pass(ledger: Path) -> None:
    """Writing to them is no change."""
    files = Files.of(ledger)
    with ledger.open("ab") as file:
        file.write(b"more")
    files.check()


@pytest.mark.parametrize(
    ("words", "harm"),
    [
        pytest.param("deleted or moved", lambda path: path.unlink(), id="deleted"),
        pytest.param("deleted or moved", lambda path: path.rename(f"{path}.old"), id="moved"),
        pytest.param("overwritten", lambda path: path.write_bytes(b"garbage" * 20), id="overwritten"),
        pytest.param("overwritten", lambda path: path.write_bytes(b""), id="truncated"),
        pytest.param("-wal was deleted", lambda path: Path(f"{path}-wal").unlink(), id="wal"),
        pytest.param("-shm was deleted", lambda path: Path(f"{path}-shm").unlink(), id="shm"),
    ],
)
def test_harm_is_seen(ledger: Path, words: str, harm: object) -> None:
    """Each kind of harm is a fault that says what happened."""
    files = Files.of(ledger)
    harm(ledger)  # type: ignore[operator]  # the functions above
    with pytest.raises(LedgerFault, match=words):
        files.check()


def test_replaced_file_is_seen(ledger: Path, tmp_path: Path) -> None:
    """Another file under the same name isn't the same; with the old -wal beside it it must not be opened."""
    files = Files.of(ledger)
    other = tmp_path / "other"
    other.write_bytes(HEADER)
    os.replace(other, ledger)  # noqa: PTH105 - as an admin's mv does
    with pytest.raises(LedgerFault, match="replaced"):
        files.check()
    with pytest.raises(LedgerFault, match=r"remove .*-wal"):
        files.check_successor(Files.of(ledger))
    Path(f"{ledger}-wal").unlink()
    files.check_successor(Files.of(ledger))


def test_no_file(tmp_path: Path) -> None:
    """What isn't there can't be watched."""
    with pytest.raises(LedgerFault, match="not there"):
        Files.of(tmp_path / "ledger.db")
