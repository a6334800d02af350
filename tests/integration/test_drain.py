"""SIGTERM and SIGINT: stop accepting, finish what is in hand, bid the rest goodbye, exit 0 (rules 26, 27)."""

import asyncio
import os
import signal
import time

import pytest

from tests.integration.harness import ORDINARY, greeted, rejection
from tests.integration.running import copies_taken, open_records, running, sends, until
from tests.integration.traffic import PATIENT_LEDGER, Traffic, check
from tests.peers.action import reply
from tests.peers.client import Client, ClosedError, send_mail, stuffed, transact
from tests.peers.gateway import Gateway, cpu_seconds
from tests.peers.scripted import ScriptedHop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_mail_in_hand_is_finished(number: signal.Signals) -> None:
    """Rule 26: idle sessions get 421 at once; who is in the middle of a mail ends it, and then gets 421.

    Nothing else is begun: the sockets are closed. A second signal changes nothing, and the parent waits
    without burning time. Exit code 0 when the last one is done.
    """
    async with (
        ScriptedHop() as hop,
        running(hop, {"gateway": {"workers": 2}}) as gateway,
        greeted(gateway.port) as idle,
        await Client.connect(gateway.port) as fresh,
        greeted(gateway.port) as begun,
        greeted(gateway.port) as uploading,
        greeted(gateway.port) as waiting,
    ):
        await fresh.expect(220)
        held = asyncio.Event()
        hop.script({("dot", 1): None, "dot": reply(250, "2.0.0 late").when(held)})
        for client in (begun, uploading):
            for line in (b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>"):
                assert (await client.command(line)).code == 250
        assert (await uploading.command(b"DATA")).code == 354
        await uploading.send(rejection(1)[:200])
        attempt = asyncio.create_task(transact(waiting, rejection(2), recipients=(b"a@example.com",)))
        await hop.wait(lambda: len(hop.complete) == 1)

        assert gateway.process is not None
        parent = gateway.process.pid
        os.kill(parent, number)
        for client in (idle, fresh):
            goodbye = await client.reply()
            assert (goodbye.code, goodbye.enhanced) == (421, "4.3.2")
            assert await client.closed() == b""
        await until(lambda: "draining" in gateway.log(), "draining")
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(gateway.port)
        spent = cpu_seconds(parent, children=False)
        os.kill(parent, number)
        await asyncio.sleep(0.7)
        assert cpu_seconds(parent, children=False) - spent < 0.3, "the parent spins"

        held.set()
        assert (await attempt)[-1].code == 250
        await waiting.expect(421)
        await uploading.send(stuffed(rejection(1))[200:])
        assert [await uploading.code(), await uploading.code()] == [250, 421]
        assert gateway.process.poll() is None
        assert (await begun.command(b"DATA")).code == 354
        await begun.send(stuffed(ORDINARY))
        assert [await begun.code(), await begun.code()] == [250, 421]
        assert await asyncio.to_thread(gateway.wait) == 0
        assert len(hop.taken) == 3
        assert [row.state for row in sends(gateway.ledger)] == ["accepted"] * 2


@pytest.mark.parametrize("then", [signal.SIGCONT, signal.SIGKILL])
async def test_who_waits_in_the_queue_is_told(then: signal.Signals) -> None:
    """Rule 26: connections that nobody has accepted yet get 421 and a clean end, not a reset.

    Whether the workers accept some of them just before they are told to go (then it may be 220 and 421), or
    are all dead and the parent is left alone with the queue.
    """
    async with ScriptedHop() as hop, running(hop, {"gateway": {"workers": 2}}) as gateway:
        workers = gateway.workers()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        clients = [await Client.connect(gateway.port) for _ in range(100)]
        assert gateway.process is not None
        for worker in workers if then == signal.SIGKILL else ():
            os.kill(worker, then)
        gateway.process.terminate()
        for worker in workers if then == signal.SIGCONT else ():
            os.kill(worker, then)
        for client in clients:
            answer = await client.reply()
            if then == signal.SIGCONT and answer.code == 220:
                answer = await client.reply()
            assert answer.code == 421
            with pytest.raises(ClosedError) as end:
                await client.reply()
            assert (end.value.rest, end.value.reset) == (b"", False)
            await client.close()
        assert await asyncio.to_thread(gateway.wait) == 0
        assert "worker hangs" not in gateway.log()


async def test_the_bound_holds() -> None:
    """Rule 27: a mail that doesn't end is cut after `drain_seconds`; exit 0. The sender comes again.

    Its dot had been sent, so the hop may have it twice; the ledger says so, and both carry the same token.
    """
    settings = {"gateway": {"drain_seconds": 1}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        held = asyncio.Event()
        hop.script({"dot": [reply(250, "2.0.0 too late").when(held)]})
        attempt = asyncio.create_task(send_mail(gateway.port, rejection(1)))
        await hop.wait(lambda: len(hop.complete) == 1)
        began = time.monotonic()
        assert await asyncio.to_thread(gateway.stop, patience=20) == 0
        assert time.monotonic() - began >= 1
        assert "worker hangs" not in gateway.log(), "it went by itself, and was not killed"
        with pytest.raises(ClosedError):
            await attempt
        held.set()
        assert [row.state for row in sends(gateway.ledger)] == ["intended"]
        await asyncio.to_thread(gateway.start)
        assert (await send_mail(gateway.port, rejection(1)))[-1].code == 250
        assert await asyncio.to_thread(gateway.stop) == 0
        (row,) = sends(gateway.ledger)
        assert row.state == "accepted"
        assert copies_taken(hop, rejection(1)) == {b"taro@example.com": [row.token] * 2}


@pytest.mark.long
async def test_a_worker_that_hangs_is_killed() -> None:
    """Rule 27: not even a worker that does nothing any more keeps the gateway from ending with 0."""
    settings = {"gateway": {"drain_seconds": 1}}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        (worker,) = gateway.workers()
        os.kill(worker, signal.SIGSTOP)
        gateway.reload()  # more than the socket between them holds
        assert await asyncio.to_thread(gateway.stop, patience=60) == 0
        assert "worker hangs, killed" in gateway.log()


#: By mails and not by time: a machine that is slow to start the gateway still gets on with the mail.
MAILS_A_START = 60


async def keep_restarting(gateway: Gateway, traffic: Traffic, done: asyncio.Event) -> int:
    """SIGTERM and a new start after every `MAILS_A_START` mails until `done`; gives how often."""
    times = 0
    while not done.is_set():
        assert await asyncio.to_thread(gateway.stop) == 0
        await asyncio.to_thread(gateway.start)
        times += 1
        wanted = traffic.sent + MAILS_A_START
        while traffic.sent < wanted and not done.is_set():  # noqa: ASYNC110 - of state that tells nobody
            await asyncio.sleep(0.01)
    return times


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("workers", "total"),
    [
        (1, 120),
        pytest.param(2, 240, marks=pytest.mark.long),
        pytest.param(1, 10_000, marks=pytest.mark.long),
        pytest.param(2, 10_000, marks=pytest.mark.long),
    ],
)
async def test_restart_under_load(workers: int, total: int) -> None:
    """Rules 26 and 27: SIGTERM and restart in the middle of 10,000 mails: not one lost, not one doubled.

    Senders come again after 421, a refused connection, or one that ended between mails; but no final dot
    stays without an answer.
    """
    settings = {"gateway": {"workers": workers}, **PATIENT_LEDGER}
    async with ScriptedHop() as hop, running(hop, settings) as gateway:
        traffic = Traffic(port=gateway.port, total=total, patient=True)
        done = asyncio.Event()
        restarting = asyncio.create_task(keep_restarting(gateway, traffic, done))
        await traffic.run()
        done.set()
        assert await restarting >= 2
        assert await asyncio.to_thread(gateway.stop) == 0
        tokens = check(traffic, gateway.log(), hop)
        rows = sends(gateway.ledger)
        assert {row.token for row in rows} == tokens
        assert {row.state for row in rows} == {"accepted"}
        assert open_records(gateway.ledger) == 0
