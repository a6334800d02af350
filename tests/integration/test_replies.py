"""Every kind of answer, and of no answer, at every stage of a mail at the next hop (SMTP.md rules 1 to 10).

What always holds: the sender gets a reply that is true. 250 stands for one copy at the next hop, whole;
anything else for none. Where the next hop gave an answer, it is passed on with its text; where it gave none,
or none that can be believed, the reply is 451 within the budget.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.integration.harness import (
    ORDINARY,
    SHORT,
    Relay,
    gateway,
    greeted,
    only_for,
    other_mail,
    own,
    rejection,
    without_trace,
)
from tests.peers.action import (
    Action,
    End,
    broken,
    lost,
    nonsense,
    raw,
    reply,
    silent,
    split,
    too_long,
)
from tests.peers.client import Client, Reply, send_mail, stuffed, transact
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

#: Budgets are half a second here (`SHORT`) and half a minute or more by default: on a busy machine, too, this
#: tells whether one holds.
IN_TIME = 10.0

A, B, C = b"a@example.com", b"b@example.com", b"c@example.com"
THREE = (A, B, C)
#: Every way for another's mail to be under way, or not.
BESIDE = pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside-others"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer of the next hop, and what the sender has to be told."""

    action: Action
    code: int
    lines: tuple[bytes, ...]
    alarm: bool = False


#: Answers to MAIL, RCPT and the dot, by what the sender gets.
REFUSALS = {
    "450": Said(action=reply(450, "4.2.1 mailbox busy"), code=450, lines=(b"4.2.1 mailbox busy",)),
    "451-multi-line": Said(
        action=reply(451, "4.7.1 greylisted", "4.7.1 come back", "4.7.1 later"),
        code=451,
        lines=(b"4.7.1 greylisted", b"4.7.1 come back", b"4.7.1 later"),
    ),
    "452-by-byte": Said(
        action=split(reply(452, "4.3.1 disk full")), code=452, lines=(b"4.3.1 disk full",)
    ),
    "421": Said(action=reply(421, "4.3.2 shutting down"), code=451, lines=(b"4.3.2 shutting down",)),
    "421-bare": Said(
        action=reply(421, "too busy").then("close"), code=451, lines=(b"4.3.2 too busy",)
    ),
    "550": Said(action=reply(550, "5.1.1 no such user"), code=550, lines=(b"5.1.1 no such user",)),
    "554-multi-line": Said(
        action=reply(554, "5.7.1 blocked", "5.7.1 see https://hop.test/why"),
        code=554,
        lines=(b"5.7.1 blocked", b"5.7.1 see https://hop.test/why"),
    ),
    "550-no-text": Said(action=raw(b"550\r\n"), code=550, lines=(b"",)),
    "550-8-bit-text": Said(
        action=reply(550, "5.7.1 だめ"), code=550, lines=("5.7.1 だめ".encode(),)
    ),
    "552": Said(action=reply(552, "5.3.4 too big"), code=552, lines=(b"5.3.4 too big",)),
    **{
        name: Said(
            action=reply(code, text),
            code=451,
            lines=(b"4.3.5 Next hop does not take mail from here now, try again later",),
            alarm=True,
        )
        for name, code, text in (
            ("530", 530, "5.7.0 authentication required"),
            ("535", 535, "5.7.8 bad credentials"),
            ("538", 538, "5.7.11 encryption required"),
            ("5.7.54", 550, "5.7.54 unable to relay"),
            ("5.7.64", 550, "5.7.64 TenantAttribution; relay access denied"),
        )
    },
}  # fmt: skip

