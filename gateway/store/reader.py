"""Reading the ledger from beside the gateway: for commands, on connections that can't write.

Rows come in pages, each a short transaction of its own: a reader that held one for the length of an
export would keep SQLite from reusing its write-ahead log. What is written meanwhile may appear in a later
page, never twice.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, Select, and_, func, select

from gateway.errors import LedgerFault
from gateway.footer.kept import KeptFooter, read_kept
from gateway.ledger.controls import Brake, Controls, Event
from gateway.store.chores import fetch_ruleset, read_controls, ruleset_events
from gateway.store.credit_schema import footers, matching_keys
from gateway.store.database import Database, faults_as_ledger_faults
from gateway.store.migrate import require_current
from gateway.store.observations import (
    Observation,
    Reviewed,
    all_observations,
    last_observations,
    reviewed,
)
from gateway.store.schema import people, sends
from gateway.transaction.ports import SendState

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A copy with a link, as the ledger has it.

    Times are microseconds since 1970 UTC on the database's clock. `person` means nothing outside this
    ledger; `address` is None unless the admin chose to keep addresses, and for people who were erased.
    """

    token: bytes
    person: bytes
    address: str | None
    sender: str
    campaign: str
    rule: str
    footer: str
    ruleset: str
    message_id: str
    route: str
    forced: bool
    state: SendState
    reply: str
    host: str
    attempts: int
    put_off: int
    intended_at: int
    attempted_at: int
    accepted_at: int | None
    settled_at: int | None
    company: str = "default"
    partner: str = "default"
    footer_hash: bytes | None = None
    origin: str = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendFilter:
    """Which sends are meant. Empty collections mean all."""

    states: Collection[SendState] = ()
    campaigns: Collection[str] = ()
    token: bytes | None = None
    message_ids: Collection[str] = ()


_ALL = SendFilter()


