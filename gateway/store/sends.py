"""Writing sends: intents and their outcomes, many in one statement.

These are the statements of every rejection mail, so they are prepared text, not compiled expressions. The
text is the same for SQLite and PostgreSQL but for the mark of a parameter.
"""

import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy import Connection

from gateway.store.bounded import bounded
from gateway.store.marks import mark_of, marked
from gateway.store.people import write_matching
from gateway.transaction.ports import Issued, SendIntent, SendOutcome, SendState

#: Rows of one statement: 21 columns stay far below SQLite's 32,766 parameters and PostgreSQL's 65,535.
_ROWS = 256

#: Octets of a person's reference that are random; six more are the time, so that it is 16 in all.
_REF_RANDOM = 10

_PEOPLE = ("hash", "ref", "address")
_SENDS = (
    "token",
    "mail_key",
    "person_ref",
    "campaign",
    "rule",
    "footer",
    "ruleset",
    "sender",
    "message_id",
    "route",
    "forced",
    "attempts",
    "put_off",
    "state",
    "reply",
    "host",
    "intended_at",
    "attempted_at",
    "company",
    "partner",
    "footer_hash",
)

# Both branches of the person's row give it back, and hold it until the commit: it can't be erased in between.
_PEOPLE_TAIL = (
    "ON CONFLICT (hash) DO UPDATE SET address = COALESCE(excluded.address, people.address)"
    " RETURNING hash, ref"
)
# Once a copy with the link was taken, the row keeps what that copy carried.
_KEPT = ("campaign", "rule", "footer", "ruleset", "route", "forced", "company", "partner", "footer_hash")
_SENDS_TAIL = (
    "ON CONFLICT (person_ref, mail_key) DO UPDATE SET "
    + ", ".join(
        f"{name} = CASE WHEN sends.accepted_at IS NULL THEN excluded.{name} ELSE sends.{name} END"
        for name in _KEPT
    )
    + ", attempts = sends.attempts + excluded.attempts, state = excluded.state"
    + ", attempted_at = excluded.attempted_at"
    + ", reply = excluded.reply, host = excluded.host, settled_at = NULL"
    + " RETURNING mail_key, person_ref, token, attempts, put_off"
)

_OUTCOME = (
    "UPDATE sends SET state = ?, reply = ?, host = ?, settled_at = ?, put_off = put_off + ?,"
    " accepted_at = COALESCE(accepted_at, ?)"
    " WHERE mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
)
_HAS_SEND = "SELECT 1 FROM sends WHERE mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
# Only where nobody has intended it again since.
_TAKE_BACK = (
    "UPDATE sends SET state = ?, reply = ?, settled_at = ? WHERE state = ? AND attempts = ?"
    " AND mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
)
_TOO_LATE = "the ledger answered too late: not sent with this link"


@lru_cache(maxsize=2 * _ROWS)
def _insert(table: str, rows: int, mark: str) -> str:
    columns, tail = (_PEOPLE, _PEOPLE_TAIL) if table == "people" else (_SENDS, _SENDS_TAIL)
    row = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} {tail}"  # noqa: S608 - all constants


def write_intents(connection: Connection, intents: Sequence[SendIntent], now: int) -> list[Issued]:
    """Insert the intents, or find the sends of earlier attempts; answers in the order of `intents`.

    The same send twice is one row, and the second one's answer counts the first as an attempt before it.
    """
    # In the order of the keys, so that two writers who meet on PostgreSQL wait for each other in one
    # direction only.
    counts: dict[tuple[bytes, bytes], int] = {}
    chosen: dict[tuple[bytes, bytes], SendIntent] = {}
    for intent in intents:
        key = (intent.person, intent.mail_key)
        counts[key] = counts.get(key, 0) + 1
        chosen.setdefault(key, intent)
    keys = sorted(chosen)
    refs = _people(connection, [chosen[key] for key in keys], now)
    matching = {
        (key_id, value): refs[one.person] for one in chosen.values() for key_id, value in one.matching
    }
    if matching:
        write_matching(connection, matching)
    found: dict[tuple[bytes, bytes], tuple[bytes, int, int]] = {}
    mark = mark_of(connection)
    forced = _truth(connection)
    for start in range(0, len(keys), _ROWS):
        part = keys[start : start + _ROWS]
        values: list[object] = []
        for key in part:
            one = chosen[key]
            values += (
                one.token,
                one.mail_key,
                refs[one.person],
                bounded(one.campaign),
                bounded(one.rule),
                bounded(one.footer),
                bounded(one.ruleset),
                bounded(one.sender),
                bounded(one.message_id),
                bounded(one.route),
                forced[one.forced],
                counts[key],
                0,
                "intended",
                "",
                "",
                now,
                now,
                one.company,
                one.partner,
                one.footer_hash,
            )
        for row in connection.exec_driver_sql(_insert("sends", len(part), mark), tuple(values)):
            found[row[1], row[0]] = (row[2], row[3], row[4])
    return _answers(intents, counts, refs, found)