#: What is no answer, at any stage.
NO_ANSWER = {
    "nonsense": nonsense(),
    "html": raw(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"),
    "too-long": too_long(250),
    "too-many-lines": reply(250, *["x"] * 1_000),
    "endless-line": raw(b"250-" + b"x" * 70_000),
    "code-changes": raw(b"250-yes\r\n550 no\r\n"),
    "code-600": reply(600, "what"),
    "code-199": reply(199, "what"),
    "220": reply(220, "2.0.0 another banner"),
    "221": reply(221, "2.0.0 bye"),
    "half-a-reply": raw(b"250 2.0.0 o"),
    "half-a-reply-lost": raw(b"250-2.0.0 ok\r\n").then("close"),
    "silent": silent(),
    "lost": lost(),
    "reset": broken(),
    "half-closed": Action(end="half-close"),
}

STAGES = ("mail", "rcpt-1", "rcpt-2", "rcpt-3", "data", "dot")


def at(stage: str, action: Action) -> dict[Any, Action]:
    """The script that does `action` always at this stage; a recipient is known by its address."""
    if stage.startswith("rcpt"):
        return {("rcpt", THREE[int(stage[-1]) - 1]): action}
    return {stage: action}


async def say(relay: Relay, *, pipelined: bool = False, mail: bytes = ORDINARY) -> dict[str, Reply]:
    """Send `mail` to three recipients, and go on as far as the replies allow; the replies by stage."""
    async with greeted(relay.port) as client:
        replies = await transact(client, mail, recipients=THREE, pipelined=pipelined)
        names = ["mail", "rcpt-1", "rcpt-2", "rcpt-3", "data", "dot"][: len(replies)]
        given = dict(zip(names, replies, strict=False))
        # Whatever happened, the session goes on: nothing of it may hang over the next command.
        assert (await client.command(b"NOOP")).code == 250
        assert (await client.quit()).code == 221
    return given


def check_true(
    replies: dict[str, Reply], arrived: Sequence[Transaction], recipients: Sequence[bytes]
) -> None:
    """250 means: it arrived once, whole, for these recipients; any other final reply: it did not."""
    last = list(replies.values())[-1]
    if last.code != 250:
        assert [one for one in arrived if one.taken] == []
        return
    (one,) = [one for one in arrived if one.taken]
    assert one.recipients == list(recipients)
    assert without_trace(one.content) == ORDINARY


@pytest.mark.parametrize(
    ("said", "beside"),
    [
        pytest.param(said, beside, id=f"{name}-beside-others" if beside else name)
        for name, said in REFUSALS.items()
        for beside in (False, True)
        if not beside or name in ("450", "421", "550", "535")
    ],
)
@pytest.mark.parametrize("stage", STAGES)
async def test_refusal_is_passed_on(stage: str, said: Said, *, beside: bool) -> None:
    """Rule 4: a reply to MAIL, RCPT, DATA or the dot is passed on whole, with its text.

    But 421 would end the sender's session and becomes 451; a refusal of the gateway itself (530, 535, 538,
    5.7.54, 5.7.64) becomes 451 with an alarm, since an expired password must not bounce mail. A refused
    RCPT harms no other recipient; a refused DATA is told when the upload is over (rule 5).
    """
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        only_for(hop, at(stage, said.action))
        async with other_mail(relay, hop, active=beside):
            replies = await say(relay)
        told = replies["dot" if stage == "data" else stage]
        assert (told.code, told.lines) == (said.code, said.lines)
        others = [one.code for name, one in replies.items() if one is not told]
        assert set(others) <= {250, 354}
        check_true(replies, own(hop), [rcpt for n, rcpt in enumerate(THREE, 1) if stage != f"rcpt-{n}"])
        assert bool(relay.journal.alarms) == said.alarm
        assert hop.faults == []
        assert relay.journal.errors == []


@pytest.mark.parametrize(
    ("action", "beside"),
    [
        pytest.param(action, beside, id=f"{name}-beside-others" if beside else name)
        for name, action in NO_ANSWER.items()
        for beside in (False, True)
        if not beside or name in ("nonsense", "silent", "lost", "reset")
    ],
)
@pytest.mark.parametrize("stage", STAGES)
async def test_no_answer_is_put_off(stage: str, action: Action, *, beside: bool) -> None:
    """Rules 4 and 7: what is no answer (nonsense, too much, silence, a lost connection) is 451, in time.

    It is never believed, never passed on, and takes no other recipient with it. Each budget holds: nobody
    waits longer than it and the connecting that belongs to it.
    """
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        only_for(hop, at(stage, action))
        async with other_mail(relay, hop, active=beside):
            begun = time.monotonic()
            replies = await say(relay)
            assert time.monotonic() - begun < IN_TIME
        told = replies["dot" if stage == "data" else stage]
        assert told.code == 451
        assert told.enhanced in ("4.4.1", "4.4.2", "4.5.0")
        assert {one.code for one in replies.values() if one is not told} <= {250, 354}
        assert relay.journal.alarms == []
        if stage == "dot":
            # What stands at the next hop is unknown; so there is no second try (rule 1).
            assert sum(one.complete for one in own(hop)) == 1
            assert told.enhanced == "4.4.2"
        else:
            check_true(replies, own(hop), [rcpt for n, rcpt in enumerate(THREE, 1) if stage != f"rcpt-{n}"])


@pytest.mark.parametrize("code", [250, 251, 252])
@pytest.mark.parametrize("stage", STAGES[:4])
async def test_acceptance_is_passed_on(stage: str, code: int) -> None:
    """Rule 4: any 2xx to MAIL or RCPT accepts, also 251 and 252, and keeps all of its lines."""
    async with ScriptedHop(at(stage, reply(code, "2.1.5 will do", "2.1.5 forwarded"))) as hop:
        async with gateway(hop) as relay:
            replies = await say(relay)
        assert replies[stage].code == code
        assert replies[stage].lines == (b"2.1.5 will do", b"2.1.5 forwarded")
        assert replies["dot"].code == 250
        check_true(replies, hop.transactions, THREE)


async def test_dot_reply_is_passed_on_whole() -> None:
    """Rule 4: the reply to the dot reaches the sender byte for byte, all lines, with the queue id."""
    taken = reply(250, "2.0.0 Ok: queued as 4X1y2Z", b"2.0.0 \xc3\xa9")
    async with ScriptedHop({"dot": taken}) as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, ORDINARY)
        assert replies[-1].raw == taken.answer


