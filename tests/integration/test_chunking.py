"""CHUNKING (RFC 3030): BDAT means what DATA means, and what is refused still consumes its octets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.edge.limits import Limit
from tests.integration.harness import ORDINARY, Relay, gateway, greeted, rejection, without_trace
from tests.peers.action import reply
from tests.peers.client import Client, transact
from tests.peers.scripted import KEYWORDS, ScriptedHop

ON_UVLOOP = True
WITH = (*KEYWORDS, "CHUNKING")


@asynccontextmanager
async def relaying(**keys: object) -> AsyncIterator[tuple[Relay, ScriptedHop, Client]]:
    """A gateway whose next hop has CHUNKING, and a sender that has said MAIL and RCPT."""
    async with (
        ScriptedHop(keywords=WITH) as hop,
        gateway(hop, **keys) as relay,  # type: ignore[arg-type]
        greeted(relay.port) as client,
    ):
        await begin(client)
        yield relay, hop, client


async def begin(client: Client) -> None:
    """MAIL and RCPT."""
    assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
    assert (await client.command(b"RCPT TO:<taro@example.com>")).code == 250


async def test_offered_where_the_next_hop_has_it() -> None:
    """Rule 10: what both sides can do; BINARYMIME never, and the parameter is refused."""
    both = ScriptedHop(keywords=(*WITH, "BINARYMIME"))
    async with both as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert b"CHUNKING" in client.keywords
        assert b"BINARYMIME" not in client.keywords
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp> BODY=BINARYMIME")).code == 501
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert b"CHUNKING" not in client.keywords
        await begin(client)
        await client.send(b"BDAT 6 LAST\r\nQUIT\r\n")
        assert await client.code() == 502
        assert await client.silent(0.1)  # the six octets were content, not a command


@pytest.mark.parametrize("sizes", [(10_000,), (1, 1, 10_000), (40, 40, 40), (0, 5, 0, 7)])
async def test_chunks_are_a_mail(sizes: tuple[int, ...]) -> None:
    """One chunk or many, each answered; the mail arrives as by DATA."""
    async with relaying() as (_, hop, client):
        at = 0
        for size in sizes[:-1]:
            chunk = ORDINARY[at : at + size]
            at += size
            await client.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            answer = await client.reply()
            assert (answer.code, answer.enhanced) == (250, "2.0.0")
        await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY[at:]) + ORDINARY[at:])
        assert await client.code() == 250
        assert without_trace(hop.taken[0].content) == ORDINARY
        assert (await transact(client, ORDINARY))[-1].code == 250  # and DATA still works
        assert hop.faults == []


async def test_last_without_octets() -> None:
    """``BDAT 0 LAST`` ends a mail that came before it."""
    async with relaying() as (_, hop, client):
        await client.send(b"BDAT %d\r\n" % len(ORDINARY) + ORDINARY + b"BDAT 0 LAST\r\nQUIT\r\n")
        assert [await client.code() for _ in range(3)] == [250, 250, 221]
        assert without_trace(hop.taken[0].content) == ORDINARY


async def test_many_small_chunks() -> None:
    """As many as a mail has: only chunks without octets count as commands that lead nowhere."""
    async with relaying(limits={"commands": 20}) as (relay, hop, client):
        for at in range(0, 100, 2):
            await client.send(b"BDAT 2\r\n" + ORDINARY[at : at + 2])
            assert await client.code() == 250
        await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY[100:]) + ORDINARY[100:])
        assert await client.code() == 250
        assert without_trace(hop.taken[0].content) == ORDINARY
        await begin(client)
        await client.send(b"BDAT 0\r\n" * 30)
        assert b"421 4.7.0 Too many commands" in await client.closed()
        assert relay.journal.counts[Limit.COMMANDS] == 1


async def test_all_in_one_segment() -> None:
    """A whole mail, and a second one by DATA, pipelined behind EHLO (RFC 3030 §4.2)."""
    async with ScriptedHop(keywords=WITH) as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.send(
            b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<taro@example.com>\r\n"
            b"BDAT 20\r\n" + ORDINARY[:20] + b"BDAT %d LAST\r\n" % len(ORDINARY[20:]) + ORDINARY[20:] +
            b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<jiro@example.com>\r\nDATA\r\n"
        )  # fmt: skip
        assert [await client.code() for _ in range(7)] == [250, 250, 250, 250, 250, 250, 354]
        await client.send(ORDINARY.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert await client.code() == 250
        assert [without_trace(one.content) for one in hop.taken] == [ORDINARY] * 2


async def test_octet_by_octet() -> None:
    """Cut anywhere, the command too."""
    async with relaying() as (_, hop, client):
        await client.send_by_byte(b"BDAT 9\r\n" + ORDINARY[:9])
        assert await client.code() == 250
        await client.send_by_byte(b"BDAT %d LAST\r\n" % len(ORDINARY[9:]) + ORDINARY[9:])
        assert await client.code() == 250
        assert without_trace(hop.taken[0].content) == ORDINARY


async def test_a_rejection_gets_its_link() -> None:
    """What comes in chunks is read and changed like any mail."""
    async with relaying() as (_, hop, client):
        mail = rejection()
        await client.send(b"BDAT 100\r\n" + mail[:100] + b"BDAT %d LAST\r\n" % len(mail[100:]) + mail[100:])
        assert [await client.code(), await client.code()] == [250, 250]
        assert hop.taken[0].content.count(b"https://careerrelay.example/r/") == 1


async def test_bare_newlines_and_dots() -> None:
    """Rule 24: what leaves is clean; a lone dot is content, and an open last line is closed."""
    content = b"Subject: x\n\n.\r\nMAIL FROM:<evil@example.com>\r\n.\rend"
    async with relaying() as (_, hop, client):
        await client.send(b"BDAT %d LAST\r\n" % len(content) + content)
        assert await client.code() == 250
        expected = b"Subject: x\r\n\r\n.\r\nMAIL FROM:<evil@example.com>\r\n.\r\nend\r\n"
        assert without_trace(hop.taken[0].content) == expected
        assert len(hop.transactions) == 1
    async with relaying(changes={"gateway": {"bare_newlines": "refuse"}}) as (_, hop, client):
        await client.send(b"BDAT 11\r\nSubject: x\nBDAT %d LAST\r\n" % len(ORDINARY) + ORDINARY)
        answers = [await client.reply(), await client.reply()]
        assert [(answer.code, answer.enhanced) for answer in answers] == [(250, "2.0.0"), (550, "5.6.11")]
        assert hop.complete == []


EVIL = b"RSET\r\nMAIL FROM:<evil@example.com>\r\n"


@pytest.mark.parametrize(
    ("before", "code"),
    [(b"RSET", 503), (b"EHLO x.example", 503), (b"", 250)],
)
async def test_refused_chunk_consumes_its_octets(before: bytes, code: int) -> None:
    """Rule 25: octets of a chunk are never commands, not even of one that is refused."""
    async with relaying() as (_, hop, client):
        if before:
            await client.command(before)
        await client.send(b"BDAT %d\r\n" % len(EVIL) + EVIL + b"NOOP\r\n")
        assert [await client.code(), await client.code()] == [code, 250]
        assert await client.silent(0.05)
        assert all(one.sender != b"evil@example.com" for one in hop.transactions)


async def test_smuggling_by_a_size_that_is_none() -> None:
    """Nobody can say where the next command begins: the session ends, and nothing behind is read."""
    for argument in (b"", b" -5", b" 5 FIRST", b" 99999999999999999999999", b" 0x20"):
        async with relaying() as (_, hop, client):
            await client.send(b"BDAT" + argument + b"\r\n" + EVIL)
            assert await client.code() == 501
            assert await client.closed() == b""
            assert len(hop.transactions) == 1


async def test_mixed_with_data() -> None:
    """RFC 3030 §2: DATA behind BDAT is 503, and so are RCPT and MAIL; the mail goes on."""
    async with relaying() as (_, hop, client):
        await client.send(b"BDAT 20\r\n" + ORDINARY[:20])
        assert await client.code() == 250
        for line in (b"DATA", b"RCPT TO:<jiro@example.com>", b"MAIL FROM:<a@example.co.jp>"):
            assert (await client.command(line)).code == 503, line
        assert (await client.command(b"NOOP")).code == 250
        await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY[20:]) + ORDINARY[20:])
        assert await client.code() == 250
        assert hop.taken[0].recipients == [b"taro@example.com"]
        await client.send(b"BDAT 4 LAST\r\nDATA")
        assert await client.code() == 503  # behind LAST there is no mail


@pytest.mark.parametrize("end", [b"RSET", b"EHLO x.example", b"QUIT", None])
async def test_taken_back_between_chunks(end: bytes | None) -> None:
    """RSET, EHLO, QUIT or a lost connection: nothing is completed at the next hop, and others go on."""
    async with relaying() as (relay, hop, client):
        big = ORDINARY + b"z" * 76 * 8_000 + b"\r\n"  # so much that its head has gone on already
        await client.send(b"BDAT %d\r\n" % len(big) + big)
        assert await client.code() == 250
        if end is None:
            client.reset()
        else:
            assert (await client.command(end)).code in (221, 250)
        await relay.until(lambda: len(relay.journal.mails) == 1)
        assert hop.complete == []
        async with greeted(relay.port) as other:
            assert (await transact(other, ORDINARY))[-1].code == 250
        if end in (b"RSET", b"EHLO x.example"):
            await begin(client)
            await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY) + ORDINARY)
            assert await client.code() == 250


async def test_nobody_accepted() -> None:
    """The chunk of a mail without recipients is read and refused."""
    async with (
        ScriptedHop({"rcpt": reply(550, "5.1.1 nobody")}, keywords=WITH) as hop,
        gateway(hop) as relay,
        greeted(relay.port) as client,
    ):
        await client.send(
            b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<x@example.com>\r\nBDAT 6 LAST\r\nQUIT\r\n"
        )
        assert [await client.code() for _ in range(3)] == [250, 550, 554]
        assert await client.silent(0.05)


async def test_refused_by_the_next_hop_and_by_size() -> None:
    """What becomes of the mail is told at LAST."""
    async with relaying(changes={"limits": {"mail_bytes": 4_000}}) as (_, hop, client):
        hop.script({"dot": reply(550, "5.7.1 no")})
        await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY) + ORDINARY)
        assert await client.code() == 550
        await begin(client)
        await client.send(b"BDAT 3000\r\n" + b"x" * 3_000 + b"BDAT 3000 LAST\r\n" + b"x" * 3_000)
        assert [await client.code(), await client.code()] == [250, 552]


async def test_silence_between_chunks_and_in_one() -> None:
    """A sender that falls silent is given up; nothing is completed."""
    for half in (b"BDAT 20\r\n" + ORDINARY[:20], b"BDAT 20\r\n" + ORDINARY[:10]):
        async with relaying(limits={"block_seconds": 0.2}) as (relay, hop, client):
            await client.send(half)
            assert b"421 4.4.2" in await client.closed()
            await relay.until(lambda: len(relay.registry) == 0)
            assert relay.journal.counts[Limit.IDLE] == 1
            assert hop.complete == []


async def test_by_lmtp() -> None:
    """RFC 2033 and RFC 3030: one reply a recipient, at LAST."""
    async with (
        ScriptedHop(keywords=WITH) as hop,
        gateway(hop) as relay,
        greeted(relay.lmtp_port, verb=b"LHLO") as client,
    ):
        await begin(client)
        await client.command(b"RCPT TO:<jiro@example.com>")
        await client.send(b"BDAT 20\r\n" + ORDINARY[:20])
        assert await client.code() == 250
        await client.send(b"BDAT %d LAST\r\n" % len(ORDINARY[20:]) + ORDINARY[20:])
        assert [await client.code(), await client.code()] == [250, 250]
        assert await client.silent(0.05)


async def test_large_chunk_streams() -> None:
    """A chunk of 20 MB flows on as it comes: what is not taken is not read."""
    async with (
        ScriptedHop(keywords=WITH, keep=0) as hop,
        gateway(hop) as relay,
        greeted(relay.port) as client,
    ):
        await begin(client)
        line = b"z" * 76 + b"\r\n"
        content = b"Subject: big\r\n\r\n" + line * 270_000
        await client.send(b"BDAT %d LAST\r\n" % len(content))
        client.writer.write(content)
        async with asyncio.timeout(60):
            assert await client.code() == 250
        assert hop.taken[0].octets > len(content)
