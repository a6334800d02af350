"""Large mail: it flows, with bounded memory and backpressure, and half a mail is never completed.

DESIGN.md, "Large mail streams"; SMTP.md rules 1, 2, 3, 6, 7, 14, 27. Memory is that of the real gateway, a
process of its own; breaks and stalls are played in one event loop, that of the workers.
"""

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from gateway.reason import Reason
from tests.integration.harness import (
    ORDINARY,
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
WINDOW = 245_760
#: Of content, each line with its CRLF: no power of two, so that no block of anybody's ends where a line does.
LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ =\r\n"


def large(octets: int, number: int = 1) -> bytes:
    """An ordinary mail of so many octets; some of its lines begin with dots."""
    head = ORDINARY.replace(b"agenda@", b"large-%d@" % number)
    lines = (octets - len(head)) // len(LINE) + 1
    body = (LINE * 50 + b".\r\n..\r\n. \r\n") * (lines // 50 + 1)
    cut = (head + body)[: octets - 2]
    return (cut[:-1] + b"=" if cut.endswith(b"\r") else cut) + b"\r\n"


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
            b"\r\n--=_x\r\nContent-Type: application/octet-stream\r\n",
            b"Content-Transfer-Encoding: base64\r\n\r\n",
        )
    )
    after = b"--=_x--\r\n"
    line = b"QUJD" * 19 + b"\r\n"
    return before + line * max(1, (octets - len(before) - len(after)) // len(line)) + after


class _Nothing(bytearray):
    """What a hop hears and need not remember."""

    def __iadd__(self, other: object) -> Self:
        return self


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


async def test_slow_sender_of_a_large_mail() -> None:
    """A mail that comes in slowly flows on slowly: the hop has what the sender sent, nothing piles up."""
    mail = large(8_000_000)
    wire = stuffed(mail)
    async with ScriptedHop() as hop, gateway(hop) as relay, other_mail(relay, hop):
        async with in_content(relay.port) as client:
            for sent in range(MIB, len(wire) - 3, MIB):
                await upload(client, wire[sent - MIB : sent])
                # a small piece may wait for the one behind it
                await relay.until(lambda due=sent - 65_536: own(hop)[0].octets >= due)  # type: ignore[misc]
                assert not own(hop)[0].complete
            await upload(client, wire[sent:])
            assert await client.code() == 250
        assert without_trace(own(hop)[0].content) == mail


def narrow(server: asyncio.Server | None) -> None:
    """Let the kernel hold little of what comes in: it takes up to 32 MB a connection otherwise."""
    assert server is not None
    for listener in server.sockets:
        with socket.socket(fileno=os.dup(listener.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)


async def test_slow_hop_stops_the_sender_and_then_it_goes_on() -> None:
    """Backpressure: what the hop does not take stays with the sender, and not a byte is lost for it."""
    mail = large(20_000_000)
    hold = asyncio.Event()
    async with ScriptedHop() as hop, gateway(hop) as relay:
        narrow(hop._server)
        narrow(relay.servers[0])
        only_for(hop, {"content": Action(hold=hold, after=MIB)})
        async with other_mail(relay, hop), in_content(relay.port) as client:
            try:
                client.writer.write(stuffed(mail))
                await relay.until(lambda: bool(standing_at(hop)))
                left = -1
                while left != waiting(client):
                    left = waiting(client)
                    await asyncio.sleep(0.3)
                assert left > 5_000_000, "somebody took it in"
            finally:
                hold.set()
            assert await client.code() == 250
        assert without_trace(own(hop)[0].content) == mail
        assert hop.faults == []


# --- half a mail is never completed ------------------------------------------------------------------------

#: Octets of content on the wire, around the window: before it is full, exactly full, past it.
WHERE = {
    "first-octet": 1,
    "header": 200,
    "before": WINDOW - 1,
    "exactly": WINDOW,
    "after": WINDOW + 1,
    "next-block": WINDOW + 65_536,
    "far": 3_000_000,
}
MAILS = {"ordinary": large(4_000_000), "matched": matched(4_000_000, 1_000)}


@pytest.mark.parametrize("mail", MAILS.values(), ids=MAILS)
@pytest.mark.parametrize("way", ["close", "reset", "half-close"])
async def test_sender_breaks_off_a_large_mail(way: str, mail: bytes) -> None:
    """Rule 6: wherever a sender breaks off, the hop never sees the end of a mail; and nothing is recorded."""
    wire = stuffed(mail)
    ends = {**WHERE, "line-end": wire.index(b"\r\n", WINDOW) + 2, "last-dot": len(wire) - 2}
    async with ScriptedHop() as hop, gateway(hop) as relay:
        async with other_mail(relay, hop, lines=1):
            await asyncio.gather(*(_break_off(relay, wire[:octets], way) for octets in ends.values()))
            await relay.until(lambda: len(relay.registry) == 1)  # but for the other mail's sender
        assert [one for one in own(hop) if one.complete] == []
        gone = [one for one in relay.journal.mails if one.detail.startswith("sender gone")]
        assert len(gone) == len(ends)
        others = {row.intent.message_id for row in relay.ledger.memory.sends.values()}
        assert identity(mail).decode().partition(": ")[2] not in others
        assert relay.pool.places[1] == 0, "a place is kept"


async def _break_off(relay: Relay, octets: bytes, way: str) -> None:
    async with in_content(relay.port) as client:
        await upload(client, octets)
        if way == "reset":
            await asyncio.sleep(0.05)  # RST throws away what is still on its way
            client.reset()
        elif way == "close":
            await client.close()
        else:
            client.half_close()
            with contextlib.suppress(ClosedError):
                await client.closed()


@pytest.mark.parametrize("end", [lost(), broken()], ids=["close", "reset"])
@pytest.mark.parametrize("mail", MAILS.values(), ids=MAILS)
async def test_hop_breaks_off_a_large_mail(end: Action, mail: bytes) -> None:
    """Rule 1: the hop is lost in the middle, wherever: 451 once the upload is done, never another host.

    The retry goes through whole.
    """
    reached: list[int] = []

    async def one(octets: int) -> None:
        only = b"hop-%d@example.co.jp" % octets
        async with greeted(relay.port, patience=30) as client:
            replies = await transact(client, mail, sender=only)
            assert [reply.code for reply in replies] == [250, 250, 354, 451]
            assert replies[-1].enhanced.startswith("4.4.")
            replies = await transact(client, mail, sender=only)
            assert replies[-1].code == 250

    def script(moment: Moment) -> Action | None:
        session = hop.sessions[moment.connection]
        if moment.stage != "content" or not session.transactions[-1].sender.startswith(b"hop-"):
            return None
        octets = int(session.transactions[-1].sender[4:].partition(b"@")[0])
        if octets in reached:
            return None
        reached.append(octets)
        return end.at(octets)

    async with ScriptedHop() as hop, ScriptedHop() as other, gateway(hop, other) as relay:
        hop.script(script)
        async with other_mail(relay, hop, lines=1):
            await asyncio.gather(*(one(octets) for octets in WHERE.values()))
        assert len(reached) == len(WHERE)
        assert other.transactions == []
        complete = [transaction for transaction in own(hop) if transaction.complete]
        assert len(complete) == len(WHERE)
        for transaction in complete:
            if mail is MAILS["ordinary"]:
                assert without_trace(transaction.content) == mail
            else:
                check_linked(transaction.content, mail)


def check_linked(content: bytes, mail: bytes) -> str:
    """The mail with a footer in its text, its own field, and nothing else; gives the token."""
    rest = without_trace(content)
    assert rest.startswith(b"X-CareerRelay-Id: ")
    rest = rest.partition(b"\r\n")[2]
    (token,) = set(LINK.findall(rest))
    attachment = mail.index(b"--=_x\r\nContent-Type: application/octet-stream")
    text_end = rest.index(b"--=_x\r\nContent-Type: application/octet-stream")
    assert rest[text_end:] == mail[attachment:], "the attachment is not what it was"
    head = mail.index(b"--=_x")
    assert rest[:head] == mail[:head]
    return str(token, "ascii")


# --- a mail that is changed is taken in whole --------------------------------------------------------------


def deleted_files(process: Gateway, folder: Path) -> list[str]:
    """What its workers have open below `folder` that has no name any more."""
    found = []
    for worker in process.workers():
        for entry in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(entry.readlink())
                if target.startswith(str(folder)):
                    found.append(target)
    return found


async def test_matched_mail_with_a_large_attachment(tmp_path: Path) -> None:
    """Rule 27: taken in whole, past `memory_bytes` in a file without a name, then sent with its footer.

    Until then the hop is not told DATA (rule 2); afterwards nothing is left, nor when the sender breaks off.
    """
    mail = matched(9_000_000)
    wire = stuffed(mail)
    spool = tmp_path / "spool"
    spool.mkdir()
    settings = {"limits": {"spool_directory": str(spool), "spool_reserve_bytes": 0}}
    async with ScriptedHop() as hop, running(hop, settings) as process:
        async with in_content(process.port) as client, in_content(process.port) as quitter:
            for one in (client, quitter):
                await upload(one, wire[:7_000_000])
            await until(lambda: len(deleted_files(process, spool)) == 2, "two files without a name")
            assert all(name.endswith(" (deleted)") for name in deleted_files(process, spool))
            assert list(spool.iterdir()) == [], "a file with a name"
            assert not any(one.data for one in hop.transactions)
            quitter.reset()
            await until(lambda: len(deleted_files(process, spool)) == 1, "the file of the lost mail closed")
            await upload(client, wire[7_000_000:])
            assert await client.code() == 250
        await until(lambda: deleted_files(process, spool) == [], "the file closed")
        (taken,) = hop.taken
        check_linked(taken.content, mail)
        small = matched(300_000, 2)
        assert (await send_mail(process.port, small))[-1].code == 250
        check_linked(hop.taken[-1].content, small)
        # a disk with no more than its reserve: see below
        process.configure({"limits": {"spool_reserve_bytes": 1 << 40}})
        process.reload()
        await until(lambda: "reload" in process.log(), "reloaded")
        assert " reloaded " in process.log(), process.log()[-2000:]
        full = matched(5_000_000, 3)
        assert (await send_mail(process.port, full))[-1].code == 250
        assert without_trace(hop.taken[-1].content) == full, "rule 3: a full disk sends the original"
        await until(lambda: "reason=disk" in process.log(), "the reason in the log")
        assert "less than the reserve" in process.log()
        assert list(spool.iterdir()) == []


async def test_sender_lost_between_copies_leaves_no_file(tmp_path: Path) -> None:
    """Rule 27: whoever breaks off while copies are under way, their file is closed and not kept by an error.

    Nothing else happens in the gateway then, so that no collector of garbage comes by.
    """
    mail = matched(900_000)
    settings = {"limits": {"spool_directory": str(tmp_path), "spool_reserve_bytes": 0}}
    late = {"dot": reply(250, "2.0.0 taken").later(0.5)}
    async with ScriptedHop(late) as hop, running(hop, settings) as process:
        async with greeted(process.port) as client:
            await client.command(MAIL)
            for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g"):
                await client.command(b"RCPT TO:<" + name + b"@example.com>")
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(mail))
            await until(lambda: len(hop.complete) >= 2, "copies under way")
            assert deleted_files(process, tmp_path)
            client.reset()
        await until(lambda: deleted_files(process, tmp_path) == [], "the file closed", patience=10)


@contextlib.contextmanager
def no_file_longer_than(octets: int) -> Iterator[None]:
    """A disk that is full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("octets", [0, 100_000, 600_001, 2_000_003])
async def test_disk_that_fills_up_on_the_way(octets: int) -> None:
    """Rule 3: wherever the disk is full, the original goes out, whole and once, with the reason disk."""
    mail = matched(5_000_000)
    async with ScriptedHop() as hop, gateway(hop) as relay:
        with no_file_longer_than(octets):
            assert (await send_mail(relay.port, mail))[-1].code == 250
        assert without_trace(hop.taken[0].content) == mail
        assert relay.journal.mails[0].reason is Reason.DISK
        assert relay.ledger.calls == []
        assert (await send_mail(relay.port, matched(5_000_000, 2)))[-1].code == 250
        check_linked(hop.taken[1].content, matched(5_000_000, 2))


# --- the window --------------------------------------------------------------------------------------------


def late_text(octets: int) -> bytes:
    """A rejection whose text stands behind an attachment of this size."""
    head, text = rejection().split(b"\r\n\r\n", 1)
    own_fields = [line for line in head.split(b"\r\n") if line.startswith(b"Content-")]
    rest = [line for line in head.split(b"\r\n") if line not in own_fields]
    line = b"QUJD" * 19 + b"\r\n"
    return b"".join(
        (
            b"\r\n".join([*rest, b'Content-Type: multipart/mixed; boundary="=_x"']),
            b"\r\n\r\n--=_x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            line * (octets // len(line)),
            b"--=_x\r\n" + b"\r\n".join(own_fields) + b"\r\n\r\n" + text + b"--=_x--\r\n",
        )
    )


async def test_verdict_not_known_when_the_window_is_full() -> None:
    """Rule 14: a text that is not all in the window: untouched, reason `window`; within it, a link."""
    endless = rejection(body="よろしくお願いいたします。\r\n" * 20_000)
    async with ScriptedHop() as hop, gateway(hop) as relay, other_mail(relay, hop):
        for sender, mail in ((b"a@example.co.jp", endless), (b"b@example.co.jp", late_text(3 * WINDOW))):
            assert (await send_mail(relay.port, mail, sender=sender))[-1].code == 250
            assert without_trace(taken_from(hop, sender).content) == mail
            report = next(one for one in relay.journal.mails if one.sender == sender.decode())
            assert report.reason is Reason.WINDOW
        known = b"c@example.co.jp"
        assert (await send_mail(relay.port, late_text(WINDOW // 2), sender=known))[-1].code == 250
        assert len(set(LINK.findall(taken_from(hop, known).content))) == 1


def taken_from(hop: ScriptedHop, sender: bytes) -> Transaction:
    """The one mail that the hop took from this sender."""
    (found,) = [one for one in hop.taken if one.sender == sender]
    return found


@pytest.mark.parametrize("beyond", [-2, -1, 0, 1, 2])
async def test_a_mail_as_large_as_the_window(beyond: int) -> None:
    """Rule 14: around the very size of the window nothing is lost, ordinary or matched."""
    octets = WINDOW + beyond
    filled = matched(octets - 200)
    filled += b"x" * (octets - len(filled) - 2) + b"\r\n"  # an epilogue
    async with ScriptedHop() as hop, gateway(hop) as relay:
        for mail in (large(octets), filled):
            assert len(mail) == octets
            assert (await send_mail(relay.port, mail))[-1].code == 250
        ordinary, linked = hop.taken
        assert without_trace(ordinary.content) == large(octets)
        check_linked(linked.content, filled)


# --- SIZE --------------------------------------------------------------------------------------------------


async def test_size_past_our_own_limit() -> None:
    """Rules 5 and 11: SIZE= past `mail_bytes` is 552 at MAIL; a mail that is larger is 552 once it is in.

    Nothing of it is complete at the hop, the session goes on, and a SIZE= that lies changes nothing.
    """
    limit = 1_000_000
    async with ScriptedHop() as hop, gateway(hop, changes={"limits": {"mail_bytes": limit}}) as relay:
        async with other_mail(relay, hop), greeted(relay.port) as client:
            assert b"SIZE 1000000" in client.keywords
            early = await client.command(MAIL + b" SIZE=1000001")
            assert (early.code, early.enhanced) == (552, "5.3.4")
            assert own(hop) == []
            for mail in (large(limit + 1), large(3_000_000), matched(limit + 1_000), matched(3_000_000)):
                for said in (b"", b" SIZE=5000"):
                    replies = await transact(client, mail, mail_parameters=said)
                    assert [one.code for one in replies] == [250, 250, 354, 552]
                    assert replies[-1].enhanced == "5.3.4"
            assert [one for one in own(hop) if one.complete] == []
            fits, sender = large(limit - 1_000), b"fits@example.co.jp"
            replies = await transact(client, fits, sender=sender, mail_parameters=b" SIZE=%d" % len(fits))
            assert [one.code for one in replies] == [250, 250, 354, 250]
        assert without_trace(taken_from(hop, sender).content) == fits
        assert b" SIZE=%d" % (len(fits) + 2_048) in taken_from(hop, sender).mail


@pytest.mark.parametrize("stage", ["mail", "dot"])
async def test_size_past_the_next_hops_limit(stage: str) -> None:
    """Rules 4 and 10: the next hop's own 552 reaches the sender, early and late."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        only_for(hop, {stage: reply(552, "5.3.4 too big for me")})
        async with other_mail(relay, hop):
            replies: list[Reply] = await transact(client, large(2_000_000))
        assert replies[-1].code == 552
        assert replies[-1].text == "5.3.4 too big for me"
