"""The config as typed values: one frozen model for each section of the file, one field for each key.

What a key means stands beside it and nowhere else; `docs/config.md` repeats these texts, and a test holds
the two together. A model only knows its own section. What has to fit between keys and sections is in
`gateway.config.checks`; reading the file is in `gateway.config.load`.

All paths are absolute once loaded. Values are plain data, and a `Config` can be pickled: the parent process
reads the file once and hands the result to its workers.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config import fields as f
from gateway.config.ledger_url import LedgerUrl, file_of, without_password
from gateway.config.link_url import LinkUrl, OptOutUrl, with_token
from gateway.config.names import fold_address, in_domains
from gateway.config.network import HostPort, admits

DEFAULT_ROUTE = "default"


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys; defaults are checked like values, so paths resolve."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )


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
    protocol: Literal["smtp", "lmtp"] = Field(
        default="smtp",
        description="`lmtp` answers for each recipient by itself: the better choice where the "
        "sending system speaks it.",
    )

    @property
    def label(self) -> str:
        """The listener's name, or its address and port."""
        return self.name or str(HostPort(self.address, self.port))

    def admits(self, peer: str) -> bool:
        """Whether the peer with this IP address may use the listener."""
        return admits(self.networks, peer)


class NextHop(Section):
    """[next_hop]: where mail goes that no route takes."""

    hosts: tuple[f.NextHopHost, ...] = Field(
        min_length=1,
        max_length=32,
        description='`"host:port"`, tried in order. IPv6 as `"[2001:db8::1]:25"`.',
    )
    tls: Literal["none", "opportunistic", "required"] = Field(
        default="opportunistic",
        description="`none`: never; `opportunistic`: where it is offered, whatever the certificate; "
        "`required`: always, and the certificate must be valid for the host's name.",
    )
    tls_mode: Literal["starttls", "implicit"] = Field(
        default="starttls",
        description='`implicit`: TLS from the first byte (port 465). Needs `tls = "required"`.',
    )
    ca_file: f.FilePath | None = Field(
        default=None,
        description="The certificates (PEM) to trust in place of the system's, when TLS is required.",
    )
    user: f.Line | None = Field(
        default=None, description='The name to log in with; needs `tls = "required"`.'
    )
    password_file: f.FilePath | None = Field(
        default=None,
        description="A file with the password on its first line, readable by the gateway's user only.",
    )
    helo: f.Hostname | None = Field(
        default=None,
        description="The name in EHLO, where the next hop knows us by another than `gateway.hostname`.",
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
        description="A system further on signs the mail (DKIM). Taken from the start, obeyed "
        "once mail that is "
        "already signed can be edited.",
    )


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


class Brake(Section):
    """[rules.brake]: when a rule has to stop by itself; 0 is off. Obeyed once the brake is built."""

    max_per_hour: f.CountOrOff = Field(default=500, description="Footers of one rule in an hour.")
    max_share: f.Share = Field(default=0.05, description="Share of all mails that one rule may change.")
    max_recipients_per_mail: f.CountOrOff = Field(
        default=20, description="A mail with more candidates than this goes untouched."
    )


class Rules(Section):
    """[rules]: which rules hold, and for whom."""

    directory: f.FilePath | None = Field(
        default=None,
        description="The folder with rule files and `footers/`. Default: the packs that come "
        "with the gateway.",
    )
    senders: tuple[f.Pattern, ...] = Field(
        default=(), description="Whose mail the shipped packs may change: addresses, domains, or patterns."
    )
    frequency_days: f.DaysOrOff = Field(
        default=90, description="One link a person in this many days; 0 is off. Obeyed once the brake is."
    )
    mode: Mapping[f.Text, f.Mode] = Field(
        default_factory=dict,
        description='Switches a pack or a rule (by name; `"*"`: all) to `inject`, `observe` or `off`.',
    )
    brake: Brake = Field(default_factory=Brake, description="See below.")
    editors: tuple[f.MailAddress, ...] = Field(
        default=(),
        description="Who gets a mail about errors in rule files. Obeyed once rules reload by themselves.",
    )
    reload: Literal["auto", "apply"] = Field(
        default="auto",
        description="`auto`: a saved, valid change holds by itself; `apply`: only after `rules apply`. "
        "Obeyed once rules reload by themselves; SIGHUP reloads at any time.",
    )


