"""The gateway as a test's peer: config written as TOML, values laid over defaults, processes counted."""

import tomllib

from tests.peers.gateway import Gateway, cpu_seconds, merged, pss_bytes
from tests.peers.toml import to_toml


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
