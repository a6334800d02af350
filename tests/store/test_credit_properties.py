"""What holds for credit whatever happens, in any order: hypothesis on a real SQLite ledger.

People are three, each with an address and a number at the partner, so that everything meets everything.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import select

from gateway.errors import GatewayError
from gateway.ledger.books import Account, target
from gateway.ledger.contract import DAY, Contract
from gateway.ledger.intake import Reported
from gateway.ledger.states import PARTNER_EVENTS
from gateway.store import prepare, privacy
from gateway.store.credit import Operator
from gateway.store.credit_schema import registrations
from gateway.store.journal import held_slots, referrals_of, sums
from gateway.store.links import Click, LinkDesk
from gateway.store.proof import check_books
from gateway.store.retention import Retention
from gateway.store.said import EventReport
from tests.store.crediting import KEYS, START, Ledger, programme, token_of

NAMES = ("s0", "s1", "s2", "s3", "s4")
PEOPLE = ("a", "b", "c")
IDS = ("A-1", "A-2", "A-3", "A-4", "A-5", "A-6")
KEPT = Retention.of_days(sends=200, clicks=90, outbox=30, dedupe_years=5)
WHO = Operator(name="test")

people = st.sampled_from(PEOPLE)
names = st.sampled_from(NAMES)
ids = st.sampled_from(IDS)


@cache
def template() -> Path:
    """A ledger with the newest schema and nothing in it."""
    path = Path(tempfile.mkdtemp(prefix="ledger-template-")) / "ledger.db"
    prepare(f"sqlite:///{path}")
    return path


def fresh(folder: Path, *contracts: Contract) -> Ledger:
    """A ledger of its own."""
    shutil.copy(template(), folder / "ledger.db")
    return Ledger(f"sqlite:///{folder}/ledger.db", terms=programme(*(contracts or (Contract(ratio=2),))))


def address(person: str) -> str:
    """The address of a person."""
    return f"{person}@example.com"


@st.composite
def reports(draw: st.DrawFn) -> dict[str, object]:
    """What a partner may say of one registration."""
    said: dict[str, object] = {}
    if draw(st.booleans()):
        said["token"] = token_of(draw(names))
    how = draw(st.sampled_from(("", "email", "hash")))
    if how == "email":
        said["email"] = address(draw(people))
    elif how == "hash":
        said["email_hash"] = KEYS.matching_hashes("default", address(draw(people)))[0][1]
    if draw(st.booleans()) or not said:
        said["person_id"] = f"P-{draw(people)}"
    return said


def rows(ledger: Ledger) -> dict[str, tuple[object, ...]]:
    """State, reason and credit of each registration."""
    with ledger.store.reading() as connection:
        found = connection.execute(select(registrations))
        return {
            row.external_id: (row.state, row.reason, row.counts, row.company, row.campaign) for row in found
        }


def erase(ledger: Ledger, person: str, *, forget: bool) -> None:
    """As the command does it."""
    ledger.store.writing(
        lambda connection, journal: privacy.erase(
            connection, journal, KEYS, privacy.hashes_of(KEYS, address(person)), forget=forget
        ),
        WHO,
    )


class Credit(RuleBasedStateMachine):
    """Everything that can happen to a ledger, one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-"))
        self.ledger = fresh(self.folder, Contract(ratio=2, slot_valid_days=100))
        self.said: dict[str, dict[str, object]] = {}
        self.past: list[tuple[int, object]] = []
        self.forgotten: Counter[str] = Counter()
        self.adjusted = 0
        self.events = 0

    def teardown(self) -> None:
        """The folder goes."""
        self.ledger.store.close()
        shutil.rmtree(self.folder)

    @rule(hours=st.integers(1, 2_000))
    def time_passes(self, hours: int) -> None:
        """Also past the window, and past retention."""
        balance = self.ledger.store.balance("default", at=self.ledger.now - 1)
        self.past.append((self.ledger.now - 1, balance))
        self.ledger.later(hours / 24)
        self.ledger.store.expire_slots()
        assert self.ledger.store.expire_slots() == 0

    @rule(name=names, person=people, ago=st.integers(0, 3))
    def a_link_is_sent(self, name: str, person: str, ago: int) -> None:
        """It may become visible only days after it was sent."""
        if not self.sent(name):
            self.ledger.send(name, address(person), at=self.ledger.now - ago * DAY)

    def sent(self, name: str) -> bool:
        """Whether there is such a link."""
        with LinkDesk(self.ledger.url) as desk:
            return desk.find(token_of(name)) is not None

    @rule(name=names)
    def somebody_clicks(self, name: str) -> None:
        """No click changes credit."""
        before = self.ledger.totals()
        with LinkDesk(self.ledger.url) as desk:
            desk.log_clicks([Click(token=token_of(name), at=self.ledger.now, label="human")])
        assert self.ledger.totals() == before

    @rule(id_=ids, said=reports(), ago=st.integers(-1, 30))
    def a_registration_comes(self, id_: str, said: dict[str, object], ago: int) -> None:
        """New, or what was said before, or something else under the same id."""
        kept = self.said.setdefault(id_, {"at": self.ledger.now - ago * DAY, **said})
        self.ledger.report(id_, **kept)  # type: ignore[arg-type]  # drawn above
        before = rows(self.ledger), self.ledger.totals()
        again = self.ledger.report(id_, **kept)  # type: ignore[arg-type]
        assert again.result == "known"
        assert (rows(self.ledger), self.ledger.totals()) == before

    @rule()
    def sends_become_visible(self) -> None:
        """And once more changes nothing."""
        self.ledger.store.rematch()
        assert self.ledger.store.rematch() == 0

    @rule(id_=ids, event=st.sampled_from(PARTNER_EVENTS), again=st.booleans())
    def the_partner_says(self, id_: str, event: object, *, again: bool) -> None:
        """Withdrawn, refused, reinstated, confirmed, placed; twice is once."""
        self.events += 1
        said = EventReport(registration=id_, id=f"E-{self.events}", event=event)  # type: ignore[arg-type]
        if self.allowed(lambda: self.ledger.store.receive_event("default", said)) and again:
            before = rows(self.ledger), self.ledger.totals()
            assert self.ledger.store.receive_event("default", said).result == "known"
            assert (rows(self.ledger), self.ledger.totals()) == before

    @rule(id_=ids)
    def somebody_objects(self, id_: str) -> None:
        """A dispute moves no books."""
        before = self.ledger.totals()
        self.allowed(lambda: self.ledger.store.dispute(id_, WHO, by="company", reason="x"))
        assert self.ledger.totals() == before

    @rule(id_=ids, outcome=st.sampled_from(("count", "reverse", "keep")))
    def it_is_resolved(self, id_: str, outcome: str) -> None:
        """Whatever the end."""
        self.allowed(lambda: self.ledger.store.resolve(id_, WHO, outcome=outcome, reason="x"))

    @rule(what=st.sampled_from(("reserve", "redeem", "return")), name=st.sampled_from(("", "R-1", "R-2")))
    def a_slot_moves(self, what: str, name: str) -> None:
        """Where there is one."""
        store = self.ledger.store
        act = {"reserve": store.reserve, "redeem": store.redeem, "return": store.give_back}[what]
        self.allowed(lambda: act("default", WHO, requisition=name))

    @rule(person=people, forget=st.booleans())
    def a_person_is_erased(self, person: str, *, forget: bool) -> None:
        """Totals stay."""
        before = self.ledger.totals()
        erase(self.ledger, person, forget=forget)
        self.forgotten[person] += forget
        assert self.ledger.totals() == before
        erase(self.ledger, person, forget=False)
        assert self.ledger.totals() == before

    @rule(referrals=st.sampled_from((-2, -1, 1, 3)))
    def somebody_corrects(self, referrals: int) -> None:
        """By hand, either way."""
        self.ledger.store.adjust("default", WHO, referrals=referrals, reason="x")
        self.adjusted += referrals

    @rule()
    def what_is_old_goes(self) -> None:
        """Totals stay."""
        before = self.ledger.totals()
        for _ in self.ledger.store.purge(KEPT):
            pass
        assert self.ledger.totals() == before

    def allowed(self, act: Callable[[], object]) -> bool:
        """Whether it could be done."""
        try:
            act()
        except GatewayError:
            return False
        return True

    @invariant()
    def books_are_right(self) -> None:
        """They balance and follow one another; slots are what the counted referrals allow."""
        with self.ledger.store.reading() as connection:
            assert list(check_books(connection)) == []
            accounts = sums(connection, ["default"])
            aim = target(referrals_of(connection, "default"))
            held = held_slots(connection, "default")
            counted = connection.execute(select(registrations).where(registrations.c.counts)).all()
        referrals = len(counted) + self.adjusted
        assert -accounts.get(Account.SOURCE, 0) == referrals
        used = [slot for slot in held if slot.state is Account.USED]
        assert len(held) == max(aim.slots, len(used))
        assert max(0, -accounts.get(Account.UNSPENT, 0)) == max(0, 2 * len(used) - referrals)
        self.one_person_once(counted)

    def one_person_once(self, counted: Sequence[Any]) -> None:
        """No address, number or link counts twice, but for people who were forgotten."""
        for column in ("address_ref", "person_id_ref", "send_token"):
            values = [
                getattr(row, column)
                for row in counted
                if getattr(row, column) is not None and row.frozen != "forgotten"
            ]
            assert len(values) == len(set(values)), column
        # Whatever the ledger has forgotten of them: the people behind it.
        meant = Counter(self.person_of(row.external_id) for row in counted)
        for person in PEOPLE:
            assert meant[person] <= 1 + self.forgotten[person], person

    def person_of(self, id_: str) -> str:
        """Who is named by the address that was reported, if one was."""
        said = self.said[id_]
        for person in PEOPLE:
            hashed = KEYS.matching_hashes("default", address(person))[0][1]
            if said.get("email") == address(person) or said.get("email_hash") == hashed:
                return person
        return ""

    @invariant()
    def the_past_stays(self) -> None:
        """A balance at a moment never changes after it."""
        for moment, balance in self.past[-3:]:
            assert self.ledger.store.balance("default", at=moment) == balance


