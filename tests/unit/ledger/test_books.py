from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.books import Account, Held, Kind, balance, lines, settle, target


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
