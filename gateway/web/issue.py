"""Links for an ATS in the cloud that sends its own mail: ``POST /v1/links``, for the company's own systems.

Signed with secrets of their own: who is paid by referrals can't give itself links.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.store.links import Given, Wanted
from gateway.token import encode_token
from gateway.web.answers import Refused, answer, entries, read_json, text_of
from gateway.web.signed import signed
from gateway.web.site import Site

#: A system that has two secrets, while one takes the other's place, must not be taken twice.
_SCOPE = "own:issuer"
_MAX_ADDRESS = 1_024
_MAX_NAME = 200
DEFAULT_CAMPAIGN = "default"


def routes(site: Site) -> list[Route]:
    """The table."""
    return [Route("/v1/links", LinkApi(site).issue, methods=["POST"])]


class LinkApi:
    """The handler."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def issue(self, request: Request) -> Response:
        """A link for one person, or for each of a list."""
        site = self._site

        async def act(signer: str, body: bytes) -> Response:
            items, many = entries(read_json(body), "links", site.settings.batch)
            answers: list[dict[str, Any]] = [{} for _ in items]
            wanted: dict[int, Wanted] = {}
            for index, item in enumerate(items):
                try:
                    wanted[index] = _wanted(item)
                except Refused as refused:
                    answers[index] = {
                        "status": refused.status,
                        "error": refused.code,
                        "message": refused.message,
                    }
            given = await site.links.issue(list(wanted.values()), signer) if wanted else []
            for index, one in zip(wanted, given, strict=True):
                answers[index] = self._given(one)
            if not many:
                return answer(answers[0], answers[0]["status"])
            issued = sum(bool(one.get("link")) for one in answers)
            return answer({"issued": issued, "refused": len(answers) - issued, "links": answers})

        signers = {name_of(secret): (secret,) for secret in site.settings.issuers}
        return await signed(site, request, signers, act, scope=_SCOPE)

    def _given(self, one: Given) -> dict[str, Any]:
        told = {"status": 200, "external_id": one.wanted.reference, "campaign": one.wanted.campaign}
        if one.token is None:
            return {**told, "token": None, "link": None, "opt_out": None, "reason": one.reason}
        token = encode_token(one.token)
        settings = self._site.settings
        return {
            **told,
            "token": token,
            "link": settings.link_for(one.wanted.campaign, token),
            "opt_out": settings.opt_out_for(token),
        }


def name_of(secret: bytes) -> str:
    """By what the ledger names a system: the secret says which one it was, and this says which secret."""
    return f"system {hashlib.sha256(secret).hexdigest()[:8]}"


def _wanted(item: object) -> Wanted:
    if not isinstance(item, Mapping):
        raise Refused(422, "invalid", "a JSON object is wanted")
    address = text_of(item, "email", _MAX_ADDRESS, needed=True)
    if "@" not in address:
        raise Refused(422, "invalid", "email: this is no address")
    return Wanted(
        address=address,
        campaign=text_of(item, "campaign", _MAX_NAME) or DEFAULT_CAMPAIGN,
        reference=text_of(item, "external_id", _MAX_NAME),
    )