@pytest.mark.parametrize("stage", ["mail", "rcpt-2", "dot"])
@pytest.mark.parametrize("code", [300, 334, 354])
async def test_intermediate_where_none_belongs(stage: str, code: int) -> None:
    """Rule 4: 3xx to MAIL, RCPT or the dot is no answer: 451, and no content follows it."""
    async with ScriptedHop(at(stage, reply(code, "go on"))) as hop, gateway(hop, changes=SHORT) as relay:
        replies = await say(relay)
        assert replies[stage].code == 451
        check_true(replies, hop.transactions, (A, C))


@pytest.mark.parametrize("code", [200, 250])
async def test_data_accepted_without_354(code: int) -> None:
    """Rule 4: 2xx to DATA takes nothing: 451, no content is sent, and nothing counts as delivered."""
    async with (
        ScriptedHop({"data": reply(code, "2.0.0 thanks")}) as hop,
        gateway(hop, changes=SHORT) as relay,
    ):
        replies = await say(relay)
        assert replies["dot"].code == 451
        assert not any(one.raw for one in hop.transactions)


@pytest.mark.parametrize("pipelined", [False, True], ids=["one-by-one", "pipelined"])
@pytest.mark.parametrize("always", [False, True], ids=["once", "always"])
@pytest.mark.parametrize("stage", ["mail", "rcpt-1", "rcpt-2"])
async def test_reply_too_many(stage: str, *, always: bool, pipelined: bool) -> None:
    """Rule 8: a reply that nobody asked for is never taken as the answer to the next command."""
    double = raw(b"250 2.1.0 ok\r\n250 2.1.5 this is for somebody else\r\n")
    (key,) = at(stage, double)
    script = {key: double if always else [double], ("rcpt", C): reply(550, "5.1.1 no")}
    async with ScriptedHop(script) as hop, gateway(hop, changes=SHORT) as relay:
        replies = await say(relay, pipelined=pipelined)
        last = list(replies.values())[-1]
        if not always and not pipelined:
            assert replies["rcpt-3"].code == 550
            assert last.code == 250
        # Where it made C's answer out of B's, C was asked again and the sender got a failure notice.
        check_true(replies, [one for one in hop.transactions if one.sender], (A, B))
        assert all(C not in one.recipients for one in hop.transactions)


@BESIDE
@pytest.mark.parametrize("said", ["450", "550", "421", "535"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_pipelined_recipients_keep_their_own_replies(nth: int, said: str, *, beside: bool) -> None:
    """Rule 1: replies to a pipelined group come in order, each to its own command."""
    answer = REFUSALS[said]
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        only_for(hop, at(f"rcpt-{nth}", answer.action))
        async with other_mail(relay, hop, active=beside):
            replies = await say(relay, pipelined=True)
        told = [replies[f"rcpt-{n}"] for n in (1, 2, 3)]
        assert told[nth - 1].lines == answer.lines
        if said == "421":
            # The connection was over with it: whatever stood behind has no answer of its own.
            assert [one.code for one in told[: nth - 1]] == [250] * (nth - 1)
            assert [one.code for one in told[nth - 1 :]] == [451] * (4 - nth)
            recipients: Sequence[bytes] = THREE[: nth - 1]
        else:
            assert [one.code for n, one in enumerate(told, 1) if n != nth] == [250, 250]
            recipients = [rcpt for n, rcpt in enumerate(THREE, 1) if n != nth]
        check_true(replies, own(hop), recipients)


@pytest.mark.parametrize("action", NO_ANSWER.values(), ids=NO_ANSWER)
@pytest.mark.parametrize("stage", STAGES[:4])
async def test_pipelined_group_without_answer(stage: str, action: Action) -> None:
    """Rule 1: where a pipelined group is not answered whole, nothing of it is believed; nothing is lost."""
    async with ScriptedHop(at(stage, action)) as hop, gateway(hop, changes=SHORT) as relay:
        replies = await say(relay, pipelined=True)
        assert replies["mail"].code in (250, 451)
        assert list(replies.values())[-1].code != 250
        assert hop.taken == []
        assert hop.faults == []


# --- rule 1: the transaction behind the session may die and be opened again ------------------------------


GONE: dict[str, tuple[End, bytes]] = {
    "closed": ("close", b""),
    "reset": ("reset", b""),
    "half-closed": ("half-close", b""),
    "421-unasked": ("", b"421 4.4.2 idle for too long\r\n"),
    "421-unasked-and-closed": ("close", b"421 4.4.2 idle for too long\r\n"),
    "nonsense-unasked": ("", b"\x00\x01\r\n"),
}


def and_then(usual: Action, gone: str) -> Action:
    """The usual answer; and at once the connection is over, in one of several ways."""
    end, octets = GONE[gone]
    return replace(usual, pieces=(*usual.pieces, *([octets] if octets else [])), end=end, pause=0.03)


@BESIDE
@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("stage", ["mail", "rcpt-1", "rcpt-3"])
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["asked-while-dying", "dead-before-asked"])
async def test_opened_again_before_content(stage: str, gone: str, pause: float, *, beside: bool) -> None:
    """Rule 1: a transaction that died between two commands is opened again on a fresh connection, unseen.

    With the same MAIL and the accepted RCPTs, in order, and the mail arrives once.
    """
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        usual = reply(250, "2.1.0 ok")
        script = at(stage, and_then(usual, gone))
        only_for(hop, {key: [action] for key, action in script.items()})
        async with other_mail(relay, hop, active=beside), greeted(relay.port) as client:
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp> SIZE=999 BODY=8BITMIME")).code == 250
            for recipient in THREE:
                await asyncio.sleep(pause)
                assert (await client.command(b"RCPT TO:<" + recipient + b">")).code == 250
            await asyncio.sleep(pause)
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(ORDINARY))
            assert (await client.reply()).code == 250
        (taken,) = [one for one in own(hop) if one.taken]
        assert taken.mail == b"MAIL FROM:<hr@example.co.jp> SIZE=3047 BODY=8BITMIME"
        assert taken.recipients == list(THREE)
        assert without_trace(taken.content) == ORDINARY
        assert len(own(hop)) == 2
        assert hop.faults == []


