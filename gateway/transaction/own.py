"""A mail of our own (a failure notice, a notice to an editor of rules) through one transaction."""

from collections.abc import Collection, Sequence

from gateway.smtp.capabilities import needs_of
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Outcome
from gateway.transaction.compose import Content
from gateway.transaction.deliver import deliver, outcome_of
from gateway.transaction.ports import NextHop


async def send_own(
    hop: NextHop, mail: Mail, recipients: Sequence[Rcpt], content: bytes, codes: Collection[str]
) -> list[Outcome]:
    """Send `content` (CRLF line ends, not stuffed); one outcome a recipient.

    `codes` are replies that refuse the gateway and not the mail.

    Raises:
        NextHopFault: the next hop could not be asked.
    """
    outbound = await hop.begin(needs_of(mail, recipients))
    try:
        said, *replies = await outbound.envelope((mail, *recipients))
        if not said.positive:
            replies = [said] * len(recipients)
        outcomes = [None if reply.positive else outcome_of(reply, codes) for reply in replies]
        accepted = outcomes.count(None)
        if accepted:
            delivery = await deliver(
                outbound,
                Content(content).blocks(b""),
                recipients=accepted,
                codes=codes,
                before_dot=_go_on,
            )
            delivered = iter(delivery.outcomes)
            outcomes = [next(delivered) if outcome is None else outcome for outcome in outcomes]
        await outbound.end()
    except BaseException:
        outbound.abort()
        raise
    return [outcome for outcome in outcomes if outcome is not None]


def _go_on() -> None:
    """Nobody's connection matters to a mail of ours."""
