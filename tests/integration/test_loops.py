"""Loops: the keyed mark in `Received:`, too many `Received:` fields, gateways in a row (SMTP.md rule 13).

The gateways in a row are two of the real ones, as processes, with files of their own.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.message.trace import received_field
from gateway.reason import Reason
from tests.integration.harness import (
    ORDINARY,
    Relay,
    gateway,
    greeted,
    other_mail,
    own,
    rejection,
    without_trace,
)
from tests.integration.running import LINK, running, sends
from tests.peers.client import send_mail, transact
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

FOREIGN = b"Received: from a.example (a.example [192.0.2.1]) by b.example; Mon, 2 Mar 2026 10:00:00 +0900\r\n"
TWO = (b"a@example.com", b"b@example.net")


def mark(key: bytes, number: int) -> bytes:
    """A `Received:` field as a gateway with this key writes it."""
    return received_field(
        helo=b"hop.example",
        peer="192.0.2.7",
        hostname="gw.example.co.jp",
        protocol="ESMTP",
        recipient=None,
        session_id=f"session-{number}.1",
        date="Mon, 02 Mar 2026 10:00:00 +0900",
        mark_key=key,
    )


def marks(relay: Relay, count: int, *, forged: bool = False) -> bytes:
    """So many fields with a mark, from this installation or from somebody who knows all but its key."""
    key = bytes(32) if forged else relay.policy.secrets.mark
    return b"".join(mark(key, number) for number in range(count))


@pytest.mark.parametrize("recipients", [TWO[:1], TWO], ids=["one", "several"])
@pytest.mark.parametrize("count", [1, 2])
async def test_marked_once_or_twice_passes_untouched(count: int, recipients: tuple[bytes, ...]) -> None:
    """Rule 13: a rejection that was here before passes as it is, with no link and a mark more."""
    async with ScriptedHop() as hop, gateway(hop) as relay, other_mail(relay, hop, lines=1):
        mail = marks(relay, count) + FOREIGN + rejection(1_000)
        sender = b"loop@example.co.jp"
        assert (await send_mail(relay.port, mail, sender=sender, recipients=recipients))[-1].code == 250
        (taken,) = own(hop)
        assert without_trace(taken.content) == mail
        (report,) = [one for one in relay.journal.mails if one.sender == sender.decode()]
        assert report.reason is Reason.LOOP


@pytest.mark.parametrize("mail", [rejection(1_000), ORDINARY], ids=["rejection", "ordinary"])
@pytest.mark.parametrize("count", [3, 4, 20])
async def test_marked_three_times_is_refused(count: int, mail: bytes) -> None:
    """Rule 13: 554 5.4.6, nothing of it complete at the hop, and the session goes on."""
    async with (
        ScriptedHop() as hop,
        gateway(hop) as relay,
        other_mail(relay, hop, lines=1),
        greeted(relay.port) as client,
    ):
        replies = await transact(client, marks(relay, count) + mail)
        assert [one.code for one in replies] == [250, 250, 354, 554]
        assert replies[-1].enhanced == "5.4.6"
        assert [one for one in own(hop) if one.complete] == []
        assert (await transact(client, ORDINARY))[-1].code == 250


async def test_large_mail_marked_three_times_is_refused_at_its_end() -> None:
    """Rules 5 and 13: found in the head of a large mail; its upload is read to the end, then answered."""
    body = b"a line of a large mail\r\n" * 100_000
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        replies = await transact(client, marks(relay, 3) + ORDINARY + body)
        assert (replies[-1].code, replies[-1].enhanced) == (554, "5.4.6")
        assert hop.complete == []
        assert (await transact(client, ORDINARY))[-1].code == 250


@pytest.mark.parametrize("count", [1, 2, 3, 30])
async def test_forged_marks_are_ignored(count: int) -> None:
    """Rule 13: only a mark made with our key counts; with others the mail gets its link all the same."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        mail = marks(relay, count, forged=True) + rejection()
        assert (await send_mail(relay.port, mail))[-1].code == 250
        assert len(set(LINK.findall(hop.taken[0].content))) == 1
        assert relay.journal.mails[0].reason is Reason.INJECTED


