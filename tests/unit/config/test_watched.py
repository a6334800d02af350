"""A value that follows its files."""

import os
from pathlib import Path

import pytest

from gateway.config.watched import Watched


def test_follows_its_files(tmp_path: Path) -> None:
    """Made once, again after a change, also by replacement, and not otherwise."""
    file, made = tmp_path / "file", []
    file.write_text("one")

    def make() -> str:
        made.append(file.read_text())
        return made[-1]

    watched = Watched((file,), make)
    assert (watched.refresh(), watched.value, len(made)) == (False, "one", 1)
    (tmp_path / "new").write_text("two")
    os.replace(tmp_path / "new", file)  # noqa: PTH105 - as programs that renew files do
    assert (watched.refresh(), watched.value, len(made)) == (True, "two", 2)
    assert (watched.refresh(), len(made)) == (False, 2)


def test_keeps_the_last_good_value(tmp_path: Path) -> None:
    """A file that is gone or bad is told once, and changes nothing until it is good again."""
    file = tmp_path / "file"
    file.write_text("1")
    watched = Watched((file,), lambda: int(file.read_text()))
    file.write_text("no number")
    with pytest.raises(ValueError, match="no number"):
        watched.refresh()
    assert (watched.refresh(), watched.value) == (False, 1)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        watched.refresh()
    file.write_text("22")
    assert (watched.refresh(), watched.value) == (True, 22)
