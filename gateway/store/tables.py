"""Whole tables as flat records, page by page: for exports. Reads only."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Table, select, tuple_

from gateway.store.credit_schema import (
    audit,
    clicks,
    entries,
    footers,
    outbox,
    postings,
    registration_events,
    settings,
    slots,
    suppressions,
)
from gateway.store.flat import iso
from gateway.token import encode_token

_PAGE = 1_000

#: What can be exported beside sends and registrations, by the name that commands give it.
TABLES: dict[str, Table] = {
    "postings": postings,
    "entries": entries,
    "slots": slots,
    "registration-events": registration_events,
    "clicks": clicks,
    "audit": audit,
    "settings": settings,
    "footers": footers,
    "suppressions": suppressions,
    "outbox": outbox,
}


def fields_of(table: Table) -> Sequence[str]:
    """The names of the columns, in their order."""
    return [column.name for column in table.columns]


def records_of(connection: Connection, table: Table) -> Iterator[dict[str, object]]:
    """All rows by their keys: times in ISO 8601, tokens in their text form, octets in hexadecimal."""
    key = list(table.primary_key.columns)
    after: tuple[object, ...] | None = None
    while True:
        query = select(table).order_by(*key).limit(_PAGE)
        if after is not None:
            query = query.where(tuple_(*key) > after)
        page = connection.execute(query).all()
        if not page:
            return
        after = tuple(getattr(page[-1], column.name) for column in key)
        for row in page:
            yield {name: _shown(name, value) for name, value in zip(fields_of(table), row, strict=True)}


def _shown(name: str, value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return encode_token(bytes(value)) if name == "token" else bytes(value).hex()
    if isinstance(value, int) and not isinstance(value, bool) and (name == "at" or name.endswith("_at")):
        return iso(value)
    return value
