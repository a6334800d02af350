"""Commands and content however they are cut into segments: at once, by the byte, in any way (RFC 2920).

What always holds: the cuts mean nothing. The same octets give the same replies in the same order and the
same mails at the next hop, and a mail never turns into commands or commands into a mail.
"""

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from tests.peers.client import Client, Reply, stuffed
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

BESIDE = pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-others"])
HELLO = b"EHLO client.example.co.jp\r\n"
ENVELOPE = b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<taro@example.com>\r\n"
MAIL = ENVELOPE + b"DATA\r\n" + stuffed(ORDINARY)
#: Ways to cut a stream of octets; None: each octet by itself.
SIZES = [1_000_000, 1, 2, 3, 7, 64]


async def say(client: Client, octets: bytes, size: int) -> None:
    """Send in segments of this size."""
    for at in range(0, len(octets), size):
        await client.send(octets[at : at + size])


async def codes(client: Client, count: int) -> list[int]:
    """The codes of the next replies."""
    return [await client.code() for _ in range(count)]


def summary(replies: Sequence[Reply]) -> list[tuple[int, tuple[bytes, ...]]]:
    """Replies for comparison."""
    return [(one.code, one.lines) for one in replies]


@BESIDE
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_whole_session_in_any_segments(mail: bytes, size: int, *, beside: bool) -> None:
    """RFC 2920: a session of two mails, sent without waiting: every reply, in order."""
    one = ENVELOPE + b"DATA\r\n" + stuffed(mail)
    async with ScriptedHop() as hop, gateway(hop) as relay:
        async with other_mail(relay, hop, active=beside), await Client.connect(relay.port) as client:
            await say(client, HELLO + one + b"NOOP\r\n" + one + b"QUIT\r\n", size)
            expected = [220, 250, 250, 250, 354, 250, 250, 250, 250, 354, 250, 221]
            assert await codes(client, len(expected)) == expected
            assert await client.closed() == b""
        taken = [t for t in own(hop) if t.taken]
        assert len(taken) == len(own(hop)) == 2
        if mail is ORDINARY:
            assert [without_trace(t.content) for t in taken] == [ORDINARY] * 2
        assert hop.faults == []


async def test_session_in_one_segment_and_half_close() -> None:
    """Rule 6: everything in one segment with FIN behind it, as netcat does: all is worked off."""
    async with ScriptedHop() as hop, gateway(hop) as relay, await Client.connect(relay.port) as client:
        await client.send(HELLO + MAIL + MAIL + b"QUIT\r\n")
        client.half_close()
        expected = [220, 250, 250, 250, 354, 250, 250, 250, 354, 250, 221]
        assert await codes(client, len(expected)) == expected
        assert await client.closed() == b""
        assert len(hop.taken) == 2


BEHIND = {
    "mail": (MAIL, [250, 250, 354, 250], 2),
    "rset": (b"RSET\r\n" + ENVELOPE, [250, 250, 250], 1),
    "ehlo": (HELLO + MAIL, [250, 250, 250, 354, 250], 2),
    "quit": (b"QUIT\r\n", [221], 1),
    "noop-quit": (b"NOOP\r\nQUIT\r\n", [250, 221], 1),
    "data": (b"DATA\r\n", [503], 1),
    "rcpt": (b"RCPT TO:<mallory@example.com>\r\n", [503], 1),
    "nonsense": (b"X: y\r\n\r\n", [500, 500], 1),
    "dot": (b".\r\n", [500], 1),
}


@BESIDE
@pytest.mark.parametrize("size", [1_000_000, 1])
@pytest.mark.parametrize("hold", ["ordinary", "rejection", "big", "refused"])
@pytest.mark.parametrize("behind", BEHIND)
async def test_commands_behind_the_final_dot(behind: str, hold: str, size: int, *, beside: bool) -> None:
    """Rule 24: what stands behind CRLF.CRLF in the same segment is commands, run after the mail is answered.

    The recipients of the mail before don't hang over.
    """
    first = {
        "ordinary": ORDINARY,
        "rejection": rejection(),
        "big": ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * (12_000 if size > 1 else 100),
        "refused": ORDINARY,
    }[hold]
    script = {"dot": [reply(554, "5.6.0 no"), None]} if hold == "refused" else None
    octets, expected, mails = BEHIND[behind]
    async with ScriptedHop() as hop, gateway(hop) as relay:
        only_for(hop, script)
        async with other_mail(relay, hop, active=beside), greeted(relay.port) as client:
            await say(client, ENVELOPE + b"DATA\r\n" + stuffed(first) + octets, size)
            final = 554 if hold == "refused" else 250
            assert await codes(client, 4 + len(expected)) == [250, 250, 354, final, *expected]
        assert len([t for t in own(hop) if t.complete]) == mails
        assert all(b"mallory@example.com" not in t.recipients for t in own(hop))
        if hold != "rejection":
            assert first in [without_trace(t.content) for t in own(hop) if t.complete]


