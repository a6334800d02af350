"""The books: referrals (REF) and slots (SLOT), double entry, only appended to. Pure.

Each posting moves amounts between two accounts of a company, a commodity at a time, so that the sum over all
accounts of a commodity is always nought:

    REF   source  -> unspent -> spent
    SLOT  issued  -> available -> reserved -> used, or expired

`source` and `issued` are where things come from; they run into the negative. A referral is counted (and
uncounted); so many of them, by the contract, buy a slot at once. When referrals go, unspent slots are taken
back, newest first; referrals that are missing under used slots are debt: `unspent` is below nought.

How many slots there ought to be (`target`) follows from how many referrals each contract has, not from the
order in which they came.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Account(Enum):
    """Accounts of a company."""

    SOURCE = "source"
    UNSPENT = "unspent"
    SPENT = "spent"
    ISSUED = "issued"
    AVAILABLE = "available"
    RESERVED = "reserved"
    USED = "used"
    EXPIRED = "expired"


class Kind(Enum):
    """What a posting is for."""

    COUNT = "count"
    UNCOUNT = "uncount"
    ADJUST = "adjust"
    GRANT = "grant"
    TAKE_BACK = "take-back"
    REPRICE = "reprice"
    RESERVE = "reserve"
    RELEASE = "release"
    USE = "use"
    RETURN = "return"
    EXPIRE = "expire"


REF, SLOT = "REF", "SLOT"
_REFERRALS = (Account.SOURCE, Account.UNSPENT, Account.SPENT)

#: The way of one unit, by kind: from, to. Take-backs begin where the slot is.
_WAYS: Mapping[Kind, tuple[Account, Account]] = MappingProxyType(
    {
        Kind.COUNT: (Account.SOURCE, Account.UNSPENT),
        Kind.UNCOUNT: (Account.UNSPENT, Account.SOURCE),
        Kind.ADJUST: (Account.SOURCE, Account.UNSPENT),
        Kind.REPRICE: (Account.UNSPENT, Account.SPENT),
        Kind.RESERVE: (Account.AVAILABLE, Account.RESERVED),
        Kind.RELEASE: (Account.RESERVED, Account.AVAILABLE),
        Kind.USE: (Account.RESERVED, Account.USED),
        Kind.RETURN: (Account.USED, Account.AVAILABLE),
        Kind.EXPIRE: (Account.AVAILABLE, Account.EXPIRED),
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a posting."""

    account: Account
    commodity: str
    amount: int


def lines(kind: Kind, amount: int = 1, *, place: Account = Account.AVAILABLE) -> tuple[Entry, ...]:
    """The entries of a posting.

    Args:
        kind: what it is for.
        amount: referrals (also below nought for ADJUST and REPRICE), or the price of the slot.
        place: for TAKE_BACK, the account that the slot is taken from.

    Raises:
        ValueError: nothing would move.
    """
    if amount == 0:
        raise ValueError("a posting moves something")
    if kind is Kind.GRANT:
        return (
            *_move(Account.UNSPENT, Account.SPENT, amount),
            *_move(Account.ISSUED, Account.AVAILABLE, 1),
        )
    if kind is Kind.TAKE_BACK:
        return (*_move(Account.SPENT, Account.UNSPENT, amount), *_move(place, Account.ISSUED, 1))
    source, target = _WAYS[kind]
    return _move(source, target, amount)


