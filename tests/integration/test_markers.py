"""A recruiter says no, or yes, in one mail; what was said to us goes out of it (RULES.md)."""

import base64
import re
from dataclasses import replace

import pytest

from gateway.reason import Reason
from tests.integration.harness import ORDINARY, Relay, gateway, rejection, without_trace
from tests.peers.client import send_mail
from tests.peers.scripted import ScriptedHop

LINK = re.compile(rb"https://careerrelay\.example/r/[0-9a-hjkmnp-tv-z]{26}")
TARO, COLLEAGUE = b"taro@example.com", b"colleague@example.co.jp"
FORCING = {"force": {"senders": ["hr@example.co.jp"]}}
FIELD = b"X-CareerRelay: off\r\n"


def word(text: str) -> bytes:
    """An encoded word."""
    return b"=?utf-8?B?" + base64.b64encode(text.encode()) + b"?="


def with_subject(mail: bytes, subject: bytes) -> bytes:
    """The mail with another subject."""
    return re.sub(rb"Subject: [^\r]*", b"Subject: " + subject.replace(b"\\", b"\\\\"), mail, count=1)


def with_body(mail: bytes, text: str) -> bytes:
    """The mail with this before its text."""
    head, blank, body = mail.partition(b"\r\n\r\n")
    return head + blank + text.encode() + body


async def sent(
    relay: Relay, hop: ScriptedHop, mail: bytes, *recipients: bytes, sender: bytes = b"hr@example.co.jp"
) -> dict[bytes, bytes]:
    """What each recipient of the mail got, without our trace field."""
    before = len(hop.taken)
    replies = await send_mail(relay.port, mail, recipients=recipients or (TARO,), sender=sender)
    assert replies[-1].code == 250
    return {
        recipient: without_trace(one.content) for one in hop.taken[before:] for recipient in one.recipients
    }


def reason(relay: Relay) -> str:
    """The reason of the last mail."""
    return relay.journal.mails[-1].reason.value


def links(content: bytes) -> int:
    """How many links a mail has."""
    return len(set(LINK.findall(content)))


PLAIN_SUBJECT = word("選考結果のご連絡")
NO = {
    "field": (FIELD + rejection(), rejection()),
    "field below": (rejection().replace(b"\r\n\r\n", b"\r\n" + FIELD + b"\r\n", 1), rejection()),
    "subject": (
        with_subject(rejection(), b"[No-Link] " + PLAIN_SUBJECT),
        with_subject(rejection(), PLAIN_SUBJECT),
    ),
    "encoded": (
        with_subject(rejection(), word("【リンクなし】選考結果のご連絡")),
        with_subject(rejection(), PLAIN_SUBJECT),
    ),
    "field and placeholder": (FIELD + with_body(rejection(), "{{careerrelay}}"), rejection()),
}


@pytest.mark.parametrize("case", NO)
async def test_no(case: str) -> None:
    """No link, the reason in the log, and the mail is what it is without the marker: also for a colleague."""
    marked, plain = NO[case]
    async with ScriptedHop() as hop, gateway(hop, changes=FORCING) as relay:
        got = await sent(relay, hop, marked, TARO, COLLEAGUE)
        assert got == {TARO: plain, COLLEAGUE: plain}
        assert reason(relay) == "marked-off"
        assert await sent(relay, hop, marked, COLLEAGUE) == {COLLEAGUE: plain}  # nobody is a candidate
        assert reason(relay) == "no-candidate"
        assert relay.ledger.memory.sends == {}
        assert relay.journal.faults == []


YES = {
    "subject": (with_subject(ORDINARY, b"Agenda [link]"), with_subject(ORDINARY, b"Agenda")),
    "placeholder": (with_body(ORDINARY, "{{careerrelay}}\r\n"), with_body(ORDINARY, "\r\n")),
}


@pytest.mark.parametrize("case", YES)
async def test_yes_for_those_who_may(case: str) -> None:
    """A link that the rules don't give, marked `forced` in the ledger; all others get no link for it."""
    marked, plain = YES[case]
    async with ScriptedHop() as hop, gateway(hop, changes=FORCING) as relay:
        got = await sent(relay, hop, marked, TARO, COLLEAGUE)
        assert links(got[TARO]) == 1
        assert got[COLLEAGUE] == plain
        for mark in (b"[link]", b"{{careerrelay}}"):
            assert mark not in got[TARO]
        assert reason(relay) == "forced"
        (row,) = relay.ledger.memory.sends.values()
        assert (row.intent.forced, row.intent.rule, row.intent.campaign) == (True, "", "forced")

        other = await sent(relay, hop, marked.replace(b"hr@", b"x@"), TARO, sender=b"x@example.co.jp")
        assert other == {TARO: plain.replace(b"hr@", b"x@")}
        assert reason(relay) == "no-match"
        assert len(relay.ledger.memory.sends) == 1


