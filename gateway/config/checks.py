"""What has to fit between the keys of a config: a table of checks, each a few lines with its reason.

A check takes the config and gives problems; it may be handed a draft (see `gateway.config.draft`) and then
dies of the AttributeError that a hole raises. Checks look at values only; what depends on files is in
`gateway.config.files`.
"""

import itertools
from collections.abc import Callable, Iterator

from gateway.config.clouds import cloud_of_certificate, cloud_of_network
from gateway.config.credit_checks import CREDIT_CHECKS
from gateway.config.listen import Listen
from gateway.config.model import Config
from gateway.config.traffic import DEFAULT_ROUTE, NextHop, Route
from gateway.config.web_checks import WEB_CHECKS, WEB_WARNINGS
from gateway.errors import Problem

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
# Postfix waits this long for our reply to the dot (smtp_data_done_timeout), as RFC 5321 §4.5.3.2.6 asks.
_SENDER_PATIENCE = 600

Found = Iterator[tuple[str, str, str]]  # key path, message, remedy


def hops(config: Config) -> list[tuple[str, NextHop]]:
    """All next hops with their key paths."""
    return [("next_hop", config.next_hop), *((f"route[{i}]", route) for i, route in enumerate(config.route))]


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


LISTEN_CHECKS: tuple[Callable[[str, Listen], Found], ...] = (
    _listener_tls,
    _listener_certificates,
    _anywhere_needs_proof,
    _login_under_tls,
    _tenant_is_whole,
    _shared_cloud_needs_proof,
)

HOP_CHECKS: tuple[Callable[[str, NextHop], Found], ...] = (
    _login_only_under_tls,
    _implicit_tls_is_required_tls,
    _authority_needs_verification,
    _own_certificate_needs_tls,
    _hosts_once,
    _route_has_a_condition,
)


def _a_connection_for_each_worker(config: Config) -> Found:
    # The parent splits the connections; a worker without one could not pass a single mail on.
    workers = config.gateway.worker_count
    for key, hop in hops(config):
        if hop.connections < workers:
            yield (
                f"{key}.connections",
                f"{workers} workers share {hop.connections} connections",
                f"write {workers} or more",
            )


def _room_for_each_worker(config: Config) -> Found:
    workers = config.gateway.worker_count
    if config.limits.connections < workers:
        yield "limits.connections", f"{workers} workers share them", f"write {workers} or more"


def _overlap(one: Listen, other: Listen) -> bool:
    """Whether the two cannot be bound side by side."""
    if one.port != other.port or one.port == 0:
        return False
    families = {6 if ":" in listen.address else 4 for listen in (one, other)}
    wild = one.address in _WILDCARDS or other.address in _WILDCARDS
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


def _route_names_once(config: Config) -> Found:
    for index, route in enumerate(config.route):
        if route.name == DEFAULT_ROUTE:
            yield f"route[{index}].name", f'"{DEFAULT_ROUTE}" stands for [next_hop]', "choose another name"
        if any(route.name == earlier.name for earlier in config.route[:index]):
            yield f"route[{index}].name", f'another route is called "{route.name}" too', "choose another name"


def _listeners_of_routes_exist(config: Config) -> Found:
    labels = [listen.label for listen in config.listen]
    for index, route in enumerate(config.route):
        for position, name in enumerate(route.listeners):
            if name not in labels:
                remedy = f"write one of: {', '.join(labels)}"
                yield f"route[{index}].listeners[{position}]", f'there is no listener "{name}"', remedy


def _route_of_notifications_exists(config: Config) -> Found:
    name = config.notifications.route
    names = [DEFAULT_ROUTE, *(route.name for route in config.route)]
    if name is not None and name not in names:
        yield "notifications.route", f'there is no route "{name}"', f"write one of: {', '.join(names)}"


def _next_hop_is_not_ourselves(config: Config) -> Found:
    for key, hop in hops(config):
        for index, host in enumerate(hop.hosts):
            for listen in config.listen:
                here = listen.address in _WILDCARDS and host.host in _THIS_MACHINE
                if host.port == listen.port and (host.host == listen.address or here):
                    yield (
                        f"{key}.hosts[{index}]",
                        f"{host} is the gateway's own listener {listen.label}: a loop",
                        "write the address of the system that takes mail after the gateway",
                    )


def _phases_fit(config: Config) -> Found:
    times = config.timeouts
    for name in ("connect_seconds", "pool_wait_seconds"):
        value = getattr(times, name)
        if value > times.envelope_seconds:
            yield (
                f"timeouts.{name}",
                f"it is part of what MAIL may take, {times.envelope_seconds:g} (envelope_seconds)",
                f"write at most {times.envelope_seconds:g}",
            )
    if times.dot_seconds >= _SENDER_PATIENCE:
        yield (
            "timeouts.dot_seconds",
            f"senders wait {_SENDER_PATIENCE} s, then send again while the mail is on its way: duplicates",
            "write 570",
        )
    if times.copies_seconds > times.dot_seconds:
        yield (
            "timeouts.copies_seconds",
            f"it is longer than dot_seconds ({times.dot_seconds:g})",
            "write less than that",
        )


