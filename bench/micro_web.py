"""What the public link holds: so many requests a second at a steady rate, how long each took, on one core.

Run as ``python -m bench.micro_web [--sends N] [--rate N] [--seconds N]``. The real service is started on a
ledger with so many sends in SQLite, and its web process put on one core; this program asks from another.
Requests come on time, whether or not the last ones are answered (an open loop): each is measured from the
moment at which it was due, so that a stall counts for all that it kept waiting. Tokens are drawn from all
sends, so the look-ups are spread over the whole index. Clicks are written as ever.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import text

from bench.micro_store import preload
from gateway.store import Database, prepare
from gateway.token import encode_token

_CONNECTIONS = 40
_START_SECONDS = 60.0
_CONFIG = """\
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]
[[listen]]
port = {smtp}
networks = ["127.0.0.0/8"]
[next_hop]
hosts = ["127.0.0.1:9"]
[link]
url = "https://go.example/r/{{token}}"
landing_url = "https://agency.example/welcome?ref={{token}}"
[web]
listen = "127.0.0.1:{web}"
requests_per_minute = 0
[ledger]
url = "sqlite:///ledger.db"
"""


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tokens_of(url: str, count: int) -> list[str]:
    """Tokens of sends, drawn from all of them."""
    with Database(url).reader().connect() as connection:
        (last,) = connection.execute(text("SELECT max(id) FROM sends")).one()
        ids = random.sample(range(1, last + 1), min(count, last))
        found = []
        for start in range(0, len(ids), 500):
            part = ", ".join(map(str, ids[start : start + 500]))
            query = text(f"SELECT token FROM sends WHERE id IN ({part})")  # noqa: S608 - numbers
            found += [encode_token(bytes(token)) for (token,) in connection.execute(query)]
    random.shuffle(found)
    return found


@contextlib.contextmanager
def service(folder: Path, web: int) -> Iterator[int]:
    """The service; gives the process id of its web server, which is on the last core."""
    config = folder / "config.toml"
    config.write_text(_CONFIG.format(smtp=free_port(), web=web), "utf-8")
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--config", str(config)], stderr=out
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (found := re.search(r"web server is ready process=(\d+)", log.read_text("utf-8"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text("utf-8"))
            time.sleep(0.1)
        child = int(found[1])
        os.sched_setaffinity(child, {max(os.sched_getaffinity(0))})
        for thread in (Path("/proc") / str(child) / "task").iterdir():
            os.sched_setaffinity(int(thread.name), {max(os.sched_getaffinity(0))})
        yield child
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def cpu_of(process: int) -> float:
    """CPU seconds that a process has used."""
    stat = (Path("/proc") / str(process) / "stat").read_text()
    fields = stat[stat.rfind(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ask(port: int, tokens: Sequence[str], rate: float) -> tuple[list[float], int]:
    """Each token once, at this rate: seconds from when it was due to its answer; and how many were no 302."""
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    took: list[float] = []
    wrong = 0

    async def one(token: str, due: float) -> None:
        nonlocal wrong
        reader, writer = await idle.get()
        request = f"GET /r/{token} HTTP/1.1\r\nHost: go.example\r\nUser-Agent: Mozilla/5.0\r\n"
        # Each from a network of its own, as candidates are; what follows many links is another case.
        peer = f"198.{len(took) // 65_536 % 256}.{len(took) // 256 % 256}.{len(took) % 256}"
        writer.write(f"{request}X-Forwarded-For: {peer}\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        took.append(time.perf_counter() - due)
        wrong += not answer.startswith(b"HTTP/1.1 302")
        idle.put_nowait((reader, writer))

    begun = time.perf_counter()
    tasks = []
    for number, token in enumerate(tokens):
        due = begun + number / rate
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(token, due)))
    await asyncio.gather(*tasks)
    while not idle.empty():
        idle.get_nowait()[1].close()
    return took, wrong


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the public link holds.")
    parser.add_argument("--sends", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=1_000.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the ledger; what is in it is used again")
    parser.add_argument("--json", action="store_true", dest="as_json")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="careerrelay-bench-") as name:
        folder = chosen.keep or Path(name)
        url = f"sqlite:///{folder / 'ledger.db'}"
        if not (folder / "ledger.db").exists():
            prepare(url)
            preload(url, chosen.sends)
        web = free_port()
        results = []
        with service(folder, web) as process:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            asyncio.run(ask(web, tokens_of(url, 1_000), chosen.rate / 2))
            for _ in range(chosen.runs):
                tokens = tokens_of(url, int(chosen.rate * chosen.seconds))
                cpu = cpu_of(process)
                took, wrong = asyncio.run(ask(web, tokens, chosen.rate))
                took.sort()
                results.append(
                    {
                        "requests": len(took),
                        "wrong": wrong,
                        "median_ms": round(statistics.median(took) * 1_000, 2),
                        "p99_ms": round(took[int(len(took) * 0.99)] * 1_000, 2),
                        "max_ms": round(took[-1] * 1_000, 2),
                        "cpu_us_a_request": round((cpu_of(process) - cpu) / len(took) * 1e6),
                        "load": round(os.getloadavg()[0], 1),
                    }
                )
    if chosen.as_json:
        print(json.dumps(results, indent=2))
        return
    print(f"{chosen.sends:,} sends in SQLite, {chosen.rate:,.0f} requests a second, web process on one core")
    for one in results:
        print("  " + ", ".join(f"{key} {value}" for key, value in one.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
