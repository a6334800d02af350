"""Requests that are signed: who sent them, their body, and that nobody sends the same one again.

A request that is not signed as it should be gets the same 401 whatever was wrong, and a network that sends
many of them 429. Before the headers look right nothing of the body is read.

The same octets a second time (id and timestamp) are a replay, and refused. A sender that repeats a message,
because our answer was lost, signs it with the time of then (Standard Webhooks): that is taken, and the ledger
sees by the ids in it that it knows it already.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import LedgerFault
from gateway.web.answers import Refused, read_body
from gateway.web.signature import BadSignature, Claimed, read_claim, signer_of
from gateway.web.site import Site

Act = Callable[[str, bytes], Awaitable[Response]]


async def signed(
    site: Site, request: Request, signers: Mapping[str, Sequence[bytes]], act: Act, *, scope: str = ""
) -> Response:
    """Act upon a signed request, once.

    Args:
        site: what all handlers share.
        request: as it came.
        signers: who may sign, with their secrets.
        act: is told who signed and the body; gives the answer, or raises `Refused`.
        scope: within which a message is taken once; the signer's own where there is none.
    """
    try:
        claim, body, signer = await _read(site, request, signers)
        mark = f"{claim.id}.{claim.timestamp}"
        if not await site.registrar.consume(scope or signer, mark):
            raise Refused(409, "replayed", "this very request was taken before")  # noqa: TRY301 - one answer for all
        try:
            return await act(signer, body)
        except Refused as refused:
            return refused.answer()
        except LedgerFault:
            await site.registrar.forget(scope or signer, mark)
            raise
    except Refused as refused:
        return refused.answer()
    except LedgerFault as fault:
        site.journal.fault("API: the ledger can't be used", fault)
        return Refused(503, "unavailable", "try again later", retry_after="60").answer()


async def _read(
    site: Site, request: Request, signers: Mapping[str, Sequence[bytes]]
) -> tuple[Claimed, bytes, str]:
    try:
        claim = read_claim(request.headers, site.clock())
        body = await read_body(request, site.settings.body_bytes)
        signer = signer_of(claim, body, signers)
    except BadSignature as error:
        site.journal.count("api:unsigned")
        if not site.failures.admits(site.network(request), site.monotonic()):
            raise Refused(
                429, "too-many", "too many requests that are not signed", retry_after="60"
            ) from None
        site.journal.fault(f"API: a request was not signed as it should be: {error}")
        raise Refused(401, "unauthorized", "the request is not signed as it should be") from None
    return claim, body, signer
