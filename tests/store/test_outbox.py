"""Messages to partners: one a send, nothing about people, claimed by one at a time, never lost."""

import json

from sqlalchemy import update

from gateway.store.credit_schema import outbox as table
from gateway.store.database import Database
from gateway.store.outbox import Outbox
from gateway.store.schema import sends
from gateway.token import encode_token
from tests.store.crediting import Ledger

WEEK = 7 * 86_400_000_000
ALWAYS = 10**15


def taken(url: str, *tokens: bytes) -> None:
    """Say of sends that the next hop took them now."""
    with Database(url).writer(5).begin() as connection:
        connection.execute(
            update(sends).where(sends.c.token.in_(tokens)).values(accepted_at=sends.c.intended_at)
        )


def overdue(url: str) -> None:
    """Let all claims and pauses run out."""
    with Database(url).writer(5).begin() as connection:
        connection.execute(update(table).values(claimed_until=1, due_at=1))


def test_one_message_a_send(url: str) -> None:
    """Told of once, however often it is looked; only those that were taken, of partners that ask."""
    ledger = Ledger(url)
    tokens = [ledger.send(f"mail {number}", f"c{number}@example.com") for number in range(3)]
    with Database(url).writer(5).begin() as connection:
        connection.execute(update(sends).values(accepted_at=None))
    with Outbox(url) as box:
        assert box.tell_of_sends(["default"], within=ALWAYS) == 0
        taken(url, *tokens[:2])
        assert box.tell_of_sends([], within=ALWAYS) == 0
        assert box.tell_of_sends(["other"], within=ALWAYS) == 0
        assert box.tell_of_sends(["default"], within=ALWAYS) == 2
        taken(url, *tokens)
        assert [box.tell_of_sends(["default"], within=ALWAYS) for _ in range(3)] == [1, 0, 0]
        letters = box.letters()
    assert {one.message_id for one in letters} == {f"send_{encode_token(token)}" for token in tokens}
    payload = json.loads(letters[-1].payload)
    assert payload["type"] == "send.made"
    assert set(payload) == {"type", "timestamp", "data"}
    assert set(payload["data"]) == {"token", "campaign"}
    assert "example.com" not in "".join(one.payload for one in letters)


def test_only_so_far_back(url: str) -> None:
    """Sends from before the time that messages are kept are left alone."""
    ledger = Ledger(url)
    taken(url, ledger.send("one", "a@example.com"))
    with Outbox(url) as box:
        assert box.tell_of_sends(["default"], within=-WEEK) == 0


def test_claimed_by_one(url: str) -> None:
    """Two couriers never have the same message; one that vanished is made up for."""
    ledger = Ledger(url)
    taken(url, *(ledger.send(f"mail {number}", f"c{number}@example.com") for number in range(5)))
    with Outbox(url) as one, Outbox(url) as other:
        one.tell_of_sends(["default"], within=ALWAYS)
        mine, theirs = (box.claim(["default"], count=3, seconds=60) for box in (one, other))
        assert (len(mine), len(theirs)) == (3, 2)
        assert not {letter.id for letter in mine} & {letter.id for letter in theirs}
        assert one.claim(["default"], count=3, seconds=60) == []
        assert one.claim([], count=3, seconds=60) == []
        overdue(url)
        assert len(other.claim(["default"], count=10, seconds=60)) == 5


def test_delivered_failed_dead_and_again(url: str) -> None:
    """A message waits, is tried again, is put aside, and can be sent again by hand."""
    ledger = Ledger(url)
    taken(url, *(ledger.send(f"mail {number}", f"c{number}@example.com") for number in range(3)))
    with Outbox(url) as box:
        box.tell_of_sends(["default"], within=ALWAYS)
        first, second, third = box.claim(["default"], count=10, seconds=60)
        box.delivered(first)
        box.failed(second, "HTTP 500\0" + "x" * 5_000, again_in=3_600)
        box.failed(third, "HTTP 410", again_in=None)
        assert box.counts() == {"waiting": 1, "sent": 1, "dead": 1}
        assert box.claim(["default"], count=10, seconds=60) == [], "not due yet"
        overdue(url)
        (again,) = box.claim(["default"], count=10, seconds=60)
        assert (again.message_id, again.attempts) == (second.message_id, 1)
        assert again.error.startswith("HTTP 500")
        assert [one.message_id for one in box.letters(state="dead")] == [third.message_id]
        assert box.send_again([first.message_id]) == 0, "what was taken isn't sent again"
        assert box.send_again(None) == 1
        found = box.letter(third.message_id)
        assert found is not None
        assert (found.state, found.attempts, found.settled_at) == ("waiting", 0, None)
        assert box.letter("send_nothing") is None
        box.delivered(first)
        assert box.counts() == {"waiting": 2, "sent": 1, "dead": 0}