Credit.TestCase.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
TestCredit = pytest.mark.timeout(300)(Credit.TestCase)


facts = st.lists(
    st.tuples(st.integers(0, 40), st.one_of(st.tuples(names, people), reports())), min_size=2, max_size=9
)


@pytest.mark.timeout(300)
@settings(max_examples=12, deadline=None)
@given(facts=facts, order=st.randoms(use_true_random=False))
def test_totals_do_not_depend_on_order(facts: list[tuple[int, Any]], order: Random) -> None:
    """The same sends and registrations under the same contracts: any order of arrival gives the same."""
    numbered = list(enumerate(facts))
    shuffled = list(numbered)
    order.shuffle(shuffled)
    answers = []
    for arrival in (numbered, shuffled):
        with tempfile.TemporaryDirectory() as folder:
            ledger = fresh(
                Path(folder), Contract(ratio=2), Contract(since=START + 20 * DAY, ratio=1, window_days=15)
            )
            ledger.now = START + 50 * DAY
            seen: set[str] = set()
            for number, (day, fact) in arrival:
                moment = START + day * DAY
                if isinstance(fact, tuple):
                    # the earliest in the list, in both orders
                    first = next(one for one in facts if isinstance(one[1], tuple) and one[1][0] == fact[0])
                    if fact[0] not in seen:
                        seen.add(fact[0])
                        ledger.send(
                            fact[0],
                            address(first[1][1]),
                            at=START + first[0] * DAY,
                        )
                    continue
                assert isinstance(fact, dict)
                said = Reported(id=f"A-{number}", registered_at=moment, **fact)
                ledger.store.receive_registrations(
                    "default", [said], source="test", received_at=START + 45 * DAY
                )
            ledger.store.rematch()
            answers.append((rows(ledger), ledger.totals(), ledger.store.balance("default").to_next_slot))
            ledger.store.close()
    assert answers[0] == answers[1]