async def test_opened_again_on_another_host_without_refused_recipients() -> None:
    """Rule 1: the second host gets MAIL and the *accepted* RCPTs; who was refused stays refused."""
    first = ScriptedHop(
        {("rcpt", B): reply(550, "5.1.1 no"), ("rcpt", C): reply(250, "2.1.5 ok").then("close")}
    )
    async with first as one, ScriptedHop() as two, gateway(one, two, changes=SHORT) as relay:
        async with greeted(relay.port) as client:
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
            assert [(await client.command(b"RCPT TO:<" + rcpt + b">")).code for rcpt in THREE] == [
                250,
                550,
                250,
            ]
            await one.stop()
            assert (await client.command(b"DATA")).code == 354
            await client.send(stuffed(ORDINARY))
            assert (await client.reply()).code == 250
        (taken,) = two.taken
        assert taken.rcpts == [b"RCPT TO:<" + A + b">", b"RCPT TO:<" + C + b">"]
        assert one.taken == []


@pytest.mark.parametrize(
    ("answer", "code", "arrives"),
    [(reply(450, "4.2.1 busy"), 450, []), (reply(550, "5.1.1 gone now"), 250, [A, C])],
    ids=["put-off", "refused"],
)
async def test_answers_when_opened_again_are_outcomes(
    answer: Action, code: int, arrives: list[bytes]
) -> None:
    """Rule 1: what a recipient is told when the transaction is opened again is its outcome.

    Put off: nobody gets the (untouched) mail now, so that the retry doubles nothing. Refused: the others get
    it, and the sender a failure notice with that reply.
    """
    first = {("rcpt", C): reply(250, "2.1.5 ok").then("close")}
    async with ScriptedHop(connections=[first, {("rcpt", B): answer}]) as hop:
        async with gateway(hop, changes=SHORT) as relay:
            replies = await say(relay)
        assert [one.code for one in replies.values()] == [250, 250, 250, 250, 354, code]
        mails = [one for one in hop.taken if one.sender]
        assert [one.recipients for one in mails] == ([arrives] if arrives else [])
        notices = [one for one in hop.taken if not one.sender]
        assert len(notices) == (1 if arrives else 0)
        if notices:
            assert notices[0].recipients == [b"hr@example.co.jp"]
            assert b"5.1.1 gone now" in notices[0].content


@pytest.mark.parametrize("everybody", [False, True], ids=["mail", "recipients"])
async def test_refused_when_opened_again(*, everybody: bool) -> None:
    """Rule 1: where the fresh connection refuses MAIL, or all recipients, its words are the reply."""
    no = (
        {"rcpt": reply(550, "5.1.1 not any more")}
        if everybody
        else {"mail": reply(550, "5.1.1 not any more")}
    )
    first = {("rcpt", C): reply(250, "2.1.5 ok").then("close")}
    async with ScriptedHop(connections=[first, no]) as hop, gateway(hop, changes=SHORT) as relay:
        replies = await say(relay)
        assert (replies["dot"].code, replies["dot"].lines) == (550, (b"5.1.1 not any more",))
        assert hop.taken == []


