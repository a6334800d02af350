"""Links for an ATS in the cloud that sends its own mail: ``POST /v1/links``, for the company's own systems.

Signed with secrets of their own: who is paid by referrals can't give itself links.
"""

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

_SIGNER = "issuer"
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
            del signer
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
            given = await site.links.issue(list(wanted.values())) if wanted else []
            for index, one in zip(wanted, given, strict=True):
                answers[index] = self._given(one)
            if not many:
                return answer(answers[0], answers[0]["status"])
            issued = sum(bool(one.get("link")) for one in answers)
            return answer({"issued": issued, "refused": len(answers) - issued, "links": answers})

        return await signed(site, request, {_SIGNER: site.settings.issuers}, act, scope="own:")

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
