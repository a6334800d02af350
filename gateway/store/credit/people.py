"""People's side of credit: who wants no more links, who complained, and what is too old to be kept."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, insert, select, update

from gateway.store.credit.ground import Ground, Operator
from gateway.store.credit_schema import suppressions
from gateway.store.journal import Journal, heads
from gateway.store.retention import PURGE_ROWS, Retention, count_old, purge_people, purge_step, unused_people
from gateway.store.schema import people, sends

#: The source of a suppression that began with a complaint, and what the audit calls it.
COMPLAINT = "complaint"


class PeopleSide(Ground):
    """Wishes and retention."""

    def suppress(self, person: bytes, *, source: str) -> bool:
        """Note that this person (the hash that `people` has) wants no more links; False if it was known."""
        return self.writing(lambda connection, journal: _silence(connection, journal, person, source))

    def suppress_token(self, token: bytes, *, source: str = "page") -> bool:
        """The same for whom a link was sent to; False if there is no such link, or the person is erased."""
        with self.reading() as connection:
            person = connection.execute(
                select(people.c.hash)
                .join(sends, sends.c.person_ref == people.c.ref)
                .where(sends.c.token == token, people.c.kind == "")
            ).scalar_one_or_none()
        if person is None:
            return False
        self.suppress(bytes(person), source=source)
        return True

    def suppress_all(self, persons: Sequence[bytes], operator: Operator) -> int:
        """The same for many, by hand; gives how many were new."""

        def work(connection: Connection, journal: Journal) -> int:
            new = sum(_silence(connection, journal, person, "operator") for person in persons)
            _record(journal, "suppress", new)
            return new

        return self.writing(work, operator)

    def complain(self, persons: Sequence[bytes], operator: Operator) -> int:
        """Note that these people complained: no more links, and a complaint each for the circle.

        Gives how many complaints are new; one a person is kept.
        """

        def work(connection: Connection, journal: Journal) -> int:
            new = 0
            for person in dict.fromkeys(persons):
                if not _silence(connection, journal, person, COMPLAINT):
                    source = suppressions.c.source
                    changed = connection.execute(
                        update(suppressions)
                        .where(suppressions.c.hash == person, source != COMPLAINT)
                        .values(source=COMPLAINT)
                    )
                    if changed.rowcount == 0:
                        continue
                new += 1
                _record(journal, COMPLAINT, 1, company=_company_of(connection, person))
            return new

        return self.writing(work, operator)

    def unsuppress(self, persons: Sequence[bytes], operator: Operator) -> int:
        """Take that back; gives how many were known."""

        def work(connection: Connection, journal: Journal) -> int:
            gone = sum(
                connection.execute(suppressions.delete().where(suppressions.c.hash == person)).rowcount
                for person in persons
            )
            _record(journal, "unsuppress", gone)
            return gone

        return self.writing(work, operator)

    def suppressed(self) -> list[tuple[bytes, int, str]]:
        """Everybody who wants no more links: hash, since when, how they said so."""
        with self.reading() as connection:
            rows = connection.execute(select(suppressions).order_by(suppressions.c.at)).all()
        return [(bytes(row.hash), row.at, row.source) for row in rows]

    def purge(
        self, retention: Retention, *, dry_run: bool = False, operator: Operator | None = None
    ) -> Iterator[Mapping[str, int]]:
        """Delete what is too old, in transactions of bounded size; gives what each of them deleted."""
        if dry_run:
            with self.reading() as connection:
                yield count_old(connection, retention, self.programme, self._now(connection))
        while not dry_run:
            found = self.writing(
                lambda connection, journal: purge_step(
                    connection, journal, retention, self.programme, rows=PURGE_ROWS
                ),
                operator,
            )
            yield found
            if max(found.values()) < PURGE_ROWS:
                break
        yield from self._purge_people(retention, dry_run=dry_run, operator=operator)

    def _purge_people(
        self, retention: Retention, *, dry_run: bool, operator: Operator | None
    ) -> Iterator[Mapping[str, int]]:
        after = b""
        yield {"people": 0}
        while True:
            with self.reading() as connection:
                since = self._now(connection) - retention.dedupe
                found = unused_people(connection, since, after, PURGE_ROWS)
            if not found:
                return
            after = found[-1]

            def work(
                connection: Connection,
                journal: Journal,
                since: int = since,
                found: Sequence[bytes] = found,
            ) -> int:
                return purge_people(connection, journal, since, found)

            yield {"people": len(found) if dry_run else self.writing(work, operator)}

    def heads(self) -> dict[str, tuple[int, str]]:
        """The last number and hash (hex) of each chain: what is told to others, to hold the ledger to it."""
        with self.reading() as connection:
            return heads(connection)


def _silence(connection: Connection, journal: Journal, person: bytes, source: str) -> bool:
    known = select(suppressions.c.at).where(suppressions.c.hash == person)
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(suppressions).values(hash=person, at=journal.now, source=source[:16]))
    return True


def _company_of(connection: Connection, person: bytes) -> str:
    """Whose link this person had last; empty where the ledger knows of none."""
    last = (
        select(sends.c.company)
        .join(people, people.c.ref == sends.c.person_ref)
        .where(people.c.hash == person)
        .order_by(sends.c.intended_at.desc())
        .limit(1)
    )
    return connection.execute(last).scalar_one_or_none() or ""


def _record(journal: Journal, action: str, count: int, company: str = "") -> None:
    if count:
        journal.audit(action, f"{count} {'person' if count == 1 else 'people'}", company=company)
