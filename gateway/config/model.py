"""The config as typed values: one frozen model for each section of the file, one field for each key.

What a key means stands beside it and nowhere else; `docs/config.md` repeats these texts, and a test holds
the two together. A model only knows its own section. What has to fit between keys and sections is in
`gateway.config.checks`; reading the file is in `gateway.config.load`.

All paths are absolute once loaded. Values are plain data, and a `Config` can be pickled: the parent process
reads the file once and hands the result to its workers.
"""

from pydantic import Field

from gateway.config.auth import Auth
from gateway.config.dkim import Dkim
from gateway.config.listen import Listen
from gateway.config.names import fold_address, in_domains
from gateway.config.operation import Ledger, Limits, Log, Timeouts
from gateway.config.programme import Company, Link, Partner, Rules
from gateway.config.section import Section
from gateway.config.traffic import DEFAULT_ROUTE, Gateway, NextHop, Notifications, Route
from gateway.config.web import Web


class Config(Section):
    """The whole file, in order of the sections."""

    gateway: Gateway = Field(description="Who we are and what we do.")
    listen: tuple[Listen, ...] = Field(
        min_length=1, description="One for each address that mail is taken on."
    )
    auth: Auth = Field(default_factory=Auth, description="Logins at listeners that have `auth`.")
    next_hop: NextHop = Field(description="Where mail goes that no route takes.")
    route: tuple[Route, ...] = Field(default=(), description="Other next hops for some of the mail.")
    notifications: Notifications = Field(default_factory=Notifications, description="Failure notices.")
    rules: Rules = Field(default_factory=Rules, description="Which rules hold, and for whom.")
    dkim: Dkim = Field(default_factory=Dkim, description="Mail that is signed, and signing what we edit.")
    link: Link = Field(description="What the footer points to.")
    company: Company = Field(default_factory=Company, description="Who turns the candidate down.")
    partner: Partner = Field(default_factory=Partner, description="The recruiting agency behind the link.")
    ledger: Ledger = Field(description="Where it is kept what was sent.")
    web: Web = Field(default_factory=Web, description="The gateway's own web server.")
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
