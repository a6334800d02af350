from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.smtp import failure
from gateway.smtp.address import parse_path
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.content import unstuff
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.smtp.parameters import Parameters
from gateway.smtp.reply import Reply
from gateway.transaction.context import Services
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop, Outbound, Start
from gateway.transaction.settle import Settlement

OK = Reply.of(250, "2.0.0", "queued")
GO = Reply.of(354, "", "go ahead")
LATER = Reply.of(451, "4.2.0", "later")
NO = Reply.of(550, "5.7.1", "no")
TAKEN = Outcome(Fate.TAKEN, Reply.of(250, "2.0.0", "taken as A"))
REFUSED = Outcome(Fate.REFUSED, Reply.of(550, "5.1.1", "no such user"))
PUT_OFF = Outcome(Fate.PUT_OFF, LATER)
ORIGINAL = b"Subject: test\r\n\r\nbody\r\n"


@dataclass
class FakeHop:
    """A next hop and its one `Outbound`; each answer can be a fault, that is raised."""

    begun: Exception | None = None
    said: list[Reply] | Exception = field(default_factory=lambda: [OK, OK])
    start: Reply | Exception = GO
    final: Reply | Exception = OK
    name: str = "notices"
    host: str = "mx.test:25"
    needs: frozenset[bytes] | None = None
    calls: list[str] = field(default_factory=list)
    content: bytes = b""

    async def capabilities(self) -> Capabilities:
        """Not asked by a settlement."""
        raise NotImplementedError

    def try_begin(self, needs: frozenset[bytes]) -> Outbound | None:
        """Not asked by a settlement."""
        raise NotImplementedError

    async def begin(self, needs: frozenset[bytes]) -> Outbound:
        """Itself."""
        self.needs = needs
        if self.begun is not None:
            raise self.begun
        return self

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """The answers that were set."""
        self.calls += [command.line.decode().strip() for command in commands]
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    async def data(self) -> Start:
        """The answer that was set."""
        if isinstance(self.start, Exception):
            raise self.start
        return Start(self.start, (OK,))

    async def write(self, piece: bytes) -> None:
        """Keep it."""
        self.content += piece

    async def finish(self) -> Reply:
        """The answer that was set."""
        if isinstance(self.final, Exception):
            raise self.final
        return self.final

    async def reset(self) -> None:
        """Not asked by a settlement."""
        raise NotImplementedError

    async def end(self) -> None:
        """Noted."""
        self.calls.append("end")

    def abort(self) -> None:
        """Noted."""
        self.calls.append("abort")


def _settlement(
    hop: FakeHop, *, mail: bytes = b"<hr@example.co.jp>", notify: bytes = b""
) -> tuple[Settlement, list[str]]:
    path, rest = parse_path(b"FROM:" + mail, b"FROM", null_allowed=True)
    recipients = tuple(
        Rcpt(parse_path(b"TO:<%c@x.test>" % name, b"TO", null_allowed=False)[0], Parameters.parse(notify))
        for name in b"ab"
    )
    faults: list[str] = []
    services: Any = SimpleNamespace(
        notice_hop=lambda of: hop if of is ORDINARY else None,
        date=lambda: "Mon, 05 Jan 2026 09:00:00 +0900",
        random_bytes=bytes,
        journal=SimpleNamespace(fault=lambda text, error: faults.append(f"{text}: {error}")),
    )
    policy: Any = SimpleNamespace(
        hostname="gw.example.co.jp",
        notice_from="Mail Delivery System",
        postmaster="postmaster@example.co.jp",
        gateway_refusals=failure.REFUSES_GATEWAY,
    )
    envelope = Envelope(Mail(path, Parameters.parse(rest)), recipients)
    settlement = Settlement(
        cast("Services", services), cast("Policy", policy), cast("NextHop", ORDINARY), envelope, "mx.test:25"
    )
    return settlement, faults


ORDINARY = FakeHop(name="ordinary")


async def _reply(
    settlement: Settlement, outcomes: Sequence[Outcome], earlier: Notice | None = None
) -> tuple[str, Notice | None]:
    reply, notice = await settlement.reply(outcomes, original=ORIGINAL, complete=True, earlier=earlier)
    return str(reply), notice


@pytest.mark.parametrize(
    ("outcomes", "reply"),
    [
        ([TAKEN, TAKEN], "250 2.0.0 taken as A"),
        ([REFUSED, REFUSED], "550 5.1.1 no such user"),
        ([TAKEN, PUT_OFF], "451 4.3.0 1 of 2 taken, try again for the rest"),
    ],
)
async def test_no_notice_where_none_is_due(outcomes: list[Outcome], reply: str) -> None:
    """Only a mix of taken and refused needs one."""
    hop = FakeHop()
    settlement, _ = _settlement(hop)
    assert await _reply(settlement, outcomes) == (reply, None)
    assert hop.needs is None


