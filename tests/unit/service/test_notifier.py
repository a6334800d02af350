"""Mails of the gateway to people: what they say, who gets them, what happens when the next hop won't."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from email import message_from_bytes
from email import policy as mail_policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.config import embedded_config
from gateway.config.operation import Notify
from gateway.errors import NextHopFault
from gateway.service.alerts import PAUSES, Letter, brake_letter, insist, send_alert
from gateway.service.notifier import Notifier
from gateway.smtp import failure
from gateway.smtp.reply import Reply
from gateway.store import prepare
from gateway.store.credit import Operator
from gateway.store.news import Topic, take
from gateway.transaction.policy import Policy
from gateway.transaction.ports import Start
from tests.store.crediting import Ledger
from tests.unit.transaction.test_settle import GO, LATER, NO, OK, FakeHop

POLICY = cast(
    "Policy",
    SimpleNamespace(
        hostname="gw.example.co.jp",
        notice_from="Mail Delivery System",
        postmaster="postmaster@example.co.jp",
        gateway_refusals=failure.REFUSES_GATEWAY,
    ),
)
TWO = ("a@example.co.jp", "b@example.co.jp")


class Hop(FakeHop):
    """The same for any number of recipients."""

    async def data(self) -> Start:
        """The answer that was set, and one for each recipient that was accepted."""
        start = await super().data()
        said = self.said if isinstance(self.said, list) else []
        return Start(start.reply, tuple(reply for reply in said[1:] if reply.positive))


class Notes:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def count(self, name: str) -> None:
        """Count it."""
        self.counts[name] += 1

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Keep it."""
        self.faults.append(f"{text}: {error}" if error else text)


async def send(hop: FakeHop, letter: Letter, people: Sequence[str] = TWO) -> tuple[list[str], Notes]:
    """One attempt: who is left, and what was noted."""
    notes = Notes()
    left = await send_alert(
        people,
        letter,
        hop=hop,
        policy=POLICY,
        journal=cast("Any", notes),
        date="Mon, 05 Jan 2026 09:00:00 +0900",
        unique="u",
    )
    return left, notes


async def test_alert_is_a_proper_mail() -> None:
    """From nobody, to all of them, in both languages, without anything that breaks a line."""
    hop = Hop(said=[OK, OK, OK], start=GO)
    left, notes = await send(hop, brake_letter("rule x\r\nBcc: all@example.com"))
    assert (left, notes.counts["alerts-mailed"], notes.faults) == ([], 1, [])
    assert hop.calls[:3] == ["MAIL FROM:<>", "RCPT TO:<a@example.co.jp>", "RCPT TO:<b@example.co.jp>"]
    mail = message_from_bytes(hop.content, policy=mail_policy.default)
    assert mail["To"] == "a@example.co.jp, b@example.co.jp"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "rule x??Bcc: all@example.com" in text
    assert "ご確認ください" in text
    assert "careerrelay rules resume" in text


@pytest.mark.parametrize(
    ("hop", "left"),
    [
        (Hop(begun=NextHopFault("down")), list(TWO)),
        (Hop(said=[OK, LATER, OK]), [TWO[0]]),
        (Hop(said=[OK, NO, OK]), []),
        (Hop(said=[OK, NO, NO]), []),
        (Hop(said=[LATER, LATER, LATER]), list(TWO)),
        (Hop(said=[OK, OK, OK], final=LATER), list(TWO)),
        (Hop(said=[OK, OK, OK], final=Reply.of(550, "5.7.1", "spam")), []),
    ],
)
async def test_who_is_worth_another_attempt(hop: FakeHop, left: list[str]) -> None:
    """Not those who were taken, nor those who were refused for good."""
    found, notes = await send(hop, brake_letter("x"))
    assert found == left
    assert notes.faults


async def test_insists_and_gives_up() -> None:
    """Only those who are left are asked again; after the last pause, or when it is time to go, it ends."""
    asked: list[tuple[str, ...]] = []
    pauses: list[float] = []

    async def attempt(people: Sequence[str]) -> list[str]:
        asked.append(tuple(people))
        return list(people[-1:])

    async def pause(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    assert await insist(TWO, attempt, pause=pause) == [TWO[1]]
    assert asked == [TWO, *[(TWO[1],)] * len(PAUSES)]
    assert tuple(pauses) == PAUSES

    async def no_time(seconds: float) -> bool:
        return False

    asked.clear()
    assert await insist(TWO, attempt, pause=no_time) == [TWO[1]]
    assert asked == [TWO]


async def test_news_of_the_books(tmp_path: Path) -> None:
    """What any process wrote is told of once, to those named; a next hop that is down delays it."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepare(url)
    ledger, notes = Ledger(url), Notes()
    config = embedded_config(tmp_path).model_copy(
        update={"notify": Notify(slot_granted=TWO, dispute_opened=TWO[:1])}
    )
    sent: list[tuple[tuple[str, ...], Letter]] = []
    down = True

    async def attempt(people: Sequence[str], letter: Letter) -> list[str]:
        sent.append((tuple(people), letter))
        return list(people) if down else []

    ledger.store.adjust("default", Operator(name="x"), referrals=2, reason="before anybody asked")
    ledger.later(1)
    notifier = Notifier(
        config=lambda: config,
        open_store=lambda: ledger.store,
        send=attempt,
        journal=cast("Any", notes),
        now=lambda: ledger.now,
    )
    await notifier.look()
    assert not sent
    ledger.send("one", "one@example.com")
    ledger.report("A-1", token="one")
    ledger.store.adjust("default", Operator(name="x"), referrals=2, reason="moved")
    ledger.store.dispute("A-1", Operator(name="x"), by="company", reason="private words")
    await notifier.look()
    await notifier.look()
    assert [people for people, _ in sent] == [TWO, TWO[:1]]
    assert len(notes.faults) == 2
    down = False
    ledger.later(1)
    await notifier.look()
    await notifier.look()
    assert [people for people, _ in sent[2:]] == [TWO, TWO[:1]]
    slot, dispute = (letter for _, letter in sent[2:])
    assert any("slot 2" in line for line in slot.lines)
    assert any("registration A-1 of default" in line for line in dispute.lines)
    assert "private" not in repr(sent)
    ledger.later(1)
    assert take(ledger.store, Topic.SLOT_GRANTED, since=0) is None


async def test_a_fault_of_the_ledger_is_a_line_in_the_log(tmp_path: Path) -> None:
    """Nothing else happens, and it is looked at again the next time."""
    ledger, notes = Ledger(f"sqlite:///{tmp_path}/not-there.db"), Notes()
    config = embedded_config(tmp_path).model_copy(update={"notify": Notify(slot_granted=TWO)})

    async def attempt(people: Sequence[str], letter: Letter) -> list[str]:
        raise AssertionError

    notifier = Notifier(
        config=lambda: config, open_store=lambda: ledger.store, send=attempt, journal=cast("Any", notes)
    )
    await asyncio.wait_for(notifier.look(), 20)
    assert len(notes.faults) == 1
