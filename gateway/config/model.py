"""The config as typed values: one frozen model for each section of the file, one field for each key.

What a key means stands beside it and nowhere else; `docs/config.md` repeats these texts, and a test holds
the two together. A model only knows its own section. What has to fit between keys and sections is in
`gateway.config.checks`; reading the file is in `gateway.config.load`.

All paths are absolute once loaded. Values are plain data, and a `Config` can be pickled: the parent process
reads the file once and hands the result to its workers.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field

from gateway.config.auth import Auth
from gateway.config.credit import Campaign, Company, Contract, ContractTerms, Credit, Partner, Retention
from gateway.config.dkim import Dkim
from gateway.config.listen import Listen
from gateway.config.names import fold_address, in_domains
from gateway.config.operation import Ledger, Limits, Log, Notify, Timeouts
from gateway.config.programme import Force, Link, Markers, Rules
from gateway.config.section import Section, optional_section
from gateway.config.shape import one_or_many
from gateway.config.traffic import DEFAULT_ROUTE, Gateway, NextHop, Notifications, Route
from gateway.config.web import Web


class Config(Section):
    """The whole file, in order of the sections."""

    gateway: Gateway = Field(description="Who we are and what we do.")
    listen: tuple[Listen, ...] = Field(
        min_length=1, description="One for each address that mail is taken on."
    )
    auth: Auth = optional_section("Logins at listeners that have `auth`.")
    next_hop: NextHop = Field(description="Where mail goes that no route takes.")
    route: tuple[Route, ...] = Field(default=(), description="Other next hops for some of the mail.")
    notifications: Notifications = optional_section("Failure notices.")
    rules: Rules = optional_section("Which rules hold, and for whom.")
    markers: Markers = optional_section("What a recruiter can write into a subject.")
    force: Force = optional_section("Who may ask for a link that no rule gives.")
    dkim: Dkim = optional_section("Mail that is signed, and signing what we edit.")
    link: Link = Field(description="What the footer points to.")
    company: Annotated[tuple[Company, ...], BeforeValidator(one_or_many)] = optional_section(
        "Who turns the candidate down.", min_length=1
    )
    partner: Annotated[tuple[Partner, ...], BeforeValidator(one_or_many)] = optional_section(
        "The recruiting agency behind the link.", min_length=1
    )
    campaign: tuple[Campaign, ...] = Field(default=(), description="Campaigns that are more than a name.")
    credit: Credit = optional_section("What a referral is worth.")
    contract: tuple[Contract, ...] = Field(default=(), description="Terms that hold from a day on.")
    retention: Retention = optional_section("How long data is kept.")
    ledger: Ledger = Field(description="Where it is kept what was sent.")
    notify: Notify = optional_section("Whom to tell what happened.")
    web: Web = optional_section("The gateway's own web server.")
    limits: Limits = optional_section("What is bounded.")
    timeouts: Timeouts = optional_section("How long each step may take.")
    log: Log = optional_section("What is written to standard error.")

    @property
    def contracts(self) -> tuple[ContractTerms, ...]:
        """The sections [[contract]]."""
        return self.contract

    def company_of(self, campaign: str, sender: str = "") -> Company:
        """Whose a campaign is: as the config says, else by the sender's domain, else the first company's."""
        named = next((one.company for one in self.campaign if one.id == campaign), None)
        domain = fold_address(sender).rpartition("@")[2]
        for test in (
            lambda one: one.id == named,
            lambda one: campaign in one.campaigns,
            lambda one: in_domains(one.sender_domains, domain),
        ):
            found = next((one for one in self.company if test(one)), None)
            if found is not None:
                return found
        return self.company[0]

    def partner_of(self, campaign: str, company: Company) -> Partner:
        """By whose link a campaign goes."""
        named = next((one.partner for one in self.campaign if one.id == campaign), None) or company.partner
        return next((one for one in self.partner if one.id == named), self.partner[0])

    @property
    def next_hops(self) -> dict[str, NextHop]:
        """All next hops by name: the default one and the routes, in the order of the file."""
        return {DEFAULT_ROUTE: self.next_hop, **{route.name: route for route in self.route}}

    def route_for(self, listener: str, sender: str) -> str:
        """The name of the next hop for a mail.

        `listener` is the label of the one that it came in on, `sender` its reverse-path, empty for ``<>``.
        """
        if not self.route:
            return DEFAULT_ROUTE
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


def partner_places(config: Config) -> list[tuple[str, Partner]]:
    """The partners of a config, or of a draft of one, each with its key path as it stands in the file."""
    partners: tuple[Partner, ...] = config.__dict__.get("partner", ())
    if len(partners) == 1:
        return [("partner", partners[0])]
    return [(f"partner[{index}]", partner) for index, partner in enumerate(partners)]
