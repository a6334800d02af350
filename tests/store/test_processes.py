"""Several processes on one ledger, kill -9 among them.

Nothing lost, nothing twice (promise 5, SMTP.md rules 19, 20, 23).
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sqlalchemy import text

from gateway.store import Database, LedgerReader, LedgerStore
from tests.store.values import copy, key

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 2.0


def start(url: str, name: str, output: Path) -> subprocess.Popen[bytes]:
    """A writing process; what it says goes into `output`."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.store.peer_process", url, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def lines(output: Path, kind: str) -> list[list[str]]:
    """Complete lines only: the last one of a killed process may be half."""
    complete = output.read_text().split("\n")[:-1]
    return [line.split()[1:] for line in complete if line.startswith(kind)]


def test_four_processes_one_killed(url: str, tmp_path: Path) -> None:
    """Everything that was reported as durable is there, with one token a send.

    What the killed one held is free at once.
    """
    outputs = {name: tmp_path / name for name in ("w1", "w2", "w3", "w4")}
    processes = {name: start(url, name, output) for name, output in outputs.items()}
    try:
        deadline = time.monotonic() + 60
        while not all(output.stat().st_size > 2_000 for output in outputs.values()):
            assert time.monotonic() < deadline, [output.read_text()[-2_000:] for output in outputs.values()]
            time.sleep(0.05)
        time.sleep(SECONDS)
        os.kill(processes["w2"].pid, signal.SIGKILL)
        processes["w2"].communicate()
        time.sleep(SECONDS / 2)
        for name, process in processes.items():
            if name != "w2":
                process.communicate(b"stop\n", timeout=30)
                assert process.returncode == 0, outputs[name].read_text()[-2_000:]
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    tokens: dict[str, set[str]] = {}
    for output in outputs.values():
        for mail, token in lines(output, "intended"):
            tokens.setdefault(mail, set()).add(token)
    assert len(tokens) > 100
    assert [mail for mail, found in tokens.items() if len(found) > 1] == []
    with LedgerReader(url) as reader:
        sends = {send.token.hex(): send for send in reader.all_sends()}
    assert [mail for mail, found in tokens.items() if not found <= set(sends)] == []
    # Every copy was claimed by one process only, but for those that the killed one had in hand.
    in_hand = lines(outputs["w2"], "claimed")[-3:]
    claimed = Counter(tuple(line) for output in outputs.values() for line in lines(output, "claimed"))
    twice = [list(claim) for claim, number in claimed.items() if number > 1 and claim[1] != "c"]
    assert [claim for claim in twice if claim not in in_hand] == []
    assert asyncio.run(left_in_hand(url)) == (1, [os.getpid()])


async def left_in_hand(url: str) -> tuple[int, list[int]]:
    """Claim what the killed one may have held; how many claims and which processes the ledger knows then."""
    async with LedgerStore(url, node="node1") as ledger:
        (claim,) = await ledger.claim(key("record 1"), [copy("c", mail="record 1")])
        assert claim.standing.value == "ours"
        with Database(url).reader().connect() as connection:
            claimed = text("SELECT count(*) FROM copies WHERE claimed_by IS NOT NULL")
            held = int(connection.execute(claimed).scalar_one())
            known = connection.execute(text("SELECT pid FROM processes")).scalars().all()
    return held, list(known)
