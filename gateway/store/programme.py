"""From the config to what credit goes by: companies, campaigns, contracts, keys."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from gateway.config import Config, Keys
from gateway.config.credit import ContractTerms
from gateway.config.matching_key import read_matching_keys
from gateway.config.names import in_domains
from gateway.ledger.contract import CampaignTerms, CompanyTerms, Contract, Programme
from gateway.ledger.identity import PersonKeys
from gateway.ledger.months import JST, microseconds_of
from gateway.ledger.person import normalise_address
from gateway.store.credit import CreditStore

_T = TypeVar("_T")


def programme_of(config: Config) -> Programme:
    """All companies and campaigns that the config names, with their contracts."""
    companies = {
        company.id: CompanyTerms(
            id=company.id,
            name=company.name,
            partner=config.partner_of("", company).id,
            contracts=contracts_of(config, company.id),
            one_person_once=company.one_person_once,
        )
        for company in config.company
    }
    names = dict.fromkeys(
        [*(one.id for one in config.campaign), *(name for one in config.company for name in one.campaigns)]
    )
    departments = {one.id: one.department for one in config.campaign}
    campaigns = {}
    for name in names:
        company = config.company_of(name)
        campaigns[name] = CampaignTerms(
            id=name,
            company=company.id,
            partner=config.partner_of(name, company).id,
            department=departments.get(name, ""),
        )
    return Programme(
        companies=companies, campaigns=campaigns, partners=tuple(partner.id for partner in config.partner)
    )


def contracts_of(config: Config, company: str) -> tuple[Contract, ...]:
    """The contracts of a company in the order of their days; the terms of [credit] hold from ever."""
    base = config.credit
    first = Contract(
        ratio=base.referrals_per_slot,
        window_days=base.window_days,
        report_within_days=base.report_within_days,
        clock_skew_seconds=base.clock_skew_seconds,
        already_known=base.already_known,
        no_token=base.no_token,
        slot_valid_days=base.slot_valid_days,
    )
    # Where both speak of a day, what is said for the company alone comes last, and holds.
    mine = [one for one in config.contracts if one.company in (None, company)]
    mine.sort(key=lambda one: (one.since, one.company is not None))
    return (first, *(_contract(one, first) for one in mine))


def _contract(terms: ContractTerms, base: Contract) -> Contract:
    day = terms.since
    return Contract(
        since=max(0, microseconds_of(datetime(day.year, day.month, day.day, tzinfo=JST))),
        ratio=_or(terms.referrals_per_slot, base.ratio),
        window_days=_or(terms.window_days, base.window_days),
        report_within_days=_or(terms.report_within_days, base.report_within_days),
        clock_skew_seconds=_or(terms.clock_skew_seconds, base.clock_skew_seconds),
        already_known=_or(terms.already_known, base.already_known),
        no_token=_or(terms.no_token, base.no_token),
        slot_valid_days=_or(terms.slot_valid_days, base.slot_valid_days),
    )


def _or(value: _T | None, base: _T) -> _T:
    return base if value is None else value


def person_keys(config: Config, keys: Keys) -> PersonKeys:
    """The keys for everything about people, with the partners' matching keys.

    Raises:
        ConfigError: a matching key file can't be read.
    """
    matching = {
        partner.id: read_matching_keys(partner.matching_key_file)
        for partner in config.partner
        if partner.matching_key_file is not None
    }
    return PersonKeys(person=keys.person, tombstone=keys.tombstone, digest=keys.digest, matching=matching)


def own_address_test(config: Config) -> Callable[[str], bool]:
    """Whether an address is in one of the companies' own domains."""
    domains = config.gateway.own_domains
    return lambda address: in_domains(domains, normalise_address(address).rpartition("@")[2])


def open_credit(config: Config, keys: Keys, *, wait_seconds: float = 30.0) -> CreditStore:
    """The ledger's credit, as this config has it. `wait_seconds`: how long to wait for others who write.

    Raises:
        ConfigError: a matching key file can't be read.
    """
    return CreditStore(
        config.ledger.url,
        programme=programme_of(config),
        keys=person_keys(config, keys),
        is_own=own_address_test(config),
        keep_plain=config.ledger.store_addresses,
        wait_seconds=wait_seconds,
    )