def _lease_outlives_a_mail(config: Config) -> Found:
    # A lease that ends before the mail does hands a live mail to another node: every copy twice.
    times = config.timeouts
    longest = times.envelope_seconds + times.data_seconds + times.block_seconds + times.dot_seconds
    longest = max(longest, times.copies_seconds + times.dot_seconds)
    if config.ledger.lease_seconds <= longest:
        yield (
            "ledger.lease_seconds",
            f"a mail may take {longest:g} s (envelope, data, block and dot in [timeouts])",
            f"write more than {longest:g}",
        )


def _ledger_wait_is_short(config: Config) -> Found:
    if config.ledger.wait_seconds > config.timeouts.copies_seconds:
        yield "ledger.wait_seconds", "it is longer than copies_seconds in [timeouts]", "write 2"


def _memory_holds_the_window(config: Config) -> Found:
    if config.limits.memory_bytes < config.limits.window_bytes:
        yield (
            "limits.memory_bytes",
            f"it is less than window_bytes ({config.limits.window_bytes}), which is held in memory already",
            f"write {config.limits.window_bytes} or more",
        )


def _line_holds_a_path(config: Config) -> Found:
    # "MAIL FROM:<>" with CRLF, and room for parameters such as ORCPT, which repeats the path (RFC 3461 §4.2).
    needed = 2 * config.limits.path_bytes + 64
    if config.limits.command_line_bytes < needed:
        yield (
            "limits.command_line_bytes",
            f"a path of path_bytes ({config.limits.path_bytes}) does not fit into it with its parameters",
            f"write {needed} or more",
        )


def _signing_keys_apart(config: Config) -> Found:
    keys = config.dkim.key
    for (i, one), (j, other) in itertools.combinations(enumerate(keys), 2):
        if (one.domain, one.selector) == (other.domain, other.selector):
            # One name in the DNS holds one key (RFC 6376 §3.6.2.2).
            yield (
                f"dkim.key[{j}].selector",
                f"dkim.key[{i}] has this domain and selector already",
                "publish the key under a selector of its own",
            )


def _logins_need_users(config: Config) -> Found:
    if config.auth.users_file is None and any(listen.auth != "none" for listen in config.listen):
        yield (
            "auth.users_file",
            "there is a listener with logins and nobody who may log in",
            "name a file, and fill it with `careerrelay user add`",
        )


CHECKS: tuple[Callable[[Config], Found], ...] = (
    _a_connection_for_each_worker,
    _room_for_each_worker,
    _listeners_apart,
    _logins_need_users,
    _route_names_once,
    _listeners_of_routes_exist,
    _route_of_notifications_exists,
    _next_hop_is_not_ourselves,
    _phases_fit,
    _lease_outlives_a_mail,
    _ledger_wait_is_short,
    _memory_holds_the_window,
    _line_holds_a_path,
    _signing_keys_apart,
    *WEB_CHECKS,
    *CREDIT_CHECKS,
)


def _nobody_may_send(config: Config) -> Found:
    for index, listen in enumerate(config.listen):
        if not (listen.networks or listen.anywhere):
            yield f"listen[{index}].networks", "nobody may use this listener", "name the networks that may"


def _nobody_is_changed(config: Config) -> Found:
    if config.gateway.mode == "inject" and not config.rules.senders:
        yield (
            "rules.senders",
            "it is empty, so the shipped packs change no mail",
            'write whose mail, as ["*@example.co.jp"]',
        )


def _route_never_reached(config: Config) -> Found:
    seen: set[str] = set()
    for index, route in enumerate(config.route):
        condition = repr((sorted(route.listeners), sorted(route.sender_domains)))
        if condition in seen:
            yield (
                f"route[{index}]",
                "an earlier route has the same conditions, so this one takes no mail",
                "take one out",
            )
        seen.add(condition)


def _resigning_without_a_key(config: Config) -> Found:
    if config.dkim.policy == "resign" and not config.dkim.key:
        yield "dkim.policy", "there is no [[dkim.key]], so signed mail stays as it is", "add keys"


WARNINGS: tuple[Callable[[Config], Found], ...] = (
    _nobody_may_send,
    _nobody_is_changed,
    _route_never_reached,
    _resigning_without_a_key,
    *WEB_WARNINGS,
)


def check(config: Config, *, file: str, whole: bool) -> list[Problem]:
    """Everything in `config` that does not fit together.

    Args:
        config: the config, or a draft of one.
        file: its file's name, for the problems.
        whole: whether `config` is no draft. In a draft the checks that meet a hole are passed over.
    """
    problems: list[Problem] = []
    try:
        places = hops(config)
    except AttributeError:
        if whole:
            raise
        places = [("next_hop", config.next_hop)] if "next_hop" in config.__dict__ else []
    runs = [check(config) for check in CHECKS]
    runs += [check(key, hop) for check in HOP_CHECKS for key, hop in places]
    listeners = config.__dict__.get("listen", ())
    runs += [check(f"listen[{i}]", one) for check in LISTEN_CHECKS for i, one in enumerate(listeners)]
    for run in runs:
        try:
            for found in run:  # one by one: what was found before a hole stays
                problems.append(_problem(file, found))  # noqa: PERF401
        except AttributeError:
            if whole:
                raise
    return problems


def warnings(config: Config, *, file: str) -> list[Problem]:
    """What is allowed but hardly meant."""
    return [_problem(file, found) for warn in WARNINGS for found in warn(config)]


def _problem(file: str, found: tuple[str, str, str]) -> Problem:
    key, message, remedy = found
    return Problem(file=file, key=key, message=message, remedy=remedy)
