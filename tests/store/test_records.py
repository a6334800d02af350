"""The memory of a mail with several recipients: SMTP.md rules 3, 16 and 18 to 21, on both databases."""

import asyncio
import dataclasses
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from gateway.errors import LedgerFault
from gateway.ledger.claims import ProcessMark
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.smtp.reply import Reply
from gateway.store import Database, LedgerReader, LedgerStore
from gateway.store.process import own_mark
from gateway.store.work import Work
from gateway.transaction.ports import PlannedCopy, SendState, Standing
from tests.store.values import became, copy, intent, key

MAIL = key("mail")
OURS, SETTLED, ELSEWHERE = Standing.OURS, Standing.SETTLED, Standing.ELSEWHERE


def store(url: str, node: str = "node1", **settings: object) -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(url, node=node, **settings)  # type: ignore[arg-type]


def count(url: str, table: str) -> int:
    """How many rows a table has."""
    with Database(url).reader().connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608 - our own name


def pretend(ledger: LedgerStore, **changes: object) -> None:
    """Let the store take itself for another process."""
    session = ledger._writer._session
    mark = dataclasses.replace(session._desk.mark, **changes)  # type: ignore[arg-type]  # any of its fields
    session._desk = dataclasses.replace(session._desk, mark=mark)


async def test_unknown_mail_has_no_record(url: str) -> None:
    """Rule 21: a look-up of a new mail finds nothing, and makes nothing."""
    async with store(url) as ledger:
        assert await ledger.find(MAIL) is None
    assert count(url, "mails") == 0


async def test_claim_opens_a_record(url: str) -> None:
    """Rule 19: all recipients are claimed, the plan and the intents stand in the ledger when it returns."""
    async with store(url) as ledger:
        claims = await ledger.claim(MAIL, [copy("a"), copy("colleague", linked=False)])
        found = await ledger.find(MAIL)
    assert [(one.person, one.standing, one.outcome) for one in claims] == [
        (key("a"), OURS, None),
        (key("colleague"), OURS, None),
    ]
    assert claims[0].issued is not None
    assert claims[0].issued.token == intent("mail", "a").token
    assert claims[1].issued is None
    assert found is not None
    assert found.notice is None
    assert found.copies == {
        key("a"): PlannedCopy(
            person=key("a"),
            linked=True,
            campaign="spring",
            rule="ja-rejection",
            footer="default-ja",
            ruleset="0123456789ab",
        ),
        key("colleague"): PlannedCopy(person=key("colleague"), linked=False),
    }
    with LedgerReader(url) as reader:
        assert [send.state for send in reader.last_sends(5)] == [SendState.INTENDED]


async def test_what_is_under_way_is_elsewhere(url: str) -> None:
    """Rule 20: claimed by a living process, be it this one or another of the node, means hands off.

    Nothing is intended anew.
    """
    async with store(url) as first, store(url) as second:
        await first.claim(MAIL, [copy("a"), copy("b")])
        assert [one.standing for one in await first.claim(MAIL, [copy("a")])] == [ELSEWHERE]
        claims = await second.claim(MAIL, [copy("b"), copy("a"), copy("new")])
    assert [(one.standing, one.issued is not None) for one in claims] == [
        (ELSEWHERE, False),
        (ELSEWHERE, False),
        (OURS, True),
    ]
    with LedgerReader(url) as reader:
        assert {send.attempts for send in reader.last_sends(5)} == {1}


async def test_settled_copies_are_skipped_owed_ones_are_not(url: str) -> None:
    """Rule 19: of five, those with a final outcome are told with their replies.

    Put off and unknown are ours again.
    """
    fates = [Fate.TAKEN, Fate.REFUSED, Fate.PUT_OFF, Fate.UNKNOWN]
    persons = [fate.value for fate in fates]
    said = Reply(550, (b"5.1.1 line one", b"5.1.1 line \xe3\x81\x82 two"))
    async with store(url) as first:
        await first.claim(MAIL, [copy(person) for person in persons])
        outcomes = [
            became(person, fate, reply=said if fate is Fate.REFUSED else None)
            for person, fate in zip(persons, fates, strict=True)
        ]
        await first.settle(MAIL, outcomes, close=False)
    async with store(url, "node2") as second:
        claims = await second.claim(MAIL, [copy(person) for person in persons])
    assert [one.standing for one in claims] == [SETTLED, SETTLED, OURS, OURS]
    assert claims[0].outcome == Outcome(Fate.TAKEN, Reply(250, (b"2.0.0 said so",)))
    assert claims[1].outcome == Outcome(Fate.REFUSED, said)
    assert [one.issued.attempts for one in claims if one.issued] == [1, 1]
    assert [one.issued.token for one in claims if one.issued] == [
        intent("mail", person).token for person in persons[2:]
    ]


