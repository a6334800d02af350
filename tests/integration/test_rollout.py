"""Brakes, stops and rule sets, with several workers: what is set anywhere holds everywhere in two seconds."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.ledger.controls import Controls
from gateway.store import LedgerReader, LedgerStore
from tests.integration.harness import rejection
from tests.integration.running import LINK, rules_in, running, until
from tests.peers.client import send_mail
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop

#: What the promise says.
SECONDS = 2.0


async def linked(gateway: Gateway, hop: ScriptedHop, numbers: Sequence[int]) -> list[bool]:
    """Send these rejections side by side, so that all workers get some; whether each came with a link."""
    await asyncio.gather(
        *(
            send_mail(gateway.port, rejection(number), recipients=[b"p%d@example.com" % number])
            for number in numbers
        )
    )
    found = {transaction.recipients[0]: bool(LINK.search(transaction.content)) for transaction in hop.taken}
    return [found[b"p%d@example.com" % number] for number in numbers]


def url(gateway: Gateway) -> str:
    """Where its ledger is."""
    return f"sqlite:///{gateway.ledger}"


def controls(gateway: Gateway) -> Controls:
    """What is set in its ledger."""
    with LedgerReader(url(gateway)) as reader:
        return reader.controls()


async def test_brake_stop_and_resume_reach_every_worker() -> None:
    """A rule that crosses its bound only observes, in all workers; so does one that an operator stops."""
    settings = {"gateway": {"workers": 2}, "rules": {"brake": {"max_per_hour": 6}}}
    numbers = iter(range(1_000))

    def some(count: int) -> list[int]:
        return [next(numbers) for _ in range(count)]

    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        assert await linked(gateway, hop, some(4)) == [True] * 4
        await asyncio.sleep(SECONDS)  # each worker knows what the other has counted
        given = await linked(gateway, hop, some(8))
        assert 2 <= given.count(True) <= 4, (
            "no more than the bound, but for what the other was doing just then"
        )
        await until(lambda: bool(controls(gateway).brakes), "the brake in the ledger")
        assert list(controls(gateway).brakes) == ["ja-rejection"]
        await asyncio.sleep(SECONDS)
        assert await linked(gateway, hop, some(8)) == [False] * 8
        assert "brake: rule ja-rejection only observes now" in gateway.log()

        async with LedgerStore(url(gateway), node="elsewhere") as store:
            assert await store.resume("hanako", "ja-rejection")
            await asyncio.sleep(SECONDS)
            assert await linked(gateway, hop, some(4)) == [True] * 4, "what was before is forgotten"
            await store.set_stage("observe", rule="ja-rejection", operator="hanako")
            await asyncio.sleep(SECONDS)
            assert await linked(gateway, hop, some(8)) == [False] * 8

        gateway.restart()
        assert await linked(gateway, hop, some(8)) == [False] * 8, "the first mail after a start obeys too"
        with LedgerReader(url(gateway)) as reader:
            await until(lambda: len(reader.observations(last=100)) >= 32, "what the rules saw is kept")
            newest = reader.observations(last=1)[0]
        assert (newest.rule, newest.matched, newest.reason) == ("ja-rejection", True, "observe")
        assert '"signal"' in newest.hits


async def test_a_rule_set_that_is_restored_is_run_by_every_worker(tmp_path: Path) -> None:
    """A saved change becomes a snapshot; a rollback pins the old one, whatever is saved, until an apply."""
    folder = rules_in(tmp_path)
    settings = {"gateway": {"workers": 2}, "rules": {"directory": str(folder)}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        await until(lambda: controls(gateway).active is not None, "the first snapshot")
        first = controls(gateway).active
        assert first is not None
        assert await linked(gateway, hop, range(4)) == [True] * 4

        for file in folder.glob("ja-*.toml"):
            text = file.read_text("utf-8").replace("threshold = 1.0", "threshold = 90.0")
            file.write_text(text + "\n# saved\n", "utf-8")
        (folder / "groups").mkdir(exist_ok=True)
        (folder / "groups" / "nobody.txt").write_text("nobody@example.com\n", "utf-8")
        await until(lambda: controls(gateway).active != first, "the saved change in the ledger")
        second = controls(gateway).active
        assert second is not None
        assert not second.pinned

        async with LedgerStore(url(gateway), node="elsewhere") as store:
            await store.restore_ruleset(first.id, operator="hanako")
        await until(
            lambda: gateway.log().count(f"rule set taken active={first.id}") == 2,
            "both workers run the restored set",
        )
        (folder / "groups" / "nobody.txt").write_text("somebody@example.com\n", "utf-8")
        await until(lambda: "rule files are a draft" in gateway.log(), "the workers hear of the draft")
        active = controls(gateway).active
        assert active is not None
        assert (active.id, active.pinned) == (first.id, True)
        gateway.restart()
        await until(
            lambda: gateway.log().count(f"rule set taken active={first.id}") == 4,
            "after a restart the pin holds too",
        )


async def test_reviews_count_while_the_whole_gateway_observes() -> None:
    """docs/rollout.md: `[gateway] mode = "observe"` adds nothing; what people look at then counts."""
    rules = {"mode": {"*": None}, "rollout": {"reviewed": 2, "share": 1.0}}
    settings = {"gateway": {"mode": "observe"}, "rules": rules}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:

        async def say(*words: str) -> str:
            return await asyncio.to_thread(gateway.command, *words)

        def seen() -> list[int]:
            with LedgerReader(url(gateway)) as reader:
                return [one.id for one in reader.observations(last=10)]

        assert await linked(gateway, hop, range(2)) == [False] * 2
        await until(lambda: len(seen()) == 2, "what the rules saw")
        assert "reviews: 0 of 2 mails" in await say("rollout", "status")
        for number in seen():
            await say("review", str(number), "right")
        status = await say("rollout", "status")
        assert "reviewed 2 mails" in status
        assert "lacks for partial: reviews: they are from 0.0 of 14 days" in status, (
            "only the days are lacking"
        )
        assert "the gateway's mode is observe" in status
        assert "observe -> partial" in await say("rollout", "advance", "ja-rejection", "--force")
        await asyncio.sleep(SECONDS)
        assert await linked(gateway, hop, range(2, 4)) == [False] * 2, (
            "a step of a rule is no step of the gateway"
        )
        gateway.configure({"gateway": {"mode": "inject"}})
        gateway.reload()
        await asyncio.to_thread(gateway.wait_for_log, "reloaded")
        assert await linked(gateway, hop, range(4, 6)) == [True] * 2
