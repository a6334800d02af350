"""Addresses, parameters and content arrive as they were or not at all (SMTP.md rules 5, 10, 11, 24).

What always holds: one mail in is one mail out. No bare CR or LF leaves, nothing in a mail ends it early or
becomes a command, and a path or parameter arrives with its very octets or is refused before the next hop
sees any of it. The scripted hop notes each bare CR or LF and each NUL in a command as a fault.
"""

import contextlib
import random
import re
import time
from typing import Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.smtp import failure
from tests.integration.harness import (
    ORDINARY,
    gateway,
    greeted,
    other_mail,
    own,
    rejection,
    resident_kib,
    without_trace,
)
from tests.peers.action import reply
from tests.peers.client import Client, Reply, send_mail, stuffed, transact
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

BESIDE = pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-others"])
HEAD = b"From: hr@example.co.jp\r\nSubject: soup\r\n\r\n"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
LINE = b"0123456789abcdef0123456789abcdef\r\n"


def normalised(content: bytes) -> bytes:
    """Content with each bare CR and LF as CRLF (rule 24)."""
    return BARE.sub(b"\r\n", content)


async def send_raw(
    client: Client, wire: bytes, *, recipients: tuple[bytes, ...] = (b"taro@example.com",)
) -> None:
    """Envelope, DATA, then these very octets."""
    lines = [b"MAIL FROM:<hr@example.co.jp>", *(b"RCPT TO:<" + one + b">" for one in recipients)]
    for line in lines:
        assert (await client.command(line)).code == 250
    assert (await client.command(b"DATA")).code == 354
    await client.send(wire)


# --- rule 24: the end of data and the ends of lines ------------------------------------------------------

#: A second mail, as an attacker hides it behind an end of data that isn't one.
SMUGGLED = (
    b"MAIL FROM:<ceo@example.co.jp>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"
    b"Subject: smuggled\r\n\r\npay now"
)
#: Look-alikes of the end of data (CVE-2023-51764 family). None of them is one.
FALSE_ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.LF": b"\r\r\n.\n",
    "CRLF.NUL.CRLF": b"\r\n.\x00\r\n",
    "NUL": b"\r\n\x00.\r\n",
    "LFLF.LFLF": b"\n\n.\n\n",
    "LF..LF": b"\n..\n",
    "CRLF..CRLF": b"\r\n..\r\n",
    "blank": b"\r\n. \r\n",
    "tab": b"\r\n.\t\r\n",
}


@BESIDE
@pytest.mark.parametrize("size", [1_000_000, 1], ids=["one-segment", "by-byte"])
@pytest.mark.parametrize("end", FALSE_ENDS.values(), ids=FALSE_ENDS)
async def test_nothing_is_smuggled(end: bytes, size: int, *, beside: bool) -> None:
    """Rule 24: data ends with CRLF.CRLF and nothing else: a look-alike is content, and clean when it leaves.

    Asserted on what the next hop got, octet by octet: one transaction, no bare CR or LF, the second mail's
    commands in the content of the first, and what arrives is what was sent with its line ends mended.
    """
    sent = HEAD + b"words" + end + SMUGGLED + b"\r\n"
    stuffed_once = re.sub(rb"(?<=\r\n)\.", b"", sent)  # what a strict reader makes of the octets sent
    async with ScriptedHop() as hop, gateway(hop) as relay:
        async with other_mail(relay, hop, active=beside), greeted(relay.port) as client:
            await send_raw(client, b"")
            wire = sent + b".\r\nNOOP\r\n"
            for at in range(0, len(wire), size):
                await client.send(wire[at : at + size])
            assert [await client.code(), await client.code()] == [250, 250]
        (one,) = own(hop)
        assert one.taken
        assert one.recipients == [b"taro@example.com"]
        assert not BARE.search(bytes(one.raw))
        assert without_trace(one.content) == normalised(stuffed_once)
        assert hop.faults == []
        for session in hop.sessions:
            assert b"victim@example.com" not in b"\n".join(session.commands)


