"""Large mail: it flows, with bounded memory and backpressure, and half a mail is never completed.

DESIGN.md, "Large mail streams"; SMTP.md rules 1, 2, 3, 6, 7, 14, 27. Memory is that of the real gateway, a
process of its own; breaks and stalls are played in one event loop, that of the workers.
"""

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from gateway.reason import Reason
from tests.integration.harness import (
    ORDINARY,
    SHORT,
    Relay,
    gateway,
    greeted,
    identity,
    only_for,
    other_mail,
    own,
    rejection,
    without_trace,
)
from tests.integration.running import LINK, running, until
from tests.peers.action import Action, Moment, broken, lost, reply
from tests.peers.client import Client, ClosedError, Reply, send_mail, stuffed, transact
from tests.peers.gateway import Gateway
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

MAIL, RCPT = b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>"
MIB = 1 << 20
#: `limits.window_bytes` where a test does not say otherwise, as by default.
WINDOW = 262_144
#: Of content, each line with its CRLF: no power of two, so that no block of anybody's ends where a line does.
LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ =\r\n"


def large(octets: int, number: int = 1) -> bytes:
    """An ordinary mail of so many octets; some of its lines begin with dots."""
    head = ORDINARY.replace(b"agenda@", b"large-%d@" % number)
    lines = (octets - len(head)) // len(LINE) + 1
    body = (LINE * 50 + b".\r\n..\r\n. \r\n") * (lines // 50 + 1)
    return (head + body)[: octets - 2] + b"\r\n"


def matched(octets: int, number: int = 1) -> bytes:
    """A rejection with an attachment that makes it so large."""
    head, text = rejection(number).split(b"\r\n\r\n", 1)
    own_fields = [line for line in head.split(b"\r\n") if line.startswith(b"Content-")]
    rest = [line for line in head.split(b"\r\n") if line not in own_fields]
    before = b"".join(
        (
            b"\r\n".join([*rest, b'Content-Type: multipart/mixed; boundary="=_x"']),
            b"\r\n\r\n--=_x\r\n",
            b"\r\n".join(own_fields),
            b"\r\n\r\n" + text,
            b"\r\n--=_x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        )
    )
    after = b"--=_x--\r\n"
    line = b"QUJD" * 19 + b"\r\n"
    return before + line * max(1, (octets - len(before) - len(after)) // len(line)) + after


class _Nothing(bytearray):
    """What a hop hears and need not remember."""

    def __iadd__(self, other: object) -> Self:
        return self


def forgetful(hop: ScriptedHop) -> None:
    """Keep nothing of what comes in: for far more octets than the test's own memory should hold."""
    hop.keep = 0
    for session in hop.sessions:
        session.received = _Nothing()


@contextlib.asynccontextmanager
async def in_content(port: int, *, patience: float = 30.0) -> AsyncIterator[Client]:
    """A sender that has been told 354."""
    async with greeted(port, patience=patience) as client:
        for line, code in ((MAIL, 250), (RCPT, 250), (b"DATA", 354)):
            assert (await client.command(line)).code == code
        yield client


async def upload(client: Client, wire: bytes) -> None:
    """Send it in pieces, so that what is not taken is not in our memory twice."""
    for at in range(0, len(wire), 65_536):
        client.writer.write(wire[at : at + 65_536])
        await client.writer.drain()


def waiting(client: Client) -> int:
    """Octets that the sender could not get rid of."""
    return int(client.writer.transport.get_write_buffer_size())


# --- memory and backpressure, the real gateway -------------------------------------------------------------


def peak_of(process: Gateway, samples: list[int]) -> asyncio.Task[None]:
    """Samples of its memory, until cancelled."""

    async def sample() -> None:
        while True:
            samples.append(await asyncio.to_thread(process.pss_bytes))
            await asyncio.sleep(0.05)

    return asyncio.create_task(sample())


async def fly(process: Gateway, hop: ScriptedHop, mails: Sequence[bytes]) -> tuple[int, int]:
    """All these mails at once, stalled at the hop, then let go.

    Gives what they cost in octets of memory while all of them stood still, and at the most.
    """
    hold = asyncio.Event()
    hop.script(lambda moment: _stall(hop, moment, hold))
    before = process.pss_bytes()
    samples: list[int] = []
    sampling = peak_of(process, samples)
    try:
        sending = [asyncio.create_task(_one(process.port, mail)) for mail in mails]
        await until(lambda: len(standing_at(hop)) == len(mails), "all standing at the hop", patience=60)
        await _still(process)
        assert not any(task.done() for task in sending)
        standing = process.pss_bytes() - before
        hold.set()
        assert await asyncio.gather(*sending) == [250] * len(mails)
    finally:
        sampling.cancel()
        hold.set()
    return standing, max(samples) - before


def _stall(hop: ScriptedHop, moment: Moment, hold: asyncio.Event) -> Action | None:
    if moment.stage == "content":
        if hop.keep == 0:
            hop.sessions[moment.connection].received = _Nothing()
        return Action(hold=hold, after=MIB)
    return None


def standing_at(hop: ScriptedHop) -> list[Transaction]:
    """Those that the hop has stopped in the middle of their content."""
    return [one for one in own(hop) if one.octets >= MIB and not one.complete]


async def _still(process: Gateway) -> None:
    """Wait until it uses no processor time any more: everybody is held up."""
    used = -1.0
    while (now := process.cpu_seconds()) != used:
        used = now
        await asyncio.sleep(0.3)


async def _one(port: int, mail: bytes) -> int:
    async with in_content(port, patience=120) as client:
        await upload(client, stuffed(mail))
        return await client.code()


@pytest.mark.timeout(90)
async def test_large_mail_costs_a_bounded_part_of_memory() -> None:
    """Promise of DESIGN.md: mails of 20 to 60 MB in flight cost at most 1 MB each, stalled or flowing.

    Backpressure: while the hop stands still the senders do too, and nothing but a bounded part lies between.
    """
    sizes = (20, 20, 60, 20, 20, 30)
    mails = [large(size * 1_000_000, number) for number, size in enumerate(sizes)]
    async with ScriptedHop() as hop, running(hop) as process:
        await fly(process, hop, [large(3_000_000, 100 + number) for number in range(len(mails))])  # warm
        standing, most = await fly(process, hop, mails)
        arrived = {identity(one.content): without_trace(one.content) for one in hop.taken}
        for mail in mails:
            assert arrived[identity(mail)] == mail
        assert hop.faults == []
        assert standing <= len(mails) * MIB, f"{standing / len(mails) / MIB:.2f} MB each"
        assert most <= len(mails) * MIB, f"{most / len(mails) / MIB:.2f} MB each at the most"


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_fifty_mails_of_20_mb_in_flight() -> None:
    """Issue 2: 50 mails of 20 MB in flight cost at most 1 MB of memory each (PSS over all processes)."""
    mail = large(20_000_000)
    settings = {"next_hop": {"connections": 60}}
    async with ScriptedHop(keep=0) as hop, running(hop, settings) as process:
        await fly(process, hop, [large(3_000_000)] * 4)
        standing, most = await fly(process, hop, [mail] * 50)
        assert standing <= 50 * MIB, f"{standing / 50 / MIB:.2f} MB each"
        assert most <= 50 * MIB, f"{most / 50 / MIB:.2f} MB each at the most"