class Link(Section):
    """[link]: what the footer points to."""

    url: LinkUrl = Field(description="The address of the link: https, with `{token}` in it once.")
    opt_out: OptOutUrl = Field(
        description='"No more of these": https or mailto, with `{token}` at most once.'
    )

    def for_token(self, token: str) -> str:
        """The link of the recipient whose token this is."""
        return with_token(self.url, token)

    def opt_out_for_token(self, token: str) -> str:
        """The address by which that recipient says "no more of these"."""
        return with_token(self.opt_out, token)


class Company(Section):
    """[company]: who turns the candidate down."""

    name: f.Name = Field(default="", description='The name in the footer. Without one it says "our company".')


class Partner(Section):
    """[partner]: the recruiting agency behind the link."""

    name: f.Name = Field(default="", description="The name in the footer. Without one it names no agency.")


class Ledger(Section):
    """[ledger]: where it is kept what was sent."""

    url: LedgerUrl = Field(
        description="`sqlite:///file.db` (four slashes: an absolute path), or "
        "`postgresql://user@host/name` "
        "where several gateways share one ledger."
    )
    fault: Literal["relay", "defer"] = Field(
        default="relay",
        description="When the ledger cannot be read or written: `relay` the mail without a "
        "link, or `defer` it (451).",
    )
    wait_seconds: f.Seconds = Field(
        default=2, description="How long a mail waits for the ledger before that."
    )
    store_addresses: f.Switch = Field(
        default=False, description="Keep recipients' addresses in plain text, not just a keyed hash of them."
    )
    lease_seconds: f.Seconds = Field(
        default=1_800,
        description="When a node has gone silent with a mail in hand, another takes that mail "
        "over after this. "
        "Must be longer than the longest mail may take.",
    )
    record_days: f.Days = Field(
        default=8, description="How long it is remembered which copies of a mail are still owed."
    )

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, when the ledger is SQLite."""
        return file_of(self.url)

    @property
    def safe_url(self) -> str:
        """The URL without its password, for people and logs."""
        return without_password(self.url)


class Limits(Section):
    """[limits]: what is bounded, so that no peer can use up the machine."""

    connections: f.Count = Field(
        default=1_000, description="SMTP sessions at once, over all workers of a node; more get 421."
    )
    recipients: f.Count = Field(
        default=1_000, description="Recipients of one mail; more get 452 and are tried again by the sender."
    )
    command_line_bytes: f.Bytes = Field(
        default=4_096,
        description="A command line with its CRLF. RFC 5321 asks for 512, extensions add to it.",
    )
    path_bytes: f.Bytes = Field(
        default=1_024,
        description="An address in MAIL or RCPT. RFC 5321 asks for 256; the next hop has the last word.",
    )
    mail_bytes: f.BytesOrOff = Field(
        default=0, description="The size of a mail; 0 leaves it to the next hop's SIZE."
    )
    window_bytes: f.Bytes = Field(
        default=262_144,
        description="How much of a mail is held until the verdict is known. Without one by then: untouched.",
    )
    memory_bytes: f.Bytes = Field(
        default=524_288,
        description="How much of a mail that gets a footer is kept in memory; more goes to a temporary file.",
    )
    spool_directory: f.FilePath = Field(
        default=Path("/var/tmp"),  # noqa: S108 - only files without a name are made there
        description="Where those temporary files are. They have no name and are gone with the "
        "process. Not on a tmpfs.",
    )
    spool_reserve_bytes: f.BytesOrOff = Field(
        default=268_435_456, description="Free space that is left there; with less, mails go untouched."
    )
    parallel_copies: f.Count = Field(
        default=5, description="Copies of one mail on their way at once, each on a connection of its own."
    )


class Timeouts(Section):
    """[timeouts]: how long each step may take (RFC 5321 §4.5.3.2)."""

    command_seconds: f.Seconds = Field(
        default=300, description="A sender's silence between commands; then 421."
    )
    block_seconds: f.Seconds = Field(default=150, description="One block of content, coming in or going out.")
    connect_seconds: f.Seconds = Field(
        default=30,
        description="Connecting to the next hop, to the end of EHLO, TLS and login, over all its hosts.",
    )
    pool_wait_seconds: f.Seconds = Field(
        default=30, description="Waiting at MAIL for a free connection to the next hop; then 451 4.3.2."
    )
    envelope_seconds: f.Seconds = Field(default=240, description="MAIL and each RCPT at the next hop.")
    data_seconds: f.Seconds = Field(default=100, description="The next hop's 354 after DATA.")
    dot_seconds: f.Seconds = Field(
        default=570,
        description="The next hop's reply to the end of a mail. Below 600, where Postfix gives up on us.",
    )
    copies_seconds: f.Seconds = Field(
        default=240,
        description="All the copies of one mail to several candidates; then 451, and the rest "
        "with the retry.",
    )


class Log(Section):
    """[log]: what is written to standard error."""

    format: Literal["text", "json"] = Field(default="text", description="For people, or for programs.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is told."
    )
    addresses: Literal["hashed", "plain"] = Field(
        default="hashed", description="Mail addresses in the log: as a keyed hash, or as they are."
    )


class Config(Section):
    """The whole file, in order of the sections."""

    gateway: Gateway = Field(description="Who we are and what we do.")
    listen: tuple[Listen, ...] = Field(
        min_length=1, description="One for each address that mail is taken on."
    )
    next_hop: NextHop = Field(description="Where mail goes that no route takes.")
    route: tuple[Route, ...] = Field(default=(), description="Other next hops for some of the mail.")
    notifications: Notifications = Field(default_factory=Notifications, description="Failure notices.")
    rules: Rules = Field(default_factory=Rules, description="Which rules hold, and for whom.")
    link: Link = Field(description="What the footer points to.")
    company: Company = Field(default_factory=Company, description="Who turns the candidate down.")
    partner: Partner = Field(default_factory=Partner, description="The recruiting agency behind the link.")
    ledger: Ledger = Field(description="Where it is kept what was sent.")
    limits: Limits = Field(default_factory=Limits, description="What is bounded.")
    timeouts: Timeouts = Field(default_factory=Timeouts, description="How long each step may take.")
    log: Log = Field(default_factory=Log, description="What is written to standard error.")

    @property
    def next_hops(self) -> dict[str, NextHop]:
        """All next hops by name: the default one and the routes, in the order of the file."""
        return {DEFAULT_ROUTE: self.next_hop, **{route.name: route for route in self.route}}

    def route_for(self, listener: str, sender: str) -> str:
        """The name of the next hop for a mail.

        `listener` is the label of the one that it came in on, `sender` its reverse-path, empty for ``<>``.
        """
        domain = fold_address(sender).rpartition("@")[2]
        for route in self.route:
            if route.listeners and listener not in route.listeners:
                continue
            if route.sender_domains and not in_domains(route.sender_domains, domain):
                continue
            return route.name
        return DEFAULT_ROUTE

    def helo(self, hop: NextHop) -> str:
        """The name that we give to this next hop."""
        return hop.helo or self.gateway.hostname

    @property
    def postmaster(self) -> str:
        """The address that failure notices come from."""
        domain = self.gateway.own_domains[0].removeprefix("*.")
        return self.notifications.postmaster or f"postmaster@{domain}"
