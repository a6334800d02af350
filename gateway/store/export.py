"""Sends as rows for other programs: one flat record each, as CSV or JSON Lines.

Times are ISO 8601 in UTC. Octets are hexadecimal, tokens in their text form.
"""

from collections.abc import Iterable, Iterator

from gateway.store import flat
from gateway.store.flat import BYTE_ORDER_MARK, iso, moment
from gateway.store.reader import Send
from gateway.token import encode_token

__all__ = ["BYTE_ORDER_MARK", "FIELDS", "csv_lines", "json_lines", "moment", "record"]

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
    "company",
    "partner",
    "origin",
    "footer_hash",
)


def record(send: Send) -> dict[str, str | int | bool | None]:
    """`send` as one flat record with the keys of `FIELDS`."""
    return {
        "token": encode_token(send.token),
        "state": send.state.value,
        "intended_at": iso(send.intended_at),
        "attempted_at": iso(send.attempted_at),
        "accepted_at": iso(send.accepted_at),
        "settled_at": iso(send.settled_at),
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
        "company": send.company,
        "partner": send.partner,
        "origin": send.origin,
        "footer_hash": send.footer_hash.hex() if send.footer_hash else None,
    }


def json_lines(sends: Iterable[Send]) -> Iterator[str]:
    """One JSON object a line, each line with its LF."""
    return flat.json_lines(map(record, sends))


def csv_lines(sends: Iterable[Send], *, mark: bool) -> Iterator[str]:
    """A header and one line a send, each with its CRLF; with `mark` a byte order mark before the first."""
    return flat.csv_lines(FIELDS, map(record, sends), mark=mark)
