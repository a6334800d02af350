"""The rest of the way: links are followed, candidates register with the agency, ten of them earn a slot.

The agency's place is taken by this module: it signs what it reports, as a real one has to.
"""

import asyncio
import csv
import http.client
import io
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from gateway.demo.stage import DemoError, Stage
from gateway.web.signature import signed_headers

_SECONDS = 20
_JST = timedelta(hours=9)
#: Two more candidates, turned down by an ATS in the cloud whose mail never passes the gateway.
_ATS = """\
氏名,email,external_id
高橋 美咲,takahashi@example.net,APP-9
小林 蓮,kobayashi@example.com,APP-10
"""
_ENOUGH = 10


class Circle:
    """The way of these links, which mails carried. `earned` says whether a slot came of it."""

    def __init__(self, stage: Stage, links: Sequence[str]) -> None:
        self._stage = stage
        self._tokens = [link.rpartition("/")[2] for link in links]
        self.earned = False

    async def lines(self) -> AsyncIterator[str]:
        """Go it, and tell of each step. Raises DemoError where something is not as it should be."""
        yield "  An ATS in the cloud sends its own rejections: careerrelay links issue ats.csv"
        (self._stage.folder / "ats.csv").write_text(_ATS, "utf-8")
        issued = await self._stage.ask("links", "issue", str(self._stage.folder / "ats.csv"))
        for row in csv.DictReader(io.StringIO(issued)):
            self._tokens.append(row["token"])
            yield f"    {row['external_id']:<8} {row['link']}"
        yield ""
        yield "  The first candidate follows the link:"
        status, where = await self._ask("GET", f"/r/{self._tokens[0]}")
        yield f"    GET /r/{self._tokens[0]} → {status}, on to {where}"
        if status != 302:
            raise DemoError(f"the link was answered {status}")
        yield ""
        yield f"  {len(self._tokens)} candidates register with the agency, which reports them, signed:"
        report = [
            {"id": f"A-{number}", "token": token, "person_id": f"P-{number}", "registered_at": _now()}
            for number, token in enumerate(self._tokens, 1)
        ]
        for _ in range(2):
            status, answer = await self._report({"registrations": report})
            if status != 200:
                raise DemoError(f"the registrations were answered {status}: {answer}")
            found = [f"{one['result']} and {one['state']}" for one in answer["registrations"]]
            counts = ", ".join(f"{found.count(word)} {word}" for word in dict.fromkeys(found))
            yield f"    POST /v1/registrations → {status}: {counts}"
        status, _ = await self._report({"registrations": report}, secret=secrets.token_bytes(32))
        yield f"    the same with a forged signature → {status}"
        yield ""
        credit = json.loads(await self._stage.ask("credits", "show", "--json"))
        self.earned = credit["slots_granted"] == len(self._tokens) // _ENOUGH == 1 and status == 401
        for words in (
            ("registrations", "show", "A-1"),
            ("credits", "show"),
            ("circle",),
            ("statement", "--month", _month()),
        ):
            yield click.style(f"  careerrelay {' '.join(words)}", bold=True)
            for line in (await self._stage.ask(*words)).splitlines():
                yield f"    {line}".rstrip()
            yield ""

    async def _report(self, content: object, *, secret: bytes | None = None) -> tuple[int, Any]:
        body = json.dumps(content).encode()
        headers = signed_headers(
            secret or self._stage.secret, f"msg-{secrets.token_hex(6)}", int(time.time()), body
        )
        status, text = await self._ask("POST", "/v1/registrations", body, headers)
        return status, json.loads(text)

    async def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """The status, and where it leads or what it says."""

        def ask() -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", self._stage.web_port, timeout=_SECONDS)
            try:
                connection.request(method, path, body, {"user-agent": "Mozilla/5.0", **(headers or {})})
                answer = connection.getresponse()
                text = answer.read().decode("utf-8")
                return answer.status, answer.getheader("location") or text
            finally:
                connection.close()

        try:
            return await asyncio.to_thread(ask)
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"the web server did not answer {method} {path}: {error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _month() -> str:
    return f"{datetime.now(UTC) + _JST:%Y-%m}"
