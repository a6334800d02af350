"""What has to fit within one listener, and between all of them: who may send, which TLS, which place."""

import itertools
from collections.abc import Callable

from gateway.config.checks.found import WILDCARDS, Check, Found
from gateway.config.clouds import cloud_of_certificate, cloud_of_network
from gateway.config.listen import Listen
from gateway.config.model import Config


def _listener_tls(key: str, listen: Listen) -> Found:
    if listen.tls != "none" and listen.certificate_file is None:
        yield f"{key}.certificate_file", f'tls = "{listen.tls}" needs a certificate', "name its PEM file"
    if listen.tls == "none" and listen.certificate_file is not None:
        yield f"{key}.tls", "there is a certificate and no TLS", 'write tls = "offered" or "required"'
    if listen.certificate_key_file is not None and listen.certificate_file is None:
        yield f"{key}.certificate_file", "there is a key and no certificate", "name its PEM file"
    if listen.tls_mode == "implicit" and listen.tls != "required":
        yield f"{key}.tls", 'tls_mode = "implicit" has no way without TLS', 'write tls = "required"'


def _listener_certificates(key: str, listen: Listen) -> Found:
    asked = listen.client_certificates
    if asked == "none" and (listen.client_names or listen.client_ca_file):
        named = "client_names" if listen.client_names else "client_ca_file"
        yield f"{key}.{named}", "no certificate is asked for", 'write client_certificates = "required"'
    if asked == "required" and listen.tls != "required":
        yield f"{key}.tls", "a certificate is shown under TLS only", 'write tls = "required"'
    if asked == "optional" and listen.tls == "none":
        yield f"{key}.tls", "a certificate is shown under TLS only", 'write tls = "offered" or "required"'
    if asked != "none" and listen.client_ca_file is None and not listen.client_names:
        yield (
            f"{key}.client_names",
            "anybody who bought a certificate somewhere would be let in: an open relay",
            'name them, as ["san:mail.example.com"], or name their authority in client_ca_file',
        )


def _anywhere_needs_proof(key: str, listen: Listen) -> Found:
    if listen.anywhere and listen.client_certificates != "required" and listen.auth != "required":
        yield (
            f"{key}.anywhere",
            "anybody could send through this listener: an open relay",
            'write client_certificates = "required" or auth = "required", or name networks',
        )


def _login_under_tls(key: str, listen: Listen) -> Found:
    if listen.auth != "none" and listen.tls == "none":
        yield f"{key}.tls", "passwords are taken under TLS only", 'write tls = "required", and a certificate'


def _tenant_is_whole(key: str, listen: Listen) -> Found:
    if (listen.tenant_header is None) != (listen.tenant_secret_file is None):
        missing = "tenant_header" if listen.tenant_header is None else "tenant_secret_file"
        yield (
            f"{key}.{missing}",
            "the proof of a tenant is a field and its secret; this one is missing",
            "add it",
        )


def _shared_cloud_needs_proof(key: str, listen: Listen) -> Found:
    # A cloud's addresses and certificates are those of all its customers (SMTP.md rule 28).
    if listen.tenant_header is not None:
        return
    places = [("networks", i, cloud_of_network(network)) for i, network in enumerate(listen.networks)]
    places += [("client_names", i, cloud_of_certificate(name)) for i, name in enumerate(listen.client_names)]
    for name, index, cloud in places:
        if cloud:
            yield (
                f"{key}.{name}[{index}]",
                f"every customer of {cloud} could send through this listener: an open relay",
                "name a field that your tenant alone sets in tenant_header, and its tenant_secret_file",
            )
            return


#: Of one listener, by its key path.
LISTEN_CHECKS: tuple[Callable[[str, Listen], Found], ...] = (
    _listener_tls,
    _listener_certificates,
    _anywhere_needs_proof,
    _login_under_tls,
    _tenant_is_whole,
    _shared_cloud_needs_proof,
)


def _overlap(one: Listen, other: Listen) -> bool:
    """Whether the two cannot be bound side by side."""
    if one.port != other.port or one.port == 0:
        return False
    families = {6 if ":" in listen.address else 4 for listen in (one, other)}
    wild = one.address in WILDCARDS or other.address in WILDCARDS
    return one.address == other.address or (wild and len(families) == 1)


def _listeners_apart(config: Config) -> Found:
    for (i, one), (j, other) in itertools.combinations(enumerate(config.listen), 2):
        if _overlap(one, other):
            yield (
                f"listen[{j}].port",
                f"listen[{i}] has this address and port already",
                "write another port or address",
            )
        elif one.label == other.label and one.port:
            yield f"listen[{j}].name", f'listen[{i}] is called "{one.label}" too', "give it a name of its own"


def _logins_need_users(config: Config) -> Found:
    if config.auth.users_file is None and any(listen.auth != "none" for listen in config.listen):
        yield (
            "auth.users_file",
            "there is a listener with logins and nobody who may log in",
            "name a file, and fill it with `careerrelay user add`",
        )


def _nobody_may_send(config: Config) -> Found:
    for index, listen in enumerate(config.listen):
        if not (listen.networks or listen.anywhere):
            yield f"listen[{index}].networks", "nobody may use this listener", "name the networks that may"


LISTENERS_CHECKS: tuple[Check, ...] = (_listeners_apart, _logins_need_users)
LISTENERS_WARNINGS: tuple[Check, ...] = (_nobody_may_send,)
