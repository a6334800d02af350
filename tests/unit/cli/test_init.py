"""`careerrelay init`: what it writes is good, safe, and overwrites nothing."""

import stat
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.operating.init import init
from gateway.config import load_config

FLAGS = (
    "--hostname", "gw.example.co.jp", "--own-domain", "example.co.jp", "--own-domain", "jobs.example.co.jp",
    "--next-hop", "relay.example.net:587", "--tls", "required", "--network", "192.0.2.0/24",
    "--listen", "127.0.0.1:2525", "--link-url", "https://careerrelay.example/r/{token}",
    "--opt-out", "mailto:no-more@example.co.jp?subject={token}",
    "--company", '株式会社"例"', "--partner", "Agency",
)  # fmt: skip


def run(folder: Path, *options: str, answers: str | None = None) -> Result:
    """One run, in this folder."""
    places = ("--dir", str(folder / "etc"), "--data", str(folder / "data"))
    return CliRunner().invoke(init, [*places, *options], input=answers)


def test_flags(tmp_path: Path) -> None:
    """A config that is good as it stands and says what was asked for; the key is its owner's alone."""
    done = run(tmp_path, *FLAGS, "--yes")
    assert done.exit_code == 0, done.output
    config = load_config(tmp_path / "etc/config.toml")
    assert config.gateway.own_domains == ("example.co.jp", "jobs.example.co.jp")
    assert str(config.next_hop.hosts[0]) == "relay.example.net:587"
    assert config.company[0].name == '株式会社"例"'
    assert config.rules.mode == {}, "a roll-out is not held back"
    written = [tomllib.loads(path.read_text("utf-8")) for path in (tmp_path / "etc/rules").glob("*.toml")]
    actions = {rule["action"] for file in written for rule in file.get("rule", [])}
    assert actions == {"observe"}, "nothing is added before somebody says so"
    assert stat.S_IMODE((tmp_path / "data/careerrelay.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert (tmp_path / "etc/systemd/careerrelay.service").is_file()
    assert list((tmp_path / "etc/rules/footers").iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A second run writes nothing, and says what is there."""
    assert run(tmp_path, *FLAGS, "--yes").exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = run(tmp_path, *FLAGS, "--yes")
    assert again.exit_code == 1
    assert "config.toml" in again.output
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_answers(tmp_path: Path) -> None:
    """What no option says is asked for."""
    answers = "gw.example.co.jp\nexample.co.jp\nrelay.example.net:25\nhttps://a.example/{token}\nmailto:x@a.example\n"
    done = run(tmp_path, "--no-rules", "--no-units", answers=answers)
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "etc/rules").exists()
    assert load_config(tmp_path / "etc/config.toml").gateway.hostname == "gw.example.co.jp"


def test_nobody_answers(tmp_path: Path) -> None:
    """Without a terminal and without answers: a usage error that names every option that is missing."""
    done = run(tmp_path, *FLAGS[:6], answers="")
    assert done.exit_code == 2
    for option in ("--next-hop", "--link-url", "--opt-out"):
        assert option in done.output
    assert "--own-domain," not in done.output, "that one was said"
    scripted = run(tmp_path, *FLAGS[:6], "--yes")
    assert (scripted.exit_code, "--next-hop, --link-url, --opt-out" in scripted.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    """At a prompt a slip is told and asked again; nothing that was answered before is lost."""
    answers = (
        "localhost\ngw.example.co.jp\nexample.co.jp\nrelay.example.net\nrelay.example.net:25\n"
        "https://a.example/\nhttps://a.example/{token}\nhr@a.example\nmailto:x@a.example\n"
    )
    done = run(tmp_path, "--no-rules", answers=answers)
    assert done.exit_code == 0, done.output
    assert done.output.count(" is not a ") == 4
    assert load_config(tmp_path / "etc/config.toml").gateway.hostname == "gw.example.co.jp"


def test_units_start_this_installation(tmp_path: Path) -> None:
    """The units name the program that wrote them and the config beside them, wherever these are."""
    assert run(tmp_path, *FLAGS, "--yes", "--units").exit_code == 0
    service = (tmp_path / "etc/systemd/careerrelay.service").read_text("utf-8")
    program = Path(sys.prefix) / "bin/careerrelay"
    assert f"ExecStart={program} serve --config {tmp_path / 'etc/config.toml'}\n" in service
    assert "/opt/careerrelay" not in service.partition("[Unit]")[2]


def test_units_of_a_package_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a package has brought the units, none are written unless asked for."""
    module = import_module("gateway.cli.operating.init")
    monkeypatch.setattr(module, "PACKAGED_UNIT", Path(__file__))
    assert run(tmp_path, *FLAGS, "--yes").exit_code == 0
    assert not (tmp_path / "etc/systemd").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--yes",),
        (*FLAGS, "--yes", "--own-domain", 'a.example"]\nmode = "off'),
        (*FLAGS, "--yes", "--network", "everybody"),
        (*FLAGS, "--yes", "--listen", "here"),
    ],
)
def test_nonsense(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A usage error, and nothing is written."""
    assert run(tmp_path, *options).exit_code == 2
    assert list(tmp_path.iterdir()) == []