@pytest.mark.parametrize("size", SIZES)
async def test_group_with_refusals_of_ours_and_theirs(size: int) -> None:
    """RFC 2920 §3.1: in a group each command has its own reply, whoever gives it, in order."""
    lines = {
        b"MAIL FROM:<hr@example.co.jp>": 250,
        b"RCPT TO:<a@example.com>": 250,
        b"RCPT TO:bad": 501,
        b"RCPT TO:<no@example.com>": 550,
        b"MAIL FROM:<again@example.co.jp>": 503,
        b"NOOP": 250,
        b"RCPT TO:<b@example.com> XYZ=1": 555,
        b"nonsense\x00": 500,
        b"RCPT TO:<c@example.com>": 250,
        b"VRFY x": 252,
        b"RCPT TO:<d@example.com>": 250,
        b"DATA": 354,
    }
    async with ScriptedHop({("rcpt", b"no@example.com"): reply(550, "5.1.1 no")}) as hop:
        async with gateway(hop) as relay, greeted(relay.port) as client:
            await say(client, b"".join(line + b"\r\n" for line in lines), size)
            assert await codes(client, len(lines)) == list(lines.values())
            await say(client, stuffed(ORDINARY), size)
            assert await client.code() == 250
        assert hop.taken[0].recipients == [b"a@example.com", b"c@example.com", b"d@example.com"]


async def test_first_mail_refused_and_group_behind_it() -> None:
    """RFC 2920 §3.1: where MAIL is refused, its RCPTs and DATA are too; the next group starts clean."""
    async with ScriptedHop({"mail": [reply(550, "5.1.8 no such sender")]}) as hop, gateway(hop) as relay:
        async with greeted(relay.port) as client:
            await client.send(ENVELOPE + b"DATA\r\n" + ENVELOPE + b"DATA\r\n")
            assert await codes(client, 6) == [550, 503, 503, 250, 250, 354]
            await client.send(stuffed(ORDINARY))
            assert await client.code() == 250
        assert len(hop.taken) == 1


async def test_long_group() -> None:
    """Two thousand recipients in one segment are passed on, each with its own reply, in order."""
    count = 2_000
    changes = {"limits": {"recipients": count}}
    async with (
        ScriptedHop({("rcpt", 1_500): reply(550, "5.1.1 no")}) as hop,
        gateway(hop, changes=changes) as relay,
    ):
        async with greeted(relay.port) as client:
            rcpts = [b"RCPT TO:<r%d@example.com>\r\n" % number for number in range(count)]
            await client.send(b"MAIL FROM:<hr@example.co.jp>\r\n" + b"".join(rcpts) + b"DATA\r\n")
            told = await codes(client, count + 2)
            assert told[0] == 250
            assert told[1:-1] == [550 if number == 1_499 else 250 for number in range(count)]
            assert told[-1] == 354
            await client.send(stuffed(ORDINARY))
            assert await client.code() == 250
        # The 1,500th RCPT was refused at its first and only hearing, the others got one copy.
        (taken,) = [one for one in hop.taken if one.sender]
        assert len(taken.recipients) == count - 1
        assert hop.faults == []


async def test_commands_in_content_segment_before_354() -> None:
    """RFC 2920 §3.1 forbids it, some senders do it: content behind DATA is content."""
    inner = b"Subject: x\r\n\r\nRSET\r\nMAIL FROM:<mallory@example.co.jp>\r\nQUIT\r\n"
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.send(ENVELOPE + b"DATA\r\n" + stuffed(inner) + b"NOOP\r\n")
        assert await codes(client, 5) == [250, 250, 354, 250, 250]
        assert [without_trace(one.content) for one in hop.transactions] == [inner]


async def test_refused_data_and_content_behind_it() -> None:
    """Content sent without waiting for the refusal of DATA reaches nobody.

    Behind a refused DATA they are commands, as RFC 5321 has it; a mail in them needs its own accepted MAIL.
    What matters: nothing of them reaches the next hop unless it is a command of the sender's own session.
    """
    async with ScriptedHop({"rcpt": reply(550, "5.1.1 no")}) as hop, gateway(hop) as relay:
        async with greeted(relay.port) as client:
            await client.send(ENVELOPE + b"DATA\r\nSubject: hello\r\n\r\nwords\r\n.\r\nNOOP\r\n")
            assert await codes(client, 8) == [250, 550, 554, 500, 500, 500, 500, 250]
        assert hop.complete == []


