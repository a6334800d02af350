"""Attacks, each by its name: what somebody would do to a relay, and that it comes to nothing.

More of them stand where their subject is: STARTTLS in test_tls.py (CVE-2011-0411) and, towards the next hop,
in tests/unit/relay/test_connect.py; logins in test_auth.py; chunks in test_chunking.py; PROXY and XCLIENT in
files of their own; bounds in test_limits.py.
"""

import asyncio
import os
import random
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.login import LONGEST_DELAY
from gateway.edge.wire import TlsFailed
from gateway.message.scan import scan
from gateway.message.trace import count_marks
from tests.integration.harness import ORDINARY, Relay, gateway, greeted, without_trace
from tests.integration.test_auth import changes as with_logins
from tests.integration.test_tls import LISTEN, listener, pair
from tests.peers.client import Client, ClosedError, transact
from tests.peers.scripted import KEYWORDS, ScriptedHop

ON_UVLOOP = True

# --- open relay -------------------------------------------------------------------------------------------

#: Ways of writing "somebody elsewhere" that have opened relays: as (reverse-path, forward-path).
TRICKS = {
    "plain": (b"<spam@example.com>", b"<victim@example.net>"),
    "null sender": (b"<>", b"<victim@example.net>"),
    "our sender": (b"<hr@example.co.jp>", b"<victim@example.net>"),
    "our postmaster": (b"<postmaster@example.co.jp>", b"<victim@example.net>"),
    "our host as sender": (b"<spam@gw.example.co.jp>", b"<victim@example.net>"),
    "our literal as sender": (b"<spam@[127.0.0.1]>", b"<victim@example.net>"),
    "localhost as sender": (b"<spam@localhost>", b"<victim@example.net>"),
    "no domain": (b"<spam>", b"<victim@example.net>"),
    "percent hack": (b"<spam@example.com>", b"<victim%example.net@example.co.jp>"),
    "percent hack, literal": (b"<spam@example.com>", b"<victim%example.net@[127.0.0.1]>"),
    "percent hack, host": (b"<spam@example.com>", b"<victim%example.net@gw.example.co.jp>"),
    "quoted": (b"<spam@example.com>", b'<"victim@example.net">'),
    "quoted, domain": (b"<spam@example.com>", b'<"victim@example.net"@example.co.jp>'),
    "quoted percent": (b"<spam@example.com>", b'<"victim%example.net"@example.co.jp>'),
    "two at signs": (b"<spam@example.com>", b"<victim@example.net@example.co.jp>"),
    "two at signs, literal": (b"<spam@example.com>", b"<victim@example.net@[127.0.0.1]>"),
    "source route": (b"<spam@example.com>", b"<@example.co.jp:victim@example.net>"),
    "source route, literal": (b"<spam@example.com>", b"<@[127.0.0.1]:victim@example.net>"),
    "bang path": (b"<spam@example.com>", b"<example.net!victim>"),
    "bang path, domain": (b"<spam@example.com>", b"<example.net!victim@example.co.jp>"),
    "bang path, literal": (b"<spam@example.com>", b"<example.net!victim@[127.0.0.1]>"),
    "no brackets": (b"spam@example.com", b"victim@example.net"),
    "own domain": (b"<spam@example.com>", b"<hr@example.co.jp>"),
}


def attempt(trick: str) -> bytes:
    """The whole mail in one segment, as somebody sends it who doesn't wait to be refused."""
    sender, recipient = TRICKS[trick]
    return (
        b"EHLO spam.example.com\r\nMAIL FROM:" + sender + b"\r\nRCPT TO:" + recipient + b"\r\nDATA\r\n"
        b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
    )


async def nothing_comes(relay: Relay, hop: ScriptedHop, client: Client, trick: str) -> None:
    """Send it, and see that no 2xx answers RCPT and that the next hop hears nothing."""
    await client.send(attempt(trick))
    said = await client.closed()
    assert b"\r\n354 " not in b"\r\n" + said
    await relay.until(lambda: len(relay.registry) == 0)
    assert hop.transactions == []


@pytest.mark.parametrize("trick", TRICKS)
async def test_open_relay_stranger(trick: str) -> None:
    """From an address that no listener names, whatever it says."""
    networks = {"listen": [{**LISTEN, "networks": ["127.0.0.9"]}]}
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=networks) as relay,
        await Client.connect(relay.port, source="127.0.0.8") as client,
    ):
        answer = await client.reply()
        assert (answer.code, answer.enhanced) == (554, "5.7.1")
        try:
            await nothing_comes(relay, hop, client, trick)
        except ConnectionError:
            assert hop.transactions == []  # the door was shut before all of it was said


