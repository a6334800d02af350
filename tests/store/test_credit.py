"""Registrations, books and slots in the database, on SQLite and PostgreSQL alike."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from gateway.ledger.contract import Contract
from gateway.ledger.intake import Reported
from gateway.ledger.matching import VERSION
from gateway.ledger.months import month_bounds
from gateway.ledger.states import Event
from gateway.store import Database
from gateway.store.consent import Deed, NoRequest, WantsSecond
from gateway.store.credit import Operator
from gateway.store.credit_schema import registration_events
from gateway.store.proof import check_books
from gateway.store.said import EventReport, NoSuchRegistration, NotPossible, find_registration
from gateway.store.schema import sends
from gateway.store.views import all_postings, history, referrals_by, slot_records, story
from tests.store.crediting import Ledger, programme, token_of


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A ledger where two referrals buy a slot; at the end its books must be right."""
    made = Ledger(url)
    yield made
    with made.store.reading() as connection:
        assert list(check_books(connection)) == []
    made.store.close()


def test_by_token_then_by_address(ledger: Ledger) -> None:
    """A token leads to its send whatever the address; without one the address does."""
    ledger.send("one", "a@example.com")
    ledger.send("two", "b@example.com")
    ledger.later(1)
    first = ledger.report("A-1", token="one", email="other@example.com")
    second = ledger.report("A-2", email="B@EXAMPLE.com")
    assert (first.state, second.state) == ("counted", "counted")
    assert ledger.totals() == (2, 1, 0)


def test_the_same_again_changes_nothing(ledger: Ledger) -> None:
    """Idempotent on the agency's id; other content under the same id is a conflict."""
    ledger.send("one", "a@example.com")
    ledger.later(1)
    moment = ledger.now
    assert ledger.report("A-1", token="one").result == "new"
    ledger.later(1)
    assert ledger.report("A-1", token="one", at=moment).result == "known"
    assert ledger.report("A-1", token="one", person_id="P-2", at=moment).result == "conflict"
    assert ledger.totals() == (1, 0, 0)


def test_one_person_once(ledger: Ledger) -> None:
    """By address and by the agency's person id, through others too."""
    ledger.send("one", "a@example.com")
    ledger.send("two", "b@example.com")
    ledger.send("three", "a@example.com", campaign="autumn")
    ledger.later(1)
    assert ledger.report("A-1", token="one", email="a@example.com", person_id="P").state == "counted"
    assert ledger.report("A-2", token="three", email="a@example.com").state == "duplicate"
    assert ledger.report("A-3", token="two", person_id="P").state == "duplicate"
    assert ledger.totals()[0] == 1


def test_each_decision_says_what_it_was_made_with(ledger: Ledger) -> None:
    """The first one too, where no send is known: reason, matcher and settings, once."""
    ledger.report("A-1", email="a@example.com")
    ledger.report("A-1", email="a@example.com")
    with ledger.store.reading() as connection:
        found = story(connection, find_registration(connection, "A-1"))
    assert (found["state"], found["matcher"], found["contract"] is not None) == ("unmatched", VERSION, True)
    events = found["events"]
    assert isinstance(events, list)
    assert [(one["kind"], one["reason"]) for one in events] == [("received", ""), ("decided", "no-send")]
    assert events[1]["settings"] == found["settings"] != ""


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5_000, "'; DROP TABLE sends; --", "%s", "\u202e"])
def test_hostile_text_is_text(ledger: Ledger, text: str) -> None:
    """What people write goes in as something that can be kept; what can be no id is refused as one."""
    ledger.send("one", "a@example.com")
    ledger.later(1)
    ledger.report("A-1", token="one")
    store, who = ledger.store, Operator(name=text, second=text)
    store.dispute("A-1", who, by="company", reason=text, evidence=text)
    store.resolve("A-1", who, outcome="keep", reason=text)
    store.adjust("default", who, referrals=2, reason=text, campaign=text)
    reserved = store.reserve("default", who, requisition=text)
    assert store.reserve("default", who, requisition=text) == reserved, "the same requisition, the same slot"
    assert store.redeem("default", who, requisition=text).id == reserved.id
    with pytest.raises(NoSuchRegistration):
        store.receive_event("default", EventReport(registration=text, id="E-1", event=Event.PLACED))
    event = EventReport(registration="A-1", id=text, event=Event.PLACED, reason=text)
    if text in ("a\0b", "\ud800", "x" * 5_000):
        with pytest.raises(NotPossible):
            store.receive_event("default", event)
    else:
        assert store.receive_event("default", event).result == "new"
    assert ledger.totals() == (3, 1, 0)


