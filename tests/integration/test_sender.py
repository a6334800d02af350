"""Senders that break off, hesitate, fall silent or speak out of turn, in every state (SMTP.md rules 5 to 8).

What always holds: a mail whose final dot did not come is completed nowhere, whatever else happens; one that
the next hop took is recorded, whether or not its sender is still there; and no place in the pool is lost.
"""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.transaction.ports import SendState
from tests.fakes.ledger import Row
from tests.integration.harness import (
    ORDINARY,
    Relay,
    gateway,
    greeted,
    only_for,
    other_mail,
    own,
    rejection,
    without_trace,
)
from tests.peers.action import reply
from tests.peers.client import Client, ClosedError, send_mail, stuffed, transact
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

BESIDE = pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-others"])
#: Past the window in which a mail is held, so that its content flows on while it comes.
BIG = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 30_000
MAIL = b"MAIL FROM:<hr@example.co.jp>"
RCPT = b"RCPT TO:<taro@example.com>"

#: How far a session has come, and what brings it there from the state before.
STATES = ("connected", "greeted", "mail", "rcpt", "data", "held", "flowing")


async def bring(client: Client, hop: ScriptedHop, state: str) -> None:
    """Take a fresh connection to this state."""
    far = STATES.index(state)
    await client.expect(220)
    if far >= 1:
        assert (await client.command(b"EHLO client.example.co.jp")).code == 250
    if far >= 2:
        assert (await client.command(MAIL)).code == 250
    if far >= 3:
        assert (await client.command(RCPT)).code == 250
    if far >= 4:
        assert (await client.command(b"DATA")).code == 354
    if state == "held":
        await client.send(ORDINARY[:100])
    if state == "flowing":
        await client.send(BIG[:-500])
        await hop.wait(lambda: any(one.octets > 300_000 for one in own(hop)))


async def leave(client: Client, way: str) -> None:
    """Break the connection off in this way."""
    if way == "reset":
        client.reset()
    elif way == "half-close":
        client.half_close()
    else:
        await client.close()


async def check_nothing_leaks(relay: Relay, hop: ScriptedHop) -> None:
    """No session, no place in the pool is left behind, and mail goes on."""
    await relay.until(lambda: len(relay.registry) == 0)
    await relay.until(lambda: relay.pool.places[1] == 0)
    assert relay.journal.errors == []
    before = len(hop.taken)
    assert [one.code for one in await send_mail(relay.port, ORDINARY)] == [250, 250, 354, 250]
    assert len(hop.taken) == before + 1
    assert hop.faults == []


@BESIDE
@pytest.mark.parametrize("way", ["reset", "close", "half-close"])
@pytest.mark.parametrize("state", STATES)
async def test_lost_before_the_final_dot(state: str, way: str, *, beside: bool) -> None:
    """Rule 6: EOF or RST before the sender's own final dot aborts: nothing is completed at the next hop."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, state)
            await leave(client, way)
            if way == "half-close":
                assert b"250" not in await client.closed()
        assert [one for one in own(hop) if one.complete] == []
        await check_nothing_leaks(relay, hop)


@BESIDE
@pytest.mark.parametrize("mail", [ORDINARY, rejection(), BIG], ids=["ordinary", "rejection", "big"])
@pytest.mark.parametrize("way", ["close", "half-close"])
async def test_eof_behind_the_final_dot(way: str, mail: bytes, *, beside: bool) -> None:
    """Rule 6: behind its final dot EOF alone means go on: the sender may still be listening."""
    hold = asyncio.Event()
    async with ScriptedHop() as hop, gateway(hop) as relay:
        only_for(hop, {"data": reply(354, "go ahead").when(hold)})
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, "data")
            sent = asyncio.create_task(client.send(stuffed(mail)))
            if mail is not BIG:
                await sent
                await leave(client, way)
            await hop.wait(lambda: any(b"DATA" in one.commands for one in hop.sessions))
            hold.set()
            if mail is BIG:
                await sent
                await leave(client, way)
            if way == "half-close":
                assert (await client.reply()).code == 250
                assert await client.closed() == b""
            await hop.wait(lambda: len([one for one in own(hop) if one.taken]) == 1)
        await check_nothing_leaks(relay, hop)


@BESIDE
@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_reset_before_our_final_dot(mail: bytes, *, beside: bool) -> None:
    """Rule 6: RST before *our* final dot was sent aborts, even behind the sender's: it will try again."""
    hold = asyncio.Event()
    async with ScriptedHop() as hop, gateway(hop) as relay:
        only_for(hop, {"data": reply(354, "go ahead").when(hold)})
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, "data")
            await client.send(stuffed(mail))
            await hop.wait(lambda: any(s.commands[-1:] == [b"DATA"] for s in hop.sessions))
            client.reset()
            if not beside:
                await asyncio.sleep(0.05)  # the loss has no trace anywhere until the next hop says 354
            hold.set()
            await hop.wait(lambda: own(hop)[0].data)
            session = hop.sessions[own(hop)[0].connection]
            await hop.wait(lambda: session.ended != "" or own(hop)[0].complete)
        assert [one for one in own(hop) if one.complete] == []
        await check_nothing_leaks(relay, hop)


