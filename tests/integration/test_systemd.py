"""The service as systemd runs it, without systemd as the first process: notices, sockets, units."""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY
from tests.integration.running import until
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop
from tests.programs import find

UNITS = Path(__file__).resolve().parents[2] / "systemd"
#: Highest exposure that `systemd-analyze security` may give; docs/admin.md has the same numbers.
SCORES = {"careerrelay.service": 1.5, "careerrelay-purge.service": 1.2, "careerrelay-backup.service": 1.2}


async def test_notices(tmp_path: Path) -> None:
    """READY once mail is taken, WATCHDOG while it lives, RELOADING then READY, STOPPING before it drains."""
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(place))
        systemd.settimeout(20)

        def hear(word: bytes) -> bytes:
            while not (said := systemd.recv(4_096)).startswith(word):
                assert said == b"WATCHDOG=1", said
            return said

        async with ScriptedHop() as hop:
            told = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "400000"}
            gateway = Gateway(hop.port, environment=told)
            try:
                await asyncio.to_thread(gateway.start)
                said = await asyncio.to_thread(hear, b"READY=1")
                assert f"127.0.0.1:{gateway.port}".encode() in said
                assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
                for _ in range(3):
                    await asyncio.to_thread(hear, b"WATCHDOG=1")
                gateway.reload()
                await asyncio.to_thread(hear, b"RELOADING=1\nMONOTONIC_USEC=")
                await asyncio.to_thread(hear, b"READY=1")
                gateway.configure({"gateway": {"workers": "many"}})
                gateway.reload()
                await asyncio.to_thread(hear, b"RELOADING=1")
                assert b"refused" in await asyncio.to_thread(hear, b"READY=1")
                assert await asyncio.to_thread(gateway.stop) == 0
                await asyncio.to_thread(hear, b"STOPPING=1")
            finally:
                if gateway.process is not None:
                    gateway.kill9()
                gateway.discard()


@pytest.mark.peer("systemd")
async def test_sockets_from_systemd(tmp_path: Path) -> None:
    """Started by the first connection, on the socket that it came on; that sender waits, and is served."""
    activate = find("systemd-socket-activate")
    if activate is None:
        pytest.fail("systemd is here and systemd-socket-activate is not")
    stray = free_port()
    async with ScriptedHop() as hop:
        gateway = Gateway(hop.port, folder=tmp_path)
        command = [str(activate), "-l", f"127.0.0.1:{gateway.port}", "-l", f"127.0.0.1:{stray}"]
        serve = [sys.executable, "-m", "gateway", "serve", "--config", str(gateway.config)]
        with (tmp_path / "log").open("wb") as log:
            passed = [f"--setenv=PYTHONPATH={UNITS.parent}", *serve]
            process = subprocess.Popen([*command, *passed], stderr=log, cwd=UNITS.parent)
        try:

            def told() -> str:
                return (tmp_path / "log").read_text("utf-8")

            await until(lambda: "Listening on" in told(), "systemd-socket-activate")
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            assert f"ready on 127.0.0.1:{gateway.port} (smtp)" in told()
            assert f"socket=127.0.0.1:{stray}" in told(), "what the config does not name is closed, and told"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@pytest.mark.peer("systemd")
def test_units(tmp_path: Path) -> None:
    """Systemd finds no fault in any unit, and the sandbox is as tight as docs/admin.md says."""
    program = tmp_path / "careerrelay"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    units = [path for path in UNITS.iterdir() if path.suffix in {".service", ".timer", ".socket"}]
    assert len(units) == 6
    for path in units:
        text = path.read_text("utf-8").replace("/opt/careerrelay/bin/careerrelay", str(program))
        (tmp_path / path.name).write_text(text, "utf-8")
    names = [path.name for path in units]
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for name, highest in SCORES.items():
        shown = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", tmp_path / name],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        score = re.search(r"exposure level for \S+: ([\d.]+)", shown)
        assert score, shown
        assert float(score[1]) <= highest
        assert str(highest) in (UNITS.parent / "docs/admin.md").read_text("utf-8")


def test_nightly_backup(tmp_path: Path) -> None:
    """Its commands as they stand: a copy a weekday, nothing half done, old copies of upgrades gone."""
    program = tmp_path / "careerrelay"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "db backup" ] && [ -n "$COPY" ] && echo "$COPY" > "$3"\n')
    program.chmod(0o755)
    folder = tmp_path / "backup"
    text = (UNITS / "careerrelay-backup.service").read_text("utf-8")
    text = text.replace("/opt/careerrelay/bin/careerrelay", str(program))
    first, *later = re.findall(r"^Exec(?:Start|StopPost)=(.*)$", text, re.MULTILINE)

    def night(copy: str) -> list[int]:
        """Read the lines as systemd does (systemd.service(5)): quotes, %%, ${NAME}; no globs."""
        codes = []
        for line in (first, *later):
            words = [word.replace("%%", "%") for word in shlex.split(line)]
            words = [word.replace("${STATE_DIRECTORY}", str(tmp_path)) for word in words]
            environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(tmp_path), "COPY": copy}
            codes.append(subprocess.run(words, env=environment, cwd="/", check=False).returncode)
        return codes

    assert night("one") == [0] * (1 + len(later))
    (copy,) = folder.iterdir()
    assert re.fullmatch(r"ledger\.[1-7]", copy.name)
    day = 86_400
    kept = ("ledger.before-20260101T000000Z", "by-hand", ".ledger.x.new.17.part")
    for name in kept:
        (folder / name).touch()
    for name, age in (("ledger.before-20250101T000000Z", 40), (".ledger.y.new.4.part", 3), ("elsewhere", 99)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age * day,) * 2)
    assert night("") == [1, *([0] * len(later))]
    assert {path.name for path in folder.iterdir()} == {copy.name, *kept, "elsewhere"}
    assert copy.read_text() == "one\n", "a copy that fails does not touch the last one"


def test_drain_bound_is_below_systemds() -> None:
    """Systemd waits longer than the gateway drains by default, or it would kill mails in flight."""
    text = (UNITS / "careerrelay.service").read_text("utf-8")
    stop = re.search(r"^TimeoutStopSec=(\d+)", text, re.MULTILINE)
    assert stop
    assert int(stop[1]) > 60 + 10
    assert "Type=notify" in text
    assert re.search(r"^ExecReload=/bin/kill -HUP \$MAINPID$", text, re.MULTILINE)
