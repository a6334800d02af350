"""The URLs in a config: link, opt-out, ledger."""

from pathlib import Path

import pytest

from gateway.config import embedded_config
from gateway.config.fault import Fault
from gateway.config.ledger_url import without_password
from gateway.config.link_url import parse_link, parse_opt_out, with_token
from gateway.errors import ConfigError

TOKEN = "0123456789abcdefghjkmnpqrs"


@pytest.mark.parametrize(
    "url",
    [
        "https://careerrelay.example/r/{token}",
        "https://careerrelay.example/r?t={token}&c=1",
        "https://careerrelay.example:8443/{token}",
    ],
)
def test_link(url: str) -> None:
    """A URL with https and the token in path or query is kept as it is."""
    assert parse_link(url) == url
    assert with_token(url, TOKEN) == url.replace("{token}", TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        "https://careerrelay.example/r/",
        "https://careerrelay.example/{token}/{token}",
        "http://careerrelay.example/{token}",
        "HTTPS://careerrelay.example/{token}",
        "ftp://careerrelay.example/{token}",
        "https:///{token}",
        "https://{token}.careerrelay.example/",
        "https://{token}",
        "https://bank.example@careerrelay.example/{token}",
        "https://careerrelay.example/{token} and more",
        'https://careerrelay.example/{token}"onclick',
        "https://careerrelay.example/{token}<b>",
        "https://careerrelay.example/{token}\r\nBcc: a@b.example",
        "https://careerrelay.example/{Token}",
        "https://careerrelay.example/登録/{token}",
        "https://careerrelay.example:0/{token}",
        "https://careerrelay.example:x/{token}",
        "https://careerrelay.example/" + "a" * 400 + "{token}",
        "javascript:alert({token})",
        "mailto:a@b.example?subject={token}",
    ],
)
def test_no_link(url: str) -> None:
    """What would not survive in a mail, hides its host or has no place for the token is refused."""
    with pytest.raises(Fault) as caught:
        parse_link(url)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "https://careerrelay.example/o/{token}",
        "https://careerrelay.example/no-more",
        "mailto:no-more@example.co.jp",
        "mailto:no-more@example.co.jp?subject={token}",
        "mailto:no-more+{token}@example.co.jp",
    ],
)
def test_opt_out(url: str) -> None:
    """The opt-out may be a page or an address, with or without the token."""
    assert parse_opt_out(url) == url


@pytest.mark.parametrize(
    "url", ["", "mailto:", "mailto:a@b.example,c@d.example", "mailto:a", "tel:+81", "http://a.example/"]
)
def test_no_opt_out(url: str) -> None:
    """Anything else is refused."""
    with pytest.raises(Fault):
        parse_opt_out(url)


def test_ledger_beside_the_config(tmp_path: Path) -> None:
    """A relative path in a SQLite URL counts from the config file's folder; the loaded URL is absolute."""
    ledger = embedded_config(tmp_path, {"ledger": {"url": "sqlite:///data/my ledger.db"}}).ledger
    assert ledger.url == f"sqlite:///{tmp_path}/data/my ledger.db"
    assert ledger.sqlite_file == tmp_path / "data/my ledger.db"


def test_absolute_ledger(tmp_path: Path) -> None:
    """Four slashes: an absolute path."""
    ledger = embedded_config(tmp_path, {"ledger": {"url": "sqlite:////var/lib/careerrelay/ledger.db"}}).ledger
    assert ledger.sqlite_file == Path("/var/lib/careerrelay/ledger.db")


def test_postgresql(tmp_path: Path) -> None:
    """PostgreSQL gets the driver that is installed, named or not; the password is not shown."""
    for scheme in ("postgresql", "postgresql+psycopg"):
        ledger = embedded_config(
            tmp_path, {"ledger": {"url": f"{scheme}://gw:secret@db.example/relay"}}
        ).ledger
        assert ledger.url == "postgresql+psycopg://gw:secret@db.example/relay"
        assert ledger.sqlite_file is None
        assert ledger.safe_url == "postgresql+psycopg://gw:***@db.example/relay"


def test_password_in_the_query_is_not_shown_either() -> None:
    """Options of a URL can hold a password too, so none are shown."""
    url = "postgresql+psycopg://db.example/relay?password=secret"
    assert without_password(url) == "postgresql+psycopg://db.example/relay"


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=ro&uri=true",
     "ledger.db",
     "mysql://a/b", "postgresql://host", "postgresql://host:port/name", "postgresql:name", "sqlite:///a#b"],
)  # fmt: skip
def test_no_ledger(tmp_path: Path, url: str) -> None:
    """What cannot hold a ledger for several processes is refused, and says what to write."""
    with pytest.raises(ConfigError) as caught:
        embedded_config(tmp_path, {"ledger": {"url": url}})
    (problem,) = caught.value.problems
    assert problem.key == "ledger.url"
    assert problem.remedy
