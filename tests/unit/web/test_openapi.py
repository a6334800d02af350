"""The description of the API is what is served and what is in docs/, and the API is as it says."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from gateway.web.app import make_app, private_routes
from gateway.web.openapi import description
from gateway.web.server import Server
from tests.fakes.web import SECRET, Web, signature

ROOT = Path(__file__).resolve().parents[3]


def test_the_document_is_the_same() -> None:
    """docs/openapi.json is what the gateway serves."""
    assert json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8")) == description()


def test_every_route_is_described() -> None:
    """No path of the API is missing, and none is described that there is not."""
    web = Web()
    served = {
        route.path.replace(":path", "")  # type: ignore[attr-defined]  # all of them are Route
        for route in private_routes(web.site)
        if route.path.startswith("/v1/")  # type: ignore[attr-defined]  # the same
    }
    assert served - {"/v1/openapi.json"} == set(description()["paths"])


class Signed(requests.auth.AuthBase):
    """Signs whatever schemathesis made up, so that it gets past the door."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers."""
        self._number += 1
        body = request.body or b""
        assert isinstance(body, str | bytes)
        octets = body.encode() if isinstance(body, str) else body
        request.headers.update(signature(octets, secret=SECRET, id_=f"m-{self._number}", at=time.time()))
        return request


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The API on a real socket, with a ledger in memory; the partner's secret opens all of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    servers: list[Server] = []

    def run() -> None:
        async def main() -> None:
            web = Web(issuers=(SECRET,), requests_per_minute=0)
            web.site.clock = time.time
            server = Server(make_app(web.site, private_routes(web.site)), listener, connections=50)
            servers.append(server)
            await server.run_until_told()

        asyncio.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        servers[0].should_exit = True
        thread.join()


OPERATIONS = [(path, method) for path, item in description()["paths"].items() for method in item]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
load_all_checks()
SCHEMA = schemathesis.openapi.from_dict(description())
#: Not those about data that has to be refused or taken: what a token may be, the description can't say.
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)


@pytest.mark.parametrize("mode", MODES, ids=["as described", "otherwise"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[" ".join(pair) for pair in OPERATIONS])
def test_it_does_as_it_says(base: str, path: str, method: str, mode: schemathesis.GenerationMode) -> None:
    """Whatever may be asked by the description, and what may not: never a 500, always what is described."""
    operation = SCHEMA[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis' own
        response = case.call(base_url=base, auth=Signed())
        assert response.status_code not in (401, 500)
        case.validate_response(response, checks=CHECKED)

    ask()
