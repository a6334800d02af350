"""When there is a web process, and what it is told by the config."""

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, load_keys, read_rule_files
from gateway.config.webhook_secret import read_web_secrets
from gateway.service.bundle import Bundle
from gateway.service.links import link_for
from gateway.service.parent import wants_web
from gateway.service.reload import without_restart
from gateway.service.web import settings_of


def bundle(folder: Path, changes: dict[str, Any]) -> Bundle:
    """A bundle of the embedded config with these changes."""
    config = embedded_config(folder, changes)
    return Bundle(
        config=config,
        keys=load_keys(config.gateway.key_file, create=True),
        files=read_rule_files(config),
        web_secrets=read_web_secrets(config),
    )


def secret(folder: Path, name: str, octets: bytes) -> str:
    """A file with one secret."""
    path = folder / name
    path.write_text("whsec_" + base64.b64encode(octets).decode(), "utf-8")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"web": {"listen": "127.0.0.1:8025"}}, True),
        ({"partner": {"push_url": "https://agency.example/hook", "push_secret_file": "push.secret"}}, True),
    ],
)
def test_off_unless_asked_for(tmp_path: Path, *, changes: dict[str, Any], wanted: bool) -> None:
    """There is a process only where there is something for it to do."""
    secret(tmp_path, "push.secret", b"p" * 32)
    assert wants_web(embedded_config(tmp_path, changes)) is wanted


def test_settings(tmp_path: Path) -> None:
    """Secrets by partner, links by campaign; the secret that signs what we push is the first."""
    found = bundle(
        tmp_path,
        {
            "web": {"listen": "127.0.0.1:8025", "requests_per_minute": 7},
            "link": {
                "landing_url": "https://agency.example/{token}",
                "issue_secret_file": secret(tmp_path, "links.secret", b"l" * 32),
            },
            "partner": [
                {"id": "one", "webhook_secret_file": secret(tmp_path, "one.secret", b"1" * 32)},
                {
                    "id": "two",
                    "webhook_secret_file": secret(tmp_path, "two.secret", b"2" * 32),
                    "push_url": "https://two.example/hook",
                },
            ],
            "campaign": [{"id": "sales", "url": "https://sales.example/{token}"}],
        },
    )
    settings = settings_of(found)
    assert settings.partners == {"one": (b"1" * 32,), "two": (b"2" * 32,)}
    assert settings.issuers == (b"l" * 32,)
    assert found.web_secrets.push == {"two": b"2" * 32}
    assert settings.requests_per_minute == 7
    assert link_for(found.config, "sales", "x") == "https://sales.example/x"
    assert link_for(found.config, "other", "x") == "https://careerrelay.example/r/x"
    assert b"1" * 32 not in repr(settings).encode()


def test_addresses_wait_for_a_restart(tmp_path: Path) -> None:
    """Sockets stay as they are; everything else of [web] is taken over."""
    old = bundle(tmp_path, {"web": {"listen": "127.0.0.1:8025"}})
    new = bundle(tmp_path, {"web": {"listen": "127.0.0.1:8026", "batch": 5}})
    taken, waiting = without_restart(old, new)
    assert waiting == ["web.listen"]
    assert taken.config.web.listen == old.config.web.listen
    assert taken.config.web.batch == 5
