"""Intents and outcomes, on SQLite and PostgreSQL alike."""

import asyncio

import pytest

from gateway.store import LedgerReader, LedgerStore, SendFilter
from gateway.store.database import _CACHED_STATEMENTS
from gateway.store.sends import _portions
from gateway.transaction.ports import SendState
from tests.store.values import intent, key, outcome


def store(url: str, **settings: object) -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(url, node="node1", **settings)  # type: ignore[arg-type]


async def test_first_intent_gets_its_own_token(url: str) -> None:
    """A send that is new keeps the token it came with, and nothing happened to it before."""
    async with store(url) as ledger:
        (issued,) = await ledger.intend([intent()])
    assert (issued.token, issued.attempts, issued.put_off) == (intent().token, 0, 0)


async def test_same_mail_to_same_person_keeps_its_token(url: str) -> None:
    """Rule 19: a later attempt gets the first one's token, also from another process and after a restart."""
    async with store(url) as first, store(url) as second:
        await first.intend([intent()])
        (issued,) = await second.intend([intent(attempt=1)])
    assert (issued.token, issued.attempts) == (intent().token, 1)
    async with store(url) as later:
        (again,) = await later.intend([intent(attempt=2)])
    assert (again.token, again.attempts) == (intent().token, 2)


async def test_same_send_twice_in_one_call(url: str) -> None:
    """One row, one token; the second answer counts the first as an attempt before it."""
    async with store(url) as ledger:
        answers = await ledger.intend([intent(), intent(person="other"), intent(attempt=1)])
    assert [(one.token, one.attempts) for one in answers] == [
        (intent().token, 0),
        (intent(person="other").token, 0),
        (intent().token, 1),
    ]


async def test_same_send_twice_in_one_batch(url: str) -> None:
    """Two sessions of one process with the same mail at the same moment share a token."""
    async with store(url) as ledger:
        answers = await asyncio.gather(*(ledger.intend([intent(attempt=number)]) for number in range(20)))
    assert len({answer[0].token for answer in answers}) == 1
    assert sorted(answer[0].attempts for answer in answers) == list(range(20))


async def test_new_and_known_people_in_one_batch(url: str) -> None:
    """Who is in the ledger already keeps token and count beside those who are new to it."""
    async with store(url) as ledger:
        await ledger.intend([intent(person="a"), intent(person="c")])
        answers = await ledger.intend(
            [
                intent(person="a", attempt=1),
                intent(person="b"),
                intent(person="c", mail="another"),
                intent(person="d"),
                intent(person="b", attempt=1),
            ]
        )
    assert [(one.token, one.attempts) for one in answers] == [
        (intent(person="a").token, 1),
        (intent(person="b").token, 0),
        (intent(person="c", mail="another").token, 0),
        (intent(person="d").token, 0),
        (intent(person="b").token, 1),
    ]
    with LedgerReader(url) as reader:
        sends = reader.last_sends(9)
    assert sorted(send.attempts for send in sends) == [1, 1, 1, 2, 2]


async def test_no_intents_is_nothing(url: str) -> None:
    """An empty call has an empty answer."""
    async with store(url) as ledger:
        assert await ledger.intend([]) == []


async def test_many_rows_at_once(url: str) -> None:
    """More rows than one statement takes still are one answer in order."""
    wanted = [intent(person=str(number)) for number in range(1_300)]
    async with store(url) as ledger:
        answers = await ledger.intend(wanted)
    assert [one.token for one in answers] == [one.token for one in wanted]


async def test_intent_is_there_before_anything_else(url: str) -> None:
    """Promise 5: when `intend` returns, another connection sees the send as intended."""
    async with store(url) as ledger:
        await ledger.intend([intent()])
        with LedgerReader(url) as reader:
            (send,) = reader.last_sends(5)
    assert (send.state, send.accepted_at, send.settled_at) == (SendState.INTENDED, None, None)
    assert (send.token, send.campaign, send.rule, send.sender) == (
        intent().token,
        "spring",
        "ja-rejection",
        "saiyo@example.co.jp",
    )


async def test_outcome_is_written(url: str) -> None:
    """The next hop's word stands beside the intent once the store is closed."""
    async with store(url) as ledger:
        await ledger.intend([intent()])
        ledger.note(outcome())
    with LedgerReader(url) as reader:
        (send,) = reader.last_sends(5)
    assert (send.state, send.reply, send.host) == (SendState.ACCEPTED, "250 2.0.0 queued", "192.0.2.1:25")
    assert send.accepted_at is not None
    assert send.accepted_at == send.settled_at
    assert send.intended_at <= send.accepted_at


async def test_put_offs_are_counted(url: str) -> None:
    """Rule 15 needs to know how often a copy with a link was put off after the dot.

    Other delays don't count.
    """
    async with store(url) as ledger:
        for put_off in (True, False, True):
            await ledger.intend([intent()])
            ledger.note(outcome(state=SendState.PUT_OFF, put_off=put_off))
        (issued,) = await ledger.intend([intent()])
    assert (issued.put_off, issued.attempts) == (2, 3)


async def test_second_send_of_taken_mail_keeps_what_was_taken(url: str) -> None:
    """A mail sent again on purpose: the row says what the copy carried that was taken, and when that was."""
    async with store(url) as ledger:
        await ledger.intend([intent()])
        ledger.note(outcome())
        await ledger.intend([intent(campaign="autumn", footer="other")])
        ledger.note(outcome(state=SendState.REFUSED, reply="550 5.7.1 no"))
    with LedgerReader(url) as reader:
        (send,) = reader.last_sends(5)
    assert (send.campaign, send.footer) == ("spring", "default-ja")
    assert (send.state, send.reply) == (SendState.REFUSED, "550 5.7.1 no")
    assert send.accepted_at is not None
    assert send.attempts == 2