async def test_outcomes_reach_the_sends(url: str) -> None:
    """Settling a copy also says of its send what became of it, in the same commit."""
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a"), copy("b")])
        await ledger.settle(MAIL, [became("a", Fate.TAKEN), became("b", Fate.REFUSED)], close=False)
        with LedgerReader(url) as reader:
            states = {send.token: (send.state, send.reply) for send in reader.last_sends(5)}
    assert states == {
        intent("mail", "a").token: (SendState.ACCEPTED, "250 2.0.0 said so"),
        intent("mail", "b").token: (SendState.REFUSED, "550 2.0.0 said so"),
    }


async def test_closed_mail_is_a_new_mail(url: str) -> None:
    """Rule 19: after the end of the record the same mail is delivered again, with the same token.

    No row is left.
    """
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a"), copy("b")])
        await ledger.settle(MAIL, [became("a", Fate.TAKEN), became("b", Fate.TAKEN)], close=True)
        assert await ledger.find(MAIL) is None
        assert (count(url, "mails"), count(url, "copies")) == (0, 0)
        claims = await ledger.claim(MAIL, [copy("a")])
    assert [(one.standing, one.issued and one.issued.token) for one in claims] == [
        (OURS, intent("mail", "a").token)
    ]


async def test_notice_is_remembered(url: str) -> None:
    """Rule 16: a failure notice that was taken or refused is not sent again; one put off is."""
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a")])
        for given, known in ((Notice.PUT_OFF, None), (Notice.TAKEN, Notice.TAKEN), (None, Notice.TAKEN)):
            await ledger.settle(MAIL, [], notice=given, close=False)
            found = await ledger.find(MAIL)
            assert found is not None
            assert found.notice is known


async def test_taken_stays_taken(url: str) -> None:
    """Two processes sent the same copy after a lost lease.

    That it was taken once counts, whoever says so last.
    """
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a")])
        await ledger.settle(MAIL, [became("a", Fate.TAKEN)], close=False)
        await ledger.settle(MAIL, [became("a", Fate.REFUSED)], close=False)
        (claim,) = await ledger.claim(MAIL, [copy("a")])
    assert claim.outcome is not None
    assert claim.outcome.fate is Fate.TAKEN


async def test_late_word_frees_nobody_elses_claim(url: str) -> None:
    """A process whose lease was over says "put off" late: the claim of the one that took over stays."""
    async with store(url, "slow", lease_seconds=0) as slow, store(url, "quick") as quick:
        await slow.claim(MAIL, [copy("a")])
        assert [one.standing for one in await quick.claim(MAIL, [copy("a")])] == [OURS]
        await slow.settle(MAIL, [became("a", Fate.PUT_OFF)], close=False)
        assert [one.standing for one in await slow.claim(MAIL, [copy("a")])] == [ELSEWHERE]


async def test_lease_of_another_node(url: str) -> None:
    """Rule 20: another node's claim holds until its lease is over, and no longer.

    Its process can't be asked.
    """
    async with store(url, "other", lease_seconds=0.3) as other, store(url) as ours:
        await other.claim(MAIL, [copy("a")])
        assert [one.standing for one in await ours.claim(MAIL, [copy("a")])] == [ELSEWHERE]
        await asyncio.sleep(0.35)
        assert [one.standing for one in await ours.claim(MAIL, [copy("a")])] == [OURS]


DEAD = [
    pytest.param({"pid": 2**22 + 1}, id="no-such-process"),
    pytest.param({"started": 1}, id="number-used-again"),
    pytest.param({"boot": "before-the-reboot"}, id="rebooted"),
]


@pytest.mark.parametrize("changes", DEAD)
async def test_dead_process_of_this_node(url: str, changes: dict[str, object]) -> None:
    """Rule 20.

    A claim of a process of this node that is dead holds nobody up, even with its lease running.
    """
    dead = store(url)
    pretend(dead, **changes)
    async with store(url) as ours:
        await ours.find(MAIL)  # it has looked for dead ones before this one came
        dead.start()
        await dead.claim(MAIL, [copy("a")])
        assert [one.standing for one in await ours.claim(MAIL, [copy("a")])] == [OURS]
        await dead.close()


