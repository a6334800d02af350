"""Each line of the table of states, and what order must not change."""

from itertools import permutations

import pytest

from gateway.ledger.contract import DAY, CompanyTerms, Contract, Programme
from gateway.ledger.matching import REASONS, Decision, Registration, Sent, decide
from gateway.ledger.states import STATES, State

HOUR = DAY // 24


def programme(**terms: object) -> Programme:
    """One company with this contract; another of the same group."""
    contract = Contract(**terms)  # type: ignore[arg-type]
    return Programme(
        companies={
            "one": CompanyTerms(id="one", contracts=(contract,)),
            "g1": CompanyTerms(id="g1", contracts=(contract,), one_person_once="group"),
            "g2": CompanyTerms(id="g2", contracts=(contract,), one_person_once="group"),
        }
    )


def sent(name: str, person: str = "a", *, day: float = 0, company: str = "one", partner: str = "p") -> Sent:
    """A link to that person."""
    return Sent(
        token=name.encode(),
        person_ref=person.encode(),
        company=company,
        campaign=f"campaign of {name}",
        partner=partner,
        sent_at=int(day * DAY),
    )


def said(number: int = 1, *, day: float = 1, **more: object) -> Registration:
    """A registration on that day; `token`, `address` and `person` by name."""
    names = {"token": "token", "address": "address_ref", "person": "person_id_ref"}
    values: dict[str, object] = {
        names.get(name, name): value.encode() if name in names and isinstance(value, str) else value
        for name, value in more.items()
    }
    base: dict[str, object] = {
        "number": number,
        "partner": "p",
        "external_id": f"A-{number}",
        "registered_at": int(day * DAY),
        "received_at": int(day * DAY) + HOUR,
    }
    return Registration(**(base | values))  # type: ignore[arg-type]


def decided(
    *registrations: Registration, sends: tuple[Sent, ...] = (sent("t"),), terms: Programme | None = None
) -> list[Decision]:
    """What each is worth; whatever order they are given in, it is the same."""
    by_person: dict[bytes, list[Sent]] = {}
    for one in sends:
        by_person.setdefault(one.person_ref, []).append(one)
    answers = [
        decide(
            order,
            by_token={one.token: one for one in sends},
            by_person=by_person,
            programme=terms or programme(),
        )
        for order in permutations(registrations)
    ]
    assert all(answer == answers[0] for answer in answers)
    return [answers[0][one.number] for one in registrations]


