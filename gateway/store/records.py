"""Records of open mails: their copies, who has claimed them, and their end (SMTP.md rules 19 to 21).

Every function works inside the transaction of its caller. The row in `mails` is locked first, so that on
PostgreSQL two nodes with the same mail follow each other; SQLite has one writer at a time anyway.
"""

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from gateway.ledger.claims import Life, ProcessMark, claim_holds
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.smtp.reply import Reply
from gateway.store.base import insert_for
from gateway.store.bounded import bounded
from gateway.store.schema import copies, mails, processes
from gateway.store.work import Settle, TakeClaims
from gateway.transaction.ports import CopyIntent, CopyOutcome, OpenMail, PlannedCopy, Standing

_ROWS = 500
_FINAL = (Fate.TAKEN, Fate.REFUSED)

LifeOf = Callable[[ProcessMark], Life]


def find_records(connection: Connection, mail_keys: Iterable[bytes], since: int) -> dict[bytes, OpenMail]:
    """The open records among `mail_keys` that were opened after `since`."""
    wanted = list(dict.fromkeys(mail_keys))
    notices: dict[bytes, Notice | None] = {}
    for start in range(0, len(wanted), _ROWS):
        part = wanted[start : start + _ROWS]
        rows = connection.execute(
            select(mails.c.mail_key, mails.c.notice).where(
                mails.c.mail_key.in_(part), mails.c.opened_at > since
            )
        )
        notices |= {row.mail_key: Notice(row.notice) if row.notice else None for row in rows}
    return {
        key: OpenMail(mail_key=key, copies=_plan(connection, key), notice=notice)
        for key, notice in notices.items()
    }


def _plan(connection: Connection, mail_key: bytes) -> dict[bytes, PlannedCopy]:
    rows = connection.execute(
        select(
            copies.c.person,
            copies.c.linked,
            copies.c.campaign,
            copies.c.rule,
            copies.c.footer,
            copies.c.ruleset,
        ).where(copies.c.mail_key == mail_key)
    )
    return {
        row.person: PlannedCopy(
            person=row.person,
            linked=row.linked,
            campaign=row.campaign,
            rule=row.rule,
            footer=row.footer,
            ruleset=row.ruleset,
        )
        for row in rows
    }


def take_claims(
    connection: Connection,
    work: TakeClaims,
    *,
    process: bytes,
    life_of: LifeOf,
    now: int,
    since: int,
    lease_until: int,
) -> dict[bytes, Outcome | Standing]:
    """Open the record if there is none since `since`, and claim for `process` what is owed and free.

    Gives for each person: the outcome where it is settled, else OURS or ELSEWHERE.
    """
    _open(connection, work.mail_key, now, since)
    known = _known(connection, work.mail_key, life_of, now)
    standings: dict[bytes, Outcome | Standing] = {}
    rows: list[dict[str, object]] = []
    for copy in work.copies:
        if copy.person in standings:
            continue
        standing = standings[copy.person] = known.get(copy.person, Standing.OURS)
        if standing is Standing.OURS:
            rows.append(_row(work.mail_key, copy, process, lease_until))
    rows.sort(key=lambda row: bytes(row["person"]))  # type: ignore[call-overload]  # put in as bytes above
    for start in range(0, len(rows), _ROWS):
        statement = insert_for(connection)(copies).values(rows[start : start + _ROWS])
        renewed = ("linked", "campaign", "rule", "footer", "ruleset", "claimed_by", "lease_until")
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["mail_key", "person"],
                set_={name: statement.excluded[name] for name in renewed},
            )
        )
    return standings


def _open(connection: Connection, mail_key: bytes, now: int, since: int) -> None:
    statement = insert_for(connection)(mails).values(mail_key=mail_key, opened_at=now)
    opened = connection.execute(
        # Changes nothing where the record is there, but locks it.
        statement.on_conflict_do_update(
            index_elements=["mail_key"], set_={"mail_key": statement.excluded.mail_key}
        ).returning(mails.c.opened_at)
    ).scalar_one()
    if opened <= since:
        connection.execute(delete(copies).where(copies.c.mail_key == mail_key))
        connection.execute(
            update(mails).where(mails.c.mail_key == mail_key).values(opened_at=now, notice=None)
        )


def _known(
    connection: Connection, mail_key: bytes, life_of: LifeOf, now: int
) -> dict[bytes, Outcome | Standing]:
    rows = connection.execute(
        select(copies, processes)
        .select_from(copies.outerjoin(processes, processes.c.id == copies.c.claimed_by))
        .where(copies.c.mail_key == mail_key)
        .with_only_columns(
            copies.c.person,
            copies.c.fate,
            copies.c.reply_code,
            copies.c.reply_lines,
            copies.c.claimed_by,
            copies.c.lease_until,
            processes.c.node,
            processes.c.boot,
            processes.c.space,
            processes.c.pid,
            processes.c.started,
        )
    )
    known: dict[bytes, Outcome | Standing] = {}
    for row in rows:
        if row.fate is not None:
            reply = Reply(row.reply_code, tuple(bytes(row.reply_lines).split(b"\n")))
            known[row.person] = Outcome(Fate(row.fate), reply)
        elif row.claimed_by is None:
            known[row.person] = Standing.OURS
        else:
            life = Life.UNKNOWN
            if row.pid is not None:
                mark = ProcessMark(
                    node=row.node, boot=row.boot, space=row.space, pid=row.pid, started=row.started
                )
                life = life_of(mark)
            held = claim_holds(life, lease_until=row.lease_until or 0, now=now)
            known[row.person] = Standing.ELSEWHERE if held else Standing.OURS
    return known