async def test_attempt_that_was_not_taken_gives_way(url: str) -> None:
    """Until a copy was taken, the row says what the latest attempt carried."""
    async with store(url) as ledger:
        await ledger.intend([intent()])
        ledger.note(outcome(state=SendState.PUT_OFF))
        await ledger.intend([intent(campaign="autumn")])
    with LedgerReader(url) as reader:
        (send,) = reader.last_sends(5)
    assert (send.campaign, send.state, send.reply, send.settled_at) == (
        "autumn",
        SendState.INTENDED,
        "",
        None,
    )


async def test_outcome_without_intent_is_logged(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """What fits no row isn't lost without a word: the log has a line to repair from, without an address."""
    async with store(url) as ledger:
        ledger.note(outcome(person="nobody"))
    (record,) = [one for one in caplog.records if one.name == "careerrelay.ledger"]
    assert key("nobody").hex() in record.getMessage()
    with LedgerReader(url) as reader:
        assert reader.last_sends(5) == []


async def test_address_only_by_choice(url: str) -> None:
    """Promise 8: no address unless one is given; once known it stays, and is not repeated in other rows."""
    async with store(url) as ledger:
        await ledger.intend([intent(mail="first")])
        with LedgerReader(url) as reader:
            assert [send.address for send in reader.last_sends(5)] == [None]
        await ledger.intend([intent(mail="second", address="taro@example.com")])
        await ledger.intend([intent(mail="third")])
    with LedgerReader(url) as reader:
        found = reader.last_sends(5)
    assert [send.address for send in found] == ["taro@example.com"] * 3
    assert len({send.person for send in found}) == 1


HOSTILE = [
    "'; DROP TABLE sends; --",
    "nul \0 in it",
    "lone \ud800 surrogate",
    "%s %(x)s ? :name {token}",
    "\\x00 \\' \"",
    "お祈り申し上げます 🙏",
    "a" * 100_000,
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
async def test_hostile_text(url: str, text: str) -> None:
    """Whatever a Message-ID, sender or reply holds is written, bounded.

    And hurts no other row in the batch.
    """
    async with store(url) as ledger:
        answers = await asyncio.gather(
            ledger.intend([intent(mail="bad", sender=text, message_id=text, campaign=text, address=text)]),
            ledger.intend([intent(mail="good")]),
        )
        ledger.note(outcome(mail="bad", reply=text))
        ledger.note(outcome(mail="good"))
    assert [answer[0].attempts for answer in answers] == [0, 0]
    with LedgerReader(url) as reader:
        by_token = {send.token: send for send in reader.last_sends(5)}
    bad, good = by_token[intent(mail="bad").token], by_token[intent(mail="good").token]
    assert (bad.state, good.state) == (SendState.ACCEPTED, SendState.ACCEPTED)
    assert len(bad.sender) <= 1_000
    assert "\0" not in bad.reply
    if text.isprintable() and len(text) < 1_000:
        assert (bad.sender, bad.message_id, bad.campaign, bad.reply) == (text,) * 4


async def test_reader_filters(url: str) -> None:
    """Lists can be narrowed to states, campaigns and a token; newest first, export oldest first."""
    async with store(url) as ledger:
        for number in range(4):
            await ledger.intend([intent(mail=str(number), campaign="even" if number % 2 == 0 else "odd")])
        ledger.note(outcome(mail="1"))
        ledger.note(outcome(mail="2"))
    with LedgerReader(url) as reader:

        def mails(wanted: SendFilter, last: int = 10) -> list[bytes]:
            return [send.token for send in reader.last_sends(last, wanted)]

        token = {number: intent(mail=str(number)).token for number in range(4)}
        assert mails(SendFilter()) == [token[3], token[2], token[1], token[0]]
        assert mails(SendFilter(), last=1) == [token[3]]
        assert mails(SendFilter(states=[SendState.ACCEPTED])) == [token[2], token[1]]
        assert mails(SendFilter(campaigns=["odd"])) == [token[3], token[1]]
        assert mails(SendFilter(token=token[0])) == [token[0]]
        assert [send.token for send in reader.all_sends()] == [token[0], token[1], token[2], token[3]]


async def test_reader_pages(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export goes through any number of pages, each row once, while the gateway writes on."""
    monkeypatch.setattr("gateway.store.reader._PAGE", 7)
    async with store(url) as ledger:
        await ledger.intend([intent(mail=str(number)) for number in range(30)])
        with LedgerReader(url) as reader:
            rows = reader.all_sends()
            seen = [next(rows).token]
            await ledger.intend([intent(mail="later")])
            seen += [send.token for send in rows]
            assert len(reader.last_sends(20)) == 20
    assert len(seen) == len(set(seen)) == 31


def test_portions_are_few_and_of_few_sizes() -> None:
    """Nearly always one statement, and all the texts that there are fit into what a connection keeps."""
    sizes: set[int] = set()
    for count in range(600):
        portions = list(_portions(count))
        assert [place for start, end in portions for place in range(start, end)] == list(range(count))
        assert len(portions) <= count // 64 + 2
        assert len(portions) == 1 or not 0 < count <= 24
        sizes |= {end - start for start, end in portions}
    # for people and for sends, with room for the others
    assert 2 * len(sizes) < _CACHED_STATEMENTS * 2 // 3
