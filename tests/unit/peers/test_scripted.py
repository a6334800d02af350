"""The scripted peer and client do what tests rely on: every word of a script, every byte of a record."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.peers.action import Action, Moment, broken, lost, nonsense, raw, reply, silent, split, too_long
from tests.peers.certificate import make_certificate
from tests.peers.client import Client, ClosedError, Reply, send_mail, stuffed
from tests.peers.scripted import ScriptedHop

MAIL = b"Subject: a\r\n\r\n.dot\r\n..two\r\nend\r\n"


def codes(replies: Sequence[Reply]) -> list[int]:
    """What the replies say, in short."""
    return [answer.code for answer in replies]


async def test_takes_and_records_byte_for_byte() -> None:
    """A mail comes out as it went in, with every command line."""
    async with ScriptedHop() as hop:
        replies = await send_mail(hop.port, MAIL, recipients=[b"a@example.com", b"b@example.com"])
        assert codes(replies) == [250, 250, 250, 354, 250]
        (mail,) = hop.taken
        assert (mail.content, bytes(mail.raw)) == (MAIL, stuffed(MAIL)[:-3])
        assert mail.octets == len(mail.raw)
        assert mail.recipients == [b"a@example.com", b"b@example.com"]
        assert hop.sessions[0].commands == [
            b"EHLO client.example.co.jp", b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<a@example.com>",
            b"RCPT TO:<b@example.com>", b"DATA", b"QUIT",
        ]  # fmt: skip
        assert bytes(hop.sessions[0].received).endswith(b"DATA\r\n" + stuffed(MAIL) + b"QUIT\r\n")
        await hop.wait(lambda: hop.sessions[0].ended == "quit")
        assert hop.faults == []


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b".\r\n", b"\r\n.\r\n", b"a\r\n" * 200_000, b"x" * 600_000 + b"\r\n"]
)
async def test_content_of_any_shape(content: bytes) -> None:
    """Empty, dots, many chunks: content and record are equal."""
    async with ScriptedHop() as hop:
        await send_mail(hop.port, content)
        assert [mail.content for mail in hop.taken] == [content]
        assert hop.faults == []


async def test_byte_by_byte_and_in_one_segment() -> None:
    """However the octets come, two mails are two mails, with the same content."""
    envelope = b"MAIL FROM:<a@example.co.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
    parts = [b"EHLO c.example\r\n", envelope, stuffed(MAIL), envelope, stuffed(b"X: y\r\n"), b"QUIT\r\n"]
    talk = b"".join(parts)
    for send in (Client.send, Client.send_by_byte):
        async with ScriptedHop() as hop, await Client.connect(hop.port) as client:
            await send(client, talk)
            got = [await client.code() for _ in range(11)]
            assert got == [220, 250, 250, 250, 354, 250, 250, 250, 354, 250, 221]
            assert [mail.content for mail in hop.taken] == [MAIL, b"X: y\r\n"]


@pytest.mark.parametrize(
    "answer", [reply(250, "one", "two"), split(reply(450, "4.2.1 no")), raw(b"55", b"0 x\r", b"\n")]
)
@pytest.mark.parametrize("key", ["mail", "rcpt", ("rcpt", 1), ("rcpt", b"taro@example.com"), "data", "dot"])
async def test_replies_at_every_stage(key: str | tuple[str, int | bytes], answer: Action) -> None:
    """The scripted bytes are what the client gets, whole and at that stage."""
    async with ScriptedHop({key: answer}) as hop:
        replies = await send_mail(hop.port, MAIL)
        stage = key if isinstance(key, str) else key[0]
        at = ["mail", "rcpt", "data", "dot"].index(stage)
        assert replies[at].raw == answer.answer


@pytest.mark.parametrize("stage", ["connect", "banner", "ehlo", "mail", "rcpt", "data", "content", "dot"])
@pytest.mark.parametrize(("action", "reset"), [(lost(), False), (broken(), True)])
async def test_lost_at_every_stage(stage: str, action: Action, reset: bool) -> None:  # noqa: FBT001
    """Closed is FIN, broken is RST, and no reply precedes it."""
    async with ScriptedHop({stage: action}) as hop:
        with pytest.raises((ClosedError, ConnectionError)) as caught:
            await send_mail(hop.port, MAIL * 5_000)
        if stage != "content" and isinstance(caught.value, ClosedError):
            assert (caught.value.reset, caught.value.rest) == (reset, b"")
        assert hop.taken == []
        begun = [] if stage in {"connect", "banner", "ehlo"} else [stage == "dot"]
        assert [mail.complete for mail in hop.transactions] == begun


async def test_sequences_connections_and_callables() -> None:
    """A list is used up once; a connection's own table wins; a callable sees the moment."""
    async with ScriptedHop({"dot": [reply(451, "x"), None, reply(550, "y")]}, connections=[None, {}]) as hop:
        got = [(await send_mail(hop.port, MAIL))[-1].code for _ in range(5)]
        assert got == [451, 250, 250, 550, 250]
    seen: list[tuple[str, int]] = []

    def look(moment: Moment) -> None:
        seen.append((moment.stage, moment.nth))

    async with ScriptedHop(look) as hop:
        await send_mail(hop.port, MAIL, recipients=[b"a@example.com", b"b@example.com"])
        assert seen[3:6] == [("mail", 1), ("rcpt", 1), ("rcpt", 2)]


