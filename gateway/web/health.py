"""``/metrics``, ``/healthz``, ``/readyz``: for the inside only, never in `public_routes`.

``/healthz``: this process answers. ``/readyz``: whether mail can be taken, and what to run where something is
not as it should be. Its status is 503 only where mail would wait: a balancer that takes nodes out because a
brake is on, or the ledger is down, would stop the mail that promise 1 keeps going. ``/readyz?strict`` is 503
for everything that a person should look at.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is not as it should be.

    Attributes:
        what: a stable name; `detail`: in words.
        stops: whether mail waits because of it.
        run: what to do.
    """

    what: str
    stops: bool
    detail: str
    run: str


class Eyes(Protocol):
    """What there is to see."""

    def metrics(self) -> str:
        """All of it, as Prometheus reads it."""

    def troubles(self) -> Sequence[Trouble]:
        """What is not as it should be."""


def routes(eyes: Eyes) -> list[Route]:
    """The table."""

    async def metrics(_: Request) -> Response:
        return Response(eyes.metrics(), media_type=_METRICS_TYPE)

    async def healthy(_: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def ready(request: Request) -> Response:
        found = eyes.troubles()
        stops = any(one.stops for one in found)
        status = "not-ready" if stops else "degraded" if found else "ready"
        failed = bool(found) if "strict" in request.query_params else stops
        answer = {"status": status, "ready": not stops, "troubles": [asdict(one) for one in found]}
        return _json(503 if failed else 200, answer)

    return [
        Route("/metrics", metrics, methods=["GET"]),
        Route("/healthz", healthy, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
    ]


def _json(status: int, value: object) -> Response:
    return Response(json.dumps(value, indent=1) + "\n", status, media_type="application/json")
