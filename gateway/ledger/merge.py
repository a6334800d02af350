"""An ATS's list as CSV, to which links are added: in UTF-8 or CP932, and back in the same. Pure.

The list's own columns come back as they were: they go into an import of the ATS, which must know them again.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.ledger.intake import Unreadable
from gateway.ledger.listing import decode

#: What is read, by our names; `email` is needed.
FIELDS = ("email", "external_id", "campaign")
#: What is added.
ADDED = ("token", "link", "opt_out", "reason")
_MAX_ADDRESS = 1_024
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: its number (the header is 1), its cells, what we read in it, and what is wrong with it."""

    number: int
    cells: tuple[str, ...]
    email: str = ""
    external_id: str = ""
    campaign: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A whole list. `encoding` is that of the file; `kept` are the header's cells without columns of ours."""

    encoding: str
    delimiter: str
    kept: tuple[str, ...]
    rows: tuple[Row, ...]


def read_sheet(content: bytes, *, columns: Mapping[str, str]) -> Sheet:
    """Read a list.

    Args:
        content: the file.
        columns: by our name, the header that the file has for it.

    Raises:
        Unreadable: it is no such list; single lines that can't be used say so themselves.
    """
    text = decode(content)
    encoding = _encoding(content)
    first = text.partition("\n")[0]
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        wanted = {_folded(columns.get(name, name)): name for name in FIELDS}
        places = {wanted[_folded(name)]: at for at, name in enumerate(header) if _folded(name) in wanted}
        if "email" not in places:
            raise Unreadable(
                f'line 1: no column "{columns.get("email", "email")}"; say which it is with --column, '
                "or link.issue_columns in the config"
            )
        keep = [at for at, name in enumerate(header) if _folded(name) not in ADDED]
        rows = tuple(_rows(reader, len(header), places, keep))
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num}: this is no CSV: {error}") from None
    kept = tuple(header[at] for at in keep)
    return Sheet(encoding=encoding, delimiter=delimiter, kept=kept, rows=rows)


def _rows(
    reader: "Iterator[list[str]]", width: int, places: Mapping[str, int], keep: Sequence[int]
) -> Iterator[Row]:
    number = 2
    for cells in reader:
        here, number = number, reader.line_num + 1  # type: ignore[attr-defined]  # a csv.reader
        if not any(cell.strip() for cell in cells):
            continue
        padded = cells + [""] * (width - len(cells))
        found = {name: padded[at].strip() for name, at in places.items()}
        yield Row(
            number=here,
            cells=tuple(padded[at] for at in keep),
            fault=_fault(found, len(cells), width),
            **found,
        )


def _fault(found: Mapping[str, str], cells: int, width: int) -> str:
    if cells > width:
        return f"{cells} fields, but the header has {width}"
    address = found["email"]
    if not address:
        return "no address"
    if "@" not in address or len(address) > _MAX_ADDRESS or not address.isprintable():
        return "this is no address"
    if any(len(value) > _MAX_TEXT for name, value in found.items() if name != "email"):
        return f"longer than {_MAX_TEXT} characters"
    return ""


def write_sheet(sheet: Sheet, added: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """The list again, line by line, with what is `added` to each row behind it (in the order of `ADDED`)."""
    encoding = "utf-8" if sheet.encoding == "utf-8-sig" else sheet.encoding
    if sheet.encoding == "utf-8-sig":
        yield "\ufeff".encode()
    yield _line((*sheet.kept, *ADDED), sheet.delimiter, encoding)
    for row, more in zip(sheet.rows, added, strict=True):
        yield _line((*row.cells, *more), sheet.delimiter, encoding)


def _line(cells: Sequence[str], delimiter: str, encoding: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerow(cells)
    return text.getvalue().encode(encoding, "replace")


def _encoding(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp932"
    return "utf-8"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
