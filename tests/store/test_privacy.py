"""People's data: found, taken out, purged, on SQLite and PostgreSQL alike."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from gateway.ledger.contract import DAY
from gateway.ledger.states import Event
from gateway.store import Database, privacy
from gateway.store.credit import Operator
from gateway.store.credit.ground import _CREDIT_LOCK
from gateway.store.credit_schema import audit
from gateway.store.figures import EVER, circle
from gateway.store.links import Click, LinkDesk
from gateway.store.proof import check_books
from gateway.store.retention import Retention
from gateway.store.rollout_schema import observations
from gateway.store.said import EventReport
from tests.store.crediting import KEYS, START, Ledger

KEPT = Retention.of_days(sends=400, clicks=90, outbox=30, dedupe_years=5)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A ledger whose books must be right at the end; it keeps addresses."""
    made = Ledger(url, keep_plain=True)
    yield made
    with made.store.reading() as connection:
        assert list(check_books(connection)) == []
    made.store.close()


def erase(ledger: Ledger, address: str, *, forget: bool = False) -> privacy.Erased:
    """As the command does it."""
    return ledger.store.writing(
        lambda connection, journal: privacy.erase(
            connection, journal, KEYS, privacy.hashes_of(KEYS, address), forget=forget
        ),
        Operator(name="dpo"),
    )


def report(ledger: Ledger, address: str) -> dict[str, Any]:
    """As the command does it."""
    with ledger.store.reading() as connection:
        return privacy.report(connection, KEYS, privacy.hashes_of(KEYS, address))


def everything(ledger: Ledger) -> str:
    """All that is in the database, as text."""
    with ledger.store.reading() as connection:
        return "\n".join(
            repr(tuple(value.hex() if isinstance(value, bytes) else value for value in row))
            for table in inspect(connection).get_table_names()
            for row in connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - our own tables
        )


def counted(ledger: Ledger) -> None:
    """Somebody who was sent a link, clicked and registered."""
    token = ledger.send("one", "a@example.com")
    with LinkDesk(ledger.url) as desk:
        desk.log_clicks([Click(token=token, at=ledger.now, label="human")])
    ledger.later(1)
    assert ledger.report("A-1", token="one", email="a@example.com", person_id="P-7").state == "counted"


def test_the_erased_are_gone_and_the_books_stay(ledger: Ledger) -> None:
    """Nothing in the database leads to the person any more; the referral stands."""
    counted(ledger)
    hashes = [
        value.hex() for value in (*privacy.hashes_of(KEYS, "a@example.com"), KEYS.person_id("default", "P-7"))
    ]
    before = everything(ledger)
    assert all(word in before for word in ("a@example.com", "P-7", *hashes))
    erased = erase(ledger, "A@Example.com")
    assert (erased.sends, erased.registrations, erased.clicks) == (1, 1, 1)
    after = everything(ledger)
    assert not [word for word in ("a@example.com", "P-7", *hashes) if word in after]
    assert ledger.totals() == (1, 0, 0)
    assert report(ledger, "a@example.com")["identifiers"] == []
    assert erase(ledger, "a@example.com").hashes == 0


def test_the_erased_do_not_count_twice(ledger: Ledger) -> None:
    """By the tombstone: address, its hash under the partner's key, the partner's id; and by the link."""
    counted(ledger)
    erase(ledger, "a@example.com")
    ledger.later(1)
    ledger.send("two", "a@example.com")
    ledger.later(1)
    hashed = KEYS.matching_hashes("default", "a@example.com")[0][1]
    assert ledger.report("A-2", token="two", email="a@example.com").reason == "erased-person"
    assert ledger.report("A-3", email_hash=hashed).reason == "erased-person"
    assert ledger.report("A-4", token="two", person_id="P-7").reason == "erased-person"
    assert ledger.report("A-5", token="one").state == "duplicate"
    assert ledger.totals() == (1, 0, 0)


def test_the_forgotten_may_count_again(ledger: Ledger) -> None:
    """No tombstone is left, and the earlier referral stays."""
    counted(ledger)
    ledger.store.suppress(KEYS.address("a@example.com"), source="operator")
    erase(ledger, "a@example.com", forget=True)
    assert report(ledger, "a@example.com")["known"] is False
    ledger.later(1)
    assert ledger.report("A-2", token="one", email="a@example.com", person_id="P-7").state == "counted"
    assert ledger.totals() == (2, 1, 0)