@pytest.mark.parametrize(
    ("registration", "terms", "state", "reason"),
    [
        (said(token="t"), {}, "counted", "matched"),
        (said(address="a"), {}, "counted", "matched"),
        (said(token="x"), {}, "unmatched", "no-send"),
        (said(token="x", address="a"), {}, "counted", "matched"),
        (said(person="P"), {}, "unmatched", "no-send"),
        (said(token="t", partner="q"), {}, "unmatched", "no-send"),
        (said(token="t", day=180), {}, "counted", "matched"),
        (said(token="t", day=180.01), {}, "late", "window"),
        (said(address="a", day=181), {}, "late", "window"),
        (said(token="t", day=31), {"window_days": 30}, "late", "window"),
        (said(token="t", received_at=9 * DAY), {"report_within_days": 7}, "late", "reported-late"),
        (said(token="t", received_at=8 * DAY), {"report_within_days": 7}, "counted", "matched"),
        (said(token="t", day=-0.006), {}, "counted", "matched"),
        (said(token="t", day=-0.008), {}, "before-send", "before-send"),
        (said(address="a", day=-1), {}, "before-send", "before-send"),
        (said(token="t", received_at=DAY - 11 * 60_000_000), {}, "future", "future"),
        (said(token="t", received_at=DAY - 9 * 60_000_000), {}, "counted", "matched"),
        (said(token="t", own=True), {}, "self-referral", "own-address"),
        (said(token="t", known="active"), {}, "counted", "matched"),
        (said(token="t", known="inactive"), {"already_known": "refuse"}, "refused", "known"),
        (said(token="t", known="active"), {"already_known": "count_if_inactive"}, "refused", "known"),
        (said(token="t", known="inactive"), {"already_known": "count_if_inactive"}, "counted", "matched"),
        (said(address="a"), {"no_token": "refuse"}, "refused", "no-token"),
        (said(token="t"), {"no_token": "refuse"}, "counted", "matched"),
        (said(address="a"), {"no_token": "propose"}, "unmatched", "proposed"),
        (said(address="a", confirmed=True), {"no_token": "propose"}, "counted", "matched"),
        (said(token="t", barred=frozenset({"one"})), {}, "duplicate", "erased-person"),
        (said(token="t", hold="withdrawn"), {}, "withdrawn", "partner"),
        (said(token="t", hold="refused"), {}, "refused", "partner"),
        (said(token="t", hold="reversed"), {}, "reversed", "dispute"),
        (said(token="t", day=999, hold="counted"), {}, "counted", "dispute"),
        (said(token="x", hold="counted", company="one"), {}, "counted", "dispute"),
        (said(token="t", disputed=True), {}, "disputed", "matched"),
    ],
)
def test_one_alone(registration: Registration, terms: dict[str, object], state: str, reason: str) -> None:
    """Each state, by the first line that applies."""
    (found,) = decided(registration, terms=programme(**terms))
    assert (found.state.value, found.reason) == (state, reason)
    assert found.reason in REASONS
    counts = next(rule.counts for rule in STATES if rule.state is found.state)
    assert found.counts is (True if counts is None else counts)


def states(*found: Decision) -> list[str]:
    """Their words."""
    return [one.state.value for one in found]


def test_dispute_moves_nothing() -> None:
    """What is disputed counts as it would without: the next of that person stays a duplicate."""
    found = decided(said(1, token="t", disputed=True), said(2, token="t", day=2))
    assert (states(*found), [one.counts for one in found]) == (["disputed", "duplicate"], [True, False])


def test_the_first_of_a_person_counts() -> None:
    """By `registered_at`, then id; whichever came first to us."""
    found = decided(said(2, token="t"), said(1, token="t"), said(3, token="t", day=0.5))
    assert states(*found) == ["duplicate", "duplicate", "counted"]
    found = decided(said(2, token="t"), said(1, token="t"))
    assert states(*found) == ["duplicate", "counted"]


def test_person_is_one_through_others() -> None:
    """The first and the second have nothing in common, but the third says that they are one person."""
    sends = (sent("t", "a"), sent("u", "b"))
    one, two, three = (
        said(1, token="t", address="a", person="P"),
        said(2, token="u", address="b", person="Q", day=2),
        said(3, address="a", person="Q", day=3),
    )
    assert states(*decided(one, two, sends=sends)) == ["counted", "counted"]
    assert states(*decided(one, two, three, sends=sends)) == ["counted", "duplicate", "duplicate"]


@pytest.mark.parametrize(("after", "state"), [(0, State.COUNTED), (1, State.LATE)])
def test_the_window_ends_with_its_last_microsecond(after: int, state: State) -> None:
    """180 days are 180 times 86,400 seconds."""
    moment = 180 * 86_400 * 1_000_000 + after
    (found,) = decided(said(token="t", registered_at=moment, received_at=moment))
    assert found.state is state


def test_what_does_not_count_stands_in_nobodys_way() -> None:
    """A withdrawn, or late, registration leaves the next one of the person free to count."""
    found = decided(said(1, token="t", hold="withdrawn"), said(2, token="t", day=2))
    assert states(*found) == ["withdrawn", "counted"]