@pytest.mark.parametrize("kind", ["ordinary", "rejection", "refuse"])
@pytest.mark.parametrize("newline", [b"\n", b"\r"], ids=["LF", "CR"])
async def test_bare_newlines_throughout(newline: bytes, kind: str) -> None:
    """Rule 24: a mail with nothing but bare newlines arrives with CRLF, with a link too; or is refused."""
    mail = (rejection() if kind == "rejection" else ORDINARY).replace(b"\r\n", newline)
    changes = {"gateway": {"bare_newlines": "refuse" if kind == "refuse" else "normalize"}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay, greeted(relay.port) as client:
        await send_raw(client, mail + b"\r\n.\r\n")
        told = await client.reply()
        if kind == "refuse":
            assert (told.code, told.enhanced) == (550, "5.6.11")
            assert hop.complete == []
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
            return
        assert told.code == 250
        (one,) = hop.taken
        assert not BARE.search(bytes(one.raw))
        if kind == "rejection":
            assert one.content.count(b"https://careerrelay.example/r/") == 1
        else:
            assert without_trace(one.content) == normalised(mail) + b"\r\n"
        assert hop.faults == []


@BESIDE
@pytest.mark.parametrize("where", ["first", "late"])
@pytest.mark.parametrize("octet", [b"\n", b"\r"], ids=["LF", "CR"])
async def test_bare_newlines_refused(octet: bytes, where: str, *, beside: bool) -> None:
    """Rules 5 and 24: under `refuse` one bare CR or LF, however late, is 550 5.6.11 when all is read.

    The next hop's connection is closed without the mail being completed; the session goes on.
    """
    before = LINE * (30_000 if where == "late" else 1)
    changes = {"gateway": {"bare_newlines": "refuse"}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with other_mail(relay, hop, active=beside), greeted(relay.port) as client:
            await send_raw(client, HEAD + before + b"x" + octet + b"y\r\n" + LINE * 10_000)
            assert await client.silent(0.05)
            await client.send(b".\r\n")
            told = await client.reply()
            assert (told.code, told.enhanced) == (550, "5.6.11")
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert [without_trace(one.content) for one in own(hop) if one.complete] == [ORDINARY]
        assert all(session.ended != "" for session in hop.sessions if _half(session.transactions))


def _half(transactions: list[Transaction]) -> bool:
    return any(one.data and not one.complete for one in transactions)


SOUP = [
    b"\r",
    b"\n",
    b"\r\n",
    b".",
    b"..",
    b"\r\n.",
    b"\n.",
    b"\r.",
    b"\r\n.\r",
    b"\n.\n",
    b"a",
    b"MAIL FROM:<x@y>",
    b"\0",
    b"\xff",
]
PIECES = st.lists(st.sampled_from(SOUP), max_size=40).map(b"".join)


def arrives_as(soup: bytes) -> bytes:
    """What a strict reader makes of `soup` on the wire, with its line ends mended; independent of ours."""
    text = b"\r\n" + soup
    out, at = bytearray(), 0
    while at < len(text):
        if text.startswith(b"\r\n", at):
            out += b"\r\n"
            at += 2
            if text.startswith(b".", at):
                at += 1  # transparency (RFC 5321 §4.5.2)
        elif text[at] in b"\r\n":
            out += b"\r\n"
            at += 1
        else:
            out.append(text[at])
            at += 1
    return bytes(out[2:])


@pytest.mark.parametrize("window", [256, 262_144], ids=["streamed", "held"])
async def test_newline_soup(window: int) -> None:
    """Rule 24, by property: any mix of CR, LF and dots, cut anywhere, is exactly one mail with clean content.

    Held in the window, or streamed through piece by piece as it comes.
    """
    soups: list[tuple[bytes, int]] = []

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(PIECES, st.integers(0, 2**32))
    def collect(soup: bytes, seed: int) -> None:
        # An end of data in it would only make it a shorter soup with commands behind.
        if b"\r\n.\r\n" not in b"\r\n" + soup + b"\r\n":
            soups.append((soup, seed))

    collect()
    head = HEAD + LINE * 10
    changes = {"limits": {"window_bytes": window}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay, greeted(relay.port) as client:
        for soup, seed in soups:
            await _one_soup(client, hop, head + soup, seed)
    assert hop.faults == []
    assert len(soups) > 50


async def _one_soup(client: Client, hop: ScriptedHop, soup: bytes, seed: int) -> None:
    before = len(hop.transactions)
    wire = soup + b"\r\n.\r\n"
    await send_raw(client, b"")
    cuts = random.Random(seed)  # noqa: S311 - cuts, no secrets
    rest = wire
    while rest:
        size = cuts.choice([1, 2, 3, 5, 40, 1_000])
        await client.send(rest[:size])
        rest = rest[size:]
    assert await client.code() == 250, (soup, seed)
    assert len(hop.transactions) == before + 1, (soup, seed)
    one = hop.transactions[-1]
    assert not BARE.search(bytes(one.raw))
    assert without_trace(one.content) == arrives_as(soup + b"\r\n"), (soup, seed)
    assert await client.silent(0)


async def test_newline_soup_in_rejections() -> None:
    """Rule 24: the same soup in a mail that is changed: one mail, clean, with one link at most."""
    mails = random.Random(7)  # noqa: S311 - a fixed soup
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        for number in range(60):
            soup = b"".join(mails.choices(SOUP, k=20)).replace(b"\r\n.\r\n", b"").replace(b"\0", b"")
            if b"\r\n.\r\n" in b"\r\n" + soup + b"\r\n":
                continue
            await send_raw(client, rejection(number) + soup + b"\r\n.\r\n")
            assert await client.code() == 250, soup
            assert len([one for one in hop.transactions if one.complete]) == len(hop.taken)
            assert not BARE.search(bytes(hop.transactions[-1].raw))
            assert hop.transactions[-1].content.count(b"https://careerrelay.example/r/") <= 1
        assert any(b"https://careerrelay.example/r/" in one.content for one in hop.taken)
        assert hop.faults == []


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b".\r\n",
        b"..\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"no header at all\r\n",
        b"\x00\r\n",
        b"Subject: nul\r\n\r\na\x00b\r\n",
        b"Subject: 8-bit\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
        b"Subject: " + b"x" * 100_000 + b"\r\n\r\nbody\r\n",
        b"Subject: long line\r\n\r\n" + b"y" * 100_000 + b"\r\n",
        b"Subject: long lines of dots\r\n\r\n" + (b"." * 100_000 + b"\r\n") * 3,
        b"Subject: only dots\r\n\r\n" + b".\r\n..\r\n...\r\n" * 2_000,
        b"Subject: binary\r\n\r\n" + bytes(set(range(256)) - {10, 13}) * 200 + b"\r\n",
    ],
    ids=lambda mail: repr(mail[:28]),
)  # fmt: skip
@pytest.mark.parametrize("size", [1_000_000, 999], ids=["one-segment", "segments"])
async def test_content_arrives_as_it_was(mail: bytes, size: int) -> None:
    """Promise 3: an untouched mail arrives octet for octet: NUL, 8-bit, lines of 100 kB, dots, nothing."""
    wire = stuffed(mail) if mail else b".\r\n"
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await send_raw(client, b"")
        for at in range(0, len(wire), size):
            await client.send(wire[at : at + size])
        assert await client.code() == 250
        assert without_trace(hop.taken[0].content) == mail
        assert hop.faults == []


# --- bounded memory --------------------------------------------------------------------------------------


class Forgetful(bytearray):
    """Takes no note."""

    def __iadd__(self, octets: object, /) -> Self:
        return self


async def _endless(relay_port: int, megabytes: int, *, finish: bool) -> tuple[Reply | None, int]:
    """A mail of one line without an end, so many MB long; the reply and the memory that it took in KiB."""
    block = b"x" * 1_000_000
    async with greeted(relay_port, patience=60) as client:
        await send_raw(client, HEAD)
        await client.send(block)
        before = resident_kib()
        most = before
        for _ in range(megabytes):
            await client.send(block)
            most = max(most, resident_kib())
        if not finish:
            return None, most - before
        await client.send(b"\r\n.\r\n")
        return await client.reply(), most - before


@pytest.mark.parametrize("megabytes", [40, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.parametrize("finish", [True, False], ids=["ended", "cut-off"])
async def test_line_without_an_end(megabytes: int, *, finish: bool) -> None:
    """A line of very many MB passes, or is cut off, with bounded memory (both peers are in here too)."""
    async with ScriptedHop(keep=1_000_000, keywords=["PIPELINING", "8BITMIME"]) as hop, gateway(hop) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        hop.sessions[0].received = Forgetful()  # the same connection carries the mail
        told, grown = await _endless(relay.port, megabytes, finish=finish)
        assert len(hop.sessions) == 1
        assert grown < 16_000
        if finish:
            assert told is not None
            assert told.code == 250
            assert hop.taken[1].octets > megabytes * 1_000_000
        else:
            await relay.until(lambda: len(relay.registry) == 0)
            assert len(hop.complete) == 1


async def test_command_without_an_end() -> None:
    """A command line that never ends is cut off in bounded memory; the next hop sees nothing of it."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        before = resident_kib()
        sent = 0
        try:
            for _ in range(60):
                await client.send(b"A" * 1_000_000)
                sent += 1
        except ConnectionError:
            pass
        rest = await client.closed()
        assert rest == b"" or rest.startswith(b"421 ")
        assert sent < 60
        assert resident_kib() - before < 16_000
        assert b"AAAA" not in b"".join(bytes(session.received) for session in hop.sessions)


@pytest.mark.parametrize("octets", [4_097, 10_000, 100_000, 900_000])
async def test_long_command_line(octets: int) -> None:
    """RFC 5321 §4.5.3.1.4: a command line that is too long is 500, and the session goes on behind it."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        line = b"MAIL FROM:<hr@example.co.jp> " + b"X" * octets
        await client.send(line + b"\r\nNOOP\r\n")
        assert [await client.code(), await client.code()] == [500, 250]
        assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert len(hop.transactions) == 1


@pytest.mark.parametrize("count", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_very_many_recipients(count: int) -> None:
    """RFC 5321 §4.5.3.1.10: recipients past the limit are 452, in bounded memory; the others get the mail."""
    limits = {"recipients": 1_000, "commands": max(count, 5_000)}
    async with ScriptedHop() as hop, gateway(hop, changes={"limits": limits}) as relay:
        async with greeted(relay.port, patience=60) as client:
            before = resident_kib()
            await client.send(b"MAIL FROM:<hr@example.co.jp>\r\n")
            assert await client.code() == 250
            told = []
            for start in range(0, count, 500):
                lines = [b"RCPT TO:<r%d@example.com>\r\n" % number for number in range(start, start + 500)]
                await client.send(b"".join(lines))
                told += [await client.code() for _ in lines]
            assert told == [250] * 1_000 + [452] * (count - 1_000)
            assert resident_kib() - before < 32_000
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(ORDINARY))
            assert await client.code() == 250
        (taken,) = hop.taken
        assert len(taken.recipients) == 1_000


# --- rule 10: SIZE ---------------------------------------------------------------------------------------


async def test_size_grows_by_what_we_may_add() -> None:
    """Rule 10: SIZE= is passed on with 2 KiB added; every other octet of the command stays."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp> size=1000 BODY=8BITMIME")).code == 250
        assert hop.transactions[0].mail == b"MAIL FROM:<hr@example.co.jp> SIZE=3048 BODY=8BITMIME"


@pytest.mark.parametrize("value", [b"", b"x", b"-1", b"1e3", b"1" * 21, b"1.5", b"\xb2"])
async def test_size_that_is_no_number(value: bytes) -> None:
    """RFC 1870 §4: SIZE takes up to 20 digits; anything else is 501 and reaches nobody."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp> SIZE=" + value)).code == 501
        assert hop.transactions == []


@pytest.mark.parametrize("declared", [0, 1, 10**19])
async def test_size_lies(declared: int) -> None:
    """SIZE= is a hint: a mail larger or smaller than it says passes if the next hop lets it."""
    mail = ORDINARY + LINE * 1_000
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, mail, mail_parameters=b" SIZE=%d" % declared)
        assert [one.code for one in replies] == [250, 250, 354, 250]
        assert without_trace(hop.taken[0].content) == mail


