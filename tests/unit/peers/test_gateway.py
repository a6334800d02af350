"""The gateway as a test's peer: config written as TOML, values laid over defaults, processes counted."""

import asyncio
import tomllib

import pytest

from tests.peers.client import send_mail
from tests.peers.folder import listening
from tests.peers.gateway import Gateway, cpu_seconds, merged, pss_bytes
from tests.peers.scripted import ScriptedHop
from tests.peers.toml import to_toml

MAIL = b"From: hr@example.co.jp\r\nTo: taro@example.com\r\nSubject: a\r\n\r\nb\r\n"


def test_toml_comes_back_as_it_was() -> None:
    """Tables, tables in tables, lists of tables, keys that need quotes, Japanese, and a backslash."""
    values = {
        "a": {"b": 'お祈り\\ "x"', "n": 1, "x": 0.05, "t": True, "l": ["x", "y"], "e": [],
              "m": {"*": "inject"}},
        "l": [{"port": 1, "networks": ["127.0.0.0/8"]}, {"port": 2, "o": {"p": 1}}],
    }  # fmt: skip
    assert tomllib.loads(to_toml(values)) == values


def test_settings_are_laid_over() -> None:
    """Tables merge, values win, None removes; the file holds the result."""
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": None, "e": 3}, "d": [2]}) == {
        "a": {"c": 2, "e": 3}, "d": [2],
    }  # fmt: skip
    gateway = Gateway([1, 2], {"gateway": {"workers": 2}})
    config = tomllib.loads(gateway.config.read_text())
    assert (config["gateway"]["workers"], config["gateway"]["mode"]) == (2, "inject")
    assert config["next_hop"]["hosts"] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert config["listen"][0]["port"] == gateway.port
    gateway.discard()


def test_memory_and_time_of_a_process_that_is_gone() -> None:
    """Nothing, rather than an error: it may go at any moment."""
    assert (pss_bytes(2**22 + 1), cpu_seconds(2**22 + 1)) == (0, 0.0)
    assert pss_bytes(1) >= 0


async def test_life_of_a_gateway() -> None:
    """Ready, relays, is measured, killed whole, started again on the same port, stopped with exit code 0."""
    async with ScriptedHop() as hop:
        gateway = Gateway(hop.port)
        try:
            await asyncio.to_thread(gateway.start)
            assert (await send_mail(gateway.port, MAIL))[-1].code == 250
            assert hop.taken[0].content.endswith(MAIL)
            assert gateway.process is not None
            assert gateway.process.pid in gateway.processes()
            assert gateway.pss_bytes() > 1 << 20
            assert gateway.cpu_seconds() > 0
            await asyncio.to_thread(gateway.kill9)
            assert not listening(gateway.port)
            await asyncio.to_thread(gateway.restart)
            assert (await send_mail(gateway.port, MAIL))[-1].code == 250
            assert await asyncio.to_thread(gateway.stop) == 0
            assert gateway.log().count("ready") == 2
        finally:
            gateway.discard()
    assert not gateway.folder.exists()


async def test_a_config_that_is_refused_is_told() -> None:
    """A gateway that ends at once is an error with its words, not a wait."""
    gateway = Gateway(1, {"gateway": {"hostname": 7}})
    try:
        with pytest.raises(RuntimeError, match="hostname"):
            await asyncio.to_thread(gateway.start)
    finally:
        gateway.discard()
