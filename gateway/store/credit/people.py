"""People's side of credit: who wants no more links, and what is too old to be kept."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, insert, select

from gateway.store.credit.ground import Ground
from gateway.store.credit_schema import suppressions
from gateway.store.journal import Journal, heads
from gateway.store.privacy import PURGE_ROWS, Retention, purge_step
from gateway.store.schema import people, sends

#: More rows than any ledger has.
_MANY = 1 << 60


class _Counted(Exception):
    """No error: it ends a purge that only counts."""

    def __init__(self, found: Mapping[str, int]) -> None:
        self.found = found
        super().__init__()


class PeopleSide(Ground):
    """Wishes and retention."""

    def suppress(self, person: bytes, *, source: str) -> bool:
        """Note that this person (the hash that `people` has) wants no more links; False if it was known."""

        def work(connection: Connection, journal: Journal) -> bool:
            known = select(suppressions.c.at).where(suppressions.c.hash == person)
            if connection.execute(known).first() is not None:
                return False
            connection.execute(insert(suppressions).values(hash=person, at=journal.now, source=source[:16]))
            return True

        return self.writing(work)

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

    def unsuppress(self, person: bytes) -> bool:
        """Take that back; False if it wasn't known."""
        return self.writing(
            lambda connection, _: (
                connection.execute(suppressions.delete().where(suppressions.c.hash == person)).rowcount > 0
            )
        )

    def suppressed(self) -> list[tuple[bytes, int, str]]:
        """Everybody who wants no more links: hash, since when, how they said so."""
        with self.reading() as connection:
            rows = connection.execute(select(suppressions).order_by(suppressions.c.at)).all()
        return [(bytes(row.hash), row.at, row.source) for row in rows]

    def purge(self, retention: Retention, *, dry_run: bool = False) -> Iterator[Mapping[str, int]]:
        """Delete what is too old, in transactions of bounded size; gives what each of them deleted."""

        def work(connection: Connection, journal: Journal) -> Mapping[str, int]:
            rows = _MANY if dry_run else PURGE_ROWS
            found = purge_step(connection, journal, retention, self.programme, rows=rows)
            if dry_run:
                raise _Counted(found)
            return found

        while True:
            try:
                found = self.writing(work)
            except _Counted as counted:
                yield counted.found
                return
            yield found
            if max(found.values()) < PURGE_ROWS:
                return

    def heads(self) -> dict[str, tuple[int, str]]:
        """The last number and hash (hex) of each chain: what is told to others, to hold the ledger to it."""
        with self.reading() as connection:
            return heads(connection)
