"""What the public link asks for, on a connection of its own: sends by token, opt-outs, clicks in batches.

A `LinkDesk` belongs to one thread. Look-ups are one prepared statement on a connection that stays open: far
below a millisecond. Clicks never touch credit.
"""

import hmac
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Update, insert, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.ledger.contract import CampaignTerms, Programme
from gateway.ledger.identity import PersonKeys
from gateway.store.closing import Closing
from gateway.store.credit_schema import clicks
from gateway.store.database import Database, faults_as_ledger_faults, now_at
from gateway.store.left_alone import left_alone
from gateway.store.migrate import require_current
from gateway.store.parts import parts
from gateway.store.sends import write_intents
from gateway.store.statements import ThroughSqlalchemy, ToSqlite, listed
from gateway.transaction.ports import SendIntent

#: So many links are given by one look at the ledger.
_TOGETHER = 200

_FIND = (
    "SELECT campaign, company, partner, intended_at, accepted_at, state, origin FROM sends WHERE token = ?"
)
_ISSUED = (
    "UPDATE sends SET origin = 'issue', state = 'unknown', reply = 'given to another system'"
    " WHERE mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)"
)
_FIND_ALL = (
    "SELECT campaign, company, partner, intended_at, accepted_at, state, origin, token FROM sends"
    " WHERE token IN {marks}"
)
_NOBODY: Mapping[bytes, int] = MappingProxyType({})
_SUPPRESSED = "SELECT 1 FROM suppressions WHERE hash = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a token leads. Times are microseconds on the database's clock."""

    token: bytes
    campaign: str
    company: str
    partner: str
    sent_at: int
    accepted_at: int | None
    state: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A visit to a link. `place` is a keyed hash of the network that it came from, never an address."""

    token: bytes
    at: int
    label: str
    place: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A link that an ATS is to put into a mail of its own.

    `reference` is the ATS's id of the mail or application: the same one for the same person and campaign gets
    the same link.
    """

    address: str
    campaign: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The answer: a token, or the reason why there is none.

    That is ``own-address``, ``excluded``, ``suppressed``, ``frequency``, or ``no-company``: there are several
    companies, and the campaign is none of theirs.
    """

    wanted: Wanted
    token: bytes | None
    reason: str = ""


class LinkDesk(Closing):
    """Look-ups and writes for links. A context manager."""

    def __init__(self, url: str, *, wait_seconds: float = 5.0) -> None:
        """Say where the ledger is; it is opened at the first use, and again after a fault."""
        self._database = Database(url)
        self._wait = wait_seconds
        self._reader: Connection | None = None
        self._writer: Connection | None = None

    def close(self) -> None:
        """Disconnect."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.invalidate()
                connection.close()
        self._reader = self._writer = None

    def find(self, token: bytes) -> Link | None:
        """The send with this token.

        Raises:
            LedgerFault: the ledger can't be read.
        """
        connection = self._reading()
        with faults_as_ledger_faults(self._database):
            try:
                with connection.begin():
                    row = next(iter(ThroughSqlalchemy(connection).run(_FIND, (token,))), None)
            except SQLAlchemyError:
                self.close()
                raise
        return None if row is None else _link(token, row)

    def find_all(self, tokens: Sequence[bytes]) -> dict[bytes, Link]:
        """`find` for some (a hundred at most) in one transaction; those that there are.

        Raises:
            LedgerFault: the ledger can't be read.
        """
        connection = self._reading()
        marks, values = listed(tokens)
        statement = _FIND_ALL.format(marks=marks)
        with faults_as_ledger_faults(self._database):
            try:
                raw = connection.connection.driver_connection
                if isinstance(raw, sqlite3.Connection):
                    # A statement is a transaction of its own there, and what lies above the driver costs ten
                    # times what it does.
                    rows = list(ToSqlite(raw).run(statement, values))
                else:
                    with connection.begin():
                        rows = list(ThroughSqlalchemy(connection).run(statement, values))
            except (SQLAlchemyError, sqlite3.Error):
                self.close()
                raise
        return {bytes(row[7]): _link(bytes(row[7]), row) for row in rows}

    def log_clicks(self, batch: Sequence[Click], crowded: Mapping[bytes, int] = _NOBODY) -> None:
        """Write clicks, many at once.

        Args:
            batch: in any order.
            crowded: places that turned out to follow many links: what looked human from there since then
                (microseconds; the earliest of them) was none.

        Raises:
            LedgerFault: they are not written.
        """
        if not batch and not crowded:
            return
        connection = self._writing()
        rows = [
            {"at": click.at, "token": click.token, "label": click.label[:16], "place": click.place}
            for click in batch
        ]
        with faults_as_ledger_faults(self._database):
            try:
                with connection.begin():
                    if rows:
                        connection.execute(insert(clicks), rows)
                    if crowded:
                        connection.execute(_relabelled(crowded))
            except SQLAlchemyError:
                self.close()
                raise

    def is_suppressed(self, person: bytes) -> bool:
        """Whether this person (the hash that the mail path has) wants no links."""
        connection = self._reading()
        with faults_as_ledger_faults(self._database), connection.begin():
            return is_suppressed(connection, person)

    def issue(
        self,
        wanted: Sequence[Wanted],
        *,
        programme: Programme,
        keys: PersonKeys,
        mail_key: bytes,
        refuse: Callable[[str], str],
        sender: str = "",
        frequency_days: int = 0,
        keep_plain: bool = False,
    ) -> list[Given]:
        """Give links for mails that never pass the gateway, into the same ledger, by the same rules.

        Args:
            wanted: for whom; answers come in this order.
            programme: campaigns and whose they are.
            keys: for the hashes of addresses.
            mail_key: the key of mail keys.
            refuse: the reason why an address gets none by the config (own domains, exclude list), or empty.
            sender: who asked, for the ledger.
            frequency_days: one link a person in so many days; 0 is off.
            keep_plain: keep addresses in plain text too.

        Raises:
            LedgerFault: none is written.
        """
        connection = self._writing()
        with faults_as_ledger_faults(self._database):
            try:
                with connection.begin():
                    return [
                        answer
                        for part in parts(wanted, _TOGETHER)
                        for answer in _issue(
                            connection,
                            part,
                            programme=programme,
                            keys=keys,
                            mail_key=mail_key,
                            refuse=refuse,
                            sender=sender,
                            frequency_days=frequency_days,
                            keep_plain=keep_plain,
                        )
                    ]
            except SQLAlchemyError:
                self.close()
                raise

    def _reading(self) -> Connection:
        if self._reader is None:
            with faults_as_ledger_faults(self._database):
                self._reader = self._database.reader(self._wait).connect()
                require_current(self._reader, self._database.name)
                self._reader.rollback()
        return self._reader

    def _writing(self) -> Connection:
        if self._writer is None:
            with faults_as_ledger_faults(self._database):
                self._writer = self._database.writer(self._wait).connect()
                with self._writer.begin():
                    require_current(self._writer, self._database.name)
        return self._writer


