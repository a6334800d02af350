"""What has to fit within one next hop: login, TLS, certificates, hosts."""

from collections.abc import Callable

from gateway.config.checks.found import Found
from gateway.config.traffic import NextHop, Route


def _login_only_under_tls(key: str, hop: NextHop) -> Found:
    if (hop.user is None) != (hop.password_file is None):
        missing = "user" if hop.user is None else "password_file"
        yield f"{key}.{missing}", "a login needs user and password_file, and this one is missing", "add it"
    if hop.user is not None and not hop.certain:
        yield (
            f"{key}.tls",
            f'with tls = "{hop.tls}" the password could cross the network in plain text',
            'write tls = "required", or take user and password_file out',
        )


def _implicit_tls_is_required_tls(key: str, hop: NextHop) -> Found:
    if hop.tls_mode == "implicit" and not hop.certain:
        yield f"{key}.tls", 'tls_mode = "implicit" has no way without TLS', 'write tls = "required"'


def _authority_needs_verification(key: str, hop: NextHop) -> Found:
    for name in ("ca_file", "fingerprints"):
        if getattr(hop, name) and not hop.certain:
            yield (
                f"{key}.{name}",
                f'with tls = "{hop.tls}" no certificate is checked',
                'write tls = "verified"',
            )
    if hop.tls == "verified" and hop.ca_file is None and not hop.fingerprints:
        yield (
            f"{key}.tls",
            '"verified" is by an authority or a certificate that you name',
            'name it in ca_file or fingerprints, or write tls = "required"',
        )


def _own_certificate_needs_tls(key: str, hop: NextHop) -> Found:
    if hop.certificate_file is not None and hop.tls == "none":
        yield f"{key}.tls", "a certificate is shown under TLS only", 'write tls = "required"'
    if hop.certificate_key_file is not None and hop.certificate_file is None:
        yield f"{key}.certificate_file", "there is a key and no certificate", "name its PEM file"


def _hosts_once(key: str, hop: NextHop) -> Found:
    for index, host in enumerate(hop.hosts):
        if host in hop.hosts[:index]:
            yield f"{key}.hosts[{index}]", f"{host} stands in the list twice", "take one out"


def _route_has_a_condition(key: str, hop: NextHop) -> Found:
    if isinstance(hop, Route) and not (hop.listeners or hop.sender_domains):
        yield key, "this route has no condition, so it would take all mail", "add listeners or sender_domains"


HOP_CHECKS: tuple[Callable[[str, NextHop], Found], ...] = (
    _login_only_under_tls,
    _implicit_tls_is_required_tls,
    _authority_needs_verification,
    _own_certificate_needs_tls,
    _hosts_once,
    _route_has_a_condition,
)
