"""What has to fit between companies, partners, campaigns and contracts."""

from collections.abc import Iterator

from gateway.config.checks.found import Check, Found, one_of
from gateway.config.model import Config


def _place(name: str, index: int, count: int) -> str:
    """``company`` where there is one, else ``company[1]``."""
    return name if count == 1 else f"{name}[{index}]"


def _ids_once(config: Config) -> Found:
    """Companies, partners and campaigns have ids of their own."""
    named: dict[str, list[str]] = {
        "company": [one.id for one in config.company],
        "partner": [one.id for one in config.partner],
        "campaign": [one.id for one in config.campaign],
    }
    for name, ids in named.items():
        for index, id_ in enumerate(ids):
            if id_ in ids[:index]:
                yield f"{name}[{index}].id", f'another {name} is called "{id_}" too', "choose another id"


def _references(config: Config) -> Iterator[tuple[str, str, str | None]]:
    """Wherever a company or a partner is named: the key, which of the two, the name if there is one."""
    for index, company in enumerate(config.company):
        yield f"{_place('company', index, len(config.company))}.partner", "partner", company.partner
    for index, campaign in enumerate(config.campaign):
        yield f"campaign[{index}].company", "company", campaign.company
        yield f"campaign[{index}].partner", "partner", campaign.partner
    for index, contract in enumerate(config.contracts):
        yield f"contract[{index}].company", "company", contract.company


def _references_exist(config: Config) -> Found:
    """Whatever is named is there."""
    there = {
        "company": [one.id for one in config.company],
        "partner": [one.id for one in config.partner],
    }
    for key, what, name in _references(config):
        if name not in (None, *there[what]):
            yield key, f'there is no {what} "{name}"', one_of(there[what])


def _campaigns_have_one_company(config: Config) -> Found:
    """No campaign is listed by two companies, or by another than the one that it names."""
    owner: dict[str, str] = {one.id: one.company for one in config.campaign if one.company is not None}
    for index, company in enumerate(config.company):
        for position, name in enumerate(company.campaigns):
            if owner.setdefault(name, company.id) != company.id:
                place = _place("company", index, len(config.company))
                yield (
                    f"{place}.campaigns[{position}]",
                    f'the campaign "{name}" is the company "{owner[name]}"\'s already',
                    "leave it to one of them",
                )


def _contracts_once_a_day(config: Config) -> Found:
    """Two contracts of one company from one day: nobody could tell which holds."""
    seen: set[object] = set()
    for index, contract in enumerate(config.contracts):
        pair = (contract.company, contract.since)
        if pair in seen:
            yield f"contract[{index}].from", "another contract begins on this day", "take one out"
        seen.add(pair)


def _sends_outlive_the_window(config: Config) -> Found:
    """A send that is purged too early costs referrals."""
    needed = config.credit.window_days + config.credit.report_within_days
    for contract in config.contracts:
        window = contract.window_days or config.credit.window_days
        within = contract.report_within_days
        needed = max(needed, window + (config.credit.report_within_days if within is None else within))
    if config.retention.sends_days < needed:
        yield (
            "retention.sends_days",
            f"registrations may be matched for {needed} days (window_days and report_within_days)",
            f"write {needed} or more",
        )


def _campaigns_of_other_partners(config: Config) -> Found:
    """A company has one balance: what one partner reports would buy slots that another owes."""
    companies = {one.id: one for one in config.company}
    for index, campaign in enumerate(config.campaign):
        company = companies.get(campaign.company or "") or config.company_of(campaign.id)
        usual = config.partner_of("", company).id
        if campaign.partner not in (None, usual):
            yield (
                f"campaign[{index}].partner",
                f'its referrals count in the books of "{company.id}", whose slots "{usual}" gives',
                "make a [[company]] for that partner with this campaign, unless both agreed to it",
            )


CREDIT_WARNINGS: tuple[Check, ...] = (_campaigns_of_other_partners,)
CREDIT_CHECKS: tuple[Check, ...] = (
    _ids_once,
    _references_exist,
    _campaigns_have_one_company,
    _contracts_once_a_day,
    _sends_outlive_the_window,
)
