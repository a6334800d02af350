"""The writer thread.

Group commit, one wake-up a batch, order, and work that can't be written by its nature.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.errors import LedgerFault
from gateway.smtp.fold import Fate
from gateway.store import LedgerReader, LedgerStore
from gateway.store.chores import ReadNews
from gateway.store.process import started_at
from gateway.store.queue import patience
from gateway.store.work import Find, Intend, Mixture, Note, Settle, TakeClaims, Work
from gateway.transaction.ports import SendState
from tests.store.values import became, copy, intent, key, outcome


def store(url: str) -> LedgerStore:
    """A store, not started yet."""
    return LedgerStore(url, node="node1", wait_seconds=10)


async def test_waiting_work_is_one_commit(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a commit is under way work gathers.

    It goes into a few commits, and the loop is woken once for each.
    """
    loop = asyncio.get_running_loop()
    woken = commits = 0
    wake = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        nonlocal woken
        woken += 1
        return wake(callback, *arguments)

    async with store(url) as ledger:
        await ledger.read_brake()
        session = ledger._writer._session
        perform = session.perform

        def slow(works: object) -> list[object]:
            nonlocal commits
            commits += 1
            time.sleep(0.05)
            return perform(works)  # type: ignore[arg-type]  # as it was called

        session.perform = slow  # type: ignore[method-assign]
        with monkeypatch.context() as patch:
            patch.setattr(loop, "call_soon_threadsafe", counted)
            await asyncio.gather(*(ledger.intend([intent(mail=str(number))]) for number in range(200)))
    # the first to come alone, the rest together, perhaps with a tick between
    assert commits <= 4
    assert woken <= 3


def counted(ledger: LedgerStore) -> list[Sequence[Work]]:
    """What goes into each commit from now on."""
    session = ledger._writer._session
    perform = session.perform
    batches: list[Sequence[Work]] = []

    def noted(works: Sequence[Work]) -> list[object]:
        if any(not isinstance(work, ReadNews) for work in works):
            batches.append([work for work in works if not isinstance(work, ReadNews)])
        return perform(works)

    session.perform = noted  # type: ignore[method-assign]
    return batches


async def test_outcome_rides_with_the_next_intent(url: str) -> None:
    """Nobody waits for an outcome: it goes with the commit of the next mail that comes soon."""
    async with store(url) as ledger:
        await ledger.intend([intent(mail="first")])
        batches = counted(ledger)
        ledger.note(outcome(mail="first"))
        await ledger.intend([intent(mail="second")])
        assert [sorted(type(work).__name__ for work in batch) for batch in batches] == [["Intend", "Note"]]


async def test_outcome_waits_only_a_moment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 5: where no other mail comes the outcome is written all the same, and soon."""
    monkeypatch.setattr("gateway.store.writer._TICK_SECONDS", 60.0)
    async with store(url) as ledger:
        await ledger.intend([intent()])
        await asyncio.sleep(0.1)  # the thread has no reason any more to look soon
        ledger.note(outcome())
        with LedgerReader(url) as reader:
            deadline = time.monotonic() + 10
            while reader.last_sends(5)[0].state is not SendState.ACCEPTED:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)


async def test_commit_waits_for_mails_under_way(url: str) -> None:
    """With others on their way a commit takes along what comes within milliseconds.

    A mail that is alone waits for nobody.
    """
    mails = 1
    async with LedgerStore(url, node="node1", wait_seconds=10, under_way=lambda: mails) as ledger:
        await ledger.read_brake()
        batches = counted(ledger)
        mails = 40

        async def late(number: int) -> None:
            await asyncio.sleep(number * 0.0005)
            await ledger.intend([intent(mail=str(number))])

        await asyncio.gather(*(late(number) for number in range(10)))
        assert len(batches) <= 5


@pytest.mark.parametrize(
    ("under_way", "asking", "waits"),
    [(1, 1, False), (3, 1, False), (4, 1, True), (40, 39, True), (40, 40, False)],
)
def test_patience(under_way: int, asking: int, waits: bool) -> None:  # noqa: FBT001 - a table of cases
    """Who is alone, or the last of those who are under way, waits for nobody; nobody waits long."""
    assert (patience(under_way=under_way, asking=asking) > 0) is waits
    assert patience(under_way=under_way, asking=asking) <= 0.02


async def test_outcome_and_next_attempt_keep_their_order(url: str) -> None:
    """An outcome and a new attempt of the same mail, handed in at once, are written as they came."""
    async with store(url) as ledger:
        first = asyncio.ensure_future(ledger.intend([intent()]))
        await asyncio.sleep(0)
        ledger.note(outcome(state=SendState.PUT_OFF, put_off=True))
        second = asyncio.ensure_future(ledger.intend([intent(attempt=1)]))
        await asyncio.gather(first, second)
        with LedgerReader(url) as reader:
            (send,) = reader.last_sends(5)
    assert (second.result()[0].put_off, second.result()[0].attempts) == (1, 1)
    assert (send.state, send.attempts, send.put_off) == (SendState.INTENDED, 2, 1)


async def test_two_outcomes_of_one_send(url: str) -> None:
    """Both are written, the later one stands."""
    async with store(url) as ledger:
        await ledger.intend([intent()])
        ledger.note(outcome(state=SendState.PUT_OFF, put_off=True))
        ledger.note(outcome(state=SendState.PUT_OFF, put_off=True))
        ledger.note(outcome())
    with LedgerReader(url) as reader:
        (send,) = reader.last_sends(5)
    assert (send.state, send.put_off) == (SendState.ACCEPTED, 2)


async def test_one_bad_row_hurts_nobody_else(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A token that another send has already: that call fails alone, the others in its batch are written."""
    async with store(url) as ledger:
        await ledger.intend([intent(mail="first")])
        answers = await asyncio.gather(
            *(ledger.intend([intent(mail=str(number))]) for number in range(5)),
            ledger.intend([intent(mail="bad", token=intent(mail="first").token)]),
            *(ledger.intend([intent(mail=str(number))]) for number in range(5, 10)),
            return_exceptions=True,
        )
        assert ledger.fault is None
    assert [type(answer) for answer in answers] == [list] * 5 + [LedgerFault] + [list] * 5
    with LedgerReader(url) as reader:
        assert len(reader.last_sends(99)) == 11
    assert any("can't be written" in record.getMessage() for record in caplog.records)


