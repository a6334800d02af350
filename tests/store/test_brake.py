"""The brake (SMTP.md rule 15): counted over all processes, pulled for all, let go by a person."""

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gateway.ledger.braking import HOUR, Row
from gateway.store import Database, LedgerReader, LedgerStore


def store(url: str, node: str = "node1") -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(url, node=node)


async def test_refusals_are_counted_over_all_processes(url: str) -> None:
    """Five refusals at five nodes are five."""
    async with store(url, "one") as one, store(url, "two") as two:
        counts = [await ledger.link_refused() for ledger in (one, two, one, two, one)]
    assert counts == [1, 2, 3, 4, 5]


async def test_old_refusals_do_not_count(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last minutes count."""
    monkeypatch.setattr("gateway.store.batch.REFUSAL_MICROSECONDS", 200_000)
    async with store(url) as ledger:
        assert await ledger.link_refused() == 1
        await asyncio.sleep(0.25)
        assert await ledger.link_refused() == 1


async def test_brake_holds_everywhere_until_resumed(url: str) -> None:
    """Pulled by one process, seen by all within about a second and after a restart.

    Over when an operator says so.
    """
    async with store(url, "one") as one, store(url, "two") as two:
        assert await two.read_brake() is None
        await one.pull_brake("five refusals")
        await one.pull_brake("again")
        assert one.brake is not None
        assert (one.brake.node, one.brake.why) == ("one", "five refusals")
        for _ in range(300):
            if two.brake is not None:
                break
            await asyncio.sleep(0.01)
        assert two.brake == one.brake
    with LedgerReader(url) as reader:
        found = reader.brake()
        assert found is not None
        assert found.why == "five refusals"
    async with store(url) as later:
        assert await later.resume("hanako") is True
        assert await later.resume("hanako") is False
        assert later.brake is None
        assert await later.read_brake() is None


async def test_resume_forgets_the_refusals(url: str) -> None:
    """What an operator has seen and ended doesn't pull the brake again with the next refusal."""
    async with store(url) as ledger:
        for _ in range(5):
            await ledger.link_refused()
        await ledger.pull_brake("five")
        await ledger.resume("hanako")
        assert await ledger.link_refused() == 1


async def test_brake_of_a_rule_is_seen_by_all(url: str) -> None:
    """One process stops a rule, once; every other sees it within about a second, and its end."""
    async with store(url, "one") as one, store(url, "two") as two:
        assert await one.stop_rule("ja-rejection", "too many") is True
        assert await two.stop_rule("ja-rejection", "too many here") is False
        assert two.controls.brakes["ja-rejection"].why == "too many"
        assert (two.brake, two.controls.action("ja-rejection", "inject")) == (None, "observe")
        assert await one.resume("hanako", "en-rejection") is False
        assert await one.resume("hanako", "ja-rejection") is True
        async with asyncio.timeout(3):
            while two.controls.brakes:  # noqa: ASYNC110 - the promise is about the time that it takes
                await asyncio.sleep(0.01)


async def test_stages_and_brakes_are_written_in_one_order(url: str) -> None:
    """Two processes that write at once: whoever reads up to a number has missed nothing before it."""
    async with store(url, "one") as one, store(url, "two") as two:
        for number in range(10):
            await asyncio.gather(
                one.set_stage("partial", rule=f"a{number}", operator="x"),
                two.set_stage("inject", rule=f"b{number}", operator="y"),
            )
        assert len((await one.look()).stages) == len((await two.look()).stages) == 20


async def test_counts_reach_other_processes(url: str) -> None:
    """Each reads what the others wrote, never its own; what is written again takes the place of the first."""
    now = time.time_ns() // 1000
    row = Row(since=now, rule="a", mails=2, links=3)
    async with store(url, "one") as one, store(url, "two") as two:
        one.count_for_brake(wanted=True)
        two.count_for_brake(wanted=True)
        one.write_tallies([row])
        one.write_tallies([replace(row, links=4), Row(since=now - 3 * HOUR, rule="a", mails=9, links=9)])
        async with asyncio.timeout(5):
            while two.others != (replace(row, links=4),):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert one.others == ()


@pytest.mark.parametrize("statement", ["UPDATE events SET detail = 'other'", "DELETE FROM events"])
async def test_events_are_only_appended_to(url: str, statement: str) -> None:
    """The database itself refuses to change what was recorded."""
    async with store(url) as ledger:
        await ledger.pull_brake("why")
    with (
        Database(url).writer(1).connect() as connection,
        pytest.raises(DBAPIError, match="only appended"),
        connection.begin(),
    ):
        connection.execute(text(statement))
    with Database(url).reader().connect() as connection:
        assert connection.execute(text("SELECT detail FROM events")).scalars().all() == ["why"]
