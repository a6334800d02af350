"""The public link: ``/r/{token}`` leads on, ``/o/{token}`` is "no more of these".

Whoever followed a link is led on whatever becomes of the click, and where the ledger can't be asked, to the
landing page of all campaigns. Only POST suppresses, since programs fetch every link in a mail. The token is
in the path alone: no cookie, nothing in a log.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import LedgerFault
from gateway.store.links import Click, Link
from gateway.token import encode_token, parse_token
from gateway.web.language import pick_language
from gateway.web.pages import Page
from gateway.web.peers import place_of
from gateway.web.site import Site, fields
from gateway.web.visitors import Label, label_of

_DAY = 86_400


def routes(site: Site) -> list[Route]:
    """The table of the public link."""
    public = PublicLink(site)
    return [
        Route("/r/{token}", public.follow, methods=["GET"]),  # and HEAD, says Starlette
        Route("/o/{token}", public.ask, methods=["GET"]),
        Route("/o/{token}", public.opt_out, methods=["POST"]),
    ]


def page(site: Site, request: Request, which: Page, **headers: str) -> Response:
    """A page in the reader's language."""
    language = pick_language(request.headers.get("accept-language", ""))
    return Response(
        site.settings.pages[which, language],
        which.status,
        {"content-language": language, "vary": "accept-language", **headers},
        "text/html; charset=utf-8",
    )


class PublicLink:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def follow(self, request: Request) -> Response:
        """Lead on to the landing page of the link's campaign."""
        site, settings = self._site, self._site.settings
        network = site.network(request)
        refused = self._bounded(request, network)
        if refused is not None:
            return refused
        token = _token(request)
        if token is None:
            return page(site, request, Page.UNKNOWN)
        try:
            link = await site.links.find(token)
        except LedgerFault as fault:
            site.journal.fault("public link: the ledger can't be asked", fault)
            if settings.landing_url is None:
                return page(site, request, Page.LATER, **{"retry-after": "60"})
            return _redirect(settings.landing_url, token)
        if link is None:
            return page(site, request, Page.UNKNOWN)
        now = site.microseconds()
        self._note(request, network, link, now)
        target = settings.landing_urls.get(link.campaign, settings.landing_url)
        if target is None:
            site.journal.fault("public link: link.landing_url is not set, so a link leads nowhere")
            return page(site, request, Page.LATER)
        if now - link.sent_at > settings.valid:
            return page(site, request, Page.EXPIRED)
        return _redirect(target, token)

    async def ask(self, request: Request) -> Response:
        """The page with the button. Changes nothing."""
        refused = self._bounded(request, self._site.network(request))
        if refused is not None:
            return refused
        token = _token(request)
        if token is None:
            return page(self._site, request, Page.UNKNOWN)
        try:
            known = await self._site.links.find(token) is not None
        except LedgerFault as fault:
            self._site.journal.fault("opt-out page: the ledger can't be asked", fault)
            known = True  # whether it can be written shows when the button is pressed
        return page(self._site, request, Page.OPT_OUT if known else Page.UNKNOWN)

    async def opt_out(self, request: Request) -> Response:
        """No more of these. The same for a button pressed twice, and for RFC 8058's one-click."""
        site = self._site
        refused = self._bounded(request, self._site.network(request))
        if refused is not None:
            return refused
        token = _token(request)
        try:
            link = await site.links.find(token) if token is not None else None
            if link is None:
                return page(site, request, Page.UNKNOWN)
            await site.links.suppress(link.token)
        except LedgerFault as fault:
            site.journal.fault("opt-out: not written", fault)
            return page(site, request, Page.LATER, **{"retry-after": "60"})
        site.clicks.add(Click(token=link.token, at=site.microseconds(), label=Label.OPT_OUT.value))
        return page(site, request, Page.OPTED_OUT)

    def _bounded(self, request: Request, network: str) -> Response | None:
        site = self._site
        if site.visits.admits(network, site.monotonic()):
            return None
        site.journal.count("public-link:limited")
        return page(site, request, Page.BUSY, **{"retry-after": "60"})

    def _note(self, request: Request, network: str, link: Link, now: int) -> None:
        site = self._site
        since = now - (link.accepted_at or link.sent_at)
        day = int(site.clock()) // _DAY
        place = place_of(site.settings.place_key, network, day)
        label = label_of(request.method, fields(request.headers), since)
        site.clicks.add(Click(token=link.token, at=now, label=label.value, place=place))


def _token(request: Request) -> bytes | None:
    try:
        return parse_token(request.path_params["token"])
    except ValueError:
        return None


def _redirect(target: str, token: bytes) -> Response:
    return Response(b"", 302, {"location": target.replace("{token}", encode_token(token))})
