"""The ledger locked, full, read-only, gone, corrupt, under the real gateway (SMTP.md rule 22, promises 1, 5).

The gateway is a process of its own with SQLite on disk, and what befalls the ledger befalls the real files.
Each fault: mail that would have got links goes as it came, in the time that is promised; other mail notices
nothing; the log says what is wrong and what to do; and when the cause is gone links come again, without
anybody's help.
"""

import asyncio
import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, rejection, without_trace
from tests.integration.running import copies_taken, ledger, running, sends, until
from tests.peers import faults
from tests.peers.action import Action, Moment, reply
from tests.peers.client import Reply, send_mail
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop

#: `ledger.wait_seconds` as it is by default, and what a busy machine may add to it.
WAIT, MARGIN = 2.0, 1.5
ONE = (b"taro@example.com",)
TWO = (b"taro@example.com", b"jiro@example.net")

#: Every mail of this module is one of its own.
_numbers = itertools.count(1)


@dataclass(slots=True, kw_only=True)
class Running:
    """The gateway that the tests of this module share, and the port of the next hop that they bring."""

    gateway: Gateway
    hop_port: int

    @property
    def file(self) -> Path:
        """The ledger's file: in a folder of its own, that can go away."""
        return self.gateway.folder / "ledger" / "ledger.db"