@BESIDE
@pytest.mark.parametrize("declared", [b"", b" SIZE=100"], ids=["no-size", "lie"])
@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_size_limit_of_our_own(mail: bytes, declared: bytes, *, beside: bool) -> None:
    """Rules 5 and 10: a mail past our own limit is 552 when all is read; nothing of it is complete."""
    big = mail + LINE * 40_000
    async with ScriptedHop() as hop, gateway(hop, changes={"limits": {"mail_bytes": 500_000}}) as relay:
        async with other_mail(relay, hop, active=beside), greeted(relay.port) as client:
            assert b"SIZE 500000" in client.keywords
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp> SIZE=500001")).code == 552
            replies = await transact(client, big, mail_parameters=declared)
            assert [(one.code) for one in replies] == [250, 250, 354, 552]
            assert replies[-1].enhanced == "5.3.4"
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert [without_trace(one.content) for one in own(hop) if one.complete] == [ORDINARY]


# --- rule 11: paths and parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        b" BODY=8BITMIME",
        b" body=8bitmime",
        b" BODY=7bit",
        b" RET=HDRS ENVID=QQ314159",
        b" ret=Full envid=AbC+2Bdef+3D==",
        b" ENVID=xYz/_-.!~*'()",
        b" SMTPUTF8",
        b" smtpUTF8 BODY=8BitMime RET=full",
    ],
)
async def test_mail_parameters_keep_their_octets(parameters: bytes) -> None:
    """Rule 11: parameters of MAIL are passed on byte for byte, case and order kept."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, ORDINARY, mail_parameters=parameters)
        assert [one.code for one in replies] == [250, 250, 354, 250]
        assert hop.taken[0].mail == b"MAIL FROM:<hr@example.co.jp>" + parameters


@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
@pytest.mark.parametrize(
    "parameters",
    [
        b" NOTIFY=SUCCESS,FAILURE,DELAY",
        b" notify=Never",
        b" NOTIFY=failure ORCPT=rfc822;Taro+2BYamada@Example.COM",
        b" orcpt=Rfc822;a+3Db@x.example NOTIFY=Success",
        b" ORCPT=utf-8;\\x{5C71}@example.com",
    ],
)
async def test_rcpt_parameters_keep_their_octets(parameters: bytes, mail: bytes) -> None:
    """Rule 11: NOTIFY and ORCPT with its xtext keep bytes and case, in touched and untouched mail."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(
            relay.port, mail, recipients=(b"a@example.com", b"b@example.net"), rcpt_parameters=parameters
        )
        assert [one.code for one in replies] == [250, 250, 250, 354, 250]
        lines = [line for one in hop.transactions if one.taken for line in one.rcpts]
        assert sorted(lines) == [
            b"RCPT TO:<a@example.com>" + parameters,
            b"RCPT TO:<b@example.net>" + parameters,
        ]


