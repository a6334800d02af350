"""What operators and brakes have set, as the sum of what happened: for all workers of all nodes alike.

Each brake, resume, step of a roll-out and change of the rule set is one `Event` in the ledger, which is only
appended to. `Controls` is what they come to; whoever reads the events that are new adds them to what it has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Action = Literal["inject", "observe", "partial", "off"]

BRAKE, RESUME, STAGE = "brake", "resume", "stage"
#: How a rule set became the active one: found at the start, saved, `rules apply`, `rules rollback`.
START, SAVED, APPLIED, RESTORED = "ruleset-start", "ruleset-auto", "ruleset-apply", "ruleset-rollback"
RULESETS = (START, SAVED, APPLIED, RESTORED)
KINDS = (BRAKE, RESUME, STAGE, *RULESETS)

#: From the least that a rule may do to the most.
_ORDER: tuple[Action, ...] = ("off", "observe", "partial", "inject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One of them. `subject`: the rule, empty for all; for a rule set its id. `at`: microseconds, UTC."""

    id: int
    at: int
    kind: str
    node: str
    operator: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """A brake is on. `at` is in microseconds since 1970 UTC."""

    at: int
    node: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far a rule has been rolled out, by whom and since when."""

    action: Action
    at: int
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """The rule set that holds. `pinned`: changes of files don't count until `rules apply`."""

    id: str
    at: int
    operator: str
    pinned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The sum of the events up to `last`.

    Attributes:
        brake: that of the whole gateway.
        brakes: those of single rules.
        resumed: when a rule's brake was last let go; under the empty name when all were.
        stages: what `rollout` has set, by rule; under the empty name for all that are not named.
        active: the rule set that holds; None before the first was recorded.
        announced: by node, the set that it last took from its files by itself.
    """

    last: int = 0
    brake: Brake | None = None
    brakes: Mapping[str, Brake] = field(default_factory=dict)
    resumed: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, Stage] = field(default_factory=dict)
    active: Active | None = None
    announced: Mapping[str, str] = field(default_factory=dict)

    def after(self, events: Iterable[Event]) -> "Controls":
        """With these added; those that are in it already change nothing."""
        state = self
        for event in events:
            if event.id > state.last:
                state = replace(state._with(event), last=event.id)
        return state

    def _with(self, event: Event) -> "Controls":
        if event.kind in RULESETS:
            pinned = event.kind == RESTORED
            active = Active(id=event.subject, at=event.at, operator=event.operator, pinned=pinned)
            of_files = event.kind in (START, SAVED)
            announced = {**self.announced, event.node: event.subject} if of_files else self.announced
            return replace(self, active=active, announced=announced)
        if event.kind == STAGE:
            stage = Stage(action=_action(event.detail), at=event.at, operator=event.operator)
            kept = self.stages if event.subject else {}
            return replace(self, stages={**kept, event.subject: stage})
        if event.kind == BRAKE:
            brake = Brake(at=event.at, node=event.node, why=event.detail)
            if event.subject:
                return replace(self, brakes={**self.brakes, event.subject: brake})
            return replace(self, brake=brake)
        if event.kind == RESUME:
            if event.subject:
                left = {rule: brake for rule, brake in self.brakes.items() if rule != event.subject}
                return replace(self, brakes=left, resumed={**self.resumed, event.subject: event.at})
            return replace(self, brake=None, brakes={}, resumed={"": event.at})
        return self

    def resumed_at(self, rule: str) -> int:
        """Since when what the rule does counts for its brake; 0 for ever."""
        return max(self.resumed.get(rule, 0), self.resumed.get("", 0))

    def stage_of(self, rule: str) -> Stage | None:
        """What `rollout` has set for the rule, or for all."""
        return self.stages.get(rule) or self.stages.get("")

    def action(self, rule: str, written: Action, *, ceiling: Action = "inject") -> Action:
        """What the rule may do now.

        Args:
            rule: its id.
            written: what file and config say.
            ceiling: what the config says of it, if anything: a roll-out never goes past it.
        """
        if written == "off":
            return written
        stage = self.stage_of(rule)
        action = written if stage is None else min(stage.action, ceiling, key=_ORDER.index)
        if rule in self.brakes:
            action = min(action, "observe", key=_ORDER.index)
        return action


def _action(text: str) -> Action:
    """What is not known was written by a newer version: the careful reading of it."""
    return next((action for action in _ORDER if action == text), "observe")
