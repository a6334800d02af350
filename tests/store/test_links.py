"""What the public link asks for, on SQLite and PostgreSQL alike."""

from sqlalchemy import text

from gateway.ledger.contract import CampaignTerms, CompanyTerms, Programme
from gateway.store.credit import Operator
from gateway.store.links import Click, LinkDesk, Wanted
from tests.store.crediting import KEYS, START, Ledger, programme, token_of


def test_find_and_clicks(url: str) -> None:
    """A token leads to its send; clicks are written, and change no credit."""
    ledger = Ledger(url)
    token = ledger.send("one", "a@example.com")
    with LinkDesk(url) as desk:
        found = desk.find(token)
        assert found is not None
        assert (found.campaign, found.company, found.partner, found.origin) == (
            "spring",
            "default",
            "default",
            "mail",
        )
        assert desk.find(token_of("nobody's")) is None
        desk.log_clicks(
            [Click(token=token, at=START, label="human"), Click(token=token, at=START, label="head")]
        )
        desk.log_clicks([])
    assert ledger.totals() == (0, 0, 0)


def test_opt_out_silences_the_person(url: str) -> None:
    """By the token alone; the mail path sees it by the hash that it has in hand."""
    ledger = Ledger(url)
    token = ledger.send("one", "a@example.com")
    assert ledger.store.suppress_token(token)
    assert not ledger.store.suppress_token(token_of("nobody's"))
    with LinkDesk(url) as desk:
        assert desk.is_suppressed(KEYS.address("A@example.com"))
        assert not desk.is_suppressed(KEYS.address("b@example.com"))
    assert ledger.store.unsuppress([KEYS.address("a@example.com")], Operator(name="test")) == 1


def test_links_for_an_ats(url: str) -> None:
    """By the same rules as mail, into the same ledger: one link a person and reference."""
    ledger = Ledger(url)
    ledger.store.suppress(KEYS.address("silent@example.com"), source="operator")
    wanted = [
        Wanted(address="a@example.com", campaign="autumn", reference="R-1"),
        Wanted(address="hr@example.co.jp", campaign="autumn", reference="R-2"),
        Wanted(address="silent@example.com", campaign="autumn", reference="R-3"),
        Wanted(address="A@example.com", campaign="autumn", reference="R-4"),
    ]

    def issue() -> list[tuple[bytes | None, str]]:
        with LinkDesk(url) as desk:
            given = desk.issue(
                wanted,
                programme=programme(),
                keys=KEYS,
                mail_key=b"k" * 32,
                refuse=lambda address: "own-address" if address.endswith("example.co.jp") else "",
                frequency_days=90,
            )
        return [(one.token, one.reason) for one in given]

    first = issue()
    assert [reason for _, reason in first] == ["", "own-address", "suppressed", "frequency"]
    assert issue() == first
    ledger.now += 10**16 - ledger.now  # far later than the links, which got the database's time
    report = ledger.report("A-1", email="a@example.com", at=_sent_at(ledger))
    assert (report.state, report.reason) == ("counted", "matched")


def test_a_link_is_of_one_company(url: str) -> None:
    """Of the campaign's; a campaign of none of several companies gives no link, for whose would it be?"""
    both = Programme(
        companies={
            "north": CompanyTerms(id="north", partner="agency"),
            "south": CompanyTerms(id="south", partner="other"),
        },
        campaigns={"spring": CampaignTerms(id="spring", company="south", partner="other")},
        partners=("agency", "other"),
    )
    north = Programme(companies={"north": both.companies["north"]}, partners=("other", "agency"))

    def issue(campaign: str, terms: Programme) -> tuple[str, str, str]:
        with LinkDesk(url) as desk:
            (given,) = desk.issue(
                [Wanted(address="a@example.com", campaign=campaign)],
                programme=terms,
                keys=KEYS,
                mail_key=b"k" * 32,
                refuse=lambda _: "",
            )
            found = desk.find(given.token) if given.token else None
        return given.reason, found.company if found else "", found.partner if found else ""

    assert issue("spring", both) == ("", "south", "other")
    assert issue("autumn", both) == ("no-company", "", "")
    assert issue("autumn", north) == ("", "north", "agency")


def _sent_at(ledger: Ledger) -> int:
    with ledger.store.reading() as connection:
        return int(connection.execute(text("SELECT max(intended_at) FROM sends")).scalar_one())
