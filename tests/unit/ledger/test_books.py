from dataclasses import asdict, replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.books import (
    GENESIS,
    Account,
    Held,
    Kind,
    Posting,
    balance,
    lines,
    posting_hash,
    settle,
    target,
)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_posting_balances(kind: Kind) -> None:
    """Promise 6: what one account gains another loses, in each commodity."""
    entries = lines(kind, 3)
    for commodity in ("REF", "SLOT"):
        assert sum(entry.amount for entry in entries if entry.commodity == commodity) == 0
    assert entries


def test_nothing_is_no_posting() -> None:
    """A posting moves something."""
    with pytest.raises(ValueError, match="moves"):
        lines(Kind.ADJUST, 0)


@pytest.mark.parametrize(
    ("referrals", "prices", "unspent"),
    [
        ([], (), 0),
        ([(0, 10, 9)], (), 9),
        ([(0, 10, 25)], (10, 10), 5),
        # seven are left of the old contract; under the new one the next buys at once, with what is unspent
        ([(0, 10, 7), (5, 5, 1)], (5,), 3),
        ([(0, 5, 4), (5, 10, 6)], (10,), 0),
        ([(0, 5, 5), (5, 10, -2)], (), 3),
        ([(0, 5, -3)], (), -3),
    ],
)
def test_slots_that_referrals_allow(
    referrals: list[tuple[int, int, int]], prices: tuple[int, ...], unspent: int
) -> None:
    """By contract; in whatever order they are told."""
    for order in permutations(referrals):
        found = target(order)
        assert (found.prices, found.unspent) == (prices, unspent)


def test_balance_is_what_scripts_rely_on() -> None:
    """Debt is what is missing under used slots; it comes on top of what the next slot needs."""
    found = balance(
        {Account.SOURCE: -12, Account.UNSPENT: -8, Account.SPENT: 20, Account.ISSUED: -2, Account.USED: 2}, 10
    )
    assert (found.referrals, found.slots_granted, found.slots_redeemed) == (12, 2, 2)
    assert (found.debt, found.to_next_slot, found.slots_available) == (8, 18, 0)
    assert balance({Account.UNSPENT: 7}, 5).to_next_slot == 1


_STATES = st.sampled_from((Account.AVAILABLE, Account.RESERVED, Account.USED, Account.EXPIRED))


@given(
    st.lists(st.tuples(_STATES, st.integers(1, 9)), max_size=8),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(-9, 30)), max_size=4),
)
def test_settling_reaches_the_target(
    slots: list[tuple[Account, int]], referrals: list[tuple[int, int, int]]
) -> None:
    """As many slots as allowed, but used ones stay; what they cost is what the books say; once is enough."""
    held = [Held(id=number, state=state, price=price) for number, (state, price) in enumerate(slots, 1)]
    spent = sum(price for _, price in slots)
    aim = target(referrals)
    found = settle(aim, held, spent)
    used = [slot for slot in held if slot.state is Account.USED]
    left = [slot for slot in held if slot not in found.take_backs]
    assert not [slot for slot in found.take_backs if slot.state is Account.USED]
    assert len(left) + len(found.grants) == max(aim.slots, len(used))
    if any(slot.state is Account.AVAILABLE for slot in left) and found.take_backs:
        assert all(slot.state is Account.AVAILABLE for slot in found.take_backs)
    after = left + [
        Held(id=100 + number, state=Account.AVAILABLE, price=price)
        for number, price in enumerate(found.grants)
    ]
    now = spent - sum(s.price for s in found.take_backs) + sum(found.grants) + found.reprice
    again = settle(aim, after, now)
    assert (again.grants, again.take_backs, again.reprice) == ((), (), 0)


def test_books_without_a_posting() -> None:
    """All nought, and the whole price ahead."""
    found = balance({}, 10)
    assert found.to_next_slot == 10
    assert {value for name, value in asdict(found).items() if name != "to_next_slot"} == {0}


@pytest.mark.parametrize(
    ("kind", "moves"),
    [
        (Kind.COUNT, {"source": -1, "unspent": 1}),
        (Kind.UNCOUNT, {"unspent": -1, "source": 1}),
        (Kind.ADJUST, {"source": -1, "unspent": 1}),
        (Kind.GRANT, {"unspent": -1, "spent": 1, "issued": -1, "available": 1}),
        (Kind.TAKE_BACK, {"spent": -1, "unspent": 1, "available": -1, "issued": 1}),
        (Kind.REPRICE, {"unspent": -1, "spent": 1}),
        (Kind.RESERVE, {"available": -1, "reserved": 1}),
        (Kind.RELEASE, {"reserved": -1, "available": 1}),
        (Kind.USE, {"reserved": -1, "used": 1}),
        (Kind.RETURN, {"used": -1, "available": 1}),
        (Kind.EXPIRE, {"available": -1, "expired": 1}),
    ],
)
def test_what_each_posting_moves(kind: Kind, moves: dict[str, int]) -> None:
    """One unit, where nothing else is said; a slot costs its price in referrals, and is one slot."""
    assert {entry.account.value: entry.amount for entry in lines(kind)} == moves
    if kind in (Kind.GRANT, Kind.TAKE_BACK):
        assert [abs(entry.amount) for entry in lines(kind, 10)] == [10, 10, 1, 1]


def test_a_hash_stays_what_it_is() -> None:
    """Signed statements and heads in logs are compared with it for years."""
    posting = Posting(
        kind=Kind.COUNT,
        at=1_796_083_200_000_000,
        effective_at=1_796_083_200_000_001,
        company="default",
        entries=lines(Kind.COUNT),
        campaign="春",
        department="sales",
        registration=7,
        operator="花子 (uid 1)",
        reason="x",
        ratio=10,
        contract_from=3,
    )
    first = posting_hash(1, GENESIS, posting)
    assert first.hex() == "3538b676420bee14e26d409ffd36a1f4d487bdbdc19b53482cddaff75a0e6f62"
    assert (
        posting_hash(2, first, posting).hex()
        == "1dd926290217832d7afd266c44b1809becba02a25a6ffbe6c8e3b178bd8c41ba"
    )
    changes: dict[str, Any] = {
        "kind": Kind.ADJUST,
        "at": 1,
        "effective_at": 1,
        "company": "c",
        "entries": lines(Kind.COUNT, 2),
        "campaign": "",
        "department": "",
        "registration": None,
        "slot": 1,
        "operator": "",
        "second": "b",
        "reason": "y",
        "ratio": 1,
        "contract_from": 1,
    }
    assert changes.keys() == asdict(posting).keys()
    others = {posting_hash(1, GENESIS, replace(posting, **{name: changes[name]})) for name in changes}
    assert len(others - {first}) == len(changes)