async def test_marks_that_were_tampered_with() -> None:
    """Rule 13: a mark of ours with another id, or in a field that is no trace field, is no mark."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        good = mark(relay.policy.secrets.mark, 1)
        assert good.count(b"session-1.1") == 2
        other_id = good.replace(b"session-1.1", b"session-9.1")
        elsewhere = good.replace(b"Received:", b"X-Received:")
        in_subject = (
            b"X-Note: " + good[good.index(b"(careerrelay-mark") : good.index(b")", good.index(b"-mark")) + 1]
        )
        for field in (other_id, elsewhere, in_subject + b"\r\n"):
            assert (await send_mail(relay.port, field * 3 + rejection()))[-1].code == 250
            assert len(set(LINK.findall(hop.taken[-1].content))) == 1
        in_body = rejection(2, body=good.decode())
        assert (await send_mail(relay.port, in_body))[-1].code == 250
        assert len(set(LINK.findall(hop.taken[-1].content))) == 1


@pytest.mark.parametrize("mail", [rejection(), ORDINARY], ids=["rejection", "ordinary"])
async def test_received_fields_are_counted(mail: bytes) -> None:
    """Rule 13: 50 `Received:` fields pass, 51 and 60 are refused with 554 5.4.6, whoever wrote them."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        for count, code in ((49, 250), (50, 250), (51, 554), (60, 554), (1_000, 554)):
            replies = await transact(client, FOREIGN * count + mail)
            assert replies[-1].code == code, count
            if code == 554:
                assert replies[-1].enhanced == "5.4.6"
        assert len(hop.complete) == 2
        for taken, count in zip(hop.complete, (49, 50), strict=True):
            assert taken.content.count(b"\r\nReceived: ") == count
            assert len(set(LINK.findall(taken.content))) == (mail is not ORDINARY)


async def test_bound_of_received_fields_is_a_setting() -> None:
    """Rule 13: `gateway.max_received`."""
    changes = {"gateway": {"max_received": 3}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        assert (await send_mail(relay.port, FOREIGN * 3 + ORDINARY))[-1].code == 250
        assert (await send_mail(relay.port, FOREIGN * 4 + ORDINARY))[-1].code == 554
        assert len(hop.complete) == 1


@pytest.mark.parametrize("mail", [rejection(), ORDINARY], ids=["rejection", "ordinary"])
async def test_every_mail_carries_the_mark(mail: bytes) -> None:
    """Rule 13: changed or not, what left comes back known: untouched twice, then refused."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        codes = []
        for _ in range(4):
            codes.append((await transact(client, mail))[-1].code)
            mail = hop.complete[-1].content
        assert codes == [250, 250, 250, 554]
        assert [one.reason for one in relay.journal.mails][1:] == [Reason.LOOP] * 3
        links = [set(LINK.findall(one.content)) for one in hop.complete]
        assert all(found == links[0] for found in links)


# --- gateways in a row -------------------------------------------------------------------------------------


@asynccontextmanager
async def in_a_row(hop: ScriptedHop, *, same_key: bool) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two real gateways: what the first sends goes to the second, and from there to the hop."""
    async with running(hop) as second:
        first = Gateway(second.port)
        try:
            if same_key:
                shutil.copy(second.folder / "careerrelay.key", first.folder / "careerrelay.key")
            await asyncio.to_thread(first.start)
            yield first, second
            assert await asyncio.to_thread(first.stop) == 0
        finally:
            if first.process is not None:
                await asyncio.to_thread(first.kill9)
            first.discard()


@pytest.mark.parametrize(
    ("same_key", "reason"), [(True, "loop"), (False, "has-link")], ids=["same", "different"]
)
async def test_two_gateways_in_a_row(*, same_key: bool, reason: str) -> None:
    """Rule 13, promise 4: one footer only, with one key (the mark tells) and with two (the link does)."""
    async with ScriptedHop() as hop, in_a_row(hop, same_key=same_key) as (first, second):
        mail = rejection()
        assert (await send_mail(first.port, mail))[-1].code == 250
        (one,) = hop.taken
        (token,) = set(LINK.findall(one.content))
        assert one.content.count(b"https://careerrelay.example/r/") == 1
        assert one.content.count(b"X-CareerRelay-Id: ") == 1
        assert one.content.count(b"(careerrelay-mark ") == 2
        assert [row.token for row in sends(first.ledger)] == [token.decode()]
        assert sends(second.ledger) == []
        await asyncio.to_thread(second.wait_for_log, f" reason={reason} ")
        # several candidates: a copy each, none of them changed again
        assert (await send_mail(first.port, rejection(2), recipients=TWO))[-1].code == 250
        copies = hop.taken[1:]
        assert len({token for copy in copies for token in LINK.findall(copy.content)}) == 2
        assert all(copy.content.count(b"https://careerrelay.example/r/") == 1 for copy in copies)
        # an ordinary mail is the same behind both but for two fields
        assert (await send_mail(first.port, ORDINARY))[-1].code == 250
        (last,) = [copy for copy in hop.taken if b"Agenda" in copy.content]
        assert without_trace(without_trace(last.content)) == ORDINARY
