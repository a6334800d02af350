"""The public link: leads on at once, tells readers kindly what it can't, and only POST says "no more"."""

import asyncio
import re

import pytest

from gateway.token import encode_token
from gateway.web.app import make_app, public_routes
from gateway.web.site import Site
from tests.fakes.web import LINK, NOW, TOKEN, Web, send


async def test_leads_on_at_once() -> None:
    """To the landing page with the token, without a body, and without anything that could be kept."""
    web = Web()
    answer = await web.ask("GET", f"/r/{LINK}")
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["location"] == f"https://agency.example/welcome?ref={LINK}"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not {"set-cookie", "server"} & set(answer.headers)


async def test_the_page_of_the_campaign() -> None:
    """A campaign may have a landing page of its own."""
    web = Web()
    web.ledger.sends[TOKEN] = send(campaign="engineering")
    answer = await web.ask("GET", f"/r/{LINK}")
    assert answer.headers["location"] == f"https://agency.example/engineers/{LINK}"


@pytest.mark.parametrize(
    "written",
    [
        LINK.upper(),
        LINK.replace("0", "o").replace("1", "l"),
        LINK.replace("0", "O").replace("1", "I"),
        f"{LINK[:8]}-{LINK[8:]}",
    ],
)
async def test_what_people_make_of_a_token(written: str) -> None:
    """Upper case, look-alikes and hyphens lead to the same place."""
    assert "0" in LINK
    assert "1" in LINK
    answer = await Web().ask("GET", f"/r/{written}")
    assert answer.headers["location"] == f"https://agency.example/welcome?ref={LINK}"


@pytest.mark.parametrize(
    ("accept", "language", "words"),
    [
        ("ja,en;q=0.8", "ja", "確認できません"),
        ("en-GB,en;q=0.9,ja;q=0.2", "en", "know this link"),
        ("fr", "en", "know this link"),
        ("", "ja", "確認できません"),
    ],
)
@pytest.mark.parametrize("token", ["nonsense", encode_token(b"\xff" * 16), "x" * 5_000, "%00", "７" * 26])
async def test_unknown_tokens(token: str, accept: str, language: str, words: str) -> None:
    """A kind page in the reader's language; what was asked for is not in it."""
    answer = await Web().ask("GET", f"/r/{token}", headers={"accept-language": accept})
    assert answer.status == 404
    assert answer.headers["content-language"] == language
    assert words in answer.text
    assert token not in answer.text


async def test_expired() -> None:
    """A link that is over says so, in a status of its own."""
    web = Web(valid=86_400_000_000)
    web.ledger.sends[TOKEN] = send(age=86_401)
    answer = await web.ask("GET", f"/r/{LINK}", headers={"accept-language": "en"})
    assert answer.status == 410
    assert "This link is over" in answer.text


async def test_a_faulty_ledger_stops_nobody() -> None:
    """Promise 1 for readers: led on even so; opting out, which has to be written, says to try again."""
    web = Web()
    web.ledger.fault = True
    answer = await web.ask("GET", f"/r/{LINK}")
    assert answer.headers["location"] == f"https://agency.example/welcome?ref={LINK}"
    assert (await web.ask("GET", f"/o/{LINK}")).status == 200
    assert (await web.ask("POST", f"/o/{LINK}")).status == 503
    assert web.journal.faults


async def clicks(web: Web) -> list[str]:
    """The labels of all clicks so far."""
    await web.site.clicks.flush()
    return [click.label for click in web.ledger.clicks]


async def test_clicks_are_logged_beside_the_path() -> None:
    """Who it probably was, and a keyed stand-in for the place; never an address."""
    web = Web()
    await web.ask("GET", f"/r/{LINK}")
    assert web.ledger.clicks == [], "the reader waits for the ledger"
    await web.ask("HEAD", f"/r/{LINK}")
    await web.ask("GET", f"/r/{LINK}", headers={"sec-purpose": "prefetch;prerender"})
    await web.ask("GET", f"/r/{LINK}", headers={"user-agent": "Barracuda Sentinel"})
    web.ledger.sends[TOKEN] = send(age=3)
    await web.ask("GET", f"/r/{LINK}", peer="192.0.2.7")
    assert await clicks(web) == ["human", "head", "prefetch", "scanner", "early"]
    places = [click.place for click in web.ledger.clicks]
    assert len(set(places)) == 2
    assert all(place and len(place) == 8 for place in places)


async def test_many_links_from_one_place() -> None:
    """A place that follows many links is no reader, also in hindsight."""
    web = Web()
    tokens = [bytes([number]) * 16 for number in range(8)]
    for token in tokens:
        web.ledger.sends[token] = send(token)
        await web.ask("GET", f"/r/{encode_token(token)}", headers={"x-forwarded-for": "203.0.113.5"})
    assert await clicks(web) == ["human"] * 4 + ["crowd"] * 4
    (place,) = {click.place for click in web.ledger.clicks}
    assert web.ledger.crowded == {place: int((NOW - 600) * 1_000_000)}


