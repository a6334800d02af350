"""What is written and read for safety and roll-out, as work for the writer (`gateway.store.work.Chore`).

Events are numbered in the order in which they are committed, on PostgreSQL through a lock on their table: so
whoever has read up to a number has missed nothing before it.
"""

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import Connection, delete, func, insert, select, text

from gateway.ledger.braking import HOUR, Row
from gateway.ledger.controls import BRAKE, KINDS, RESUME, RULESETS, STAGE, Controls, Event
from gateway.store.base import insert_for
from gateway.store.bounded import bounded
from gateway.store.rollout_schema import rulesets, tallies
from gateway.store.schema import events
from gateway.store.work import Chore, Here

#: A difference between two rule sets is cut at so many characters in the history.
_LONGEST_DETAIL = 60_000


def read_events(connection: Connection, after: int = 0) -> list[Event]:
    """The events that came after that number, in their order."""
    query = select(events).where(events.c.kind.in_(KINDS), events.c.id > after).order_by(events.c.id)
    return [
        Event(
            id=row.id,
            at=row.at,
            kind=row.kind,
            node=row.node,
            operator=row.operator,
            subject=row.subject,
            detail=row.detail,
        )
        for row in connection.execute(query)
    ]


def read_controls(connection: Connection) -> Controls:
    """What operators and brakes have set."""
    return Controls().after(read_events(connection))


def write_event(
    connection: Connection, here: Here, kind: str, *, operator: str = "", subject: str = "", detail: str = ""
) -> None:
    """Append one. Whoever decides by what there was before calls `lock_events` first."""
    lock_events(connection)
    connection.execute(
        insert(events).values(
            at=here.now,
            kind=kind,
            node=bounded(here.node),
            operator=bounded(operator),
            subject=bounded(subject),
            detail=_long(detail),
        )
    )


def lock_events(connection: Connection) -> None:
    """Let nobody else append until the commit. SQLite has one writer at a time anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE"))


def _long(detail: str) -> str:
    cut = detail if len(detail) <= _LONGEST_DETAIL else detail[: _LONGEST_DETAIL - 1] + "…"
    return cut.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


# --- brakes and steps -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PullBrake(Chore):
    """Put a rule, or the whole installation, into observe; gives whether it was not before."""

    why: str
    rule: str = ""
    lasts: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:
        """Append a brake, unless one is on already."""
        lock_events(connection)
        controls = read_controls(connection)
        if (controls.brakes.get(self.rule) if self.rule else controls.brake) is not None:
            return False
        write_event(connection, here, BRAKE, subject=self.rule, detail=self.why)
        return True


@dataclass(frozen=True, slots=True)
class Resume(Chore):
    """Let the brake of a rule go, or without one all of them; gives whether any was on."""

    operator: str
    rule: str = ""

    def run(self, connection: Connection, here: Here) -> object:
        """Append a resume, where there is something to end."""
        lock_events(connection)
        controls = read_controls(connection)
        pulled = self.rule in controls.brakes if self.rule else bool(controls.brake or controls.brakes)
        if pulled:
            write_event(connection, here, RESUME, operator=self.operator, subject=self.rule)
        return pulled


@dataclass(frozen=True, slots=True)
class SetStage(Chore):
    """A step of a rule's roll-out, or of all rules'."""

    operator: str
    rule: str
    action: str

    def run(self, connection: Connection, here: Here) -> object:
        """Append it."""
        write_event(connection, here, STAGE, operator=self.operator, subject=self.rule, detail=self.action)
        return None


# --- rule sets --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordRuleset(Chore):
    """Make a rule set the active one.

    Attributes:
        id: hash of the content.
        content: of a set that the ledger may not have yet; empty for one that it has.
        kind: how it came (`gateway.ledger.controls`).
        unless_pinned: change nothing while a set is pinned, or where this one is active already.
    """

    id: str
    content: bytes
    kind: str
    operator: str
    difference: str
    unless_pinned: bool = False
    lasts: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:
        """Keep the content, append the change; gives whether it is active now."""
        lock_events(connection)
        active = read_controls(connection).active
        if self.unless_pinned and active is not None and (active.pinned or active.id == self.id):
            return active.id == self.id
        if self.content:
            statement = insert_for(connection)(rulesets).values(id=self.id, at=here.now, content=self.content)
            connection.execute(statement.on_conflict_do_nothing(index_elements=["id"]))
        write_event(
            connection,
            here,
            self.kind,
            operator=self.operator,
            subject=self.id,
            detail=self.difference,
        )
        return True


@dataclass(frozen=True, slots=True)
class FetchRuleset(Chore):
    """The content of a rule set; None where there is none of that id."""

    id: str
    reads: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:  # noqa: ARG002 - the shape of a chore
        """Look it up."""
        return fetch_ruleset(connection, self.id)


def fetch_ruleset(connection: Connection, ruleset: str) -> bytes | None:
    """The content of a rule set, if the ledger has it."""
    found = connection.execute(
        select(rulesets.c.content).where(rulesets.c.id == ruleset)
    ).scalar_one_or_none()
    return bytes(found) if found is not None else None


def ruleset_events(connection: Connection, last: int) -> list[Event]:
    """The newest changes of the rule set, newest first."""
    query = select(events.c.id).where(events.c.kind.in_(RULESETS)).order_by(events.c.id.desc()).limit(last)
    numbers = connection.execute(query).scalars().all()
    if not numbers:
        return []
    found = read_events(connection, min(numbers) - 1)
    return [event for event in reversed(found) if event.kind in RULESETS]


# --- counts for the brake ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteTallies(Chore):
    """Counts of this process, in place of what it wrote for the same minutes before."""

    rows: tuple[Row, ...]
    patience: ClassVar[float] = 0.2

    def run(self, connection: Connection, here: Here) -> object:
        """Write them."""
        values = [
            {
                "since": row.since,
                "process": here.process,
                "rule": bounded(row.rule),
                "mails": row.mails,
                "links": row.links,
            }
            for row in self.rows
        ]
        if values:
            statement = insert_for(connection)(tallies)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["since", "process", "rule"],
                    set_={"mails": statement.excluded.mails, "links": statement.excluded.links},
                ),
                values,
            )
        return None


def read_tallies(connection: Connection, *, besides: bytes, now: int) -> tuple[Row, ...]:
    """What the other processes counted in the last hour, added up over them."""
    query = (
        select(tallies.c.since, tallies.c.rule, func.sum(tallies.c.mails), func.sum(tallies.c.links))
        .where(tallies.c.since > now - HOUR, tallies.c.process != besides)
        .group_by(tallies.c.since, tallies.c.rule)
    )
    return tuple(
        Row(since=since, rule=rule, mails=int(mails), links=int(links))
        for since, rule, mails, links in connection.execute(query)
    )


def forget_tallies(connection: Connection, now: int) -> None:
    """Delete what no brake asks for any more."""
    connection.execute(delete(tallies).where(tallies.c.since <= now - 2 * HOUR))


# --- what everybody follows -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What `ReadNews` gives: events that are new, and what the others have counted."""

    events: tuple[Event, ...]
    tallies: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ReadNews(Chore):
    """Look what has happened since the event of that number; with `tallies` for the brake too."""

    after: int
    tallies: bool
    reads: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:
        """Read it; gives `News`."""
        return News(
            events=tuple(read_events(connection, self.after)),
            tallies=read_tallies(connection, besides=here.process, now=here.now) if self.tallies else (),
        )
