"""The partner's API: registrations, what became of them, and how they stand."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.ledger.intake import MAX_ID, Reported, Unreadable, read_reported
from gateway.ledger.months import parse_moment
from gateway.ledger.states import PARTNER_EVENTS, Event
from gateway.store.export import moment
from gateway.store.registrations import Taken
from gateway.store.said import EventReport, NoSuchRegistration, NotPossible
from gateway.web.answers import Refused, answer, entries, read_json, text_of
from gateway.web.signed import signed
from gateway.web.site import Site

_STATUS = {"new": 200, "known": 200, "conflict": 409}
_MAX_REASON = 500
_MAX_EVIDENCE = 2_000
#: What a partner may say at the end of a dispute: that it was right to count, or that all stays as it was.
#: To take a referral back by a dispute is for the company to agree to.
_OUTCOMES = ("count", "keep")


def routes(site: Site) -> list[Route]:
    """The table of the partner's API. An id may hold slashes."""
    api = PartnerApi(site)
    return [
        Route("/v1/registrations", api.register, methods=["POST"]),
        Route("/v1/registrations/{id:path}/events", api.event, methods=["POST"]),
        Route("/v1/registrations/{id:path}", api.show, methods=["GET"]),
    ]


class PartnerApi:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def register(self, request: Request) -> Response:
        """One registration, or a list of them."""

        async def act(partner: str, body: bytes) -> Response:
            content = read_json(body)
            items, many = entries(content, "registrations", self._site.settings.batch)
            answers = await self._register(partner, items)
            if not many:
                (single,) = answers
                return answer(single, single["status"])
            taken = sum(one["status"] == 200 for one in answers)
            return answer({"taken": taken, "refused": len(answers) - taken, "registrations": answers})

        return await signed(self._site, request, self._site.settings.partners, act)

    async def _register(self, partner: str, items: list[Any]) -> list[dict[str, Any]]:
        """An answer for each item, in order; what can't be read keeps nothing else from going in."""
        answers: list[dict[str, Any]] = []
        reports: dict[int, Reported] = {}
        for index, item in enumerate(items):
            answers.append({})
            if index % 200 == 199:
                await asyncio.sleep(0)  # let others in
            try:
                if not isinstance(item, Mapping):
                    raise Unreadable("a JSON object is wanted")  # noqa: TRY301 - one answer for all that is unreadable
                reports[index] = read_reported(item)
            except Unreadable as error:
                answers[index] = {
                    "id": _shown_id(item),
                    "status": 422,
                    "error": "invalid",
                    "message": str(error),
                }
        taken = await self._site.registrar.register(partner, list(reports.values())) if reports else []
        for index, one in zip(reports, taken, strict=True):
            answers[index] = _taken(one)
        return answers

    async def event(self, request: Request) -> Response:
        """What became of a registration, or an objection."""
        id_ = request.path_params["id"]

        async def act(partner: str, body: bytes) -> Response:
            content = read_json(body)
            named = text_of(content, "registration", MAX_ID)
            if named and named != id_:
                raise Refused(422, "invalid", "registration: not the one that the path names")
            try:
                return await self._event(partner, id_, content)
            except NoSuchRegistration:
                raise Refused(404, "unknown", "there is no such registration of yours") from None
            except NotPossible as error:
                raise Refused(409, "not-possible", str(error)) from None

        return await signed(self._site, request, self._site.settings.partners, act)

    async def _event(self, partner: str, id_: str, content: Mapping[str, Any]) -> Response:
        registrar = self._site.registrar
        word = text_of(content, "event", 32, needed=True)
        reason = text_of(content, "reason", _MAX_REASON)
        if word == Event.DISPUTE.value:
            taken = await registrar.dispute(
                partner,
                id_,
                event_id=text_of(content, "id", MAX_ID),
                reason=reason or "(none given)",
                evidence=text_of(content, "evidence", _MAX_EVIDENCE),
                until=_moment(content, "until"),
            )
        elif word == Event.RESOLVE.value:
            outcome = text_of(content, "outcome", 32, needed=True)
            if outcome not in _OUTCOMES:
                raise Refused(422, "invalid", f"outcome: one of {', '.join(_OUTCOMES)}")
            event_id = text_of(content, "id", MAX_ID)
            taken = await registrar.resolve(
                partner, id_, event_id=event_id, outcome=outcome, reason=reason or "(none given)"
            )
        else:
            taken = await registrar.event(partner, _event_report(id_, word, content, reason))
        content = {
            "registration": id_,
            "id": taken.id,
            "event": word,
            "result": taken.result,
            "state": taken.state,
            "reason": taken.reason,
        }
        if taken.result == "conflict":
            content |= {"error": "conflict", "message": "this id was used for another event"}
        return answer(content, _STATUS[taken.result])

    async def show(self, request: Request) -> Response:
        """How a registration stands. Signed like the rest, with an empty body."""
        id_ = request.path_params["id"]

        async def act(partner: str, body: bytes) -> Response:
            del body
            try:
                found = await self._site.registrar.standing(partner, id_)
            except NoSuchRegistration:
                raise Refused(404, "unknown", "there is no such registration of yours") from None
            return answer(
                {
                    "id": found.id,
                    "state": found.state,
                    "reason": found.reason,
                    "counts": found.counts,
                    "disputed": found.disputed,
                    "campaign": found.campaign,
                    "registered_at": _iso(found.registered_at),
                    "received_at": _iso(found.received_at),
                }
            )

        return await signed(self._site, request, self._site.settings.partners, act)


def _event_report(id_: str, word: str, content: Mapping[str, Any], reason: str) -> EventReport:
    allowed = {event.value: event for event in PARTNER_EVENTS}
    if word not in allowed:
        words = ", ".join([*allowed, Event.DISPUTE.value, Event.RESOLVE.value])
        raise Refused(422, "invalid", f"event: one of {words}")
    return EventReport(
        registration=id_,
        id=text_of(content, "id", MAX_ID, needed=True),
        event=allowed[word],
        occurred_at=_moment(content, "occurred_at"),
        reason=reason,
    )


def _taken(one: Taken) -> dict[str, Any]:
    if one.result == "conflict":
        return {
            "id": one.id,
            "status": 409,
            "error": "conflict",
            "message": "this id was reported before with other content",
        }
    return {
        "id": one.id,
        "status": 200,
        "result": one.result,
        "state": one.state,
        "reason": one.reason,
        "counts": one.counts,
    }


def _shown_id(item: object) -> str | None:
    """The id of what couldn't be read, as far as it is one."""
    found = item.get("id") if isinstance(item, Mapping) else None
    return found[:MAX_ID] if isinstance(found, str) else None


def _moment(content: Mapping[str, Any], name: str) -> int | None:
    text = text_of(content, name, 64)
    if not text:
        return None
    try:
        return parse_moment(text, zone=None)
    except (ValueError, OverflowError):
        raise Refused(
            422, "invalid", f"{name}: a time with its zone is wanted, as 2026-12-01T09:00:00+09:00"
        ) from None


def _iso(microseconds: int) -> str:
    return moment(microseconds).isoformat(timespec="seconds").replace("+00:00", "Z")
