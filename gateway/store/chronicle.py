"""The history of a registration: lines that are only appended. Nothing about a person goes in."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, Row, insert, select

from gateway.store.credit_schema import registration_events
from gateway.store.journal import Journal

#: So many conflicts of one registration are recorded; a partner that repeats one for ever fills nothing.
_CONFLICTS = 20


def record_conflict(
    connection: Connection,
    journal: Journal,
    row: "Row[tuple[object, ...]]",
    reason: str = "same id, other content",
) -> None:
    """Note that something else was said under an id that is taken; so many times, and then no more."""
    seen = connection.execute(
        select(registration_events.c.id)
        .where(registration_events.c.registration_id == row.id, registration_events.c.kind == "conflict")
        .limit(_CONFLICTS)
    ).all()
    if len(seen) < _CONFLICTS:
        connection.execute(
            insert(registration_events),
            [event_row(row.id, journal.now, "conflict", state=row.state, reason=reason)],
        )


def event_row(
    number: int,
    at: int,
    kind: str,
    *,
    state: str = "",
    reason: str = "",
    operator: str = "",
    detail: Mapping[str, object] | None = None,
    partner: str | None = None,
    event_id: str | None = None,
    digest: bytes | None = None,
    occurred_at: int | None = None,
) -> dict[str, object]:
    """A line of a registration's history. Nothing about a person goes in."""
    return {
        "registration_id": number,
        "at": at,
        "kind": kind,
        "state": state,
        "reason": reason,
        "operator": operator,
        "detail": json.dumps(detail or {}, sort_keys=True, ensure_ascii=False),
        "partner": partner,
        "event_id": event_id,
        "digest": digest,
        "occurred_at": occurred_at,
    }