@BESIDE
@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
@pytest.mark.parametrize(
    "action",
    [lost(), broken(), silent(), nonsense(), raw(b"451 4.4.2 x").then("close")],
    ids=["lost", "reset", "silent", "nonsense", "half-a-reply"],
)
async def test_never_another_host_behind_the_dot(action: Action, mail: bytes, *, beside: bool) -> None:
    """Rule 1: once the final dot may have left, the mail goes to nobody else: its outcome is unknown, 451."""
    async with ScriptedHop() as one, ScriptedHop() as two, gateway(one, two, changes=SHORT) as relay:
        only_for(one, {"dot": action})
        async with other_mail(relay, one, active=beside):
            replies = await send_mail(relay.port, mail)
            assert (replies[-1].code, replies[-1].enhanced) == (451, "4.4.2")
        assert len([t for t in own(one) if t.complete]) == 1
        assert two.transactions == []


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("octets", [1, 100_000, 2_000_000])
async def test_never_another_host_behind_the_first_octet(octets: int, end: str) -> None:
    """Rule 1: a connection lost while content flows means 451; nobody has half of it, no second host any."""
    big = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 120_000
    cut = Action(end="reset" if end == "reset" else "close").at(octets)
    async with ScriptedHop({"content": cut}) as one, ScriptedHop() as two, gateway(one, two) as relay:
        replies = await send_mail(relay.port, big)
        assert replies[-1].code == 451
        assert one.complete == []
        assert two.complete == []
        assert [t for t in two.transactions if t.data] == []


# --- rule 2 ----------------------------------------------------------------------------------------------


async def test_slow_upload_pins_no_connection() -> None:
    """Rule 2: with one connection in all, a sender that stalls behind DATA holds nobody up."""
    changes = {"next_hop": {"connections": 1}, "timeouts": {"pool_wait_seconds": 5.0}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        relay.pool.settings = replace(relay.pool.settings, pin=0.02)
        async with greeted(relay.port) as slow:
            for line in (b"MAIL FROM:<slow@example.co.jp>", b"RCPT TO:<a@example.com>"):
                assert (await slow.command(line)).code == 250
            assert (await slow.command(b"DATA")).code == 354
            await slow.send(ORDINARY[:50])
            for _ in range(3):
                assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
            assert not any(one.data for one in hop.transactions if one.sender.startswith(b"slow"))
            await slow.send(stuffed(ORDINARY)[50:])
            assert (await slow.reply()).code == 250
        assert len(hop.taken) == 4
        assert without_trace(hop.taken[-1].content) == ORDINARY


async def test_data_is_not_said_before_content_can_follow() -> None:
    """Rule 2: DATA goes to the next hop only when content follows without a pause."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.send(b"MAIL FROM:<hr@example.co.jp>\r\nRCPT TO:<a@example.com>\r\nDATA\r\n")
        assert [await client.code() for _ in range(3)] == [250, 250, 354]
        await client.send(stuffed(ORDINARY)[:-3])
        assert await client.silent(0.1)
        assert not hop.transactions[0].data
        await client.send(b".\r\n")
        assert await client.code() == 250
        assert hop.transactions[0].data


# --- rule 4: faults before MAIL --------------------------------------------------------------------------


UNUSABLE = {
    "554": reply(554, "5.3.2 not today"),
    "421": reply(421, "4.3.2 full").then("close"),
    "nonsense": nonsense(),
    "too-long": too_long(220),
    "silent": silent(),
    "lost": lost(),
    "reset": broken(),
}


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
@pytest.mark.parametrize("action", UNUSABLE.values(), ids=UNUSABLE)
async def test_faults_before_mail_try_the_next_host(stage: str, action: Action) -> None:
    """Rules 4 and 7: a host that fails before MAIL is passed over in the connect budget, unseen."""
    async with ScriptedHop({stage: action}) as one, ScriptedHop() as two:
        async with gateway(one, two, changes=SHORT) as relay:
            assert [r.code for r in await send_mail(relay.port, ORDINARY)] == [250, 250, 354, 250]
        assert one.transactions == []
        assert len(two.taken) == 1
        assert relay.journal.alarms == []


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
@pytest.mark.parametrize("action", UNUSABLE.values(), ids=UNUSABLE)
async def test_all_hosts_fail_before_mail(stage: str, action: Action) -> None:
    """Rule 4: where no host can be had, MAIL is 451 4.4.x, never the host's own 5xx."""
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay, greeted(relay.port) as client:
        hop.script({stage: action})
        relay.pool.retire()  # the connection that EHLO was asked on
        told = await client.command(b"MAIL FROM:<hr@example.co.jp>")
        assert told.code == 451
        assert told.enhanced.startswith("4.4.")
        assert (await client.command(b"RCPT TO:<a@example.com>")).code == 503
        hop.script(None)
        assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]


# --- rule 5 ----------------------------------------------------------------------------------------------


