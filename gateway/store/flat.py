"""Rows for other programs: CSV (RFC 4180) and JSON Lines.

Fields of CSV that a spreadsheet would take for a formula are defused by an apostrophe in front, as
spreadsheets do it themselves.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

#: Excel takes CSV for UTF-8 only with this in front.
BYTE_ORDER_MARK = "\ufeff"

# What begins a formula in Excel, LibreOffice or Google Sheets; the full-width forms do so in Japanese ones.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Record = Mapping[str, object]


def moment(microseconds: int) -> datetime:
    """A time of the ledger as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def iso(microseconds: int | None) -> str | None:
    """A time of the ledger in ISO 8601, UTC, to the millisecond."""
    if microseconds is None:
        return None
    return moment(microseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_lines(records: Iterable[Record]) -> Iterator[str]:
    """One JSON object a line, each line with its LF."""
    for record in records:
        yield json.dumps(record, ensure_ascii=False) + "\n"


def csv_lines(fields: Sequence[str], records: Iterable[Record], *, mark: bool) -> Iterator[str]:
    """A header and one line a record, each with its CRLF; with `mark` a byte order mark before the first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(values: Iterable[object]) -> str:
        writer.writerow(values)
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    yield (BYTE_ORDER_MARK if mark else "") + line(fields)
    for record in records:
        yield line(cell(record.get(name)) for name in fields)


def cell(value: object) -> object:
    """A value as a cell of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lstrip(" \u3000").startswith(_FORMULA):
        return f"'{value}"
    return value