async def test_replies_of_a_group_leave_before_content_is_waited_for() -> None:
    """RFC 2920 §3.2: replies are not held back: all of a group is seen with the 354."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.send(ENVELOPE + b"DATA\r\n")
        assert await codes(client, 3) == [250, 250, 354]
        await client.send(stuffed(ORDINARY) + ENVELOPE)
        assert await codes(client, 3) == [250, 250, 250]


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "one-by-one"])
async def test_next_hop_decides_how_we_speak(*, pipelining: bool) -> None:
    """Rule 1: commands are grouped where the next hop offers PIPELINING, else one at a time."""
    words = ["SIZE 1000000", *(["PIPELINING"] if pipelining else [])]
    async with (
        ScriptedHop(keywords=words, batch=True) as hop,
        gateway(hop) as relay,
        greeted(relay.port) as client,
    ):
        rcpts = b"".join(b"RCPT TO:<r%d@example.com>\r\n" % number for number in range(5))
        await client.send(b"MAIL FROM:<hr@example.co.jp>\r\n" + rcpts + b"DATA\r\n")
        assert await codes(client, 7) == [250] * 6 + [354]
        await client.send(stuffed(ORDINARY))
        assert await client.code() == 250
        assert hop.faults == []  # "pipelined without leave" would stand here


# --- by property -----------------------------------------------------------------------------------------

LINES = [
    b"MAIL FROM:<hr@example.co.jp>",
    b"MAIL FROM:<>",
    b"RCPT TO:<taro@example.com>",
    b"RCPT TO:<no@example.com>",
    b"RCPT TO:<later@example.com>",
    b"RCPT TO:<bad",
    b"RSET",
    b"NOOP",
    b"DATA now",
    b"VRFY x",
    b"EHLO again",
    b"HELO again",
    b"nonsense",
    b"",
    b"\xff\xfe",
]
#: DATA with content and dot: it is content only where DATA gets 354, so the content is harmless as commands.
WITH_CONTENT = b"DATA"


@st.composite
def sessions(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """Command lines in any order, and a seed for the cuts."""
    single = st.sampled_from(LINES).map(lambda line: [line])
    whole = st.sampled_from([[LINES[0], LINES[2]], [LINES[0], LINES[4], LINES[2]], [WITH_CONTENT]])
    pieces = draw(st.lists(whole | whole | single, min_size=2, max_size=12))
    lines = [line for piece in pieces for line in piece]
    return lines, draw(st.integers(0, 2**32))


async def converse(relay: Relay, lines: Sequence[bytes]) -> list[int]:
    """One command at a time, each reply awaited: the sender that never pipelines."""
    told = []
    async with greeted(relay.port) as client:
        for line in lines:
            told.append((await client.command(line)).code)
            if told[-1] == 354:
                await client.send(stuffed(ORDINARY))
                told.append(await client.code())
    return told


async def test_any_cuts_mean_the_same() -> None:
    """RFC 2920, rule 1: a session gives the same replies and mails, waiting or cut at random.

    Each session is held twice: one command at a time, then as one stream of octets in random segments.
    """
    script = {
        ("rcpt", b"no@example.com"): reply(550, "5.1.1 no"),
        ("rcpt", b"later@example.com"): reply(450, "4.2.1 later"),
    }
    examples: list[tuple[list[bytes], int]] = []

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(sessions())
    def collect(example: tuple[list[bytes], int]) -> None:
        examples.append(example)

    collect()
    total = 0
    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        for lines, seed in examples:
            expected = await converse(relay, lines)
            mails = [
                (one.sender, one.recipients, without_trace(one.content)) for one in hop.taken if one.sender
            ]
            total += len(mails)
            hop.sessions.clear()
            relay.pool.reconfigure(relay.pool.settings)
            stream, at = b"", 0
            for line in lines:
                stream += line + b"\r\n"
                if expected[at] == 354:
                    stream += stuffed(ORDINARY)
                    at += 1
                at += 1
            cuts = random.Random(seed)  # noqa: S311 - cuts, no secrets
            async with greeted(relay.port) as client:
                rest = stream
                while rest:
                    size = cuts.choice([1, 2, 5, 17, 60, 400, 5_000])
                    await client.send(rest[:size])
                    rest = rest[size:]
                assert await codes(client, len(expected)) == expected, (lines, seed)
            again = [
                (one.sender, one.recipients, without_trace(one.content)) for one in hop.taken if one.sender
            ]
            assert again == mails, (lines, seed)
            hop.sessions.clear()
            relay.pool.reconfigure(relay.pool.settings)
    assert hop.faults == []
    assert total > 3
