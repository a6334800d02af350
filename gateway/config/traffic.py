"""Sections on mail in and out: who we are, who may send, where mail goes."""

import os
import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.config import fields as f
from gateway.config.section import Section

DEFAULT_ROUTE = "default"


def _machine_name() -> str:
    return socket.gethostname()[:63] or "localhost"


class Gateway(Section):
    """[gateway]: who we are and what we do."""

    hostname: f.Hostname = Field(
        description="The name by which the gateway greets on both sides, and signs `Received:` fields."
    )
    own_domains: tuple[f.OwnDomain, ...] = Field(
        min_length=1,
        description="The company's mail domains: recipients here are colleagues, not candidates. "
        '`"*.example.co.jp"` stands for all domains below it.',
    )
    exclude: tuple[f.Pattern, ...] = Field(
        default=(),
        description="Recipients outside the company who are no candidates either: agencies, an "
        "archive, an ATS. "
        'Addresses, domains, or patterns such as `"*@agency.example"`.',
    )
    exclude_file: f.FilePath | None = Field(
        default=None, description="A file with more of the same, one a line; `#` begins a comment."
    )
    exclude_senders: tuple[f.Pattern, ...] = Field(
        default=(),
        description="Whose mail is left alone whatever the rules say (by reverse-path or From field): "
        "addresses, domains, or patterns.",
    )
    exclude_senders_file: f.FilePath | None = Field(
        default=None, description="A file with more of these, one a line; `#` begins a comment."
    )
    mode: f.Mode = Field(
        default="inject",
        description="`inject` adds footers, `observe` only records what would be done, `off` "
        "relays and reads nothing.",
    )
    key_file: f.FilePath = Field(
        default=Path("careerrelay.key"),
        description="The key of this installation, made with mode 0600 at the first start; the "
        "same file on all nodes.",
    )
    workers: Annotated[f.CountOrOff, Field(le=256)] = Field(
        default=1, description="Worker processes; 0 means one a core."
    )
    node: f.Identifier = Field(
        default_factory=_machine_name,
        description="The name of this machine in the ledger; each node needs one of its own. "
        "Default: its host name.",
    )
    max_received: f.Count = Field(
        default=50,
        description="A mail with more `Received:` fields than this is in a loop and refused (554 5.4.6).",
    )
    bare_newlines: Literal["normalize", "refuse"] = Field(
        default="normalize",
        description="What becomes of a CR or LF that stands alone in a mail: `normalize` makes it CRLF, "
        "`refuse` answers 550 5.6.11.",
    )
    drain_seconds: f.Seconds = Field(
        default=60,
        description="How long SIGTERM waits for mails in flight. systemd's TimeoutStopSec must be longer.",
    )
    gateway_refusals: tuple[f.ReplyCode, ...] = Field(
        default=("530", "535", "538", "5.7.54", "5.7.64"),
        description="Replies of the next hop that refuse the gateway and not the mail (an "
        "expired password, say): "
        "the sender gets 451 and tries again.",
    )

    @property
    def worker_count(self) -> int:
        """How many worker processes to run: `workers`, or one for each core that this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


class NextHop(Section):
    """[next_hop]: where mail goes that no route takes."""

    hosts: tuple[f.NextHopHost, ...] = Field(
        min_length=1,
        max_length=32,
        description='`"host:port"`, tried in order. IPv6 as `"[2001:db8::1]:25"`.',
    )
    tls: Literal["none", "opportunistic", "required", "verified"] = Field(
        default="opportunistic",
        description="`none`: never; `opportunistic`: where it is offered, whatever the certificate; "
        "`required`: always, and the certificate must be valid for the host's name; "
        "`verified`: the same, by `ca_file` or `fingerprints` alone.",
    )
    tls_mode: Literal["starttls", "implicit"] = Field(
        default="starttls",
        description="`implicit`: TLS from the first byte (port 465). Needs `required` or `verified`.",
    )
    ca_file: f.FilePath | None = Field(
        default=None,
        description="The certificates (PEM) to trust in place of the system's, when TLS is required.",
    )
    fingerprints: tuple[f.Fingerprint, ...] = Field(
        default=(),
        description="SHA-256 fingerprints of the hosts' own certificates: one of these and no other. "
        "Name and authority don't matter then, unless `ca_file` is given too.",
    )
    certificate_file: f.FilePath | None = Field(
        default=None, description="The certificate (PEM) that we show, where the next hop asks for one."
    )
    certificate_key_file: f.FilePath | None = Field(
        default=None,
        description="Its private key (PEM, no pass phrase). Default: it is in `certificate_file`.",
    )
    user: f.Line | None = Field(
        default=None, description="The name to log in with; needs `tls` to be `required` or `verified`."
    )
    password_file: f.FilePath | None = Field(
        default=None,
        description="A file with the password on its first line, readable by the gateway's user only.",
    )
    helo: f.Hostname | None = Field(
        default=None,
        description="The name in EHLO, where the next hop knows us by another than `gateway.hostname`.",
    )
    forward_client: Literal["none", "xforward", "xclient"] = Field(
        default="none",
        description="Tell hosts that offer it who a mail's client is: `xforward` for their log, `xclient` as "
        "if that client were there (a connection a mail).",
    )
    connections: f.Count = Field(
        default=20,
        description="Connections to each host at most, over all workers of a node; at least one a worker.",
    )
    idle_seconds: f.Seconds = Field(default=5, description="An unused connection is closed after this.")
    max_age_seconds: f.Seconds = Field(
        default=240, description="No mail begins on a connection older than this."
    )
    max_mails: f.Count = Field(
        default=100, description="No mail begins on a connection that carried this many."
    )
    signs_after: f.Switch = Field(
        default=False,
        description="A system further on signs the mail (DKIM), so that mail which is signed already may be "
        "edited.",
    )

    @property
    def certain(self) -> bool:
        """Whether nothing leaves without TLS and a good certificate."""
        return self.tls in ("required", "verified")


class Route(NextHop):
    """[[route]]: another next hop for some of the mail. The first route that fits takes it."""

    name: f.Identifier = Field(description="How the log and `notifications.route` call it.")
    listeners: tuple[f.Text, ...] = Field(
        default=(), description="Takes mail that came in on one of these listeners (their names)."
    )
    sender_domains: tuple[f.OwnDomain, ...] = Field(
        default=(),
        description="Takes mail whose reverse-path is in one of these domains. With `listeners` "
        "given too, both must fit.",
    )


class Notifications(Section):
    """[notifications]: failure notices, sent when some recipients of a mail were taken and others refused."""

    route: f.Text | None = Field(
        default=None,
        description=f'The route that takes them, or `"{DEFAULT_ROUTE}"` for `[next_hop]`. '
        "Default: the one that the mail went by.",
    )
    from_name: f.Line = Field(default="Mail Delivery System", description="The name in their From field.")
    postmaster: f.MailAddress | None = Field(
        default=None,
        description="The address in their From field. Default: `postmaster@` the first of "
        "`gateway.own_domains`.",
    )