async def test_bad_outcome_goes_to_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An outcome that can't be written or even shown is in the log as it is.

    The ones beside it are written.
    """
    async with store(url) as ledger:
        await ledger.intend([intent(), intent(person="other")])
        bad = outcome()._replace(host=None)  # type: ignore[arg-type]  # a fault of ours
        ledger.note(bad)
        ledger.note(outcome(person="other"))
    with LedgerReader(url) as reader:
        states = {send.token: send.state for send in reader.last_sends(5)}
    assert states[intent(person="other").token] is SendState.ACCEPTED
    assert states[intent().token] is SendState.INTENDED
    assert any(
        "to be repaired" in record.getMessage() and repr(key("person")) in record.getMessage()
        for record in caplog.records
    )


async def test_note_never_raises(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not before the start, when it is kept; not after the end, when it goes to the log."""
    ledger = store(url)
    ledger.note(outcome())
    ledger.start()
    await ledger.close()
    ledger.note(outcome(person="late"))
    assert key("late").hex() in caplog.records[-1].getMessage()
    with pytest.raises(LedgerFault, match="closed"):
        await ledger.find(key("mail"))


def test_store_is_not_taken_over_a_fork(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 23: opened after the fork; a store made before it refuses to start."""
    ledger = store(url)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(RuntimeError, match="fork"):
        ledger.start()


def test_process_start(tmp_path: Path) -> None:
    """The start tells a process from a later one with its number.

    One that has ended, waited for or not, has none.
    """
    assert started_at(os.getpid()) == started_at(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as process:
        assert (started_at(process.pid) or 0) >= (started_at(os.getpid()) or 0) > 0
        process.kill()
        deadline = time.monotonic() + 10
        while started_at(process.pid) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert started_at(process.pid) is None


INTEND, OTHER = Intend((intent(),)), Intend((intent(mail="other"),))
NOTE = Note(outcome())
CLAIM = TakeClaims(key("mail"), (copy("a"),))
SETTLE = Settle(key("mail"), (became("a", Fate.TAKEN),), None, close=False)
FIND = Find(key("mail"))


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (INTEND, INTEND, True),
        (INTEND, OTHER, True),
        (INTEND, NOTE, False),
        (NOTE, INTEND, False),
        (NOTE, OTHER, True),
        (NOTE, NOTE, False),
        (NOTE, Note(outcome(person="other")), True),
        (CLAIM, CLAIM, False),
        (CLAIM, SETTLE, False),
        (SETTLE, CLAIM, False),
        (INTEND, CLAIM, False),
        (CLAIM, INTEND, False),
        (CLAIM, NOTE, False),
        (SETTLE, OTHER, True),
        (CLAIM, FIND, True),
        (FIND, SETTLE, True),
    ],
)
def test_mixture(first: Work, second: Work, together: bool) -> None:  # noqa: FBT001 - a table of cases
    """What touches the same mail shares a transaction only where the order within it doesn't matter."""
    mixture = Mixture()
    assert mixture.admits(first)
    assert mixture.admits(second) is together
