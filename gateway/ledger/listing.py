"""A partner's list as a file: CSV in UTF-8 (with or without a byte order mark) or CP932, or JSON Lines. Pure.

Lines that can't be read are given with their number and the reason, and the others all the same.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.ledger.intake import FIELDS, Unreadable

#: A list is read as a whole. A hundred thousand registrations have about ten.
MAX_OCTETS = 100 << 20
_MAX_LINE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a list: `values` by field, or `fault` where it can't be read. `number` counts from 1."""

    number: int
    values: Mapping[str, object]
    fault: str = ""


def decode(content: bytes) -> str:
    """The text of a file.

    Raises:
        Unreadable: it is neither UTF-8 nor CP932.
    """
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise Unreadable("the file is neither UTF-8 nor CP932 (Shift_JIS); save it again as CSV in UTF-8")


def read_list(
    content: bytes, *, columns: Mapping[str, str] | None = None, more: Sequence[str] = ()
) -> Iterator[Line]:
    """The entries of a list, in order.

    Args:
        content: the file.
        columns: the headers of CSV, by field, where they are others than the fields' names.
        more: fields beside those of a registration that are wanted too.

    Raises:
        Unreadable: it is no such list at all.
    """
    text = decode(content)
    if text.lstrip()[:1] in ("{", "["):
        return _json_lines(text)
    return _csv(text, columns or {}, (*FIELDS, *more))


def _json_lines(text: str) -> Iterator[Line]:
    if text.lstrip().startswith("["):
        raise Unreadable("this is a JSON list; write JSON Lines: one object a line")
    return _json_entries(text)


def _json_entries(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        if len(line) > _MAX_LINE:
            yield Line(number=number, values={}, fault=f"longer than {_MAX_LINE} characters")
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            yield Line(number=number, values={}, fault="this is no JSON object")
            continue
        if isinstance(found, dict):
            yield Line(number=number, values=found)
        else:
            yield Line(number=number, values={}, fault="this is no JSON object")


def _csv(text: str, columns: Mapping[str, str], fields: Sequence[str]) -> Iterator[Line]:
    header_line = text.partition("\n")[0]
    delimiter = "\t" if "\t" in header_line and "," not in header_line else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise Unreadable(f"line 1: this is no CSV: {error}") from None
    wanted = {_folded(columns.get(name, name)): name for name in fields}
    places = [wanted.get(_folded(name)) for name in header]
    named = [name for name in places if name is not None]
    for name in ("id", "registered_at"):
        if name not in named:
            raise Unreadable(
                f'line 1: no column "{columns.get(name, name)}"; the headers are '
                f"{', '.join(FIELDS)}, or as [partner] columns in the config says"
            )
    double = sorted({name for name in named if named.count(name) > 1})
    if double:
        raise Unreadable(f"line 1: the column {double[0]} stands in it twice")
    return _csv_entries(reader, places)


def _csv_entries(reader: "Iterator[list[str]]", places: Sequence[str | None]) -> Iterator[Line]:
    number = 2
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number=number, values={}, fault=f"this is no CSV: {error}")
            number = max(number + 1, reader.line_num + 1)  # type: ignore[attr-defined]  # a csv.reader
            continue
        here, number = number, reader.line_num + 1  # type: ignore[attr-defined]  # a csv.reader
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(places) and any(cell.strip() for cell in row[len(places) :]):
            yield Line(number=here, values={}, fault=f"{len(row)} fields, but the header has {len(places)}")
            continue
        values = {
            name: _plain(cell) for name, cell in zip(places, row, strict=False) if name is not None and cell
        }
        yield Line(number=here, values=values)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _plain(cell: str) -> str:
    """Without the apostrophe that exports put in front of what a spreadsheet takes for a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:].lstrip(" \u3000")[:1] in set("=+-@＝＋－＠") else cell
