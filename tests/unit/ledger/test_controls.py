"""What operators and brakes have set, as the sum of the events."""

from collections.abc import Iterator
from itertools import count

import pytest

from gateway.ledger.controls import Action, Brake, Controls, Event

_numbers: Iterator[int] = count(1)


def event(kind: str, subject: str = "", detail: str = "", *, at: int = 5, node: str = "one") -> Event:
    """The next event."""
    return Event(
        id=next(_numbers), at=at, kind=kind, node=node, operator="hanako", subject=subject, detail=detail
    )


def after(*events: Event) -> Controls:
    """What these come to."""
    return Controls().after(events)


def test_brake_of_a_rule_is_its_own() -> None:
    """One rule stops, the others go on; the resume of that rule ends it."""
    pulled = event("brake", "a", "too many")
    controls = after(pulled)
    assert controls.brakes == {"a": Brake(at=5, node="one", why="too many")}
    assert controls.brake is None
    assert controls.action("a", "inject") == "observe"
    assert controls.action("b", "inject") == "inject"
    resumed = controls.after([event("resume", "a", at=9)])
    assert resumed.action("a", "inject") == "inject"
    assert (resumed.resumed_at("a"), resumed.resumed_at("b")) == (9, 0)


def test_resume_of_all_ends_every_brake() -> None:
    """Those of rules and that of the gateway."""
    controls = after(event("brake"), event("brake", "a"), event("resume", at=9))
    assert (controls.brake, controls.brakes) == (None, {})
    assert controls.resumed_at("a") == controls.resumed_at("b") == 9


def test_resume_of_a_rule_leaves_the_gateway() -> None:
    """Whoever resumes one rule has not looked at the rest."""
    controls = after(event("brake", detail="links refused"), event("brake", "a"), event("resume", "a"))
    assert controls.brake is not None
    assert controls.brakes == {}


@pytest.mark.parametrize(
    ("stage", "written", "ceiling", "action"),
    [
        ("partial", "observe", "inject", "partial"),
        ("inject", "observe", "inject", "inject"),
        ("observe", "inject", "inject", "observe"),
        ("inject", "observe", "observe", "observe"),
        ("inject", "off", "inject", "off"),
        ("a word of a newer version", "inject", "inject", "observe"),
    ],
)
def test_stage_takes_the_place_of_the_file(
    stage: str, written: Action, ceiling: Action, action: Action
) -> None:
    """But never goes past what the config says, and never wakes a rule that is off."""
    assert after(event("stage", "a", stage)).action("a", written, ceiling=ceiling) == action


def test_stop_of_all_holds_until_a_rule_is_advanced() -> None:
    """`rollout stop` without a rule forgets how far each had come."""
    controls = after(event("stage", "a", "inject"), event("stage", detail="observe"))
    assert controls.action("a", "inject") == controls.action("b", "inject") == "observe"
    controls = controls.after([event("stage", "a", "partial")])
    assert (controls.action("a", "inject"), controls.action("b", "inject")) == ("partial", "observe")


def test_brake_is_stronger_than_a_stage() -> None:
    """A rule that was stopped for what it did does not go on by a step of its roll-out."""
    controls = after(event("brake", "a"), event("stage", "a", "inject"))
    assert controls.action("a", "observe") == "observe"


def test_rollback_pins_until_the_next_apply() -> None:
    """What is pinned does not count as taken from the files."""
    controls = after(event("ruleset-auto", "x"), event("ruleset-auto", "y"), event("ruleset-rollback", "x"))
    assert controls.active is not None
    assert (controls.active.id, controls.active.pinned) == ("x", True)
    assert controls.announced == {"one": "y"}
    controls = controls.after([event("ruleset-apply", "z", node="two")])
    assert controls.active is not None
    assert (controls.active.id, controls.active.pinned) == ("z", False)
    assert controls.announced == {"one": "y"}


def test_events_are_added_once() -> None:
    """Whoever reads some of them again changes nothing."""
    events = [event("brake", "a"), event("resume", "a")]
    controls = after(*events)
    assert controls.after(events) == controls
    assert controls.last == events[-1].id
