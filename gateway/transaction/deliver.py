"""One copy through one open transaction at the next hop: content out, one outcome a recipient back."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from gateway.errors import NextHopFault, OutcomeUnknown
from gateway.smtp import failure
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.reply import Reply
from gateway.transaction.ports import Outbound


class Delivery(NamedTuple):
    """What became of a copy.

    Attributes:
        outcomes: one a recipient that was accepted when it started, in order.
        refused: the next hop refused the content (or DATA) for good, for those recipients that it still
            accepted.
        dotted: the final dot was sent, so the answer is about the content.
    """

    outcomes: tuple[Outcome, ...]
    refused: bool = False
    dotted: bool = False


def outcome_of(reply: Reply, codes: Collection[str]) -> Outcome:
    """The outcome that a final reply of the next hop means, with the reply that the sender may see."""
    shown = failure.for_sender(reply, codes)
    return Outcome(Fate.of(shown), shown)


def fault_outcome(fault: NextHopFault) -> Outcome:
    """The outcome where there is no reply to pass on."""
    if isinstance(fault, OutcomeUnknown):
        return Outcome(Fate.UNKNOWN, failure.UNKNOWN_OUTCOME)
    return Outcome(Fate.PUT_OFF, fault_reply(fault))


def fault_reply(fault: NextHopFault) -> Reply:
    """What a sender is told when the next hop could not be asked."""
    if fault.lacks:
        return failure.NEXT_HOP_LACKS
    return failure.POOL_BUSY if fault.busy else failure.NO_NEXT_HOP


async def deliver(
    outbound: Outbound,
    blocks: Iterable[bytes],
    *,
    recipients: int,
    codes: Collection[str],
    before_dot: Callable[[], None],
    more: Callable[[], Awaitable[bytes]] | None = None,
    all_or_none: bool = False,
) -> Delivery:
    """Send DATA, the content and the dot.

    Args:
        outbound: with MAIL said and `recipients` RCPTs accepted.
        blocks: stuffed content that is at hand.
        codes: replies that refuse the gateway and not the mail.
        before_dot: called just before the final dot; what it raises stops the delivery before it is complete.
        more: gives the rest of the content as it comes, empty at the end.
        all_or_none: send nothing where a recipient that was accepted is put off when the transaction had to
            be opened again; the outbound is aborted then, and all are put off. For mail that no memory is
            kept of: the sender's retry then costs nobody a second copy.

    Raises:
        whatever `before_dot` and `more` raise; the caller then has to `abort` the outbound.
    """
    try:
        start = await outbound.data()
    except NextHopFault as fault:
        return Delivery(outcomes=(fault_outcome(fault),) * recipients)
    if not start.reply.intermediate:
        final = outcome_of(start.reply, codes) if not start.reply.positive else _nonsense()
        refused = final.fate is Fate.REFUSED and any(reply.positive for reply in start.recipients)
        return Delivery(outcomes=_spread(start.recipients, final, codes), refused=refused)
    if all_or_none:
        for answer in start.recipients:
            # by fate, since a refusal of the gateway is permanent only in its code
            if not answer.positive and (changed := outcome_of(answer, codes)).fate is Fate.PUT_OFF:
                outbound.abort()
                return Delivery(outcomes=(changed,) * recipients)
    try:
        block = b""
        for block in blocks:
            await outbound.write(block)
        if more is not None:
            while True:
                del block  # it is the transport's now; waiting for more may take long
                block = await more()
                if not block:
                    break
                await outbound.write(block)
        before_dot()
        reply = await outbound.finish()
    except NextHopFault as fault:
        return Delivery(outcomes=_spread(start.recipients, fault_outcome(fault), codes))
    final = outcome_of(reply, codes)
    return Delivery(
        outcomes=_spread(start.recipients, final, codes), refused=final.fate is Fate.REFUSED, dotted=True
    )


def _nonsense() -> Outcome:
    return Outcome(Fate.PUT_OFF, failure.NEXT_HOP_NONSENSE)


def _spread(answers: Sequence[Reply], final: Outcome, codes: Collection[str]) -> tuple[Outcome, ...]:
    # A recipient whose answer changed when the transaction was opened again has that as its outcome (SMTP.md
    # rule 1).
    return tuple([final if answer.positive else outcome_of(answer, codes) for answer in answers])
