"""The web process beside the mail: on the parent's sockets, reloaded, drained, and never in mail's way."""

import asyncio
import base64
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.token import parse_token
from tests.fakes.web import signature
from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import ledger, running, sends, until
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401 - urllib's
        """Redirects are looked at, not followed."""


def fetch(
    port: int, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request: status, fields, body."""
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, body, {"User-Agent": "Mozilla/5.0", **(headers or {})})
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=10) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


async def ask(
    port: int, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """The same without blocking the loop."""
    return await asyncio.to_thread(
        fetch, port, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def settings(tmp_path: Path, port: int, **link: Any) -> dict[str, Any]:  # noqa: ANN401 - config
    """A config with everything of the web switched on."""
    secret = tmp_path / "partner.secret"
    secret.write_text("whsec_" + base64.b64encode(b"s" * 32).decode() + "\n")
    secret.chmod(0o600)
    return {
        "web": {"listen": f"127.0.0.1:{port}"},
        "link": {"landing_url": "https://agency.example/w?ref={token}", **link},
        "partner": {"webhook_secret_file": str(secret)},
    }


def web_process(gateway: Gateway) -> int:
    """The process id of the web server, by its own word in the log."""
    return int(re.findall(r"web server is ready process=(\d+)", gateway.log())[-1])


async def test_from_a_mail_to_a_counted_registration(tmp_path: Path) -> None:
    """The whole way: a rejection, its link followed, a signed registration, the book, an opt-out."""
    port = free_port()
    async with ScriptedHop() as hop, running(hop, settings(tmp_path, port)) as gateway:
        assert (await send_mail(gateway.port, rejection(1)))[-1].code == 250
        (send,) = await asyncio.to_thread(sends, gateway.ledger)
        status, headers, body = await ask(port, f"/r/{send.token.upper()}")
        assert (status, body) == (302, b"")
        assert headers["location"] == f"https://agency.example/w?ref={send.token}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = json.dumps(
            {"id": "A-1", "token": send.token, "registered_at": now, "person_id": "P"}
        ).encode()
        signed = signature(content, at=time.time())
        status, _, body = await ask(port, "/v1/registrations", content, **signed)
        assert (status, json.loads(body)["state"]) == (200, "counted")
        assert (await ask(port, "/v1/registrations", content, **signed))[0] == 409
        assert (await ask(port, f"/o/{send.token}"))[0] == 200
        assert (await ask(port, f"/o/{send.token}", b""))[0] == 200
        assert await asyncio.to_thread(gateway.stop) == 0
        assert "127.0.0.1 " not in gateway.log().partition("web server is ready")[2]
        with ledger(gateway.ledger) as connection:
            rows = connection.execute("SELECT token, label, length(place) FROM clicks ORDER BY id").fetchall()
            suppressed = connection.execute("SELECT source FROM suppressions").fetchall()
        token = parse_token(send.token)
        assert rows == [(token, "early", 8), (token, "opt-out", None)], "labels, and no address"
        assert suppressed == [("page",)]


async def test_its_death_never_touches_mail(tmp_path: Path) -> None:
    """Kill -9: mail goes on in the same worker, and another web process takes over the same socket."""
    port = free_port()
    async with ScriptedHop() as hop, running(hop, settings(tmp_path, port)) as gateway:
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        before = web_process(gateway)
        os.kill(before, signal.SIGKILL)
        assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
        await until(lambda: gateway.log().count("web server is ready") == 2, "another web server")
        assert web_process(gateway) != before
        assert (await ask(port, "/r/nonsense"))[0] == 404
        assert "web server died, mail goes on" in gateway.log()
        assert "worker died" not in gateway.log()


async def test_a_port_in_use_keeps_no_mail(tmp_path: Path) -> None:
    """Mail is taken without the web server, which comes as soon as it can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with ScriptedHop() as hop, running(hop, settings(tmp_path, port)) as gateway:
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            assert f"can't listen on 127.0.0.1:{port}" in gateway.log()
            taken.close()
            await until(lambda: "web server is ready" in gateway.log(), "a web server")
            assert (await ask(port, "/r/nonsense"))[0] == 404


async def test_reload_and_two_listeners(tmp_path: Path) -> None:
    """SIGHUP changes where links lead; the public listener has nothing but the link."""
    port, public = free_port(), free_port()
    config = settings(tmp_path, port)
    config["web"]["public_listen"] = f"127.0.0.1:{public}"
    async with ScriptedHop() as hop, running(hop, config) as gateway:
        await send_mail(gateway.port, rejection(1))
        (send,) = await asyncio.to_thread(sends, gateway.ledger)
        assert (await ask(public, f"/r/{send.token}"))[0] == 302
        assert (await ask(public, "/v1/openapi.json"))[0] == 404
        assert (await ask(port, "/v1/openapi.json"))[0] == 200
        config["link"]["landing_url"] = "https://new.example/{token}"
        gateway.configure(config)
        gateway.reload()
        await until(lambda: gateway.log().count("reloaded") == 2, "both processes reloaded")
        status, headers, _ = await ask(public, f"/r/{send.token}")
        assert (status, headers["location"]) == (302, f"https://new.example/{send.token}")


async def test_drain_waits_for_no_stranger(tmp_path: Path) -> None:
    """SIGTERM: a request that never ends is let go within the bound; the gateway exits 0."""
    port = free_port()
    async with ScriptedHop() as hop, running(hop, settings(tmp_path, port)) as gateway:
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/registrations HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        begun = time.monotonic()
        assert await asyncio.to_thread(gateway.stop) == 0
        assert time.monotonic() - begun < 12
        writer.close()