PARAMETER_VALUES = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="= "), min_size=1, max_size=60
).map(str.encode)


async def test_envid_and_orcpt_by_property() -> None:
    """Rule 11, by property: any printable ENVID and ORCPT arrives with the very octets that it had."""
    values: list[bytes] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(PARAMETER_VALUES)
    def collect(value: bytes) -> None:
        values.append(value)

    collect()
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        for value in values:
            mail, rcpt = b"MAIL FROM:<a@b.example> ENVID=" + value, b"RCPT TO:<c@d.example> ORCPT=" + value
            await client.send(mail + b"\r\n" + rcpt + b"\r\nRSET\r\n")
            assert [await client.code() for _ in range(3)] == [250, 250, 250], value
            one = hop.transactions[-1]
            assert (one.mail, one.rcpts) == (mail, [rcpt])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"MAIL FROM:<a@b.example> FOO", 555),
        (b"MAIL FROM:<a@b.example> FOO=bar", 555),
        (b"MAIL FROM:<a@b.example> XOORG=example.co.jp", 555),
        (b"MAIL FROM:<a@b.example> MT-PRIORITY=3", 555),
        (b"MAIL FROM:<a@b.example> REQUIRETLS", 555),
        (b"MAIL FROM:<a@b.example> BODY=BINARYMIME", 501),
        (b"MAIL FROM:<a@b.example> BODY=", 501),
        (b"MAIL FROM:<a@b.example> NOTIFY=NEVER", 555),
        (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=2", 501),
        (b"MAIL FROM:<a@b.example> =x", 501),
        (b"MAIL FROM:<a@b.example> RET=FULL\x01", 500),
        (b"RCPT TO:<a@b.example> FOO=bar", 555),
        (b"RCPT TO:<a@b.example> RET=FULL", 555),
        (b"RCPT TO:<a@b.example> SIZE=1", 555),
        (b"RCPT TO:<a@b.example> NOTIFY=NEVER NOTIFY=NEVER", 501),
        (b"RCPT TO:<a@b.example>NOTIFY=NEVER", 501),
    ],
)
async def test_unknown_parameters(line: bytes, code: int) -> None:
    """Rule 11: what was not advertised is refused by us, and the next hop sees none of it."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        if line.startswith(b"RCPT"):
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        assert (await client.command(line)).code == code
        assert b"b.example" not in b"".join(bytes(session.received) for session in hop.sessions)


async def test_auth_parameter_is_left_out_where_it_means_nothing() -> None:
    """Rule 11: AUTH= is understood; a next hop that knows no AUTH gets the mail without it (RFC 4954 §5)."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, ORDINARY, mail_parameters=b" AUTH=<> BODY=8BITMIME")
        assert [one.code for one in replies] == [250, 250, 354, 250]
        assert hop.taken[0].mail == b"MAIL FROM:<hr@example.co.jp> BODY=8BITMIME"


