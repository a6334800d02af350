"""Starting and not starting, several workers, and peers that nobody named (promise 7, rules 20 and 26)."""

import asyncio
import itertools
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import LINK, running, sends, until
from tests.peers.client import Client, send_mail
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop


def run_to_its_end(gateway: Gateway) -> tuple[int, str]:
    """Start a gateway that can't start: its exit code, and what it said."""
    try:
        gateway.spawn()
        return gateway.wait(), gateway.log()
    finally:
        gateway.discard()


def test_a_bad_config_is_told_whole() -> None:
    """Exit code 1; every problem stands on standard error with file, line, key and what to write instead."""
    code, log = run_to_its_end(
        Gateway(2525, {"gateway": {"mode": "loud", "workers": "two"}, "link": {"url": "http://x"}, "what": 1})
    )
    assert code == 1
    for key in ("gateway.mode", "gateway.workers", "link.url", "what"):
        assert re.search(
            rf"^error: \S+careerrelay\.toml:\d+: {re.escape(key)}: .+ -> .+$", log, re.MULTILINE
        ), key
    assert "Traceback" not in log
    assert "ready" not in re.findall(r"\w+", log)


def test_bad_rules_and_footers_are_told_whole(tmp_path: Path) -> None:
    """The same for rule and footer files, all of them at once."""
    (tmp_path / "rules" / "footers").mkdir(parents=True)
    (tmp_path / "rules" / "mine.toml").write_text("[[rule]]\nname = 1\n")
    (tmp_path / "rules" / "yours.toml").write_text("= 2\n")
    (tmp_path / "rules" / "footers" / "x.txt").write_text("{{ link")
    code, log = run_to_its_end(Gateway(2525, {"rules": {"directory": str(tmp_path / "rules")}}))
    assert code == 1
    for name in ("mine.toml", "yours.toml", "x.txt"):
        assert re.search(rf"^error: .*{name}.* -> .+$", log, re.MULTILINE), log
    assert "Traceback" not in log


def test_a_port_in_use() -> None:
    """Exit code 1 with the place and a remedy for each listener that can't be opened; none stays open."""
    with socket.socket() as one, socket.socket() as two:
        for taken in (one, two):
            taken.bind(("127.0.0.1", 0))
            taken.listen()
        ports = [one.getsockname()[1], two.getsockname()[1]]
        listen = [{"address": "127.0.0.1", "port": port} for port in ports]
        code, log = run_to_its_end(Gateway(2525, {"listen": listen}))
    assert code == 1
    for index, port in enumerate(ports):
        assert (
            f"listen[{index}]: can't listen on 127.0.0.1 port {port}: Address already in use -> stop" in log
        )
    assert "Traceback" not in log


async def test_workers_share_the_sockets() -> None:
    """Rule 26: with two workers both accept, on the sockets that the parent opened; the dead are replaced.

    Rule 23: both write to one SQLite file, each on connections made after the fork, and no write fails.
    """
    async with ScriptedHop() as hop, running(hop, {"gateway": {"workers": 2}}) as gateway:
        first = gateway.workers()
        assert len(first) == 2
        seen: set[str] = set()
        numbers = itertools.count()

        async def busy() -> None:
            assert (await send_mail(gateway.port, rejection(next(numbers))))[-1].code == 250

        def took() -> set[str]:
            return set(re.findall(r"info \[(\d+)\] mail ", gateway.log()))

        for _ in range(20):
            await asyncio.gather(*(busy() for _ in range(10)))
            seen = took()
            if len(seen) == 2:
                break
        assert seen == set(map(str, first))
        await until(lambda: {row.state for row in sends(gateway.ledger)} == {"accepted"}, "outcomes recorded")

        for worker in first:
            os.kill(worker, signal.SIGKILL)
        await until(
            lambda: len(gateway.workers()) == 2 and not set(first) & set(gateway.workers()), "new workers"
        )
        assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
        assert gateway.log().count("worker died") == 2
        assert gateway.log().count('how="signal 9"') == 2
        assert await asyncio.to_thread(gateway.stop) == 0
        rows = sends(gateway.ledger)
        assert {row.state for row in rows} == {"accepted"}
        found = (LINK.search(transaction.content) for transaction in hop.taken)
        assert sorted(row.token.encode() for row in rows) == sorted(one[1] for one in found if one)
        assert " warning [" not in gateway.log()


async def test_a_worker_that_is_told_to_end() -> None:
    """An admin's SIGTERM to a worker alone is a drain of that worker; another takes its place."""
    async with ScriptedHop() as hop, running(hop) as gateway:
        (worker,) = gateway.workers()
        os.kill(worker, signal.SIGTERM)
        assert (await send_mail(gateway.port, ORDINARY))[-1].code in (250, 421)
        await until(lambda: len(gateway.workers()) == 1 and worker not in gateway.workers(), "another worker")
        assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250


async def test_a_strange_peer() -> None:
    """Promise 7: who is not in `networks` is refused before MAIL, and told nothing of what is behind.

    The address counts, not the port or the name in EHLO; commands sent at once are not even read.
    """
    port = free_port()
    listen = {"address": "127.0.0.1", "port": port, "networks": ["127.0.0.2/32"]}
    settings = {"listen": [listen], "log": {"addresses": "plain"}}
    async with ScriptedHop() as hop, running(hop, settings, port=port) as gateway:
        for early in (b"", b"EHLO gw.example.co.jp\r\nMAIL FROM:<hr@example.co.jp>\r\n"):
            async with await Client.connect(port) as stranger:
                await stranger.send(early)
                answer = await stranger.reply()
                assert answer.raw == b"554 5.7.1 Access denied\r\n"
                assert await stranger.closed() == b""
        async with await Client.connect(port, source="127.0.0.2") as friend:
            assert (await friend.hello()).code == 250
            assert (await friend.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
            assert (await friend.command(b"RCPT TO:<taro@example.com>")).code == 250
        assert [one.sender for one in hop.transactions] == [b"hr@example.co.jp"]
        assert "127.0.0.1 " not in gateway.log().partition("ready")[2], "a stranger fills the log"


@pytest.mark.parametrize("networks", [[], None], ids=["empty", "left out"])
async def test_nobody_is_the_default(networks: list[str] | None) -> None:
    """Promise 7: without `networks` nobody may send, not even this machine."""
    port = free_port()
    listen = {"address": "127.0.0.1", "port": port, **({} if networks is None else {"networks": networks})}
    async with ScriptedHop() as hop, running(hop, {"listen": [listen]}, port=port):
        for source in ("127.0.0.1", "127.0.0.2"):
            async with await Client.connect(port, source=source) as stranger:
                assert (await stranger.reply()).code == 554
        assert hop.sessions == []
