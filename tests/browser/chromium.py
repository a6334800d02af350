"""A real Chromium without a screen, driven over a pipe with the DevTools protocol.

One process serves all pages of a test session. No port is opened, nothing is fetched: what is shown comes
from files, and the switches keep the browser from looking for its maker.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
SECONDS = 60.0
"""For any answer; a cold start on a busy machine takes ten."""


class BrowserError(Exception):
    """Chromium did not start, did not answer, or says that a command failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a page is looked at.

    Attributes:
        width: of the window, in CSS pixels.
        prefers: what the person's system says, ``light`` or ``dark``.
        forced: whether the browser darkens what is light, as mail programs for phones do.
    """

    width: int
    prefers: str = "light"
    forced: bool = False


class Chromium:
    """A running browser with one tab; a context manager that leaves nothing behind."""

    def __init__(self, program: Path) -> None:
        # A fresh profile for each start: nothing of another run is in it.
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        moved = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'
        command = ["sh", "-c", moved, "sh", str(program), *FLAGS, f"--user-data-dir={self._profile}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._number = 0
        self._buffer = b""
        self._session = ""

    def __enter__(self) -> Self:
        """Attach to a tab of our own."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the browser and its profile."""
        self._session = ""
        with contextlib.suppress(BrowserError, OSError):
            self._call("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def show(self, page: Path, view: View) -> None:
        """Load a file and wait until it is laid out."""
        self.visit(page.as_uri(), view)

    def speak(self, language: str) -> None:
        """Ask for pages in this language from now on."""
        agent = self.evaluate("navigator.userAgent")
        self._call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def press(self, selector: str) -> None:
        """Click what a CSS selector finds, and wait for the page that it leads to."""
        self._call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)}).click()")
        self._read(lambda answer: answer.get("method") == "Page.loadEventFired")

    def visit(self, url: str, view: View) -> None:
        """The same for an address."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=view.width, height=800, deviceScaleFactor=2, mobile=False,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": view.prefers}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Emulation.setAutoDarkModeOverride", enabled=view.forced)
        self._call("Page.navigate", url=url)
        self._read(lambda answer: answer.get("method") == "Page.loadEventFired")
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """The value of a JavaScript expression, promises awaited."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"], ensure_ascii=False)[:2000])
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """The whole page as PNG, two pixels for each CSS pixel."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        number = self._number
        command: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\0")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BrowserError(f"Chromium is gone (exit code {self._process.poll()})") from error
        answer = self._read(lambda answer: answer.get("id") == number)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, wanted: "Any") -> dict[str, Any]:  # noqa: ANN401
        """The next message that is `wanted`; others are events that nobody waits for."""
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        until = time.monotonic() + SECONDS
        while True:
            raw, end, rest = self._buffer.partition(b"\0")
            if end:
                self._buffer = rest
                answer: dict[str, Any] = json.loads(raw)
                if wanted(answer):
                    return answer
                continue
            if not select.select([source], [], [], max(0.0, until - time.monotonic()))[0]:
                raise BrowserError(f"no answer from Chromium in {SECONDS} s")
            data = os.read(source, 1 << 20)
            if not data:
                raise BrowserError(f"Chromium has ended (exit code {self._process.poll()})")
            self._buffer += data