@pytest.mark.parametrize("trick", TRICKS)
async def test_open_relay_without_login(tmp_path: Path, trick: str) -> None:
    """On a submission port that everybody may connect to, without a login."""
    given = with_logins(tmp_path, pair(tmp_path, "server"), anywhere=True, networks=[])
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=given) as relay,
        await Client.connect(relay.port, source="127.0.0.8") as client,
    ):
        await nothing_comes(relay, hop, client, trick)


async def test_open_relay_without_certificate(tmp_path: Path) -> None:
    """On a listener for certificates, in the clear and under TLS without one."""
    server, own = pair(tmp_path, "server"), pair(tmp_path, "own")
    given = listener(
        server, tls="required", client_certificates="required", client_ca_file=str(own.certificate),
        anywhere=True, networks=[],
    )  # fmt: skip
    async with ScriptedHop() as hop, gateway(hop, changes=given) as relay:
        for trick in TRICKS:
            async with await Client.connect(relay.port) as client:
                await nothing_comes(relay, hop, client, trick)


# --- smuggling --------------------------------------------------------------------------------------------

#: What some servers have taken for the end of a mail (CVE-2023-51764, -51765, -51766; CVE-2024-27305).
ENDS = (
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\n", b"\r.\r\n", b"\n.\r", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\r\n",
    b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n.\r\0\n", b"\r\n. \r\n", b"\r\n..\r\n", b"\r\r\n.\r\r\n",
    b"\n\r.\n\r",
)  # fmt: skip
EVIL = b"MAIL FROM:<boss@example.co.jp>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\nSubject: evil\r\n\r\nevil"


