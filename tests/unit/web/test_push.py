"""Messages on their way: signed, tried again with growing pauses, put aside in the end."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from gateway.store import prepare
from gateway.store.credit_schema import outbox as table
from gateway.store.database import Database
from gateway.store.outbox import Letter, Outbox
from gateway.web.push import PAUSES, Courier, Target, pause_after, post
from tests.fakes.web import Journal, signature

NOW = 1_800_000_000


def test_pauses_grow_and_end() -> None:
    """About three days in all; then, or where the partner says Gone, nothing more is tried."""
    pauses = [pause_after(attempts, 500, 0.5) for attempts in range(1, len(PAUSES) + 1)]
    assert pauses == sorted(float(pause) for pause in PAUSES)
    assert 2 * 86_400 < sum(PAUSES) < 4 * 86_400
    assert pause_after(len(PAUSES) + 1, 500, 0.5) is None
    assert pause_after(1, 410, 0.5) is None
    assert pause_after(1, 0, 0.0) == 4
    assert pause_after(1, 0, 1.0) == 6


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A ledger with three messages that are due."""
    found = f"sqlite:///{tmp_path}/ledger.db"
    prepare(found)
    with Database(found).writer(5).begin() as connection:
        for number in range(3):
            connection.execute(
                insert(table).values(
                    partner="default",
                    message_id=f"send_{number}",
                    kind="send",
                    payload='{"n": 1}',
                    state="waiting",
                    created_at=1,
                    due_at=1,
                    attempts=0,
                )
            )
    return found


class Endpoint:
    """A partner that answers what it is told, and keeps what it got."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """One request."""
        self.got.append((url, dict(headers), body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer


def courier(url: str, endpoint: Endpoint, journal: Journal) -> Courier:
    """A courier to that endpoint."""
    return Courier(
        Outbox(url),
        {"default": Target(url="https://agency.example/hook", secret=b"s" * 32)},
        within=1,
        journal=journal,
        send=endpoint,
        clock=lambda: float(NOW),
    )


def states(url: str) -> dict[str, Letter]:
    """All messages by id."""
    with Outbox(url) as box:
        return {one.message_id: one for one in box.letters()}


async def test_delivers_signed(url: str) -> None:
    """Each once, with the message's id, signed as Standard Webhooks; nothing is left due."""
    endpoint, journal = Endpoint(200, 204), Journal()
    one = courier(url, endpoint, journal)
    assert await one.work(within=1) == 3
    assert await one.work(within=1) == 0
    one.close()
    assert {letter.state for letter in states(url).values()} == {"sent"}
    for where, headers, body in endpoint.got:
        assert where == "https://agency.example/hook"
        wanted = signature(body, id_=headers["webhook-id"], at=NOW)
        assert headers | wanted == headers
    assert sorted(headers["webhook-id"] for _, headers, _ in endpoint.got) == ["send_0", "send_1", "send_2"]
    assert journal.counts["push:delivered"] == 3


async def test_what_is_not_taken_waits(url: str) -> None:
    """No answer, an error and a redirect are failures, tried again later; Gone is put aside and told."""
    endpoint, journal = Endpoint(OSError("refused"), 302, 410), Journal()
    one = courier(url, endpoint, journal)
    assert await one.work(within=1) == 3
    one.close()
    found = states(url)
    assert sorted(letter.state for letter in found.values()) == ["dead", "waiting", "waiting"]
    now = time.time() * 1_000_000
    assert all(letter.due_at > now for letter in found.values() if letter.state == "waiting")
    assert {letter.error for letter in found.values()} == {"OSError: refused", "HTTP 302", "HTTP 410"}
    assert any("outbox list" in told for told in journal.faults)


async def test_put_aside_in_the_end(url: str) -> None:
    """After the last pause a message is dead, and the next ones are none the worse for it."""
    endpoint, journal = Endpoint(*[500] * 100), Journal()
    one = courier(url, endpoint, journal)
    for _ in range(len(PAUSES) + 2):
        await one.work(within=1)
        with Database(url).writer(5).begin() as connection:
            connection.execute(update(table).values(due_at=1))
    one.close()
    assert {letter.state for letter in states(url).values()} == {"dead"}
    assert len(endpoint.got) == 3 * (len(PAUSES) + 1)


async def test_a_partner_that_is_gone_from_the_config(url: str) -> None:
    """Nothing is sent, and nothing is lost: the messages wait for it to come back."""
    endpoint, journal = Endpoint(), Journal()
    one = courier(url, endpoint, journal)
    one.targets = {}
    assert await one.work(within=1) == 0
    one.close()
    assert endpoint.got == []
    assert {letter.state for letter in states(url).values()} == {"waiting"}


async def test_a_faulty_ledger_ends_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and the courier goes on."""
    Path(url.removeprefix("sqlite:///")).unlink()
    journal = Journal()
    one = courier(url, Endpoint(), journal)
    task = asyncio.create_task(one.run())
    while not journal.faults:  # noqa: ASYNC110 - it tells nobody else
        await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    one.close()


@contextlib.contextmanager
def partner(status: int) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A real endpoint on loopback."""
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(b"x" * 100)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?x=1", got
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 302, 500])
def test_over_a_socket(status: int) -> None:
    """What goes out is what was signed; redirects are not followed."""
    with partner(status) as (url, got):
        assert post(url, {"content-type": "application/json"}, b'{"a": 1}') == status
    assert got == [("/hook?x=1", b'{"a": 1}')]


def test_nobody_there() -> None:
    """An error of the network, not a hang."""
    with pytest.raises(OSError, match="refused"):
        post("http://127.0.0.1:9/hook", {}, json.dumps({}).encode())
