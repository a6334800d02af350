"""[web], the public link and webhook secrets: what fits together, and what is told when it doesn't."""

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, examine_text, parse_config
from gateway.config.network import HostPort
from gateway.config.webhook_secret import read_webhook_secrets
from gateway.errors import ConfigError
from tests.configs import ENDS, LEDGER

BASE = ENDS + LEDGER
LINK = '[link]\nurl = "https://go.example/x/r/{token}"\n'
LANDING = 'landing_url = "https://agency.example/?t={token}"\n'
WEB = '[web]\nlisten = "127.0.0.1:8025"\n'


def problems(text: str) -> dict[str, str]:
    """Key to remedy of every problem."""
    found = examine_text(BASE + text, file="c.toml", folder=Path("/"))
    return {problem.key: problem.remedy for problem in found.problems}


@pytest.mark.parametrize("text", [LINK, LINK + WEB, LINK + LANDING], ids=["neither", "no landing", "no web"])
def test_opt_out_is_needed_without_the_public_link(text: str) -> None:
    """Nobody gets a link without a way to say "no more of these"."""
    assert "write an address" in problems(text)["link.opt_out"]


def test_opt_out_of_the_public_link() -> None:
    """With the public link its own page is the default, beside the link."""
    config = parse_config(BASE + LINK + LANDING + WEB, file="c.toml", folder=Path("/"))
    assert config.link.opt_out_url == "https://go.example/x/o/{token}"
    assert config.link.opt_out_for_token("7" * 26) == "https://go.example/x/o/" + "7" * 26


def test_opt_out_that_can_not_be_known() -> None:
    """A link that is none of our own says nothing about where our page is."""
    text = LINK.replace("/r/", "/go/") + LANDING + WEB
    assert "link.opt_out" in problems(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[web]\npublic_listen = "127.0.0.1:8026"', "web.public_listen"),
        (WEB + 'public_listen = "127.0.0.1:8025"', "web.public_listen"),
        ('[web]\nlisten = "127.0.0.1:2525"', "web.listen"),
        ('[web]\nlisten = "localhost:8025"', "web.listen"),
        ('[web]\nlisten = "127.0.0.1"', "web.listen"),
        ("[web]\nlisten = 8025", "web.listen"),
        (WEB + 'proxies = ["0.0.0.0/0"]', "web.proxies[0]"),
        ('[partner]\npush_url = "https://agency.example/hook"', "partner.push_url"),
        ('[partner]\npush_url = "http://agency.example/hook"', "partner.push_url"),
        ('[partner]\npush_url = "https://agency.example/{token}"', "partner.push_url"),
    ],
)
def test_what_does_not_fit(text: str, key: str) -> None:
    """Each mistake is told by its key, with a remedy."""
    found = problems(LINK + 'opt_out = "mailto:no@example.co.jp"\n' + text)
    assert list(found) == [key]
    assert found[key]


def test_off_unless_asked_for(tmp_path: Path) -> None:
    """Without `listen` there is no web server; with it, an address."""
    assert embedded_config(tmp_path).web.listen is None
    config = embedded_config(tmp_path, {"web": {"listen": "[::1]:8025"}})
    assert config.web.listen == HostPort("::1", 8025)


def secret_file(folder: Path, *lines: str) -> Path:
    """A file with these lines, that only its owner may read."""
    path = folder / "partner.secret"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    path.chmod(0o600)
    return path


def whsec(secret: bytes) -> str:
    """A secret as it is written."""
    return "whsec_" + base64.b64encode(secret).decode()


def test_secrets_in_order(tmp_path: Path) -> None:
    """Every line is a live secret: for a while two are, so that one can take the other's place."""
    path = secret_file(tmp_path, "# ours", whsec(b"n" * 32), "", f"  {whsec(b'o' * 24)}  ")
    assert read_webhook_secrets(path, key="k") == (b"n" * 32, b"o" * 24)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["# none"],
        [base64.b64encode(b"n" * 32).decode()],
        ["whsec_%%%"],
        [whsec(b"short")],
        [whsec(b"n" * 32)] * 17,
    ],
    ids=["empty", "comment", "no prefix", "no base64", "too short", "too many"],
)
def test_no_secrets(tmp_path: Path, lines: list[str]) -> None:
    """What can't be a secret is refused with a remedy, and not repeated."""
    with pytest.raises(ConfigError) as caught:
        read_webhook_secrets(secret_file(tmp_path, *lines), key="k")
    (problem,) = caught.value.problems
    assert problem.remedy
    assert not any(line and line in str(problem) for line in lines if not line.startswith("#"))


def test_secret_files_are_read_by_check(tmp_path: Path) -> None:
    """A secret file that is missing or damaged is an error of the config; one open to others a warning."""
    good = secret_file(tmp_path, whsec(b"n" * 32))
    settings: dict[str, Any] = {"partner": {"webhook_secret_file": str(tmp_path / "missing")}}
    with pytest.raises(ConfigError) as caught:
        embedded_config(tmp_path, settings)
    assert [problem.key for problem in caught.value.problems] == ["partner.webhook_secret_file"]
    text = BASE + LINK + 'opt_out = "mailto:no@example.co.jp"\n' + WEB
    text += f'[partner]\nwebhook_secret_file = "{good}"\n'
    assert examine_text(text, file="c.toml", folder=tmp_path).problems == ()
    good.chmod(0o644)
    found = examine_text(text, file="c.toml", folder=tmp_path)
    assert found.problems == ()
    assert "chmod 600" in "".join(warning.remedy for warning in found.warnings)