async def test_no_accepted_recipient_is_554_without_asking() -> None:
    """Rule 5: DATA behind nothing but refused RCPTs is 554, and the next hop never hears of it."""
    async with ScriptedHop({"rcpt": reply(550, "5.1.1 no")}) as hop, gateway(hop) as relay:
        async with greeted(relay.port) as client:
            lines = [
                b"MAIL FROM:<hr@example.co.jp>",
                *(b"RCPT TO:<" + rcpt + b">" for rcpt in THREE),
                b"DATA",
            ]
            await client.send(b"".join(line + b"\r\n" for line in lines))
            assert [await client.code() for _ in lines] == [250, 550, 550, 550, 554]
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        assert all(not one.data for one in hop.transactions)
        assert b"DATA" not in [command for session in hop.sessions for command in session.commands]


@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_recipient_given_twice(mail: bytes) -> None:
    """Rule 5: RCPT twice is one copy with one token, and both lines are passed on."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, mail, recipients=(A, b"A@EXAMPLE.com".lower()))
        assert [one.code for one in replies] == [250, 250, 250, 354, 250]
        (taken,) = hop.taken
        assert taken.rcpts == [b"RCPT TO:<" + A + b">"] * 2
        assert len(relay.ledger.memory.sends) == (0 if mail is ORDINARY else 1)


@pytest.mark.parametrize("code", [451, 554])
async def test_refused_data_reads_the_upload_to_its_end(code: int) -> None:
    """Rule 5: a refused DATA is answered when the upload is over; then the session goes on."""
    big = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 100_000
    async with ScriptedHop({"data": [reply(code, "5.7.1 no thanks")]}) as hop, gateway(hop) as relay:
        async with greeted(relay.port) as client:
            wire = stuffed(big)
            for line in (b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<a@example.com>", b"DATA"):
                assert (await client.command(line)).code in (250, 354)
            await client.send(wire[:-3])
            assert await client.silent(0.1)
            await client.send(wire[-3:] + b"NOOP\r\n")
            assert [await client.code(), await client.code()] == [code, 250]
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert [without_trace(one.content) for one in hop.taken] == [ORDINARY]


@pytest.mark.parametrize("code", [452, 552])
async def test_content_refused_early(code: int) -> None:
    """Rule 5: a next hop that refuses in the middle of content is believed; the rest is read, then told."""
    big = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 100_000
    early = reply(code, "5.3.4 too much").at(300_000)
    async with ScriptedHop({"content": early}) as hop, gateway(hop, changes=SHORT) as relay:
        async with greeted(relay.port) as client:
            replies = await transact(client, big)
            assert [one.code for one in replies] == [250, 250, 354, code]
            assert (await client.command(b"NOOP")).code == 250
        assert hop.complete == []


# --- rule 7 ----------------------------------------------------------------------------------------------


async def test_budget_of_a_block_of_content() -> None:
    """Rule 7: a next hop that stops taking content costs one block's budget, then 451; the rest is read."""
    big = ORDINARY + b"0123456789abcdef0123456789abcdef\r\n" * 400_000
    async with ScriptedHop({"content": Action(stall=True).at(500_000)}) as hop:
        async with gateway(hop, changes=SHORT) as relay:
            begun = time.monotonic()
            replies = await send_mail(relay.port, big)
            assert replies[-1].code == 451
            assert time.monotonic() - begun < IN_TIME
        assert hop.complete == []


async def test_budget_of_waiting_for_a_place() -> None:
    """Rules 7 and 9: none of the connections free in time means 451 4.3.2 at MAIL, and no more than that."""
    hold = asyncio.Event()
    changes = {"next_hop": {"connections": 1}, "timeouts": {"pool_wait_seconds": 0.2}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        only_for(hop, {"dot": reply(250, "2.0.0 taken").when(hold)}, b"first")
        first = asyncio.create_task(send_mail(relay.port, ORDINARY, sender=b"first@example.co.jp"))
        await hop.wait(lambda: len(hop.complete) == 1)
        async with greeted(relay.port) as client:
            told = await client.command(b"MAIL FROM:<second@example.co.jp>")
            assert (told.code, told.enhanced) == (451, "4.3.2")
            hold.set()
            assert (await first)[-1].code == 250
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]


# --- rule 8: the pool as senders meet it -----------------------------------------------------------------


async def test_connection_is_kept_only_after_a_250_to_the_dot() -> None:
    """Rule 8: a mail that ends in anything but 250 costs its connection, so that no sender hurts another."""
    ends = [reply(250, "2.0.0 a"), reply(451, "4.3.0 b"), reply(554, "5.6.0 c"), reply(250, "2.0.0 d"), None]
    async with ScriptedHop({"dot": ends}) as hop, gateway(hop) as relay:
        codes = [(await send_mail(relay.port, ORDINARY))[-1].code for _ in ends]
        assert codes == [250, 451, 554, 250, 250]
        assert [one.connection for one in hop.complete] == [0, 0, 1, 2, 2]