def test_reports_of_the_erased_change_nothing(ledger: Ledger) -> None:
    """The partner repeats its list: the same id is known, whatever it says; a reversal still works."""
    counted(ledger)
    erase(ledger, "a@example.com")
    again = ledger.report("A-1", token="one", email="a@example.com", person_id="P-7", at=ledger.now - 5)
    assert (again.result, again.state) == ("known", "counted")
    taken = ledger.store.receive_event(
        "default", EventReport(registration="A-1", id="E-1", event=Event.WITHDRAWN)
    )
    assert taken.state == "withdrawn"
    assert ledger.totals() == (0, 0, 0)


def test_other_people_are_left_alone(ledger: Ledger) -> None:
    """Somebody who used the link of the erased with an address of their own is another person."""
    ledger.send("one", "a@example.com")
    ledger.later(1)
    ledger.report("A-1", token="one", email="b@example.com", person_id="P-8")
    erase(ledger, "a@example.com")
    assert "b@example.com" in str(report(ledger, "b@example.com")["identifiers"])


def test_report_has_everything(ledger: Ledger) -> None:
    """Identifiers, sends with clicks, registrations, the wish for no more links."""
    counted(ledger)
    ledger.store.suppress(KEYS.address("a@example.com"), source="page")
    found = report(ledger, "a@example.com")
    assert sorted(one["kind"] for one in found["identifiers"]) == ["address", "match", "person-id"]
    assert [len(one["clicks"]) for one in found["sends"]] == [1]
    assert [one["id"] for one in found["registrations"]] == ["A-1"]
    assert [one["source"] for one in found["no_more_links"]] == ["page"]
    assert report(ledger, "nobody@example.com")["known"] is False


def purged(ledger: Ledger, kept: Retention = KEPT, *, dry_run: bool = False) -> Counter[str]:
    """What `purge` deletes, or would."""
    gone: Counter[str] = Counter()
    for step in ledger.store.purge(kept, dry_run=dry_run, operator=Operator(name="test")):
        gone.update(step)
    return gone


def test_purge_by_kind(ledger: Ledger) -> None:
    """Clicks first, then sends, at last the people; decisions and books stay as they are."""
    counted(ledger)
    ledger.send("unanswered", "quiet@example.com")
    ledger.later(100)
    assert purged(ledger, dry_run=True)["clicks"] == 1
    assert purged(ledger)["clicks"] == 1
    ledger.later(301)
    assert purged(ledger, dry_run=True)["sends"] == 2
    gone = purged(ledger)
    assert (gone["sends"], gone["people"]) == (2, 2)
    assert report(ledger, "quiet@example.com")["known"] is False
    assert ledger.report("A-2", email="a@example.com").state == "unmatched"
    assert ledger.report("A-3", token="one").state == "unmatched"
    ledger.later(6 * 366)
    gone = purged(ledger)
    assert gone["people"] > 0
    assert report(ledger, "a@example.com")["identifiers"] == []
    assert ledger.totals() == (1, 0, 0)
    assert purged(ledger)["people"] == 0
    with ledger.store.reading() as connection:
        said = [(row.action, row.operator, row.detail) for row in connection.execute(select(audit))]
    assert said[0] == ("purge", "test", "1 clicks")
    assert all(action == "purge" for action, _, _ in said), "once for each that deleted something"


def test_purge_keeps_what_may_still_be_matched(ledger: Ledger) -> None:
    """Whatever the config says, a send outlives the window."""
    ledger.send("one", "a@example.com")
    ledger.later(179)
    assert purged(ledger, Retention(sends=DAY, clicks=DAY, outbox=DAY, dedupe=DAY))["sends"] == 0
    assert ledger.report("A-1", token="one").state == "counted"


def test_a_complaint_is_counted_once(ledger: Ledger) -> None:
    """It silences, and stands beside the circle of the company whose link they had; one a person."""
    ledger.send("one", "a@example.com", company="other")
    ledger.send("two", "a@example.com", company="default", at=ledger.now + 1)
    person, stranger = KEYS.address("a@example.com"), KEYS.address("s@example.com")

    def complaints(*companies: str) -> tuple[int, int]:
        with ledger.store.reading() as connection:
            found = circle(connection, companies, EVER)
        return found.complaints, found.opt_outs

    who = Operator(name="test")
    assert ledger.store.suppress(person, source="page")
    assert ledger.store.complain([person, person], who) == 1
    assert ledger.store.complain([person], who) == 0
    assert (complaints("default"), complaints("other")) == ((1, 1), (0, 1))
    assert ledger.store.complain([stranger], who) == 1, "the ledger may know nothing of them any more"
    assert (complaints("default"), complaints("other")) == ((2, 2), (1, 2))
    with LinkDesk(ledger.url) as desk:
        assert desk.is_suppressed(stranger)
    erase(ledger, "a@example.com", forget=True)
    assert complaints("default")[0] == 2, "the audit names nobody, and stays"


