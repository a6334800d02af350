"""Which contract holds when, and what a programme says of companies and campaigns."""

from gateway.ledger.contract import CampaignTerms, CompanyTerms, Contract, Programme, settings_of

OLD, NEW = Contract(ratio=10), Contract(since=1_000, ratio=5)


def test_a_contract_holds_from_its_first_moment() -> None:
    """A registration in that very microsecond goes by it; one before it by the last one."""
    terms = CompanyTerms(id="a", contracts=(OLD, NEW))
    assert [terms.contract_at(moment) for moment in (0, 999, 1_000, 1_001)] == [OLD, OLD, NEW, NEW]


def test_before_all_contracts_the_first_holds() -> None:
    """There is no time without one."""
    assert CompanyTerms(id="a", contracts=(NEW,)).contract_at(0) == NEW


def test_where_a_person_counts_once() -> None:
    """In the company; or in all that say group, which have one scope."""
    assert CompanyTerms(id="a").scope == "a"
    assert CompanyTerms(id="a", one_person_once="group").scope == ""


def test_campaigns_of_one_company_and_of_several() -> None:
    """A name that no config has is the sole company's; with several it is nobody's."""
    spring = CampaignTerms(id="spring", company="a", partner="p", department="sales")
    one = Programme(companies={"a": CompanyTerms(id="a", partner="p")}, campaigns={"spring": spring})
    two = Programme(companies={"a": CompanyTerms(id="a"), "b": CompanyTerms(id="b")})
    assert one.sole_company == "a"
    assert one.campaign("spring") == spring
    assert one.campaign("other") == CampaignTerms(id="other", company="a", partner="p")
    assert (one.department("spring"), one.department("other")) == ("sales", "")
    assert (two.sole_company, two.campaign("spring")) == (None, None)
    assert two.company("gone") == CompanyTerms(id="gone")


def test_settings_are_told_apart() -> None:
    """Each term is in the text, and in the digest."""
    digest, content = settings_of(OLD)
    assert len(digest) == 12
    assert '"ratio": 10' in content
    assert settings_of(Contract(ratio=10)) == (digest, content)
    assert settings_of(NEW)[0] != digest
