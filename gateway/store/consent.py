"""What is too much for one person waits until somebody else says yes.

Who asks leaves a line in the audit chain (``ask``), with all that is to be done; who says yes does it, and
leaves another (``confirm``) in the same transaction. So nothing is done twice, or otherwise than it was asked
for, and who asked and who agreed stands where nobody can change it unseen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from gateway.errors import GatewayError
from gateway.ledger.contract import DAY
from gateway.store.bounded import bounded
from gateway.store.credit_schema import audit
from gateway.store.journal import Journal

#: How long what was asked for waits.
WAITS_DAYS = 7
#: What `audit.detail` holds.
_LONGEST = 1_000
ASK, CONFIRM = "ask", "confirm"

Value = str | int | None


class WantsSecond(GatewayError):
    """It is more than one operator may do alone; nothing was done. The text says what is."""


class NoRequest(GatewayError):
    """Nothing of that number waits for a yes; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is to be done: the name of it, for which company, and the rest."""

    action: str
    company: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for.

    Attributes:
        number: that of its line in the audit chain.
        at: when, in microseconds.
        operator: who asked, as it is recorded.
        login: whose account that was: its id, and that of the login where there is one.
        deed: what it is.
    """

    number: int
    at: int
    operator: str
    login: tuple[int, int | None]
    deed: Deed


def ask(
    connection: Connection,
    journal: Journal,
    deed: Deed,
    login: tuple[int, int | None],
) -> int:
    """Note what is asked for; gives its number. The same that waits already is not noted again.

    Raises:
        NoRequest: its words are too many.
    """
    for one in waiting(connection, journal.now):
        if one.operator == bounded(journal.operator) and one.deed == deed:
            return one.number
    detail = json.dumps(
        {"do": deed.action, "login": login, "values": deed.values}, ensure_ascii=False, sort_keys=True
    )
    if len(detail) > _LONGEST:
        raise NoRequest(f"this can't wait for a second operator: say it in {_LONGEST // 2} characters")
    return journal.audit(ASK, detail, company=deed.company)


def waiting(connection: Connection, now: int) -> list[Request]:
    """What waits for a yes, oldest first."""
    rows = connection.execute(
        select(audit)
        .where(audit.c.at > now - WAITS_DAYS * DAY, audit.c.action.in_((ASK, CONFIRM)))
        .order_by(audit.c.id)
    ).all()
    done = {row.detail for row in rows if row.action == CONFIRM}
    return [_request(row) for row in rows if row.action == ASK and _done(row.id) not in done]


def find(connection: Connection, now: int, number: int) -> Request:
    """What waits under that number.

    Raises:
        NoRequest: nothing does.
    """
    for one in waiting(connection, now):
        if one.number == number:
            return one
    raise NoRequest(
        f"nothing waits under the number {number}: it is confirmed, older than {WAITS_DAYS} days, or none"
    )


def confirm(connection: Connection, journal: Journal, number: int) -> None:
    """Note that somebody said yes, in the transaction in which it is done.

    Raises:
        NoRequest: somebody did already, or it is too old.
    """
    found = find(connection, journal.now, number)
    journal.audit(CONFIRM, _done(number), company=found.deed.company)


def _done(number: int) -> str:
    return f"request {number}"


def _request(row: "Row[tuple[object, ...]]") -> Request:
    said = json.loads(row.detail)
    uid, login = said["login"]
    return Request(
        number=row.id,
        at=row.at,
        operator=row.operator,
        login=(uid, login),
        deed=Deed(action=said["do"], company=row.company, values=said["values"]),
    )
