"""What has to fit between keys: each check, by the config that fails it and one that just passes."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, examine_text
from gateway.errors import ConfigError
from tests.configs import ENDS, LEDGER, LINK, SENDERS
from tests.peers.certificate import make_certificate

ROUTE = {"name": "other", "hosts": ["other.example:25"], "sender_domains": ["example.jp"]}
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound here
KEY = {"domain": "example.jp", "selector": "a", "key_file": "dkim.pem"}
LISTEN = {"address": "127.0.0.1", "port": 2525, "networks": ["127.0.0.0/8"]}


TLS = {**LISTEN, "tls": "required", "certificate_file": "gw.pem", "certificate_key_file": "gw.key"}
TENANT = {"tenant_header": "X-Example-Tenant", "tenant_secret_file": "tenant"}
CLOUD = {**TLS, "anywhere": True, "client_certificates": "required"}
CLOUD_NAME = "listen[0].client_names[0]"
OWN = {"certificate_file": "gw.pem", "certificate_key_file": "gw.key"}
NAMES = {"client_names": ["san:mail.example.co.jp"]}


@functools.cache
def _pems() -> tuple[bytes, bytes, bytes]:
    """Authority, certificate and key."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_certificate(Path(folder))
        certificate, key = made.certificate.read_bytes(), made.key.read_bytes()
    return certificate, certificate, key