@BESIDE
async def test_reset_behind_our_final_dot(*, beside: bool) -> None:
    """Rule 6: behind our own dot a lost sender changes nothing: the answer goes into the ledger."""
    hold = asyncio.Event()
    async with ScriptedHop() as hop, gateway(hop) as relay:
        only_for(hop, {"dot": reply(250, "2.0.0 queued as 17").when(hold)})
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, "data")
            await client.send(stuffed(rejection(4711)))
            await hop.wait(lambda: any(one.complete for one in own(hop)))
            client.reset()
            await asyncio.sleep(0.02)
            hold.set()
            await relay.until(lambda: any(r.reply == "250 2.0.0 queued as 17" for r in rows(relay)))
        (row,) = [row for row in rows(relay) if row.reply == "250 2.0.0 queued as 17"]
        assert row.state is SendState.ACCEPTED
        await check_nothing_leaks(relay, hop)


def rows(relay: Relay) -> list[Row]:
    """The rows of the fake ledger."""
    return list(relay.ledger.memory.sends.values())


# --- commands in every state -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES[:4])
async def test_rset(state: str) -> None:
    """RFC 5321 §4.1.1.5: RSET is 250 in every state, forgets the mail, and the session goes on (rules 6, 8).

    The next hop's connection that had the mail is not given to anybody else.
    """
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, state)
        assert (await client.command(b"RSET")).code == 250
        assert (await client.command(RCPT)).code == 503
        assert (await client.command(b"DATA")).code == 503
        if state == "connected":
            assert (await client.greet()).code == 250
        assert [one.code for one in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert [one.recipients for one in hop.complete] == [[b"taro@example.com"]]
        assert without_trace(hop.complete[0].content) == ORDINARY


@pytest.mark.parametrize("verb", [b"EHLO", b"HELO"])
@pytest.mark.parametrize("state", STATES[1:4])
async def test_second_greeting(state: str, verb: bytes) -> None:
    """RFC 5321 §4.1.4: EHLO or HELO again is 250 and does what RSET does."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, state)
        assert (await client.command(verb + b" again.example.co.jp")).code == 250
        assert (await client.command(RCPT)).code == 503
        told = await client.command(MAIL + b" BODY=8BITMIME")
        assert told.code == (250 if verb == b"EHLO" else 555)
        assert (await client.command(b"RSET")).code == 250
        assert [one.code for one in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert b"Received: from again.example.co.jp (" in hop.complete[0].content
        kind = b"ESMTP" if verb == b"EHLO" else b"SMTP"
        assert b" with " + kind + b" id " in hop.complete[0].content


@pytest.mark.parametrize("state", STATES[:4])
async def test_quit(state: str) -> None:
    """RFC 5321 §4.1.1.10: QUIT is 221 and the end in every state; a mail without its dot is no mail."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        async with await Client.connect(relay.port) as client:
            await bring(client, hop, state)
            assert (await client.command(b"QUIT")).code == 221
            assert await client.closed() == b""
        assert hop.complete == []
        await check_nothing_leaks(relay, hop)


@pytest.mark.parametrize("state", STATES[2:4])
async def test_second_mail(state: str) -> None:
    """RFC 5321 §4.1.4: a second MAIL is 503 and changes nothing."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, state)
        assert (await client.command(b"MAIL FROM:<mallory@example.co.jp>")).code == 503
        assert (await client.command(b"RCPT TO:<second@example.com>")).code == 250
        assert (await client.command(b"DATA")).code == 354
        await client.send(stuffed(ORDINARY))
        assert (await client.reply()).code == 250
        (one,) = hop.transactions
        assert one.sender == b"hr@example.co.jp"
        assert one.recipients[-1] == b"second@example.com"


@pytest.mark.parametrize("line", [b"RSET", b"QUIT", MAIL, b"DATA", b"EHLO x", b"NOOP"])
@pytest.mark.parametrize("state", ["held", "flowing"])
async def test_commands_in_content_are_content(state: str, line: bytes) -> None:
    """Rule 24: until the final dot, a line that looks like a command is content."""
    before = ORDINARY[: ORDINARY.rindex(b"\r\n") + 2] if state == "held" else BIG
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        mail = before + line + b"\r\n"
        assert [one.code for one in await transact(client, mail)] == [250, 250, 354, 250]
        assert without_trace(hop.taken[0].content) == mail
        assert len(hop.transactions) == 1


@pytest.mark.parametrize("state", STATES[:4])
async def test_harmless_commands_disturb_nothing(state: str) -> None:
    """NOOP, VRFY, HELP and what is not understood are answered in every state, and the mail goes on."""
    asked = {
        b"NOOP": 250, b"NOOP with words": 250, b"VRFY taro": 252, b"HELP": 214, b"EXPN list": 502,
        b"STARTTLS": 502, b"AUTH PLAIN AHgAeQ==": 502, b"BDAT 8 LAST\r\nhello!": 502, b"TURN": 502,
        b"XYZZY": 500, b"": 500, b" ": 500, b"RSET now": 501,
    }  # fmt: skip
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, state)
        for line, code in asked.items():
            if line != b"RSET now":
                assert ((await client.command(line)).code, line) == (code, line)
        if state == "rcpt":
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(ORDINARY))
            assert (await client.reply()).code == 250
            assert without_trace(hop.taken[0].content) == ORDINARY


async def test_rset_with_an_argument_changes_nothing() -> None:
    """RFC 5321 §4.1.1.5: RSET takes no argument; one that is refused must not reset."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, "rcpt")
        assert (await client.command(b"RSET now")).code == 501
        assert (await client.command(b"DATA")).code == 354


@pytest.mark.parametrize(
    ("state", "line", "code"),
    [
        ("connected", MAIL, 503),
        ("connected", RCPT, 503),
        ("connected", b"DATA", 503),
        ("greeted", RCPT, 503),
        ("greeted", b"DATA", 503),
        ("mail", b"DATA", 503),
        ("rcpt", b"DATA now", 501),
        ("greeted", b"EHLO", 501),
        ("greeted", b"HELO ", 501),
    ],
)
async def test_out_of_turn(state: str, line: bytes, code: int) -> None:
    """RFC 5321 §4.1.4: a command out of turn is refused, and nothing of it reaches the next hop."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await bring(client, hop, state)
        before = [bytes(session.received) for session in hop.sessions]
        assert (await client.command(line)).code == code
        assert [bytes(session.received) for session in hop.sessions] == before


async def test_too_many_errors_end_the_session() -> None:
    """A sender that talks nothing but nonsense is sent away with 421 after a bounded number of lines."""
    async with ScriptedHop() as hop, gateway(hop, limits={"errors": 5}) as relay:
        async with greeted(relay.port) as client:
            codes = [(await client.command(b"GET / HTTP/1.1")).code for _ in range(6)]
            assert codes == [500] * 6
            assert (await client.reply()).code == 421
            assert await client.closed() == b""
        await check_nothing_leaks(relay, hop)


# --- slow, idle, silent ------------------------------------------------------------------------------------


@BESIDE
@pytest.mark.parametrize("state", STATES[:4])
async def test_idle_between_commands(state: str, *, beside: bool) -> None:
    """Rule 7: a sender that says nothing in time gets 421 4.4.2 and the end, and its mail too."""
    changes = {"timeouts": {"command_seconds": 0.3}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, state)
            told = await client.reply()
            assert (told.code, told.enhanced) == (421, "4.4.2")
            assert await client.closed() == b""
        assert [one for one in own(hop) if one.complete] == []
        await check_nothing_leaks(relay, hop)


@BESIDE
@pytest.mark.parametrize("state", STATES[4:])
async def test_silent_in_content(state: str, *, beside: bool) -> None:
    """Rule 7: a sender that stops in mid content gets 421 4.4.2 after a block's budget."""
    changes = {"timeouts": {"block_seconds": 0.3}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await bring(client, hop, state)
            told = await client.reply()
            assert (told.code, told.enhanced) == (421, "4.4.2")
            assert await client.closed() == b""
        assert [one for one in own(hop) if one.complete] == []
        await check_nothing_leaks(relay, hop)


@BESIDE
async def test_slow_by_the_byte(*, beside: bool) -> None:
    """Rule 7: each octet of content has a budget of its own; a slow mail is a good mail."""
    changes = {"timeouts": {"block_seconds": 0.25, "command_seconds": 2}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with other_mail(relay, hop, lines=1, active=beside), await Client.connect(relay.port) as client:
            begun = time.monotonic()
            await client.send_by_byte(b"EHLO x\r\n" + MAIL + b"\r\n" + RCPT + b"\r\nDATA\r\n")
            assert [await client.code() for _ in range(5)] == [220, 250, 250, 250, 354]
            await client.send_by_byte(stuffed(ORDINARY), pause=0.002)
            assert (await client.reply()).code == 250
            assert time.monotonic() - begun > 0.25
        (one,) = own(hop)
        assert without_trace(one.content) == ORDINARY


@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_slow_sender_and_many_quick_ones(mail: bytes) -> None:
    """Rule 2: a hundred senders that dawdle keep nobody from the only two connections."""
    changes = {"next_hop": {"connections": 2}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        relay.pool.settings = replace(relay.pool.settings, pin=0.005)

        async def dawdle(number: int) -> int:
            async with greeted(relay.port) as client:
                lines = (MAIL, b"RCPT TO:<slow-%d@example.com>" % number, b"DATA")
                await client.send(b"".join(line + b"\r\n" for line in lines))
                assert [await client.code() for _ in lines] == [250, 250, 354]
                await client.send(stuffed(mail)[:80])
                await go_on.wait()
                await client.send(stuffed(mail)[80:])
                return await client.code()

        go_on = asyncio.Event()
        slow = [asyncio.create_task(dawdle(number)) for number in range(100)]
        await relay.until(lambda: len(relay.registry) == 100)
        assert [one[-1].code for one in [await send_mail(relay.port, ORDINARY) for _ in range(5)]] == [
            250
        ] * 5
        go_on.set()
        assert await asyncio.gather(*slow) == [250] * 100
        assert len(hop.taken) == 105
        assert {one.recipients[0] for one in hop.taken if b"slow" in one.recipients[0]} == {
            b"slow-%d@example.com" % number for number in range(100)
        }


@pytest.mark.parametrize("what", ["noop", "mail"])
async def test_sender_that_takes_no_replies(what: str) -> None:
    """Rule 7: a sender that sends on and on and reads nothing is cut off in time, with bounded memory."""
    changes = {"timeouts": {"command_seconds": 0.3}}
    noise = {"noop": b"NOOP\r\n", "mail": b"HELP\r\n" * 3}[what]
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with await Client.connect(relay.port, receive_buffer=4_096) as client:
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises((ConnectionError, ClosedError)):
                await send_for_ever(client, noise * 10_000)
            await relay.until(lambda: len(relay.registry) == 0)
        await check_nothing_leaks(relay, hop)


async def send_for_ever(client: Client, noise: bytes) -> None:
    """Send until the other side has had enough; TimeoutError if it never has."""
    async with asyncio.timeout(8):
        while True:
            await client.send(noise)


async def test_big_mail_to_a_slow_next_hop_is_held_back() -> None:
    """Promise 2, rule 7: the sender is slowed to the next hop's pace: what is in between is bounded."""
    hold = asyncio.Event()
    huge = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 600_000  # 20 MB
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port, patience=30) as client:
        hop.script({"content": replace(reply(250), pieces=(), hold=hold).at(1)})
        for line in (MAIL, RCPT, b"DATA"):
            await client.command(line)
        sending = asyncio.create_task(client.send(stuffed(huge)))
        await relay.until(lambda: any(one.octets for one in hop.transactions))
        await asyncio.sleep(0.2)
        assert not sending.done()
        assert relay.journal.mails == []
        hold.set()
        await sending
        assert (await client.reply()).code == 250
        assert without_trace(hop.taken[0].content) == huge


@pytest.mark.parametrize("states", [STATES])
async def test_storm_of_lost_senders(states: tuple[str, ...]) -> None:
    """Rule 6: two hundred senders lost in every state and way, beside other mail: nothing leaks."""

    async def one(number: int) -> None:
        async with await Client.connect(relay.port) as client:
            await bring(client, hop, states[number % 6])
            await leave(client, ("reset", "close", "half-close")[number % 3])
            if number % 3 == 2:
                await client.closed()

    changes = {"timeouts": {"pool_wait_seconds": 10.0, "command_seconds": 30.0}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with other_mail(relay, hop):
            await asyncio.gather(*(one(number) for number in range(200)))
        assert [t for t in own(hop) if t.complete] == []
        await check_nothing_leaks(relay, hop)
