"""`careerrelay init`: what it writes is good, safe, and overwrites nothing."""

import stat
import tomllib
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
