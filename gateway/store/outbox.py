"""What is pushed to partners: kept until it is delivered, tried again, and put aside when that is in vain.

One row a message. A message is for one send: its id follows from the token, so that a send is told of once,
however often it is looked at and on however many nodes. Whoever delivers claims first, for a time: a node
that dies with a message in hand delays it, and another delivers it again. So a partner may get a message
twice, with the same id (Standard Webhooks); never not at all.

Messages carry token, campaign and time. Nothing about a person is in this table.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, or_, select, update

from gateway.store.base import insert_for
from gateway.store.bounded import bounded
from gateway.store.closing import Closing
from gateway.store.credit_schema import outbox
from gateway.store.database import Database, faults_as_ledger_faults, now_at
from gateway.store.export import moment
from gateway.store.migrate import require_current
from gateway.store.schema import sends
from gateway.token import encode_token

WAITING, SENT, DEAD = "waiting", "sent", "dead"
_PAGE = 500
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to a partner. Times are microseconds since 1970 UTC on the database's clock."""

    id: int
    partner: str
    message_id: str
    kind: str
    payload: str
    state: str
    created_at: int
    due_at: int
    attempts: int
    settled_at: int | None
    error: str


class Outbox(Closing):
    """The messages of a ledger. A context manager; for one thread."""

    def __init__(self, url: str, *, wait_seconds: float = 5.0) -> None:
        """Say where the ledger is. Nothing is opened yet."""
        self._database = Database(url)
        self._writer: Engine = self._database.writer(wait_seconds)
        self._reader: Engine = self._database.reader(wait_seconds)

    def close(self) -> None:
        """Disconnect."""
        self._writer.dispose()
        self._reader.dispose()

    def tell_of_sends(self, partners: Collection[str], *, within: int) -> int:
        """Put in a message for each send that was taken and that there is none for yet; gives how many.

        Args:
            partners: those that want to be told.
            within: how far back sends are looked at, in microseconds: a mail may be taken days after its
                first attempt. Less than messages are kept, or they would be told of again.

        Raises:
            LedgerFault: the ledger can't be read or written.
        """
        if not partners:
            return 0
        put_in, after = 0, 0
        while True:
            with self._reading() as connection:
                rows = _taken_sends(connection, partners, after, now_at(connection) - within)
                if not rows:
                    return put_in
                after = rows[-1].id
                ids = [_message_id(bytes(row.token)) for row in rows]
                known = set(
                    connection.execute(
                        select(outbox.c.message_id).where(outbox.c.message_id.in_(ids))
                    ).scalars()
                )
            fresh = [row for row, id_ in zip(rows, ids, strict=True) if id_ not in known]
            if fresh:
                put_in += self._put_in(fresh)

    def _put_in(self, rows: "Sequence[Row[Any]]") -> int:
        with self._writing() as connection:
            now = now_at(connection)
            statement = insert_for(connection)(outbox).on_conflict_do_nothing(index_elements=["message_id"])
            new = [_new(row, now) for row in rows]
            return len(connection.execute(statement.values(new).returning(outbox.c.id)).all())

    def claim(self, partners: Collection[str], *, count: int, seconds: float) -> list[Letter]:
        """Messages that are due, for this caller alone during so many seconds.

        Raises:
            LedgerFault: the ledger can't be read or written.
        """
        if not partners:
            return []
        with self._reading() as connection:  # mostly there are none, and then nobody is kept from writing
            if not _due(connection, partners, now_at(connection), 1):
                return []
        with self._writing() as connection:
            now = now_at(connection)
            ids = _due(connection, partners, now, count)
            claimed = connection.execute(
                update(outbox)
                .where(outbox.c.id.in_(ids))
                .values(claimed_until=now + int(seconds * _SECOND))
                .returning(outbox)
            )
            return sorted((_letter(row) for row in claimed), key=lambda letter: letter.id)

    def delivered(self, letter: Letter) -> None:
        """The partner took it.

        Raises:
            LedgerFault: the ledger can't be written; it will be delivered again.
        """
        self._settle(letter, state=SENT, error="")

    def failed(self, letter: Letter, error: str, *, again_in: float | None) -> None:
        """It was not taken: to be tried again in so many seconds, or (None) put aside.

        Raises:
            LedgerFault: the ledger can't be written.
        """
        if again_in is None:
            self._settle(letter, state=DEAD, error=error)
        else:
            self._settle(letter, state=WAITING, error=error, again_in=again_in)

    def _settle(self, letter: Letter, *, state: str, error: str, again_in: float = 0) -> None:
        with self._writing() as connection:
            now = now_at(connection)
            connection.execute(
                update(outbox)
                .where(outbox.c.id == letter.id, outbox.c.state == WAITING)
                .values(
                    state=state,
                    error=bounded(error),
                    attempts=outbox.c.attempts + 1,
                    due_at=now + int(again_in * _SECOND),
                    settled_at=None if state == WAITING else now,
                    claimed_until=None,
                )
            )

    def letters(self, *, state: str | None = None, count: int = 100) -> list[Letter]:
        """The newest messages, newest first.

        Raises:
            LedgerFault: the ledger can't be read.
        """
        query = select(outbox).order_by(outbox.c.id.desc()).limit(count)
        with self._reading() as connection:
            found = connection.execute(query if state is None else query.where(outbox.c.state == state))
            return [_letter(row) for row in found]

    def letter(self, message_id: str) -> Letter | None:
        """The message of that id.

        Raises:
            LedgerFault: the ledger can't be read.
        """
        with self._reading() as connection:
            row = connection.execute(select(outbox).where(outbox.c.message_id == message_id)).first()
        return None if row is None else _letter(row)

    def counts(self) -> dict[str, int]:
        """How many messages there are in each state.

        Raises:
            LedgerFault: the ledger can't be read.
        """
        query = select(outbox.c.state, func.count()).group_by(outbox.c.state)
        with self._reading() as connection:
            found = {state: int(number) for state, number in connection.execute(query)}
        return {state: found.get(state, 0) for state in (WAITING, SENT, DEAD)}

    def send_again(self, message_ids: Collection[str] | None) -> int:
        """Make dead messages (all of them: None) due at once, with all attempts before them; gives how many.

        Raises:
            LedgerFault: the ledger can't be written.
        """
        chosen: ColumnElement[bool] = outbox.c.state == DEAD
        if message_ids is not None:
            chosen = and_(chosen, outbox.c.message_id.in_(list(message_ids)))
        with self._writing() as connection:
            done = connection.execute(
                update(outbox)
                .where(chosen)
                .values(
                    state=WAITING, attempts=0, due_at=now_at(connection), settled_at=None, claimed_until=None
                )
            )
            return done.rowcount

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with faults_as_ledger_faults(self._database), self._reader.connect() as connection:
            require_current(connection, self._database.name)
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with faults_as_ledger_faults(self._database), self._writer.begin() as connection:
            require_current(connection, self._database.name)
            yield connection