def _move(source: Account, target: Account, amount: int) -> tuple[Entry, ...]:
    commodity = REF if source in _REFERRALS else SLOT
    return Entry(source, commodity, -amount), Entry(target, commodity, amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What scripts rely on (`credits show --json`)."""

    referrals: int
    slots_granted: int
    slots_redeemed: int
    slots_available: int
    slots_reserved: int
    to_next_slot: int
    debt: int
    slots_expired: int


def balance(accounts: Mapping[Account, int], ratio: int) -> Balance:
    """The balance of a company from the sums of its accounts; `ratio` is that of the contract of now."""
    unspent = accounts.get(Account.UNSPENT, 0)
    debt = max(0, -unspent)
    return Balance(
        referrals=-accounts.get(Account.SOURCE, 0),
        slots_granted=-accounts.get(Account.ISSUED, 0),
        slots_redeemed=accounts.get(Account.USED, 0),
        slots_available=accounts.get(Account.AVAILABLE, 0),
        slots_reserved=accounts.get(Account.RESERVED, 0),
        # After a ratio was lowered the next referral buys, whatever is unspent already.
        to_next_slot=max(1, ratio - max(0, unspent)) + debt,
        debt=debt,
        slots_expired=accounts.get(Account.EXPIRED, 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The slots that referrals allow. `prices` has what each costs, in order; `unspent` is left."""

    prices: tuple[int, ...]
    unspent: int

    @property
    def slots(self) -> int:
        """How many there are."""
        return len(self.prices)


def target(referrals: Iterable[tuple[int, int, int]]) -> Target:
    """The slots that referrals allow.

    Each contract's referrals come after those of the contracts before it, and each of them may buy at its own
    contract's ratio, with all that is unspent by then.

    Args:
        referrals: (from when the contract holds, its ratio, how many referrals it has), in any order.
    """
    prices: list[int] = []
    unspent = 0
    for _, ratio, count in sorted(referrals):
        unspent += count
        while unspent < 0 and prices:
            unspent += prices.pop()
        if count > 0 and unspent >= ratio:
            bought = unspent // ratio
            prices += [ratio] * bought
            unspent -= bought * ratio
    return Target(prices=tuple(prices), unspent=unspent)


#: Where slots are taken back from, in this order; used ones never are.
TAKE_BACK_ORDER = (Account.AVAILABLE, Account.RESERVED, Account.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A slot that exists: `state` is the account that it is in."""

    id: int
    state: Account
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What has to be posted so that there are the slots that there ought to be.

    Attributes:
        grants: the prices of slots to grant.
        take_backs: slots to take back.
        reprice: referrals to move to `spent` (or, below nought, back), where prices differ from those paid.
    """

    grants: tuple[int, ...] = ()
    take_backs: tuple[Held, ...] = ()
    reprice: int = 0


def settle(aim: Target, held: Sequence[Held], spent: int) -> Settlement:
    """From the slots that exist to those that ought to.

    Args:
        aim: what referrals allow.
        held: all slots that were granted and not taken back.
        spent: the referrals that they cost, by the books.
    """
    surplus = len(held) - aim.slots
    taken: list[Held] = []
    for place in TAKE_BACK_ORDER:
        here = sorted((slot for slot in held if slot.state is place), key=lambda slot: -slot.id)
        taken += here[: max(0, surplus - len(taken))]
    grants = aim.prices[len(held) :]
    left = len(held) - len(taken)
    # Used slots that nothing pays for any more keep their price: it is what the debt is counted in.
    beyond = sorted((slot for slot in held if slot not in taken), key=lambda slot: slot.id)[aim.slots :]
    due = sum(aim.prices[:left]) + sum(slot.price for slot in beyond) + sum(grants)
    booked = spent - sum(slot.price for slot in taken) + sum(grants)
    return Settlement(grants=tuple(grants), take_backs=tuple(taken), reprice=due - booked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """A posting as it is hashed: everything that it says but its number and hashes.

    `at` is when it was recorded, `effective_at` what it is about: a correction of an earlier month is seen by
    the difference.
    """

    kind: Kind
    at: int
    effective_at: int
    company: str
    entries: tuple[Entry, ...]
    campaign: str = ""
    department: str = ""
    registration: int | None = None
    slot: int | None = None
    operator: str = ""
    second: str = ""
    reason: str = ""
    ratio: int = 0
    contract_from: int = 0


#: Before the first posting.
GENESIS = bytes(32)


def posting_hash(number: int, previous: bytes, posting: Posting) -> bytes:
    """SHA-256 over the hash before and everything that the posting says."""
    content = [
        number,
        posting.at,
        posting.effective_at,
        posting.kind.value,
        posting.company,
        posting.campaign,
        posting.department,
        posting.registration,
        posting.slot,
        posting.operator,
        posting.second,
        posting.reason,
        posting.ratio,
        posting.contract_from,
        [[entry.account.value, entry.commodity, entry.amount] for entry in posting.entries],
    ]
    return chained(previous, content)


def chained(previous: bytes, content: object) -> bytes:
    """The hash of a link in a chain: SHA-256 of the one before and of `content` as compact JSON in ASCII."""
    text = json.dumps(content, separators=(",", ":"))
    return hashlib.sha256(previous + text.encode("ascii")).digest()
