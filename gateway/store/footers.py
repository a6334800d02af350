"""Footers as they were sent, by the hash of their content; and since when a matching key is in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import Connection

from gateway.footer.kept import KeptFooter
from gateway.store.base import insert_for
from gateway.store.bounded import bounded
from gateway.store.credit_schema import footers, matching_keys
from gateway.store.work import Chore, Here


@dataclass(frozen=True, slots=True)
class KeepTerms(Chore):
    """Keep what footers are made from, before the first mail carries one of them.

    `keys`: partner and id of each matching key whose hashes sends carry from now on.
    """

    kept: tuple[KeptFooter, ...]
    keys: tuple[tuple[str, str], ...] = ()
    lasts: ClassVar[bool] = True

    def run(self, connection: Connection, here: Here) -> object:
        """Write those that the ledger doesn't have yet."""
        keep_footers(connection, self.kept, here.now)
        if self.keys:
            rows = [
                {"partner": partner, "key_id": key_id, "since": here.now} for partner, key_id in self.keys
            ]
            statement = insert_for(connection)(matching_keys).values(rows)
            connection.execute(statement.on_conflict_do_nothing(index_elements=["partner", "key_id"]))
        return None


def keep_footers(connection: Connection, kept: Sequence[KeptFooter], now: int) -> None:
    """Write those that the ledger doesn't have yet."""
    rows = {
        one.hash: {"hash": one.hash, "name": bounded(one.name), "content": one.content, "at": now}
        for one in kept
    }
    if rows:
        statement = insert_for(connection)(footers).values([rows[value] for value in sorted(rows)])
        connection.execute(statement.on_conflict_do_nothing(index_elements=["hash"]))
