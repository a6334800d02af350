"""What credit costs: taking in a partner's list, a balance, a look-up for the public link.

Run as ``python -m bench.micro_credit [--url URL] [--sends N] [--registrations N] [--import N]``. Without a
URL a SQLite file is made in a temporary folder. A filled ledger is the honest case; filling it takes minutes.
What it must reach (issue 5), with 1,000,000 sends and 100,000 registrations in SQLite: 10,000 registrations
imported in under 30 s, `credits show` under 0.5 s, 1,000 look-ups a second with a p99 under 20 ms.
On a busy machine the CPU seconds say more than those of the clock.
"""

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.config import load_config, load_keys
from gateway.ledger.contract import DAY
from gateway.ledger.identity import PersonKeys
from gateway.store import Database, prepare
from gateway.store.database import now_at
from gateway.store.links import LinkDesk
from gateway.store.programme import person_keys
from gateway.store.sends import write_intents
from gateway.store.statements import ThroughSqlalchemy
from gateway.token import encode_token
from gateway.transaction.ports import SendIntent

_BATCH = 2_000
_LOOK_UPS = 20_000

_CONFIG = """
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]
[[listen]]
networks = ["127.0.0.0/8"]
[next_hop]
hosts = ["127.0.0.1:2526"]
[link]
url = "https://careerrelay.example/r/{{token}}"
opt_out = "mailto:no-more@example.co.jp"
[ledger]
url = "{url}"
"""


def address(number: int) -> str:
    """The address of that candidate."""
    return f"candidate{number}@example.com"


def token(number: int) -> bytes:
    """The token of that candidate's link: scattered, as real ones are."""
    return random.Random(number).randbytes(16)  # noqa: S311 - made up, and the same each time


def fill_sends(url: str, keys: PersonKeys, count: int) -> None:
    """So many links, a month old."""
    with Database(url).writer(60).connect() as connection:
        for start in range(0, count, _BATCH):
            with connection.begin():
                moment = now_at(connection) - 30 * DAY
                write_intents(
                    ThroughSqlalchemy(connection),
                    [
                        SendIntent(
                            mail_key=number.to_bytes(32, "big"),
                            person=keys.address(address(number)),
                            token=token(number),
                            sender="saiyo@example.co.jp",
                            campaign="spring",
                            rule="ja-rejection",
                            footer="default-ja",
                            ruleset="0123456789ab",
                            message_id="<20261123.1234567890@mail.example.co.jp>",
                            route="default",
                        )
                        for number in range(start, min(count, start + _BATCH))
                    ],
                    moment,
                )


def list_of(file: Path, numbers: Sequence[int]) -> Path:
    """The partner's list about these candidates: two thirds with a token, the others by address alone."""
    day = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 5 * 86_400))
    with file.open("w", encoding="utf-8") as stream:
        stream.write("id,token,email,registered_at,person_id\n")
        for number in numbers:
            link = encode_token(token(number)) if number % 3 else ""
            stream.write(f"A-{number},{link},{address(number)},{day},P-{number}\n")
    return file


def timed(compiled: Path, *words: str) -> tuple[float, float]:
    """The seconds of a command, from its start to its end, by the clock and of CPU.

    An installed package is compiled, whatever a developer's environment says: `compiled` is where that goes.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words], capture_output=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode("utf-8", "replace"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu


def look_ups(url: str, count: int) -> None:
    """Sends by token on one connection, as the public link asks."""
    took = []
    with LinkDesk(url) as desk:
        for _ in range(_LOOK_UPS):
            wanted = token(random.randrange(count))  # noqa: S311 - which one doesn't matter
            begin = time.perf_counter()
            desk.find(wanted)
            took.append(time.perf_counter() - begin)
    took.sort()
    print(
        f"look-up by token: {1 / statistics.mean(took):8.0f}/s, median {took[len(took) // 2] * 1e3:.3f} ms, "
        f"p99 {took[len(took) * 99 // 100] * 1e3:.3f} ms"
    )


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--url", help="an empty PostgreSQL database; default: a SQLite file")
    parser.add_argument("--sends", type=int, default=1_000_000)
    parser.add_argument("--registrations", type=int, default=100_000)
    parser.add_argument("--import", type=int, default=10_000, dest="fresh")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="micro-credit-") as name:
        folder = Path(name)
        url = chosen.url or f"sqlite:///{folder}/ledger.db"
        config = folder / "config.toml"
        config.write_text(_CONFIG.format(url=url), "utf-8")
        keys = load_keys(folder / "careerrelay.key", create=True)
        prepare(url, key_id=keys.id)
        print(f"{chosen.sends:,} sends, {chosen.registrations:,} registrations, {os.cpu_count()} cores")
        begin = time.perf_counter()
        fill_sends(url, person_keys(load_config(config), keys), chosen.sends)
        print(f"filled with sends in {time.perf_counter() - begin:.0f} s")
        order = list(range(chosen.sends))
        random.Random(1).shuffle(order)  # noqa: S311 - the same each time
        old, new = order[: chosen.registrations], order[chosen.registrations :][: chosen.fresh]
        timed(folder, "credits", "show", "--config", str(config))
        done = timed(
            folder, "registrations", "import", str(list_of(folder / "old.csv", old)), "--config", str(config)
        )
        print(f"filled with registrations in {done[0]:.0f} s, CPU {done[1]:.0f} s")
        file = str(list_of(folder / "new.csv", new))
        took = timed(folder, "registrations", "import", file, "--config", str(config))
        print(f"import of {len(new):,}: {took[0]:8.1f} s, CPU {took[1]:.1f} s")
        took = timed(folder, "registrations", "import", file, "--config", str(config))
        print(f"the same again: {took[0]:8.1f} s, CPU {took[1]:.1f} s")
        shows = sorted(timed(folder, "credits", "show", "--json", "--config", str(config)) for _ in range(5))
        print(f"credits show: median {shows[2][0]:.2f} s, CPU {shows[2][1]:.2f} s (the whole command)")
        look_ups(url, chosen.sends)


if __name__ == "__main__":
    main()
