"""Who is to get no link after all: asked where the intent is written, with no commit of its own."""

import asyncio

import pytest
from sqlalchemy import text

from gateway.reason import Reason
from gateway.store import Database, LedgerReader, LedgerStore
from gateway.transaction.ports import Issued, SendIntent, SendState, Standing
from tests.store.values import copy, intent, key, outcome


def store(url: str, node: str = "node1") -> LedgerStore:
    """A store of that node, not started yet."""
    return LedgerStore(url, node=node)


def suppress(url: str, person: str = "person") -> None:
    """That person asked for no more."""
    with Database(url).writer(5).connect() as connection, connection.begin():
        connection.execute(
            text("INSERT INTO suppressions (hash, at, source) VALUES (:hash, 1, 'test')"),
            {"hash": key(person)},
        )


def rare(mail: str, person: str = "person", *, attempt: int = 0, **changes: object) -> SendIntent:
    """An intent where nobody gets two links within 90 days."""
    return intent(mail, person, attempt=attempt, frequency_days=90, **changes)


def sends(url: str) -> int:
    """How many sends there are."""
    with LedgerReader(url) as reader:
        return len(reader.last_sends(100))


async def ask(ledger: LedgerStore, *intents: SendIntent) -> list[Reason | None]:
    """Why each of them is left alone."""
    return [one.left for one in await ledger.intend(intents)]


async def test_suppressed_person_gets_no_link(url: str) -> None:
    """Nor does the ledger keep anything of it; others in the same commit get theirs."""
    suppress(url)
    async with store(url) as ledger:
        first, second = await ledger.intend([intent("m1"), intent("m1", "other")])
    assert (first.left, second.left) == (Reason.SUPPRESSED, None)
    assert second.token == intent("m1", "other").token
    assert sends(url) == 1


async def test_suppressed_between_two_attempts(url: str) -> None:
    """A retry carries no link either, once the person has asked for no more."""
    async with store(url) as ledger:
        assert await ask(ledger, intent()) == [None]
        suppress(url)
        assert await ask(ledger, intent()) == [Reason.SUPPRESSED]


async def test_one_link_a_person(url: str) -> None:
    """Over all campaigns; another company, and another person, are another matter."""
    async with store(url) as ledger:
        assert await ask(ledger, rare("m1")) == [None]
        ledger.note(outcome("m1"))
        assert await ask(ledger, rare("m2", campaign="autumn")) == [Reason.FREQUENCY]
        assert await ask(ledger, rare("m2", company="sister")) == [None]
        assert await ask(ledger, rare("m2", "other")) == [None]
        assert await ask(ledger, intent("m3")) == [None]


async def test_retry_is_not_another_mail(url: str) -> None:
    """The same mail again keeps its token, however often, and whatever came between."""
    async with store(url) as ledger:
        (first,) = await ledger.intend([rare("m1")])
        assert await ask(ledger, rare("m2")._replace(frequency_days=0)) == [None]
        (again,) = await ledger.intend([rare("m1", attempt=1)])
    assert again == Issued(token=first.token, attempts=1, put_off=0)


@pytest.mark.parametrize(
    ("state", "left"),
    [
        (SendState.ACCEPTED, Reason.FREQUENCY),
        (SendState.UNKNOWN, Reason.FREQUENCY),
        (SendState.PUT_OFF, Reason.FREQUENCY),
        (SendState.REFUSED, None),
        (SendState.UNLINKED, None),
    ],
)
async def test_only_links_that_went_out_count(url: str, state: SendState, left: Reason | None) -> None:
    """A refused mail brought nobody a link."""
    async with store(url) as ledger:
        await ask(ledger, rare("m1"))
        ledger.note(outcome("m1", state=state))
        await ledger.look()  # answered when the outcome is written
        assert await ask(ledger, rare("m2")) == [left]


async def test_after_the_days_are_over(url: str) -> None:
    """A year later the same person may get another link."""
    async with store(url) as ledger:
        await ask(ledger, rare("m1"))
        with Database(url).writer(5).connect() as connection, connection.begin():
            connection.execute(text("UPDATE sends SET intended_at = intended_at - 91 * 86400000000"))
        assert await ask(ledger, rare("m2")) == [None]


async def test_two_mails_in_one_commit(url: str) -> None:
    """The first has the link."""
    async with store(url) as ledger:
        assert await ask(ledger, rare("m1"), rare("m2"), rare("m1", "other")) == [
            None,
            Reason.FREQUENCY,
            None,
        ]


async def test_two_nodes_at_once(url: str) -> None:
    """Whoever comes second waits for the first, and sees what it did."""
    async with store(url, "one") as one, store(url, "two") as two:
        for number in range(10):
            person = f"person {number}"
            answers = await asyncio.gather(ask(one, rare("m1", person)), ask(two, rare("m2", person)))
            assert sorted(str(left) for (left,) in answers) == ["None", "frequency"]


async def test_one_of_several_is_left_alone(url: str) -> None:
    """A claim gives the others their links, and says of that one why it has none."""
    suppress(url, "b")
    async with store(url) as ledger:
        claims = await ledger.claim(key("mail"), [copy("a"), copy("b"), copy("c", linked=False)])
        assert [claim.standing for claim in claims] == [Standing.OURS] * 3
        assert [claim.issued.left if claim.issued else "untouched" for claim in claims] == [
            None,
            Reason.SUPPRESSED,
            "untouched",
        ]
    assert sends(url) == 1
