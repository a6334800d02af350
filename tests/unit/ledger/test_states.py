from pathlib import Path

from gateway.ledger.matching import REASONS
from gateway.ledger.states import EVENTS, OUTCOMES, PARTNER_EVENTS, STATES, Event, State, markdown, may

PAGE = Path(__file__).resolve().parents[3] / "docs" / "credit.md"


def test_page_shows_the_tables_that_the_code_follows() -> None:
    """What an auditor reads is what the code does."""
    shown = PAGE.read_text("utf-8").partition("<!-- states -->\n")[2].partition("<!-- /states -->")[0]
    assert shown == markdown()


def test_every_state_and_event_has_its_line() -> None:
    """No state without a meaning, no event without a rule, and none twice."""
    assert [rule.state for rule in STATES] == list(State)
    assert set(EVENTS) == set(Event)
    assert [rule.state for rule in STATES if rule.counts] == [State.COUNTED]


def test_what_holds_is_a_state() -> None:
    """Whatever an event or a resolution makes hold is the word of a state, and of one that doesn't depend."""
    held = {rule.holds for rule in EVENTS.values()} | set(OUTCOMES.values())
    assert {State(word) for word in held if word} == {
        State.WITHDRAWN,
        State.REFUSED,
        State.COUNTED,
        State.REVERSED,
    }


def test_partner_cannot_undo_the_end_of_a_dispute() -> None:
    """A reversal was agreed: of the partner's events only a placement, which is no credit, goes with it."""
    assert [event for event in PARTNER_EVENTS if may(event, State.REVERSED)] == [Event.PLACED]


def test_reasons_are_told() -> None:
    """Each reason is explained in words."""
    assert all(text and not text.endswith(".") for text in REASONS.values())
