"""From config to doors: what the sessions of each listener go by, and the files behind it that may change."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from gateway.config import Config, Listen
from gateway.config.auth import Auth
from gateway.config.files import read_tenant_secret
from gateway.config.network import admits
from gateway.config.users import read_users
from gateway.config.watched import Watched
from gateway.edge.door import Access, Door, EdgeLimits, Routes
from gateway.edge.limits import Rates
from gateway.edge.login import Logins
from gateway.edge.registry import Registry
from gateway.edge.tenant import TenantProof
from gateway.edge.tls import TlsFiles, holder_test
from gateway.errors import ConfigError
from gateway.transaction.context import Services
from gateway.transaction.policy import Policy

_USERS = "users file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The doors of one config, by listener label.

    Attributes:
        watched: what was made from files, with words for the log; `refresh` keeps it up to date.
        auth, logins: who checks logins, and by what settings.
        rates: how much each sender has sent.
    """

    by_label: Mapping[str, Door]
    watched: tuple[tuple[str, Watched[Any]], ...] = field(default=())
    auth: Auth | None = None
    logins: Logins | None = None
    rates: Rates | None = None

    def refresh(self) -> tuple[list[str], list[str]]:
        """Read again what has changed on disk: what was taken over, and what could not be, in words."""
        taken, refused = [], []
        for name, watched in self.watched:
            try:
                if watched.refresh():
                    taken.append(name)
            except (OSError, ValueError, ConfigError) as error:
                refused.append(f"{name} can't be used, the last good one stays: {error}")
        return taken, refused


def edge_limits(config: Config) -> EdgeLimits:
    """The bounds of a session."""
    return EdgeLimits(
        recipients=config.limits.recipients,
        command_line=config.limits.command_line_bytes,
        path=config.limits.path_bytes,
        command_seconds=config.timeouts.command_seconds,
        block_seconds=config.timeouts.block_seconds,
        errors=config.limits.errors,
        commands=config.limits.commands + config.limits.recipients,
        session_seconds=config.timeouts.session_seconds,
        upload_seconds=config.timeouts.upload_seconds,
    )


def build_doors(
    config: Config,
    *,
    services: Services,
    registry: Registry,
    policy: Callable[[], Policy],
    routes: Callable[[], Routes],
    limits: EdgeLimits | None = None,
    before: Doors | None = None,
) -> Doors:
    """Make the door of each listener.

    Args:
        before: the doors until now. What is known of peers is kept where the settings are the same.

    Raises:
        OSError, ValueError, ConfigError: a certificate or the users file can't be used.
    """
    limits = limits or edge_limits(config)
    doors: dict[str, Door] = {}
    watched: list[tuple[str, Watched[Any]]] = []
    per_worker = -(-config.limits.sender_mails_per_hour // config.gateway.worker_count)
    rates = _rates(per_worker, services.monotonic, before)
    logins, users = _logins(config, services.monotonic, before)
    if users is not None:
        watched.append(users)
    for listen in config.listen:
        context = _context(listen)
        secret = _tenant_secret(listen)
        if secret is not None:
            watched.append((f"tenant's secret of listener {listen.label}", secret))
        if context is not None:
            watched.append((f"certificate of listener {listen.label}", context))
        doors[listen.label] = Door(
            label=listen.label,
            lmtp=listen.protocol == "lmtp",
            admits=listen.admits,
            limits=limits,
            services=services,
            registry=registry,
            policy=policy,
            routes=routes,
            access=_access(listen, context, logins, _tenant(listen, secret, services)),
            rates=rates,
            forwards=any(hop.forward_client != "none" for hop in config.next_hops.values()),
        )
    return Doors(
        by_label=MappingProxyType(doors),
        watched=tuple(watched),
        auth=config.auth,
        logins=logins,
        rates=rates,
    )


def _rates(per_hour: int, clock: Callable[[], float], before: Doors | None) -> Rates | None:
    if per_hour == 0:
        return None
    if before is not None and before.rates is not None and before.rates.per_hour == per_hour:
        return before.rates
    return Rates(per_hour, clock)


def _logins(
    config: Config, clock: Callable[[], float], before: Doors | None
) -> tuple[Logins | None, tuple[str, Watched[Any]] | None]:
    file = config.auth.users_file
    if file is None or all(listen.auth == "none" for listen in config.listen):
        return None, None
    if before is not None and before.logins is not None and before.auth == config.auth:
        return before.logins, next(one for one in before.watched if one[0] == _USERS)
    users = Watched((file,), partial(read_users, file))
    logins = Logins(
        lambda: users.value, attempts=config.auth.attempts, seconds=config.auth.lockout_seconds, clock=clock
    )
    return logins, (_USERS, users)


def _context(listen: Listen) -> Watched[ssl.SSLContext] | None:
    if listen.tls == "none" or listen.certificate_file is None:
        return None
    files = TlsFiles(
        certificate=listen.certificate_file,
        key=listen.certificate_key_file,
        authorities=listen.client_ca_file,
        ask=listen.client_certificates,
    )
    return Watched(files.paths, files.context)


def _tenant_secret(listen: Listen) -> Watched[bytes] | None:
    file = listen.tenant_secret_file
    return None if file is None else Watched((file,), partial(read_tenant_secret, file))


def _tenant(listen: Listen, secret: Watched[bytes] | None, services: Services) -> TenantProof | None:
    if listen.tenant_header is None or secret is None:
        return None
    return TenantProof(
        field=listen.tenant_header.encode("ascii"),
        secret=lambda: secret.value,
        refused=lambda: services.journal.count("tenant-refused"),
    )


def _access(
    listen: Listen,
    context: Watched[ssl.SSLContext] | None,
    logins: Logins | None,
    tenant: TenantProof | None,
) -> Access:
    return Access(
        tls=listen.tls,
        implicit=listen.tls_mode == "implicit",
        context=None if context is None else lambda: context.value,
        certificates=listen.client_certificates,
        holder=holder_test(listen.client_names),
        auth=listen.auth,
        logins=None if listen.auth == "none" else logins,
        is_proxy=partial(admits, listen.proxy_networks) if listen.proxy_networks else None,
        speaks_for=partial(admits, listen.xclient_networks) if listen.xclient_networks else None,
        tenant=tenant,
    )
