"""What an operator sees of the running gateway, over all its processes."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import running, until
from tests.integration.test_web import fetch
from tests.peers.client import send_mail
from tests.peers.folder import free_port
from tests.peers.scripted import ScriptedHop
from tests.programs import find


async def look(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    status, _, body = await asyncio.to_thread(fetch, port, path)
    return status, body.decode()


async def ready(port: int) -> dict[str, Any]:
    """What /readyz says."""
    found: dict[str, Any] = json.loads((await look(port, "/readyz"))[1])
    return found


async def samples(port: int) -> dict[str, float]:
    """All metrics."""
    _, text = await look(port, "/metrics")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def eventually(port: int, *names: str) -> None:
    """Wait until these and no other troubles are told."""
    async with asyncio.timeout(20):
        while {one["what"] for one in (await ready(port))["troubles"]} != set(names):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)


async def test_counters_readiness_and_a_worker_that_dies(tmp_path: Path) -> None:
    """Mails of all workers are in the numbers, also those of one that died; readiness follows the facts."""
    port, public = free_port(), free_port()
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "one.toml").write_text("version = 1\nthis is no rule", "utf-8")
    config = {
        "web": {"listen": f"127.0.0.1:{port}", "public_listen": f"127.0.0.1:{public}"},
        "gateway": {"workers": 2},
    }
    async with ScriptedHop() as hop, running(hop, config, folder=tmp_path) as gateway:
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        await eventually(port)
        for number in range(4):
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            assert (await send_mail(gateway.port, rejection(number)))[-1].code == 250
        found = await samples(port)
        assert found["careerrelay_mails_total"] == 8
        assert found['careerrelay_reasons_total{reason="injected"}'] == 4
        assert found['careerrelay_link_outcomes_total{outcome="taken"}'] == 4
        assert found['careerrelay_verdicts_total{verdict="matched"}'] == 4
        assert found["careerrelay_held_seconds_count"] == 8
        assert found["careerrelay_workers_ready"] == 2
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await look(public, path))[0] == 404

        os.kill(gateway.workers()[0], signal.SIGKILL)
        await until(lambda: "worker died" in gateway.log() or "web server died" in gateway.log(), "a death")
        await eventually(port)
        after = await samples(port)
        assert after["careerrelay_mails_total"] == 8
        assert after["careerrelay_worker_restarts_total"] == 1

        gateway.configure({"rules": {"directory": "rules"}})
        gateway.reload()
        await eventually(port, "rules-refused")
        assert (await look(port, "/readyz"))[0] == 200
        assert (await look(port, "/readyz?strict"))[0] == 503
        gateway.configure({"rules": {"directory": None}})
        gateway.reload()
        await eventually(port)


@pytest.mark.peer("promtool")
async def test_prometheus_reads_the_metrics(tmp_path: Path) -> None:
    """What a gateway with mail behind it shows, by Prometheus's own reader and its conventions."""
    port = free_port()
    config = {"web": {"listen": f"127.0.0.1:{port}"}}
    async with ScriptedHop() as hop, running(hop, config, folder=tmp_path) as gateway:
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        assert (await send_mail(gateway.port, rejection(1)))[-1].code == 250
        _, text = await look(port, "/metrics")
        assert "careerrelay_mails_total 1" in text
        done = await asyncio.to_thread(
            subprocess.run,
            [str(find("promtool")), "check", "metrics"],
            input=text, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def test_next_hop_that_never_answers(tmp_path: Path) -> None:
    """503 as long as mail could go nowhere; found out, and found to be over, without any mail."""
    port, hop_port = free_port(), free_port()
    async with ScriptedHop() as other, running(other, {
        "web": {"listen": f"127.0.0.1:{port}"}, "next_hop": {"hosts": [f"127.0.0.1:{hop_port}"]}
    }) as gateway:  # fmt: skip
        await until(lambda: "web server is ready" in gateway.log(), "a web server")
        await eventually(port, "next-hop")
        status, text = await look(port, "/readyz")
        assert status == 503
        assert "careerrelay doctor" in text
        with pytest.raises(RuntimeError, match="exit 1"):
            await asyncio.to_thread(gateway.command, "status", "--ready")
        async with ScriptedHop(port=hop_port):
            await eventually(port)
            assert (await look(port, "/readyz"))[0] == 200


async def test_a_schema_of_a_newer_version(tmp_path: Path) -> None:
    """Mail flows, and what to run is told."""
    port = free_port()
    async with ScriptedHop() as hop, running(hop, {"web": {"listen": f"127.0.0.1:{port}"}}) as gateway:
        await asyncio.to_thread(gateway.stop)
        with sqlite3.connect(gateway.ledger) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()
        await asyncio.to_thread(gateway.start)
        await eventually(port, "ledger-schema")
        status, text = await look(port, "/readyz")
        assert status == 200
        assert "upgrade the package on this node" in text
        assert "upgrade the package" in await asyncio.to_thread(gateway.command, "status", "--ready")
        with pytest.raises(RuntimeError, match="exit 1"):
            await asyncio.to_thread(gateway.command, "status")
        assert (await send_mail(gateway.port, rejection(1)))[-1].code == 250
        found = await samples(port)
        assert found['careerrelay_promise_faults_total{promise="1"}'] == 1