def test_link_of_somebody_else(ledger: Ledger) -> None:
    """A token counts once; a second person who uses it doesn't count."""
    ledger.send("one", "a@example.com")
    ledger.later(1)
    assert ledger.report("A-1", token="one", email="x@example.com").state == "counted"
    assert ledger.report("A-2", token="one", email="y@example.com").state == "shared-token"
    assert ledger.report("A-3", token="one", person_id="P").state == "shared-token"


def test_registration_before_its_send_is_visible(ledger: Ledger) -> None:
    """It waits, and counts when the send appears."""
    sent_at = ledger.now
    ledger.later(1)
    assert ledger.report("A-1", token="one").state == "unmatched"
    assert ledger.report("A-2", email="b@example.com").state == "unmatched"
    hashed = ledger.keys.matching_hashes("default", "c@example.com")[0][1]
    assert ledger.report("A-3", email_hash=hashed).state == "unmatched"
    for name, address in (("one", "a@example.com"), ("two", "b@example.com"), ("three", "c@example.com")):
        ledger.send(name, address, at=sent_at)
    assert ledger.store.rematch() == 3
    assert ledger.store.rematch() == 0
    assert ledger.totals() == (3, 1, 0)


def test_slot_is_taken_back_then_debt(ledger: Ledger) -> None:
    """A reversal takes an unspent slot first; under a used one it leaves debt."""
    for number in range(4):
        ledger.send(f"s{number}", f"a{number}@example.com")
    ledger.later(1)
    for number in range(4):
        ledger.report(f"A-{number}", token=f"s{number}")
    assert ledger.totals() == (4, 2, 0)
    slot = ledger.store.redeem("default", Operator(name="hr"), requisition="R-1")
    assert slot.state == "used"
    assert ledger.store.redeem("default", Operator(name="hr"), requisition="R-1").id == slot.id
    ledger.later(1)
    for number in range(3):
        ledger.store.receive_event(
            "default", EventReport(registration=f"A-{number}", id=f"E-{number}", event=Event.WITHDRAWN)
        )
    found = ledger.store.balance("default")
    assert (found.referrals, found.slots_granted, found.slots_redeemed, found.debt) == (1, 1, 1, 1)
    assert (found.slots_available, found.to_next_slot) == (0, 3)


def test_referrals_by_campaign_and_department(ledger: Ledger) -> None:
    """What is counted less what is taken back, and what was adjusted by hand."""
    for number, campaign in enumerate(("spring", "spring", "autumn")):
        ledger.send(f"s{number}", f"a{number}@example.com", campaign=campaign)
    ledger.later(1)
    for number in range(3):
        ledger.report(f"A-{number}", token=f"s{number}")
    ledger.store.receive_event("default", EventReport(registration="A-0", id="E-1", event=Event.REFUSED))
    ledger.store.adjust("default", Operator(name="hr"), referrals=-3, reason="moved", campaign="autumn")
    with ledger.store.reading() as connection:
        assert referrals_by(connection, "default") == (
            {"autumn": -2, "spring": 1},
            {"": -2, "sales": 1},
        )


def test_a_dispute_said_twice_is_one(ledger: Ledger) -> None:
    """By the partner's id, or by the same words; other content under an id is a conflict, and recorded."""
    who = Operator(name="x")
    ledger.send("one", "a@example.com")
    ledger.later(1)
    ledger.report("A-1", token="one")

    def object_(reason: str = "x", event_id: str = "") -> str:
        taken = ledger.store.dispute("A-1", who, by="partner", reason=reason, event_id=event_id)
        assert taken.state == "disputed"
        return taken.result

    def end(outcome: str, event_id: str = "") -> str:
        return ledger.store.resolve(
            "A-1", who, by="partner", outcome=outcome, reason="y", event_id=event_id
        ).result

    assert [object_(), object_()] == ["new", "known"]
    with pytest.raises(NotPossible):
        object_("other words")
    assert [end("keep"), end("keep")] == ["new", "known"]
    with pytest.raises(NotPossible):
        end("count")
    assert [object_(event_id="D-1"), object_(event_id="D-1")] == ["new", "known"]
    assert object_("other words", event_id="D-1") == "conflict"
    assert [end("count", "D-2"), end("count", "D-2"), end("keep", "D-2")] == ["new", "known", "conflict"]
    event = EventReport(registration="A-1", id="D-1", event=Event.PLACED)
    assert ledger.store.receive_event("default", event).result == "conflict", "one id, one event"
    with ledger.store.reading() as connection:
        events = connection.execute(
            select(registration_events.c.kind).where(
                registration_events.c.kind.in_(("dispute", "resolve", "conflict"))
            )
        ).scalars()
        assert sorted(events) == ["conflict"] * 3 + ["dispute"] * 2 + ["resolve"] * 2