@pytest.fixture(autouse=True)
def _spool_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the default spool folder of the machine under test lies is not what these tests are about."""
    monkeypatch.setattr("gateway.config.load.warn_of_files", lambda config, file: [])


def keys_of(folder: Path, changes: dict[str, Any]) -> list[str]:
    """The key paths of all problems (with a remedy) of the embedded config and these changes."""
    try:
        embedded_config(folder, changes)
    except ConfigError as error:
        return [problem.key for problem in error.problems if problem.remedy]
    return []


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        # login and TLS
        ({"next_hop": {"tls_mode": "implicit"}}, ["next_hop.tls"]),
        ({"next_hop": {"tls_mode": "implicit", "tls": "required"}}, []),
        ({"route": [{**ROUTE, "tls_mode": "implicit"}]}, ["route[0].tls"]),
        ({"next_hop": {"user": "gw", "tls": "required"}}, ["next_hop.password_file"]),
        ({"next_hop": {"password_file": "password", "tls": "required"}}, ["next_hop.user"]),
        ({"next_hop": {"user": "gw", "password_file": "password", "tls": "opportunistic"}}, ["next_hop.tls"]),
        ({"next_hop": {"user": "gw", "password_file": "password", "tls": "required"}}, []),
        ({"next_hop": {"ca_file": "ca.pem", "tls": "opportunistic"}}, ["next_hop.ca_file"]),
        ({"next_hop": {"ca_file": "ca.pem", "tls": "required"}}, []),
        ({"next_hop": {"ca_file": "ca.pem", "tls": "verified"}}, []),
        ({"next_hop": {"tls": "verified"}}, ["next_hop.tls"]),
        ({"next_hop": {"tls": "verified", "fingerprints": ["sha256:" + "ab" * 32]}}, []),
        ({"next_hop": {"tls": "required", "fingerprints": ["ab" * 32]}}, []),
        ({"next_hop": {"tls": "opportunistic", "fingerprints": ["ab" * 32]}}, ["next_hop.fingerprints"]),
        ({"next_hop": {"tls": "verified", "fingerprints": ["ab"]}}, ["next_hop.fingerprints[0]"]),
        ({"next_hop": {"tls": "verified", "ca_file": "ca.pem", "tls_mode": "implicit"}}, []),
        ({"next_hop": {**OWN, "tls": "opportunistic"}}, []),
        ({"next_hop": {**OWN, "tls": "none"}}, ["next_hop.tls"]),
        ({"next_hop": {"certificate_key_file": "gw.key"}}, ["next_hop.certificate_file"]),
        (
            {"next_hop": {**OWN, "certificate_key_file": "password", "tls": "required"}},
            ["next_hop.certificate_file"],
        ),
        ({"next_hop": {"hosts": ["a.example:25", "A.example:25"]}}, ["next_hop.hosts[1]"]),
        # a key of its own under each name in the DNS
        ({"dkim": {"key": [KEY, KEY]}}, ["dkim.key[1].selector"]),
        ({"dkim": {"key": [KEY, {**KEY, "selector": "b"}, {**KEY, "domain": "b.example"}]}}, []),
        # workers share connections
        ({"gateway": {"workers": 3}, "next_hop": {"connections": 2}}, ["next_hop.connections"]),
        ({"gateway": {"workers": 3}, "next_hop": {"connections": 3}}, []),
        ({"gateway": {"workers": 3}, "route": [{**ROUTE, "connections": 2}]}, ["route[0].connections"]),
        ({"gateway": {"workers": 3}, "limits": {"connections": 2}}, ["limits.connections"]),
        # listeners
        ({"listen": [LISTEN, LISTEN]}, ["listen[1].port"]),
        ({"listen": [LISTEN, {**LISTEN, "address": EVERYWHERE}]}, ["listen[1].port"]),
        ({"listen": [LISTEN, {**LISTEN, "address": "::"}]}, []),
        ({"listen": [LISTEN, {**LISTEN, "address": "127.0.0.2"}]}, []),
        ({"listen": [{**LISTEN, "port": 0}, {**LISTEN, "port": 0}]}, []),
        ({"listen": [{**LISTEN, "name": "a"}, {**LISTEN, "name": "a", "port": 25}]}, ["listen[1].name"]),
        # routes
        ({"route": [ROUTE]}, []),
        ({"route": [{"name": "other", "hosts": ["other.example:25"]}]}, ["route[0]"]),
        ({"route": [{**ROUTE, "name": "default"}]}, ["route[0].name"]),
        ({"route": [ROUTE, ROUTE]}, ["route[1].name"]),
        ({"route": [{**ROUTE, "listeners": ["127.0.0.1:2525"]}]}, []),
        ({"route": [{**ROUTE, "listeners": ["inside"]}]}, ["route[0].listeners[0]"]),
        ({"notifications": {"route": "other"}}, ["notifications.route"]),
        ({"notifications": {"route": "default"}}, []),
        ({"notifications": {"route": "other"}, "route": [ROUTE]}, []),
        # a next hop that is ourselves
        ({"next_hop": {"hosts": ["127.0.0.1:2525"]}}, ["next_hop.hosts[0]"]),
        (
            {"listen": [{**LISTEN, "address": EVERYWHERE}], "next_hop": {"hosts": ["localhost:2525"]}},
            ["next_hop.hosts[0]"],
        ),
        ({"next_hop": {"hosts": ["localhost:2526"]}}, []),
        # times
        ({"timeouts": {"connect_seconds": 241}}, ["timeouts.connect_seconds"]),
        ({"timeouts": {"connect_seconds": 240}}, []),
        ({"timeouts": {"pool_wait_seconds": 241}}, ["timeouts.pool_wait_seconds"]),
        ({"timeouts": {"dot_seconds": 600}}, ["timeouts.dot_seconds"]),
        ({"timeouts": {"dot_seconds": 599}}, []),
        ({"timeouts": {"copies_seconds": 571}}, ["timeouts.copies_seconds"]),
        ({"ledger": {"wait_seconds": 241}}, ["ledger.wait_seconds"]),
        ({"ledger": {"lease_seconds": 1060}}, ["ledger.lease_seconds"]),
        ({"ledger": {"lease_seconds": 1061}}, []),
        # TLS on listeners
        ({"listen": [TLS]}, []),
        ({"listen": [{**LISTEN, "tls": "offered"}]}, ["listen[0].certificate_file"]),
        ({"listen": [{**TLS, "tls": "none"}]}, ["listen[0].tls"]),
        ({"listen": [{**LISTEN, "certificate_key_file": "gw.key"}]}, ["listen[0].certificate_file"]),
        ({"listen": [{**TLS, "tls": "offered", "tls_mode": "implicit"}]}, ["listen[0].tls"]),
        ({"listen": [{**TLS, "tls_mode": "implicit"}]}, []),
        ({"listen": [{**TLS, "certificate_key_file": "password"}]}, ["listen[0].certificate_file"]),
        ({"listen": [{**TLS, "client_names": ["mail.example.co.jp"]}]}, ["listen[0].client_names[0]"]),
        ({"listen": [{**TLS, "client_names": ["sha256:ab"]}]}, ["listen[0].client_names[0]"]),
        ({"listen": [{**TLS, **NAMES}]}, ["listen[0].client_names"]),
        ({"listen": [{**TLS, "client_ca_file": "ca.pem"}]}, ["listen[0].client_ca_file"]),
        ({"listen": [{**TLS, "client_certificates": "required", **NAMES}]}, []),
        ({"listen": [{**TLS, "client_certificates": "required", "client_ca_file": "ca.pem"}]}, []),
        ({"listen": [{**TLS, "client_certificates": "required"}]}, ["listen[0].client_names"]),
        ({"listen": [{**TLS, "client_certificates": "optional"}]}, ["listen[0].client_names"]),
        (
            {"listen": [{**TLS, "tls": "offered", "client_certificates": "required", **NAMES}]},
            ["listen[0].tls"],
        ),
        ({"listen": [{**TLS, "tls": "offered", "client_certificates": "optional", **NAMES}]}, []),
        # nobody's listener is everybody's
        ({"listen": [{**TLS, "anywhere": True}]}, ["listen[0].anywhere"]),
        (
            {"listen": [{**TLS, "anywhere": True, "client_certificates": "optional", **NAMES}]},
            ["listen[0].anywhere"],
        ),
        ({"listen": [{**TLS, "anywhere": True, "client_certificates": "required", **NAMES}]}, []),
        # sizes
        ({"limits": {"memory_bytes": 245_759}}, ["limits.memory_bytes"]),
        ({"limits": {"memory_bytes": 245_760}}, []),
        ({"limits": {"command_line_bytes": 2_111}}, ["limits.command_line_bytes"]),
        ({"limits": {"command_line_bytes": 2_112}}, []),
        # shared clouds
        ({"listen": [{**LISTEN, "networks": ["40.92.0.0/15"]}]}, ["listen[0].networks[0]"]),
        ({"listen": [{**LISTEN, "networks": ["127.0.0.1", "40.107.1.2"]}]}, ["listen[0].networks[1]"]),
        ({"listen": [{**LISTEN, "networks": ["209.85.128.0/17"]}]}, ["listen[0].networks[0]"]),
        ({"listen": [{**LISTEN, "networks": ["2a01:111:f403::/48"]}]}, ["listen[0].networks[0]"]),
        ({"listen": [{**LISTEN, "networks": ["52.0.0.0/8"]}]}, ["listen[0].networks[0]"]),
        ({"listen": [{**LISTEN, "networks": ["192.0.2.0/24", "2001:db8::/32"]}]}, []),
        ({"listen": [{**LISTEN, "networks": ["40.92.0.0/15"], **TENANT}]}, []),
        ({"listen": [{**LISTEN, **TENANT, "tenant_header": "Subject"}]}, ["listen[0].tenant_header"]),
        ({"listen": [{**LISTEN, "tenant_header": "X-T"}]}, ["listen[0].tenant_secret_file"]),
        ({"listen": [{**LISTEN, "tenant_secret_file": "tenant"}]}, ["listen[0].tenant_header"]),
        (
            {"listen": [{**LISTEN, "tenant_header": "X-T", "tenant_secret_file": "password"}]},
            ["listen[0].tenant_secret_file"],
        ),
        ({"listen": [{**CLOUD, "client_names": ["san:mail.protection.outlook.com"]}]}, [CLOUD_NAME]),
        ({"listen": [{**CLOUD, "client_names": ["san:*.google.com"]}]}, [CLOUD_NAME]),
        ({"listen": [{**CLOUD, "client_names": ["subject:CN=smtp.gmail.com"]}]}, [CLOUD_NAME]),
        ({"listen": [{**CLOUD, "client_names": ["san:notoutlook.com"]}]}, []),
        ({"listen": [{**CLOUD, "client_names": ["san:mail.protection.outlook.com"], **TENANT}]}, []),
        # logins
        ({"listen": [{**TLS, "auth": "required"}]}, ["auth.users_file"]),
        ({"listen": [{**TLS, "auth": "required"}], "auth": {"users_file": "users.toml"}}, []),
        (
            {"listen": [{**LISTEN, "auth": "offered"}], "auth": {"users_file": "users.toml"}},
            ["listen[0].tls"],
        ),
        (
            {"listen": [{**TLS, "anywhere": True, "auth": "required"}], "auth": {"users_file": "users.toml"}},
            [],
        ),
        (
            {"listen": [{**TLS, "anywhere": True, "auth": "offered"}], "auth": {"users_file": "users.toml"}},
            ["listen[0].anywhere"],
        ),
        ({"auth": {"users_file": "password"}}, [""]),
    ],
)
def test_checks(tmp_path: Path, changes: dict[str, Any], keys: list[str]) -> None:
    """Each combination is refused at the key to change, or taken."""
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "users.toml").touch(0o600)
    (tmp_path / "tenant").write_text("a-secret-of-twenty-characters\n")
    (tmp_path / "tenant").chmod(0o600)
    for name, content in zip(("ca.pem", "gw.pem", "gw.key"), _pems(), strict=True):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "dkim.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "dkim.pem").chmod(0o600)
    assert keys_of(tmp_path, changes) == keys


def test_workers_by_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``workers = 0`` counts as many as there are cores, also where connections are shared out."""
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(21)))
    assert keys_of(tmp_path, {"gateway": {"workers": 0}}) == ["next_hop.connections"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('networks = ["127.0.0.0/8"]', "", "listen[0].networks"),
        ('senders = ["*@example.co.jp"]', "", "rules.senders"),
        (
            "[log]",
            '[[route]]\nname = "b"\nhosts = ["b.example:25"]\nsender_domains = ["x.example"]\n',
            "route[1]",
        ),
        ("[log]", '[dkim]\npolicy = "resign"\n[log]', "dkim.policy"),
    ],
)
def test_warnings(tmp_path: Path, old: str, new: str, key: str) -> None:
    """What is allowed but hardly meant is told, and does not stop anything."""
    route = '[[route]]\nname = "a"\nhosts = ["a.example:25"]\nsender_domains = ["x.example"]\n'
    text = f"{ENDS}{route}{SENDERS}{LINK}{LEDGER}[log]\n"
    quiet = examine_text(text, file="c.toml", folder=tmp_path)
    assert (quiet.problems, quiet.warnings) == ((), ())
    told = examine_text(text.replace(old, new), file="c.toml", folder=tmp_path)
    assert told.problems == ()
    assert [warning.key for warning in told.warnings] == [key]


