"""What people are told of from the books: once, later if it has to be, and by one of many."""

import pytest

from gateway.store.credit import Operator
from gateway.store.news import LEASE, PAUSES, News, Topic, postpone, take, told
from tests.store.crediting import Ledger


@pytest.fixture
def ledger(url: str) -> Ledger:
    """A ledger where two referrals buy a slot and one slot is old news."""
    made = Ledger(url)
    _earn(made, 1)
    made.later(1)
    assert slots_of(made) is None, "what was before is no news"
    return made


def slots_of(ledger: Ledger) -> News | None:
    """What is to be told of slots; who asks has been there since now."""
    return take(ledger.store, Topic.SLOT_GRANTED, since=ledger.now)


def _earn(ledger: Ledger, first: int) -> None:
    for number in (first, first + 1):
        ledger.send(f"s{number}", f"a{number}@example.com")
    ledger.later(1)
    for number in (first, first + 1):
        ledger.report(f"A-{number}", token=f"s{number}")


def test_told_once_and_not_too_often(ledger: Ledger) -> None:
    """A slot is told of once; the next one only after the pause, with all that came meanwhile."""
    _earn(ledger, 3)
    news = slots_of(ledger)
    assert news is not None
    assert [(fact.company, fact.what) for fact in news.facts] == [("default", "2")]
    assert slots_of(ledger) is None, "another worker has it in hand"
    told(ledger.store, news, pause_seconds=7 * 86_400)
    _earn(ledger, 5)
    _earn(ledger, 7)
    assert slots_of(ledger) is None, "too soon"
    ledger.later(7)
    again = slots_of(ledger)
    assert again is not None
    assert [fact.what for fact in again.facts] == ["3", "4"]
    told(ledger.store, again, pause_seconds=1)
    ledger.later(1)
    assert slots_of(ledger) is None


def test_tried_again(ledger: Ledger) -> None:
    """What could not be sent comes again, after longer and longer pauses; so does what nobody finished."""
    _earn(ledger, 3)
    for pause in (*PAUSES, PAUSES[-1]):
        news = slots_of(ledger)
        assert news is not None
        assert postpone(ledger.store, news) == pause
        ledger.now += (pause - 1) * 1_000_000
        assert slots_of(ledger) is None
        ledger.now += 2_000_000
    assert slots_of(ledger) is not None
    ledger.now += LEASE + 1
    assert slots_of(ledger) is not None, "who had it has died"


def test_many_are_a_number(ledger: Ledger) -> None:
    """A mail stays short."""
    ledger.store.adjust("default", Operator(name="x"), referrals=60, reason="moved")
    news = slots_of(ledger)
    assert news is not None
    assert (len(news.facts), news.more) == (20, 10)


def test_disputes(ledger: Ledger) -> None:
    """With the partner's id and the deadline, and nothing that somebody wrote."""
    assert take(ledger.store, Topic.DISPUTE_OPENED, since=0) is None
    ledger.store.dispute(
        "A-1", Operator(name="x"), by="partner", reason="private words", until=ledger.now + 1
    )
    news = take(ledger.store, Topic.DISPUTE_OPENED, since=0)
    assert news is not None
    (fact,) = news.facts
    assert (fact.what, fact.partner, fact.company, fact.until) == (
        "A-1",
        "default",
        "default",
        ledger.now + 1,
    )
    assert "private" not in repr(news)
