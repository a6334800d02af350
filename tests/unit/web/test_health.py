"""The pages for monitors: on the private listener, never on the public one."""

from collections.abc import Sequence

import pytest

from gateway.web.app import make_app, private_routes, public_routes
from gateway.web.health import Trouble
from tests.fakes.web import Web

PAGES = ("/metrics", "/healthz", "/readyz")
DEGRADED = Trouble(what="brake", stops=False, detail="a brake is on", run="careerrelay rules resume")
STOPS = Trouble(what="next-hop", stops=True, detail="no answer", run="careerrelay doctor")


class _Eyes:
    def __init__(self, *found: Trouble) -> None:
        self._found = found

    def metrics(self) -> str:
        """Some."""
        return "careerrelay_mails_total 1\n"

    def troubles(self) -> Sequence[Trouble]:
        """As given."""
        return self._found


def web(*found: Trouble, public: bool = False) -> Web:
    """A site with these troubles."""
    made = Web()
    routes = public_routes(made.site) if public else private_routes(made.site, _Eyes(*found))
    made.app = make_app(made.site, routes)
    return made


async def test_metrics() -> None:
    """As Prometheus wants them."""
    answer = await web().ask("GET", "/metrics")
    assert (answer.status, answer.text) == (200, "careerrelay_mails_total 1\n")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (await web().ask("GET", "/healthz")).json == {"status": "ok"}


@pytest.mark.parametrize(
    ("found", "path", "status", "word"),
    [
        ([], "/readyz", 200, "ready"),
        ([DEGRADED], "/readyz", 200, "degraded"),
        ([DEGRADED], "/readyz?strict", 503, "degraded"),
        ([DEGRADED, STOPS], "/readyz", 503, "not-ready"),
    ],
)
async def test_readiness(found: list[Trouble], path: str, status: int, word: str) -> None:
    """503 only where mail waits, so that no balancer stops mail for a brake; ``strict`` is for people."""
    answer = await web(*found).ask("GET", path)
    assert (answer.status, answer.json["status"]) == (status, word)
    assert [one["run"] for one in answer.json["troubles"]] == [one.run for one in found]


@pytest.mark.parametrize("path", PAGES)
async def test_not_for_the_public(path: str) -> None:
    """The listener that faces the internet has none of them."""
    assert (await web(public=True).ask("GET", path)).status == 404
