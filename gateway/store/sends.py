"""Writing sends: intents and their outcomes, many in one statement.

These are the statements of every rejection mail, so they are prepared text, not compiled expressions. The
text is the same for SQLite and PostgreSQL (`gateway.store.statements`).
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache

from gateway.store.bounded import all_bounded, bounded
from gateway.store.people import write_matching
from gateway.store.statements import Statements
from gateway.transaction.ports import Issued, SendIntent, SendOutcome, SendState

#: Rows of one statement: 21 columns stay far below SQLite's 32,766 parameters and PostgreSQL's 65,535, and
#: the text of a statement is read in less time than its rows take.
_ROWS = 64
#: Up to so many rows are one statement, whatever their number; above, it is a multiple of `_STEP`.
_FEW, _STEP = 24, 8

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

_PEOPLE_NEW = "ON CONFLICT (hash) DO NOTHING"
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
_IS_RECORDED = "SELECT 1 FROM copies WHERE mail_key = ? AND person = ?"
_HAS_SEND = "SELECT 1 FROM sends WHERE mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
# Only where nobody has intended it again since.
_TAKE_BACK = (
    "UPDATE sends SET state = ?, reply = ?, settled_at = ? WHERE state = ? AND attempts = ?"
    " AND mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
)
_TOO_LATE = "the ledger answered too late: not sent with this link"


@lru_cache(maxsize=128)
def _insert(table: str, rows: int, tail: str) -> str:
    columns = _PEOPLE if table == "people" else _SENDS
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} {tail}"  # noqa: S608 - all constants


def _portions(count: int) -> Iterator[tuple[int, int]]:
    """Start and end of the statements for so many rows: nearly always one.

    A few sizes instead of any, so that the text of each is among those that the connection keeps prepared;
    but few statements, since around each one the event loop and this thread change places several times.
    """
    start = 0
    while start < count:
        size = min(_ROWS, count - start)
        if size > _FEW:
            size -= size % _STEP
        yield start, start + size
        start += size


def write_intents(statements: Statements, intents: Sequence[SendIntent], now: int) -> list[Issued]:
    """Insert the intents, or find the sends of earlier attempts; answers in the order of `intents`.

    The same send twice is one row, and the second one's answer counts the first as an attempt before it.

    Nearly everybody who is turned down is new to the ledger, and who is new has no send yet: such rows are
    inserted and nothing is read back, which costs one call into the database for many of them. Each row
    that comes back is a call of its own, and for each the event loop and this thread change places.
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
    refs, known = _people(statements, [chosen[key] for key in keys], now)
    matching = {
        (key_id, value): refs[one.person] for one in chosen.values() for key_id, value in one.matching
    }
    if matching:
        write_matching(statements, matching)
    found: dict[tuple[bytes, bytes], tuple[bytes, int, int]] = {}
    fresh = keys if not known else [key for key in keys if key[0] not in known]
    for start, end in _portions(len(fresh)):
        values = _rows(statements, [(chosen[key], counts[key]) for key in fresh[start:end]], refs, now)
        statements.run(_insert("sends", end - start, ""), values)
    for key in fresh:
        found[refs[key[0]], key[1]] = (chosen[key].token, counts[key], 0)
    rest = [key for key in keys if key[0] in known] if known else []
    recorded = {
        key for key in rest if chosen[key].alone and list(statements.run(_IS_RECORDED, (key[1], key[0])))
    }
    rest = [key for key in rest if key not in recorded] if recorded else rest
    for start, end in _portions(len(rest)):
        values = _rows(statements, [(chosen[key], counts[key]) for key in rest[start:end]], refs, now)
        statement = _insert("sends", end - start, _SENDS_TAIL)
        for row in statements.run(statement, values):
            found[row[1], row[0]] = (row[2], row[3], row[4])
    return _answers(intents, counts, refs, found, recorded)


