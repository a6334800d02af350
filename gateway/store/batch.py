"""One batch of work in one transaction: the order in which things are done, and what each piece of work gets.

Kind by kind, always in the same order: look-ups, records (in the order of their keys), intents, outcomes,
the rest. Rows of several pieces of work go into common statements, and two writers who need the same rows
ask for them in the same order.
"""

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.ledger.claims import Life, ProcessMark, life_of
from gateway.ledger.controls import RESUME
from gateway.smtp.fold import Outcome
from gateway.store.bounded import bounded
from gateway.store.chores import forget_tallies
from gateway.store.left_alone import left_alone
from gateway.store.process import started_at
from gateway.store.records import expire_records, find_records, give_back_claims, settle, take_claims
from gateway.store.repair import repair_line
from gateway.store.schema import copies, events, meta, processes, refusals
from gateway.store.sends import take_back, write_intents, write_outcomes
from gateway.store.statements import Statements, ThroughSqlalchemy
from gateway.store.work import (
    Chore,
    CountRefusal,
    Find,
    Here,
    Intend,
    KeepHouse,
    Note,
    Probe,
    Settle,
    TakeBackClaims,
    TakeBackIntents,
    TakeClaims,
    Work,
    send_intents,
)
from gateway.transaction.ports import Claim, CopyIntent, Issued, SendIntent, SendOutcome, Standing

#: Rule 15: refusals of links count for ten minutes.
REFUSAL_MICROSECONDS = 600 * 1_000_000
#: More than any page has free, and random, since PostgreSQL compresses what it can.
_PROBE_OCTETS = 16_384