def test_shared_token() -> None:
    """A link counts for one person; who has no name of their own is the same person again."""
    found = decided(
        said(1, token="t", address="x", person="P"),
        said(2, token="t", address="y", day=2),
        said(3, token="t", person="Q", day=3),
        said(4, token="t", day=4),
    )
    assert states(*found) == ["counted", "shared-token", "shared-token", "shared-token"]
    assert found[0].flags == ("other-address",)
    found = decided(said(1, token="t", person="P"), said(2, token="t", person="Q", day=2))
    assert states(*found) == ["counted", "shared-token"]
    found = decided(said(1, token="t"), said(2, token="t", day=2))
    assert states(*found) == ["counted", "duplicate"]


def test_who_used_a_shared_link_counts_by_their_own() -> None:
    """Somebody who was passed a link, and then follows the one that was sent to them."""
    found = decided(
        said(1, token="t", address="a"),
        said(2, token="t", address="b", day=2),
        said(3, token="u", address="b", day=3),
        sends=(sent("t", "a"), sent("u", "b")),
    )
    assert states(*found) == ["counted", "shared-token", "counted"]


def test_which_send_is_meant() -> None:
    """The token decides; else the latest before `registered_at`; else the first after it."""
    sends = (sent("old", day=0), sent("new", day=5), sent("later", day=9))
    for registration, wanted in (
        (said(token="old", address="a", day=7), "old"),
        (said(address="a", day=7), "new"),
        (said(address="a", day=-3), "old"),
        (said(token="gone", address="a", day=7), "new"),
    ):
        (found,) = decided(registration, sends=sends)
        assert found.send is not None
        assert found.send.token == wanted.encode()
    assert found.flags == ("token-unknown",)


def test_two_companies_never_mix() -> None:
    """Each counts the person; companies of a group count them once, together."""
    apart = (sent("t"), sent("u", company="g1"))
    assert states(*decided(said(1, token="t"), said(2, token="u", day=2), sends=apart)) == [
        "counted",
        "counted",
    ]
    group = (sent("t", company="g1"), sent("u", company="g2"))
    assert states(*decided(said(1, token="t"), said(2, token="u", day=2), sends=group)) == [
        "counted",
        "duplicate",
    ]


def test_purged_send_is_remembered() -> None:
    """What was matched stays so when the send is gone."""
    matched = sent("gone")
    by_token = said(1, token="gone", matched=matched, matched_by="token")
    by_address = said(2, address="a", matched=matched, matched_by="address", day=2)
    found = decided(by_token, by_address, sends=())
    assert states(*found) == ["counted", "duplicate"]


def test_forgotten_stay_counted_and_block_nobody() -> None:
    """After `erase --forget` the person may count again, by the same link too."""
    found = decided(said(1, token="t", forgotten=True), said(2, token="t", day=2), said(3, token="t", day=3))
    assert states(*found) == ["counted", "counted", "duplicate"]


def test_every_state_is_reached() -> None:
    """None of the table is only written there."""
    reached = {
        parameters[2]
        for parameters in test_one_alone.pytestmark[0].args[1]  # type: ignore[attr-defined]
    } | {"duplicate", "shared-token"}
    assert reached == {state.value for state in State}


@pytest.mark.parametrize(
    ("registered", "received", "within", "state"),
    [
        (-600, 0, 0, State.COUNTED),
        (-600 - 1e-6, 0, 0, State.BEFORE_SEND),
        (1_600, 1_000, 0, State.COUNTED),
        (1_600 + 1e-6, 1_000, 0, State.FUTURE),
        (0, 86_400 + 600, 1, State.COUNTED),
        (0, 86_400 + 600 + 1e-6, 1, State.LATE),
    ],
)
def test_clocks_may_differ_by_ten_minutes_and_no_microsecond_more(
    registered: float, received: float, within: int, state: State
) -> None:
    """Before the send, after the receipt, and where reports come late."""
    at, came = round(registered * 1_000_000), round(received * 1_000_000)
    shift = 10 * DAY  # no moment is below nought
    one = said(token="t", registered_at=shift + at, received_at=shift + came)
    (found,) = decided(one, sends=(sent("t", day=10),), terms=programme(report_within_days=within))
    assert found.state is state
