"""Two nodes over one PostgreSQL: what is done on one is obeyed by the other within two seconds."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.controls import Controls
from gateway.store import LedgerReader, prepare
from tests.integration.harness import rejection
from tests.integration.running import LINK, rules_in, running, until
from tests.peers.client import send_mail
from tests.peers.gateway import Gateway
from tests.peers.postgres import PostgresServer, running_postgres
from tests.peers.scripted import ScriptedHop

# Two gateways and a dozen commands, each a process: on a busy machine that takes a while.
pytestmark = [pytest.mark.peer("postgresql"), pytest.mark.timeout(600)]

#: What the promise says (docs/rollout.md).
SECONDS = 2.0
#: To take another set is to compile it, which takes longer beside other tests.
BUSY = 5
RULE = "ja-rejection"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One server for the tests of this module."""
    with running_postgres("fsync=off") as server:
        yield server


class Nodes:
    """Two gateways, one next hop, one ledger."""

    def __init__(self, hop: ScriptedHop, here: Gateway, there: Gateway, url: str) -> None:
        self.hop, self.here, self.there, self.url = hop, here, there, url
        self._numbers = count()

    async def linked(self, gateway: Gateway) -> bool:
        """Send a rejection through this node: whether it came with a link."""
        number = next(self._numbers)
        recipient = b"p%d@example.com" % number
        await send_mail(gateway.port, rejection(number), recipients=[recipient])
        (taken,) = [one for one in self.hop.taken if one.recipients == [recipient]]
        return bool(LINK.search(taken.content))

    async def obeyed(self, gateway: Gateway, *, linked: bool, seconds: float = SECONDS) -> None:
        """A node gives links, or none, for good within the time that is promised.

        Three in a row: between two steps of a roll-out a share of the mails has links.
        """
        begun = time.monotonic()
        row = 0
        while row < 3:
            row = row + 1 if await self.linked(gateway) is linked else 0
            assert time.monotonic() - begun < seconds
            if not row:
                await asyncio.sleep(0.05)

    async def obeyed_there(self, *, linked: bool, seconds: float = SECONDS) -> None:
        """The other node than the one where it was said."""
        await self.obeyed(self.there, linked=linked, seconds=seconds)

    async def command(self, gateway: Gateway, *words: str) -> str:
        """What an operator types on that node."""
        return await asyncio.to_thread(gateway.command, *words)

    def controls(self) -> Controls:
        """What is set in the ledger."""
        with LedgerReader(self.url) as reader:
            return reader.controls()


@contextlib.asynccontextmanager
async def nodes(
    postgres: PostgresServer,
    folder: Path,
    rules: Mapping[str, Any] | None = None,
    *,
    own_rules: bool = False,
) -> AsyncIterator[Nodes]:
    """Two nodes that run. They share the key and the ledger, and nothing else, not even a folder of rules."""
    url = postgres.create()
    async with ScriptedHop() as hop, contextlib.AsyncExitStack() as stack:
        settled = []
        for name in ("a", "b"):
            own = folder / name
            own.mkdir()
            settings: dict[str, Any] = {
                "gateway": {"node": name, "key_file": str(folder / "careerrelay.key")},
                "ledger": {"url": url},
                "rules": dict(rules or {}),
            }
            if own_rules:
                settings["rules"]["directory"] = str(rules_in(own))
            settled.append((settings, own))
        prepare(url)
        here, there = await asyncio.gather(
            *(stack.enter_async_context(running(hop, settings, folder=own)) for settings, own in settled)
        )
        yield Nodes(hop, here, there, url)


async def test_stop_and_advance_on_one_node_are_obeyed_by_the_other(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """`rollout stop`, and `advance` for those who come after."""
    async with nodes(postgres, tmp_path) as both:
        assert await both.linked(both.there)
        await both.command(both.here, "rollout", "stop", RULE)
        await both.obeyed_there(linked=False)
        await both.obeyed(both.here, linked=False)
        for _ in range(2):
            await both.command(both.there, "rollout", "advance", RULE, "--force")
        await both.obeyed_there(linked=True)
        await both.obeyed(both.here, linked=True)


async def test_a_brake_on_one_node_is_obeyed_by_the_other(postgres: PostgresServer, tmp_path: Path) -> None:
    """Both count together; who crosses the bound stops both; `rules resume` on either ends it."""
    async with nodes(postgres, tmp_path, {"brake": {"max_per_hour": 4}}) as both:
        assert [await both.linked(both.there) for _ in range(2)] == [True] * 2
        await asyncio.sleep(SECONDS)
        links = [await both.linked(both.here) for _ in range(6)]
        assert links == [True] * 2 + [False] * 4, "what the other has counted counts here"
        await both.obeyed_there(linked=False)
        assert list(both.controls().brakes) == [RULE]
        await both.command(both.there, "rules", "resume", RULE)
        await both.obeyed_there(linked=True)


async def test_a_pin_on_one_node_is_obeyed_by_the_other(postgres: PostgresServer, tmp_path: Path) -> None:
    """A saved change of one node goes to the other; a rollback takes both back, whatever either saves."""
    async with nodes(postgres, tmp_path, own_rules=True) as both:
        await until(lambda: both.controls().active is not None, "the first set")
        first = both.controls().active
        assert first is not None
        assert await both.linked(both.there)

        here, there = tmp_path / "a" / "rules", tmp_path / "b" / "rules"
        _save(here, threshold=90.0)
        await until(lambda: both.controls().active != first, "the saved change in the ledger")
        await both.obeyed_there(linked=False, seconds=BUSY * SECONDS)

        await both.command(both.here, "rules", "rollback", first.id)
        await both.obeyed_there(linked=True, seconds=BUSY * SECONDS)
        _save(there, threshold=80.0)
        await until(lambda: "rule files are a draft" in both.there.log(), "the pin holds there too")
        assert await both.linked(both.there)
        active = both.controls().active
        assert active is not None
        assert (active.id, active.pinned) == (first.id, True)


async def test_what_one_node_saw_is_reviewed_on_the_other(postgres: PostgresServer, tmp_path: Path) -> None:
    """One list for both, and one word on a mail."""
    async with nodes(postgres, tmp_path) as both:
        assert await both.linked(both.here)
        assert await both.linked(both.there)

        def seen() -> int:
            with LedgerReader(both.url) as reader:
                return len(reader.observations(last=10))

        await until(lambda: seen() == 2, "what both nodes saw")
        listed = await both.command(both.there, "review", "--json")
        assert listed.count("message_id") == 2
        with LedgerReader(both.url) as reader:
            number = reader.observations(last=1)[0].id
        await both.command(both.here, "review", str(number), "right")
        left = await both.command(both.there, "review", "--unreviewed", "--json")
        assert left.count("message_id") == 1


def _save(folder: Path, *, threshold: float) -> None:
    """A rule that nothing reaches, and no example that would say so."""
    file = folder / "ja-rejection.toml"
    rule = f'id = "{RULE}"'
    before, _, _ = file.read_text("utf-8").partition("[[example]]")
    assert rule in before
    file.write_text(before.replace(rule, f"{rule}\nthreshold = {threshold}"), "utf-8")
