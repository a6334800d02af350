"""From config to doors: what the sessions of each listener go by, and the files behind it that may change."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.config import Config, Listen
from gateway.config.watched import Watched
from gateway.edge.door import Access, Door, EdgeLimits, Routes
from gateway.edge.registry import Registry
from gateway.edge.tls import TlsFiles, holder_test
from gateway.transaction.context import Services
from gateway.transaction.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The doors of one config, by listener label.

    Attributes:
        watched: what was made from files, with words for the log; `refresh` keeps it up to date.
    """

    by_label: Mapping[str, Door]
    watched: tuple[tuple[str, Watched[ssl.SSLContext]], ...] = field(default=())

    def refresh(self) -> tuple[list[str], list[str]]:
        """Read again what has changed on disk: what was taken over, and what could not be, in words."""
        taken, refused = [], []
        for name, watched in self.watched:
            try:
                if watched.refresh():
                    taken.append(name)
            except (OSError, ValueError) as error:
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
    )


def build_doors(
    config: Config,
    *,
    services: Services,
    registry: Registry,
    policy: Callable[[], Policy],
    routes: Callable[[], Routes],
    limits: EdgeLimits | None = None,
) -> Doors:
    """Make the door of each listener.

    Raises:
        OSError, ValueError: a certificate can't be used.
    """
    limits = limits or edge_limits(config)
    doors: dict[str, Door] = {}
    watched: list[tuple[str, Watched[ssl.SSLContext]]] = []
    for listen in config.listen:
        context = _context(listen)
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
            access=_access(listen, context),
        )
    return Doors(by_label=MappingProxyType(doors), watched=tuple(watched))


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


def _access(listen: Listen, context: Watched[ssl.SSLContext] | None) -> Access:
    return Access(
        tls=listen.tls,
        implicit=listen.tls_mode == "implicit",
        context=None if context is None else lambda: context.value,
        certificates=listen.client_certificates,
        holder=holder_test(listen.client_names),
    )
