"""kill -9 at each step of a mail, then the sender's retry (promises 2 and 5; SMTP.md rules 3, 19, 20, 23).

All steps at once: one mail stands at each of them, then the processes are killed. What may come of it is
known beforehand, recipient by recipient: one copy, or two where the dot had been sent and no answer was
recorded, which SMTP cannot exclude (RFC 5321 §6.1). Never none, never another token.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import ORDINARY, greeted, identity, rejection
from tests.integration.running import (
    LINK,
    copies_taken,
    count,
    ledger,
    open_records,
    running,
    sends,
    until,
)
from tests.peers.action import Action, Moment, raw, reply
from tests.peers.client import Client, ClosedError, Reply, send_mail, stuffed
from tests.peers.folder import listening
from tests.peers.gateway import Gateway
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

A, B, C, BOSS = b"a@example.com", b"b@example.com", b"c@example.com", b"boss@example.co.jp"
FOUR = (A, B, C, BOSS)
CANDIDATES = {A, B, C}

SETTINGS: dict[str, dict[str, Any]] = {
    "next_hop": {"connections": 100, "idle_seconds": 60},
    "limits": {"parallel_copies": 4, "memory_bytes": 262_144},
    "timeouts": {"pool_wait_seconds": 20},
    "log": {"addresses": "plain"},
}


def big(mail: bytes) -> bytes:
    """The same mail with an attachment that no socket buffer holds: it is cut off in the middle for sure."""
    head, text = mail.split(b"\r\n\r\n", 1)
    own = [line for line in head.split(b"\r\n") if line.startswith((b"Content-", b"MIME-"))]
    rest = [line for line in head.split(b"\r\n") if line not in own]
    line = b"QUJD" * 19 + b"\r\n"
    return b"".join(
        (
            b"\r\n".join([*rest, b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="=_x"']),
            b"\r\n\r\n--=_x\r\n",
            b"\r\n".join(
                [entry for entry in own if entry.startswith(b"Content-")] or [b"Content-Type: text/plain"]
            ),
            b"\r\n\r\n" + text,
            b"\r\n--=_x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            line * (9_000_000 // len(line)),
            b"--=_x--\r\n",
        )
    )


@dataclass(slots=True, kw_only=True)
class Step:
    """Where one mail is stopped at the next hop, and what may come of it.

    Attributes:
        stage: as scripts call it; `recipients`: only for a copy that goes to one of these.
        copy: in the transactions of the copies, not in the first one, that only tells who is accepted.
        before: recipients whose copies are taken *and recorded* when the processes are killed.
        twice: recipients who get a second copy, as SMTP cannot exclude.
    """

    name: str
    stage: str
    to: tuple[bytes, ...] = (A,)
    recipients: frozenset[bytes] = frozenset()
    copy: bool = False
    before: tuple[bytes, ...] = ()
    twice: tuple[bytes, ...] = ()
    content: bytes = b""

    @property
    def sender(self) -> bytes:
        """Names the step at the next hop."""
        return self.name.encode() + b"@example.co.jp"


def steps() -> list[Step]:
    """Every step of an ordinary mail, of one for a candidate, and of one for three and a colleague."""
    found = []
    for kind in ("plain", "one"):
        found += [
            Step(name=f"{kind}-{stage}", stage=stage, twice=(A,) if stage == "dot" else ())
            for stage in ("mail", "rcpt", "data", "content", "dot")
        ]
    only_b, others, everybody = frozenset((B,)), frozenset((B, C, BOSS)), frozenset(FOUR)
    rest = (A, C, BOSS)
    found += [
        Step(name="several-mail", stage="mail", to=FOUR),
        Step(name="several-rcpt", stage="rcpt", to=FOUR, recipients=only_b),
        Step(name="several-copies-mail", stage="mail", to=FOUR, copy=True),
    ]
    copies = [
        Step(name="several-copy-rcpt", stage="rcpt", recipients=only_b, before=rest),
        Step(name="several-copy-data", stage="data", recipients=only_b, before=rest),
        Step(name="several-copy-content", stage="content", recipients=only_b, before=rest),
        Step(name="several-between", stage="data", recipients=others, before=(A,)),
        Step(name="several-first-dots", stage="dot", recipients=everybody, twice=FOUR),
        Step(name="several-last-dot", stage="dot", recipients=only_b, before=rest, twice=(B,)),
        Step(
            name="several-colleague",
            stage="dot",
            recipients=frozenset((BOSS,)),
            before=(A, B, C),
            twice=(BOSS,),
        ),
    ]
    found += [replace(step, to=FOUR, copy=True) for step in copies]
    for number, step in enumerate(found):
        mail = rejection(number)
        if step.name.startswith("plain"):
            mail = ORDINARY.replace(b"agenda@", b"agenda-%d@" % number)
        step.content = big(mail) if step.stage == "content" else mail
    return found


@dataclass(slots=True)
class Stops:
    """A script: each mail stops at its own step until `release`; others go through."""

    hop: ScriptedHop
    steps: list[Step]
    released: asyncio.Event = field(default_factory=asyncio.Event)
    reached: set[str] = field(default_factory=set)
    first: dict[bytes, Transaction] = field(default_factory=dict)

    def __call__(self, moment: Moment) -> Action | None:
        """Implements a script."""
        session = self.hop.sessions[moment.connection]
        if self.released.is_set() or not session.transactions or moment.stage in ("quit", "ehlo", "banner"):
            return None
        transaction = session.transactions[-1]
        step = next((one for one in self.steps if one.sender == transaction.sender), None)
        copy = self.is_copy(transaction)
        if step is None or moment.stage != step.stage or copy != step.copy:
            return None
        address = {moment.address} if moment.stage == "rcpt" else set(transaction.recipients)
        if step.recipients and not step.recipients & address:
            return None
        self.reached.add(step.name)
        usual = {"data": reply(354, "go ahead"), "content": raw().at(100_000)}
        return usual.get(moment.stage, reply(250, "2.0.0 ok")).when(self.released)

    def is_copy(self, transaction: Transaction) -> bool:
        """Whether a transaction is one of a copy: not the first of its mail."""
        return self.first.setdefault(transaction.sender, transaction) is not transaction

    def release(self) -> None:
        """Let everything go on; from now on the hop is polite."""
        self.released.set()
        self.hop.script(None)


async def send(port: int, step: Step) -> Reply:
    """The sender: one attempt."""
    return (await send_mail(port, step.content, sender=step.sender, recipients=step.to, patience=40))[-1]


@contextlib.asynccontextmanager
async def stopped(hop: ScriptedHop, gateway: Gateway, mails: list[Step]) -> AsyncIterator[Stops]:
    """Every mail on its way and at its step; what should be recorded by then is.

    The block is to kill the gateway: senders lose their connection and are told nothing.
    """
    stops = Stops(hop, mails)
    hop.script(stops)
    assert hop._server is not None
    for listener in hop._server.sockets:  # accepted connections inherit it: less than `big` fits in between
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    attempts = [asyncio.create_task(send(gateway.port, step)) for step in mails]
    try:
        with contextlib.suppress(TimeoutError):
            await hop.wait(lambda: len(stops.reached) == len(mails))
        assert {step.name for step in mails} - stops.reached == set(), gateway.log()
        recorded = sum(len(step.before) for step in mails)
        await until(
            lambda: count(gateway.ledger, "SELECT count(*) FROM copies WHERE fate = 'taken'") >= recorded,
            f"{recorded} outcomes in the ledger",
        )
        yield stops
        results = await asyncio.wait_for(asyncio.gather(*attempts, return_exceptions=True), 20)
        answered = [step.name for step, one in zip(mails, results, strict=True) if isinstance(one, Reply)]
        assert answered == [], "the sender was told something by a process that is dead"
    finally:
        stops.release()
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)


def check_between(hop: ScriptedHop, path: Path) -> None:
    """Promise 5 at the moment of the crash: every link on the wire is known, and 'accepted' is the truth."""
    rows = {send.token: send for send in sends(path)}
    on_wire: dict[str, bool] = {}
    for transaction in hop.transactions:
        if transaction.complete:
            for tokens in copies_tokens(transaction):
                on_wire[tokens] = on_wire.get(tokens, False) or transaction.taken
    assert on_wire.keys() <= rows.keys(), "a link went out that the ledger doesn't know"
    for token, row in rows.items():
        assert row.state in ("accepted", "intended")
        if row.state == "accepted":
            assert on_wire[token], "accepted in the ledger, never taken by the next hop"


def copies_tokens(transaction: Transaction) -> set[str]:
    """The tokens in one copy."""
    return {token.decode() for token in LINK.findall(transaction.content)}


def check_after(hop: ScriptedHop, mails: list[Step], path: Path) -> None:
    """Nobody left out, nobody twice who need not be, tokens as they were, the ledger true."""
    got, expected, tokens = {}, {}, {}
    for step in mails:
        found = copies_taken(hop, step.content)
        got[step.name] = {recipient: len(copies) for recipient, copies in found.items()}
        expected[step.name] = {recipient: 1 + (recipient in step.twice) for recipient in step.to}
        for recipient, copies in found.items():
            assert len(set(copies)) == 1, f"{step.name}: another token for {recipient!r} in the retry"
            linked = recipient in CANDIDATES and not step.name.startswith("plain")
            assert bool(copies[0]) is linked, (step.name, recipient, copies)
            if linked:
                assert copies[0] not in tokens, "two recipients with one token"
                tokens[copies[0]] = identity(step.content).decode().removeprefix("Message-ID: ")
    assert got == expected
    rows = sends(path)
    assert {row.token: row.message_id for row in rows} == tokens
    assert {row.state for row in rows} == {"accepted"}
    assert open_records(path) == 0
    assert hop.faults == []


@pytest.mark.parametrize("killed", ["worker", "gateway", "gateway-of-two"])
async def test_kill_at_every_step(killed: str, tmp_path: Path) -> None:
    """Rules 3, 19, 20, 23: after kill -9 at any step the sender's retry completes the mail, at once.

    Nothing is left behind but the ledger (rule 27: temporary files have no name).

    `worker`: its parent starts another, which finds the sockets open and the claims of the dead one free.
    `gateway`: everything dies and is started again. `gateway-of-two`: the retry goes to another gateway on
    the same ledger, that ran all the while.
    """
    mails = steps()
    spool = tmp_path / "spool"
    spool.mkdir()
    settings = {**SETTINGS, "limits": {**SETTINGS["limits"], "spool_directory": str(spool)}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        port = gateway.port
        async with contextlib.AsyncExitStack() as stack:
            if killed == "gateway-of-two":
                port = (await stack.enter_async_context(second(hop, gateway))).port
            async with stopped(hop, gateway, mails) as stops:
                if killed == "worker":
                    (worker,) = gateway.workers()
                    os.kill(worker, signal.SIGKILL)
                else:
                    await asyncio.to_thread(gateway.kill9)
                check_between(hop, gateway.ledger)
                assert list(spool.iterdir()) == []
                stops.release()
            if killed == "gateway":
                await asyncio.to_thread(gateway.start)
            replies = await asyncio.gather(*(send(port, step) for step in mails))
            assert {step.name: one.code for step, one in zip(mails, replies, strict=True)} == {
                step.name: 250 for step in mails
            }
            if killed == "worker":
                assert "worker died" in gateway.log()
                assert gateway.workers() != [worker]
        # the end of the process is waited for first: it writes the last outcomes before it goes
        if gateway.process is not None:
            assert await asyncio.to_thread(gateway.stop) == 0
        check_after(hop, mails, gateway.ledger)
        assert count(gateway.ledger, "SELECT count(*) FROM processes") <= (killed == "gateway-of-two")


def second(hop: ScriptedHop, first: Gateway) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """Another gateway on the same ledger, with the same key."""
    shared = {
        "gateway": {"key_file": str(first.folder / "careerrelay.key")},
        "ledger": {"url": f"sqlite:///{first.ledger}"},
    }
    return running(hop, {**SETTINGS, **shared})


async def test_kill_after_the_last_answer_before_it_is_recorded() -> None:
    """Rule 19: the outcome is in the ledger before the reply leaves; a crash between them is one before both.

    The ledger is locked when the last copy is taken, so its outcome waits and so does the reply; the copies
    recorded before that are not sent again.
    """
    step = Step(name="several-locked", stage="dot", to=FOUR, copy=True, recipients=frozenset((B,)),
                before=(A, C, BOSS), twice=(B,), content=rejection(77))  # fmt: skip
    settings = {**SETTINGS, "ledger": {"wait_seconds": 20}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        async with stopped(hop, gateway, [step]) as stops:
            with ledger(gateway.ledger) as held:
                held.execute("BEGIN IMMEDIATE")
                stops.release()
                await hop.wait(lambda: len(copies_taken(hop, step.content)) == 4)
                await asyncio.sleep(0.3)  # it has the answer, and nothing on the outside shows it
                await asyncio.to_thread(gateway.kill9)
                held.execute("ROLLBACK")
            check_between(hop, gateway.ledger)
        await asyncio.to_thread(gateway.start)
        assert (await send(gateway.port, step)).code == 250
        check_after(hop, [step], gateway.ledger)


async def test_kill_after_the_reply_before_it_is_recorded() -> None:
    """Rule 22: a mail for one is answered without waiting for its outcome to be written.

    Killed in between, its row says 'intended', that is "may have been sent", which is true. The sender had
    its 250 and won't come again.
    """
    step = Step(name="one-answered", stage="dot", content=rejection(78))
    settings = {**SETTINGS, "ledger": {"wait_seconds": 20}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        stops = Stops(hop, [step])
        hop.script(stops)
        attempt = asyncio.create_task(send(gateway.port, step))
        await hop.wait(lambda: bool(stops.reached) or attempt.done())
        assert not attempt.done(), (attempt.result(), gateway.log())
        with ledger(gateway.ledger) as held:
            held.execute("BEGIN IMMEDIATE")
            stops.release()
            assert (await attempt).code == 250
            await asyncio.to_thread(gateway.kill9)
            held.execute("ROLLBACK")
        (row,) = sends(gateway.ledger)
        assert (row.state, row.attempts) == ("intended", 1)
        assert copies_taken(hop, step.content) == {A: [row.token]}


async def test_kill_while_the_failure_notice_is_sent() -> None:
    """Rules 16, 19: outcomes are recorded before the notice about them; a crash then repeats only that."""
    mail = rejection(80)

    def script(moment: Moment) -> Action | None:
        transactions = hop.sessions[moment.connection].transactions
        if moment.stage != "dot" or stopped.is_set():
            return None
        if transactions[-1].recipients == [B]:
            return reply(550, "5.7.1 no")
        return reply(250, "2.0.0 ok").when(stopped) if transactions[-1].sender == b"" else None

    stopped = asyncio.Event()
    async with ScriptedHop(script) as hop, running(hop, SETTINGS) as gateway:
        attempt = asyncio.create_task(send_mail(gateway.port, mail, recipients=FOUR))
        await hop.wait(lambda: any(one.complete and one.sender == b"" for one in hop.transactions))
        await asyncio.to_thread(gateway.kill9)
        with contextlib.suppress(ClosedError):
            pytest.fail(f"answered by a dead process: {await attempt}")
        fates = "SELECT count(*) FROM copies WHERE fate = "
        assert [count(gateway.ledger, fates + fate) for fate in ("'taken'", "'refused'")] == [3, 1]
        stopped.set()
        before = len(hop.transactions)
        await asyncio.to_thread(gateway.start)
        assert (await send_mail(gateway.port, mail, recipients=FOUR))[-1].code == 250
        again = [one for one in hop.transactions[before:] if one.complete]
        assert [(one.sender, one.recipients) for one in again] == [(b"", [b"hr@example.co.jp"])]
        assert open_records(gateway.ledger) == 0
        assert {row.state for row in sends(gateway.ledger)} == {"accepted", "refused"}


async def test_the_sender_dies_between_copies() -> None:
    """Rules 6 and 7: a copy that isn't complete stays owed; one past its dot is awaited and recorded.

    So the retry sends the one, and not the other, and is not told that somebody else has them.
    """
    mail = rejection(81)
    data_of_a, dot_of_b = asyncio.Event(), asyncio.Event()
    reached: set[str] = set()

    def script(moment: Moment) -> Action | None:
        transactions = hop.sessions[moment.connection].transactions
        if moment.stage == "data" and transactions[-1].recipients == [A]:
            reached.add("a")
            return reply(354, "go ahead").when(data_of_a)
        if moment.stage == "dot" and transactions[-1].recipients == [B]:
            reached.add("b")
            return reply(250, "2.0.0 ok").when(dot_of_b)
        return None

    async with ScriptedHop(script) as hop, running(hop, SETTINGS) as gateway:
        async with await Client.connect(gateway.port) as client:
            await client.hello()
            lines = [b"MAIL FROM:<hr@example.co.jp>", *(b"RCPT TO:<" + to + b">" for to in FOUR)]
            for line in lines:
                assert (await client.command(line)).code == 250
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(mail))
            await hop.wait(lambda: reached == {"a", "b"} and len(hop.taken) == 2)
            client.reset()
        await asyncio.sleep(0.3)  # the gateway learns of it, and shows nobody
        data_of_a.set()
        first = next(one for one in hop.transactions if one.recipients == [A])
        await hop.wait(lambda: bool(hop.sessions[first.connection].ended))
        dot_of_b.set()
        await until(
            lambda: count(gateway.ledger, "SELECT count(*) FROM copies WHERE fate = 'taken'") == 3,
            "all but one",
        )
        assert (await send_mail(gateway.port, mail, recipients=FOUR))[-1].code == 250
        assert {to: len(copies) for to, copies in copies_taken(hop, mail).items()} == dict.fromkeys(FOUR, 1)
        assert open_records(gateway.ledger) == 0


async def test_one_of_two_workers_is_killed() -> None:
    """Rule 20: the living worker takes over what the dead one had, at once; its own mails go on unharmed."""
    mails = [
        Step(name=f"several-{number}", stage="dot", to=FOUR, copy=True, recipients=frozenset((B,)),
             content=rejection(200 + number))
        for number in range(12)
    ]  # fmt: skip
    settings = {**SETTINGS, "gateway": {"workers": 2}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        stops = Stops(hop, mails)
        hop.script(stops)
        attempts = [asyncio.create_task(send(gateway.port, step)) for step in mails]
        await hop.wait(lambda: len(stops.reached) == len(mails))
        await until(
            lambda: count(gateway.ledger, "SELECT count(*) FROM copies WHERE fate = 'taken'") == 36,
            "three outcomes of each mail",
        )
        # the one with more senders: chance may have given all of them to one worker
        worker = max(gateway.workers(), key=lambda pid: len(list(Path(f"/proc/{pid}/fd").iterdir())))
        os.kill(worker, signal.SIGKILL)
        await until(lambda: any(attempt.done() for attempt in attempts), "senders lost")
        lost = [step for step, attempt in zip(mails, attempts, strict=True) if attempt.done()]
        again = [asyncio.create_task(send(gateway.port, step)) for step in lost]
        stops.release()
        for step in lost:
            step.twice = (B,)
        results = await asyncio.gather(*attempts, return_exceptions=True)
        kept = [one.code for one in results if isinstance(one, Reply)]
        assert kept == [250] * (len(mails) - len(lost)), results
        assert [one.code for one in await asyncio.gather(*again)] == [250] * len(lost)
        assert len(lost) > 0
        await asyncio.to_thread(gateway.stop)
        check_after(hop, mails, gateway.ledger)


async def test_only_the_parent_is_killed() -> None:
    """Rule 26: a worker that loses its parent closes its sockets at once, so that a new gateway can bind.

    What it has in hand it finishes: the sender gets the next hop's 250, and idle sessions 421.
    """
    step = Step(name="one-orphan", stage="dot", content=rejection(79))
    settings = {**SETTINGS, "gateway": {"workers": 2}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        stops = Stops(hop, [step])
        hop.script(stops)
        attempt = asyncio.create_task(send(gateway.port, step))
        await hop.wait(lambda: bool(stops.reached))
        assert gateway.process is not None
        async with greeted(gateway.port) as idle:
            os.kill(gateway.process.pid, signal.SIGKILL)
            await asyncio.to_thread(gateway.process.wait, 10)
            assert await idle.code() == 421
        other = Gateway(hop.port, SETTINGS, folder=gateway.folder, port=gateway.port)
        await until(lambda: not listening(gateway.port), "the orphans' sockets closed", patience=5)
        await asyncio.to_thread(other.start)
        try:
            ordinary = ORDINARY.replace(b"agenda@", b"orphan@")
            assert (await send_mail(gateway.port, ordinary, recipients=(C,)))[-1].code == 250
            assert not attempt.done()
            stops.release()
            assert (await attempt).code == 250
            await until(lambda: not gateway.processes(), "orphans gone")
        finally:
            assert await asyncio.to_thread(other.stop) == 0
        gateway.process = None
        check_after(hop, [step], gateway.ledger)
        assert copies_taken(hop, ordinary) == {C: [""]}
