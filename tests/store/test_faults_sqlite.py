"""SQLite at fault: locked, full, read-only, gone, replaced, corrupt (SMTP.md rule 22, promise 1).

Each fault has to show within `wait_seconds`, keep no later mail waiting, leave the thread alive, and be
over by itself once its cause is.
"""

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from gateway.errors import LedgerFault
from gateway.smtp.fold import Fate
from gateway.store import LedgerReader, LedgerStore, prepare
from gateway.store.schema import REVISION
from gateway.transaction.ports import SendState
from tests.store.values import became, copy, intent, key, outcome

WAIT = 0.4
#: A busy machine may take longer to look at a clock than we take to give up.
MARGIN = 1.0
TICK = 0.05


@pytest.fixture(autouse=True)
def quick_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files more often than once a second."""
    monkeypatch.setattr("gateway.store.writer._TICK_SECONDS", TICK)


def store(file: Path, **settings: object) -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(f"sqlite:///{file}", node="node1", wait_seconds=WAIT, **settings)  # type: ignore[arg-type]


def beside(file: Path) -> list[Path]:
    """The three files of a ledger."""
    return [file, Path(f"{file}-wal"), Path(f"{file}-shm")]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else holds the write lock."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@contextmanager
def _at_connect(pragma: Callable[[sqlite3.Connection], str], file: Path) -> Iterator[None]:
    def change(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(pragma(connection))

    event.listen(Engine, "connect", change)
    # What is connected already is thrown out by a fault of another kind, shorter than anybody waits.
    with gone_for_a_moment(file):
        pass
    yield
    event.remove(Engine, "connect", change)
    with gone_for_a_moment(file):
        pass


@contextmanager
def gone_for_a_moment(file: Path) -> Iterator[None]:
    """Long enough for the store to connect anew afterwards."""
    aside = file.with_name("aside")
    file.rename(aside)
    time.sleep(6 * TICK)  # the tick notices it
    aside.rename(file)
    yield


@contextmanager
def full(file: Path) -> Iterator[None]:
    """No room for another page (SQLITE_FULL)."""
    with _at_connect(
        lambda one: f"PRAGMA max_page_count={one.execute('PRAGMA page_count').fetchone()[0]}", file
    ):
        yield


@contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Writing is refused (SQLITE_READONLY)."""
    with _at_connect(lambda _: "PRAGMA query_only=1", file):
        yield


@contextmanager
def folder_gone(file: Path) -> Iterator[None]:
    """The folder is gone, as with a disk that is not mounted, and comes back."""
    aside = file.parent.with_name("aside")
    file.parent.rename(aside)
    yield
    aside.rename(file.parent)


@contextmanager
def file_gone(file: Path) -> Iterator[None]:
    """The database alone is moved away, and comes back."""
    aside = file.with_name("aside")
    file.rename(aside)
    yield
    aside.rename(file)


@contextmanager
def deleted(file: Path) -> Iterator[None]:
    """Everything is deleted; later somebody puts an empty ledger there."""
    for path in beside(file):
        path.unlink()
    yield
    prepare(f"sqlite:///{file}")


@contextmanager
def overwritten(file: Path) -> Iterator[None]:
    """The file is overwritten in place; later it is replaced by a good one."""
    file.write_bytes(os.urandom(file.stat().st_size))
    yield
    for path in beside(file):
        path.unlink(missing_ok=True)
    prepare(f"sqlite:///{file}")


@contextmanager
def truncated(file: Path) -> Iterator[None]:
    """The file is cut to nothing; later it is replaced by a good one."""
    file.write_bytes(b"")
    yield
    for path in beside(file):
        path.unlink(missing_ok=True)
    prepare(f"sqlite:///{file}")


@contextmanager
def newer(file: Path) -> Iterator[None]:
    """A newer version has changed the schema; later the package is upgraded, or a backup put back."""

    def revision(number: str) -> None:
        with sqlite3.connect(file) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [number])
        connection.close()

    revision("9999")
    with gone_for_a_moment(file):
        yield
    revision(REVISION)


Fault = Callable[[Path], AbstractContextManager[None]]

#: What the log has to say of each, so that an admin knows what to mend.
WORDS = {
    locked: "database is locked",
    full: "make room",
    read_only: "attempt to write a readonly database (the gateway's user",
    folder_gone: "is not there",
    file_gone: "is not there",
    deleted: "is not there",
    overwritten: "restore it from a backup",
    truncated: "restore it from a backup",
    newer: "upgrade the package on this node",
}
KEEPING = [locked, full, read_only, folder_gone, file_gone, newer]
LOSING = [deleted, overwritten, truncated]


async def recovered(ledger: LedgerStore, mail: str) -> None:
    """Wait until an intent goes through."""
    deadline = time.monotonic() + 10
    while True:
        try:
            await ledger.intend([intent(mail=mail)])
        except LedgerFault:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("fault", KEEPING + LOSING, ids=lambda fault: fault.__name__)
