import base64
import pickle
from datetime import date
from pathlib import Path

import pytest

from gateway.config import embedded_config, examine_text
from gateway.config.matching_key import read_matching_keys
from gateway.errors import ConfigError
from gateway.ledger.contract import Contract
from gateway.ledger.months import parse_moment
from gateway.store.programme import programme_of
from tests.configs import ENDS, LEDGER, LINK, SENDERS


def problems(folder: Path, **changes: object) -> list[str]:
    """Key and message of each problem."""
    with pytest.raises(ConfigError) as caught:
        embedded_config(folder, changes)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_plain_form_is_one_of_each(tmp_path: Path) -> None:
    """[company] and [partner] mean the ids `default`, and the terms of [credit] hold from ever."""
    config = embedded_config(tmp_path, {"credit": {"referrals_per_slot": 3, "window_days": 30}})
    terms = programme_of(config)
    assert terms.sole_company == "default"
    assert terms.company("default").contracts == (Contract(ratio=3, window_days=30),)
    assert (config.company[0].name, config.partner[0].id) == ("株式会社サンプル", "default")
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own


def test_several_companies_partners_and_campaigns(tmp_path: Path) -> None:
    """Whose a campaign is: as it says, as a company lists it, by the sender, else the first."""
    config = embedded_config(
        tmp_path,
        {
            "company": [
                {"id": "one", "partner": "b", "sender_domains": ["one.example"]},
                {"id": "two", "campaigns": ["ja"], "sender_domains": ["two.example"]},
            ],
            "partner": [{"id": "a"}, {"id": "b"}],
            "campaign": [{"id": "en", "company": "two", "partner": "b", "department": "Sales"}],
        },
    )
    assert config.company_of("en").id == config.company_of("ja").id == "two"
    assert config.company_of("other", "hr@two.example").id == "two"
    assert config.company_of("other", "hr@else.example").id == "one"
    terms = programme_of(config)
    assert (terms.campaigns["en"].partner, terms.campaigns["ja"].partner) == ("b", "a")
    assert (terms.department("en"), terms.sole_company, terms.company("one").partner) == ("Sales", None, "b")


def test_contract_holds_from_its_day(tmp_path: Path) -> None:
    """By Japanese time; what it doesn't say is as in [credit]."""
    config = embedded_config(
        tmp_path,
        {"contract": [{"from": date(2027, 4, 1), "referrals_per_slot": 8}, {"from": "2026-04-01"}]},
    )
    company = programme_of(config).company("default")
    assert company.contract_at(parse_moment("2027-03-31T23:59:59+09:00")).ratio == 10
    assert company.contract_at(parse_moment("2027-04-01T00:00:00+09:00")).ratio == 8
    assert [one.window_days for one in company.contracts] == [180, 180, 180]


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    """Every mistake at once, with the key as it stands in the file."""
    assert problems(tmp_path, company={"partner": "nobody", "colour": "x"}, campaign=[{"id": "a b"}]) == [
        "company.colour: there is no such key",
        "campaign[0].id: 'a b' is no name",
        'company.partner: there is no partner "nobody"',
    ]
    assert problems(
        tmp_path,
        company=[{"id": "one", "campaigns": ["x"]}, {"id": "one", "campaigns": ["x"]}, {"id": "two"}],
        campaign=[{"id": "x", "company": "two"}, {"id": "y", "company": "three", "partner": "four"}],
        contract=[{"from": "2027-01-01"}, {"from": "2027-01-01"}, {"from": "2027-02-01", "company": "five"}],
        retention={"sends_days": 100},
    ) == [
        'company[1].id: another company is called "one" too',
        'campaign[1].company: there is no company "three"',
        'campaign[1].partner: there is no partner "four"',
        'contract[2].company: there is no company "five"',
        'company[0].campaigns[0]: the campaign "x" is the company "two"\'s already',
        'company[1].campaigns[0]: the campaign "x" is the company "two"\'s already',
        "contract[1].from: another contract begins on this day",
        (
            "retention.sends_days: registrations may be matched for 180 days "
            "(window_days and report_within_days)"
        ),
    ]
    assert problems(tmp_path, contract=[{"from": "tomorrow"}]) == ["contract[0].from: 'tomorrow' is no date"]


def secret(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file with a secret."""
    path.write_text(text)
    path.chmod(mode)
    return path


def test_matching_keys_of_a_partner(tmp_path: Path) -> None:
    """One a line, two live; comments are passed over."""
    encoded = [base64.b64encode(octet * 32).decode() for octet in (b"a", b"b")]
    keys = secret(tmp_path / "keys", f"k1:{encoded[0]}\nk2: {encoded[1]}\n")
    assert read_matching_keys(keys) == (("k1", b"a" * 32), ("k2", b"b" * 32))
    config = embedded_config(tmp_path, {"partner": {"matching_key_file": "keys"}})
    assert config.partner[0].matching_key_file == keys


@pytest.mark.parametrize("text", ["k1", "k1:short", "", "a:{0}\na:{0}", "a:{0}\nb:{0}\nc:{0}"])
def test_bad_matching_keys_are_told(tmp_path: Path, text: str) -> None:
    """Too many, too few, twice, or none at all."""
    path = secret(tmp_path / "keys", text.format(base64.b64encode(bytes(32)).decode()))
    with pytest.raises(ConfigError):
        read_matching_keys(path)


def test_a_campaign_of_another_partner_is_told_of(tmp_path: Path) -> None:
    """A company has one balance: slots that one partner gives are not for what another reports."""
    text = (
        f"{ENDS}{SENDERS}{LINK}{LEDGER}"
        '[[company]]\nid = "one"\npartner = "a"\n[[company]]\nid = "two"\npartner = "b"\n'
        '[[partner]]\nid = "a"\n[[partner]]\nid = "b"\n'
        '[[campaign]]\nid = "mine"\ncompany = "one"\npartner = "a"\n'
        '[[campaign]]\nid = "theirs"\ncompany = "two"\npartner = "b"\n'
        '[[campaign]]\nid = "odd"\ncompany = "one"\npartner = "b"\n'
    )
    found = examine_text(text, file="c.toml", folder=tmp_path)
    assert found.problems == ()
    assert [(one.key, '"one"' in one.message) for one in found.warnings] == [("campaign[2].partner", True)]