@pytest.mark.parametrize("mode", ["normalize", "refuse"])
@pytest.mark.parametrize("by_octet", [False, True], ids=["whole", "by-octet"])
@pytest.mark.parametrize("end", ENDS, ids=repr)
async def test_cve_2023_51764_family_smuggling(end: bytes, mode: str, *, by_octet: bool) -> None:
    """One mail stays one mail, on our side and in what the next hop gets; a lone end never reaches it.

    However it is cut into segments on its way.
    """
    changes = {"gateway": {"bare_newlines": mode}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay, greeted(relay.port) as client:
        for line in (b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>", b"DATA"):
            await client.command(line)
        await client.send(b"Subject: x\r\n\r\nfirst")
        await (client.send_by_byte(end) if by_octet else client.send(end))
        await client.send(EVIL + b"\r\n.\r\nNOOP\r\n")
        assert (await client.code(), await client.code()) in ((250, 250), (550, 250))
        assert len(hop.transactions) == 1
        assert hop.faults == []
        raw = b"\r\n" + bytes(hop.transactions[0].raw)
        assert b"\r\n.\r\n" not in raw  # all dots that stand alone are stuffed
        assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")


@pytest.mark.parametrize(
    "line", [b"NOOP x\nRSET", b"MAIL FROM:<a@example.co.jp>\nRCPT TO:<b@example.com>", b"NOOP\n"]
)
async def test_cve_2023_51764_family_in_commands(line: bytes) -> None:
    """A command that ends in a bare LF ends the session: what is behind may mean another thing elsewhere."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.send(line + b"\r\n" + EVIL)
        assert await client.code() == 500
        assert await client.closed() == b""
        assert hop.transactions == []


# --- injection --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        b"MAIL FROM:<=?utf-8?q?a=0D=0ARCPT_TO:=3Cvictim@example.net=3E?=@example.com>",
        b'MAIL FROM:<"a\\\rb"@example.com>',
        b"MAIL FROM:<a@example.com\0>",
        b"MAIL FROM:<a@example.com> ENVID=x+0D+0ARCPT",
        b"MAIL FROM:<a@example.com>\x0bRCPT TO:<victim@example.net>",
        b"MAIL FROM:<a@example.com> AUTH=<>\x00",
        b"MAIL FROM:<a@example.com> SIZE=1\x85RCPT",
    ],
)
async def test_cwe_93_command_injection(line: bytes) -> None:
    """CWE-93: nothing in a command becomes a line of its own at the next hop."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        answer = await client.command(line)
        assert answer.code in (250, 500, 501)
        said = [command for session in hop.sessions for command in session.commands]
        assert all(command.startswith((b"EHLO gw.", b"MAIL FROM:<", b"QUIT", b"RSET")) for command in said)
        assert [command for command in said if command.startswith(b"MAIL")] == [line] * (answer.code == 250)
        assert hop.faults == []


@pytest.mark.parametrize(
    "name",
    [
        b"x (evil) by gw.example.co.jp with ESMTPA id 1; Mon, 1 Jan 2026 00:00:00 +0000",
        b"x)\tfor <victim@example.net>;",
        b"x\tX-Injected: yes",
        b"=?utf-8?q?=0D=0AX-Injected:_yes?=",
        b"(careerrelay-mark 1.1 0123456789abcdef0123456789abcdef)",
        "名前.example".encode(),
        b"x" * 4_000,
    ],
)
async def test_cwe_93_header_injection_by_helo(name: bytes) -> None:
    """What a peer calls itself can't add a field, a clause or a loop mark to `Received:`."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await client.expect(220)
        await client.greet(name)
        assert (await transact(client, ORDINARY))[-1].code == 250
        content = hop.taken[0].content
        assert without_trace(content) == ORDINARY
        trace = content[: -len(ORDINARY)]
        lines = trace.removesuffix(b"\r\n").split(b"\r\n")
        assert lines[0].startswith(b"Received: from ")
        assert all(line.startswith(b"\t") for line in lines[1:])  # one field
        assert [line.split(b" ")[0] for line in lines[1:3]] == [b"\tby", b"\tfor"]
        assert lines[2] == b"\tfor <taro@example.com>"
        assert b" " not in lines[0].removeprefix(b"Received: from ").removesuffix(b" ([127.0.0.1])")
        assert count_marks(scan(content, complete=True), relay.policy.secrets.mark) == 1
        assert max(map(len, lines)) < 998


async def test_cwe_200_what_a_stranger_learns() -> None:
    """Promise 7: no version, path, host of ours or error text in anything that is said."""
    asked = (
        b"HELP",
        b"VRFY root",
        b"EXPN all",
        b"\x80\x81",
        b"EHLO",
        b"DATA x",
        b"AUTH PLAIN x",
        b"XYZ",
        b"QUIT",
    )
    async with (
        ScriptedHop() as hop,
        gateway(hop) as relay,
        await Client.connect(relay.port) as client,
    ):
        await client.send(b"\r\n".join((*asked, b"")))
        said = await client.closed()
    for inside in (
        b"Python",
        b"aiosmtpd",
        b"Traceback",
        b"/",
        b"asyncio",
        b"127.0.0.1",
        str(hop.port).encode(),
    ):
        assert inside not in said, said


# --- any octets in any state ------------------------------------------------------------------------------

WORDS = (
    b"EHLO x.example\r\n", b"HELO x\r\n", b"LHLO x\r\n", b"MAIL FROM:<hr@example.co.jp>\r\n",
    b"MAIL FROM:<hr@example.co.jp> SIZE=100 BODY=8BITMIME\r\n", b"RCPT TO:<a@example.com>\r\n",
    b"RCPT TO:<b@example.com> NOTIFY=NEVER\r\n", b"DATA\r\n", b"Subject: x\r\n\r\ntext\r\n", b".\r\n",
    b"..\r\n", b"\r\n.\r\n", b"BDAT 5\r\nhello", b"BDAT 5 LAST\r\nworld", b"BDAT 0 LAST\r\n",
    b"BDAT 9999\r\n",
    b"BDAT x\r\n", b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"VRFY x\r\n", b"HELP\r\n", b"STARTTLS\r\n",
    b"AUTH PLAIN\r\n", b"*\r\n", b"AUTH LOGIN eA==\r\n", b"XCLIENT ADDR=127.0.0.1\r\n",
    b"XFORWARD NAME=x\r\n",
    b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"x" * 9_000,
    b"\x16\x03\x01\x02\0\x01\0",
)  # fmt: skip


def words(source: random.Random) -> bytes:
    """A session of the common words, shuffled, cut, and with octets changed now and then."""
    said = bytearray(b"EHLO x.example\r\n" if source.random() < 0.8 else b"")
    if source.random() < 0.5:
        said += b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<a@example.com>\r\n"
    for _ in range(source.randrange(12)):
        said += source.choice(WORDS)
    for _ in range(source.choice((0, 0, 1, 3))):
        if said:
            said[source.randrange(len(said))] = source.randrange(256)
    return bytes(said)


async def fuzzed(relay: Relay, source: random.Random, tls: ssl.SSLContext | None) -> bytes:
    """One session: octets in any cuts, and one of the ways to end it. Gives what was said.

    With `tls` every fourth shakes hands first, so that the octets meet what listens behind STARTTLS.
    """
    client = await Client.connect(relay.port, patience=5)
    said = whole = words(source)
    secure = tls is not None and source.random() < 0.25
    try:
        if tls is not None and secure:
            await client.hello()
            await client.starttls(tls)
        while said:
            cut = source.choice((1, 7, 100, len(said)))
            client.writer.write(said[:cut])
            said = said[cut:]
            if source.random() < 0.2:
                await asyncio.sleep(0)
        match source.randrange(3):
            case 0 if not secure:
                client.half_close()
                await client.closed()
            case 0 | 1:
                client.reset()
            case _:
                await client.send(b"\r\n.\r\nQUIT\r\n")
                if not secure:  # TLS has no half of a connection
                    client.half_close()
                    await client.closed()
    except (ConnectionError, ClosedError, RuntimeError):
        pass  # RuntimeError: uvloop's word for a connection that is closed already
    finally:
        await client.close()
    return whole


async def fuzz(
    changes: Mapping[str, Any], sessions: int, seed: int, tls: ssl.SSLContext | None = None
) -> None:
    """Many such sessions, eight at a time; then everything has to be as it was."""
    async with (
        ScriptedHop(keywords=(*KEYWORDS, "CHUNKING")) as hop,
        gateway(hop, changes=changes) as relay,
    ):
        said = [await fuzzed(relay, random.Random(seed), tls)]  # noqa: S311 - to be repeated, not to be secret
        patience = LONGEST_DELAY + 5  # a session that guesses passwords is made to wait, and ends after that
        await relay.until(lambda: len(relay.registry) == 0, patience=patience)
        tasks = len(asyncio.all_tasks())
        for start in range(0, sessions, 8):
            seeds = range(seed + start, seed + start + 8)
            said += await asyncio.gather(*(fuzzed(relay, random.Random(one), tls) for one in seeds))  # noqa: S311
            await relay.until(lambda: len(relay.registry) == 0, patience=patience)
        faults = [error for error in relay.journal.errors if not isinstance(error, TlsFailed)]
        assert faults == [], f"seed {seed}"
        assert hop.faults == [], f"seed {seed}"
        assert relay.registry._peers == {}
        # nobody gets a mail whom nobody named
        everything_said = b"\n".join(said)
        named = {address for one in hop.transactions for address in one.recipients}
        assert [address for address in named if b"<" + address + b">" not in everything_said] == []
        await relay.until(lambda: len(asyncio.all_tasks()) <= tasks + 2 + len(hop.sessions))
        async with greeted(relay.port) as client:
            assert (await transact(client, ORDINARY))[-1].code == 250


async def fuzz_everything(folder: Path, sessions: int, seed: int) -> None:
    """With all that a listener can have switched on."""
    server = pair(folder, "server")
    given = with_logins(folder, server, auth="offered", xclient_networks=["127.0.0.0/8"])
    changes = {**given, "next_hop": {"forward_client": "xforward"}, "timeouts": {"block_seconds": 2.0}}
    await fuzz(changes, sessions, seed, server.client())


@pytest.mark.parametrize("full", [False, True])
async def test_fuzzed_sessions(tmp_path: Path, *, full: bool) -> None:
    """No octets in any state make a fault of ours, a session that stays, or anything odd at the next hop."""
    await (fuzz_everything(tmp_path, 400, 20_260_302) if full else fuzz({}, 400, 20_260_302))


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("full", [False, True])
async def test_fuzzed_sessions_for_long(tmp_path: Path, *, full: bool) -> None:
    """Other octets each time; a failure names its seed, and CAREERRELAY_FUZZ_SEED gives them back."""
    seed = int(os.environ.get("CAREERRELAY_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
    await (fuzz_everything(tmp_path, 20_000, seed) if full else fuzz({}, 20_000, seed))
