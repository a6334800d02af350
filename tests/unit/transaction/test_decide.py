"""What the rules are shown of a mail, and what stops a footer before and behind them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import embedded_config, read_rule_files
from gateway.config.keys import derive_keys
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.reason import Reason
from gateway.ruleset.ruleset import Verdict
from gateway.service.bundle import Bundle, build_policy
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.transaction.decide import Reading, candidates_of, decide, has_link, place, read_mail, view_of
from gateway.transaction.policy import Policy

LETTER = b"From: HR <hr@example.co.jp>\r\nSubject: x\r\n\r\nHello.\r\n"
YES = Verdict(matched=True, action="inject", rule="r", footer="default-en", reason=Reason.INJECTED)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """The policy of an embedded config."""
    config = embedded_config(tmp_path_factory.mktemp("config"))
    return build_policy(Bundle(config=config, keys=derive_keys(b"k" * 32), files=read_rule_files(config)))


def envelope(*recipients: str) -> Envelope:
    """A mail of the company's to these people."""
    paths = [
        parse_path(f"TO:<{one}>".encode(), b"TO", null_allowed=False)[0]
        for one in ("hr@example.co.jp", *recipients)
    ]
    sender, *others = paths
    return Envelope(Mail(sender, Parameters()), tuple(Rcpt(path, Parameters()) for path in others))


def reading(candidates: frozenset[int], data: bytes = LETTER, *, complete: bool = True) -> Reading:
    """A mail of which the rules may be asked, with these candidates."""
    message = scan(data, complete=complete)
    return Reading(
        reason=None, looping=False, candidates=candidates, message=message, text=read_text(message)
    )


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_the_rules_are_shown_who_may_get_a_link(chosen: list[bool]) -> None:
    """All recipients, and of them the candidates, in the order of RCPT."""
    names = [f"person-{number}@example.com" for number in range(len(chosen))]
    candidates = frozenset(number for number, one in enumerate(chosen) if one)
    view = view_of(reading(candidates), envelope(*names))
    assert (view.sender, view.header_from) == ("hr@example.co.jp", "hr@example.co.jp")
    assert view.recipients == tuple(names)
    assert view.candidates == tuple(name for name, one in zip(names, chosen, strict=True) if one)
    assert view.size == len(LETTER)
    assert view_of(reading(candidates, complete=False), envelope(*names)).size is None


def test_candidates_are_those_outside(policy: Policy) -> None:
    """By index, whatever stands between them."""
    people = envelope("a@example.com", "b@example.co.jp", "c@example.com", "postmaster")
    own = replace(policy, is_own=lambda address: address.endswith("@example.co.jp"))
    assert candidates_of(people, own) == {0, 2}
    assert candidates_of(people, replace(own, is_excluded=lambda address: address == "c@example.com")) == {0}


def test_a_link_of_ours_is_found_in_any_body() -> None:
    """Whichever of our links it begins like, and in quotes too."""
    text = read_text(scan(b"Subject: x\r\n\r\nHello.\r\n> https://b.example/r/1\r\n"))
    assert has_link(text, ("https://a.example/", "https://b.example/r/"))
    assert not has_link(text, ("https://a.example/", "https://c.example/"))
    html = read_text(scan(b"Content-Type: text/html\r\n\r\n<a href='https://a.example/'>x</a>\r\n"))
    assert has_link(html, ("https://a.example/", "https://b.example/r/"))
    assert not has_link(html, ())


def test_a_link_of_ours_in_the_mail_stops_the_footer(policy: Policy) -> None:
    """Also one of another campaign than its own."""
    other = replace(policy, other_prefixes=("https://other.example/",))
    assert other.prefixes == (policy.link.prefix, "https://other.example/")
    people = envelope("taro@example.com")
    for prefix in other.prefixes:
        linked = LETTER + b"> " + prefix.encode() + b"\r\n"
        assert read_mail(linked, complete=True, envelope=people, policy=other).reason is Reason.HAS_LINK


@pytest.mark.parametrize(("most", "reason"), [(0, None), (1, Reason.RECIPIENTS), (2, None), (3, None)])
def test_so_many_candidates_at_most(policy: Policy, most: int, reason: Reason | None) -> None:
    """Counted by address: who is named twice is one."""
    people = envelope("a@example.com", "b@example.com", "a@example.com")
    bounded = replace(policy, mode="inject", max_candidates=most)
    decision = decide(reading(frozenset({0, 1, 2})), people, bounded, verdict=YES)
    assert (decision.reason is Reason.RECIPIENTS) == (reason is not None)


def test_what_is_edited_has_to_be_all_there(policy: Policy) -> None:
    """A head that says to change the mail asks for the rest, for a footer as for a marker to be taken out."""
    people = envelope("taro@example.com")
    inject = replace(policy, mode="inject")
    head = reading(frozenset({0}), complete=False)
    decision = decide(head, people, inject, verdict=YES)
    assert (decision.whole, decision.footer, decision.inject) == (True, None, False)
    assert not decide(head, people, replace(policy, mode="observe"), verdict=YES).whole
    marked = b"X-CareerRelay: off\r\n" + LETTER
    for complete in (False, True):
        seen = read_mail(marked, complete=complete, envelope=people, policy=inject)
        assert decide(seen, people, inject, verdict=YES).whole != complete


@pytest.mark.parametrize("placement", ["auto", "end", "top"])
def test_a_footer_goes_where_a_rule_wants_it(policy: Policy, placement: str) -> None:
    """Every word that a rule may say for it has its place."""
    verdict = replace(YES, placement=placement)  # type: ignore[arg-type]
    assert place(reading(frozenset({0})), verdict, policy).inject
