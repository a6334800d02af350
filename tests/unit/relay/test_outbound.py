"""One mail at a scripted next hop.

Every class of reply at every stage, and what is said again (SMTP.md rules 1, 4, 7, 8).
"""

import asyncio

import pytest

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.relay.connection import GIVEN_UP, Connection
from gateway.relay.outbound import OutboundTransaction
from gateway.relay.settings import Login
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.failure import NO_RECIPIENT
from gateway.smtp.reply import Reply
from tests.peers.action import Action, Script, broken, lost, nonsense, raw, reply, silent, split, too_long
from tests.peers.scripted import ScriptedHop
from tests.unit.relay.relaying import (
    CONTENT,
    NOTHING,
    SOON,
    accepted,
    codes,
    finished,
    mail,
    pooled,
    rcpt,
    sent,
    settings,
    until,
)

NO_PIPELINING = ("SIZE 104857600", "8BITMIME")
SHORT = {"envelope": SOON, "data": SOON, "dot": SOON, "block": SOON}

REPLIES = {
    "250": reply(250, "2.1.0 fine"),
    "251": reply(251, "will forward"),
    "252": reply(252, "cannot verify"),
    "4xx": reply(450, "4.2.1 later"),
    "5xx": reply(550, "5.1.1 unknown"),
    "multi-line": reply(550, "5.7.1 first", "5.7.1 second", "5.7.1 third"),
    "by the byte": split(reply(451, "4.3.0 slowly", "4.3.0 and more")),
    "no text": raw(b"550\r\n"),
    "bare LF": raw(b"452 4.3.1 full\n"),
    "8-bit text": raw(b"550 5.1.1 \xe4\xb8\x8d\xe6\x98\x8e\r\n"),
}
FAULTS = {
    "nonsense": nonsense(),
    "line too long": too_long(250),
    "too many lines": too_long(250, octets=10, lines=5_000),
    "codes that differ": raw(b"250-one\r\n550 two\r\n"),
    "no code of SMTP": raw(b"650 what\r\n"),
    "wrong class": reply(334, "go on"),
    "closing, in a word": reply(221, "bye"),
    "closed": lost(),
    "reset": broken(),
    "half a reply, then closed": raw(b"250-half\r\n25").then("close"),
    "half-closed": Action(end="half-close"),
}


def spoken(action: Action) -> Reply:
    """The reply that a scripted action is."""
    lines = action.answer.splitlines()
    return Reply(action.code, tuple(line[4:] for line in lines))


async def asked(outbound: OutboundTransaction) -> None:
    """MAIL, RCPT and DATA, each by itself."""
    await outbound.envelope([mail()])
    await outbound.envelope([rcpt()])
    await outbound.data()


async def written(outbound: OutboundTransaction, piece: bytes, times: int) -> None:
    """Content, piece by piece."""
    for _ in range(times):
        await outbound.write(piece)


async def ended(outbound: OutboundTransaction) -> None:
    """The last of the content, and the dot."""
    await outbound.write(CONTENT)
    await outbound.finish()


# every class of reply at every stage