async def test_process_of_another_container(url: str) -> None:
    """The same node name in another process namespace.

    Its numbers mean nothing here, so the lease decides.
    """
    other = store(url)
    pretend(other, space="pid:[1]", pid=2**22 + 1)
    async with store(url) as ours:
        await ours.find(MAIL)
        other.start()
        await other.claim(MAIL, [copy("a")])
        assert [one.standing for one in await ours.claim(MAIL, [copy("a")])] == [ELSEWHERE]
        await other.close()


async def test_claims_of_the_dead_are_freed_at_start(url: str) -> None:
    """Rule 20.

    Whoever starts on a node takes its dead processes out of the ledger, and leaves other nodes' alone.
    """
    mark = own_mark("node1")
    dead, far = store(url), store(url, "node2")
    pretend(dead, pid=2**22 + 1)
    pretend(far, pid=2**22 + 1)
    for ledger, mail in ((dead, "dead"), (far, "far")):
        ledger.start()
        await ledger.claim(key(mail), [copy("a", mail=mail)])
        # ended without a word, as with kill -9
        ledger._writer._session.leave = ledger._writer._session.drop  # type: ignore[method-assign]
        await ledger.close()
    async with store(url) as ours:
        await ours.find(MAIL)
        with Database(url).reader().connect() as connection:
            claimed = connection.execute(text("SELECT mail_key FROM copies WHERE claimed_by IS NOT NULL"))
            assert [bytes(row.mail_key) for row in claimed] == [key("far")]
            left = connection.execute(text("SELECT node, pid FROM processes ORDER BY node")).all()
    assert [tuple(row) for row in left] == [("node1", mark.pid), ("node2", 2**22 + 1)]


async def test_orderly_end_leaves_nothing(url: str) -> None:
    """A store that is closed gives its claims back, so that a restart sends at once what is owed."""
    async with store(url, "other") as other:
        await other.claim(MAIL, [copy("a")])
    assert count(url, "processes") == 0
    async with store(url) as ours:
        assert [one.standing for one in await ours.claim(MAIL, [copy("a")])] == [OURS]


async def test_records_expire(url: str) -> None:
    """Rule 20: records live for `record_days`; then the mail is a new one, whatever was settled."""
    async with store(url) as ledger, store(url, record_days=1e-9) as forgetful:
        await forgetful.find(MAIL)  # so that it isn't its start that deletes the record
        await ledger.claim(MAIL, [copy("a"), copy("b")])
        await ledger.settle(MAIL, [became("a", Fate.TAKEN)], notice=Notice.TAKEN, close=False)
        assert await forgetful.find(MAIL) is None
        assert [one.standing for one in await forgetful.claim(MAIL, [copy("a")])] == [OURS]
        found = await ledger.find(MAIL)
    assert found is not None
    assert (found.notice, set(found.copies)) == (None, {key("a")})


async def test_old_records_are_deleted(url: str) -> None:
    """What has expired goes when a process starts, and not before."""
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a")])
    async with store(url) as ledger:
        assert await ledger.find(MAIL) is not None
    async with store(url, record_days=1e-9) as ledger:
        await ledger.find(MAIL)
    assert (count(url, "mails"), count(url, "copies")) == (0, 0)


async def test_recipient_given_twice(url: str) -> None:
    """Rule 5: one copy, one token, and an answer for each line."""
    async with store(url) as ledger:
        claims = await ledger.claim(MAIL, [copy("a"), copy("a"), copy("b")])
    assert [one.standing for one in claims] == [OURS, OURS, OURS]
    assert claims[0] == claims[1]
    with LedgerReader(url) as reader:
        assert sorted(send.attempts for send in reader.last_sends(5)) == [1, 1]


async def test_many_recipients(url: str) -> None:
    """A thousand recipients are one commit."""
    copies = [copy(str(number), linked=number % 2 == 0) for number in range(1_000)]
    async with store(url, wait_seconds=20) as ledger:
        claims = await ledger.claim(MAIL, copies)
        assert [one.person for one in claims] == [one.person for one in copies]
        assert {one.standing for one in claims} == {OURS}
        await ledger.settle(MAIL, [became(str(number), Fate.TAKEN) for number in range(1_000)], close=False)
        assert {one.standing for one in await ledger.claim(MAIL, copies)} == {SETTLED}


