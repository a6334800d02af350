"""What the public link asks for, on a connection of its own: sends by token, opt-outs, clicks in batches.

A `LinkDesk` belongs to one thread. Look-ups are one prepared statement on a connection that stays open: far
below a millisecond. Clicks never touch credit.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.ledger.contract import Programme
from gateway.ledger.identity import PersonKeys
from gateway.store.credit_schema import clicks, suppressions
from gateway.store.database import Database, faults_as_ledger_faults, now_at
from gateway.store.marks import marked
from gateway.store.migrate import require_current
from gateway.store.schema import people, sends
from gateway.store.sends import write_intents
from gateway.store.statements import ThroughSqlalchemy
from gateway.transaction.ports import SendIntent

_FIND = (
    "SELECT campaign, company, partner, intended_at, accepted_at, state, origin FROM sends WHERE token = ?"
)
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

    That is ``own-address``, ``excluded``, ``suppressed`` or ``frequency``.
    """

    wanted: Wanted
    token: bytes | None
    reason: str = ""


class LinkDesk:
    """Look-ups and writes for links. A context manager."""

    def __init__(self, url: str, *, wait_seconds: float = 5.0) -> None:
        """Say where the ledger is; it is opened at the first use, and again after a fault."""
        self._database = Database(url)
        self._wait = wait_seconds
        self._reader: Connection | None = None
        self._writer: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
                    row = connection.exec_driver_sql(marked(_FIND, connection), (token,)).first()
            except SQLAlchemyError:
                self.close()
                raise
        if row is None:
            return None
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

    def log_clicks(self, batch: Sequence[Click]) -> None:
        """Write clicks, many at once.

        Raises:
            LedgerFault: they are not written.
        """
        if not batch:
            return
        connection = self._writing()
        rows = [
            {"at": click.at, "token": click.token, "label": click.label[:16], "place": click.place}
            for click in batch
        ]
        with faults_as_ledger_faults(self._database):
            try:
                with connection.begin():
                    connection.execute(insert(clicks), rows)
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
                        for start in range(0, len(wanted), 200)
                        for answer in _issue(
                            connection,
                            wanted[start : start + 200],
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


def is_suppressed(connection: Connection, person: bytes) -> bool:
    """Whether this person wants no links: one look into a primary key."""
    return connection.exec_driver_sql(marked(_SUPPRESSED, connection), (person,)).first() is not None


def suppressed_of(connection: Connection, persons: Sequence[bytes]) -> set[bytes]:
    """Those of `persons` (at most some hundred) who want no links."""
    found = connection.execute(select(suppressions.c.hash).where(suppressions.c.hash.in_(list(persons))))
    return {bytes(value) for value in found.scalars()}


def last_links(connection: Connection, persons: Sequence[bytes]) -> dict[bytes, int]:
    """When each of `persons` (at most some hundred) was last sent a link, as far as one may have arrived."""
    rows = connection.execute(
        select(people.c.hash, func.max(sends.c.intended_at))
        .join(sends, sends.c.person_ref == people.c.ref)
        .where(
            people.c.hash.in_(list(persons)),
            sends.c.state.in_(["intended", "accepted", "unknown", "put-off"])
            | sends.c.accepted_at.is_not(None),
        )
        .group_by(people.c.hash)
    )
    return {bytes(value): int(moment) for value, moment in rows}


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
    persons = [keys.address(one.address) for one in wanted]
    silent = suppressed_of(connection, persons)
    lately = last_links(connection, persons) if frequency_days else {}
    mail_keys = [
        hmac.digest(
            mail_key,
            f"issue\0{one.campaign}\0{one.reference}".encode("utf-8", "backslashreplace"),
            "sha256",
        )
        for one in wanted
    ]
    known = set()
    for row in connection.execute(
        select(people.c.hash, sends.c.mail_key)
        .join(sends, sends.c.person_ref == people.c.ref)
        .where(people.c.hash.in_(persons), sends.c.mail_key.in_(mail_keys))
    ):
        known.add((bytes(row[0]), bytes(row[1])))
    answers: list[Given] = []
    intents: list[SendIntent] = []
    for one, person, key in zip(wanted, persons, mail_keys, strict=True):
        reason = refuse(one.address)
        if not reason and person in silent:
            reason = "suppressed"
        recent = lately.get(person)
        if (
            not reason
            and (person, key) not in known
            and recent is not None
            and recent > now - frequency_days * 86_400_000_000
        ):
            reason = "frequency"
        answers.append(Given(wanted=one, token=None, reason=reason))
        if reason:
            continue
        campaign = programme.campaigns.get(one.campaign)
        lately[person] = now
        known.add((person, key))
        partner = campaign.partner if campaign else next(iter(programme.partners), "default")
        intents.append(
            SendIntent(
                mail_key=key,
                person=person,
                token=secrets.token_bytes(16),
                sender=sender,
                campaign=one.campaign,
                rule="",
                footer="",
                ruleset="",
                message_id="",
                route="",
                address=one.address if keep_plain else None,
                company=campaign.company if campaign else programme.sole_company or "default",
                partner=partner,
                matching=keys.matching_hashes(partner, one.address),
            )
        )
    issued = iter(write_intents(ThroughSqlalchemy(connection), intents, now)) if intents else iter(())
    if intents:
        for intent in intents:
            connection.exec_driver_sql(
                marked(
                    "UPDATE sends SET origin = 'issue', state = 'unknown', reply = 'given to another system'"
                    " WHERE mail_key = ? AND person_ref = (SELECT ref FROM people WHERE hash = ?)",
                    connection,
                ),
                (intent.mail_key, intent.person),
            )
    return [one if one.reason else Given(wanted=one.wanted, token=next(issued).token) for one in answers]