SETTINGS = {"ledger": {"url": "sqlite:///ledger/ledger.db"}, "log": {"addresses": "plain"}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    """One gateway for all the faults that pass: the next has to find it whole again."""
    port = free_port()
    script = pytest.MonkeyPatch()
    with Gateway(port, SETTINGS) as gateway:
        # Root may write everything, whatever the mode; a gateway is not to run as root, and here it can't.
        gateway.stop()
        if os.geteuid() == 0:
            wrapper = gateway.folder / "python"
            bounds = "--bounding-set=-dac_override,-dac_read_search"
            wrapper.write_text(f'#!/bin/sh\nexec setpriv {bounds} "{sys.executable}" "$@"\n')
            wrapper.chmod(0o755)
            script.setattr(sys, "executable", str(wrapper))
        gateway.start()
        script.undo()
        yield Running(gateway=gateway, hop_port=port)


def lines_so_far(gateway: Gateway) -> int:
    """How many lines it has logged."""
    return len(gateway.log().splitlines())


def told(gateway: Gateway, mark: int, *words: str) -> bool:
    """Whether a line since `mark` lines were there holds all of these words."""
    return any(all(word in line for word in words) for line in gateway.log().splitlines()[mark:])


# --- what befalls it ---------------------------------------------------------------------------------------


def beside(file: Path) -> list[Path]:
    """The three files of a ledger."""
    return [file, Path(f"{file}-wal"), Path(f"{file}-shm")]


@contextlib.asynccontextmanager
async def backed_up(file: Path) -> AsyncIterator[None]:
    """Afterwards a backup, made before, stands in the ledger's place."""
    copy = file.parent.with_name("backup.db")
    with ledger(file) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    try:
        yield
    finally:
        file.parent.mkdir(exist_ok=True)
        for path in beside(file):
            path.unlink(missing_ok=True)
        copy.rename(file)


@contextlib.asynccontextmanager
async def locked(here: Running) -> AsyncIterator[None]:
    """Another process holds BEGIN EXCLUSIVE."""
    with faults.locked(here.file):
        yield


@contextlib.asynccontextmanager
async def quota(here: Running) -> AsyncIterator[None]:
    """No file may grow."""
    with faults.quota(here.gateway.workers()):
        yield


@contextlib.asynccontextmanager
async def read_only(here: Running) -> AsyncIterator[None]:
    """The files come back from a repair belonging to somebody who forgot the gateway's right to write."""
    aside = here.file.with_name("aside")
    mark = lines_so_far(here.gateway)
    here.file.rename(aside)
    await until(lambda: told(here.gateway, mark, "ledger fault"), "ledger fault in the log")
    for path in (aside, *beside(here.file)[1:]):
        path.chmod(0o400)
    aside.rename(here.file)
    here.file.parent.chmod(0o500)
    try:
        yield
    finally:
        here.file.parent.chmod(0o700)
        for path in beside(here.file):
            path.chmod(0o600)


@contextlib.asynccontextmanager
async def folder_gone(here: Running) -> AsyncIterator[None]:
    """The folder is gone, as with a disk that is not mounted, and comes back."""
    with faults.moved_away(here.file.parent):
        yield


@contextlib.asynccontextmanager
async def file_gone(here: Running) -> AsyncIterator[None]:
    """The database alone is moved away, and comes back."""
    with faults.moved_away(here.file):
        yield


@contextlib.asynccontextmanager
async def deleted(here: Running) -> AsyncIterator[None]:
    """Everything is deleted; later the backup is put there."""
    async with backed_up(here.file):
        for path in beside(here.file):
            path.unlink()
        yield


@contextlib.asynccontextmanager
async def overwritten(here: Running) -> AsyncIterator[None]:
    """The file is overwritten in place; later the backup is put there."""
    async with backed_up(here.file):
        here.file.write_bytes(os.urandom(here.file.stat().st_size))
        yield


@contextlib.asynccontextmanager
async def truncated(here: Running) -> AsyncIterator[None]:
    """The file is cut to nothing; later the backup is put there."""
    async with backed_up(here.file):
        os.truncate(here.file, 0)
        yield


@contextlib.asynccontextmanager
async def corrupt_inside(here: Running) -> AsyncIterator[None]:
    """The first page is whole and all behind it is noise, in the file and in its -wal; later the backup."""
    async with backed_up(here.file):
        for path in beside(here.file)[:2]:
            size = path.stat().st_size
            with path.open("r+b") as file:
                file.seek(4_096)
                file.write(b"\xa5" * max(size - 4_096, 0))
        # what is in the caches of the process is thrown away by a fault of another kind
        async with file_gone(here):
            await asyncio.sleep(1.5)
        yield


Fault = Callable[[Running], AbstractAsyncContextManager[None]]

#: What the log has to say of each, so that an admin knows what is wrong and what to mend.
WORDS: dict[Fault, tuple[str, ...]] = {
    locked: ("database is locked", "another program holds it"),
    quota: ("disk I/O error", "look at the disk"),
    read_only: ("the gateway's user has to be able to write the file and its folder",),
    folder_gone: ("is not there", "its disk not mounted"),
    file_gone: ("is not there", "deleted, moved"),
    deleted: ("is not there", "deleted, moved"),
    overwritten: ("restore it from a backup",),
    truncated: ("restore it from a backup",),
    corrupt_inside: ("malformed", "restore it from a backup"),
}


# --- mail --------------------------------------------------------------------------------------------------


def fresh() -> bytes:
    """A rejection that no test has sent yet."""
    return rejection(next(_numbers))


async def send(port: int, mail: bytes, recipients: tuple[bytes, ...] = ONE) -> Reply:
    """Send it; the last reply."""
    return (await send_mail(port, mail, recipients=recipients))[-1]


def links(hop: ScriptedHop, mail: bytes) -> list[str]:
    """The token of each copy that the hop took, "" for one without."""
    return [token for tokens in copies_taken(hop, mail).values() for token in tokens]


def check_untouched(hop: ScriptedHop, mail: bytes, recipients: tuple[bytes, ...] = ONE) -> None:
    """Each recipient has it once, and as it was."""
    assert copies_taken(hop, mail) == {recipient: [""] for recipient in recipients}
    (taken,) = [one for one in hop.taken if without_trace(one.content) == mail]
    assert taken.recipients == list(recipients)


@dataclass(slots=True)
class Others:
    """Ordinary mail of other people, and how long each took."""

    sent: list[bytes] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextlib.asynccontextmanager
async def ordinary_mail(port: int, hop: ScriptedHop) -> AsyncIterator[Others]:
    """Ordinary mail all the time: none of it waits for the ledger, all of it arrives as it was."""
    others = Others()
    stop = asyncio.Event()

    async def line() -> None:
        while not stop.is_set():
            mail = ORDINARY.replace(b"agenda@", b"agenda-%d@" % next(_numbers))
            began = time.monotonic()
            replies = await send_mail(port, mail, sender=b"others@example.co.jp")
            others.seconds.append(time.monotonic() - began)
            assert [reply.code for reply in replies] == [250, 250, 354, 250], str(replies[-1])
            others.sent.append(mail)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(line())
    try:
        yield others
    finally:
        stop.set()
        await task
    arrived = [without_trace(one.content) for one in hop.taken if one.sender == b"others@example.co.jp"]
    assert sorted(arrived) == sorted(others.sent)
    assert others.sent
    assert max(others.seconds) < WAIT - 0.5, "ordinary mail waited for the ledger"


async def linked_again(port: int, hop: ScriptedHop, *, patience: float = 15.0) -> bytes:
    """Send rejections until one gets its link; give that one."""
    async with asyncio.timeout(patience):
        while True:
            mail = fresh()
            assert (await send(port, mail)).code == 250
            if links(hop, mail) != [""]:
                return mail
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("fault", WORDS, ids=lambda fault: fault.__name__)
async def test_mail_goes_on_and_links_come_again(shared: Running, fault: Fault) -> None:
    """Rule 22, promise 1: see above; for one candidate and for several, each in `wait_seconds`."""
    gateway, port = shared.gateway, shared.gateway.port
    mark = lines_so_far(gateway)
    during = {fresh(): ONE, fresh(): ONE, fresh(): TWO}
    late = fresh()
    async with ScriptedHop(port=shared.hop_port) as hop:
        before = await linked_again(port, hop)
        async with ordinary_mail(port, hop):
            async with fault(shared):
                began = time.monotonic()
                replies = await asyncio.gather(*(send(port, mail, to) for mail, to in during.items()))
                took = time.monotonic() - began
                await asyncio.sleep(0.2)
                began = time.monotonic()
                replies.append(await send(port, late))
                took_late = time.monotonic() - began
            after = await linked_again(port, hop)
        assert [one.code for one in replies] == [250] * 4
        assert took < WAIT + MARGIN
        assert took_late < WAIT / 2, "a fault that is known makes nobody wait"
        for mail, recipients in (during | {late: ONE}).items():
            check_untouched(hop, mail, recipients)
        assert hop.faults == []
    assert told(gateway, mark, "ledger fault, mail goes on by the fault policy", str(shared.file))
    for words in WORDS[fault]:
        assert told(gateway, mark, words), f"{words!r} is not in\n{gateway.log()[-3000:]}"
    assert told(gateway, mark, " mail ", "reason=ledger-fault", "detail=")
    assert told(gateway, mark, "ledger is well again")
    tokens = {one.token: one.state for one in sends(shared.file)}
    (token,) = links(hop, after)
    await until(lambda: {one.token: one.state for one in sends(shared.file)}[token] == "accepted", "outcome")
    assert tokens.keys() >= set(links(hop, before))
    assert not tokens.keys() & {token for mail in during for token in links(hop, mail)}


async def test_the_quick_end_of_a_fault_costs_no_link(shared: Running) -> None:
    """Rule 22: what is over within `wait_seconds` is waited for: the mail gets its link."""
    mail = fresh()
    async with ScriptedHop(port=shared.hop_port) as hop:
        await linked_again(shared.gateway.port, hop)
        async with ordinary_mail(shared.gateway.port, hop):
            async with locked(shared):
                sending = asyncio.create_task(send(shared.gateway.port, mail))
                await asyncio.sleep(0.7)
                assert not sending.done()
            assert (await sending).code == 250
        (token,) = links(hop, mail)
        assert token


async def test_defer_makes_mail_for_candidates_wait() -> None:
    """Rule 22, `ledger.fault = "defer"`: 451 in time, ordinary mail goes on, and the retry gets its link."""
    mails = {fresh(): ONE, fresh(): TWO}
    settings = {**SETTINGS, "ledger": {**SETTINGS["ledger"], "fault": "defer"}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        here = Running(gateway=gateway, hop_port=hop.port)
        await linked_again(gateway.port, hop)
        async with ordinary_mail(gateway.port, hop):
            async with folder_gone(here):
                began = time.monotonic()
                replies = await asyncio.gather(*(send(gateway.port, mail, to) for mail, to in mails.items()))
                assert time.monotonic() - began < WAIT + MARGIN
            assert [one.code for one in replies] == [451] * 2
            assert all(links(hop, mail) == [] for mail in mails)
            for mail, recipients in mails.items():
                async with asyncio.timeout(15):
                    while (await send(gateway.port, mail, recipients)).code == 451:
                        pass  # as a sender with no patience
                assert all(links(hop, mail)), "deferred for its link, and then none"
                assert len(links(hop, mail)) == len(recipients)


# --- gone between the intent and the outcome ---------------------------------------------------------------


def held_at_dot(event: asyncio.Event, hop: ScriptedHop) -> None:
    """No answer to a final dot before `event`, but for the mail of others."""

    def script(moment: Moment) -> Action | None:
        if moment.stage != "dot" or hop.sessions[moment.connection].transactions[-1].sender.startswith(
            b"others"
        ):
            return None
        return reply(250, "2.0.0 taken").when(event)

    hop.script(script)


@pytest.mark.parametrize("recipients", [ONE, TWO], ids=["one", "several"])
@pytest.mark.parametrize("fault", [locked, folder_gone, quota], ids=lambda fault: fault.__name__)
async def test_gone_behind_the_intent_is_250_and_the_outcome_is_written_later(
    shared: Running, fault: Fault, recipients: tuple[bytes, ...]
) -> None:
    """Rule 22: the next hop took it, so the sender hears 250, in time; the ledger learns when it is back."""
    mail = fresh()
    event = asyncio.Event()
    async with ScriptedHop(port=shared.hop_port) as hop:
        await linked_again(shared.gateway.port, hop)
        held_at_dot(event, hop)
        async with ordinary_mail(shared.gateway.port, hop):
            sending = asyncio.create_task(send(shared.gateway.port, mail, recipients))
            own = len(recipients)
            await hop.wait(lambda: sum(one.complete and not one.reply for one in hop.transactions) == own)
            async with fault(shared):
                event.set()
                began = time.monotonic()
                assert (await sending).code == 250
                # several: once for the copies that were done first, once for the end of the mail
                assert time.monotonic() - began < own * WAIT + MARGIN
                found = links(hop, mail)
            assert len(set(found)) == own
            assert all(found)
            await until(lambda: states(shared.file, found) == ["accepted"] * own, "outcomes in the ledger")
            await linked_again(shared.gateway.port, hop)
    # ... and the retry of a sender who did not hear it is the same mail with the same token
    async with ScriptedHop(port=shared.hop_port) as hop:
        assert (await send(shared.gateway.port, mail, recipients)).code == 250
        assert sorted(links(hop, mail)) == sorted(found)


def states(file: Path, tokens: list[str]) -> list[str]:
    """How these sends stand in the ledger; of those that it knows."""
    return [one.state for one in sends(file) if one.token in tokens]


async def test_gone_for_good_behind_the_intent_is_a_line_to_repair_from() -> None:
    """Rule 22: a ledger that never comes back: 250 all the same, and each outcome is a line in the log."""
    event = asyncio.Event()
    mails = {fresh(): ONE, fresh(): TWO}
    async with ScriptedHop() as hop, running(hop, SETTINGS) as gateway:
        await linked_again(gateway.port, hop)
        held_at_dot(event, hop)
        sending = [asyncio.create_task(send(gateway.port, mail, to)) for mail, to in mails.items()]
        await hop.wait(lambda: sum(one.complete and not one.reply for one in hop.transactions) == 3)
        folder = gateway.folder / "ledger"
        folder.rename(gateway.folder / "lost")
        event.set()
        assert [one.code for one in await asyncio.gather(*sending)] == [250, 250]
        assert await asyncio.to_thread(gateway.stop) == 0
        lost = [line.partition("to be repaired: ")[2] for line in gateway.log().splitlines()]
        entries = [json.loads(line) for line in lost if line]
        with ledger(gateway.folder / "lost" / "ledger.db") as database:
            rows = database.execute(
                "SELECT hex(mail_key), state FROM sends WHERE message_id IN (?, ?)",
                [_message_id(mail) for mail in mails],
            ).fetchall()
        outcomes = [entry["mail_key"].upper() for entry in entries if entry.get("state") == "accepted"]
        assert sorted(outcomes) == sorted(key for key, _ in rows)
        assert len(rows) == 3


def _message_id(mail: bytes) -> str:
    return mail.partition(b"Message-ID: ")[2].partition(b"\r\n")[0].decode()


# --- a disk that is really full, and a key that is another's -----------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; for root with the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("may not mount; `quota` above plays the same")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts; `quota` above plays the same")
async def test_full_disk(small_disk: Path) -> None:
    """Rule 22: no room on the disk: untouched, the log says to make room, and with room links come again."""
    file = small_disk / "ledger.db"
    settings = {"ledger": {"url": f"sqlite:///{file}"}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        await linked_again(gateway.port, hop)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as heap, contextlib.suppress(OSError):
            while heap.write(bytes(4_096)):
                pass
        mail = fresh()
        async with ordinary_mail(gateway.port, hop):
            began = time.monotonic()
            async with asyncio.timeout(15):  # what was allotted before the disk was full is still used
                while (await send(gateway.port, mail)).code == 250 and links(hop, mail) != [""]:
                    mail = fresh()
            assert time.monotonic() - began < 15
            check_untouched(hop, mail)
            ballast.unlink()
            await linked_again(gateway.port, hop)
        assert told(gateway, 0, "database or disk is full", "make room on its disk")
        assert told(gateway, 0, "ledger is well again")


async def test_ledger_of_another_key() -> None:
    """Rule 22 and issue 2: `serve` and `check` say that the key is another's; mail goes on with links."""
    async with ScriptedHop() as hop, running(hop) as gateway:
        await linked_again(gateway.port, hop)
        assert not told(gateway, 0, "another key")
        await asyncio.to_thread(gateway.stop)
        key = gateway.folder / "careerrelay.key"
        key.rename(gateway.folder / "old.key")
        mark = lines_so_far(gateway)
        await asyncio.to_thread(gateway.start)
        assert told(gateway, mark, "ledger was begun with another key", "put back the key file")
        await linked_again(gateway.port, hop)
        told_by_check = json.loads(gateway.command("check", "--json", check=False))
        (problem,) = told_by_check["problems"]
        assert "was begun with another key" in problem["message"]
        assert "put the first key file back" in problem["remedy"]


async def test_no_ledger_at_the_start_is_no_reason_not_to_start() -> None:
    """Rule 22, promise 1: no ledger can be made: mail flows; once it can, links come."""
    settings = {"ledger": {"url": "sqlite:///ledger/ledger.db"}}
    async with ScriptedHop() as hop:
        gateway = Gateway(hop.port, settings)
        (gateway.folder / "ledger").write_bytes(b"a file where the folder should be")
        try:
            await asyncio.to_thread(gateway.start)
            assert told(gateway, 0, "ledger can't be used")
            mail = fresh()
            began = time.monotonic()
            assert (await send(gateway.port, mail)).code == 250
            assert time.monotonic() - began < WAIT + MARGIN
            check_untouched(hop, mail)
            (gateway.folder / "ledger").unlink()
            await linked_again(gateway.port, hop)
        finally:
            await asyncio.to_thread(gateway.kill9)
            gateway.discard()