class LedgerReader:
    """An open ledger that can only be read. A context manager."""

    def __init__(self, url: str) -> None:
        """Open the ledger at `url`.

        Raises:
            LedgerFault: there is none, it can't be read, or its schema isn't the current one.
        """
        self._database = Database(url)
        file = self._database.file
        if file is not None and not file.exists():
            raise LedgerFault(f"there is no ledger at {file} yet: the gateway makes it at its first start")
        self._engine: Engine = self._database.reader()
        with faults_as_ledger_faults(self._database), self._engine.connect() as connection:
            require_current(connection, self._database.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()

    def last_sends(self, count: int, wanted: SendFilter = _ALL) -> list[Send]:
        """The newest sends, newest first.

        Raises:
            LedgerFault: it can't be read.
        """
        rows: list[Send] = []
        before: int | None = None
        while len(rows) < count:
            query = _query(wanted).order_by(sends.c.id.desc()).limit(min(_PAGE, count - len(rows)))
            page = self._page(query if before is None else query.where(sends.c.id < before))
            if not page:
                break
            before = page[-1].id
            rows += map(_send, page)
        return rows

    def matching_keys(self) -> dict[str, dict[str, int]]:
        """By partner and id of its matching key: since when (microseconds) sends carry hashes under it.

        A registration with an `email_hash` under a key finds only later sends.

        Raises:
            LedgerFault: it can't be read.
        """
        columns = matching_keys.c
        found: dict[str, dict[str, int]] = {}
        with self._connection() as connection:
            for row in connection.execute(select(matching_keys).order_by(columns.since, columns.key_id)):
                found.setdefault(row.partner, {})[row.key_id] = row.since
        return found

    def counts_since(self, since: int) -> dict[str, int]:
        """How many sends were intended at that time (microseconds) or later, by state.

        Raises:
            LedgerFault: it can't be read.
        """
        query = (
            select(sends.c.state, func.count())
            .where(sends.c.intended_at >= since)
            .group_by(sends.c.state)
            .order_by(sends.c.state)
        )
        with self._connection() as connection:
            return {state: int(number) for state, number in connection.execute(query)}

    def all_sends(self, wanted: SendFilter = _ALL) -> Iterator[Send]:
        """All sends in the order of their first intents, page by page.

        Raises:
            LedgerFault: it can't be read (any more).
        """
        after = 0
        while page := self._page(_query(wanted).where(sends.c.id > after).order_by(sends.c.id).limit(_PAGE)):
            after = page[-1].id
            yield from map(_send, page)

    def brake(self) -> Brake | None:
        """The brake of the whole gateway, if it is on.

        Raises:
            LedgerFault: it can't be read.
        """
        return self.controls().brake

    def controls(self) -> Controls:
        """What operators and brakes have set.

        Raises:
            LedgerFault: it can't be read.
        """
        with self._connection() as connection:
            return read_controls(connection)

    def rulesets(self, last: int) -> list[Event]:
        """The newest changes of the rule set, newest first.

        Raises:
            LedgerFault: they can't be read.
        """
        with self._connection() as connection:
            return ruleset_events(connection, last)

    def ruleset(self, wanted: str) -> bytes | None:
        """The content of the rule set with that id, if it was ever active.

        Raises:
            LedgerFault: it can't be read.
        """
        with self._connection() as connection:
            return fetch_ruleset(connection, wanted)

    def observations(self, **wanted: Any) -> list[Observation]:  # noqa: ANN401 - see there
        """What the rules saw, newest first (`gateway.store.observations.last_observations`).

        Raises:
            LedgerFault: it can't be read.
        """
        with self._connection() as connection:
            return last_observations(connection, **wanted)

    def all_observations(self, since: int) -> list[Observation]:
        """All that were made after `since`, oldest first.

        Raises:
            LedgerFault: they can't be read.
        """
        with self._connection() as connection:
            return list(all_observations(connection, since))

    def reviewed(self, since: int = 0) -> dict[str, Reviewed]:
        """By rule, what people said of mails that came after `since`.

        Raises:
            LedgerFault: it can't be read.
        """
        with self._connection() as connection:
            return reviewed(connection, since)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with faults_as_ledger_faults(self._database), self._engine.connect() as connection:
            yield connection

    def footer(self, digest: bytes) -> KeptFooter | None:
        """What the footer of that hash was made from; None where the ledger has none.

        Raises:
            LedgerFault: it can't be read.
        """
        with faults_as_ledger_faults(self._database), self._engine.connect() as connection:
            content = connection.execute(
                select(footers.c.content).where(footers.c.hash == digest)
            ).scalar_one_or_none()
        return read_kept(content) if content is not None else None

    def _page(self, query: "Select[tuple[object, ...]]") -> "list[Row[tuple[object, ...]]]":
        with faults_as_ledger_faults(self._database), self._engine.connect() as connection:
            return _fetch(connection, query)


def _fetch(connection: Connection, query: "Select[tuple[object, ...]]") -> "list[Row[tuple[object, ...]]]":
    return list(connection.execute(query))


def _query(wanted: SendFilter) -> "Select[tuple[object, ...]]":
    query: Select[tuple[object, ...]] = select(sends, people.c.address).select_from(
        sends.outerjoin(people, and_(people.c.ref == sends.c.person_ref, people.c.kind == ""))
    )
    if wanted.states:
        query = query.where(sends.c.state.in_([state.value for state in wanted.states]))
    if wanted.campaigns:
        query = query.where(sends.c.campaign.in_(list(wanted.campaigns)))
    if wanted.token is not None:
        query = query.where(sends.c.token == wanted.token)
    if wanted.message_ids:
        query = query.where(sends.c.message_id.in_(list(wanted.message_ids)))
    return query


def _send(row: "Row[tuple[object, ...]]") -> Send:
    return Send(
        token=bytes(row.token),
        person=bytes(row.person_ref),
        address=row.address,
        sender=row.sender,
        campaign=row.campaign,
        rule=row.rule,
        footer=row.footer,
        ruleset=row.ruleset,
        message_id=row.message_id,
        route=row.route,
        forced=row.forced,
        state=SendState(row.state),
        reply=row.reply,
        host=row.host,
        attempts=row.attempts,
        put_off=row.put_off,
        intended_at=row.intended_at,
        attempted_at=row.attempted_at,
        accepted_at=row.accepted_at,
        settled_at=row.settled_at,
        company=row.company,
        partner=row.partner,
        footer_hash=bytes(row.footer_hash) if row.footer_hash is not None else None,
        origin=row.origin,
    )