async def test_two_nodes_same_mail_same_moment(url: str) -> None:
    """Each recipient is ours on exactly one of the nodes, and has one token on both."""
    copies = [copy(str(number)) for number in range(5)]
    async with store(url, "one") as one, store(url, "two") as two, store(url, "three") as three:
        for turn in range(10):
            mail = key(str(turn))
            answers = await asyncio.gather(*(ledger.claim(mail, copies) for ledger in (one, two, three)))
            for claims in zip(*answers, strict=True):
                assert sorted(claim.standing.value for claim in claims) == ["elsewhere", "elsewhere", "ours"]


def test_own_mark_is_of_this_process() -> None:
    """The mark names this very process: the same now and later, with a start and a boot."""
    mark = own_mark("node1")
    assert mark == own_mark("node1")
    assert isinstance(mark, ProcessMark)
    assert mark.started > 0
    assert len(mark.boot) == 36


async def test_one_of_several_comes_again_alone(url: str) -> None:
    """Rule 19: an intent for one person of an open record is not written; it has to be claimed."""
    async with store(url) as ledger:
        await ledger.claim(MAIL, [copy("a"), copy("b")])
        await ledger.settle(MAIL, [became("a", Fate.TAKEN), became("b", Fate.PUT_OFF)], close=False)
        alone, other, new = await ledger.intend(
            [
                intent("mail", "a", attempt=1, alone=True),
                intent("another", "a", alone=True),
                intent("mail", "c"),
            ]
        )
        (claim,) = await ledger.claim(MAIL, [copy("a")])
        # an intent that says nothing of being alone (LMTP) is one like any other
        (plain,) = await ledger.intend([intent("mail", "a", attempt=2)])
        await ledger.settle(MAIL, [], close=True)
        (after,) = await ledger.intend([intent("mail", "a", attempt=3, alone=True)])
    assert (alone.recorded, other.recorded, new.recorded) == (True, False, False)
    assert claim.standing is SETTLED
    assert (plain.recorded, plain.token, plain.attempts) == (False, intent("mail", "a").token, 1)
    assert (after.recorded, after.attempts) == (False, 2)
    assert count(url, "mails") == 0


async def test_the_end_leaves_what_another_has_on_the_wire(url: str) -> None:
    """Rule 20: whoever closes the record for one person keeps the claim of another attempt on another one."""
    async with store(url) as one, store(url, "node2") as two:
        await one.claim(MAIL, [copy("a"), copy("b")])
        await one.settle(MAIL, [became("a", Fate.TAKEN)], close=False)
        (claim,) = await two.claim(MAIL, [copy("a")])
        assert claim.standing is SETTLED
        await two.settle(MAIL, [], close=True)
        (claim,) = await two.claim(MAIL, [copy("b")])
        assert claim.standing is ELSEWHERE
        await one.settle(MAIL, [became("b", Fate.TAKEN)], close=True)
    assert count(url, "mails") == count(url, "copies") == 0


async def test_a_claim_whose_commit_was_not_heard_of_is_not_held_for_its_lease(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 20: committed, and nobody heard of it (a file moved away, a connection cut): the mail goes on."""
    async with store(url) as one, store(url, "node2") as two:
        (held,) = await one.claim(MAIL, [copy("held")])
        assert held.standing is OURS
        session = one._writer._session
        done = session._perform

        committed, gone = threading.Event(), threading.Event()

        def lost(connection: Connection, works: Sequence[Work]) -> list[object]:
            monkeypatch.setattr(session, "_perform", done)
            done(connection, works)
            committed.set()
            gone.wait(10)
            raise LedgerFault("the answer is lost")

        gone.set()
        monkeypatch.setattr(session, "_perform", lost)
        (again,) = await one.claim(MAIL, [copy("a")])  # tried again by itself
        assert again.standing is OURS
        await one.settle(MAIL, [became("a", Fate.PUT_OFF)], close=False)

        committed.clear()
        gone.clear()
        monkeypatch.setattr(session, "_perform", lost)
        claiming = asyncio.create_task(one.claim(MAIL, [copy("b")]))
        assert await asyncio.to_thread(committed.wait, 10)
        claiming.cancel()  # nobody waits for it any more
        await asyncio.sleep(0)
        gone.set()
        await one.find(MAIL)
        claims = await two.claim(MAIL, [copy("b"), copy("held")])
        assert [claim.standing for claim in claims] == [OURS, ELSEWHERE]
