"""The two applications, as tables of routes: everything, and the public link alone.

Whoever adds endpoints adds a table here (`private_routes`); what only the inside may see is never in
`public_routes`, which is all that `web.public_listen` has.
"""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web import health, issue, link, openapi, partner
from gateway.web.answers import Refused
from gateway.web.pages import CONTENT_POLICY, Page
from gateway.web.site import Site

_API = "/v1/"
#: On every answer. A token is in the address: it must not travel on as a referrer, nor into a search engine.
_FIELDS = tuple(
    (name.encode("ascii"), value.encode("ascii"))
    for name, value in (
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex, nofollow"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", CONTENT_POLICY),
        ("cache-control", "no-store"),
    )
)
_WORDS = {404: ("unknown", "there is nothing here"), 405: ("not-allowed", "this method is not allowed here")}


def public_routes(site: Site) -> Sequence[BaseRoute]:
    """What the internet may see."""
    return link.routes(site)


def private_routes(site: Site, eyes: health.Eyes | None = None) -> Sequence[BaseRoute]:
    """Everything."""
    seen = health.routes(eyes) if eyes is not None else []
    return [*seen, *link.routes(site), *openapi.routes(), *partner.routes(site), *issue.routes(site)]


def make_app(site: Site, routes: Sequence[BaseRoute]) -> ASGIApp:
    """An application of these routes, with what holds for all answers."""

    async def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if request.url.path.startswith(_API):
            code, words = _WORDS.get(status, ("failed", "this did not work"))
            found = Refused(status, code, words).answer()
        else:
            found = link.page(site, request, Page.MISSING)
            found.status_code = status
        found.headers.update(headers)
        return found

    app = Starlette(routes=routes, exception_handlers={HTTPException: refused, Exception: refused})
    app.router.redirect_slashes = False  # would answer with our name for ourselves
    return _Shell(site, app)


class _Shell:
    """Around an application: the fields of every answer, and an end for errors that nobody expected."""

    def __init__(self, site: Site, app: ASGIApp) -> None:
        self._site = site
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_FIELDS]
            await send(message)

        try:
            await self._app(scope, receive, send_with_fields)
        except Exception as error:  # noqa: BLE001 - Starlette has answered 500; one request must not end the rest
            self._site.journal.fault("web: a request failed", error)