@pytest.mark.parametrize(("mail", "notify"), [(b"<>", b""), (b"<hr@example.co.jp>", b"NOTIFY=NEVER")])
async def test_nobody_wants_a_notice(mail: bytes, notify: bytes) -> None:
    """A null sender, or one that said so: the mail counts as taken."""
    hop = FakeHop()
    settlement, _ = _settlement(hop, mail=mail, notify=notify)
    assert await _reply(settlement, [TAKEN, REFUSED]) == ("250 2.0.0 taken as A", Notice.UNWANTED)
    assert hop.needs is None


async def test_notice_is_sent() -> None:
    """From nobody to the sender, through the next hop for notices, with the refused recipient in it."""
    hop = FakeHop()
    settlement, faults = _settlement(hop)
    assert await _reply(settlement, [TAKEN, REFUSED]) == ("250 2.0.0 taken as A", Notice.TAKEN)
    assert hop.calls == ["MAIL FROM:<>", "RCPT TO:<hr@example.co.jp>", "end"]
    content = unstuff(hop.content)
    assert b"\r\nFinal-Recipient: rfc822; b@x.test\r\n" in content
    assert b"a@x.test" not in content
    assert b"\r\nSubject: test\r\n" in content
    assert (hop.needs, faults) == (frozenset(), [])


@pytest.mark.parametrize(
    ("hop", "notice", "last"),
    [
        (FakeHop(said=[OK, NO]), Notice.REFUSED, "end"),
        (FakeHop(said=[NO, failure.NEED_MAIL]), Notice.REFUSED, "end"),
        (FakeHop(said=[OK, LATER]), Notice.PUT_OFF, "end"),
        (FakeHop(said=[Reply.of(530, "5.7.0", "AUTH"), NO]), Notice.PUT_OFF, "end"),
        (FakeHop(start=NO), Notice.REFUSED, "end"),
        (FakeHop(final=NO), Notice.REFUSED, "end"),
        (FakeHop(final=LATER), Notice.PUT_OFF, "end"),
        (FakeHop(final=OutcomeUnknown("silent")), Notice.PUT_OFF, "end"),
        (FakeHop(said=NextHopFault("down")), Notice.PUT_OFF, "abort"),
    ],
)
async def test_what_becomes_of_it(hop: FakeHop, notice: Notice, last: str) -> None:
    """Put off with the mail, or refused and told in the reply; the connection is given back in every case."""
    settlement, _ = _settlement(hop)
    replies = {
        Notice.REFUSED: "554 5.3.0 Delivered to: a@x.test / 5.3.0 Refused for: b@x.test",
        Notice.PUT_OFF: "451 4.3.0 1 of 2 taken, failure notice not yet; try again",
    }
    assert await _reply(settlement, [TAKEN, REFUSED]) == (replies[notice], notice)
    assert hop.calls[-1] == last
    assert hop.calls.count("end") + hop.calls.count("abort") == 1


async def test_no_connection_for_it() -> None:
    """The mail is put off with it, and the log says why."""
    settlement, faults = _settlement(FakeHop(begun=NextHopFault("none free", busy=True)))
    reply, notice = await _reply(settlement, [TAKEN, REFUSED])
    assert (reply[:3], notice, faults) == ("451", Notice.PUT_OFF, ["failure notice: none free"])


async def test_a_fault_of_ours_closes_the_connection() -> None:
    """What is under way at the next hop is not completed."""
    hop = FakeHop(said=RuntimeError("bug"))
    settlement, _ = _settlement(hop)
    with pytest.raises(RuntimeError, match="bug"):
        await _reply(settlement, [TAKEN, REFUSED])
    assert hop.calls[-1] == "abort"


@pytest.mark.parametrize(
    ("earlier", "code", "sent"),
    [(Notice.TAKEN, "250", False), (Notice.REFUSED, "554", False), (Notice.PUT_OFF, "250", True)],
)
async def test_it_is_not_sent_twice(earlier: Notice, code: str, sent: bool) -> None:  # noqa: FBT001 - a table
    """Taken or refused in an earlier attempt: that stands (SMTP.md rule 16)."""
    hop = FakeHop()
    settlement, _ = _settlement(hop)
    reply, _ = await _reply(settlement, [TAKEN, REFUSED], earlier)
    assert (reply[:3], hop.needs is not None) == (code, sent)