@pytest.mark.parametrize(
    "parameters", [b" BODY=8BITMIME", b" SMTPUTF8", b" RET=FULL", b" ENVID=x"], ids=lambda p: p.decode()
)
async def test_parameters_that_were_not_advertised(parameters: bytes) -> None:
    """Rule 11: a parameter is passed if advertised, else 555; after HELO nothing is."""
    async with (
        ScriptedHop(keywords=["PIPELINING"]) as hop,
        gateway(hop) as relay,
        greeted(relay.port) as client,
    ):
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>" + parameters)).code == 555
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await client.hello(verb=b"HELO")
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>" + parameters)).code == 555
        assert hop.transactions == []


GOOD_PATHS = [
    b"<taro@example.com>",
    b"<Taro.YAMADA@Example.COM>",
    b"<taro+tag=x@example.com>",
    b"<taro..yamada.@docomo.example>",
    b'<"taro yamada"@example.com>',
    b'<"a@b>c"@example.com>',
    b'<"a\\"b\\\\c"@example.com>',
    b"<taro@[192.0.2.1]>",
    b"<taro@[IPv6:2001:db8::1]>",
    b"<@relay.example,@two.example:taro@example.com>",
    b"<postmaster>",
    b"<prvs=0123456789=taro@example.com>",
    b"<SRS0=HHH=TT=example.com=taro@example.net>",
    b"<taro/dept!x%y#z$&'*-=?^_`{|}~@example.com>",
    b"<taro@under_score.example.com>",
    b"<=?utf-8?q?taro=0D=0ARCPT_TO=3A=3Cx=40y=3E?=@example.com>",
    b"<" + b"l" * 600 + b"@example.com>",
]


