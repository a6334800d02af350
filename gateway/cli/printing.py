"""How commands print: JSON for programs, tables and times for people, files for their owner alone."""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from gateway.cli.ticker import Ticker

_LOCAL = "%Y-%m-%d %H:%M:%S %Z"
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def print_json(value: object) -> None:
    """One value, indented, letters of all languages as they are; or escaped where the output can't."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    text = _HALF_PAIR.sub(lambda half: f"\\u{ord(half[0]):04x}", text)  # from a mail; no charset has these
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, indent=2)
    click.echo(text)


def print_table(rows: Iterable[Sequence[object]]) -> None:
    """Rows in columns; the first one is the heading. None is an empty cell."""
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def printable(text: str) -> str:
    """What came from a mail or a server must not move the cursor."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown.encode(_encoding(), "replace").decode(_encoding())


def cut(text: str, length: int) -> str:
    """At most so many characters of it."""
    return text if len(text) <= length else text[: length - 1] + "…"


def local(microseconds: int | None) -> str:
    """A time of the ledger in this machine's zone, for people; ``-`` for none."""
    from gateway.store.flat import moment

    return "-" if microseconds is None else moment(microseconds).astimezone().strftime(_LOCAL)


def local_text(iso: object) -> str:
    """The same for a time that is ISO 8601 already."""
    return datetime.fromisoformat(iso).astimezone().strftime(_LOCAL) if isinstance(iso, str) else "-"


def shown(name: str, value: object) -> str:
    """A field of a record for people: a time (``at``, ``..._at``) is local, and nothing moves the cursor."""
    is_time = (name == "at" or name.endswith("_at")) and value is not None
    return local_text(value) if is_time else printable(str(value))


def write_records(
    fields: Sequence[str],
    records: Iterable[Mapping[str, object]],
    *,
    kind: str,
    out: Path | None,
    excel: bool,
) -> None:
    """Rows for other programs: as CSV with these columns, or as JSON Lines (`gateway.store.flat`)."""
    from gateway.store.flat import csv_lines, json_lines

    if excel and kind != "csv":
        raise click.UsageError("--excel goes with --format csv")
    write_lines(csv_lines(fields, records, mark=excel) if kind == "csv" else json_lines(records), out)


def write_lines(lines: Iterable[str], out: Path | None) -> None:
    """Text in UTF-8, as `write_octets` writes: CSV has its own CRLF, a terminal's charset has no say.

    How many lines there are is shown meanwhile, where they aren't seen themselves.
    """
    write_octets((line.encode("utf-8") for line in _counted(lines, out)), out)


def _counted(lines: Iterable[str], out: Path | None) -> Iterator[str]:
    if out is None and sys.stdout.isatty():
        yield from lines
        return
    ticker = Ticker()
    number = 0
    for line in lines:
        yield line
        number += 1
        ticker.tick(lambda: f"{number:,} lines")  # noqa: B023 - asked at once
    ticker.end(lambda: f"{number:,} lines")


def write_octets(pieces: Iterable[bytes], out: Path | None) -> None:
    """To a file that only its owner may read, whole or not at all; to standard output where there is none.

    What is no file (/dev/null, a pipe) is written to as it is: root would put a file in its place.
    """
    if out is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    if out.exists() and not out.is_file():
        try:
            with out.open("wb") as device:
                device.writelines(pieces)
        except OSError as error:
            raise click.ClickException(f"{out} can't be written: {error.strerror}") from error
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - opened with a mode
            file.writelines(pieces)
        part.replace(out)
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _encoding() -> str:
    return sys.stdout.encoding or "utf-8"


def _width(text: str) -> int:
    """Columns on a terminal: wide letters have two (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
