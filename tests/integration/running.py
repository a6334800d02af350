"""What tests of the running gateway share: its ledger as it stands on the disk, and what its next hop got.

The gateway is a process of its own here (`tests.peers.gateway`), so all that can be asked is what any other
program could see: the database file, the wire, the process table, the log.
"""

import asyncio
import contextlib
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import shipped_packs
from gateway.token import encode_token
from tests.integration.harness import identity
from tests.peers.gateway import RULES, Gateway
from tests.peers.scripted import ScriptedHop

LINK = re.compile(rb"https://careerrelay\.example/r/([0-9a-hjkmnp-tv-z]{26})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """One row of `sends`: a copy with a link."""

    token: str
    message_id: str
    state: str
    attempts: int


@contextlib.contextmanager
def ledger(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the ledger's file, in autocommit mode, that waits a while for a lock."""
    with contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        yield connection


def sends(path: Path) -> list[Send]:
    """All rows of `sends`, in the order of their making."""
    with ledger(path) as connection:
        rows = connection.execute("SELECT token, message_id, state, attempts FROM sends ORDER BY id")
        return [
            Send(token=encode_token(token), message_id=message_id, state=state, attempts=attempts)
            for token, message_id, state, attempts in rows
        ]


def count(path: Path, question: str) -> int:
    """The answer to a question that gives one number."""
    with ledger(path) as connection:
        return int(connection.execute(question).fetchone()[0])


def open_records(path: Path) -> int:
    """How many mails stand open, with their copies: 0 once every sender had a final answer (rule 19)."""
    return count(path, "SELECT (SELECT count(*) FROM mails) + (SELECT count(*) FROM copies)")


def copies_taken(hop: ScriptedHop, mail: bytes) -> dict[bytes, list[str]]:
    """By recipient: the token ("" for none) of each copy of this mail that the hop owns, in order."""
    found: dict[bytes, list[str]] = {}
    wanted = identity(mail)
    for transaction in hop.taken:
        content = transaction.content
        if wanted in content:
            links = set(LINK.findall(content))
            assert len(links) <= 1, "two links in one copy"
            token = links.pop().decode() if links else ""
            for recipient in transaction.recipients:
                found.setdefault(recipient, []).append(token)
    return found


def rules_in(folder: Path) -> Path:
    """A folder of rules to be edited: those of the tests' gateways, and the shipped footers."""
    target = folder / "rules"
    shutil.copytree(RULES, target)
    shutil.copytree(shipped_packs() / "footers", target / "footers")
    return target


async def until(condition: Callable[[], bool], what: str, *, patience: float = 20.0) -> None:
    """Wait for what nobody announces: a row on the disk, a process in the table."""
    try:
        async with asyncio.timeout(patience):
            while not condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"after {patience:g} s still not: {what}") from None


@contextlib.asynccontextmanager
async def running(
    hop: ScriptedHop,
    settings: Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
    port: int | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway before this hop, started and stopped without blocking the test's loop."""
    gateway = Gateway(hop.port, settings, folder=folder, port=port)
    try:
        await asyncio.to_thread(gateway.start)
        yield gateway
        if gateway.process is not None:
            assert await asyncio.to_thread(gateway.stop) == 0
    finally:
        if gateway.process is not None:
            await asyncio.to_thread(gateway.kill9)
        gateway.discard()
