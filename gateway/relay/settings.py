"""What a next hop's client is told: plain values, so that the relay knows no config file.

The defaults are those of SMTP.md rules 7 to 9 and RFC 5321 §4.5.3.2; seconds throughout.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.smtp.failure import REFUSES_GATEWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One server: a name or IP address (IPv6 without brackets) and a port.

    Attributes:
        label: ``host:port`` for log and ledger.
    """

    name: str
    port: int = 25
    label: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shown = f"[{self.name}]" if ":" in self.name else self.name
        object.__setattr__(self, "label", f"{shown}:{self.port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who the gateway is to the next hop (AUTH PLAIN or LOGIN). Sent under TLS only."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Budgets (SMTP.md rule 7).

    Attributes:
        connect: from the first SYN to the last EHLO, over all hosts.
        wait: for a place in the pool (rule 9).
        envelope: for the answers to one group of MAIL and RCPT, reopening included.
        data: for the answer to DATA, reopening included.
        block: for the next hop to take some of the content that waits for it.
        dot: for the answer to the final dot.
    """

    connect: float = 30.0
    wait: float = 30.0
    envelope: float = 240.0
    data: float = 100.0
    block: float = 150.0
    dot: float = 570.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHopSettings:
    """A next hop and how to deal with it.

    Attributes:
        name: the route, for log and ledger.
        hosts: tried in order; at least one.
        helo: what the gateway calls itself in EHLO.
        tls: ``required`` verifies (see `verify`); ``opportunistic`` takes any certificate, and goes on in
            the clear where TLS can't be had.
        implicit: TLS from the first octet instead of STARTTLS.
        verify: with ``required``, whether the certificate must be valid for the host's name.
        ca_file: certificates (PEM) to trust in place of the system's.
        fingerprints: SHA-256 of the hosts' certificates, of which one has to be shown. With them, and without
            a `ca_file`, neither the name nor the authority is looked at.
        certificate_file, certificate_key_file: what we show where we are asked.
        forward_client: how hosts that offer it are told who a mail's client is.
        connections: this process's share of the connections (rule 9).
        idle, max_age, max_mails: when a connection is not used any more (rule 8).
        pin: after so long without a command, an open transaction gives its place to somebody who waits
            (rule 2).
        retry: so long a host that failed is passed over while another may do.
        gateway_refusals: codes and enhanced codes that refuse the gateway itself (rule 4).
    """

    name: str
    hosts: tuple[Host, ...]
    helo: str
    tls: Literal["none", "opportunistic", "required"] = "opportunistic"
    implicit: bool = False
    verify: bool = True
    ca_file: Path | None = None
    fingerprints: frozenset[str] = frozenset()
    certificate_file: Path | None = None
    certificate_key_file: Path | None = None
    login: Login | None = None
    forward_client: Literal["none", "xforward", "xclient"] = "none"
    connections: int = 20
    idle: float = 5.0
    max_age: float = 240.0
    max_mails: int = 100
    pin: float = 1.0
    retry: float = 10.0
    gateway_refusals: frozenset[str] = REFUSES_GATEWAY
    timeouts: Timeouts = field(default_factory=Timeouts)