def _taken_sends(
    connection: Connection, partners: Collection[str], after: int, since: int
) -> "Sequence[Any]":
    """Sends whose link went out: taken by the next hop, or given to an ATS."""
    return connection.execute(
        select(
            sends.c.id,
            sends.c.token,
            sends.c.campaign,
            sends.c.partner,
            func.coalesce(sends.c.accepted_at, sends.c.intended_at).label("sent_at"),
        )
        .where(
            sends.c.id > after,
            sends.c.intended_at >= since,
            sends.c.partner.in_(list(partners)),
            or_(sends.c.accepted_at.is_not(None), sends.c.origin == "issue"),
        )
        .order_by(sends.c.id)
        .limit(_PAGE)
    ).all()


def _due(connection: Connection, partners: Collection[str], now: int, count: int) -> list[int]:
    query = (
        select(outbox.c.id)
        .where(
            outbox.c.state == WAITING,
            outbox.c.due_at <= now,
            outbox.c.partner.in_(list(partners)),
            or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < now),
        )
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(count)
    )
    if connection.dialect.name != "sqlite" and count > 1:
        query = query.with_for_update(skip_locked=True)
    return [int(number) for number in connection.execute(query).scalars()]


def _message_id(token: bytes) -> str:
    return f"send_{encode_token(token)}"


def _new(row: "Row[Any]", now: int) -> dict[str, object]:
    token = encode_token(bytes(row.token))
    at = moment(row.sent_at).isoformat(timespec="seconds").replace("+00:00", "Z")
    # Token and campaign, and the moment, which is the message's own (Standard Webhooks): nothing else.
    payload = {"type": "send.made", "timestamp": at, "data": {"token": token, "campaign": row.campaign}}
    return {
        "partner": row.partner,
        "message_id": _message_id(bytes(row.token)),
        "kind": "send",
        "payload": json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
        "state": WAITING,
        "created_at": now,
        "due_at": now,
        "attempts": 0,
        "error": "",
    }


def _letter(row: "Row[Any]") -> Letter:
    return Letter(
        id=row.id,
        partner=row.partner,
        message_id=row.message_id,
        kind=row.kind,
        payload=row.payload,
        state=row.state,
        created_at=row.created_at,
        due_at=row.due_at,
        attempts=row.attempts,
        settled_at=row.settled_at,
        error=row.error,
    )