def _answers(
    intents: Sequence[SendIntent],
    counts: dict[tuple[bytes, bytes], int],
    refs: dict[bytes, bytes],
    found: dict[tuple[bytes, bytes], tuple[bytes, int, int]],
) -> list[Issued]:
    answers: list[Issued] = []
    for intent in intents:
        key = (intent.person, intent.mail_key)
        token, attempts, put_off = found[refs[intent.person], intent.mail_key]
        answers.append(Issued(token=token, attempts=attempts - counts[key], put_off=put_off))
        counts[key] -= 1
    return answers


def _people(connection: Connection, intents: Sequence[SendIntent], now: int) -> dict[bytes, bytes]:
    addresses: dict[bytes, str | None] = {}
    for intent in intents:
        addresses[intent.person] = intent.address or addresses.get(intent.person)
    mark = mark_of(connection)
    moment = (now // 1000).to_bytes(6, "big")
    people = list(addresses.items())
    refs: dict[bytes, bytes] = {}
    for start in range(0, len(people), _ROWS):
        part = people[start : start + _ROWS]
        values: list[object] = []
        random = secrets.token_bytes(_REF_RANDOM * len(part))
        for number, (person, address) in enumerate(part):
            rest = random[number * _REF_RANDOM : (number + 1) * _REF_RANDOM]
            values += (person, moment + rest, bounded(address) if address is not None else None)
        for row in connection.exec_driver_sql(_insert("people", len(part), mark), tuple(values)):
            refs[row[0]] = row[1]
    return refs


def _truth(connection: Connection) -> tuple[object, object]:
    """False and True as the driver wants them in text that nobody compiles."""
    return (0, 1) if connection.dialect.name == "sqlite" else (False, True)


def write_outcomes(connection: Connection, outcomes: Sequence[SendOutcome], now: int) -> list[SendOutcome]:
    """Write what became of sends; gives those that no intent was found for.

    The last of several for one send counts; callers keep them apart.
    """
    if not outcomes:
        return []
    rows = [
        (
            one.state.value,
            bounded(one.reply),
            bounded(one.host),
            now,
            1 if one.counts_as_put_off else 0,
            now if one.state is SendState.ACCEPTED else None,
            one.mail_key,
            one.person,
        )
        for one in sorted(outcomes, key=lambda outcome: (outcome.person, outcome.mail_key))
    ]
    done = connection.exec_driver_sql(marked(_OUTCOME, connection), rows)
    if done.rowcount == len(rows):
        return []
    return [one for one in outcomes if not _has_send(connection, one)]


def _has_send(connection: Connection, outcome: SendOutcome) -> bool:
    statement = marked(_HAS_SEND, connection)
    return connection.exec_driver_sql(statement, (outcome.mail_key, outcome.person)).first() is not None


def take_back(connection: Connection, sends: Iterable[tuple[SendIntent, Issued]], now: int) -> None:
    """Say of intents that nobody waited for any more that nothing was sent with their links."""
    rows = [
        (
            SendState.UNLINKED.value,
            _TOO_LATE,
            now,
            "intended",
            issued.attempts + 1,
            intent.mail_key,
            intent.person,
        )
        for intent, issued in sorted(sends, key=lambda pair: (pair[0].person, pair[0].mail_key))
        if issued.left is None
    ]
    if rows:
        connection.exec_driver_sql(marked(_TAKE_BACK, connection), rows)