def _row(mail_key: bytes, copy: CopyIntent, process: bytes, lease_until: int) -> dict[str, object]:
    send = copy.send
    return {
        "mail_key": mail_key,
        "person": copy.person,
        "linked": send is not None,
        "campaign": bounded(send.campaign) if send else "",
        "rule": bounded(send.rule) if send else "",
        "footer": bounded(send.footer) if send else "",
        "ruleset": bounded(send.ruleset) if send else "",
        "claimed_by": process,
        "lease_until": lease_until,
    }


_SETTLED = (
    update(copies)
    .where(
        copies.c.mail_key == bindparam("key"),
        copies.c.person == bindparam("who"),
        # What was taken stays taken: a later attempt after a lost lease can't undo it.
        or_(copies.c.fate.is_(None), copies.c.fate != Fate.TAKEN.value),
    )
    .values(
        fate=bindparam("became"),
        reply_code=bindparam("code"),
        reply_lines=bindparam("lines"),
        claimed_by=None,
        lease_until=None,
    )
)
_GIVEN_UP = (
    update(copies)
    .where(
        copies.c.mail_key == bindparam("key"),
        copies.c.person == bindparam("who"),
        copies.c.claimed_by == bindparam("process"),
    )
    .values(claimed_by=None, lease_until=None)
)


def settle(connection: Connection, work: Settle, process: bytes) -> None:
    """Write outcomes and the notice, free what is still owed, delete the record if it is to be closed."""
    _lock(connection, work.mail_key)
    if work.close:
        _close(connection, work)
        return
    latest = {outcome.person: outcome for outcome in work.outcomes}
    final = [_settled_row(work.mail_key, one) for one in latest.values() if one.fate in _FINAL]
    owed = [
        {"key": work.mail_key, "who": one.person, "process": process}
        for one in latest.values()
        if one.fate not in _FINAL
    ]
    if final:
        connection.execute(_SETTLED, final)
    if owed:
        connection.execute(_GIVEN_UP, owed)
    if work.notice in (Notice.TAKEN, Notice.REFUSED):
        connection.execute(
            update(mails).where(mails.c.mail_key == work.mail_key).values(notice=work.notice.value)
        )


def _close(connection: Connection, work: Settle) -> None:
    """End the record; but a copy that another attempt has on the wire at this moment stays known."""
    mine = [one.person for one in work.outcomes]
    over = or_(copies.c.claimed_by.is_(None), copies.c.person.in_(mine))
    connection.execute(delete(copies).where(copies.c.mail_key == work.mail_key, over))
    left = exists().where(copies.c.mail_key == work.mail_key)
    connection.execute(delete(mails).where(mails.c.mail_key == work.mail_key, ~left))


def _settled_row(mail_key: bytes, outcome: CopyOutcome) -> dict[str, object]:
    return {
        "key": mail_key,
        "who": outcome.person,
        "became": outcome.fate.value,
        "code": outcome.reply.code,
        "lines": b"\n".join(line.replace(b"\n", b" ") for line in outcome.reply.lines),
    }


def give_back_claims(
    connection: Connection, work: TakeClaims, persons: Sequence[bytes], *, process: bytes
) -> None:
    """Free claims that nobody waited for; a record in which then nothing has happened yet is deleted."""
    _lock(connection, work.mail_key)
    rows = [{"key": work.mail_key, "who": person, "process": process} for person in persons]
    if rows:
        connection.execute(_GIVEN_UP, rows)
    touched = exists().where(
        and_(
            copies.c.mail_key == work.mail_key,
            or_(copies.c.fate.is_not(None), copies.c.claimed_by.is_not(None)),
        )
    )
    if not connection.execute(select(touched)).scalar_one():
        _delete(connection, work.mail_key)


def _lock(connection: Connection, mail_key: bytes) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(select(mails.c.mail_key).where(mails.c.mail_key == mail_key).with_for_update())


def _delete(connection: Connection, mail_key: bytes) -> None:
    connection.execute(delete(copies).where(copies.c.mail_key == mail_key))
    connection.execute(delete(mails).where(mails.c.mail_key == mail_key))


def expire_records(connection: Connection, since: int) -> None:
    """Forget the records that were opened before `since`."""
    old = select(mails.c.mail_key).where(mails.c.opened_at <= since)
    connection.execute(delete(copies).where(copies.c.mail_key.in_(old)))
    connection.execute(delete(mails).where(mails.c.opened_at <= since))
