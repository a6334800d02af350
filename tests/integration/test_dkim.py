"""DKIM through the whole gateway: what leaves is signed; what may not be edited leaves as it came."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from gateway.dkim.key import Keyring, SigningKey
from gateway.dkim.treatment import Rule, Signing
from gateway.reason import Reason
from tests.integration.harness import Relay, gateway, rejection, without_trace
from tests.peers.client import send_mail
from tests.peers.dkim import verify
from tests.peers.scripted import ScriptedHop
from tests.unit.dkim.keys import ed25519_key, records, rsa_key

KEYS = (rsa_key(), ed25519_key())
RECORDS = records(*KEYS)
OLD = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=old; h=from;\r\n\tbh=eA==; b=eA==\r\n"
SERVICE = OLD.replace(b"example.co.jp", b"esp.example")
ARC = b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.com; s=x; b=eA==\r\n"
LINK = b"https://careerrelay.example/r/"
BROKEN = replace(KEYS[0], private=cast("Any", object()))


@contextlib.asynccontextmanager
async def relaying(
    *keys: SigningKey, rule: Rule = "auto", signs_after: bool = False
) -> AsyncIterator[tuple[Relay, ScriptedHop]]:
    """A gateway with these keys and this policy."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        routes = frozenset({"default"} if signs_after else ())
        signing = Signing(rule=rule, keyring=Keyring.of(keys), signing_routes=routes)
        relay.policy = replace(relay.policy, dkim=signing)
        yield relay, hop


async def sent(relay: Relay, hop: ScriptedHop, mail: bytes) -> bytes:
    """What arrives of a mail."""
    replies = await send_mail(relay.port, mail)
    assert replies[-1].code == 250
    return hop.taken[-1].content


async def test_edited_mail_is_signed() -> None:
    """The signature covers the bytes as they leave, our own field included, `Received:` not."""
    async with relaying(*KEYS) as (relay, hop):
        arrived = await sent(relay, hop, rejection())
        assert LINK in arrived
        assert verify(arrived, RECORDS) == [True, True]
        assert verify(arrived.replace(b"X-CareerRelay-Id: ", b"X-CareerRelay-Id: 0"), RECORDS) == [
            False,
            False,
        ]
        assert verify(arrived.replace(b"Received: from", b"Received: by"), RECORDS) == [True, True]


async def test_other_mail_is_not_signed() -> None:
    """A mail that stays untouched is untouched."""
    async with relaying(*KEYS) as (relay, hop):
        mail = b"From: hr@example.co.jp\r\nTo: taro@example.com\r\nSubject: x\r\n\r\nSee you on Thursday.\r\n"
        assert without_trace(await sent(relay, hop, mail)) == mail


@pytest.mark.parametrize("rule", ["auto", "resign", "break"])
async def test_signature_is_replaced(rule: Rule) -> None:
    """The one that breaks goes where its domain signs anew; a service's and ARC stay where they were."""
    async with relaying(*KEYS, rule=rule) as (relay, hop):
        arrived = await sent(relay, hop, ARC + OLD + SERVICE + rejection())
        assert LINK in arrived
        assert OLD not in arrived
        assert ARC + SERVICE + b"From: " in arrived
        assert verify(arrived, RECORDS) == [True, True, False]


@pytest.mark.parametrize(("rule", "signs_after"), [("break", False), ("auto", True)])
async def test_edited_without_a_key(rule: Rule, signs_after: bool) -> None:  # noqa: FBT001 - a column
    """Nobody here signs anew, so the old signature stays, as broken as it is."""
    async with relaying(rule=rule, signs_after=signs_after) as (relay, hop):
        arrived = await sent(relay, hop, OLD + rejection())
        assert LINK in arrived
        assert b"\r\n" + OLD + b"From: " in arrived


@pytest.mark.parametrize(
    ("rule", "keys", "signs_after"),
    [
        ("auto", (), False),
        ("resign", (), True),
        ("skip", KEYS, True),
        ("auto", (rsa_key("b.example"),), False),
    ],
)
async def test_left_alone(rule: Rule, keys: tuple[SigningKey, ...], signs_after: bool) -> None:  # noqa: FBT001
    """Every byte of a signed mail that nobody would sign again is kept, and its reason counted."""
    async with relaying(*keys, rule=rule, signs_after=signs_after) as (relay, hop):
        mail = OLD + rejection()
        assert without_trace(await sent(relay, hop, mail)) == mail
        assert relay.journal.mails[-1].reason is Reason.DKIM


async def test_fault_in_signing_a_signed_mail() -> None:
    """The original goes with the signature that it has, and the fault is told (promise 1)."""
    async with relaying(BROKEN) as (relay, hop):
        mail = OLD + rejection()
        assert without_trace(await sent(relay, hop, mail)) == mail
        assert relay.journal.mails[-1].reason is Reason.SIGNING_FAULT
        assert relay.journal.counts["left-alone-signing-fault"] == 1
        assert "AttributeError" in relay.journal.faults[-1]


@pytest.mark.parametrize(("rule", "old"), [("auto", b""), ("break", OLD)])
async def test_fault_in_signing_that_nobody_needs(rule: Rule, old: bytes) -> None:
    """The copy goes unsigned, keeps the signature that no new one replaces, and the fault is counted."""
    async with relaying(BROKEN, rule=rule) as (relay, hop):
        arrived = await sent(relay, hop, old + rejection())
        assert LINK in arrived
        assert arrived.count(b"DKIM-Signature") == old.count(b"DKIM-Signature")
        assert relay.journal.counts["signing-fault"] == 1


async def test_each_copy_is_signed() -> None:
    """Several candidates: each link is in a copy that is signed with it."""
    async with relaying(*KEYS) as (relay, hop):
        recipients = [f"c{number}@example.com".encode() for number in range(3)]
        replies = await send_mail(relay.port, OLD + rejection(), recipients=recipients)
        assert replies[-1].code == 250
        assert len(hop.taken) == 3
        assert [verify(copy.content, RECORDS) for copy in hop.taken] == [[True, True]] * 3
        assert len({copy.content.partition(LINK)[2][:26] for copy in hop.taken}) == 3


async def test_large_mail() -> None:
    """A mail past the window is signed in a thread, and signed right."""
    async with relaying(*KEYS) as (relay, hop):
        arrived = await sent(relay, hop, large())
        assert len(arrived) > 1_000_000
        assert LINK in arrived
        assert verify(arrived, RECORDS) == [True, True]


def large() -> bytes:
    """A rejection with an attachment of a megabyte."""
    head, _, body = rejection().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.startswith(b"Content-")]
    inner = [line for line in lines if line.startswith(b"Content-")]
    return b"\r\n".join(
        [
            *kept,
            b"Content-Type: multipart/mixed; boundary=x",
            b"",
            b"--x",
            *inner,
            b"",
            body,
            b"--x",
            b"Content-Type: application/octet-stream",
            b"Content-Transfer-Encoding: base64",
            b"",
            *[b"QUJD" * 18] * 14_000,
            b"--x--",
            b"",
        ]
    )
