"""What a policy comes to when operators and brakes have had their say, and which rule set a worker runs.

`steered` never builds anything: it switches rules of a set that is there. Which set that is, is for `Course`:
the active one is a snapshot in the ledger (RULES.md, "Safety"), and files are how a new one comes about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from gateway.config.programme import Rules
from gateway.ledger.controls import Action, Controls
from gateway.ruleset.rule import Rule
from gateway.service.bundle import observing
from gateway.transaction.policy import Policy


def steered(policy: Policy, controls: Controls, rules: Rules) -> Policy:
    """The policy as it holds now."""
    if controls.brake is not None:
        policy = observing(policy)
    if not controls.brakes and not controls.stages:
        return policy
    changed = tuple(_steered(rule, controls, rules) for rule in policy.ruleset.rules)
    if changed == policy.ruleset.rules:
        return policy
    return replace(policy, ruleset=replace(policy.ruleset, rules=changed))


def _steered(rule: Rule, controls: Controls, rules: Rules) -> Rule:
    action = controls.action(rule.id, rule.action, ceiling=ceiling_of(rule.id, rule.pack, rules.mode))
    if action == rule.action:
        return rule
    if action == "partial" and rule.share >= 1 and not rule.partial_senders:
        return replace(rule, action=action, share=rules.rollout.share)
    return replace(rule, action=action)


def ceiling_of(rule: str, pack: str, modes: Mapping[str, Action]) -> Action:
    """How far the config lets a rule go."""
    return modes.get(rule) or modes.get(pack) or modes.get("*") or "inject"


class Step(Enum):
    """What a worker has to do about its rule set."""

    NOTHING = "nothing"
    #: Tell the ledger that the set from the files is the active one.
    RECORD = "record"
    #: Take the active one from the ledger.
    FETCH = "fetch"


@dataclass(slots=True, kw_only=True)
class Course:
    """Which set a worker runs, and which it should.

    Attributes:
        node: the name of this machine.
        running: the set that the worker runs.
        given: the set that its parent last gave it, from the files.
        reload: `[rules] reload`.
        speaks: whether this is the one worker of its node that tells the ledger.
    """

    node: str
    running: str
    given: str
    reload: Literal["auto", "apply"]
    speaks: bool
    _seen: int = 0
    _begun: bool = False

    def again(self) -> None:
        """What was to be done could not be: ask for it once more."""
        self._seen, self._begun = 0, self._begun and self._seen != 0

    def given_anew(self, ruleset: str, reload: Literal["auto", "apply"], controls: Controls) -> bool:
        """The parent gives a set from the files; whether the worker is to run it.

        The same files as before give way to what is active meanwhile.
        """
        changed, self.given, self.reload = ruleset != self.given, ruleset, reload
        return changed and not self._follows(controls)

    def _follows(self, controls: Controls) -> bool:
        """Whether the ledger has the say, and files are a draft."""
        active = controls.active
        return active is not None and (active.pinned or self.reload == "apply")

    def step(self, controls: Controls) -> Step:
        """What is to be done now that the ledger says this. Asked again and again."""
        active = controls.active
        if not self._begun:
            self._begun = True
            return self._first(controls)
        if active is None or active.at == self._seen:
            return Step.NOTHING
        self._seen = active.at
        return Step.NOTHING if active.id == self.running else Step.FETCH

    def _first(self, controls: Controls) -> Step:
        """At the start: files that have changed since this node last told of them are a change like any."""
        active = controls.active
        if active is None:
            return Step.RECORD if self.speaks else Step.NOTHING
        self._seen = active.at
        if active.id == self.running:
            return Step.NOTHING
        if not self._follows(controls) and controls.announced.get(self.node) != self.given:
            return Step.RECORD if self.speaks else Step.NOTHING
        return Step.FETCH
