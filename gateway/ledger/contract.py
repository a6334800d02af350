"""What a company and its partner agreed, and from when on it holds. Pure values.

Times are microseconds since 1970 UTC. A registration goes by the contract that held at its `registered_at`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS

AlreadyKnown = Literal["count", "refuse", "count_if_inactive"]
NoToken = Literal["count", "propose", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Settings that hold from a moment on.

    Attributes:
        since: from when they hold.
        ratio: referrals that buy a slot.
        window_days: from the send to `registered_at`.
        report_within_days: from `registered_at` to the receipt; 0 is without bound.
        clock_skew_seconds: how far clocks may differ.
        already_known: what becomes of people whom the partner knew before.
        no_token: what becomes of registrations that only an address leads to a send.
        slot_valid_days: the life of a slot that nobody uses; 0 is for ever.
    """

    since: int = 0
    ratio: int = 10
    window_days: int = 180
    report_within_days: int = 0
    clock_skew_seconds: int = 600
    already_known: AlreadyKnown = "count"
    no_token: NoToken = "count"  # noqa: S105 - a word, no secret
    slot_valid_days: int = 0

    @property
    def skew(self) -> int:
        """The clock skew in microseconds."""
        return self.clock_skew_seconds * MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyTerms:
    """A company as the books see it.

    Attributes:
        id: its id in the config.
        name: for people.
        partner: the id of the partner that its campaigns go by, where they don't say otherwise.
        contracts: in the order of `since`; the first holds from ever.
        one_person_once: ``company``: each company counts a person once; ``group``: all of them together.
    """

    id: str
    name: str = ""
    partner: str = "default"
    contracts: tuple[Contract, ...] = (Contract(),)
    one_person_once: Literal["company", "group"] = "company"

    def contract_at(self, moment: int) -> Contract:
        """The contract that holds at that moment."""
        held = [contract for contract in self.contracts if contract.since <= moment]
        return held[-1] if held else self.contracts[0]

    @property
    def scope(self) -> str:
        """Where a person counts once: the company, or (empty) the group."""
        return self.id if self.one_person_once == "company" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTerms:
    """A campaign: whose it is, by which partner's link, for which department."""

    id: str
    company: str = "default"
    partner: str = "default"
    department: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """All companies, campaigns and partners of an installation."""

    companies: Mapping[str, CompanyTerms]
    campaigns: Mapping[str, CampaignTerms] = field(default_factory=dict)
    partners: Sequence[str] = ("default",)

    def company(self, id_: str) -> CompanyTerms:
        """The company; one that isn't in the config any more has the terms of none, and still counts."""
        return self.companies.get(id_) or CompanyTerms(id=id_)

    def department(self, campaign: str) -> str:
        """The department that a campaign is for; empty where the config names none."""
        found = self.campaigns.get(campaign)
        return found.department if found else ""

    def campaign(self, name: str) -> CampaignTerms | None:
        """A campaign by its name; None where no config has it and several companies might be meant."""
        found = self.campaigns.get(name)
        sole = self.sole_company
        if found is not None or sole is None:
            return found
        return CampaignTerms(id=name, company=sole, partner=self.company(sole).partner)

    @property
    def sole_company(self) -> str | None:
        """The id of the company where there is just one."""
        return next(iter(self.companies)) if len(self.companies) == 1 else None


def settings_of(contract: Contract) -> tuple[str, str]:
    """A contract's settings as text (JSON), and the digest that decisions name them by (12 hex digits)."""
    content = json.dumps(asdict(contract), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12], content