def test_what_is_done_by_hand_is_recorded(ledger: Ledger) -> None:
    """Who silenced whom is not kept, but that somebody did, and who."""
    who, persons = Operator(name="clerk"), [KEYS.address(f"{name}@example.com") for name in "ab"]
    assert ledger.store.suppress_all(persons, who) == 2
    assert ledger.store.suppress_all(persons, who) == 0
    assert ledger.store.unsuppress(persons[:1], who) == 1
    with ledger.store.reading() as connection:
        said = [(row.action, row.operator, row.detail) for row in connection.execute(select(audit))]
    assert said == [("suppress", "clerk", "2 people"), ("unsuppress", "clerk", "1 person")]


def test_people_are_purged_past_those_in_use(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts, and however many of those that stay come before them."""
    monkeypatch.setattr("gateway.store.credit.people.PURGE_ROWS", 2)
    for number in range(5):
        ledger.send(f"s{number}", f"a{number}@example.com", at=ledger.now if number % 2 else START)
    for number in range(7):
        ledger.report(f"R-{number}", email=f"x{number}@example.com")
    ledger.later(6 * 366)
    for number in range(3):
        ledger.report(f"Y-{number}", email=f"y{number}@example.com")
    assert purged(ledger)["people"] == 5 * 2 + 7 * 2
    assert report(ledger, "y0@example.com")["identifiers"]
    assert not report(ledger, "x0@example.com")["identifiers"]


def test_what_the_rules_saw_is_reported_and_erased(ledger: Ledger) -> None:
    """Of the mails that brought this person a link, and of no others."""
    ledger.send("one", "a@example.com", message_id="<1@example.co.jp>")
    ledger.send("two", "b@example.com", message_id="<2@example.co.jp>")
    seen = {
        "at": ledger.now,
        "mail": "m",
        "sender": "saiyo@example.co.jp",
        "rule": "ja",
        "ruleset": "r",
        "score": 1.0,
        "threshold": 1.0,
        "matched": True,
        "reason": "injected",
        "hits": "{}",
        "snippets": '["選考の結果"]',
    }
    with Database(ledger.url).writer(20).connect() as connection, connection.begin():
        rows = [{**seen, "message_id": f"<{number}@example.co.jp>"} for number in (1, 2)]
        connection.execute(observations.insert(), rows)
    (judged,) = report(ledger, "a@example.com")["mails_judged"]
    assert (judged["message_id"], judged["rule"], judged["snippets"]) == (
        "<1@example.co.jp>",
        "ja",
        ["選考の結果"],
    )
    erase(ledger, "a@example.com")
    assert report(ledger, "a@example.com")["mails_judged"] == []
    assert len(report(ledger, "b@example.com")["mails_judged"]) == 1


def test_a_dry_run_keeps_nobody_waiting(ledger: Ledger) -> None:
    """It only counts, while somebody else writes; what it says is what is deleted then."""
    counted(ledger)
    assert ledger.store.consume_webhook("default", "m")
    ledger.later(500)
    with Database(ledger.url).writer(1).connect() as connection, connection.begin():
        if not ledger.url.startswith("sqlite"):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREDIT_LOCK})")
        told = purged(ledger, dry_run=True)
    assert (told["clicks"], told["sends"], told["webhooks"]) == (1, 1, 1)
    gone = purged(ledger)
    assert {name: gone[name] for name in told if name != "people"} == {
        name: count for name, count in told.items() if name != "people"
    }


def test_purge_in_parts(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction deletes so many of each kind, the oldest first, tables with two keys too."""
    monkeypatch.setattr("gateway.store.credit.people.PURGE_ROWS", 2)
    for number in range(5):
        ledger.send(f"s{number}", f"a{number}@example.com")
        ledger.store.consume_webhook("default", f"m{number}")
        ledger.later(0.01)
    ledger.later(500)
    steps = list(ledger.store.purge(KEPT))
    assert [step["sends"] for step in steps if "sends" in step] == [2, 2, 1]
    assert [step["webhooks"] for step in steps if "webhooks" in step] == [2, 2, 1]