@pytest.mark.parametrize("said", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("stage", ["mail", "rcpt"])
@pytest.mark.parametrize("keywords", [None, NO_PIPELINING], ids=["pipelining", "one by one"])
async def test_envelope_replies_are_passed_on(
    stage: str, said: Action, keywords: tuple[str, ...] | None
) -> None:
    """Rule 4: what the next hop says to MAIL and RCPT comes back as it said it, code, lines and octets."""
    hop = ScriptedHop({stage: said}) if keywords is None else ScriptedHop({stage: said}, keywords=keywords)
    async with hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        replies = await outbound.envelope([mail(), rcpt(), rcpt(b"b@example.com")])
        await outbound.end()
        if stage == "rcpt":
            assert replies == [Reply(250, (b"2.1.0 ok",)), spoken(said), spoken(said)]
        else:
            rest = 250 if said.code == 250 or said.code < 300 else 503
            assert (replies[0], codes(replies[1:])) == (spoken(said), [rest, rest])
        assert hop.faults == []


@pytest.mark.parametrize("said", REPLIES.values(), ids=REPLIES)
async def test_dot_replies_are_passed_on(said: Action) -> None:
    """Rules 4 and 8: what the next hop says to the dot comes back as it said it.

    Only after 250 is the connection kept.
    """
    async with ScriptedHop({"dot": said}) as hop, pooled(hop) as pool:
        assert await sent(pool) == spoken(said)
        assert pool.places == (20, 0, 1 if said.code == 250 else 0, 0)
        assert [bytes(done.raw) for done in hop.complete] == [CONTENT]
        assert hop.faults == []


@pytest.mark.parametrize(
    "said",
    [said for said in REPLIES.values() if said.code >= 400],
    ids=[name for name in REPLIES if "25" not in name],
)
async def test_data_refusals_are_passed_on(said: Action) -> None:
    """Rule 4: a refused DATA is an answer; another mail may follow after RSET."""
    async with ScriptedHop({"data": [said]}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        start = await outbound.data()
        assert (start.reply, codes(start.recipients)) == (spoken(said), [250])
        await outbound.reset()
        assert codes(await outbound.envelope([mail(), rcpt()])) == [250, 250]
        assert (await finished(outbound)).code == 250
        assert len(hop.sessions) == 1
        assert hop.sessions[0].commands[1:7] == [
            b"MAIL FROM:<saiyo@example.co.jp>", b"RCPT TO:<a@example.com>", b"DATA", b"RSET",
            b"MAIL FROM:<saiyo@example.co.jp>", b"RCPT TO:<a@example.com>",
        ]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_fault_before_content(stage: str, fault: Action) -> None:
    """Rules 1 and 4: what is no answer is never passed on; from the only host it is a fault.

    MAIL's connection is new for MAIL; RCPT and DATA are said again once, on a fresh one, before that.
    """
    async with ScriptedHop({stage: fault}) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        with pytest.raises(NextHopFault) as caught:
            await asked(outbound)
        await outbound.end()
        assert not isinstance(caught.value, OutcomeUnknown)
        assert not caught.value.busy
        assert len(hop.sessions) == (1 if stage == "mail" else 2)
        assert hop.complete == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_fault_after_the_dot(fault: Action) -> None:
    """Rule 1: once the dot has left, what is no answer means "unknown".

    And no other connection ever sees the mail.
    """
    async with ScriptedHop({"dot": fault}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT)
        with pytest.raises(OutcomeUnknown):
            await outbound.finish()
        await outbound.end()
        assert len(hop.sessions) == len(hop.complete) == 1
        assert pool.places == (20, 0, 0, 0)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_silence_before_content(stage: str) -> None:
    """Rule 7: a host that says nothing costs the budget once, not twice; the connection is closed."""
    async with ScriptedHop({stage: silent()}) as hop, pooled(hop, timeouts=SHORT) as pool:
        outbound = await pool.begin(NOTHING)
        began = asyncio.get_running_loop().time()
        with pytest.raises(NextHopFault, match="in time"):
            await asked(outbound)
        assert SOON - 0.01 <= asyncio.get_running_loop().time() - began < 3 * SOON
        await outbound.end()
        assert len(hop.sessions) == 1
        await hop.wait(lambda: hop.sessions[0].ended != "")


async def test_silence_after_the_dot() -> None:
    """Rule 7: no answer to the dot in its budget: unknown."""
    async with ScriptedHop({"dot": silent()}) as hop, pooled(hop, timeouts=SHORT) as pool:
        with pytest.raises(OutcomeUnknown, match="in time"):
            await sent(pool)


async def test_slow_answers_are_waited_for() -> None:
    """Rule 7: a long budget isn't cut short by the short ones before it (one timer serves all)."""
    script = {"dot": reply(250, "late").later(3 * SOON)}
    timeouts = {"envelope": SOON, "data": SOON, "dot": 20.0}
    async with ScriptedHop(script) as hop, pooled(hop, timeouts=timeouts) as pool:
        assert (await sent(pool)).lines == (b"late",)


# 421


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_421_is_an_answer(stage: str) -> None:
    """Rule 4: a 421 that a fresh connection gives, too, is passed on; the caller makes it 451."""
    async with ScriptedHop({stage: reply(421, "4.3.2 going down").then("close")}) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        replies = await outbound.envelope([mail()])
        if stage != "mail":
            replies = await outbound.envelope([rcpt()])
        if stage in {"data", "dot"}:
            replies = [(await outbound.data()).reply]
        if stage == "dot":
            await outbound.write(CONTENT)
            replies = [await outbound.finish()]
        await outbound.end()
        assert replies == [Reply(421, (b"4.3.2 going down",))]
        assert len(hop.sessions) == (2 if stage in {"rcpt", "data"} else 1)
        assert pool.places == (20, 0, 0, 0)


@pytest.mark.parametrize("keywords", [None, NO_PIPELINING], ids=["pipelining", "one by one"])
async def test_421_in_a_group_answers_the_rest(keywords: tuple[str, ...] | None) -> None:
    """Rule 4: a new connection that says 421 half-way through a group has answered all of it.

    Nothing more is opened.
    """
    script = {("rcpt", 2): reply(421, "4.7.0 enough").then("close")}
    hop = ScriptedHop(script) if keywords is None else ScriptedHop(script, keywords=keywords)
    async with hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        replies = await outbound.envelope([mail(), *(rcpt(b"%c@example.com" % letter) for letter in b"abcd")])
        assert codes(replies) == [250, 250, 421, 421, 421]
        assert len(hop.sessions) == 1
        # a@ was accepted, and stays so: on a fresh connection
        assert (await finished(outbound)).code == 250
        assert [done.recipients for done in hop.taken] == [[b"a@example.com"]]
        assert len(hop.sessions) == 2


# said again, unseen


@pytest.mark.parametrize(
    "fault",
    [lost(), broken(), reply(421, "4.4.2 idle").then("close"), nonsense()],
    ids=["closed", "reset", "421", "nonsense"],
)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_pooled_connection_that_dies_is_replaced(stage: str, fault: Action) -> None:
    """Rules 1 and 8: the connection of an earlier mail fails.

    Once more on a fresh one, and the sender sees nothing of it.
    """
    connections: list[Script | None] = [{stage: [None, fault]}, {}]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        await sent(pool)
        assert (await sent(pool)).code == 250
        assert [(done.connection, done.recipients) for done in hop.taken] == [
            (0, [b"a@example.com"]),
            (1, [b"a@example.com"]),
        ]
        assert hop.faults == []


async def test_pooled_connection_is_replaced_once() -> None:
    """Rule 8: once more, not for ever, when there is one host."""
    connections: list[Script | None] = [{"mail": [None, lost()]}, {"mail": lost()}]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        await sent(pool)
        with pytest.raises(NextHopFault):
            await sent(pool)
        assert len(hop.sessions) == 2


@pytest.mark.parametrize(
    "ending", [Action(end="close"), Action(end="reset"), raw(b"421 4.4.2 idle too long\r\n").then("close")]
)
async def test_open_transaction_that_dies_in_silence_is_opened_again(ending: Action) -> None:
    """Rule 1: the next hop ends the connection of a held mail: DATA says MAIL and RCPT again.

    A 421 for idling isn't taken for the answer to DATA.
    """
    gone = asyncio.Event()
    script = {("rcpt", 2): reply(250, "2.1.5 ok").then("")}
    async with ScriptedHop(connections=[script, {}]) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        await outbound.envelope([mail(parameters=b"SIZE=10 BODY=8BITMIME"), rcpt(), rcpt(b"b@example.com")])
        connection = outbound._connection
        assert connection is not None
        # The scripted peer acts only when something comes: here a NOOP that nobody waits for.
        hop.script(None, connections=[{"noop": ending}, {}])
        assert connection._transport is not None
        connection._transport.write(b"NOOP\r\n")
        await until(lambda: bool(connection.fault))
        gone.set()
        start = await outbound.data()
        assert (start.reply.code, codes(start.recipients)) == (354, [250, 250])
        await outbound.write(CONTENT)
        assert (await outbound.finish()).code == 250
        await outbound.end()
        (taken,) = hop.taken
        assert (taken.connection, taken.mail) == (
            1,
            b"MAIL FROM:<saiyo@example.co.jp> SIZE=2058 BODY=8BITMIME",
        )
        assert taken.rcpts == [b"RCPT TO:<a@example.com>", b"RCPT TO:<b@example.com>"]


async def test_refused_recipients_are_not_said_again() -> None:
    """Rule 1: the same MAIL and the *accepted* RCPTs."""
    connections: list[Script | None] = [
        {("rcpt", b"b@example.com"): reply(550, "5.1.1 no"), "data": lost()},
        {},
    ]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        group: list[Mail | Rcpt] = [
            mail(),
            rcpt(b"a@example.com"),
            rcpt(b"b@example.com"),
            rcpt(b"c@example.com"),
        ]
        assert codes(await outbound.envelope(group)) == [250, 250, 550, 250]
        assert (await finished(outbound)).code == 250
        assert [done.recipients for done in hop.taken] == [[b"a@example.com", b"c@example.com"]]


async def test_changed_answers_are_told_in_start() -> None:
    """Rule 1: an RCPT that is refused when it is said again is that recipient's outcome.

    The others get the mail.
    """
    connections: list[Script | None] = [
        {"data": lost()},
        {("rcpt", b"b@example.com"): reply(452, "4.2.2 full")},
    ]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        outbound = await accepted(pool, b"a@example.com", b"b@example.com")
        start = await outbound.data()
        assert start.reply.code == 354
        assert start.recipients == (Reply(250, (b"2.1.5 ok",)), Reply(452, (b"4.2.2 full",)))
        await outbound.write(CONTENT)
        assert (await outbound.finish()).code == 250
        await outbound.end()
        assert [done.recipients for done in hop.taken] == [[b"a@example.com"]]


@pytest.mark.parametrize("keywords", [None, NO_PIPELINING], ids=["pipelining", "one by one"])
async def test_all_refused_when_said_again(keywords: tuple[str, ...] | None) -> None:
    """Rule 5: no recipient is accepted any more: DATA isn't sent.

    The reply is a refusal, transient if one of them is.
    """
    again = {
        ("rcpt", b"a@example.com"): reply(550, "5.1.1 no"),
        ("rcpt", b"b@example.com"): reply(450, "4.2.1 later"),
        "data": reply(354, "go"),
    }
    connections: list[Script | None] = [{"data": lost()}, again]
    hop = (
        ScriptedHop(connections=connections)
        if keywords is None
        else ScriptedHop(connections=connections, keywords=keywords)
    )
    async with hop, pooled(hop) as pool:
        outbound = await accepted(pool, b"a@example.com", b"b@example.com")
        start = await outbound.data()
        await outbound.end()
        assert (start.reply.code, codes(start.recipients)) == (450, [550, 450])
        assert b"DATA" not in hop.sessions[1].commands
        assert hop.complete == []


@pytest.mark.parametrize("keywords", [None, NO_PIPELINING], ids=["pipelining", "one by one"])
async def test_mail_refused_when_said_again(keywords: tuple[str, ...] | None) -> None:
    """Rule 1: MAIL's refusal, said again, is the answer to what was asked.

    To a later RCPT, and to DATA for all.
    """
    refusal = reply(550, "5.7.1 not you")
    connections: list[Script | None] = [{("rcpt", 2): lost()}, {"mail": refusal}, {"mail": refusal}]
    hop = (
        ScriptedHop(connections=connections)
        if keywords is None
        else ScriptedHop(connections=connections, keywords=keywords)
    )
    async with hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        assert await outbound.envelope([rcpt(b"b@example.com")]) == [spoken(refusal)]
        start = await outbound.data()
        await outbound.end()
        assert (start.reply, start.recipients) == (spoken(refusal), (spoken(refusal),))
        assert hop.complete == []


async def test_421_when_said_again_is_a_fault() -> None:
    """Rule 1: a host that goes down while MAIL is said again is no host.

    There being no other, nobody could be asked.
    """
    connections: list[Script | None] = [{"data": lost()}, {"mail": reply(421, "4.3.2 down").then("close")}]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        with pytest.raises(NextHopFault, match="421"):
            await outbound.data()
        await outbound.end()


async def test_failed_group_leaves_nothing_behind() -> None:
    """Rule 1: RCPTs of a group that failed as a whole were told 451, so they are not said again.

    The earlier one is.
    """
    connections: list[Script | None] = [{("rcpt", 3): lost()}, {("rcpt", 3): lost()}, {}]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        outbound = await accepted(pool, b"a@example.com")
        with pytest.raises(NextHopFault):
            await outbound.envelope([rcpt(b"b@example.com"), rcpt(b"c@example.com")])
        assert (await finished(outbound)).code == 250
        assert [done.recipients for done in hop.taken] == [[b"a@example.com"]]


async def test_cancelled_group_leaves_nothing_behind() -> None:
    """A group that is cancelled while its rest is asked on another connection is taken back whole."""
    connections: list[Script | None] = [{("rcpt", 3): lost()}, {("rcpt", 3): silent()}, {}]
    async with ScriptedHop(connections=connections) as hop, pooled(hop) as pool:
        outbound = await accepted(pool, b"a@example.com")
        group = [rcpt(b"b@example.com"), rcpt(b"c@example.com")]
        task = asyncio.ensure_future(outbound.envelope(group))
        await hop.wait(
            lambda: len(hop.sessions) == 2 and b"RCPT TO:<c@example.com>" in hop.sessions[1].commands
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await finished(outbound)).code == 250
        assert [done.recipients for done in hop.taken] == [[b"a@example.com"]]


async def test_other_host_takes_over() -> None:
    """Rule 1: said again on any host that can carry the mail.

    When the first one fails on a new connection too.
    """
    async with ScriptedHop({"mail": lost()}) as first, ScriptedHop() as second, pooled(first, second) as pool:
        outbound = await accepted(pool)
        assert outbound.host == second.address
        assert (await finished(outbound)).code == 250
        assert (len(first.sessions), len(second.taken)) == (1, 1)


async def test_no_recipient_no_data() -> None:
    """Rule 5: DATA without an accepted recipient is answered without asking."""
    async with ScriptedHop({"rcpt": reply(550, "5.1.1 no")}) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        await outbound.envelope([mail(), rcpt()])
        start = await outbound.data()
        await outbound.end()
        assert (start.reply, start.recipients) == (NO_RECIPIENT, ())
        assert b"DATA" not in hop.sessions[0].commands


async def test_rcpt_twice() -> None:
    """Rule 5: a recipient given twice: both lines are passed."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        await sent(pool, b"a@example.com", b"a@example.com")
        assert hop.taken[0].recipients == [b"a@example.com", b"a@example.com"]


# parameters


@pytest.mark.parametrize(
    ("keywords", "line"),
    [
        (["SIZE", "8BITMIME", "AUTH PLAIN", "DSN"], b" SIZE=2058 AUTH=<> BODY=7bit RET=HDRS"),
        (["AUTH=PLAIN", "DSN"], b" AUTH=<> RET=HDRS"),
        (["8BITMIME", "DSN"], b" BODY=7bit RET=HDRS"),
        (["DSN"], b" RET=HDRS"),
    ],
)
async def test_hints_are_left_out_where_unknown(keywords: list[str], line: bytes) -> None:
    """Rule 11: parameters keep their octets.

    AUTH=, SIZE= and BODY=7BIT are left out where the host doesn't know them.
    """
    async with ScriptedHop(keywords=keywords) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        await outbound.envelope(
            [mail(parameters=b"SIZE=10 AUTH=<> BODY=7bit RET=HDRS"), rcpt(parameters=b"NOTIFY=nEVER")]
        )
        assert hop.transactions[0].mail == b"MAIL FROM:<saiyo@example.co.jp>" + line
        assert hop.transactions[0].rcpts == [b"RCPT TO:<a@example.com> NOTIFY=nEVER"]
        outbound.abort()


@pytest.mark.parametrize(
    "path", [b'"a,b"@example.com', b'"x:y\\" z"@example.com', b"a..b.@docomo.example", b"", b"A@EXAMPLE.Com."]
)
async def test_paths_keep_their_octets(path: bytes) -> None:
    """PITFALLS: aiosmtplib makes ``a`` of ``a,b@c``, refuses ``<>``; here every path leaves as it came."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        await outbound.envelope([mail(path), rcpt(path or b"a@example.com")])
        assert hop.transactions[0].mail == b"MAIL FROM:<" + path + b">"
        outbound.abort()


async def test_mail_goes_to_a_host_that_can_carry_it() -> None:
    """Rule 10: a host that lacks what a mail uses is skipped, also when an RCPT is the first to use it."""
    async with (
        ScriptedHop(keywords=["PIPELINING"]) as plain,
        ScriptedHop() as able,
        pooled(plain, able) as pool,
    ):
        outbound = await pool.begin(NOTHING)
        await outbound.envelope([mail()])
        assert outbound.host == plain.address
        await outbound.envelope([rcpt(parameters=b"NOTIFY=NEVER")])
        assert (await finished(outbound)).code == 250
        assert (outbound.host, plain.complete) == (able.address, [])
        assert able.taken[0].rcpts == [b"RCPT TO:<a@example.com> NOTIFY=NEVER"]
        direct = await pool.begin(frozenset([b"SMTPUTF8"]))
        await direct.envelope([mail(parameters=b"SMTPUTF8")])
        assert (direct.host, len(plain.sessions)) == (able.address, 1)
        direct.abort()


async def test_recipients_need_a_host_that_can_carry_them() -> None:
    """Rule 10: what a recipient's parameters need counts too, in the group of its MAIL as behind it."""
    async with (
        ScriptedHop(keywords=["PIPELINING"]) as plain,
        ScriptedHop() as able,
        pooled(plain, able) as pool,
    ):
        wanting = rcpt(b"b@example.com", parameters=b"NOTIFY=NEVER")
        ways: list[list[list[Mail | Rcpt]]] = [[[mail(), wanting]], [[mail()], [rcpt(), wanting]]]
        for groups in ways:
            outbound = await pool.begin(NOTHING)
            assert codes(await outbound.envelope([mail(), rcpt()])) == [250, 250]
            assert outbound.host == plain.address
            await outbound.reset()
            for group in groups:
                assert set(codes(await outbound.envelope(group))) == {250}
            assert outbound.host == able.address
            await outbound.end()


async def test_no_host_can_carry_it() -> None:
    """Rule 10: if only hosts are left that lack what a mail uses, it is a fault (451).

    And the hosts aren't asked every time.
    """
    async with ScriptedHop(keywords=["PIPELINING"]) as hop, pooled(hop) as pool:
        for _ in range(3):
            outbound = await pool.begin(frozenset([b"8BITMIME"]))
            with pytest.raises(NextHopFault, match="lacks"):
                await outbound.envelope([mail(parameters=b"BODY=8BITMIME")])
            await outbound.end()
        assert len(hop.sessions) == 1


# content


async def test_content_keeps_its_octets() -> None:
    """Promise 3: what is written is what arrives, in whatever pieces, dots, long lines and 8-bit included."""
    content = (
        b"a: b\r\n\r\n..\r\n...x\r\n"
        + "日本語".encode()
        + b"\r\n"
        + b"y" * 300_000
        + b"\r\n"
        + b"z\r\n" * 50_000
    )
    async with ScriptedHop() as hop, pooled(hop) as pool:
        for size in (1 << 20, 65_536, 999, 100_000):
            outbound = await accepted(pool)
            await outbound.data()
            for at in range(0, len(content), size):
                await outbound.write(content[at : at + size])
            await outbound.write(b"")
            assert (await outbound.finish()).code == 250
            await outbound.end()
        assert [bytes(done.raw) == content for done in hop.taken] == [True] * 4
        assert len(hop.sessions) == 1


async def test_empty_content() -> None:
    """RFC 5321 §4.1.1.4: a mail may be empty; its dot stands alone."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        assert (await finished(await accepted(pool), b"")).code == 250
        assert hop.taken[0].content == b""


@pytest.mark.parametrize("pieces", [[b"half a line"], [b"a\r\n", b"b"], [b"a\r", b"\n", b"b\r"], [b"a\n"]])
async def test_no_dot_behind_half_a_line(pieces: list[bytes]) -> None:
    """Promise 2: a dot behind half a line would be content, and swallow the next command.

    The connection is cut instead.
    """
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        for piece in pieces:
            await outbound.write(piece)
        with pytest.raises(NextHopFault) as caught:
            await outbound.finish()
        await outbound.end()
        assert not isinstance(caught.value, OutcomeUnknown)
        await hop.wait(lambda: hop.sessions[0].ended != "")
        assert hop.complete == []


async def test_line_end_torn_between_pieces() -> None:
    """A CRLF that ends the content counts, whatever pieces it came in."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        for piece in (b"a", b"\r", b"\n"):
            await outbound.write(piece)
        assert (await outbound.finish()).code == 250
        await outbound.end()
        assert hop.taken[0].content == b"a\r\n"


@pytest.mark.parametrize(
    "said", [reply(452, "4.3.1 full"), reply(552, "5.3.4 too big"), reply(552, "5.3.4 too big").then("close")]
)
async def test_early_refusal_is_the_answer(said: Action) -> None:
    """A 4xx or 5xx while content still flows is the answer to the content.

    No dot is sent, and no octet more is needed.
    """
    async with ScriptedHop({"content": said.at(10)}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT * 2_000)
        connection = outbound._connection
        assert connection is not None
        await until(lambda: connection.early is not None)
        for _ in range(100):
            await outbound.write(CONTENT * 1_000)
        assert await outbound.finish() == spoken(said)
        await outbound.end()
        await hop.wait(lambda: hop.sessions[0].ended != "")
        assert (hop.complete, pool.places) == ([], (20, 0, 0, 0))


@pytest.mark.parametrize(
    "said", [reply(250, "2.0.0 taken"), nonsense(), lost(), broken(), raw(b"25")], ids=str
)
async def test_early_acceptance_never_counts(said: Action) -> None:
    """Rule 1: a 2xx before the dot, or nonsense, or the end, is a fault; nothing was completed."""
    async with ScriptedHop({"content": said.at(10)}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT * 2_000)
        connection = outbound._connection
        assert connection is not None
        await until(lambda: bool(connection.fault) or connection._reader.pending)
        with pytest.raises(NextHopFault) as caught:
            await ended(outbound)
        await outbound.end()
        assert not isinstance(caught.value, OutcomeUnknown)
        assert (hop.complete, len(hop.sessions)) == ([], 1)


async def test_a_small_mail_leaves_with_its_dot_in_one_write() -> None:
    """One write wakes the next hop once; content of up to `CORK` octets waits for what follows it."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT)
        assert (outbound._corked, hop.transactions[0].octets) == (CONTENT, 0)
        await outbound.write(CONTENT)
        assert outbound._corked == b"", "only the first piece waits"
        await outbound.write(CONTENT)
        assert outbound._corked == b""
        assert (await outbound.finish()).code == 250
        await outbound.end()
        assert hop.taken[0].raw == CONTENT * 3


@pytest.mark.parametrize("way", ["abort", "end", "reset", "envelope", "data", "cancel"])
async def test_half_a_mail_is_never_completed(way: str) -> None:
    """Promise 2: whatever comes after half a mail, the next hop sees the connection end.

    Not a command and not a dot.
    """
    async with ScriptedHop(connections=[None, {"mail": reply(550, "no")}]) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT * 2_000)
        if way == "abort":
            outbound.abort()
        elif way == "cancel":
            task = asyncio.ensure_future(outbound.finish())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif way == "envelope":
            await outbound.envelope([mail()])
        else:
            await getattr(outbound, way)()
        await outbound.end()
        await hop.wait(lambda: hop.sessions[0].ended != "")
        assert hop.sessions[0].ended in {"client", "lost"}
        assert hop.complete == []
        assert pool.places == (20, 0, 0, 0)


async def test_slow_next_hop_holds_the_writer() -> None:
    """Rule 7: content is taken only as fast as the next hop takes it, so that memory is bounded.

    Then it goes on.
    """
    go = asyncio.Event()
    async with ScriptedHop({"content": Action().when(go).at(1)}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        connection = outbound._connection
        assert connection is not None
        piece = (b"x" * 76 + b"\r\n") * 800
        written = 0

        async def upload() -> None:
            nonlocal written
            for _ in range(200):
                await outbound.write(piece)
                written += 1

        task = asyncio.ensure_future(upload())
        await until(lambda: connection._paused)
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() <= 256 * 1024 + len(piece)
        assert written < 200
        go.set()
        await task
        assert (await outbound.finish()).code == 250
        await outbound.end()
        assert hop.taken[0].octets == 200 * len(piece)


async def test_stalled_next_hop_is_a_fault() -> None:
    """Rule 7: a next hop that takes nothing for the block budget is given up; nothing was completed."""
    script = {"content": Action(stall=True).at(1)}
    async with ScriptedHop(script) as hop, pooled(hop, timeouts={"block": SOON}) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        with pytest.raises(NextHopFault, match="not taken in time"):
            await written(outbound, CONTENT * 2_000, 1_000)
        with pytest.raises(NextHopFault):
            await outbound.write(CONTENT)
        await outbound.end()
        assert hop.complete == []


async def test_write_and_finish_without_354() -> None:
    """Content is only sent where a 354 was read."""
    async with ScriptedHop({"data": reply(451, "4.3.0 no")}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        with pytest.raises(NextHopFault):
            await outbound.write(CONTENT)
        with pytest.raises(NextHopFault):
            await outbound.finish()
        await outbound.end()


# late answers


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_late_answer_never_answers_the_next_command(stage: str) -> None:
    """PITFALLS: a cancelled command's late 250 must not accept the next recipient.

    The connection is never used again.
    """
    hold = asyncio.Event()
    script = {stage: reply(354 if stage == "data" else 250, "late").when(hold)}
    async with (
        ScriptedHop(connections=[script, {("rcpt", b"b@example.com"): reply(550, "5.1.1 no")}]) as hop,
        pooled(hop) as pool,
    ):
        outbound = await pool.begin(NOTHING)
        if stage != "mail":
            await outbound.envelope([mail()])
        if stage == "data":
            await outbound.envelope([rcpt()])
        call = {
            "mail": lambda: outbound.envelope([mail()]),
            "rcpt": lambda: outbound.envelope([rcpt()]),
            "data": outbound.data,
        }
        task = asyncio.ensure_future(call[stage]())
        await hop.wait(
            lambda: (
                stage in {line[:4].lower().decode() for line in hop.sessions[0].commands}
                if hop.sessions
                else False
            )
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        group: list[Mail | Rcpt] = (
            [mail(), rcpt(b"b@example.com")] if stage == "mail" else [rcpt(b"b@example.com")]
        )
        assert (await outbound.envelope(group))[-1] == Reply(550, (b"5.1.1 no",))
        await outbound.end()
        assert hop.complete == []


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot", "rset"])
async def test_cancelled_call_leaves_no_connection(stage: str) -> None:
    """PITFALLS: whoever is cancelled while the next hop is to answer leaves a void connection, at once."""
    async with ScriptedHop({stage: silent()}) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        task = asyncio.ensure_future(everything(outbound, reset=stage == "rset"))
        at = {"dot": b"DATA", "rset": b"RSET"}.get(stage, stage.encode().upper())
        await hop.wait(
            lambda: any(line[:4].upper() == at for session in hop.sessions for line in session.commands)
        )
        if stage == "dot":
            await until(lambda: outbound._said.mail is None)
        (connection,) = pool._open
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.fault
        await outbound.end()
        await until(lambda: not pool._open)


@pytest.mark.parametrize(
    "answer", [b"250 2.1.0", b"250 2.1.5", b"250 2.0.0 reset", b"354", b"250 2.0.0 taken"]
)
async def test_cancelled_in_the_moment_of_the_answer(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has come, and whoever asked is cancelled before it wakes: QUIT never becomes content."""
    taken_in = Connection.data_received
    cancelled_on: list[Connection] = []

    def cancelling(connection: Connection, data: bytes) -> None:
        taken_in(connection, data)
        if data.startswith(answer):
            task.cancel()
            cancelled_on.append(connection)

    script = {"mail": reply(250, "2.1.0 ok"), "rset": reply(250, "2.0.0 reset")}
    async with ScriptedHop(script) as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        monkeypatch.setattr(Connection, "data_received", cancelling)
        task = asyncio.ensure_future(everything(outbound, reset=b"reset" in answer))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [connection.fault for connection in cancelled_on] == [GIVEN_UP]
        await outbound.end()
        await hop.wait(lambda: hop.sessions[0].ended not in {"", "quit"})
        assert b"QUIT" not in hop.sessions[0].commands


async def everything(outbound: OutboundTransaction, *, reset: bool) -> None:
    """All the calls of a mail; with `reset` RSET behind RCPT, too."""
    await outbound.envelope([mail()])
    await outbound.envelope([rcpt()])
    if reset:
        await outbound.reset()
        await outbound.envelope([mail(), rcpt()])
    await outbound.data()
    await outbound.write(CONTENT)
    await outbound.finish()


async def test_surplus_reply_voids_the_connection() -> None:
    """Rule 8: a reply too many behind a good one.

    The good one counts, and the connection isn't used again.
    """
    async with (
        ScriptedHop({"dot": raw(b"250 2.0.0 taken\r\n250 2.0.0 again\r\n")}) as hop,
        pooled(hop) as pool,
    ):
        assert (await sent(pool)).lines == (b"2.0.0 taken",)
        assert pool.places == (20, 0, 0, 0)
        assert (await sent(pool)).code == 250
        assert len(hop.sessions) == 2


# several transactions on one place


async def test_copies_in_turn() -> None:
    """Rule 9: copies use the connection of the mail in turn, after RSET or a dot.

    Only a final 250 lets it back in the pool.
    """
    async with ScriptedHop({"dot": [None, reply(550, "5.7.1 link"), None]}) as hop, pooled(hop) as pool:
        outbound = await accepted(pool, b"a@example.com", b"b@example.com")
        await outbound.reset()
        answers = []
        for address in (b"a@example.com", b"b@example.com", b"b@example.com"):
            assert codes(await outbound.envelope([mail(), rcpt(address)])) == [250, 250]
            assert (await outbound.data()).reply.code == 354
            await outbound.write(CONTENT)
            answers.append((await outbound.finish()).code)
            await outbound.reset()
        await outbound.end()
        assert answers == [250, 550, 250]
        assert (len(hop.sessions), hop.sessions[0].commands.count(b"RSET")) == (1, 1)
        assert pool.places == (20, 0, 1, 0)


@pytest.mark.parametrize(
    "said", [reply(421, "4.3.2 no").then("close"), reply(500, "what"), lost(), nonsense()], ids=str
)
async def test_reset_that_fails_costs_a_connection(said: Action) -> None:
    """`reset` never fails: the next MAIL goes out on a fresh connection."""
    async with ScriptedHop(connections=[{"rset": said}, {}]) as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.reset()
        assert codes(await outbound.envelope([mail(), rcpt()])) == [250, 250]
        assert (await finished(outbound)).code == 250
        assert [done.connection for done in hop.taken] == [1]


async def test_max_mails_within_a_place() -> None:
    """Rule 8: no mail begins on a connection that carried its number, also when its place is kept."""
    async with ScriptedHop() as hop, pooled(hop, max_mails=2) as pool:
        outbound = await pool.begin(NOTHING)
        for _ in range(5):
            await outbound.envelope([mail(), rcpt()])
            await outbound.data()
            assert (await outbound.finish()).code == 250
        await outbound.end()
        assert [done.connection for done in hop.taken] == [0, 0, 1, 1, 2]


async def test_ended_transaction_asks_nothing() -> None:
    """After `end` or `abort` nothing is sent any more, and the place is given back once."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await accepted(pool)
        await outbound.end()
        outbound.abort()
        await outbound.end()
        assert pool.places == (20, 0, 0, 0)
        with pytest.raises(NextHopFault):
            await outbound.envelope([mail()])
        await hop.wait(lambda: hop.sessions[0].ended == "quit")


# alarm


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    "said", [reply(530, "5.7.0 log in"), reply(550, "5.7.64 TenantAttribution")], ids=str
)
async def test_refusal_of_the_gateway_raises_the_alarm(stage: str, said: Action) -> None:
    """Rule 4: 530, 535, 538, 5.7.54 and 5.7.64 refuse the gateway, not the mail.

    Somebody is told, at every stage.
    """
    heard: list[tuple[str, str, Reply]] = []
    async with (
        ScriptedHop({stage: said}) as hop,
        pooled(hop, alarm=lambda *what: heard.append(what)) as pool,
    ):
        outbound = await pool.begin(NOTHING)
        replies = await outbound.envelope([mail(), rcpt()])
        if stage in {"data", "dot"}:
            await outbound.data()
        if stage == "dot":
            await outbound.finish()
        await outbound.end()
        assert heard == [("next-hop", hop.address, spoken(said))]
        assert (spoken(said) in replies) == (stage in {"mail", "rcpt"})


async def test_other_refusals_raise_no_alarm() -> None:
    """Rule 4: a refused recipient is none of our faults."""
    heard: list[object] = []
    async with (
        ScriptedHop({"rcpt": reply(550, "5.1.1 no")}) as hop,
        pooled(hop, alarm=lambda *what: heard.append(what)) as pool,
    ):
        outbound = await pool.begin(NOTHING)
        await outbound.envelope([mail(), rcpt()])
        await outbound.end()
        assert heard == []


def test_settings_hide_the_password() -> None:
    """A login is never shown by accident."""
    assert "secret" not in repr(settings(login=Login(user="u", password="secret")))


async def test_nothing_asked_nothing_answered() -> None:
    """An empty group asks nothing, and nobody."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbound = await pool.begin(NOTHING)
        assert await outbound.envelope([]) == []
        await outbound.end()
        assert hop.sessions == []