async def test_refused_recipients_are_kept_from_strangers() -> None:
    """Rule 8: refused RCPTs never pile up on a connection that the next sender gets."""
    async with ScriptedHop({("rcpt", b"nobody@example.com"): reply(550, "5.1.1 no")}) as hop:
        async with gateway(hop) as relay:
            for _ in range(5):
                told = await send_mail(relay.port, ORDINARY, recipients=(b"nobody@example.com",))
                assert told[-1].code == 550
            assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        for session in hop.sessions:
            assert sum(len(one.refused) for one in session.transactions) <= 1


@pytest.mark.parametrize("way", ["too-many", "idle", "old"])
async def test_connections_are_not_kept_for_ever(way: str) -> None:
    """Rule 8: closed (with QUIT) after so many mails, when idle for long, and not used when old; no NOOP."""
    bounds = {"too-many": {"max_mails": 2}, "idle": {"idle_seconds": 0.05}, "old": {"max_age_seconds": 0.05}}
    async with ScriptedHop() as hop, gateway(hop, changes={"next_hop": bounds[way]}) as relay:
        for _ in range(4):
            assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
            if way == "idle":
                await hop.wait(lambda: hop.sessions[-1].ended == "quit")
            elif way == "old":
                await asyncio.sleep(0.06)
        expected = {"too-many": [0, 0, 1, 1], "idle": [0, 1, 2, 3], "old": [0, 1, 2, 3]}[way]
        assert [one.connection for one in hop.taken] == expected
        for session in hop.sessions:
            assert b"NOOP" not in session.commands


@pytest.mark.parametrize("gone", GONE)
async def test_dead_while_idle(gone: str) -> None:
    """Rule 8: octets or EOF on an idle connection make it dead; the next mail gets a fresh one, unseen."""
    async with ScriptedHop({"dot": [and_then(reply(250, "2.0.0 ok"), gone)]}) as hop, gateway(hop) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        await relay.until(lambda: relay.pool.places[2] == 0)
        assert [r.code for r in await send_mail(relay.port, ORDINARY)] == [250, 250, 354, 250]
        assert [one.connection for one in hop.taken] == [0, 1]


@pytest.mark.parametrize(
    "action", [lost(), broken(), reply(421, "4.4.2 idle").then("close")], ids=["lost", "reset", "421"]
)
async def test_pooled_connection_fails_at_mail(action: Action) -> None:
    """Rule 8: EOF or 421 to MAIL on a pooled connection is tried once more on a fresh one, unseen."""
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        async with greeted(relay.port) as client:
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
            hop.script({"mail": [action]})
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
        assert len([one for one in own(hop) if one.taken]) == 2
        assert len(own(hop)) == 3


# --- rule 10 ---------------------------------------------------------------------------------------------


async def test_ehlo_is_what_the_next_hop_can_do() -> None:
    """Rule 10: EHLO has the next hop's extensions from a white list, and its SIZE less what we may add."""
    words = [
        "PIPELINING",
        "SIZE 1000000",
        "8BITMIME",
        "SMTPUTF8",
        "DSN",
        "CHUNKING",
        "XCLIENT NAME",
        "ETRN",
        "VRFY",
    ]
    async with ScriptedHop(keywords=words) as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert client.keywords == (
            b"PIPELINING", b"SIZE 997952", b"8BITMIME", b"DSN", b"CHUNKING", b"SMTPUTF8",
            b"ENHANCEDSTATUSCODES",
        )  # fmt: skip


async def test_ehlo_without_any_extension() -> None:
    """Rule 10: what the next hop lacks is not offered, and not accepted; pipelining is ours to offer."""
    async with ScriptedHop(keywords=[]) as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert client.keywords == (b"PIPELINING", b"SIZE", b"ENHANCEDSTATUSCODES")
        for parameter in (b"BODY=8BITMIME", b"SMTPUTF8", b"RET=FULL", b"ENVID=x"):
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp> " + parameter)).code == 555
        ascii_mail = ORDINARY
        replies = await transact(client, ascii_mail, recipients=THREE, pipelined=True)
        assert [one.code for one in replies] == [250, 250, 250, 250, 354, 250]
        # The hop says "pipelined without leave" where two commands of ours came at once.
        assert hop.faults == []


async def test_next_hop_that_knows_only_helo() -> None:
    """Rule 10: a next hop without EHLO takes mail all the same."""
    async with ScriptedHop({"ehlo": reply(502, "5.5.1 what?")}) as hop, gateway(hop) as relay:
        assert [r.code for r in await send_mail(relay.port, ORDINARY)] == [250, 250, 354, 250]
        assert without_trace(hop.taken[0].content) == ORDINARY