async def test_holds_silence_nonsense_and_length() -> None:
    """A held answer comes when the event is set; silence, nonsense and 100 kB lines arrive as written."""
    gate = asyncio.Event()
    script = {"dot": [reply(250, "late").when(gate), silent()], "noop": [nonsense(), too_long()]}
    async with ScriptedHop(script) as hop, await Client.connect(hop.port) as client:
        sending = asyncio.create_task(send_mail(hop.port, MAIL))
        await hop.wait(lambda: len(hop.complete) == 1)
        assert (hop.taken, sending.done()) == ([], False)
        gate.set()
        assert codes(await sending) == [250, 250, 354, 250]
        with pytest.raises(TimeoutError):
            await send_mail(hop.port, MAIL, patience=0.2)
        await client.hello()
        with pytest.raises(ValueError, match="no SMTP reply"):
            await client.command(b"NOOP")
        assert len((await client.command(b"NOOP")).raw) > 100_000


async def test_content_cut_and_reply_after_some_octets() -> None:
    """Content can be refused half way; the record says that the end was never seen."""
    async with ScriptedHop({"content": reply(421, "4.3.2 going down").then("close").at(50_000)}) as hop:
        async with await Client.connect(hop.port) as client:
            await client.hello()
            await client.send(b"MAIL FROM:<a@example.co.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n")
            assert [await client.code() for _ in range(3)] == [250, 250, 354]
            await client.send(b"a\r\n" * 30_000)
            await client.expect(421)
            assert await client.closed() == b""
        await hop.wait(lambda: hop.sessions[0].ended == "us")
        (mail,) = hop.transactions
        assert (mail.complete, mail.octets >= 50_000) == (False, True)


async def test_faults_are_seen() -> None:
    """Breaches that a lenient server would swallow are noted."""
    async with ScriptedHop(keywords=["SIZE 1000"]) as hop:
        await send_mail(hop.port, b"a: \xff\nb\r\n", pipelined=True)
        assert [fault.split(": ", 1)[1].split("b'")[0] for fault in hop.faults] == [
            "pipelined without leave after ", "pipelined without leave after ",
            "bare CR or LF in content", "8-bit content without 8BITMIME",
        ]  # fmt: skip


async def test_starttls_auth_lmtp(tmp_path: Path) -> None:
    """TLS by command and from the start, both AUTH mechanisms, one reply a recipient under LMTP."""
    certificate = make_certificate(tmp_path)
    async with (
        ScriptedHop(tls=certificate.server(), auth=(b"u", b"p")) as hop,
        await Client.connect(hop.port) as client,
    ):
        await client.hello()
        assert b"STARTTLS" in client.keywords
        await client.starttls(certificate.client())
        await client.greet()
        assert (b"STARTTLS" in client.keywords, b"AUTH PLAIN LOGIN" in client.keywords) == (False, True)
        assert (await client.command(b"AUTH PLAIN AHUAcA==")).code == 235
        assert [(await client.command(word)).code for word in (b"AUTH LOGIN", b"dQ==", b"cA==")] == [
            334,
            334,
            235,
        ]
        assert hop.sessions[0].auth == [b"PLAIN AHUAcA==", b"LOGIN dQ== cA=="]
    async with (
        ScriptedHop(tls=certificate.server(), implicit=True) as hop,
        await Client.connect(hop.port, tls=certificate.client()) as client,
    ):
        await client.expect(220)
    async with ScriptedHop({("dot", b"b@example.com"): reply(450, "4.2.1 x")}, lmtp=True) as hop:
        got = await send_mail(hop.port, MAIL, recipients=[b"a@example.com", b"b@example.com"], lmtp=True)
        assert codes(got) == [250, 250, 250, 354, 250, 450]


async def test_client_half_close_and_reset() -> None:
    """EOF leaves the replies readable; a reset is seen as one."""
    async with ScriptedHop() as hop:
        async with await Client.connect(hop.port) as client:
            await client.hello()
            await client.send(b"NOOP\r\n")
            client.half_close()
            assert await client.code() == 250
        await hop.wait(lambda: hop.sessions[0].ended == "client")
        client = await Client.connect(hop.port)
        await client.hello()
        client.reset()
        await hop.wait(lambda: hop.sessions[1].ended == "lost")
        await client.close()
