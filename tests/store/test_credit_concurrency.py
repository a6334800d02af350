"""Many write credit at once, and some are killed: nothing lost, nothing twice, one order."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.errors import GatewayError
from gateway.ledger.intake import Reported
from gateway.store import prepare
from gateway.store.credit import Operator
from gateway.store.credit_schema import registrations
from gateway.store.proof import check_books
from tests.peers.postgres import PostgresServer
from tests.store.crediting import START, Ledger, token_of

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400_000_000


def sent(url: str, count: int) -> Ledger:
    """A ledger with so many links."""
    ledger = Ledger(url, now=START + 10 * DAY)
    for number in range(count):
        ledger.send(f"s{number}", f"a{number}@example.com", at=START)
    return ledger


def settled(ledger: Ledger, count: int) -> None:
    """All are in the ledger once; of each two of one person one counts; the books are right."""
    with ledger.store.reading() as connection:
        assert list(check_books(connection)) == []
        found = connection.execute(select(registrations)).all()
    assert sorted(row.external_id for row in found) == sorted(f"R-{number}" for number in range(count))
    by_person: dict[int, int] = {}
    for row in found:
        person = int(row.external_id[2:]) // 2
        by_person[person] = by_person.get(person, 0) + row.counts
    assert set(by_person.values()) == {1}
    referrals = count // 2
    assert ledger.totals() == (referrals, referrals // 2, 0)


def report(url: str, numbers: list[int]) -> None:
    """As a process of its own would."""
    ledger = Ledger(url, now=START + 10 * DAY)
    for number in numbers:
        said = Reported(
            id=f"R-{number}",
            registered_at=START + DAY,
            token=token_of(f"s{number}"),
            person_id=f"P-{number // 2}",
        )
        ledger.store.receive_registrations("default", [said], source="test")
    ledger.store.close()


@pytest.mark.peer("postgresql")
def test_eight_writers_at_once(postgres: PostgresServer) -> None:
    """The same list from eight sides in eight orders."""
    url, count = postgres.create(), 16
    prepare(url)
    ledger = sent(url, count)
    orders = [[(number * 5 + start) % count for number in range(count)] for start in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(report, url, order) for order in orders]:
            done.result(timeout=100)
    settled(ledger, count)


def test_a_slot_is_used_once(url: str) -> None:
    """Eight operators want the only slot at the same moment: one gets it, seven are told."""
    ledger = Ledger(url)
    ledger.store.adjust("default", Operator(name="test"), referrals=2, reason="begin")
    begin = threading.Barrier(8)

    def redeem(number: int) -> bool:
        mine = Ledger(url)
        begin.wait(30)
        try:
            mine.store.redeem("default", Operator(name="test"), requisition=f"R-{number}")
        except GatewayError:
            return False
        finally:
            mine.store.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(redeem, range(8))) == 1
    found = ledger.store.balance("default")
    assert (found.slots_granted, found.slots_redeemed, found.slots_available) == (1, 1, 0)


def processes(url: str, count: int, kills: int, pause: float, *, patience: float = 100) -> None:
    """Four processes report the same; some are killed in the middle, and started again."""

    def start(number: int) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/store/credit_process.py"), url, str(number)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write(f"{count}\n")
        process.stdin.flush()
        return process

    with ThreadPoolExecutor(4) as pool:
        running = list(pool.map(start, range(4)))
    try:
        for number in range(kills):
            time.sleep(pause)
            running[number % 4].send_signal(signal.SIGKILL)
            running[number % 4].communicate()
            running[number % 4] = start(10 + number)
        for process in running:
            assert process.communicate(timeout=patience)[0] == "done\n"
    finally:
        for process in running:
            process.kill()


def test_four_processes_and_kill(tmp_path: Path) -> None:
    """Whatever a killed one had begun is whole or not there; who reports again finishes it."""
    url, count = f"sqlite:///{tmp_path}/ledger.db", 60
    prepare(url)
    ledger = sent(url, count)
    processes(url, count, 1, 0.05)
    settled(ledger, count)


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("count", "kills"), [(2_000, 40)])
def test_four_processes_and_many_kills(url: str, count: int, kills: int) -> None:
    """The same for longer, on both databases."""
    ledger = sent(url, count)
    processes(url, count, kills, 0.05, patience=900)
    settled(ledger, count)
