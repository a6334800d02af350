"""Several recipients, one reply: copies, fold, retry, notice (SMTP.md rules 3, 5, 9, 12 to 22)."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.errors import LedgerFault
from gateway.smtp.fold import Notice
from gateway.transaction.policy import Policy
from gateway.transaction.ports import Claim, CopyIntent, SendState
from tests.fakes.ledger import FakeLedger, Memory
from tests.integration.harness import (
    ORDINARY,
    Relay,
    gateway,
    own,
    rejection,
    without_trace,
)
from tests.peers.action import Action, Moment, lost, reply, silent
from tests.peers.client import Client, Reply, send_mail
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

FIVE = (b"a@example.com", b"b@example.com", b"c@example.com", b"d@example.com", b"boss@example.co.jp")
TWO = (b"a@example.com", b"b@example.net")
LINK = re.compile(rb"https://careerrelay\.example/r/([0-9a-hjkmnp-tv-z]{26})")


def at_dot_of(recipient: bytes, *actions: Action | None) -> object:
    """A script: what happens at the dot of this recipient's transactions, one action after another."""
    left = list(actions)

    def find(moment: Moment) -> Action | None:
        if moment.stage != "dot" or not left:
            return None
        transaction = current[0].sessions[moment.connection].transactions[-1]
        return left.pop(0) if transaction.recipients == [recipient] else None

    current: list[ScriptedHop] = []
    find.hop = current  # type: ignore[attr-defined]
    return find


def hop_with(recipient: bytes, *actions: Action | None) -> ScriptedHop:
    """A next hop that does this at the dot of this recipient's copies, and else takes everything."""
    script = at_dot_of(recipient, *actions)
    hop = ScriptedHop(script)  # type: ignore[arg-type]
    script.hop.append(hop)  # type: ignore[attr-defined]
    return hop


def by_recipient(hop: ScriptedHop) -> dict[bytes, list[bytes]]:
    """The mails that were taken, by recipient."""
    taken: dict[bytes, list[bytes]] = {}
    for transaction in hop.taken:
        for recipient in transaction.recipients:
            taken.setdefault(recipient, []).append(transaction.content)
    return taken


def tokens(content: bytes) -> set[bytes]:
    """The tokens in a mail."""
    return set(LINK.findall(content))


async def send(relay: Relay, recipients: Sequence[bytes] = FIVE, **more: object) -> Reply:
    """Send the rejection; gives the last reply."""
    replies = await send_mail(relay.port, rejection(), recipients=recipients, **more)  # type: ignore[arg-type]
    return replies[-1]


async def test_each_candidate_gets_a_link_of_their_own_and_the_others_an_untouched_copy() -> None:
    """Rule 12 and promise 4: four candidates, four tokens, each in one copy only; the colleague none."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        answer = await send(relay)
        assert answer.code == 250
        got = by_recipient(hop)
        assert sorted(got) == sorted(FIVE)
        assert all(len(mails) == 1 for mails in got.values())
        found = [tokens(got[recipient][0]) for recipient in FIVE[:4]]
        assert all(len(each) == 1 for each in found)
        assert len(set.union(*found)) == 4
        assert without_trace(got[FIVE[4]][0]) == rejection()
        assert len(relay.ledger.memory.sends) == 4
        assert not relay.ledger.memory.open, "the record is closed with the 250"


async def test_trace_names_the_recipient_of_a_copy_for_one_and_of_no_other() -> None:
    """Rule 13: `for` stands in Received: only when the copy has exactly one recipient."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        await send(relay, (b"a@example.com", b"x@example.co.jp", b"y@example.co.jp"))
        linked = by_recipient(hop)[b"a@example.com"][0]
        shared = by_recipient(hop)[b"x@example.co.jp"][0]
        assert b"for <a@example.com>" in linked[:400]
        assert b"for <" not in shared[:400]
        assert b"example.com" not in shared.split(b"\r\nFrom:")[0]