async def test_fault_shows_in_time_and_passes(
    file: Path, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Every call fails within its time, later ones at once; the log says why, once.

    Then it goes on by itself.
    """
    caplog.set_level(logging.INFO, "careerrelay.ledger")
    async with store(file) as ledger:
        await recovered(ledger, "before")  # a disk that is busy for half a second is no fault yet
        with fault(file):
            started = time.monotonic()
            calls = [
                ledger.intend([intent(mail="during")]),
                ledger.claim(key("during too"), [copy("a", mail="during too")]),
                ledger.settle(key("other"), [], close=False),
                ledger.link_refused(),
            ]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            took = time.monotonic() - started
            assert [type(answer) for answer in answers] == [LedgerFault] * 4
            assert took < WAIT + MARGIN
            assert ledger.fault is not None
            await asyncio.sleep(WAIT)
            started = time.monotonic()
            with pytest.raises(LedgerFault):
                await ledger.intend([intent(mail="later")])
            assert time.monotonic() - started < WAIT / 2
        await recovered(ledger, "after")
        assert ledger.fault is None
    words = [record.getMessage() for record in caplog.records if record.name == "careerrelay.ledger"]
    assert any(word.startswith("ledger fault, mail goes on") for word in words)
    assert any(WORDS[fault] in word for word in words)
    assert any(word.startswith("ledger is well again") for word in words)
    with LedgerReader(f"sqlite:///{file}") as reader:
        tokens = [send.token for send in reader.last_sends(9)]
    assert intent(mail="after").token in tokens
    assert intent(mail="later").token not in tokens
    assert (intent(mail="before").token in tokens) is (fault in KEEPING)


async def test_no_mail_is_kept_by_the_fault_that_it_met(file: Path) -> None:
    """Memory doesn't grow while the ledger is away: a refusal is an error of its own, gone with its mail."""

    class Content:
        """Of a mail."""

    kept: list[weakref.ref[Content]] = []

    async def mail() -> None:
        content = Content()
        kept.append(weakref.ref(content))
        await ledger.intend([intent(mail="during")])

    async with store(file) as ledger:
        with locked(file):
            for _ in range(3):
                with pytest.raises(LedgerFault):
                    await ledger.intend([intent(mail="the one that finds out")])
            for _ in range(3):
                with contextlib.suppress(LedgerFault):
                    await mail()
            gc.collect()
            assert [one() for one in kept] == [None] * 3


@pytest.mark.parametrize("fault", KEEPING, ids=lambda fault: fault.__name__)
async def test_outcomes_wait_for_the_end_of_the_fault(file: Path, fault: Fault) -> None:
    """What the next hop said meanwhile is in the ledger in the end.

    As is a settlement that could not be waited for.
    """
    mail = key("several")
    async with store(file) as ledger:
        await ledger.intend([intent()])
        await ledger.claim(mail, [copy("a", mail="several"), copy("b", mail="several")])
        with fault(file):
            ledger.note(outcome())
            with pytest.raises(LedgerFault):
                await ledger.settle(mail, [became("a", Fate.TAKEN, mail="several")], close=False)
        await recovered(ledger, "after")
        claims = await ledger.claim(mail, [copy("a", mail="several"), copy("b", mail="several")])
        assert [one.standing.value for one in claims] == ["settled", "elsewhere"]
    with LedgerReader(f"sqlite:///{file}") as reader:
        states = {send.token: send.state for send in reader.last_sends(9)}
    assert states[intent().token] is SendState.ACCEPTED
    assert states[intent("several", "a").token] is SendState.ACCEPTED


async def test_nothing_is_reported_durable_that_went_into_a_deleted_file(file: Path) -> None:
    """The file goes between two commits: SQLite would report success, we don't."""
    async with store(file) as ledger:
        await ledger.intend([intent(mail="before")])
        for path in beside(file):
            path.unlink()
        with pytest.raises(LedgerFault, match="deleted"):
            await ledger.intend([intent(mail="during")])
    assert not file.exists()


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
async def test_lost_side_file_is_noticed(file: Path, ending: str) -> None:
    """Without its WAL a commit is lost, though SQLite reports it: noticed, and written again."""
    async with store(file) as ledger:
        await ledger.intend([intent(mail="before")])
        Path(f"{file}{ending}").unlink()
        await recovered(ledger, "after")
    with LedgerReader(f"sqlite:///{file}") as reader:
        assert intent(mail="after").token in [send.token for send in reader.last_sends(9)]


async def test_old_wal_is_not_played_into_another_ledger(file: Path) -> None:
    """A backup moved into place beside the WAL of the old ledger would be destroyed by it.

    The log says what to do.
    """
    backup = file.with_name("backup")
    prepare(f"sqlite:///{backup}")
    async with store(file) as ledger:
        await ledger.intend([intent(mail="before")])
        backup.rename(file)
        with pytest.raises(LedgerFault, match="replaced"):
            await ledger.intend([intent(mail="during")])
        await asyncio.sleep(0.2)
        assert "-wal" in str(ledger.fault)
        for path in beside(file)[1:]:
            path.unlink()
        await recovered(ledger, "after")


async def test_no_empty_ledger_takes_the_place_of_a_lost_one(file: Path) -> None:
    """A store that may create the ledger does so at its start only: later a lost one stays a fault."""
    async with store(file, create=True) as ledger:
        await ledger.intend([intent()])
        shutil.rmtree(file.parent)
        with pytest.raises(LedgerFault):
            await ledger.intend([intent(mail="other")])
        await asyncio.sleep(0.3)
        assert ledger.fault is not None
    assert not file.parent.exists()


async def test_store_starts_without_a_ledger(tmp_path: Path) -> None:
    """A ledger that is not there keeps no gateway from starting; it is used once it appears."""
    file = tmp_path / "later" / "ledger.db"
    async with store(file) as ledger:
        with pytest.raises(LedgerFault, match="not there"):
            await ledger.intend([intent(mail="early")])
        prepare(f"sqlite:///{file}")
        await recovered(ledger, "after")


async def test_store_makes_the_ledger_if_asked(tmp_path: Path) -> None:
    """For processes without a parent: folders, file and schema are made at the first connection."""
    file = tmp_path / "a" / "b" / "ledger.db"
    # Making a schema takes longer than the others here have patience.
    made = LedgerStore(f"sqlite:///{file}", node="node1", wait_seconds=20, create=True)
    async with made as ledger:
        await ledger.intend([intent()])
    assert file.stat().st_mode & 0o777 == 0o600
    with LedgerReader(f"sqlite:///{file}") as reader:
        assert len(reader.last_sends(5)) == 1


async def test_what_came_too_late_is_taken_back(file: Path) -> None:
    """An intent that was written after its mail had gone untouched doesn't claim that a link was sent."""
    other = sqlite3.connect(file, isolation_level=None)
    async with store(file) as ledger:
        await ledger.intend([intent(mail="before")])
        session = ledger._writer._session
        perform = session.perform

        def slow(works: object) -> list[object]:
            results = perform(works)  # type: ignore[arg-type]
            time.sleep(WAIT * 1.5)
            return results

        session.perform = slow  # type: ignore[method-assign]
        with pytest.raises(LedgerFault, match=r"no answer for|not written in"):
            await ledger.intend([intent(mail="late")])
        with pytest.raises(LedgerFault):
            await ledger.claim(key("open"), [copy("a", mail="open"), copy("b", mail="open", linked=False)])
        session.perform = perform  # type: ignore[method-assign]
        await recovered(ledger, "after")
        await ledger.find(key("open"))
        assert await ledger.find(key("open")) is None
    rows = dict(other.execute("SELECT token, state || ' ' || reply FROM sends").fetchall())
    other.close()
    assert rows[intent(mail="late").token] == "unlinked the ledger answered too late: not sent with this link"
    assert rows.get(intent("open", "a").token, "unlinked").startswith("unlinked")


async def test_session_that_is_cancelled_leaves_no_claim(file: Path) -> None:
    """A sender that goes away while its claim is being written: the retry finds everything free."""
    other = sqlite3.connect(file, isolation_level=None)
    async with store(file) as ledger:
        await ledger.intend([intent(mail="before")])
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(ledger.claim(key("open"), [copy("a", mail="open")]))
        await asyncio.sleep(0.05)
        task.cancel()
        other.execute("COMMIT")
        other.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        await recovered(ledger, "after")
        (claim,) = await ledger.claim(key("open"), [copy("a", mail="open")])
        assert claim.standing.value == "ours"


async def test_end_with_a_faulty_ledger(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Closing is bounded.

    What the ledger doesn't have by then is in the log, line by line, ready for repair.
    """
    ledger = store(file)
    ledger.start()
    await ledger.intend([intent(), intent(person="other")])
    with locked(file):
        ledger.note(outcome())
        ledger.note(outcome(person="other", state=SendState.REFUSED, reply="550 no"))
        started = time.monotonic()
        assert await ledger.close(0.3) is False
        assert time.monotonic() - started < 0.3 + MARGIN
    lines = [one.getMessage() for one in caplog.records if "to be repaired" in one.getMessage()]
    assert len(lines) == 2
    assert key("person").hex() in lines[0]
    assert '"state": "accepted"' in lines[0]
    assert '"reply": "550 no"' in lines[1]
    with pytest.raises(LedgerFault, match="closed"):
        await ledger.intend([intent()])
    ledger.note(outcome())


async def test_full_queue(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Past the bound calls fail at once, and outcomes go to the log.

    Memory stays bounded however long a fault lasts.
    """
    ledger = store(file, queue_rows=5)
    ledger.start()
    await ledger.intend([intent()])
    with locked(file):
        ledger.note(outcome())
        await asyncio.sleep(0.05)  # the thread has it in hand
        for _ in range(7):
            ledger.note(outcome())
        started = time.monotonic()
        with pytest.raises(LedgerFault, match="more than 5 rows"):
            await ledger.intend([intent(mail="other")])
        assert time.monotonic() - started < WAIT / 2
    lines = [one.getMessage() for one in caplog.records if "the queue is full" in one.getMessage()]
    assert len(lines) in {2, 3}
    await ledger.close()
    with LedgerReader(f"sqlite:///{file}") as reader:
        assert [send.state for send in reader.last_sends(5)] == [SendState.ACCEPTED]