_log = logging.getLogger("careerrelay.ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who works: the writer's own place in the ledger.

    Attributes:
        process: the id of its row in `processes`.
        mark: what tells its process from others.
        lease: how long its claims hold, in microseconds.
        memory: how long a record lives, in microseconds.
        held: by mail and person, the claims that somebody in this process was given and has not settled yet.
    """

    process: bytes
    mark: ProcessMark
    lease: int
    memory: int
    held: set[tuple[bytes, bytes]] = field(default_factory=set)

    def life_of(self, other: ProcessMark) -> Life:
        """Whether that process lives."""
        return life_of(other, self.mark, started_at(other.pid) if other.node == self.mark.node else None)


def perform(connection: Connection, works: Sequence[Work], desk: Desk, now: int) -> list[object]:
    """Do all of `works` in the caller's transaction.

    One result for each (`gateway.store.work` says which).
    """
    if len(works) == 1 and isinstance(works[0], Note):  # by far the commonest batch of a quiet hour
        _write_outcomes(ThroughSqlalchemy(connection), [works[0].outcome], now)
        return [None]
    return _Batch(connection, desk, now).run(works)


def note_claims(works: Sequence[Work], results: Sequence[object], desk: Desk) -> None:
    """What was committed: claims that are somebody's now, and those that are nobody's any more."""
    for work, result in zip(works, results, strict=True):
        match work:
            case TakeClaims(mail_key):
                claims: list[Claim] = result  # type: ignore[assignment]  # what `perform` gives for it
                desk.held.update((mail_key, one.person) for one in claims if one.standing is Standing.OURS)
            case Settle(mail_key, outcomes):
                desk.held.difference_update((mail_key, one.person) for one in outcomes)
            case TakeBackClaims(TakeClaims(mail_key), answers):
                desk.held.difference_update((mail_key, one.person) for one in answers)
            case _:
                pass


def perform_sends(statements: Statements, works: Sequence[Work], now: int) -> list[object]:
    """The same for works that are all in `SENDING`: nothing but the rows of mails for one person each."""
    intents = [intent for work in works if isinstance(work, Intend) for intent in work.intents]
    issued = iter(_issue(statements, intents, now) if intents else ())
    _write_outcomes(statements, [work.outcome for work in works if isinstance(work, Note)], now)
    return [list(islice(issued, len(work.intents))) if isinstance(work, Intend) else None for work in works]


class _Batch:
    """The state of one `perform`.

    What records ask to be written to `sends` is collected and written at once.
    """

    def __init__(self, connection: Connection, desk: Desk, now: int) -> None:
        self.connection = connection
        self.desk = desk
        self.now = now
        self.intents: list[SendIntent] = []
        self.outcomes: list[SendOutcome] = []
        self.taken_back: list[tuple[SendIntent, Issued]] = []

    def run(self, works: Sequence[Work]) -> list[object]:
        results: list[object] = [None] * len(works)
        self._look_up(works, results)
        ours = self._records(works)
        places: dict[int, int] = {}
        for index, work in enumerate(works):
            if isinstance(work, Intend):
                places[index] = len(self.intents)
                self.intents += work.intents
            elif isinstance(work, TakeClaims):
                places[index] = len(self.intents)
                self.intents += [
                    copy.send
                    for copy in _distinct(work)
                    if copy.send is not None and ours[index][copy.person] is Standing.OURS
                ]
            elif isinstance(work, Note):
                self.outcomes.append(work.outcome)
        statements = ThroughSqlalchemy(self.connection)
        issued = _issue(statements, self.intents, self.now) if self.intents else []
        _write_outcomes(statements, self.outcomes, self.now)
        take_back(statements, self.taken_back, self.now)
        for index, work in enumerate(works):
            match work:
                case Intend(intents):
                    start = places[index]
                    results[index] = issued[start : start + len(intents)]
                case TakeClaims():
                    results[index] = _claims(work, ours[index], issued[places[index] :])
                case _:
                    results[index] = results[index] if isinstance(work, Find) else self._other(work)
        return results

    def _look_up(self, works: Sequence[Work], results: list[object]) -> None:
        wanted = {index: work.mail_key for index, work in enumerate(works) if isinstance(work, Find)}
        if wanted:
            found = find_records(self.connection, wanted.values(), self.now - self.desk.memory)
            for index, mail_key in wanted.items():
                results[index] = found.get(mail_key)

    def _records(self, works: Sequence[Work]) -> dict[int, dict[bytes, Outcome | Standing]]:
        found: dict[int, dict[bytes, Outcome | Standing]] = {}
        touching = [(_key_of(work), index, work) for index, work in enumerate(works)]
        for key, index, work in sorted(touching, key=lambda entry: entry[:2]):
            if not key:
                continue
            match work:
                case TakeClaims():
                    found[index] = take_claims(
                        self.connection,
                        work,
                        process=self.desk.process,
                        life_of=self.desk.life_of,
                        now=self.now,
                        since=self.now - self.desk.memory,
                        lease_until=self.now + self.desk.lease,
                    )
                case Settle(_, outcomes):
                    settle(self.connection, work, self.desk.process)
                    sends = {one.send.person: one.send for one in outcomes if one.send is not None}
                    self.outcomes += sends.values()
                case TakeBackClaims(claims, answers):
                    persons = [answer.person for answer in answers if answer.standing is Standing.OURS]
                    give_back_claims(self.connection, claims, persons, process=self.desk.process)
                    self.taken_back += send_intents(claims.copies, answers)
                case _:
                    pass
        return found

    def _other(self, work: Work) -> object:
        match work:
            case TakeBackIntents(intents, issued):
                take_back(ThroughSqlalchemy(self.connection), zip(intents, issued, strict=True), self.now)
            case CountRefusal():
                return self._count_refusal()
            case Chore():
                return work.run(self.connection, Here(self.desk.process, self.desk.mark.node, self.now))
            case KeepHouse():
                keep_house(self.connection, self.desk, self.now)
            case Probe():
                probe(self.connection, self.desk)
            case _:
                pass
        return None

    def _count_refusal(self) -> int:
        self.connection.execute(insert(refusals).values(at=self.now, node=bounded(self.desk.mark.node)))
        # What an operator has seen and ended doesn't pull the brake again.
        resumed = self.connection.execute(
            select(func.max(events.c.at)).where(events.c.kind == RESUME, events.c.subject == "")
        ).scalar_one_or_none()
        since = max(self.now - REFUSAL_MICROSECONDS, resumed or 0)
        counted = select(func.count()).select_from(refusals).where(refusals.c.at > since)
        return int(self.connection.execute(counted).scalar_one())


def _key_of(work: Work) -> bytes:
    match work:
        case TakeClaims(mail_key) | Settle(mail_key) | TakeBackClaims(TakeClaims(mail_key)):
            return mail_key
        case _:
            return b""


def _distinct(work: TakeClaims) -> list[CopyIntent]:
    first: dict[bytes, CopyIntent] = {}
    for copy in work.copies:
        first.setdefault(copy.person, copy)
    return list(first.values())


def _claims(
    work: TakeClaims, standings: dict[bytes, Outcome | Standing], issued: Sequence[Issued]
) -> list[Claim]:
    fresh = iter(issued)
    answers: dict[bytes, Claim] = {}
    for copy in _distinct(work):
        found = standings[copy.person]
        if isinstance(found, Outcome):
            answers[copy.person] = Claim(
                person=copy.person, standing=Standing.SETTLED, issued=None, outcome=found
            )
        else:
            given = next(fresh) if found is Standing.OURS and copy.send is not None else None
            answers[copy.person] = Claim(person=copy.person, standing=found, issued=given, outcome=None)
    return [answers[copy.person] for copy in work.copies]


def _issue(statements: Statements, intents: Sequence[SendIntent], now: int) -> list[Issued]:
    """Write the intents, but for those of people who are to get no link after all."""
    left = left_alone(statements, intents, now)
    if not left:
        return write_intents(statements, intents, now)
    wanted = [intent for intent in intents if (intent.person, intent.mail_key) not in left]
    written = iter(write_intents(statements, wanted, now) if wanted else ())
    answers: list[Issued] = []
    for intent in intents:
        reason = left.get((intent.person, intent.mail_key))
        refused = Issued(token=intent.token, attempts=0, put_off=0, left=reason)
        answers.append(next(written) if reason is None else refused)
    return answers


def _write_outcomes(statements: Statements, outcomes: Sequence[SendOutcome], now: int) -> None:
    for outcome in write_outcomes(statements, outcomes, now):
        _log.warning("outcome without an intent, not in the ledger: %s", repair_line(outcome))


# --- processes --------------------------------------------------------------------------------------------


def enrol(connection: Connection, desk: Desk, now: int) -> None:
    """Write the writer's row, and free the claims of processes of this node that are dead (rule 20).

    And those of its own that nobody here was ever told of: a commit whose answer was lost may have been one
    all the same, and such a claim would hold the mail back until its lease is over.
    """
    mark = desk.mark
    mine = select(processes.c.id).where(processes.c.id == desk.process)
    if connection.execute(mine).first() is None:
        connection.execute(
            insert(processes).values(
                id=desk.process,
                node=bounded(mark.node),
                boot=mark.boot,
                space=mark.space,
                pid=mark.pid,
                started=mark.started,
                opened_at=now,
                seen_at=now,
            )
        )
    else:
        _free_unknown(connection, desk)
    keep_house(connection, desk, now)


def _free_unknown(connection: Connection, desk: Desk) -> None:
    mine = select(copies.c.mail_key, copies.c.person).where(copies.c.claimed_by == desk.process)
    for mail_key, person in connection.execute(mine).all():
        if (bytes(mail_key), bytes(person)) not in desk.held:
            connection.execute(
                update(copies)
                .where(copies.c.mail_key == mail_key, copies.c.person == person)
                .values(claimed_by=None, lease_until=None)
            )


def leave(connection: Connection, desk: Desk) -> None:
    """Take the writer's row and its claims out: a process that ended in order leaves nothing."""
    _free(connection, [desk.process])


def probe(connection: Connection, desk: Desk) -> None:
    """Take some pages more and give them back; fails where there is no room, as a send would."""
    name = f"probe-{desk.process.hex()}"
    connection.execute(insert(meta).values(name=name, value=secrets.token_hex(_PROBE_OCTETS)))
    connection.execute(delete(meta).where(meta.c.name == name))


def keep_house(connection: Connection, desk: Desk, now: int) -> None:
    """Forget what is over: records past their life, old refusals, processes that ended.

    Note that this one lives.
    """
    since = now - desk.memory
    expire_records(connection, since)
    connection.execute(delete(refusals).where(refusals.c.at <= now - 2 * REFUSAL_MICROSECONDS))
    forget_tallies(connection, now)
    gone: list[bytes] = []
    for row in connection.execute(select(processes).where(processes.c.id != desk.process)):
        mark = ProcessMark(node=row.node, boot=row.boot, space=row.space, pid=row.pid, started=row.started)
        if desk.life_of(mark) is Life.DEAD or row.seen_at <= since:
            gone.append(row.id)
    _free(connection, gone)
    connection.execute(update(processes).where(processes.c.id == desk.process).values(seen_at=now))


def _free(connection: Connection, ids: Sequence[bytes]) -> None:
    if ids:
        connection.execute(
            update(copies).where(copies.c.claimed_by.in_(ids)).values(claimed_by=None, lease_until=None)
        )
        connection.execute(delete(processes).where(processes.c.id.in_(ids)))
