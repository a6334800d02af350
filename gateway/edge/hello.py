"""EHLO: what is offered to a peer, which is what both sides can do (SMTP.md rule 10)."""

import asyncio
from collections.abc import Sequence

from gateway.edge.login import MECHANISMS
from gateway.edge.standing import Standing
from gateway.errors import NextHopFault
from gateway.smtp.capabilities import advertise
from gateway.smtp.client import XCLIENT, XFORWARD
from gateway.transaction.ports import NextHop


async def extensions(
    hops: Sequence[NextHop], standing: Standing, *, own_size: int
) -> tuple[bytes, ...] | None:
    """The lines behind our name in the reply to EHLO; None if nothing is known of the next hops.

    Args:
        hops: all that the peer's mail may go to.
        standing: of the peer.
        own_size: the gateway's own limit in octets; 0 for none.
    """
    known = await asyncio.gather(*(hop.capabilities() for hop in hops), return_exceptions=True)
    for fault in known:
        if isinstance(fault, BaseException) and not isinstance(fault, NextHopFault):
            raise fault
    capabilities = [found for found in known if not isinstance(found, BaseException)]
    if not capabilities:
        return None
    if not standing.secure:
        # RFC 8689 §2: promised on a connection that keeps it
        capabilities = [found.without(b"REQUIRETLS") for found in capabilities]
    lines = advertise(capabilities, own_size=own_size)
    if standing.offers_tls:
        lines = (*lines, b"STARTTLS")
    if standing.offers_auth:
        lines = (*lines, MECHANISMS)
    if standing.speaks_for:
        lines = (*lines, b" ".join((b"XCLIENT", *XCLIENT)), b" ".join((b"XFORWARD", *XFORWARD)))
    return lines
