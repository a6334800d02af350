from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.smtp import failure
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.reply import Reply
from gateway.transaction.deliver import Delivery, deliver, fault_outcome, outcome_of
from gateway.transaction.ports import Start
from gateway.transaction.source import SenderGone

T = TypeVar("T")

OK = Reply.of(250, "2.0.0", "queued")
GO = Reply.of(354, "", "go ahead")
LATER = Reply.of(451, "4.2.0", "later")
NO = Reply.of(550, "5.7.1", "no")
TAKEN = Outcome(Fate.TAKEN, OK)
PUT_OFF = Outcome(Fate.PUT_OFF, LATER)
REFUSED = Outcome(Fate.REFUSED, NO)


@dataclass
class FakeOutbound:
    """An `Outbound` with its answers set; notes what was called. A fault among them is raised."""

    start: Start | NextHopFault
    final: Reply | NextHopFault = OK
    broken: NextHopFault | None = None
    host: str = "mx.test:25"
    calls: list[str] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)

    async def envelope(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """Not asked by `deliver`."""
        raise NotImplementedError

    async def data(self) -> Start:
        """The start that was set."""
        self.calls.append("data")
        return _given(self.start)

    async def write(self, piece: bytes) -> None:
        """Keep it, or be broken."""
        if self.broken is not None:
            raise self.broken
        self.content.append(piece)

    async def finish(self) -> Reply:
        """The final answer that was set."""
        self.calls.append("finish")
        return _given(self.final)

    async def reset(self) -> None:
        """Noted."""
        self.calls.append("reset")

    async def end(self) -> None:
        """Noted."""
        self.calls.append("end")

    def abort(self) -> None:
        """Noted."""
        self.calls.append("abort")


def _given(value: T | NextHopFault) -> T:
    if isinstance(value, NextHopFault):
        raise value
    return value


def _rest(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    while True:
        yield b""


async def _deliver(outbound: FakeOutbound, recipients: int = 2, *, all_or_none: bool = False) -> Delivery:
    return await deliver(
        outbound,
        [b"a\r\n", b"b\r\n"],
        recipients=recipients,
        codes=failure.REFUSES_GATEWAY,
        before_dot=lambda: outbound.calls.append("before"),
        all_or_none=all_or_none,
    )


async def test_content_goes_out_in_order() -> None:
    """What is at hand, then what comes, then the dot; the reply to it is every recipient's outcome."""
    outbound = FakeOutbound(Start(GO, (OK, OK)))
    rest = _rest(b"c\r\n", b"d\r\n")

    async def more() -> bytes:
        return next(rest)

    delivery = await deliver(
        outbound,
        [b"a\r\n", b"b\r\n"],
        recipients=2,
        codes=(),
        before_dot=lambda: outbound.calls.append("before"),
        more=more,
    )
    assert delivery == Delivery(outcomes=(TAKEN, TAKEN), dotted=True)
    assert outbound.content == [b"a\r\n", b"b\r\n", b"c\r\n", b"d\r\n"]
    assert outbound.calls == ["data", "before", "finish"]


@pytest.mark.parametrize(
    ("start", "final", "delivery"),
    [
        (Start(GO, (OK, OK)), NO, Delivery(outcomes=(REFUSED, REFUSED), refused=True, dotted=True)),
        (Start(GO, (OK, OK)), LATER, Delivery(outcomes=(PUT_OFF, PUT_OFF), dotted=True)),
        (Start(GO, (OK, NO)), OK, Delivery(outcomes=(TAKEN, REFUSED), dotted=True)),
        (Start(GO, (LATER, OK)), OK, Delivery(outcomes=(PUT_OFF, TAKEN), dotted=True)),
        (Start(NO, (OK, LATER)), OK, Delivery(outcomes=(REFUSED, PUT_OFF), refused=True)),
        (Start(NO, (NO, NO)), OK, Delivery(outcomes=(REFUSED, REFUSED))),
        (Start(LATER, (OK, OK)), OK, Delivery(outcomes=(PUT_OFF, PUT_OFF))),
        (
            Start(OK, (OK, OK)),
            OK,
            Delivery(outcomes=(Outcome(Fate.PUT_OFF, failure.NEXT_HOP_NONSENSE),) * 2),
        ),
        (
            Start(GO, (OK, OK)),
            GO,
            Delivery(outcomes=(Outcome(Fate.PUT_OFF, failure.NEXT_HOP_NONSENSE),) * 2, dotted=True),
        ),
        (
            NextHopFault("down"),
            OK,
            Delivery(outcomes=(Outcome(Fate.PUT_OFF, failure.NO_NEXT_HOP),) * 2),
        ),
        (
            Start(GO, (OK, NO)),
            NextHopFault("gone"),
            Delivery(outcomes=(Outcome(Fate.PUT_OFF, failure.NO_NEXT_HOP), REFUSED)),
        ),
        (
            Start(GO, (OK, NO)),
            OutcomeUnknown("silent"),
            Delivery(outcomes=(Outcome(Fate.UNKNOWN, failure.UNKNOWN_OUTCOME), REFUSED)),
        ),
    ],
)
async def test_outcomes(start: Start | NextHopFault, final: Reply | NextHopFault, delivery: Delivery) -> None:
    """One outcome a recipient, whatever the next hop says or doesn't (SMTP.md rules 1 and 4)."""
    assert await _deliver(FakeOutbound(start, final)) == delivery


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((OK, LATER), PUT_OFF),
        ((NO, LATER), PUT_OFF),
        ((OK, Reply.of(530, "5.7.0", "say AUTH first")), Outcome(Fate.PUT_OFF, failure.NEXT_HOP_REFUSES_US)),
    ],
)
async def test_all_or_none(answers: tuple[Reply, Reply], outcome: Outcome) -> None:
    """One put off when asked again: nothing is sent and all are put off, never refused for another's sake."""
    outbound = FakeOutbound(Start(GO, answers))
    assert await _deliver(outbound, all_or_none=True) == Delivery(outcomes=(outcome, outcome))
    assert (outbound.calls, outbound.content) == (["data", "abort"], [])