async def test_a_link_of_the_rules_is_not_forced() -> None:
    """A rejection whose writer says where the footer stands is a rejection like others."""
    async with ScriptedHop() as hop, gateway(hop, changes=FORCING) as relay:
        got = await sent(relay, hop, with_body(rejection(), "{{careerrelay}}\r\n\r\n"))
        assert links(got[TARO]) == 1
        (row,) = relay.ledger.memory.sends.values()
        assert row.intent.forced is False


async def test_observe_adds_nothing_and_takes_markers_out() -> None:
    """In every mode but off; and with off nothing at all is read."""
    marked, plain = FIELD + with_body(rejection(), "{{careerrelay}}"), rejection()
    for mode, expected in (("observe", plain), ("off", marked)):
        changes = {**FORCING, "gateway": {"mode": mode}}
        async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
            assert await sent(relay, hop, marked) == {TARO: expected}


async def test_without_anybody_who_may_no_word_of_yes_is_looked_for() -> None:
    """In anybody's subject it is a word like others then; a placeholder goes all the same."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        mail = with_subject(ORDINARY, b"[link] to the agenda")
        assert await sent(relay, hop, mail) == {TARO: mail}
        assert await sent(relay, hop, with_body(ORDINARY, "{{careerrelay}}")) == {TARO: ORDINARY}
        assert reason(relay) == "no-match"


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=s; b=AA==\r\n", Reason.DKIM),
        (b"Auto-Submitted: auto-replied\r\n", Reason.AUTO_REPLY),
        (b"this is no field\r\n", Reason.DEFECT),
    ],
)
async def test_where_no_edit_may_be_they_stay(head: bytes, why: Reason) -> None:
    """On signed mail and the like: byte for byte, with a word in the log and a count."""
    marked = head + FIELD + with_subject(rejection(), b"[no-link] x")
    async with ScriptedHop() as hop, gateway(hop) as relay:
        assert await sent(relay, hop, marked) == {TARO: marked}
        report = relay.journal.mails[-1]
        assert report.reason is why
        assert "markers stay" in report.detail
        assert relay.journal.counts["marker-left"] == 1


async def test_a_large_mail() -> None:
    """What the held head shows is taken in whole and edited; a placeholder past it is counted."""
    body = ("x" * 70 + "\r\n") * 5_000
    async with ScriptedHop() as hop, gateway(hop, changes={"limits": {"window_bytes": 4_096}}) as relay:
        marked = FIELD + with_subject(ORDINARY, b"[no-link] Agenda") + body.encode()
        plain = with_subject(ORDINARY, b"Agenda") + body.encode()
        assert await sent(relay, hop, marked) == {TARO: plain}
        past = ORDINARY + body.encode() + b"{{careerrelay}}\r\n"
        assert await sent(relay, hop, past) == {TARO: past}
        assert relay.journal.counts["marker-past-window"] == 1


async def test_a_fault_in_taking_out_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 1: the mail goes as it came."""
    monkeypatch.setattr("gateway.transaction.examined.without_marks", lambda *_: 1 / 0)
    async with ScriptedHop() as hop, gateway(hop) as relay:
        marked = FIELD + rejection()
        assert await sent(relay, hop, marked) == {TARO: marked}
        assert any("taking markers out" in fault for fault in relay.journal.faults)


async def test_where_the_rule_says_the_end_the_placeholder_goes() -> None:
    """A rule with a place of its own has no use for one, and nobody reads it."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        rules = tuple(replace(rule, placement="top") for rule in relay.policy.ruleset.rules)
        relay.policy = replace(relay.policy, ruleset=replace(relay.policy.ruleset, rules=rules))
        got = await sent(relay, hop, with_body(rejection(), "{{careerrelay}}\r\n"))
        assert links(got[TARO]) == 1
        assert b"{{" not in got[TARO]