@pytest.mark.parametrize("path", GOOD_PATHS, ids=lambda path: path[:30].decode())
async def test_paths_keep_their_octets(path: bytes) -> None:
    """Rule 11: a path goes out as the octets that came: not decoded, re-quoted, re-cased or cut, ever.

    Among them an encoded-word with CRLF and a command in it, which a library decoded into a real one.
    """
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        for line in (b"MAIL FROM:" + path, b"RCPT TO:" + path, b"DATA"):
            told = await client.command(line)
            assert told.code in (250, 354), (line, str(told))
        await client.send(stuffed(ORDINARY))
        assert await client.code() == 250
        (one,) = hop.transactions
        assert (one.mail, one.rcpts) == (b"MAIL FROM:" + path, [b"RCPT TO:" + path])
        assert without_trace(one.content) == ORDINARY
        assert hop.faults == []


@pytest.mark.parametrize(
    "line", [b"MAIL FROM: <a@b.example>", b"mail from:<a@b.example>", b"MAIL  FROM:<a@b.example>"]
)
async def test_loose_forms_are_passed_on_in_the_strict_one(line: bytes) -> None:
    """RFC 5321 §4.1.1.2: blanks behind the colon and any case pass; the next hop gets the strict form."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(line)).code == 250
        assert hop.transactions[0].mail == b"MAIL FROM:<a@b.example>"


BAD_PATHS = [
    b"taro@example.com",
    b"<taro@example.com",
    b"taro@example.com>",
    b"<taro@@example.com>",
    b"<taro@example.com>x",
    b"<a,b@example.com>",
    b"<a b@example.com>",
    b"<a@b.example><c@d.example>",
    b"<a@b.example>, <c@d.example>",
    b"<a@b.example c@d.example>",
    b"<a(comment)@example.com>",
    b"<a@[192.0.2.1>",
    b'<"a@example.com>',
    b"<a:b@example.com>",
    b"<a@ex ample.com>",
    b"<@>",
    b"<@example.com>",
    b"<a@>",
    b"",
    b"<",
    b"<" + b"l" * 2_000 + b"@example.com>",
    b"<taro@" + b"x." * 1_000 + b"com>",
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: path[:30].decode() or "empty")
async def test_what_is_no_path(path: bytes) -> None:
    """RFC 5321 §4.1.2: what is no path is 501 (5.1.7, 5.1.3) and reaches nobody; also 2 kB of it."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        told = await client.command(b"MAIL FROM:" + path)
        assert (told.code, told.enhanced) == (501, "5.1.7")
        assert hop.transactions == []
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        told = await client.command(b"RCPT TO:" + path)
        assert (told.code, told.enhanced) == (501, "5.1.3")
        assert hop.transactions[0].rcpts == []


