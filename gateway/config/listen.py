"""[[listen]]: one address that mail is taken on, who may use it, and how it is secured."""

from typing import Literal

from pydantic import Field

from gateway.config import fields as f
from gateway.config.network import HostPort, admits
from gateway.config.section import Section


class Listen(Section):
    """[[listen]]: one address that mail is taken on."""

    name: f.Identifier | None = Field(
        default=None, description="How routes and the log call it. Default: its address and port."
    )
    address: f.ListenAddress = Field(
        default="127.0.0.1",
        description="The IP address to listen on; `0.0.0.0` or `::` for all of this machine's.",
    )
    port: f.Port = Field(default=25, description="The TCP port; 0 takes any free one (for tests).")
    networks: tuple[f.PeerNetwork, ...] = Field(
        default=(),
        description="Who may use it: networks or addresses. Nobody else; nobody at all when it is empty.",
    )
    anywhere: f.Switch = Field(
        default=False,
        description="Anybody may connect, and has to prove who it is: needs "
        '`client_certificates = "required"` or `auth = "required"`.',
    )
    protocol: Literal["smtp", "lmtp"] = Field(
        default="smtp",
        description="`lmtp` answers for each recipient by itself: the better choice where the "
        "sending system speaks it.",
    )
    tls: Literal["none", "offered", "required"] = Field(
        default="none",
        description="`offered`: the sender may start TLS; `required`: nothing but EHLO goes without it.",
    )
    tls_mode: Literal["starttls", "implicit"] = Field(
        default="starttls",
        description='`implicit`: TLS from the first byte (port 465). Needs `tls = "required"`.',
    )
    certificate_file: f.FilePath | None = Field(
        default=None,
        description="Our certificate and those between it and its authority (PEM). "
        "Read again when it changes.",
    )
    certificate_key_file: f.FilePath | None = Field(
        default=None,
        description="Its private key (PEM, no pass phrase). Default: it is in `certificate_file`.",
    )
    client_certificates: Literal["none", "optional", "required"] = Field(
        default="none",
        description="Whether senders are asked for a certificate of theirs, and may go on without one.",
    )
    client_ca_file: f.FilePath | None = Field(
        default=None,
        description="The authorities (PEM) that vouch for senders' certificates. Default: the system's.",
    )
    client_names: tuple[f.CertificateName, ...] = Field(
        default=(),
        description="Which certificates: `san:NAME` (`san:*.NAME` for all below it), `subject:NAME` and "
        "`sha256:FINGERPRINT`. Empty: all those that `client_ca_file` vouches for.",
    )

    auth: Literal["none", "offered", "required"] = Field(
        default="none",
        description="Logins (AUTH PLAIN and LOGIN, under TLS only): `required` takes mail from users alone, "
        'and, with `client_certificates = "optional"`, from the certificates in `client_names`.',
    )

    proxy_networks: tuple[f.PeerNetwork, ...] = Field(
        default=(),
        description="Load balancers that say in a PROXY header (version 1 or 2) whom they carry; "
        "`networks` then goes by that.",
    )
    xclient_networks: tuple[f.PeerNetwork, ...] = Field(
        default=(),
        description="Mail servers, of those in `networks`, that may say by XCLIENT or XFORWARD for whom they "
        "speak; after XCLIENT `networks` goes by that.",
    )
    tenant_header: f.FieldName | None = Field(
        default=None,
        description="The header field that the tenant's own rule sets on each mail (Microsoft 365, Google). "
        "Mail without it is refused (550 5.7.1); it is taken out of every mail.",
    )
    tenant_secret_file: f.FilePath | None = Field(
        default=None,
        description="A file with the field's value on its first line: 20 characters or more that nobody "
        "guesses, readable by the gateway's user only. Read again when it changes.",
    )

    @property
    def label(self) -> str:
        """The listener's name, or its address and port."""
        return self.name or str(HostPort(self.address, self.port))

    def admits(self, peer: str) -> bool:
        """Whether the peer with this IP address may use the listener."""
        return self.anywhere or admits(self.networks, peer)