async def test_one_reader_many_times() -> None:
    """Following one's own link ten times makes no crowd."""
    web = Web()
    for _ in range(10):
        await web.ask("GET", f"/r/{LINK}")
    assert set(await clicks(web)) == {"human"}


async def test_opting_out_takes_a_button() -> None:
    """GET and HEAD show a page and change nothing; POST suppresses, again and again with the same answer."""
    web = Web()
    for method in ("GET", "HEAD"):
        assert (await web.ask(method, f"/o/{LINK}")).status == 200
    shown = await web.ask("GET", f"/o/{LINK}", headers={"accept-language": "en"})
    assert '<form method="post">' in shown.text
    assert LINK not in shown.text
    assert web.ledger.suppressed == []
    for body in (b"", b"List-Unsubscribe=One-Click"):
        done = await web.ask("POST", f"/o/{LINK.upper()}", body, {"accept-language": "en"})
        assert done.status == 200
        assert "no longer carry" in done.text
    assert web.ledger.suppressed == [TOKEN, TOKEN]
    assert await clicks(web) == ["opt-out", "opt-out"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_opting_out_with_a_strange_token(method: str) -> None:
    """Nothing is written for tokens that nobody was sent."""
    web = Web()
    assert (await web.ask(method, f"/o/{encode_token(bytes(16))}")).status == 404
    assert web.ledger.suppressed == []


async def test_a_flood_is_bounded() -> None:
    """Past the rate one network gets 429 and no look-up; others and the next minute are as before."""
    web = Web(requests_per_minute=30)
    statuses = [(await web.ask("GET", f"/r/{LINK}")).status for _ in range(40)]
    assert statuses == [302] * 30 + [429] * 10
    limited = await web.ask("POST", f"/o/{LINK}")
    assert limited.status == 429
    assert int(limited.headers["retry-after"]) > 0
    assert web.ledger.suppressed == []
    assert (await web.ask("GET", f"/r/{LINK}", peer="192.0.2.2")).status == 302
    web.now += 2
    assert (await web.ask("GET", f"/r/{LINK}")).status == 302


async def test_other_methods_and_paths() -> None:
    """Every answer is a page of ours with the same fields; nothing says what runs here."""
    web = Web()
    for method, path, status in (
        ("PUT", f"/r/{LINK}", 405),
        ("DELETE", f"/o/{LINK}", 405),
        ("GET", "/", 404),
        ("GET", "/r/", 404),
        ("GET", "/r/a/b", 404),
        ("GET", "/admin", 404),
    ):
        answer = await web.ask(method, path)
        assert answer.status == status, (method, path)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"starlette|uvicorn|python", answer.text, re.IGNORECASE)


async def test_the_public_listener_has_nothing_else() -> None:
    """No API and no description of it where the internet is."""
    web = Web()
    web.app = make_app(web.site, public_routes(web.site))
    assert (await web.ask("GET", f"/r/{LINK}")).status == 302
    for method, path in (("POST", "/v1/registrations"), ("GET", "/v1/openapi.json"), ("POST", "/v1/links")):
        assert (await web.ask(method, path)).status == 404


async def test_a_reload_holds_from_the_next_request_on() -> None:
    """Another landing page and another rate, without a new process."""
    web = Web()
    web.site.reload(Web(landing_url="https://new.example/{token}", requests_per_minute=1).site.settings)
    answer = await web.ask("GET", f"/r/{LINK}")
    assert answer.headers["location"] == f"https://new.example/{LINK}"
    assert (await web.ask("GET", f"/r/{LINK}")).status == 429


async def test_an_error_that_nobody_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours answers 500 with a page, is told, and ends nothing else."""
    web = Web()

    async def broken(token: bytes) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(web.ledger, "find", broken)
    answer = await web.ask("GET", f"/r/{LINK}")
    assert answer.status == 500
    assert "secret" not in answer.text
    assert any("ZeroDivision" in told or "secret" in told for told in web.journal.faults)


async def test_clicks_wait_for_a_ledger_that_is_gone() -> None:
    """They are written once it is back, and their number is bounded."""
    web = Web()
    await web.ask("GET", f"/r/{LINK}")
    web.ledger.fault = True
    task = asyncio.create_task(web.site.clicks.run())
    await asyncio.sleep(0)
    task.cancel()
    web.ledger.fault = False
    assert await clicks(web) == ["human"]


def test_a_site_has_one_bound_of_visits() -> None:
    """All listeners share it: a second port is no way around."""
    web = Web(requests_per_minute=7)
    assert isinstance(web.site, Site)
    assert web.site.visits.per_minute == 7