@pytest.mark.parametrize(
    "inside",
    [
        b"\x00",
        b"\x01",
        b"\x7f",
        b"\r",
        b"\n",
        b"\rRCPT TO:<x@y.example>",
        b"\nRCPT TO:<x@y.example>",
        b"\r\r",
        b"\x0b",
        b"\x1b[2J",
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", ["local", "domain", "parameter", "behind", "quoted"])
async def test_control_characters_in_commands(inside: bytes, place: str) -> None:
    """Rule 24, RFC 5321 §2.3.8: a control character makes a command void: no part of it reaches the next hop.

    Also a bare CR or LF: a line ends in CRLF and in nothing else, and what stands behind a bare LF is no
    command.
    """
    line = {
        "local": b"RCPT TO:<ta%bro@example.com>",
        "domain": b"RCPT TO:<taro@exam%bple.com>",
        "parameter": b"RCPT TO:<taro@example.com> NOTIFY=NE%bVER",
        "behind": b"RCPT TO:<taro@example.com>%b",
        "quoted": b'RCPT TO:<"ta%bro"@example.com>',
    }[place].replace(b"%b", inside)
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        await client.send(line + b"\r\nNOOP\r\n")
        if b"\n" in inside:
            assert await client.code() == 500
            assert await client.closed() == b""
        else:
            assert [await client.code(), await client.code()] in ([500, 250], [501, 250])
        assert hop.transactions[0].rcpts == []
        assert hop.complete == []
        assert hop.faults == []


@pytest.mark.parametrize("size", [1_000_000, 1], ids=["one-segment", "by-byte"])
@pytest.mark.parametrize("padding", [0, 5_000, 9_000, 100_000])
async def test_nothing_behind_a_bare_newline_is_a_command(padding: int, size: int) -> None:
    """Rule 24: a command that ends in a bare LF ends the session; what is behind it is not read.

    Also where the line was too long to be read: a system before us that passes LF on in an address must not
    give its users our commands.
    """
    line = b"RCPT TO:<taro@example.com> " + b"x" * padding + b"\nRCPT TO:<x@y.example>\r\nDATA\r\n"
    if size == 1:
        line = line[-6_000:]
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(line), size):
                await client.send(line[at : at + size])
        assert await client.closed() in (b"", failure.BARE_COMMAND.wire)
        await relay.until(lambda: len(relay.registry) == 0)
        assert hop.transactions[0].rcpts == []
        assert hop.complete == []


@pytest.mark.parametrize(
    "path", [b"<\xe6\x8e\xa1@example.com>", b"<taro@\xe4\xbe\x8b.example>", b"<\xff\xfe@example.com>"]
)
async def test_8_bit_in_paths(path: bytes) -> None:
    """RFC 6531 §3.1: octets above 127 in a path pass with SMTPUTF8 as they are, without it 553."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(b"MAIL FROM:" + path)).code == 553
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        assert (await client.command(b"RCPT TO:" + path)).code == 553
        assert (await client.command(b"RSET")).code == 250
        assert [r.code for r in await transact(client, ORDINARY, mail_parameters=b" SMTPUTF8")][-1] == 250
        assert (await client.command(b"MAIL FROM:" + path + b" SMTPUTF8")).code == 250
        assert (await client.command(b"RCPT TO:" + path)).code == 250
        assert hop.transactions[-1].mail == b"MAIL FROM:" + path + b" SMTPUTF8"
        assert hop.transactions[-1].rcpts == [b"RCPT TO:" + path]


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\xfd", b"N\xc3\xb6OP", b"HELP \xe3\x81\x82", b"\x16\x03\x01\x02\x00\x01"]
)
async def test_8_bit_and_binary_in_commands(line: bytes) -> None:
    """8-bit octets in commands, or a TLS greeting, get a clear reply, and the session lives."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert (await client.command(line)).code in (214, 500)
        assert (await client.command(b"NOOP")).code == 250
        assert hop.transactions == []


@pytest.mark.parametrize(
    "name", [b"x" * 3_000, b"a\tb", b"<script>", b"\xff\xfe", b"a(b)c", b"[192.0.2.1]", b"a;b"]
)
async def test_greeting_names_harm_no_header(name: bytes) -> None:
    """RFC 5321 §4.4: whatever a sender calls itself, the trace field stays one clean field."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await client.hello(name)
        assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        content = hop.taken[0].content
        assert without_trace(content) == ORDINARY
        field = content[: -len(ORDINARY)]
        assert field.isascii()
        assert max(len(line) for line in field.split(b"\r\n")) < 998
        assert not BARE.search(field)


async def test_hostile_octets_cost_no_time() -> None:
    """Linear time: a mail, an address and a parameter made to be slow to read hold nobody up for long."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        begun = time.process_time()  # the gateway's too; a clock would time the neighbours
        for mail in (
            HEAD + b"\n.\r" * 100_000 + b"\r\n",
            HEAD + b"\r" * 200_000 + b"\r\n",
            b"Subject: x\r\n " * 20_000 + b"\r\n\r\nx\r\n",
            b"X: " + b"(" * 200_000 + b"\r\n\r\nx\r\n",
            HEAD + b"\r\n." * 50_000 + b"\r\n",
        ):
            async with greeted(relay.port) as client:
                await send_raw(client, mail + b".\r\n")
                assert await client.code() == 250
        async with greeted(relay.port) as client:
            for line in (
                b"MAIL FROM:<" + b'"\\' * 1_900,
                b"MAIL FROM:<" + b"@a," * 1_300,
                b"MAIL FROM:<" + b"a." * 1_900,
            ):
                assert (await client.command(line)).code == 501
        assert time.process_time() - begun < 5
        assert hop.faults == []


async def test_reply_of_the_next_hop_can_inject_nothing() -> None:
    """Rule 4: control characters in a next hop's reply can't make two replies of one."""
    nasty = reply(550, b"5.7.1 no\r250 ok\x00\x1b[2J")
    async with ScriptedHop({"rcpt": nasty}) as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.command(b"MAIL FROM:<hr@example.co.jp>")
        told = await client.command(b"RCPT TO:<taro@example.com>")
        assert told.raw == b"550 5.7.1 no?250 ok??[2J\r\n"
        assert await client.silent(0.05)
