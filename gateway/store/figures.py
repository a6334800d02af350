"""Figures over a month: the circle, and what a statement says. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, select

from gateway.ledger.books import Account, Balance, Kind, balance
from gateway.ledger.contract import DAY, Programme
from gateway.ledger.months import month_bounds, month_of
from gateway.store.credit.people import COMPLAINT
from gateway.store.credit_schema import audit, clicks, entries, postings, registrations, suppressions
from gateway.store.flat import iso
from gateway.store.journal import sums
from gateway.store.rollout_schema import observations
from gateway.store.schema import sends

#: From when to when (not included), in microseconds.
Span = tuple[int, int]
EVER: Span = (0, 1 << 62)
#: Five days are usual, and what takes a month has long been told to the sender as a failure.
_LONGEST_RETRY = 31 * DAY


def _within(column: "ColumnElement[int]", span: Span) -> "ColumnElement[bool]":
    return and_(column >= span[0], column < span[1])


def _count(connection: Connection, counted: "ColumnElement[int]", *conditions: "ColumnElement[bool]") -> int:
    return int(connection.execute(select(counted).where(*conditions)).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """From rejections to hires, in the order in which it goes.

    `circle` (採用循環数) is placements elsewhere and slots used. `rejections_seen` is what the rules have put
    down of the mails that they took for rejections, which is dropped under load and after a while. `opt_outs`
    are of all companies together, and each of a person. `complaints` are those that somebody has noted
    (`careerrelay suppress add --complaint`), since they go to the company or the mailbox provider: one a
    person, with the company whose link they had last (with all, where that isn't known any more).
    """

    rejections_seen: int
    links: int
    links_delivered: int
    clicks: int
    human_clicks: int
    registrations: int
    counted: int
    slots_granted: int
    slots_used: int
    placements_elsewhere: int
    circle: int
    opt_outs: int
    complaints: int


def circle(connection: Connection, companies: Sequence[str], span: Span) -> Circle:
    """The figures of these companies, by the moments at which things happened."""
    mine = sends.c.company.in_(companies)
    visited = select(sends.c.id).where(sends.c.token == clicks.c.token, mine).exists()
    # A registration that no send is known for is nobody's yet; it is seen with all companies together.
    whose = registrations.c.company.in_([*companies, ""])
    booked = _booked(connection, companies, span)
    used = booked.get(Kind.USE, 0) - booked.get(Kind.RETURN, 0)
    placed = _count(
        connection,
        func.count(),
        registrations.c.placed_at.is_not(None),
        whose,
        _within(registrations.c.placed_at, span),
    )
    return Circle(
        rejections_seen=_count(
            connection,
            func.count(observations.c.mail.distinct()),
            observations.c.matched,
            _within(observations.c.at, span),
        ),
        links=_count(connection, func.count(sends.c.id), mine, _within(sends.c.intended_at, span)),
        links_delivered=_count(
            connection,
            func.count(sends.c.id),
            mine,
            _within(sends.c.accepted_at, span),
            # What is taken was intended before, and no sender tries for longer: this has an index.
            _within(sends.c.intended_at, (span[0] - _LONGEST_RETRY, span[1])),
        ),
        clicks=_count(connection, func.count(clicks.c.id), visited, _within(clicks.c.at, span)),
        human_clicks=_count(
            connection,
            func.count(clicks.c.token.distinct()),
            visited,
            clicks.c.label == "human",
            _within(clicks.c.at, span),
        ),
        registrations=_count(
            connection, func.count(registrations.c.id), whose, _within(registrations.c.registered_at, span)
        ),
        counted=_count(
            connection,
            func.count(registrations.c.id),
            registrations.c.company.in_(companies),
            registrations.c.counts,
            _within(registrations.c.registered_at, span),
        ),
        slots_granted=booked.get(Kind.GRANT, 0) - booked.get(Kind.TAKE_BACK, 0),
        slots_used=used,
        placements_elsewhere=placed,
        circle=placed + used,
        opt_outs=_count(connection, func.count(suppressions.c.at), _within(suppressions.c.at, span)),
        complaints=_count(
            connection,
            func.count(audit.c.id),
            audit.c.action == COMPLAINT,
            audit.c.company.in_([*companies, ""]),
            _within(audit.c.at, span),
        ),
    )


def _booked(connection: Connection, companies: Sequence[str], span: Span) -> dict[Kind, int]:
    """How often each kind of thing was posted."""
    counted = (
        select(postings.c.kind, func.count())
        .where(postings.c.company.in_(companies), _within(postings.c.at, span))
        .group_by(postings.c.kind)
    )
    return {Kind(kind): int(number) for kind, number in connection.execute(counted)}


# --- statement --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What one kind of posting came to in the month.

    `referrals` came or went, `prior` of them about earlier months; `spent` is what slots cost (below nought:
    what those that were taken back gave back).
    """

    kind: str
    count: int
    referrals: int
    prior: int
    spent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One referral (or reversal, or correction) of the month."""

    kind: str
    recorded_at: str | None
    effective_at: str | None
    registration: str
    campaign: str
    department: str
    referrals: int
    prior: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A month of a company's books, by the moment of recording: it never changes once the month is over.

    `head` is the number and the hash of the last posting of the month: whoever has signed it can tell later
    whether the books are still those.
    """

    company: str
    company_name: str
    partner: str
    month: str
    opening: Balance
    closing: Balance
    movements: tuple[Movement, ...]
    campaigns: tuple[tuple[str, str, int], ...]
    items: tuple[Item, ...]
    head: tuple[int, str]
    provisional: bool


_ITEMS = (Kind.COUNT.value, Kind.UNCOUNT.value, Kind.ADJUST.value)


def statement(
    connection: Connection, programme: Programme, company: str, month: str, *, now: int
) -> Statement:
    """What was recorded for a company in a month (Japanese time)."""
    span = month_bounds(month)
    terms = programme.company(company)
    gained = and_(entries.c.posting_id == postings.c.id, entries.c.account == Account.UNSPENT.value)
    rows = connection.execute(
        select(postings, entries.c.amount, registrations.c.external_id)
        .outerjoin(entries, gained)
        .outerjoin(registrations, registrations.c.id == postings.c.registration_id)
        .where(postings.c.company == company, _within(postings.c.at, span))
        .order_by(postings.c.id)
    ).all()
    movements: dict[str, list[int]] = {}
    campaigns: dict[tuple[str, str], int] = {}
    items: list[Item] = []
    for row in rows:
        prior = row.effective_at < span[0]
        amount = row.amount or 0
        total = movements.setdefault(row.kind, [0, 0, 0])
        total[0] += 1
        total[1] += amount
        total[2] += amount if prior else 0
        if row.kind in _ITEMS:
            place = (row.campaign, row.department)
            campaigns[place] = campaigns.get(place, 0) + amount
            items.append(
                Item(
                    kind=row.kind,
                    recorded_at=iso(row.at),
                    effective_at=iso(row.effective_at),
                    registration=row.external_id or "",
                    campaign=row.campaign,
                    department=row.department,
                    referrals=amount,
                    prior=prior,
                    reason=row.reason,
                )
            )
    last = connection.execute(
        select(postings.c.id, postings.c.hash)
        .where(postings.c.at < span[1])
        .order_by(postings.c.id.desc())
        .limit(1)
    ).first()

    def at(moment: int) -> Balance:
        return balance(sums(connection, [company], until=moment), terms.contract_at(moment).ratio)

    return Statement(
        company=company,
        company_name=terms.name,
        partner=terms.partner,
        month=month,
        opening=at(span[0] - 1),
        closing=at(span[1] - 1),
        movements=tuple(
            _movement(kind, *found) for kind in Kind if (found := movements.get(kind.value)) is not None
        ),
        campaigns=tuple(
            (campaign, department, total) for (campaign, department), total in sorted(campaigns.items())
        ),
        items=tuple(items),
        head=(last.id, bytes(last.hash).hex()) if last else heads_before(),
        provisional=month_of(now) <= month,
    )


def _movement(kind: Kind, count: int, gained: int, prior: int) -> Movement:
    """`gained`, and `prior` of it, is what went to the referrals that are not spent."""
    if kind.value in _ITEMS:
        return Movement(kind=kind.value, count=count, referrals=gained, prior=prior, spent=0)
    return Movement(kind=kind.value, count=count, referrals=0, prior=0, spent=-gained)


def heads_before() -> tuple[int, str]:
    """The head of books in which nothing is posted yet."""
    return 0, bytes(32).hex()
