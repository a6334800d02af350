"""A mail that matched and is left alone all the same, whole or in part (RULES.md, "Actions and verdicts")."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from gateway.ledger.person import person_hash
from gateway.reason import Reason
from gateway.transaction.plan import in_share
from gateway.transaction.ports import MailSeen
from tests.fakes.ledger import FakeLedger
from tests.integration.harness import Relay, gateway, rejection, without_trace
from tests.peers.client import send_mail
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

PEOPLE = (b"a@example.com", b"b@example.com", b"c@example.com")
LINK = b"https://careerrelay.example/r/"


class Brake:
    """A brake that says what it is told to, and remembers what was asked."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.mails = 0
        self.links = 0
        self.alerts: list[tuple[str, str]] = []
        self.kept: list[MailSeen] = []

    def mail(self) -> None:
        """Count it."""
        self.mails += 1

    def take(self, rule: str, links: int) -> str:
        """Count them, unless told otherwise."""
        self.links += 0 if self.why else links
        return self.why

    def give_back(self, rule: str, links: int, *, mail: bool) -> None:
        """Count them back."""
        self.links -= links

    def seen(self, mail: MailSeen) -> None:
        """Keep it."""
        self.kept.append(mail)

    def alert(self, kind: str, text: str) -> None:
        """Keep it."""
        self.alerts.append((kind, text))


def leave(relay: Relay, people: Iterable[bytes], reason: Reason) -> None:
    """These people are to get no link, says the ledger."""
    ledger: FakeLedger = relay.ledger
    for address in people:
        ledger.left[person_hash(relay.policy.secrets.person, address.decode())] = reason


async def send(relay: Relay, recipients: Iterable[bytes], number: int = 1) -> int:
    """Send the rejection; gives the code of the last reply."""
    replies = await send_mail(relay.port, rejection(number), recipients=tuple(recipients))
    return replies[-1].code


def links(hop: ScriptedHop) -> dict[bytes, bool]:
    """By recipient, whether a link came; what has none must be as it was sent."""
    got: dict[bytes, bool] = {}
    for transaction in hop.taken:
        for recipient in transaction.recipients:
            assert recipient not in got, "a copy came twice"
            got[recipient] = LINK in transaction.content
            if not got[recipient]:
                assert without_trace(transaction.content) == rejection()
    return got


@pytest.mark.parametrize("reason", [Reason.SUPPRESSED, Reason.FREQUENCY])
async def test_only_one_person_and_no_link(reason: Reason) -> None:
    """The mail goes as it came; the log says why; the brake has nothing to count."""
    brake = Brake()
    async with ScriptedHop() as hop, gateway(hop, safety=brake) as relay:
        leave(relay, PEOPLE[:1], reason)
        assert await send(relay, PEOPLE[:1]) == 250
        assert links(hop) == {PEOPLE[0]: False}
        assert [report.reason for report in relay.journal.mails] == [reason]
        assert (brake.mails, brake.links) == (1, 0)
        assert not relay.ledger.memory.sends


async def test_one_of_several_is_left_alone() -> None:
    """Only that copy goes untouched; the others have their links, and the log says which and why."""
    brake = Brake()
    async with ScriptedHop() as hop, gateway(hop, safety=brake) as relay:
        leave(relay, PEOPLE[1:2], Reason.SUPPRESSED)
        assert await send(relay, (*PEOPLE, b"boss@example.co.jp")) == 250
        assert links(hop) == {
            PEOPLE[0]: True,
            PEOPLE[1]: False,
            PEOPLE[2]: True,
            b"boss@example.co.jp": False,
        }
        (report,) = relay.journal.mails
        assert report.reason is Reason.INJECTED
        assert [copy.reason for copy in report.copies] == ["", "suppressed", "", ""]
        assert [bool(copy.token) for copy in report.copies] == [True, False, True, False]
        assert brake.links == 2
        assert len(hop.taken) == 3, "those without a link share one copy"


async def test_all_of_several_are_left_alone() -> None:
    """One untouched copy for all of them."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        leave(relay, PEOPLE, Reason.FREQUENCY)
        assert await send(relay, PEOPLE) == 250
        assert links(hop) == dict.fromkeys(PEOPLE, False)
        assert len(hop.taken) == 1
        assert [report.reason for report in relay.journal.mails] == [Reason.FREQUENCY]
        assert not relay.ledger.memory.open


async def test_more_candidates_than_allowed() -> None:
    """The mail goes untouched and somebody is told; the next one, with fewer, gets its links."""
    brake = Brake()
    async with ScriptedHop() as hop, gateway(hop, safety=brake) as relay:
        relay.policy = replace(relay.policy, max_candidates=2)
        assert await send(relay, PEOPLE) == 250
        assert links(hop) == dict.fromkeys(PEOPLE, False)
        assert relay.journal.mails[0].reason is Reason.RECIPIENTS
        assert [kind for kind, _ in brake.alerts] == ["recipients"]
        assert len(relay.journal.alarms) == 1
        assert await send(relay, (b"d@example.com", b"e@example.com"), 2) == 250
        assert relay.journal.mails[1].reason is Reason.INJECTED


async def test_a_brake_that_says_no() -> None:
    """The mail that would cross the bound goes untouched, and says so."""
    async with ScriptedHop() as hop, gateway(hop, safety=Brake("too many")) as relay:
        assert await send(relay, PEOPLE) == 250
        assert links(hop) == dict.fromkeys(PEOPLE, False)
        (report,) = relay.journal.mails
        assert (report.reason, report.detail) == (Reason.BRAKE, "too many")
        assert not relay.ledger.memory.sends


async def test_a_share_of_people() -> None:
    """By the keyed hash: the same people each time, a reason for the others, and nothing of them kept."""
    people = [b"p%d@example.com" % number for number in range(24)]
    async with ScriptedHop() as hop, gateway(hop) as relay:
        ruleset = relay.policy.ruleset
        rules = tuple(replace(rule, action="partial", share=0.5) for rule in ruleset.rules)
        relay.policy = replace(relay.policy, ruleset=replace(ruleset, rules=rules))
        key = relay.policy.secrets.person
        chosen = {one for one in people if in_share(person_hash(key, one.decode()), 0.5)}
        for number, one in enumerate(people):
            assert await send(relay, [one], number) == 250
        linked = {t.recipients[0] for t in hop.taken if LINK in t.content}
        assert linked == chosen
        reasons = [report.reason for report in relay.journal.mails]
        assert reasons == [Reason.INJECTED if one in chosen else Reason.PARTIAL for one in people]
        assert len(relay.ledger.memory.sends) == len(chosen)
        assert await send(relay, people, 99) == 250
        report = relay.journal.mails[-1]
        assert {copy.reason for copy in report.copies if not copy.token} == {"partial"}
        assert {copy.recipient.encode() for copy in report.copies if copy.token} == chosen


def test_a_larger_share_keeps_the_smaller_one() -> None:
    """Whoever got links at a tenth gets them at a half; nobody at nothing, everybody at all."""
    people = [person_hash(b"k", f"{number}@example.com") for number in range(2_000)]
    tenth = {one for one in people if in_share(one, 0.1)}
    half = {one for one in people if in_share(one, 0.5)}
    assert tenth < half
    assert 120 < len(tenth) < 280
    assert 900 < len(half) < 1_100
    assert not any(in_share(one, 0.0) for one in people)
    assert all(in_share(one, 1.0) for one in people)
