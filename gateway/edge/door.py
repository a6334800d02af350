"""What a session needs from outside: its listener's rules, the routes behind it, the policy of now."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.edge.limits import Rates
from gateway.edge.login import Logins
from gateway.edge.registry import Registry
from gateway.edge.tenant import TenantProof
from gateway.transaction.context import Services
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop


class Routes(Protocol):
    """Which next hop takes a mail. May change while sessions are open; a mail keeps what it began with."""

    def hops(self, listener: str) -> Sequence[NextHop]:
        """All that mail from this listener may go to; what the gateway can do there is told in EHLO."""

    def hop_for(self, listener: str, sender: str) -> NextHop:
        """The one for a mail with this reverse-path (empty for ``<>``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    """Bounds of a session (SMTP.md; docs/config.md has each with its reason)."""

    recipients: int = 1_000
    command_line: int = 4_096
    path: int = 1_024
    command_seconds: float = 300.0
    block_seconds: float = 150.0
    errors: int = 100
    commands: int = 2_000
    session_seconds: float = 3_600.0
    upload_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a listener is secured, and what a peer has to show before it may send.

    Attributes:
        tls: whether it may be had, or has to be.
        implicit: from the first octet on, instead of by STARTTLS.
        context: the TLS context of now; asked for each handshake, since certificates change. None: no TLS.
        certificates: whether a certificate that `holder` knows is needed.
        holder: the name behind a certificate (DER); empty for one that is not welcome.
        auth: whether users may, or have to, log in; a certificate that `holder` knows does instead.
        logins: who checks them.
        is_proxy: whether the peer at this address is a proxy, which says whom it carries; None: nobody is.
        speaks_for: whether the peer at this address may say XCLIENT and XFORWARD; None: nobody may.
        tenant: what every mail has to show.
    """

    tls: Literal["none", "offered", "required"] = "none"
    implicit: bool = False
    context: Callable[[], ssl.SSLContext] | None = None
    certificates: Literal["none", "optional", "required"] = "none"
    holder: Callable[[bytes], str] = lambda _: ""
    auth: Literal["none", "offered", "required"] = "none"
    logins: Logins | None = None
    is_proxy: Callable[[str], bool] | None = None
    speaks_for: Callable[[str], bool] | None = None
    tenant: TenantProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One listener, as its sessions see it.

    Attributes:
        label: how routes and the log call the listener.
        lmtp: whether it speaks LMTP (RFC 2033).
        admits: whether a peer with this IP address may use it.
        access: how it is secured.
        rates: how many mails each sender has sent; None where that has no bound.
        forwards: whether a next hop is to be told who a mail's client is.
        policy, routes: called at MAIL, so that a reload holds from the next mail on.
    """

    label: str
    lmtp: bool
    admits: Callable[[str], bool]
    limits: EdgeLimits
    services: Services
    registry: Registry
    policy: Callable[[], Policy]
    routes: Callable[[], Routes]
    access: Access = field(default_factory=Access)
    rates: Rates | None = None
    forwards: bool = False