def _relabelled(crowded: Mapping[bytes, int]) -> Update:
    """One look through the clicks of the time, however many places there are."""
    places = list(crowded)
    return (
        update(clicks)
        .where(clicks.c.at >= min(crowded.values()), clicks.c.label == "human", clicks.c.place.in_(places))
        .values(label="crowd")
    )


def _link(token: bytes, row: Any) -> Link:  # noqa: ANN401 - a row of either driver
    return Link(
        token=token,
        campaign=row[0],
        company=row[1],
        partner=row[2],
        sent_at=row[3],
        accepted_at=row[4],
        state=row[5],
        origin=row[6],
    )


def is_suppressed(connection: Connection, person: bytes) -> bool:
    """Whether this person wants no links: one look into a primary key."""
    return next(iter(ThroughSqlalchemy(connection).run(_SUPPRESSED, (person,))), None) is not None


def _issue(
    connection: Connection,
    wanted: Sequence[Wanted],
    *,
    programme: Programme,
    keys: PersonKeys,
    mail_key: bytes,
    refuse: Callable[[str], str],
    sender: str,
    frequency_days: int,
    keep_plain: bool,
) -> list[Given]:
    now = now_at(connection)
    statements = ThroughSqlalchemy(connection)
    intents: list[SendIntent] = []
    reasons: list[str] = []
    for one in wanted:
        campaign = programme.campaign(one.campaign)
        reasons.append(refuse(one.address) if campaign else "no-company")
        terms = campaign or CampaignTerms(id=one.campaign)
        said = f"issue\0{one.campaign}\0{one.reference}".encode("utf-8", "backslashreplace")
        intents.append(
            SendIntent(
                mail_key=hmac.digest(mail_key, said, "sha256"),
                person=keys.address(one.address),
                token=secrets.token_bytes(16),
                sender=sender,
                campaign=one.campaign,
                rule="",
                footer="",
                ruleset="",
                message_id="",
                route="",
                address=one.address if keep_plain else None,
                frequency_days=frequency_days,
                company=terms.company,
                partner=terms.partner,
                matching=keys.matching_hashes(terms.partner, one.address),
            )
        )
    asked = [intent for intent, reason in zip(intents, reasons, strict=True) if not reason]
    left = left_alone(statements, asked, now) if asked else {}
    written = [intent for intent in asked if (intent.person, intent.mail_key) not in left]
    issued = iter(write_intents(statements, written, now) if written else ())
    for intent in written:
        statements.run(_ISSUED, (intent.mail_key, intent.person))
    answers: list[Given] = []
    for one, intent, reason in zip(wanted, intents, reasons, strict=True):
        why = left.get((intent.person, intent.mail_key)) if not reason else None
        if reason or why is not None:
            answers.append(Given(wanted=one, token=None, reason=reason or (why.value if why else "")))
        else:
            answers.append(Given(wanted=one, token=next(issued).token))
    return answers