def _rows(
    statements: Statements, part: Sequence[tuple[SendIntent, int]], refs: dict[bytes, bytes], now: int
) -> tuple[object, ...]:
    values: list[object] = []
    forced = (0, 1) if statements.sqlite else (False, True)
    for one, count in part:
        values += (
            one.token,
            one.mail_key,
            refs[one.person],
            *all_bounded(
                one.campaign,
                one.rule,
                one.footer,
                one.ruleset,
                one.sender,
                one.message_id,
                one.route,
            ),
            forced[one.forced],
            count,
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
    return tuple(values)


def _answers(
    intents: Sequence[SendIntent],
    counts: dict[tuple[bytes, bytes], int],
    refs: dict[bytes, bytes],
    found: dict[tuple[bytes, bytes], tuple[bytes, int, int]],
    recorded: Collection[tuple[bytes, bytes]],
) -> list[Issued]:
    answers: list[Issued] = []
    for intent in intents:
        key = (intent.person, intent.mail_key)
        if key in recorded:
            answers.append(Issued(token=intent.token, attempts=0, put_off=0, recorded=True))
            continue
        token, attempts, put_off = found[refs[intent.person], intent.mail_key]
        answers.append(Issued(token=token, attempts=attempts - counts[key], put_off=put_off))
        counts[key] -= 1
    return answers


def _people(
    statements: Statements, intents: Sequence[SendIntent], now: int
) -> tuple[dict[bytes, bytes], frozenset[bytes]]:
    """The reference of each person, and those who were in the ledger before.

    The rows of all of them are held until the commit: nobody can be erased in between, nor another writer
    add a send of theirs.
    """
    addresses: dict[bytes, str | None] = {}
    for intent in intents:
        addresses[intent.person] = intent.address or addresses.get(intent.person)
    moment = (now // 1000).to_bytes(6, "big")
    random = secrets.token_bytes(_REF_RANDOM * len(addresses))
    refs = {
        person: moment + random[number * _REF_RANDOM : (number + 1) * _REF_RANDOM]
        for number, person in enumerate(addresses)
    }
    people = list(addresses)
    known: set[bytes] = set()
    for start, end in _portions(len(people)):
        part = people[start:end]
        values = _people_values(part, refs, addresses)
        statement = _insert("people", len(part), _PEOPLE_NEW)
        if statements.run(statement, values).rowcount != len(part):
            known |= _known_before(statements, part, refs)
    found = sorted(known)
    for start, end in _portions(len(found)):
        values = _people_values(found[start:end], refs, addresses)
        statement = _insert("people", end - start, _PEOPLE_TAIL)
        for row in statements.run(statement, values):
            refs[row[0]] = row[1]
    return refs, frozenset(known)


def _people_values(
    part: Sequence[bytes], refs: dict[bytes, bytes], addresses: dict[bytes, str | None]
) -> tuple[object, ...]:
    values: list[object] = []
    for person in part:
        address = addresses[person]
        values += (person, refs[person], bounded(address) if address is not None else None)
    return tuple(values)


def _known_before(statements: Statements, part: Sequence[bytes], refs: dict[bytes, bytes]) -> set[bytes]:
    """Those of the people whose row has another reference than the one that was made for them just now."""
    marks = ", ".join("?" * len(part))
    statement = f"SELECT hash, ref FROM people WHERE hash IN ({marks})"  # noqa: S608 - all constants
    return {row[0] for row in statements.run(statement, tuple(part)) if row[1] != refs[row[0]]}


def write_outcomes(statements: Statements, outcomes: Sequence[SendOutcome], now: int) -> list[SendOutcome]:
    """Write what became of sends; gives those that no intent was found for.

    The last of several for one send counts; callers keep them apart.
    """
    if not outcomes:
        return []
    rows = [
        (
            str(one.state),
            *all_bounded(one.reply, one.host),
            now,
            1 if one.counts_as_put_off else 0,
            now if one.state is SendState.ACCEPTED else None,
            one.mail_key,
            one.person,
        )
        for one in sorted(outcomes, key=lambda outcome: (outcome.person, outcome.mail_key))
    ]
    if statements.run_each(_OUTCOME, rows) == len(rows):
        return []
    return [one for one in outcomes if not _has_send(statements, one)]


def _has_send(statements: Statements, outcome: SendOutcome) -> bool:
    return any(True for _ in statements.run(_HAS_SEND, (outcome.mail_key, outcome.person)))


def take_back(statements: Statements, sends: Iterable[tuple[SendIntent, Issued]], now: int) -> None:
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
        statements.run_each(_TAKE_BACK, rows)
