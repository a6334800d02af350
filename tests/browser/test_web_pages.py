"""The pages of the public link in Chromium: both languages, light and dark, narrow and wide.

Served by the real application, with its policy, since that decides whether the style holds. Every picture is
kept in artefacts/pages/ for people.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.token import encode_token
from gateway.web.app import make_app, public_routes
from gateway.web.server import Server
from tests.browser.chromium import Chromium, View
from tests.fakes.web import LINK, Web, send
from tests.programs import find

pytestmark = pytest.mark.peer("chromium", "noto-cjk")

PICTURES = Path(__file__).resolve().parents[2] / "artefacts" / "pages"
OLD = bytes([1]) * 16
PLACES = {
    "unknown": "/r/nonsense",
    "expired": f"/r/{encode_token(OLD)}",
    "opt-out": f"/o/{LINK}",
    "missing": "/nothing",
}
VIEWS = {
    "light-360": View(width=360),
    "light-1200": View(width=1200),
    "dark-360": View(width=360, prefers="dark"),
    "dark-1200": View(width=1200, prefers="dark"),
}
#: What stands out where the style doesn't hold, or the page doesn't fit.
LOOK = """
(() => {
  const style = element => getComputedStyle(element), main = document.querySelector("main");
  const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(v =>
    (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (one, other) => { const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
  const button = document.querySelector("button");
  const words = [...main.querySelectorAll("p, h1")];
  const pairs = words.map(e => contrast(style(e).color, style(main).backgroundColor));
  if (button) pairs.push(contrast(style(button).color, style(button).backgroundColor));
  return {
    language: document.documentElement.lang, width: innerWidth,
    pageWidth: document.documentElement.scrollWidth, radius: style(main).borderRadius,
    contrast: Math.min(...pairs), ground: light(style(document.body).backgroundColor),
    button: button ? button.getBoundingClientRect().height : 0, cookies: document.cookie,
    fetched: performance.getEntriesByType("resource").filter(e => !e.name.endsWith("favicon.ico")).length,
  };
})()
"""


@pytest.fixture(scope="module")
def base() -> Iterator[tuple[str, Web]]:
    """The public link on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    web = Web(requests_per_minute=0)
    web.ledger.sends[OLD] = send(OLD, age=200 * 86_400)
    servers: list[Server] = []

    def run() -> None:
        async def main() -> None:
            servers.append(Server(make_app(web.site, public_routes(web.site)), listener, connections=20))
            await servers[0].run_until_told()

        asyncio.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", web
    finally:
        servers[0].should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for all pictures."""
    program = find("chromium")
    assert program is not None
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Chromium(program) as browser:
        yield browser


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("place", PLACES)
def test_looks_right(base: tuple[str, Web], chromium: Chromium, place: str, language: str) -> None:
    """Its own style holds, it fits, it can be read, and nothing else is fetched."""
    chromium.speak(language)
    for name, view in VIEWS.items():
        chromium.visit(base[0] + PLACES[place], view)
        found = chromium.evaluate(LOOK)
        (PICTURES / f"{place}-{language}-{name}.png").write_bytes(chromium.screenshot())
        assert found["language"] == language
        assert found["radius"] == "14px", "the policy lets our own style in"
        assert found["pageWidth"] <= found["width"] == view.width
        assert found["contrast"] >= 4.5
        assert (found["ground"] < 0.2) is (view.prefers == "dark")
        assert (found["button"] >= 44) is (place == "opt-out")
        assert (found["cookies"], found["fetched"]) == ("", 0)


def test_the_button_works(base: tuple[str, Web], chromium: Chromium) -> None:
    """Looking changes nothing; pressing does, and says so."""
    chromium.speak("en")
    chromium.visit(f"{base[0]}/o/{LINK}", View(width=360))
    assert base[1].ledger.suppressed == []
    chromium.press("button")
    assert "no longer carry" in chromium.evaluate("document.body.innerText")
    (PICTURES / "opted-out-en-light-360.png").write_bytes(chromium.screenshot())
    assert len(base[1].ledger.suppressed) == 1