async def test_all_or_none_lets_refusals_pass() -> None:
    """Whom the next hop refuses for good when asked again costs the others nothing."""
    delivery = await _deliver(FakeOutbound(Start(GO, (NO, OK))), all_or_none=True)
    assert delivery == Delivery(outcomes=(REFUSED, TAKEN), dotted=True)


async def test_content_that_is_not_taken() -> None:
    """A fault before the dot puts off, and no dot is sent."""
    outbound = FakeOutbound(Start(GO, (OK,)), broken=NextHopFault("stalled"))
    delivery = await _deliver(outbound, 1)
    assert delivery == Delivery(outcomes=(Outcome(Fate.PUT_OFF, failure.NO_NEXT_HOP),))
    assert outbound.calls == ["data"]


async def test_no_dot_for_a_sender_that_is_gone() -> None:
    """What `before_dot` raises stops the delivery before it is complete."""
    outbound = FakeOutbound(Start(GO, (OK,)))

    def gone() -> None:
        raise SenderGone("reset")

    with pytest.raises(SenderGone):
        await deliver(outbound, [b"a\r\n"], recipients=1, codes=(), before_dot=gone)
    assert outbound.calls == ["data"]


def test_faults_as_outcomes() -> None:
    """No connection free, no host, no answer to the dot: told apart for the sender."""
    faults = (NextHopFault("x", busy=True), NextHopFault("x"), OutcomeUnknown("x"))
    assert [fault_outcome(fault) for fault in faults] == [
        Outcome(Fate.PUT_OFF, failure.POOL_BUSY),
        Outcome(Fate.PUT_OFF, failure.NO_NEXT_HOP),
        Outcome(Fate.UNKNOWN, failure.UNKNOWN_OUTCOME),
    ]


def test_refusal_of_the_gateway_is_no_refusal_of_the_mail() -> None:
    """By the codes that are set; 421 doesn't end the sender's session (SMTP.md rule 4)."""
    assert outcome_of(NO, {"5.7.1"}) == Outcome(Fate.PUT_OFF, failure.NEXT_HOP_REFUSES_US)
    assert outcome_of(NO, ()) == REFUSED
    assert outcome_of(Reply.of(421, "4.7.0", "slow"), ()) == Outcome(
        Fate.PUT_OFF, Reply.of(451, "4.7.0", "slow")
    )