def test_route_for(tmp_path: Path) -> None:
    """The first route that fits takes a mail: by listener, by sender's domain, or by both."""
    hosts = ["other.example:25"]
    config = embedded_config(
        tmp_path,
        {
            "listen": [{**LISTEN, "name": "inside"}, {**LISTEN, "name": "ats", "port": 2527}],
            "route": [
                {"name": "both", "hosts": hosts, "listeners": ["ats"], "sender_domains": ["example.jp"]},
                {"name": "domain", "hosts": hosts, "sender_domains": ["example.jp", "*.example.jp"]},
                {"name": "listener", "hosts": hosts, "listeners": ["ats"]},
            ],
        },
    )
    assert config.route_for("ats", "hr@EXAMPLE.jp") == "both"
    assert config.route_for("inside", "hr@example.jp") == "domain"
    assert config.route_for("inside", "hr@sub.example.jp") == "domain"
    assert config.route_for("ats", "hr@other.example") == "listener"
    assert config.route_for("ats", "") == "listener"
    assert config.route_for("inside", "") == "default"
    assert config.route_for("inside", "hr@example.co.jp") == "default"
    assert list(config.next_hops) == ["default", "both", "domain", "listener"]


def test_names_that_follow(tmp_path: Path) -> None:
    """What is not said follows from what is."""
    config = embedded_config(tmp_path, {"gateway": {"own_domains": ["*.example.co.jp"]}})
    assert config.postmaster == "postmaster@example.co.jp"
    assert config.helo(config.next_hop) == "gw.example.co.jp"
    assert config.listen[0].label == "127.0.0.1:2525"
    assert config.listen[0].admits("127.0.0.1")
    assert not config.listen[0].admits("192.0.2.1")
    assert config.link.for_token("0" * 26) == "https://careerrelay.example/r/" + "0" * 26
    assert config.link.opt_out_for_token("0" * 26) == "https://careerrelay.example/o/" + "0" * 26