async def test_excluded_recipients_are_no_candidates() -> None:
    """Rule 12: agencies and archives on the exclude list get the untouched copy."""
    changes = {"gateway": {"exclude": ["*@agency.example"]}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        relay.policy = _excluding(relay, "agent@agency.example")
        await send(relay, (b"a@example.com", b"agent@agency.example"))
        assert without_trace(by_recipient(hop)[b"agent@agency.example"][0]) == rejection()
        assert tokens(by_recipient(hop)[b"a@example.com"][0])


def _excluding(relay: Relay, address: str) -> Policy:
    return replace(relay.policy, is_excluded=lambda one: one == address)


async def test_copies_come_before_nothing_is_committed_or_reset() -> None:
    """Rule 3: the open transaction is reset only after the intents are in the ledger."""
    order: list[str] = []

    class Watched(FakeLedger):
        async def claim(self, mail_key: bytes, copies: Sequence[CopyIntent]) -> list[Claim]:
            order.append("claim")
            return await super().claim(mail_key, copies)

    def note(moment: Moment) -> None:
        if moment.stage in ("rset", "data"):
            order.append(moment.stage)

    async with ScriptedHop(note) as hop, gateway(hop, ledger=Watched()) as relay:
        assert (await send(relay, TWO)).code == 250
        assert order[:3] == ["claim", "rset", "data"]


async def test_a_fault_of_the_ledger_sends_the_original_to_all_through_the_open_transaction() -> None:
    """Rules 3 and 22, promise 1: without the ledger the mail flows untouched, in one transaction."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        relay.ledger.down = True
        assert (await send(relay)).code == 250
        assert len(own(hop)) == 1
        assert own(hop)[0].recipients == list(FIVE)
        assert without_trace(own(hop)[0].content) == rejection()
        assert relay.journal.mails[-1].reason == "ledger-fault"


async def test_policy_defer_makes_the_mail_wait_for_the_ledger() -> None:
    """Rule 22: with `fault = "defer"` the sender is told to try again, and nothing reaches the next hop."""
    changes = {"ledger": {"fault": "defer"}}
    for recipients in (TWO, TWO[:1]):
        async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
            relay.ledger.down = True
            answer = await send(relay, recipients)
            assert (answer.code, answer.enhanced) == (451, "4.3.0")
            assert not any(transaction.data for transaction in own(hop))


async def test_a_recipient_given_twice_is_one_copy_with_both_lines() -> None:
    """Rule 5: RCPT twice is one copy, one token, both lines passed."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        assert (await send(relay, (b"a@example.com", b"A@Example.com"))).code == 250
        assert len(hop.taken) == 1
        assert hop.taken[0].recipients == [b"a@example.com", b"A@Example.com"]
        assert len(tokens(hop.taken[0].content)) == 1


# --- the fold -----------------------------------------------------------------------------------------------


async def test_one_put_off_after_the_dot_is_451_and_the_retry_sends_only_that_copy() -> None:
    """Rules 18 to 20: five recipients, the third gets 450; the retry brings it alone, with the same token."""
    async with hop_with(b"c@example.com", reply(450, "4.2.1 mailbox busy")) as hop, gateway(hop) as relay:
        first = await send(relay)
        assert first.code == 451
        assert "4 of 5" in first.text
        attempted = next(t for t in hop.transactions if t.recipients == [b"c@example.com"])
        assert (await send(relay)).code == 250
        got = by_recipient(hop)
        assert {recipient: len(mails) for recipient, mails in got.items()} == dict.fromkeys(FIVE, 1)
        assert tokens(got[b"c@example.com"][0]) == tokens(attempted.content)
        assert not relay.ledger.memory.open


async def test_a_retry_of_which_one_is_accepted_is_still_that_mail() -> None:
    """Rule 19: who has it does not get it again because the next hop puts off all the others at RCPT."""
    async with hop_with(TWO[1], reply(451, "4.2.1 full")) as hop, gateway(hop) as relay:
        assert (await send(relay, TWO)).code == 451
        assert list(by_recipient(hop)) == [TWO[0]]
        hop.script({("rcpt", TWO[1]): reply(450, "4.2.1 still full")})
        assert (await send(relay, TWO)).code == 250
        assert len(by_recipient(hop)[TWO[0]]) == 1
        hop.script(None)
        assert (await send(relay, TWO[1:])).code == 250
        assert [len(mails) for mails in by_recipient(hop).values()] == [1, 1]


async def test_a_retry_for_one_of_several_is_still_that_mail() -> None:
    """Rule 19: also where the others are refused at RCPT meanwhile, who has the mail doesn't get it twice."""
    async with hop_with(TWO[1], reply(451, "4.2.1 full")) as hop, gateway(hop) as relay:
        assert (await send(relay, TWO)).code == 451
        assert list(by_recipient(hop)) == [TWO[0]]
        hop.script(
            {("rcpt", TWO[0]): reply(450, "4.2.1 slow down"), ("rcpt", TWO[1]): reply(550, "5.1.1 no")}
        )
        assert (await send(relay, TWO)).code // 100 in (4, 5)
        hop.script(None)
        assert (await send(relay, TWO[:1])).code == 250
        assert len(by_recipient(hop)[TWO[0]]) == 1
        row = next(row for row in relay.ledger.memory.sends.values() if row.state is SendState.ACCEPTED)
        assert row.attempts == 0, "nothing was intended again"
        assert not relay.ledger.memory.open
        assert (await send(relay, TWO[:1])).code == 250
        assert len(by_recipient(hop)[TWO[0]]) == 2, "after its end it is a new mail"


async def test_one_comes_again_alone_while_the_others_copy_is_on_the_wire() -> None:
    """Rules 19 and 20: that one's answer ends nothing for the copy that another process still sends."""
    memory, hold = Memory(), asyncio.Event()
    async with hop_with(TWO[1], reply(250, "2.0.0 late").when(hold)) as hop:
        one = gateway(hop, ledger=FakeLedger(memory, name="one"))
        two = gateway(hop, ledger=FakeLedger(memory, name="two"))
        async with one as first, two as second:
            slow = asyncio.create_task(send(first, TWO))
            await hop.wait(
                lambda: any(one.recipients == [TWO[1]] and one.complete for one in hop.transactions)
            )
            assert (await send(second, TWO[:1])).code == 250
            assert (await send(second, TWO[1:])).code == 451, "it is on its way"
            hold.set()
            assert (await slow).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(TWO, 1)
        assert not memory.open


async def test_the_retry_may_come_to_another_process() -> None:
    """Rule 20: the memory of a mail is in the ledger, so another gateway process knows what is owed."""
    memory = Memory()
    async with hop_with(b"c@example.com", reply(450, "4.2.1 busy")) as hop:
        async with gateway(hop, ledger=FakeLedger(memory, name="one")) as relay:
            assert (await send(relay)).code == 451
        async with gateway(hop, ledger=FakeLedger(memory, name="two")) as relay:
            assert (await send(relay)).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(FIVE, 1)


async def test_a_copy_that_another_process_is_sending_is_451() -> None:
    """Rule 20: claimed elsewhere means 451; nothing is sent twice side by side."""
    memory, hold = Memory(), asyncio.Event()
    script = {"dot": [reply(250, "2.0.0 ok").when(hold)]}
    async with ScriptedHop(script) as hop:
        one = gateway(hop, ledger=FakeLedger(memory, name="one"))
        two = gateway(hop, ledger=FakeLedger(memory, name="two"))
        async with one as first, two as second:
            slow = asyncio.create_task(send(first, TWO))
            await hop.wait(lambda: any(transaction.complete for transaction in hop.transactions))
            answer = await send(second, TWO)
            assert (answer.code, answer.enhanced) == (451, "4.3.0")
            hold.set()
            assert (await slow).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(TWO, 1)


async def test_sent_again_on_purpose_after_the_end_is_delivered_again_with_the_same_token() -> None:
    """Rule 19: after 250 the record is closed; the same mail is a new mail, with the token of old."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        for _ in range(2):
            assert (await send(relay, TWO)).code == 250
        got = by_recipient(hop)
        assert [len(got[recipient]) for recipient in TWO] == [2, 2]
        for recipient in TWO:
            assert tokens(got[recipient][0]) == tokens(got[recipient][1])


async def test_all_refused_is_the_first_recipients_reply() -> None:
    """The fold: all refused gives the first one's reply, and no notice."""
    script = {("rcpt", recipient): None for recipient in TWO}
    async with ScriptedHop({**script, "dot": reply(550, "5.7.9 not here")}) as hop, gateway(hop) as relay:
        answer = await send(relay, (b"a@example.com", b"b@example.net"))
        assert (answer.code, answer.enhanced) == (550, "5.7.9")
        assert not hop.taken
        assert not relay.ledger.memory.open, "the record is closed with the 5xx"


def _copies_refuse(recipient: bytes, *more: tuple[bytes, Action]) -> object:
    """RCPT of a recipient is taken in the first transaction and refused in the transaction of its copy."""
    seen: dict[bytes, int] = {}
    actions = dict(more)

    def find(moment: Moment) -> Action | None:
        if moment.stage == "rcpt" and moment.address == recipient:
            seen[recipient] = seen.get(recipient, 0) + 1
            if seen[recipient] > 1:
                return reply(550, "5.1.1 no such user")
        if moment.stage == "rcpt" and moment.address in actions:
            return actions[moment.address]
        return None

    return find


async def test_mixed_without_wish_for_notices_is_250() -> None:
    """The fold: some taken, the rest refused, NOTIFY=NEVER: 250 and no notice."""
    script = _copies_refuse(b"c@example.com")
    async with ScriptedHop(script) as hop, gateway(hop) as relay:  # type: ignore[arg-type]
        assert (await send(relay, rcpt_parameters=b" NOTIFY=NEVER")).code == 250
        assert all(transaction.sender for transaction in hop.taken)


async def test_mixed_is_250_once_the_next_hop_took_the_notice() -> None:
    """The fold, rule 16: a notice from <> to the sender, with the original header and no link; 250."""
    script = _copies_refuse(b"c@example.com")
    async with ScriptedHop(script) as hop, gateway(hop) as relay:  # type: ignore[arg-type]
        assert (await send(relay, mail_parameters=b" ENVID=QQ314159 RET=HDRS")).code == 250
        notice = next(transaction for transaction in hop.taken if not transaction.sender)
        assert notice.recipients == [b"hr@example.co.jp"]
        assert b"Final-Recipient: rfc822; c@example.com" in notice.content
        assert b"Original-Envelope-Id: QQ314159" in notice.content
        assert b"Diagnostic-Code: smtp; 550" in notice.content
        assert b"Message-ID: <rejection-1@example.co.jp>" in notice.content
        assert not tokens(notice.content)
        assert b"X-CareerRelay-Id" not in notice.content
        assert not relay.ledger.memory.open


async def test_mixed_with_the_notice_put_off_is_451_and_the_retry_sends_the_notice_only() -> None:
    """The fold and rule 16: a notice that was put off is owed; the copies are not sent again."""
    refusals = _copies_refuse(b"c@example.com")
    put_off = [reply(450, "4.2.0 later")]

    def script(moment: Moment) -> Action | None:
        if moment.stage == "rcpt" and moment.address == b"hr@example.co.jp" and put_off:
            return put_off.pop()
        return refusals(moment)  # type: ignore[operator, no-any-return]

    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        assert (await send(relay)).code == 451
        first = len(hop.taken)
        # the next hop refuses c at RCPT now, so only those whom it accepts are in the retry
        assert (await send(relay)).code == 250
        assert [transaction.sender for transaction in hop.taken[first:]] in ([b""], [])
        assert all(len(mails) == 1 for mails in by_recipient(hop).values())


async def test_mixed_with_the_notice_refused_for_good_is_554_with_names() -> None:
    """The fold: nobody else can tell the sender, so the reply names who has it and who has not."""
    script = _copies_refuse(b"c@example.com", (b"hr@example.co.jp", reply(550, "5.1.1 no such sender")))
    async with ScriptedHop(script) as hop, gateway(hop) as relay:  # type: ignore[arg-type]
        answer = await send(relay, (b"a@example.com", b"c@example.com"))
        assert answer.code == 554
        assert "a@example.com" in answer.text
        assert "c@example.com" in answer.text
        assert not relay.ledger.memory.open


async def test_unknown_outcome_of_one_copy_is_451_and_it_is_sent_again() -> None:
    """Rule 1: lost after the dot the outcome is unknown; in doubt a duplicate, never a loss."""
    async with hop_with(b"b@example.net", lost()) as hop, gateway(hop) as relay:
        assert (await send(relay, TWO)).code == 451
        states = {row.state for row in relay.ledger.memory.sends.values()}
        assert states == {SendState.ACCEPTED, SendState.UNKNOWN}
        assert (await send(relay, TWO)).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(TWO, 1)


async def test_the_plan_of_an_open_record_holds_though_the_rules_changed() -> None:
    """Rule 21: on the retry, candidates keep their links even if no rule matches any more."""
    async with hop_with(b"b@example.net", reply(450, "4.2.1 busy")) as hop, gateway(hop) as relay:
        assert (await send(relay, TWO)).code == 451
        relay.policy = replace(relay.policy, mode="observe")
        assert (await send(relay, TWO)).code == 250
        got = by_recipient(hop)
        assert [len(got[recipient]) for recipient in TWO] == [1, 1]
        assert tokens(got[b"b@example.net"][0])


async def test_copies_out_of_time_are_put_off_and_the_one_under_way_is_recorded() -> None:
    """Rule 7: several copies have a budget in all; a copy past its dot is still awaited and recorded."""
    hold = asyncio.Event()
    changes = {
        "timeouts": {"copies_seconds": 0.4},
        "ledger": {"wait_seconds": 0.3},
        "limits": {"parallel_copies": 1},
        "next_hop": {"connections": 1},
    }
    script = {"dot": [reply(250, "2.0.0 slow").when(hold)]}
    async with ScriptedHop(script) as hop, gateway(hop, changes=changes) as relay:
        assert (await send(relay, TWO)).code == 451
        hold.set()
        await relay.until(lambda: SendState.ACCEPTED in {r.state for r in relay.ledger.memory.sends.values()})
        assert (await send(relay, TWO)).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(TWO, 1)


async def test_a_sender_lost_before_the_copies_are_complete_loses_nothing() -> None:
    """Rules 6 and 19: what was taken is recorded, the record stays open, and the retry sends the rest."""
    hold = asyncio.Event()
    changes = {"limits": {"parallel_copies": 1}, "next_hop": {"connections": 1}}
    script = {"dot": [reply(250, "2.0.0 ok").when(hold)]}
    async with ScriptedHop(script) as hop, gateway(hop, changes=changes) as relay:
        client = await Client.connect(relay.port)
        async with client:
            await client.reply()
            await client.greet()
            await client.command(b"MAIL FROM:<hr@example.co.jp>")
            for recipient in TWO:
                await client.command(b"RCPT TO:<" + recipient + b">")
            await client.command(b"DATA")
            await client.send(rejection() + b".\r\n")
            await hop.wait(lambda: any(transaction.complete for transaction in hop.transactions))
            client.reset()
        hold.set()
        await relay.until(lambda: not len(relay.registry))
        assert len(relay.ledger.memory.open) == 1
        assert (await send(relay, TWO)).code == 250
        assert {r: len(m) for r, m in by_recipient(hop).items()} == dict.fromkeys(TWO, 1)


async def test_copies_use_other_connections_only_if_they_are_free() -> None:
    """Rule 9: with one connection in the pool a mail for five still goes out, one copy after another."""
    changes = {"next_hop": {"connections": 1}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        assert (await send(relay)).code == 250
        assert len(hop.taken) == 5
        assert max(_open_at_once(hop)) == 1


def _open_at_once(hop: ScriptedHop) -> list[int]:
    return [len({transaction.connection for transaction in hop.taken})]


async def test_two_mails_with_one_connection_do_not_wait_for_each_other_for_ever() -> None:
    """Rule 9: whoever holds a connection never waits for a second one, so full pools don't lock up."""
    changes = {"next_hop": {"connections": 2}, "timeouts": {"pool_wait_seconds": 5}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        mails = [send_mail(relay.port, rejection(n), recipients=FIVE) for n in range(6)]
        answers = await asyncio.wait_for(asyncio.gather(*mails), 10)
        assert [answer[-1].code for answer in answers] == [250] * 6
        assert len(hop.taken) == 30


# --- refused because of the link ----------------------------------------------------------------------------


async def test_a_copy_refused_with_its_link_goes_once_more_without() -> None:
    """Rule 15: the footer is never the reason that a rejection bounces."""
    for recipients in (TWO[:1], TWO):

        def script(moment: Moment) -> Action | None:
            if moment.stage != "dot":
                return None
            content = hop.sessions[moment.connection].transactions[-1].content
            return reply(554, "5.7.1 blocked link") if b"/r/" in content else None

        async with ScriptedHop(script) as hop, gateway(hop) as relay:
            assert (await send(relay, recipients)).code == 250
            assert all(without_trace(t.content) == rejection() for t in hop.taken)
            assert sorted(r for t in hop.taken for r in t.recipients) == sorted(recipients)
            rows = relay.ledger.memory.sends.values()
            assert {row.state for row in rows} == {SendState.UNLINKED}
            assert relay.journal.counts["link-refused"] == len(recipients)


async def test_the_answer_to_the_original_counts() -> None:
    """Rule 15: refused with and without its link, the sender hears the second refusal."""
    script = {"dot": [reply(554, "5.7.1 blocked link"), reply(550, "5.2.2 mailbox full for good")]}
    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        answer = await send(relay, TWO[:1])
        assert (answer.code, answer.enhanced) == (550, "5.2.2")
        assert len(own(hop)) == 2


async def test_five_refused_links_whose_originals_were_taken_pull_the_brake() -> None:
    """Rule 15: then the gateway falls to observe by itself and raises an alarm."""

    def script(moment: Moment) -> Action | None:
        if moment.stage != "dot":
            return None
        content = hop.sessions[moment.connection].transactions[-1].content
        return reply(554, "5.7.1 blocked link") if b"/r/" in content else None

    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        for number in range(5):
            assert not relay.ledger.memory.brake
            await send_mail(relay.port, rejection(number), recipients=TWO[:1])
        assert relay.ledger.memory.brake
        assert any("observe" in alarm for alarm in relay.journal.alarms)


async def test_a_refusal_of_the_gateway_is_no_refusal_of_the_link() -> None:
    """Rules 4 and 15: an expired password at the dot is 451, and no second attempt is made."""
    script = {"dot": reply(550, "5.7.64 TenantAttribution; relay access denied")}
    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        answer = await send(relay, TWO[:1])
        assert answer.code == 451
        assert len(own(hop)) == 1


async def test_put_off_twice_for_its_content_the_third_attempt_goes_as_the_original() -> None:
    """Rule 15: 4.7.x after the dot twice while untouched mail is taken: the link is left out."""

    def script(moment: Moment) -> Action | None:
        if moment.stage != "dot":
            return None
        content = hop.sessions[moment.connection].transactions[-1].content
        return reply(451, "4.7.1 content put off") if b"/r/" in content else None

    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        assert [(await send(relay, TWO[:1])).code for _ in range(3)] == [451, 451, 250]
        assert without_trace(hop.taken[-1].content) == rejection()
        assert {row.state for row in relay.ledger.memory.sends.values()} == {SendState.UNLINKED}


async def test_put_off_twice_while_the_next_hop_takes_nothing_keeps_its_link() -> None:
    """Rule 15: without proof that untouched mail passes, the mail system is in trouble and not the link."""
    script = {"dot": [reply(451, "4.7.1 later"), reply(451, "4.7.1 later"), None]}
    async with ScriptedHop(script) as hop, gateway(hop) as relay:
        assert [(await send(relay, TWO[:1])).code for _ in range(3)] == [451, 451, 250]
        assert tokens(hop.taken[-1].content)


# --- LMTP ---------------------------------------------------------------------------------------------------


async def test_lmtp_answers_for_each_recipient() -> None:
    """Rule 17: one reply a recipient, no fold, no memory, no notice."""
    script = _copies_refuse(b"b@example.com")
    async with ScriptedHop(script) as hop, gateway(hop) as relay:  # type: ignore[arg-type]
        replies = await send_mail(relay.lmtp_port, rejection(), recipients=FIVE, lmtp=True)
        assert [answer.code for answer in replies[-5:]] == [250, 550, 250, 250, 250]
        assert all(transaction.sender for transaction in hop.transactions)
        assert "claim" not in relay.ledger.calls
        assert len(relay.ledger.memory.sends) == 4


async def test_lmtp_retry_keeps_the_token() -> None:
    """Promise 4 with LMTP: the sender tries the one recipient again, who gets the same token."""
    async with hop_with(b"b@example.com", reply(450, "4.2.1 busy")) as hop, gateway(hop) as relay:
        replies = await send_mail(relay.lmtp_port, rejection(), recipients=FIVE, lmtp=True)
        assert [answer.code for answer in replies[-5:]] == [250, 450, 250, 250, 250]
        attempted = next(t for t in hop.transactions if t.recipients == [b"b@example.com"])
        again = await send_mail(relay.lmtp_port, rejection(), recipients=(b"b@example.com",), lmtp=True)
        assert again[-1].code == 250
        assert tokens(hop.taken[-1].content) == tokens(attempted.content)


async def test_lmtp_ordinary_mail_is_one_transaction_and_one_reply_each() -> None:
    """Rule 17: an untouched mail goes once to the next hop; its answer is everybody's."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        replies = await send_mail(relay.lmtp_port, ORDINARY, recipients=FIVE, lmtp=True)
        assert [answer.code for answer in replies[-5:]] == [250] * 5
        assert len(hop.taken) == 1


# --- the ledger after the wire ----------------------------------------------------------------------------


async def test_ledger_gone_after_the_wire_changes_no_reply() -> None:
    """Rule 22: all taken is 250, whatever becomes of the outcomes."""

    class Breaking(FakeLedger):
        async def settle(self, *args: object, **more: object) -> None:
            raise LedgerFault("gone after the wire")

    async with ScriptedHop() as hop, gateway(hop, ledger=Breaking()) as relay:
        assert (await send(relay)).code == 250
        assert len(hop.taken) == 5
        assert any("outcomes" in fault for fault in relay.journal.faults)


async def test_intent_is_in_the_ledger_before_the_wire_and_the_outcome_after() -> None:
    """Promise 5: no content leaves before the intent is committed; the outcome is written after."""
    states: list[SendState | None] = []

    def look(moment: Moment) -> None:
        if moment.stage == "data":
            states.extend(row.state for row in relay.ledger.memory.sends.values())

    async with ScriptedHop(look) as hop, gateway(hop) as relay:
        assert (await send(relay, TWO[:1])).code == 250
        assert states == [SendState.INTENDED]
        row = next(iter(relay.ledger.memory.sends.values()))
        assert (row.state, row.reply[:3]) == (SendState.ACCEPTED, "250")


async def test_no_answer_to_the_dot_of_a_copy_is_put_off_in_bounded_time() -> None:
    """Rule 7: a silent next hop costs its budget and no more; the outcome is unknown."""
    changes = {"timeouts": {"dot_seconds": 0.5, "copies_seconds": 0.4}, "ledger": {"wait_seconds": 0.3}}
    async with ScriptedHop({"dot": [silent()]}) as hop, gateway(hop, changes=changes) as relay:
        assert (await asyncio.wait_for(send(relay, TWO), 5)).code == 451
        assert (await send(relay, TWO)).code == 250
        assert sorted({r for t in hop.taken for r in t.recipients}) == sorted(TWO)


@pytest.mark.parametrize("recipients", [TWO[:1], TWO])
async def test_a_mail_with_our_own_link_gets_no_second_one(recipients: tuple[bytes, ...]) -> None:
    """Promise 4: no mail gets two footers, whether the header or only the link is left of the first."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        await send(relay, recipients[:1])
        once = without_trace(hop.taken[-1].content)
        bare = b"\r\n".join(line for line in once.split(b"\r\n") if not line.startswith(b"X-CareerRelay-Id"))
        for content, reason in ((once, "own-header"), (bare, "has-link")):
            replies = await send_mail(relay.port, content, recipients=recipients)
            assert replies[-1].code == 250
            assert without_trace(hop.taken[-1].content) == content
            assert relay.journal.mails[-1].reason == reason


def test_notice_states_are_those_that_the_ledger_keeps() -> None:
    """Rule 16: that a notice was sent is remembered; the names are part of the schema."""
    assert {notice.value for notice in Notice} == {"unwanted", "taken", "put-off", "refused"}
