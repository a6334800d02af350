"""`careerrelay doctor` finds what is wrong, says what to do, and asks nobody for long."""

import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.operating import machine
from gateway.cli.operating.doctor import doctor
from gateway.config import embedded_config, load_keys
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.toml import to_toml


def findings(
    folder: Path, changes: dict[str, Any], *options: str
) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code and findings by check."""
    settings = Gateway.default(free_port(), [free_port()])
    for name, value in changes.items():
        settings[name] = {**settings[name], **value} if isinstance(value, dict) else value
    (folder / "c.toml").write_text(to_toml(settings), "utf-8")
    done = CliRunner().invoke(doctor, ["--config", str(folder / "c.toml"), "--json", *options])
    by_check: dict[str, list[dict[str, str]]] = {}
    for one in json.loads(done.stdout)["findings"]:
        by_check.setdefault(one["check"], []).append(one)
    return done.exit_code, by_check


def test_nothing_to_mend(tmp_path: Path) -> None:
    """Before the first start there are only things to look at; nothing is made by looking."""
    code, found = findings(tmp_path, {}, "--offline")
    assert code == 0
    assert {one["grade"] for check in found.values() for one in check} <= {"ok", "warn"}
    assert found["rules"][0]["grade"] == "ok"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml"]


def test_mistakes_and_remedies(tmp_path: Path) -> None:
    """A key that others may read, a certificate that ends, another program on our port: each has a remedy."""
    key = tmp_path / "careerrelay.key"
    load_keys(key, create=True)
    key.chmod(0o644)
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj /CN=gw -keyout key"
    subprocess.run(
        ["openssl", *command.split(), "-out", "gw.pem"], cwd=tmp_path, check=True, capture_output=True
    )
    config = embedded_config(tmp_path, {})
    hop = config.next_hop.model_copy(update={"certificate_file": tmp_path / "gw.pem"})
    config = config.model_copy(update={"next_hop": hop})
    config = config.model_copy(update={"gateway": config.gateway.model_copy(update={"key_file": key})})
    (found,) = [one for one in machine.permissions(config) if one.grade == "fail"]
    assert found.remedy == f"chmod 600 {key}"
    (ends,) = machine.certificates(config)
    assert (ends.grade, "renew" in ends.remedy) == ("warn", True)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listen = config.listen[0].model_copy(update={"address": "127.0.0.1", "port": port})
        with ThreadPoolExecutor(1) as pool:
            answered = pool.submit(_answer, other)
            (taken,) = machine.ports(config.model_copy(update={"listen": (listen,)}))
            answered.result(10)
    assert (taken.grade, "another program" in taken.detail) == ("fail", True)


def _answer(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.send(b"220 other.example ESMTP\r\n")


def test_a_config_with_mistakes(tmp_path: Path) -> None:
    """They are told; what hangs on the config is not looked at."""
    code, found = findings(tmp_path, {"gateway": {"workers": "many"}})
    assert code == 1
    assert set(found) == {"config", "rules"}


def test_next_hop_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a failure with the host's name and what it may be; DNS that does not answer is said to."""
    import dns.resolver  # noqa: PLC0415

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", _nobody)
    code, found = findings(tmp_path, {})
    assert code == 1
    assert "127.0.0.1" in found["next-hop"][0]["detail"]
    assert [one["grade"] for one in found["dns"]] == ["warn"]


def _nobody(*_: object, **__: object) -> None:
    import dns.resolver  # noqa: PLC0415

    raise dns.resolver.NoNameservers
