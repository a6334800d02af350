"""What happened in the books that somebody asked to be told of, and what of it was told already.

How far a topic is told stands in the ledger, so that a restart forgets nothing and of several workers and
nodes only one sends: whoever takes news has them for `LEASE` microseconds, then says `told` or `postpone`. A
process that dies in between leaves them to the next one, so a mail may come twice, and never not at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from gateway.ledger.books import Kind
from gateway.ledger.states import Event
from gateway.store.credit import CreditStore
from gateway.store.credit_schema import postings, registration_events, registrations
from gateway.store.journal import Journal
from gateway.store.schema import meta

#: Longer than one attempt to send takes.
LEASE = 300_000_000
#: The pauses before another attempt, in seconds; the last one again and again.
PAUSES = (30, 120, 600, 1_800, 3_600)
#: So many are told one by one; of the rest only the number.
_MOST = 20


class Topic(Enum):
    """What people can be told of from the ledger."""

    SLOT_GRANTED = "slot-granted"
    DISPUTE_OPENED = "dispute-opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened. `what` is a slot's number, or a partner's id of a registration."""

    at: int
    company: str
    what: str
    partner: str = ""
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be told of a topic: the first of it, how many more there are, and up to which row."""

    topic: Topic
    facts: Sequence[Fact]
    more: int
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """How far a topic is told, and not before when anybody takes it again."""

    told: int
    due: int = 0
    attempts: int = 0

    @classmethod
    def of(cls, connection: Connection, topic: Topic) -> Self | None:
        name = _name(topic)
        found = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one_or_none()
        return None if found is None else cls(**json.loads(found))

    def keep(self, connection: Connection, topic: Topic) -> None:
        value = json.dumps({"told": self.told, "due": self.due, "attempts": self.attempts})
        changed = connection.execute(update(meta).where(meta.c.name == _name(topic)).values(value=value))
        if changed.rowcount == 0:
            connection.execute(insert(meta).values(name=_name(topic), value=value))


def take(store: CreditStore, topic: Topic, *, since: int) -> News | None:
    """What is to be told now, if anything; nobody else is given it meanwhile.

    `since` (microseconds) is for the very first call for a topic: what was recorded before is no news.
    """
    with store.reading() as connection:
        progress = _Progress.of(connection, topic)
        if progress is not None and not _newer(connection, topic, progress.told):
            return None

    def work(connection: Connection, journal: Journal) -> News | None:
        progress = _Progress.of(connection, topic)
        if progress is None:
            progress = _Progress(told=_newest_before(connection, topic, since))
            progress.keep(connection, topic)
        if journal.now < progress.due:
            return None
        news = _look(connection, topic, progress.told)
        if news is not None:
            replace(progress, due=journal.now + LEASE).keep(connection, topic)
        return news

    return store.writing(work)


def told(store: CreditStore, news: News, *, pause_seconds: float) -> None:
    """It was told; nothing more of this topic for so long."""

    def work(connection: Connection, journal: Journal) -> None:
        due = journal.now + int(pause_seconds * 1_000_000)
        _Progress(told=news.upto, due=due).keep(connection, news.topic)

    store.writing(work)


def postpone(store: CreditStore, news: News) -> int:
    """It couldn't be told; gives in how many seconds it is tried again."""

    def work(connection: Connection, journal: Journal) -> int:
        progress = _Progress.of(connection, news.topic) or _Progress(told=0)
        pause = PAUSES[min(progress.attempts, len(PAUSES) - 1)]
        due = journal.now + pause * 1_000_000
        replace(progress, due=due, attempts=progress.attempts + 1).keep(connection, news.topic)
        return pause

    return store.writing(work)


def _name(topic: Topic) -> str:
    return f"told {topic.value}"


def _meant(topic: Topic, after: int) -> ColumnElement[bool]:
    if topic is Topic.SLOT_GRANTED:
        return (postings.c.id > after) & (postings.c.kind == Kind.GRANT.value)
    return (registration_events.c.id > after) & (registration_events.c.kind == Event.DISPUTE.value)


def _newest_before(connection: Connection, topic: Topic, since: int) -> int:
    table = postings if topic is Topic.SLOT_GRANTED else registration_events
    newest = select(func.max(table.c.id)).where(_meant(topic, 0), table.c.at < since)
    return int(connection.execute(newest).scalar_one() or 0)


def _newer(connection: Connection, topic: Topic, after: int) -> bool:
    table = postings if topic is Topic.SLOT_GRANTED else registration_events
    return connection.execute(select(table.c.id).where(_meant(topic, after)).limit(1)).first() is not None


def _look(connection: Connection, topic: Topic, after: int) -> News | None:
    table = postings if topic is Topic.SLOT_GRANTED else registration_events
    number, upto = connection.execute(
        select(func.count(), func.max(table.c.id)).where(_meant(topic, after))
    ).one()
    if not number:
        return None
    facts = _slots(connection, after) if topic is Topic.SLOT_GRANTED else _disputes(connection, after)
    return News(topic=topic, facts=facts, more=number - len(facts), upto=upto)


def _slots(connection: Connection, after: int) -> list[Fact]:
    found = connection.execute(
        select(postings.c.at, postings.c.company, postings.c.slot_id)
        .where(_meant(Topic.SLOT_GRANTED, after))
        .order_by(postings.c.id)
        .limit(_MOST)
    )
    return [Fact(at=row.at, company=row.company, what=str(row.slot_id)) for row in found]


def _disputes(connection: Connection, after: int) -> list[Fact]:
    said, about = registration_events.c, registrations.c
    found = connection.execute(
        select(said.at, said.detail, about.company, about.partner, about.external_id)
        .join(registrations, about.id == said.registration_id)
        .where(_meant(Topic.DISPUTE_OPENED, after))
        .order_by(said.id)
        .limit(_MOST)
    )
    return [
        Fact(
            at=row.at,
            company=row.company,
            what=row.external_id,
            partner=row.partner,
            until=json.loads(row.detail).get("until"),
        )
        for row in found
    ]
