"""The operator's commands on a gateway that runs: status, top, trace."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import running, until
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.scripted import ScriptedHop
from tests.peers.toml import to_toml


async def test_status_top_and_trace(tmp_path: Path) -> None:
    """What they tell is what happened."""
    config = {"web": {"listen": f"127.0.0.1:{free_port()}"}}
    async with ScriptedHop() as hop, running(hop, config) as gateway:
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        await send_mail(gateway.port, ORDINARY)
        await send_mail(gateway.port, rejection(1))
        await asyncio.sleep(1.2)  # gauges move once a second
        found = json.loads(await asyncio.to_thread(gateway.command, "status", "--json"))
        assert found["ok"] is True, found
        assert (found["gateway"]["status"], found["gateway"]["mails"]) == ("ready", 2)
        assert found["gateway"]["reasons"]["injected"] == 1
        assert found["ledger"]["sends_24h"] == {"accepted": 1}
        assert "all is well" in await asyncio.to_thread(gateway.command, "status")

        assert "injected" in await asyncio.to_thread(gateway.command, "top", "--once")
        assert await asyncio.to_thread(_top_in_a_terminal, gateway.config) == 0

        log = tmp_path / "log"
        log.write_text(gateway.log(), "utf-8")
        ordinary, refused = (_id(mail) for mail in (ORDINARY, rejection(1)))
        told = json.loads(
            await asyncio.to_thread(gateway.command, "trace", ordinary, "--log", str(log), "--json")
        )
        assert [line["reason"] for line in told["log"]] != ["injected"]
        assert told["ledger"] == []
        text = await asyncio.to_thread(gateway.command, "trace", refused, "--log", str(log))
        assert "injected" in text
        assert "is accepted" in text
        assert await asyncio.to_thread(gateway.command, "trace", "<nobody@example.com>", check=False) == ""

        # without --log the journal is asked, where there is one
        journal = tmp_path / "bin/journalctl"
        journal.parent.mkdir()
        journal.write_text(f'#!/bin/sh\nprintf "%s " "$@" > "$0.asked"\ncat {log}\n')
        journal.chmod(0o755)
        gateway.environment["PATH"] = f"{journal.parent}:{os.environ['PATH']}"
        assert await asyncio.to_thread(gateway.command, "trace", refused) == text
        asked = (tmp_path / "bin/journalctl.asked").read_text()
        assert "--unit=careerrelay.service" in asked
        assert f"--grep={re.escape(refused.strip('<>'))}" in asked
    stopped = json.loads(await asyncio.to_thread(_status_of_what_is_gone, gateway.settings, tmp_path))
    assert next(one["what"] for one in stopped["troubles"]) == "not-running"


def _status_of_what_is_gone(settings: dict[str, object], folder: Path) -> str:
    config = folder / "gone.toml"
    config.write_text(to_toml(settings), "utf-8")
    command = [sys.executable, "-m", "gateway", "status", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stdout


def _id(mail: bytes) -> str:
    (line,) = (line for line in mail.split(b"\r\n") if line.lower().startswith(b"message-id:"))
    return line.partition(b":")[2].strip().decode()


def _top_in_a_terminal(config: Path) -> int:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", "top", "--interval", "0.5", "--config", str(config)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = b""
    while b"q ends" not in shown:
        shown += os.read(ours, 65_536)
    os.write(ours, b"q")
    code = process.wait(20)
    os.close(ours)
    return code
