"""What the rules saw in mails, and what people said of it: written in batches, read by commands."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from sqlalchemy import Connection, Row, Select, case, delete, func, insert, select, update

from gateway.store.bounded import bounded
from gateway.store.rollout_schema import observations, reviews
from gateway.store.work import Chore, Here

DAY = 86_400 * 1_000_000
RIGHT, WRONG = "right", "wrong"
_PAGE = 1_000


class Sight(NamedTuple):
    """One mail as it is about to be kept."""

    mail: str
    message_id: str
    sender: str
    rule: str
    ruleset: str
    score: float
    threshold: float
    matched: bool
    reason: str
    hits: str
    snippets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeepSights(Chore):
    """Keep what was seen in mails."""

    sights: tuple[Sight, ...]
    patience: ClassVar[float] = 0.3

    def run(self, connection: Connection, here: Here) -> object:
        """Write them, all in one statement."""
        rows = [
            {
                "at": here.now,
                "mail": bounded(one.mail),
                "message_id": bounded(one.message_id),
                "sender": bounded(one.sender),
                "rule": bounded(one.rule),
                "ruleset": bounded(one.ruleset),
                "score": float(one.score),
                "threshold": float(one.threshold),
                "matched": one.matched,
                "reason": one.reason[:32],
                "hits": one.hits,
                "snippets": _json(one.snippets) if one.snippets else None,
            }
            for one in self.sights
        ]
        if rows:
            connection.execute(insert(observations), rows)
        return None


def _json(texts: Sequence[str]) -> str:
    return json.dumps([bounded(text) for text in texts], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class ForgetSights(Chore):
    """Delete what is older than so many days, and the snippets of what is older than so many."""

    days: int
    snippet_days: int

    def run(self, connection: Connection, here: Here) -> object:
        """Gives how many observations are gone."""
        old = observations.c.at <= here.now - self.days * DAY
        gone = connection.execute(delete(observations).where(old)).rowcount
        read = observations.c.at <= here.now - self.snippet_days * DAY
        connection.execute(
            update(observations).where(read, observations.c.snippets.is_not(None)).values(snippets=None)
        )
        return gone


@dataclass(frozen=True, slots=True)
class WriteReview(Chore):
    """What somebody said of an observation; gives its rule, None where there is no such observation."""

    observation: int
    verdict: str
    operator: str
    note: str
    lasts: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:
        """Append it. The last word on an observation counts."""
        found = connection.execute(
            select(observations.c.rule, observations.c.at).where(observations.c.id == self.observation)
        ).first()
        if found is None:
            return None
        connection.execute(
            insert(reviews).values(
                at=here.now,
                observation=self.observation,
                rule=found.rule,
                observed_at=found.at,
                verdict=self.verdict,
                operator=bounded(self.operator),
                note=bounded(self.note),
            )
        )
        return str(found.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A mail as it was kept. `at` in microseconds since 1970 UTC; `review` is the last word on it, if any."""

    id: int
    at: int
    mail: str
    message_id: str
    sender: str
    rule: str
    ruleset: str
    score: float
    threshold: float
    matched: bool
    reason: str
    hits: str
    snippets: tuple[str, ...]
    review: str | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What people said of a rule's mails: how many they looked at, how many were wrong, over how long."""

    rule: str
    mails: int
    wrong: int
    first_at: int
    last_at: int

    @property
    def days(self) -> float:
        """Between the first and the last of these mails."""
        return (self.last_at - self.first_at) / DAY


def _last_reviews() -> "Select[tuple[int]]":
    return select(func.max(reviews.c.id)).group_by(reviews.c.observation)


def _query() -> "Select[tuple[object, ...]]":
    said = reviews.alias("said")
    return select(observations, said.c.verdict, said.c.note).select_from(
        observations.outerjoin(
            said, (said.c.observation == observations.c.id) & said.c.id.in_(_last_reviews())
        )
    )


def last_observations(
    connection: Connection,
    *,
    last: int,
    matched: bool = True,
    rule: str = "",
    unreviewed: bool = False,
    number: int | None = None,
) -> list[Observation]:
    """The newest, newest first: those that matched, or all in which the rules found something."""
    query = _query().order_by(observations.c.id.desc()).limit(last)
    if matched:
        query = query.where(observations.c.matched.is_(True))
    if rule:
        query = query.where(observations.c.rule == rule)
    if unreviewed:
        query = query.where(observations.c.id.not_in(select(reviews.c.observation)))
    if number is not None:
        query = query.where(observations.c.id == number)
    return [_observation(row) for row in connection.execute(query)]


def all_observations(connection: Connection, since: int) -> Iterator[Observation]:
    """All that are not older, oldest first, page by page."""
    after = 0
    while True:
        query = _query().where(observations.c.id > after, observations.c.at > since)
        page = connection.execute(query.order_by(observations.c.id).limit(_PAGE)).all()
        if not page:
            return
        after = page[-1].id
        yield from map(_observation, page)


def reviewed(connection: Connection, since: int = 0) -> dict[str, Reviewed]:
    """By rule, what people said of mails that came after `since`."""
    query = (
        select(
            reviews.c.rule,
            func.count(),
            func.sum(case((reviews.c.verdict == WRONG, 1), else_=0)),
            func.min(reviews.c.observed_at),
            func.max(reviews.c.observed_at),
        )
        .where(reviews.c.id.in_(_last_reviews()), reviews.c.observed_at > since)
        .group_by(reviews.c.rule)
    )
    return {
        rule: Reviewed(rule=rule, mails=mails, wrong=int(wrong or 0), first_at=first, last_at=last)
        for rule, mails, wrong, first, last in connection.execute(query)
    }


def _observation(row: "Row[tuple[object, ...]]") -> Observation:
    return Observation(
        id=row.id,
        at=row.at,
        mail=row.mail,
        message_id=row.message_id,
        sender=row.sender,
        rule=row.rule,
        ruleset=row.ruleset,
        score=row.score,
        threshold=row.threshold,
        matched=bool(row.matched),
        reason=row.reason,
        hits=row.hits,
        snippets=tuple(json.loads(row.snippets)) if row.snippets else (),
        review=row.verdict,
        note=row.note or "",
    )
