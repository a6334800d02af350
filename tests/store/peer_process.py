"""A process of its own that writes into the ledger until it is told to stop, or killed.

Run as ``python -m tests.store.peer_process URL NAME``. It prints a line for each thing that the ledger
said is durable: the test holds these lines against what the ledger has. Mails named by even numbers are
the same in all processes.
"""

import asyncio
import sys

from gateway.smtp.fold import Fate
from gateway.store import LedgerStore
from tests.store.values import became, copy, intent, key, outcome


def tell(*words: str) -> None:
    """One whole line at once: a killed process leaves at most one that is cut off."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def write(url: str, name: str) -> None:
    """Intend, note, claim and settle, over and over, in several tasks."""
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), done.set)
    async with LedgerStore(url, node="node1", wait_seconds=20) as ledger:

        async def sends(task: int) -> None:
            number = 0
            while not done.is_set():
                number += 1
                mail = f"shared {number}" if number % 2 == 0 else f"{name} {task} {number}"
                (issued,) = await ledger.intend([intent(mail, attempt=hash(name) % 1_000)])
                tell("intended", mail.replace(" ", "_"), issued.token.hex())
                ledger.note(outcome(mail))

        async def records() -> None:
            number = 0
            while not done.is_set():
                number += 1
                mail = f"record {number}"
                claims = await ledger.claim(key(mail), [copy(person, mail=mail) for person in "abc"])
                ours = [person for person, claim in zip("abc", claims, strict=True) if claim.issued]
                for person in ours:
                    tell("claimed", f"record_{number}", person)
                # the one that opened it leaves one copy owed, and the record open
                settled = [became(person, Fate.TAKEN, mail=mail) for person in ours if person != "c"]
                await ledger.settle(key(mail), settled, close=False)

        async with asyncio.TaskGroup() as group:
            for task in range(5):
                group.create_task(sends(task))
            group.create_task(records())
    tell("closed")


if __name__ == "__main__":
    asyncio.run(write(*sys.argv[1:]))