def test_referrals_by_resolve_are_counted_in_their_month(ledger: Ledger) -> None:
    """Those that the company's operators made; not the partner's own yes, nor other ends of disputes."""
    who = Operator(name="x")
    for number, (by, outcome) in enumerate(
        [("company", "count"), ("company", "count"), ("partner", "count"), ("company", "keep")]
    ):
        id_ = f"A-{number}"
        ledger.report(id_, person_id=f"P-{number}")
        ledger.store.dispute(id_, who, by="company", reason="x")
        ledger.store.resolve(id_, who, by=by, outcome=outcome, reason="x", limit=2)

    def one_more(id_: str) -> None:
        ledger.report(id_, person_id=id_)
        ledger.store.dispute(id_, who, by="company", reason="x")
        ledger.store.resolve(id_, who, by="company", outcome="count", reason="x", limit=2)

    with pytest.raises(WantsSecond):
        one_more("A-5")
    ledger.later(31)
    one_more("A-6")


def test_first_registrations_note_which_sends_they_have_seen(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger with many sends isn't gone through once more when its first balance is shown."""
    for number in range(4):
        ledger.send(f"s{number}", f"a{number}@example.com")
    ledger.later(1)
    assert ledger.report("A-1", token="s1").state == "counted"
    with monkeypatch.context() as patch:
        patch.setattr("gateway.store.credit.reported._waiting", None)
        assert ledger.store.rematch() == 0
    # many more sends than registrations, and few: both ways find what waits
    ledger.report("A-2", token="late")
    for number in range(4, 8):
        ledger.send(f"s{number}", f"a{number}@example.com", at=ledger.now)
    ledger.send("late", "late@example.com", at=ledger.now - 1)
    assert ledger.store.rematch() == 1


def test_a_request_is_done_once(ledger: Ledger) -> None:
    """Whoever is second with the yes changes nothing: it is looked at where it is done."""
    deed = Deed(action="adjust", company="default", values={"referrals": 5})
    number = ledger.store.ask(deed, Operator(name="a"), (0, 1))
    yes = Operator(name="a", second="b", request=number)
    with pytest.raises(WantsSecond):
        ledger.store.adjust("default", Operator(name="a"), referrals=5, reason="x", limit=4)
    ledger.store.adjust("default", yes, referrals=5, reason="x", limit=4)
    with pytest.raises(NoRequest):
        ledger.store.adjust("default", yes, referrals=5, reason="x", limit=4)
    assert ledger.totals() == (5, 2, 0)
    assert ledger.store.requests() == []
    ledger.later(1)
    again = ledger.store.ask(deed, Operator(name="a"), (0, 1))
    assert again != number
    ledger.later(8)
    with pytest.raises(NoRequest):
        ledger.store.adjust("default", Operator(name="a", second="b", request=again), referrals=5, reason="x")


def test_a_slot_that_nothing_pays_for_is_gone_when_it_is_returned(ledger: Ledger) -> None:
    """What the command says is what became of it."""
    who = Operator(name="a")
    ledger.store.adjust("default", who, referrals=2, reason="x")
    ledger.store.redeem("default", who, requisition="R")
    ledger.store.adjust("default", who, referrals=-2, reason="x")
    assert ledger.totals() == (0, 1, 2)
    assert ledger.store.give_back("default", who, requisition="R").state == "taken-back"
    assert ledger.totals() == (0, 0, 0)


def test_all_postings_come_page_by_page(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as the history, the other way round."""
    ledger.store.adjust("default", Operator(name="a"), referrals=7, reason="x")
    monkeypatch.setattr("gateway.store.views._PAGE", 2)
    with ledger.store.reading() as connection:
        newest_first = history(connection, "default", last=100)
        assert list(all_postings(connection, "default")) == newest_first[::-1]
    assert [one["kind"] for one in newest_first[::-1]] == ["adjust", "grant", "grant", "grant"]


def test_slots_are_numbered_without_gaps(ledger: Ledger) -> None:
    """What was only tried leaves none, on either database: an auditor asks where a number went."""
    for name in "abcd":
        ledger.send(name, f"{name}@example.com")
    ledger.later(1)
    reports = [Reported(id=f"A-{name}", registered_at=ledger.now, token=token_of(name)) for name in "abcd"]
    ledger.store.receive_registrations("default", reports, source="test", dry_run=True)
    ledger.store.receive_registrations("default", reports[:2], source="test")
    ledger.store.receive_registrations("default", reports, source="test")
    with ledger.store.reading() as connection:
        assert [one["slot"] for one in slot_records(connection, "default")] == [1, 2]


def test_the_partners_event_takes_no_others_place(ledger: Ledger) -> None:
    """By its id alone SQLite would delete the older one, and ask no trigger."""
    ledger.send("one", "a@example.com")
    ledger.later(1)
    ledger.report("A-1", token="one")
    ledger.store.receive_event("default", EventReport(registration="A-1", id="E-1", event=Event.PLACED))
    verb = "INSERT OR REPLACE" if ledger.url.startswith("sqlite") else "INSERT"
    columns = "registration_id, at, kind, state, reason, operator, detail, partner, event_id"
    statement = (
        f"{verb} INTO registration_events ({columns}) SELECT registration_id, at, 'refused', state, reason,"  # noqa: S608 - constants
        " operator, detail, partner, event_id FROM registration_events WHERE event_id = 'E-1'"
    )
    database = Database(ledger.url)
    with pytest.raises(DBAPIError), database.writer(5).connect() as connection, connection.begin():
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("event", "counts"),
    [(Event.CONFIRMED, True), (Event.REINSTATED, True), (Event.PLACED, False), (Event.REFUSED, False)],
)
def test_the_partners_yes_to_a_proposal(url: str, event: Event, counts: bool) -> None:  # noqa: FBT001 - a case
    """Found by address alone it waits, where the contract says so; only a yes makes it count."""
    ledger = Ledger(url, terms=programme(Contract(ratio=2, no_token="propose")))
    ledger.send("one", "a@example.com")
    ledger.later(1)
    proposed = ledger.report("A-1", email="a@example.com")
    assert (proposed.state, proposed.reason, proposed.counts) == ("unmatched", "proposed", False)
    ledger.store.receive_event("default", EventReport(registration="A-1", id="E-1", event=event))
    assert ledger.totals()[0] == int(counts)
    ledger.store.close()


def test_what_one_operator_adjusts_is_summed_by_the_month(ledger: Ledger) -> None:
    """From its first microsecond in Japan; up and down together; what a second one agreed to is left out."""
    who = Operator(name="a")
    begin = month_bounds("2027-01")[0]
    ledger.now = begin - 1
    ledger.store.adjust("default", who, referrals=4, reason="x", limit=4)
    ledger.now = begin
    ledger.store.adjust("default", Operator(name="a", second="b"), referrals=9, reason="x", limit=4)
    ledger.store.adjust("default", who, referrals=-3, reason="x", limit=4)
    with pytest.raises(WantsSecond):
        ledger.store.adjust("default", who, referrals=2, reason="x", limit=4)
    ledger.store.adjust("default", who, referrals=1, reason="x", limit=4)
    assert ledger.totals()[0] == 4 + 9 - 3 + 1


def test_an_adjustment_in_the_first_moment_of_a_month_is_of_that_month(ledger: Ledger) -> None:
    """Nothing falls between two months."""
    ledger.now = month_bounds("2027-01")[0]
    ledger.store.adjust("default", Operator(name="a"), referrals=4, reason="x", limit=4)
    with pytest.raises(WantsSecond):
        ledger.store.adjust("default", Operator(name="a"), referrals=1, reason="x", limit=4)


def test_each_requisition_uses_the_slot_that_is_reserved_for_it(ledger: Ledger) -> None:
    """Of several reserved ones, and again the same one when it is said again."""
    who = Operator(name="a")
    ledger.store.adjust("default", who, referrals=6, reason="x")
    reserved = {name: ledger.store.reserve("default", who, requisition=name).id for name in ("R-1", "R-2")}
    assert len(set(reserved.values())) == 2
    for name in ("R-2", "R-1", "R-2"):
        used = ledger.store.redeem("default", who, requisition=name)
        assert (used.id, used.state, used.requisition) == (reserved[name], "used", name)
    found = ledger.store.balance("default")
    assert (found.slots_redeemed, found.slots_reserved, found.slots_available) == (2, 0, 1)


@pytest.mark.parametrize("state", ["refused", "unlinked"])
def test_a_link_that_never_arrived_is_found_by_its_token_alone(ledger: Ledger, state: str) -> None:
    """Whoever shows the token has it; an address alone proves nothing where no link went out."""
    for name in ("one", "two"):
        ledger.send(name, f"{name}@example.com")
    with Database(ledger.url).writer(5).connect() as connection, connection.begin():
        connection.execute(update(sends).values(state=state))
    ledger.later(1)
    assert ledger.report("A-1", email="one@example.com").reason == "no-send"
    assert ledger.report("A-2", token="two").state == "counted"
