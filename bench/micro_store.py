"""What the ledger costs a mail: CPU and time for an intent and its outcome, by how many mails are in flight.

Run as ``python -m bench.micro_store [--url URL] [--preload ROWS] [--rows ROWS]``. Without a URL a SQLite
file is made in a temporary folder. A preloaded ledger is the honest case: in an empty one all rows share
a few pages. CPU is that of this process; PostgreSQL's own is not in it.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from gateway.store import Database, LedgerStore, prepare
from gateway.store.database import bare_transaction, now_at
from gateway.store.sends import write_intents, write_outcomes
from gateway.store.statements import Statements, ThroughSqlalchemy, ToSqlite
from gateway.store.work import Work
from gateway.transaction.ports import SendIntent, SendOutcome, SendState

_PRELOAD_BATCH = 2_000


def intent() -> SendIntent:
    """A send like those of real mail."""
    return SendIntent(
        mail_key=secrets.token_bytes(32),
        person=secrets.token_bytes(32),
        token=secrets.token_bytes(16),
        sender="saiyo@example.co.jp",
        campaign="spring",
        rule="ja-rejection",
        footer="default-ja",
        ruleset="0123456789ab",
        message_id="<20261123.1234567890@mail.example.co.jp>",
        route="default",
    )


def outcome(send: SendIntent) -> SendOutcome:
    """Taken by the next hop."""
    return SendOutcome(
        mail_key=send.mail_key,
        person=send.person,
        state=SendState.ACCEPTED,
        reply="250 2.0.0 Ok: queued as 4Zk3Yx1Q2Rz9",
        host="192.0.2.1:25",
    )


def preload(url: str, rows: int) -> None:
    """Fill the ledger with that many sends."""
    with Database(url).writer(60).connect() as connection:
        for start in range(0, rows, _PRELOAD_BATCH):
            with connection.begin():
                batch = [intent() for _ in range(min(_PRELOAD_BATCH, rows - start))]
                write_intents(ThroughSqlalchemy(connection), batch, now_at(connection))


@contextlib.contextmanager
def _transaction(connection: Connection) -> Iterator[Statements]:
    """One as the store makes it for sends."""
    if connection.dialect.name == "sqlite":
        with bare_transaction(connection, 60) as raw:
            yield ToSqlite(raw)
    else:
        with connection.begin():
            yield ThroughSqlalchemy(connection)


def statements(url: str, batch: int, rows: int) -> None:
    """The statements alone: CPU a row in batches of `batch`, commit included, values made beforehand."""
    intents = [[intent() for _ in range(batch)] for _ in range(rows // batch)]
    with Database(url).writer(60).connect() as connection:
        for name in ("intents", "outcomes"):
            begun, cpu = time.perf_counter(), time.process_time()
            for part in intents:
                with connection.begin():
                    if name == "intents":
                        write_intents(ThroughSqlalchemy(connection), part, now_at(connection))
                    else:
                        write_outcomes(
                            ThroughSqlalchemy(connection), [outcome(one) for one in part], now_at(connection)
                        )
            count = batch * len(intents)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
            print(
                f"  {name:<9} batches of {batch:>3}: {cpu / count * 1e6:6.1f} µs CPU, "
                f"{wall / count * 1e6:6.1f} µs a row"
            )


async def flow(url: str, flights: int, rows: int) -> None:
    """The whole store, as the transaction uses it: `flights` mails at once, intent awaited, outcome noted."""
    waits: list[float] = []
    commits = 0

    async with LedgerStore(url, node="bench", wait_seconds=60, under_way=lambda: flights) as ledger:
        await ledger.read_brake()
        session = ledger._writer._session  # noqa: SLF001 - nobody else can count commits
        perform = session.perform

        def counted(works: Sequence[Work]) -> list[object]:
            nonlocal commits
            commits += 1
            return perform(works)

        session.perform = counted  # type: ignore[method-assign]

        async def mails() -> None:
            for _ in range(rows // flights):
                send = intent()
                begun = time.perf_counter()
                await ledger.intend([send])
                waits.append(time.perf_counter() - begun)
                ledger.note(outcome(send))

        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(mails() for _ in range(flights)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
    count = len(waits)
    waits.sort()
    print(
        f"  {flights:>3} in flight: {count / wall:7,.0f} mails/s, {cpu / count * 1e6:6.1f} µs CPU a mail, "
        f"intent {statistics.median(waits) * 1e3:5.2f} ms median, "
        f"{waits[int(count * 0.99)] * 1e3:6.2f} ms p99, "
        f"{2 * count / max(1, commits):5.1f} rows a commit"
    )


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the ledger costs a mail.")
    parser.add_argument("--url", default="")
    parser.add_argument("--preload", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=10_000)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="careerrelay-bench-") as folder:
        url = chosen.url or f"sqlite:///{Path(folder) / 'ledger.db'}"
        prepare(url)
        preload(url, chosen.preload)
        print(f"{url.partition(':')[0]}, {chosen.preload:,} sends before, load {os.getloadavg()[0]:.1f}")
        for batch in (1, 10, 50, 200):
            statements(url, batch, chosen.rows if batch > 1 else chosen.rows // 5)
        for flights in (1, 20, 100):
            asyncio.run(flow(url, flights, chosen.rows if flights > 1 else chosen.rows // 5))


if __name__ == "__main__":
    main(sys.argv[1:])
