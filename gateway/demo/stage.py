"""Run the demo: write a config, start capture server and gateway, send, look, stop.

Everything lives in one temporary folder and on loopback. Nothing is left running, whatever happens: the
gateway is told to stop, and killed if it doesn't.
"""

import asyncio
import base64
import contextlib
import re
import secrets
import smtplib
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.capture import Capture, Captured
from gateway.demo.samples import Sample

_START_SECONDS = 30
_STOP_SECONDS = 20
_SEND_SECONDS = 20

_CONFIG = """\
[gateway]
hostname = "gw.example.co.jp"
own_domains = ["example.co.jp"]     # recipients here are colleagues, not candidates

[[listen]]
address = "127.0.0.1"
port = {port}
networks = ["127.0.0.0/8"]          # who may use it; nobody else

[next_hop]
hosts = ["127.0.0.1:{next_hop}"]
tls = "none"

[rules]                             # no directory: the packs that come with the program
senders = ["*@example.co.jp"]
frequency_days = 0                  # the same person gets a link as often as you like
[rules.mode]
"*" = "inject"                      # shipped packs only observe until they are switched on
[rules.brake]                       # a handful of mails is no traffic to measure shares of
max_share = 0
max_per_hour = 0
max_recipients_per_mail = 0

[link]
url = "https://careerrelay.example/r/{{token}}"     # the public link, as the internet sees it
landing_url = "https://agency.example/welcome?ref={{token}}"

[web]
listen = "127.0.0.1:{web_port}"

[company]
name = "株式会社サンプル"
name_en = "Sample K.K."             # in English footers

[partner]
name = "サンプルエージェント"
name_en = "Sample Agency"
webhook_secret_file = "partner.secret"

[ledger]
url = "sqlite:///ledger.db"
"""


class DemoError(Exception):
    """The demo could not go on; the text is for the person who ran it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One mail, before and after: the reply to its sender, how long that took, and what arrived.

    `verdict` is the gateway's own word from its log: ``reason``, and ``rule``, ``score`` if a rule spoke.
    """

    sample: Sample
    content: bytes
    reply: str
    seconds: float
    copies: tuple[Captured, ...]
    verdict: Mapping[str, str]


class Stage:
    """A running gateway with its next hop. `config` is the file's text, `log` what the gateway said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "careerrelay.toml"
        self.config = ""
        self.port = 0
        self.web_port = 0
        self.secret = secrets.token_bytes(32)
        self.capture = Capture()
        self.log: list[str] = []
        self._ready = asyncio.Event()
        self._ended = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Stage"]:
        """Start everything; stop it at the end. Raises DemoError if the gateway doesn't come up."""
        async with self.capture:
            self.port = _free_port()
            self.web_port = _free_port()
            self.config = _CONFIG.format(port=self.port, next_hop=self.capture.port, web_port=self.web_port)
            self.file.write_text(self.config, "utf-8")
            self._write_secret()
            process = await asyncio.create_subprocess_exec(
                *_program("serve", "--config", str(self.file)),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            reading = asyncio.create_task(self._read(process))
            try:
                await self._until_ready()
                yield self
            finally:
                await _stop(process)
                await reading

    def _write_secret(self) -> None:
        """What the agency signs with."""
        path = self.folder / "partner.secret"
        path.touch(0o600)
        path.write_text("whsec_" + base64.b64encode(self.secret).decode("ascii") + "\n", "ascii")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is not None:
            async for line in process.stderr:
                self.log.append(line.decode("utf-8", "replace").rstrip())
                if re.search(r"\bready\b", self.log[-1]):
                    self._ready.set()
        self._ended = True
        self._ready.set()

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise DemoError(f"the gateway was not ready within {_START_SECONDS} s") from None
        if self._ended:
            raise DemoError("the gateway ended instead of getting ready")

    async def send(self, sample: Sample) -> Shown:
        """Send one mail as its mail system would, and collect what arrived. DemoError if it isn't taken."""
        content = sample.content()
        seen = len(self.capture.mails)
        said = len(self.log)
        begin = time.perf_counter()
        try:
            reply = await asyncio.to_thread(_send, self.port, sample, content)
        except (OSError, smtplib.SMTPException) as error:
            raise DemoError(f"{sample.file} was not taken: {error}") from error
        return Shown(
            sample=sample,
            content=content,
            reply=reply,
            seconds=time.perf_counter() - begin,
            copies=tuple(self.capture.mails[seen:]),
            verdict=await self._verdict(said),
        )

    async def _verdict(self, said: int) -> Mapping[str, str]:
        """What the log line about this mail says, written just after the reply; nothing if none comes."""
        for _ in range(50):
            for line in self.log[said:]:
                if verdict := verdict_in(line):
                    return verdict
            await asyncio.sleep(0.01)
        return {}

    async def ask(self, *words: str) -> str:
        """What ``careerrelay WORDS --config FILE`` prints. Raises DemoError if it fails."""
        process = await asyncio.create_subprocess_exec(
            *_program(*words, "--config", str(self.file)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
        if process.returncode:
            raise DemoError(f"careerrelay {' '.join(words)}: {errors.decode('utf-8', 'replace').strip()}")
        return out.decode("utf-8", "replace")


def verdict_in(line: str) -> Mapping[str, str]:
    """Reason, rule and score that a line of the gateway's log gives for a mail; empty if it gives none."""
    fields = dict(re.findall(r'(?<!\S)(reason|rule|score)="?([\w.-]+)', line))
    return fields if "reason" in fields else {}


def _send(port: int, sample: Sample, content: bytes) -> str:
    """One SMTP session with one mail; the reply to the final dot."""
    with smtplib.SMTP(
        "127.0.0.1", port, local_hostname="mail.example.co.jp", timeout=_SEND_SECONDS
    ) as session:
        session.ehlo()
        options: Sequence[str] = () if content.isascii() else ("BODY=8BITMIME",)
        code, answer = session.mail(sample.sender, options)
        for recipient in sample.recipients if code == 250 else ():
            code, answer = session.rcpt(recipient)
        if code == 250:
            code, answer = session.data(content)
        if code != 250:
            raise smtplib.SMTPResponseException(code, answer)
        return f"{code} {answer.decode('utf-8', 'replace')}"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _program(*words: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *words]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
