"""Sends as rows for other programs: one flat record each, as CSV or JSON Lines.

Times are ISO 8601 in UTC. Octets are hexadecimal, tokens in their text form. CSV is RFC 4180; fields that
a spreadsheet would take for a formula are defused by an apostrophe in front, as spreadsheets do it
themselves.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from gateway.store.reader import Send
from gateway.token import encode_token

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The fields of an exported send, in order. New ones are added at the end.
FIELDS = (
    "token",
    "state",
    "intended_at",
    "attempted_at",
    "accepted_at",
    "settled_at",
    "campaign",
    "rule",
    "footer",
    "ruleset",
    "forced",
    "sender",
    "message_id",
    "route",
    "host",
    "reply",
    "attempts",
    "put_off",
    "person",
    "address",
)

#: Excel takes CSV for UTF-8 only with this in front.
BYTE_ORDER_MARK = "\ufeff"

# What begins a formula in Excel, LibreOffice or Google Sheets; the full-width forms do so in Japanese ones.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def moment(microseconds: int) -> datetime:
    """A time of the ledger as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def record(send: Send) -> dict[str, str | int | bool | None]:
    """`send` as one flat record with the keys of `FIELDS`."""
    return {
        "token": encode_token(send.token),
        "state": send.state.value,
        "intended_at": _iso(send.intended_at),
        "attempted_at": _iso(send.attempted_at),
        "accepted_at": _iso(send.accepted_at),
        "settled_at": _iso(send.settled_at),
        "campaign": send.campaign,
        "rule": send.rule,
        "footer": send.footer,
        "ruleset": send.ruleset,
        "forced": send.forced,
        "sender": send.sender,
        "message_id": send.message_id,
        "route": send.route,
        "host": send.host,
        "reply": send.reply,
        "attempts": send.attempts,
        "put_off": send.put_off,
        "person": send.person.hex(),
        "address": send.address,
    }


def json_lines(sends: Iterable[Send]) -> Iterator[str]:
    """One JSON object a line, each line with its LF."""
    for send in sends:
        yield json.dumps(record(send), ensure_ascii=False) + "\n"


def csv_lines(sends: Iterable[Send], *, mark: bool) -> Iterator[str]:
    """A header and one line a send, each with its CRLF; with `mark` a byte order mark before the first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")

    def line(values: Iterable[object]) -> str:
        writer.writerow(values)
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    yield (BYTE_ORDER_MARK if mark else "") + line(FIELDS)
    for send in sends:
        found = record(send)
        yield line(_cell(found[name]) for name in FIELDS)


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.lstrip(" \u3000").startswith(_FORMULA):
        return f"'{value}"
    return value


def _iso(microseconds: int | None) -> str | None:
    return (
        None
        if microseconds is None
        else moment(microseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
