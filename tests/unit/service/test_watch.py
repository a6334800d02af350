import os
from pathlib import Path

import pytest

from gateway.service.watch import LOOK_SECONDS, MAX_READINGS, QUIET_SECONDS, Watch, read_steadily


class Clock:
    """A clock that stands still until it is told."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


def told(watch: Watch, clock: Clock, seconds: float) -> int:
    """How often a change is told while so much time goes by."""
    count = 0
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 0.05
        count += watch.changed()
    return count


def test_a_change_is_told_once_when_it_is_over(tmp_path: Path, clock: Clock) -> None:
    """Nothing is told of what stays as it is, nor while files still change; and all within a second."""
    (tmp_path / "a.toml").write_text("1")
    watch = Watch(clock=clock)
    watch.aim([tmp_path, tmp_path / "list.txt", tmp_path / "missing"])
    assert told(watch, clock, 3) == 0
    for number in range(8):
        (tmp_path / "a.toml").write_text("2" * number)
        assert told(watch, clock, 0.4) == 0
    assert told(watch, clock, 2 * LOOK_SECONDS + QUIET_SECONDS) == 1
    assert told(watch, clock, 3) == 0


@pytest.mark.parametrize(
    "change", ["list", "new", "gone", "same size", "old date", "folder", "link", "touch"]
)
def test_what_is_a_change(tmp_path: Path, clock: Clock, change: str) -> None:
    """Also a file of the same size, or one with an old date moved into place, or a link that is turned."""
    folder, listed = tmp_path / "rules", tmp_path / "list.txt"
    folder.mkdir()
    for name in ("a.toml", "b.toml"):
        (folder / name).write_text("12")
    listed.write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "current").symlink_to(folder)
    watch = Watch(clock=clock)
    watch.aim([tmp_path / "current", tmp_path / "current" / "footers", listed])
    match change:
        case "list":
            listed.write_text("xy")
        case "new":
            (folder / "c.toml").write_text("")
        case "gone":
            (folder / "a.toml").unlink()
        case "same size":
            (folder / "a.toml").write_text("34")
        case "old date":
            (tmp_path / "old").write_text("56")
            os.utime(tmp_path / "old", (1, 1))
            (tmp_path / "old").rename(folder / "a.toml")
        case "folder":
            (folder / "footers").mkdir()
        case "link":
            (tmp_path / "current").unlink()
            (tmp_path / "current").symlink_to(tmp_path / "other")
        case _:
            os.utime(folder / "a.toml", (1, 1))
    assert told(watch, clock, 1.2) == 1


@pytest.mark.parametrize("name", [".a.toml.swp", "a.toml~", "a.toml.bak", ".hidden", "a のコピー.toml"])
def test_what_editors_leave_is_none(tmp_path: Path, clock: Clock, name: str) -> None:
    """A swap file that comes and goes asks for no reload."""
    watch = Watch(clock=clock)
    watch.aim([tmp_path])
    (tmp_path / name).write_text("x")
    assert told(watch, clock, 2) == 0


def test_where_nothing_is_watched_nothing_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    """The parent sleeps until somebody wakes it; else until the next look."""
    watch = Watch(clock=clock)
    assert (watch.wait(), watch.changed()) == (None, False)
    watch.aim([tmp_path])
    assert watch.wait() == pytest.approx(LOOK_SECONDS)
    watch.aim([])
    assert watch.wait() is None


def test_files_that_are_being_written_are_read_when_they_are_whole(tmp_path: Path) -> None:
    """Whoever writes in place leaves half a file for a moment, and half a rule file may be a valid one."""
    file = tmp_path / "rules" / "mine.toml"
    file.parent.mkdir()
    steps = iter(["", "half", "half and half"])
    seen: list[str] = []

    def read() -> str:
        seen.append(file.read_text())
        return seen[-1]

    def pause(seconds: float) -> None:
        assert seconds > 0
        text = next(steps, None)
        if text is not None:
            file.write_text(text)

    file.write_text("before")
    assert read_steadily(read, [file.parent], pause=pause) == "half and half"
    assert seen == ["before", "", "half", "half and half"]


def test_files_that_are_written_without_end_are_read_all_the_same(tmp_path: Path) -> None:
    """It takes a bounded time."""
    file = tmp_path / "list.txt"
    file.write_text("0")
    written: list[int] = []

    def pause(_: float) -> None:
        written.append(file.write_text("x" * (len(written) + 2)))

    assert read_steadily(file.read_text, [file], pause=pause)
    assert len(written) == MAX_READINGS
