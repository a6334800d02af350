"""How commands print: for programs, for people, and into files."""

import json
import os
import sys
import time
from pathlib import Path

import click
import pytest

from gateway.cli.printing import (
    local,
    local_text,
    print_json,
    print_table,
    shown,
    write_octets,
    write_records,
)

RECORDS: list[dict[str, object]] = [
    {"name": "花子", "at": None},
    {"name": "=1+1", "at": "2026-12-01T00:00:00.000Z"},
]


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", "花子"), ("euc-jp", "花子"), ("ascii", "\\u82b1\\u5b50")]
)
def test_json(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, encoding: str, expected: str
) -> None:
    """Letters as they are where the terminal has them; half a surrogate pair is always escaped."""
    monkeypatch.setattr("gateway.cli.printing._encoding", lambda: encoding)
    value = {"name": "花子", "odd": "\udcff"}
    print_json(value)
    said = capfd.readouterr().out
    assert expected in said
    assert "\\udcff" in said
    assert json.loads(said) == value


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns stand below each other, wide letters too, and nothing moves the cursor."""
    print_table([["NAME", "ID"], ["花子", 1], ["a\x1b[2J", None]])
    assert capsys.readouterr().out == "NAME   ID\n花子   1\na?[2J\n"


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are local with their zone; only fields that are times are taken for some."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local(1_780_272_000_000_000) == local_text("2026-06-01T00:00:00Z") == "2026-06-01 09:00:00 JST"
        assert (local(None), local_text(None)) == ("-", "-")
        assert shown("sent_at", "2026-06-01T00:00:00.000Z") == "2026-06-01 09:00:00 JST"
        assert (shown("reply", "2026-06-01T00:00:00Z"), shown("at", None)) == ("2026-06-01T00:00:00Z", "None")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_records(tmp_path: Path) -> None:
    """CSV with the mark of Excel or JSON Lines, in a file of its owner; the mark goes with CSV alone."""
    out = tmp_path / "out"
    write_records(("name", "at"), RECORDS, kind="csv", out=out, excel=True)
    assert out.read_bytes().decode("utf-8-sig").splitlines() == [
        "name,at",
        "花子,",
        "'=1+1,2026-12-01T00:00:00.000Z",
    ]
    assert out.stat().st_mode & 0o777 == 0o600
    write_records(("name", "at"), RECORDS, kind="jsonl", out=out, excel=False)
    assert [json.loads(line) for line in out.read_text("utf-8").splitlines()] == RECORDS
    with pytest.raises(click.UsageError, match="--excel goes with --format csv"):
        write_records(("name", "at"), RECORDS, kind="jsonl", out=out, excel=True)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """What breaks off leaves nothing behind, and what stood there before stands there still."""
    out = tmp_path / "out"
    out.write_bytes(b"before")

    def broken() -> "list[bytes]":
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        write_octets((piece for _ in range(1) for piece in broken()), out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert out.read_bytes() == b"before"
    with pytest.raises(click.ClickException, match="can't be written"):
        write_octets([b"x"], tmp_path / "nowhere" / "out")


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a file the octets go out as they are."""
    write_octets([b"\xff\r\n", b"b"], None)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"\xff\r\nb"


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """A pipe is written to; root would put a file in the place of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_octets([b"a", b"b"], pipe)
        assert os.read(end, 10) == b"ab"
    finally:
        os.close(end)
    assert pipe.is_fifo()
    with pytest.raises(click.ClickException, match="can't be written"):
        write_octets([b"a"], tmp_path)


def test_lines_that_nobody_sees_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On standard error, for somebody who waits; not where the lines themselves are on the terminal."""
    monkeypatch.setattr("gateway.cli.ticker.is_terminal", lambda: True)
    write_records(["name"], RECORDS, kind="jsonl", out=tmp_path / "file", excel=False)
    assert capsys.readouterr().err.endswith("2 lines\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    write_records(["name"], RECORDS, kind="jsonl", out=None, excel=False)
    assert capsys.readouterr().err == ""
