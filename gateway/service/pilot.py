"""Keeps a worker to what operators and brakes have set: its policy, and the rule set that it runs.

Polled, several times a second, from what the ledger's writer has read within the last one: so whatever any
process of any node does is obeyed by all within two. The one mechanism for brakes, steps of a roll-out,
resumes, pins and changes of the rule set.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.config import RuleFiles
from gateway.errors import LedgerFault
from gateway.ledger.controls import SAVED, START, Controls
from gateway.service.bundle import Bundle
from gateway.service.snapshot import difference, id_of, pack, summary, unpack
from gateway.service.steering import Course, Step, steered
from gateway.store import LedgerStore
from gateway.store.chores import RecordRuleset
from gateway.transaction.policy import Policy
from gateway.transaction.report import Journal

log = logging.getLogger("careerrelay")

#: How often a worker looks.
LOOK_SECONDS = 0.25
#: So long the start waits for what the ledger says; without a ledger nothing is added to mail anyway.
START_SECONDS = 2.0
#: Who made a rule set the active one when nobody said so.
FILES = "(files)"

Take = Callable[[Bundle], Awaitable[bool]]


class Pilot:
    """One a worker.

    Args:
        take: goes on with another bundle; false where it can't, and nothing has changed then.
        index: of the worker. The first tells the ledger what its node takes from files.
    """

    def __init__(
        self, bundle: Bundle, ledger: LedgerStore, journal: Journal, *, take: Take, index: int
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._take = take
        self._bundle = bundle
        self._steered: Controls | None = None
        self._before: RuleFiles | None = None
        self._course = Course(
            node=bundle.config.gateway.node,
            running=id_of(bundle.files),
            given=id_of(bundle.files),
            reload=bundle.config.rules.reload,
            speaks=index == 0,
        )

    @property
    def informed(self) -> bool:
        """Whether there is nothing to wait for at the start."""
        return self._ledger.informed or self._ledger.fault is not None

    def policy(self, built: Policy, bundle: Bundle) -> Policy:
        """What is to hold of the policy that was built from the bundle."""
        return steered(built, self._ledger.controls, bundle.config.rules)

    def news(self) -> bool:
        """Whether operators or brakes have done something since this was last asked."""
        controls = self._ledger.controls
        if controls is self._steered:
            return False
        before, self._steered = self._steered, controls
        if before is not None and before.last == controls.last:
            return False
        _tell(before or Controls(), controls, self._bundle.config.gateway.mode)
        return True

    async def given(self, bundle: Bundle) -> None:
        """The parent gives another bundle. What it says of the rule files may be a draft."""
        ruleset = id_of(bundle.files)
        wanted = self._course.given_anew(ruleset, bundle.config.rules.reload, self._ledger.controls)
        if not wanted:
            if ruleset != self._course.running:
                log.info("rule files are a draft", extra={"fields": {"active": self._course.running}})
            bundle = replace(bundle, files=self._bundle.files)
        before = self._bundle.files
        if not await self._take(bundle):
            return
        self._bundle = bundle
        if wanted:
            self._course.running, self._before = ruleset, before
            if self._course.speaks:
                try:
                    await self._record(SAVED)
                except LedgerFault as fault:
                    self._journal.fault("active rule set not in the ledger yet", fault)

    async def follow(self) -> None:
        """Take another rule set, or tell the ledger of ours, if that is due. Never raises."""
        if not self._ledger.informed:
            return
        controls = self._ledger.controls
        step = self._course.step(controls)
        try:
            if step is Step.RECORD:
                await self._record(SAVED if controls.active is not None else START)
            elif step is Step.FETCH and controls.active is not None:
                await self._fetch(controls.active.id)
        except LedgerFault as fault:
            self._course.again()
            self._journal.fault("active rule set", fault)
        except Exception as error:  # noqa: BLE001 - the set that runs goes on running
            self._journal.fault("active rule set", error)

    async def _fetch(self, ruleset: str) -> None:
        begun = time.monotonic()
        content = await self._ledger.fetch_ruleset(ruleset)
        if content is None:
            self._journal.alarm(f"rule set {ruleset} is active, but the ledger doesn't have it")
            return
        bundle = replace(self._bundle, files=unpack(ruleset, content).files)
        if await self._take(bundle):
            self._bundle, self._course.running = bundle, ruleset
            seconds = round(time.monotonic() - begun, 3)
            log.info("rule set taken", extra={"fields": {"active": ruleset, "seconds": seconds}})
        else:
            self._journal.alarm(f"rule set {ruleset} is active, but can't be used on this node")

    async def _record(self, kind: str) -> None:
        """Tell the ledger of the set that this node has taken from its files."""
        files, before = self._bundle.files, self._before
        if before is None and kind == SAVED:
            before = await self._active_files()
        ruleset, content = pack(files)
        text = summary(before, files)
        if before is not None:
            text = f"{text}\n{difference(before, files)}"
        work = RecordRuleset(ruleset, content, kind, FILES, text, unless_pinned=True)
        await self._ledger.record_ruleset(work)

    async def _active_files(self) -> RuleFiles | None:
        active = self._ledger.controls.active
        content = await self._ledger.fetch_ruleset(active.id) if active is not None else None
        return unpack(active.id, content).files if active is not None and content is not None else None


def _tell(before: Controls, after: Controls, mode: str) -> None:
    """What has changed, in the log."""
    if (before.brake is None) is not (after.brake is None):
        log.warning("brake", extra={"fields": {"mode": mode if after.brake is None else "observe"}})
    for rule in sorted(before.brakes.keys() ^ after.brakes.keys()):
        state = "pulled" if rule in after.brakes else "released"
        log.warning("brake of a rule", extra={"fields": {"rule": rule, "state": state}})
    if before.stages != after.stages:
        stages = {rule or "*": stage.action for rule, stage in after.stages.items()}
        log.info("roll-out", extra={"fields": {"stages": stages}})