async def test_first_ehlo_with_nothing_known() -> None:
    """Rule 10: nothing known and no host there: 421 4.3.2 in time, never a shorter list."""
    async with ScriptedHop({"banner": silent()}) as hop, gateway(hop, changes=SHORT) as relay:
        async with await Client.connect(relay.port) as client:
            told = await client.hello()
            assert (told.code, told.enhanced) == (421, "4.3.2")
            assert await client.closed() == b""
        hop.script(None)
        async with greeted(relay.port) as client:
            assert b"8BITMIME" in client.keywords


async def test_ehlo_is_remembered_through_an_outage() -> None:
    """Rule 10: with the next hop gone EHLO stays what it was, and mail is put off, not bounced."""
    async with ScriptedHop() as hop, gateway(hop, changes=SHORT) as relay:
        async with greeted(relay.port) as client:
            before = client.keywords
        await hop.stop()
        async with greeted(relay.port) as client:
            assert client.keywords == before
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 451


async def test_host_that_lacks_what_a_mail_uses_is_skipped() -> None:
    """Rule 10: SMTPUTF8 is offered if any host has it; those without are skipped; none left, 451."""
    plain, full = ScriptedHop(keywords=["PIPELINING", "8BITMIME"]), ScriptedHop()
    address = "採用@example.com".encode()
    async with plain as one, full as two, gateway(one, two, changes=SHORT) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        await one.stop()
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250  # now both are known
        await one.start()
        relay.pool.reconfigure(relay.pool.settings)
        async with greeted(relay.port) as client:
            assert b"SMTPUTF8" in client.keywords
            replies = await transact(client, ORDINARY, recipients=(address,), mail_parameters=b" SMTPUTF8")
            assert [r.code for r in replies] == [250, 250, 354, 250]
            assert two.taken[-1].recipients == [address]
            await two.stop()
            told = await client.command(b"MAIL FROM:<hr@example.co.jp> SMTPUTF8")
            assert told.code == 451
        assert all(address not in t.recipients for t in one.transactions)


async def test_lmtp_replies_are_each_recipients_own() -> None:
    """Rule 4 with LMTP: every reply class at the dot, for each accepted recipient."""
    for name in ("450", "550", "535", "421"):
        said = REFUSALS[name]
        script = {"dot": said.action, ("rcpt", B): reply(550, "5.1.1 no")}
        async with ScriptedHop(script) as hop, gateway(hop) as relay:
            replies = await send_mail(relay.lmtp_port, ORDINARY, recipients=THREE, lmtp=True)
            assert [one.code for one in replies] == [250, 250, 550, 250, 354, said.code, said.code]
            assert replies[-1].lines == said.lines


async def test_ehlo_over_several_routes() -> None:
    """Rule 10: SIZE is the largest of all routes, SMTPUTF8 if any has it, 8BITMIME only if all have.

    Rule 11: a mail goes by its sender's domain; `<>` and unknown domains take the default route.
    """
    small = ScriptedHop(keywords=["PIPELINING", "SIZE 50000", "8BITMIME", "DSN"])
    large = ScriptedHop(keywords=["PIPELINING", "SIZE 900000", "SMTPUTF8", "DSN"])
    async with small as one, large as two:
        route = {"name": "other", "hosts": [two.address], "tls": "none", "sender_domains": ["other.example"]}
        async with gateway(one, changes={"route": [route]}) as relay, greeted(relay.port) as client:
            assert client.keywords == (
                b"PIPELINING", b"SIZE 897952", b"DSN", b"SMTPUTF8", b"ENHANCEDSTATUSCODES",
            )  # fmt: skip
            for sender in (b"", b"x@unknown.example", b"x@other.example"):
                replies = await transact(client, ORDINARY, sender=sender)
                assert [r.code for r in replies] == [250, 250, 354, 250]
            # The route of this sender has no host that could carry it: not now, and not bounced.
            told = await client.command(b"MAIL FROM:<x@example.co.jp> SMTPUTF8")
            assert told.code == 451
        assert [mail.sender for mail in one.taken] == [b"", b"x@unknown.example"]
        assert [mail.sender for mail in two.taken] == [b"x@other.example"]


async def test_ehlo_with_one_route_down() -> None:
    """Rule 10: a route that is down at the first EHLO keeps nobody from the others."""
    async with ScriptedHop() as one, ScriptedHop({"banner": lost()}) as two:
        route = {"name": "other", "hosts": [two.address], "tls": "none", "sender_domains": ["other.example"]}
        changes = {**SHORT, "route": [route]}
        async with gateway(one, changes=changes) as relay, greeted(relay.port) as client:
            assert b"8BITMIME" in client.keywords
            assert (await client.command(b"MAIL FROM:<x@other.example>")).code == 451
            assert [r.code for r in await transact(client, ORDINARY)] == [250, 250, 354, 250]
