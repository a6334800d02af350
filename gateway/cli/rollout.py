"""``careerrelay rollout``: a rule from observing to a share of people to everybody, and back at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option, operator
from gateway.cli.printing import print_json
from gateway.config import Config
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.ledger.controls import Action, Controls
    from gateway.ruleset.ruleset import Ruleset
    from gateway.store.observations import Reviewed

_NEXT: "dict[Action, Action]" = {"observe": "partial", "partial": "inject"}


@click.group()
def rollout() -> None:
    """How far each rule has come: it observes, adds links for a share of people, then for everybody.

    A rule goes one step further only after people have looked at enough of what it would have done, and found
    nothing wrong (`careerrelay review`). See docs/rollout.md.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """One rule, and what it lacks for the next step. `stage` is what it may do now."""

    rule: str
    written: "Action"
    ceiling: "Action"
    stage: "Action"
    set_by: str
    brake: str
    share: float
    reviewed: int
    wrong: int
    days: float
    lacks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "stage": self.stage,
            "written": self.written,
            "config": self.ceiling,
            "set_by": self.set_by or None,
            "brake": self.brake or None,
            "share": self.share,
            "reviewed": self.reviewed,
            "wrong": self.wrong,
            "days": round(self.days, 2),
            "next": _NEXT.get(self.stage),
            "lacks": list(self.lacks),
        }


@rollout.command()
@config_option
@json_option
def status(*, config_path: Path, as_json: bool) -> None:
    """What each rule may do now, what holds it back, and what it lacks for the next step."""
    from gateway.config import load_config

    config = load_config(config_path)
    standings, controls = _standings(config)
    if as_json:
        active, brake = controls.active, controls.brake
        answer = {
            "ruleset": active.id if active is not None else None,
            "pinned": active is not None and active.pinned,
            "brake": brake.why if brake is not None else None,
            "mode": config.gateway.mode,
            "rules": [one.as_json() for one in standings.values()],
        }
        print_json(answer)
        return
    if controls.active is not None:
        pinned = " (pinned: saved changes wait until `rules apply`)" if controls.active.pinned else ""
        click.echo(f"rule set {controls.active.id}{pinned}")
    if config.gateway.mode != "inject":
        click.echo(f"the gateway's mode is {config.gateway.mode}: no rule adds anything")
    if controls.brake is not None:
        click.echo(f"the brake of the gateway is on: {controls.brake.why}")
    for one in standings.values():
        share = f" for {one.share:.0%} of people" if one.stage == "partial" and one.share < 1 else ""
        click.echo(f"{one.rule}: {one.stage}{share}")
        if one.brake:
            click.echo(f"    brake: {one.brake}; `careerrelay rules resume {one.rule}` ends it")
        if one.set_by:
            click.echo(f"    set by {one.set_by}")
        click.echo(f"    reviewed {one.reviewed} mails over {one.days:.1f} days, {one.wrong} wrong")
        if one.stage in _NEXT:
            lacks = "; ".join(one.lacks) or "nothing: `careerrelay rollout advance`"
            click.echo(f"    lacks for {_NEXT[one.stage]}: {lacks}")


@rollout.command()
@click.argument("rule")
@config_option
@click.option("--force", is_flag=True, help="Without enough reviews; your name is recorded.")
@json_option
def advance(*, rule: str, config_path: Path, force: bool, as_json: bool) -> None:
    """Let RULE go one step further: observe, partial, inject.

    It needs `[rules.rollout] reviewed` mails of that rule that people have looked at, over `days` days since
    its last step, and none of them wrong. All workers and nodes follow within two seconds.

    Exit 1 when it lacks something.
    """
    from gateway.cli.active import with_store
    from gateway.config import load_config

    config = load_config(config_path)
    standings, _ = _standings(config)
    one = standings.get(rule)
    if one is None:
        raise click.ClickException(f"there is no rule {rule}: write one of {', '.join(sorted(standings))}")
    if one.stage not in _NEXT:
        raise click.ClickException(f"{rule} can go no further: it is at {one.stage}")
    after = _NEXT[one.stage]
    lacks = tuple(what for what in one.lacks if not (force and what.startswith("reviews:")))
    if not lacks:
        lacks = _unfit(config, rule, after)
    if not lacks:
        with_store(config, lambda store: store.set_stage(after, rule=rule, operator=operator()))
    if as_json:
        answer = {"rule": rule, "from": one.stage, "to": one.stage if lacks else after, "lacks": lacks}
        print_json(answer)
    elif lacks:
        click.echo(f"{rule} stays at {one.stage}: {'; '.join(lacks)}")
    else:
        click.echo(f"{rule}: {one.stage} -> {after}")
    raise SystemExit(1 if lacks else 0)


@rollout.command()
@click.argument("rule", required=False, default="")
@config_option
@json_option
def stop(*, rule: str, config_path: Path, as_json: bool) -> None:
    """Put RULE, or without one every rule, back to observing: at once, in all workers and nodes.

    `rollout advance` brings it forward again, step by step.
    """
    from gateway.cli.active import with_store
    from gateway.config import load_config

    config = load_config(config_path)
    with_store(config, lambda store: store.set_stage("observe", rule=rule, operator=operator()))
    if as_json:
        print_json({"stopped": rule or None})
    else:
        click.echo(f"{rule or 'every rule'} only observes now")


def _standings(config: Config) -> "tuple[dict[str, _Standing], Controls]":
    from gateway.cli.active import build, running_files
    from gateway.service.steering import ceiling_of
    from gateway.store import LedgerReader

    with LedgerReader(config.ledger.url) as reader:
        controls = reader.controls()
        ruleset: Ruleset = build(config, running_files(config, reader), examples=False)
        standings: dict[str, _Standing] = {}
        for rule in ruleset.rules:
            stage = controls.stage_of(rule.id)
            said = reader.reviewed(stage.at if stage is not None else 0).get(rule.id)
            ceiling = ceiling_of(rule.id, rule.pack, config.rules.mode)
            now = controls.action(rule.id, rule.action, ceiling=ceiling)
            named = rule.share < 1 or rule.partial_senders
            brake = controls.brakes.get(rule.id)
            standings[rule.id] = _Standing(
                rule=rule.id,
                written=rule.action,
                ceiling=ceiling,
                stage=now,
                set_by=stage.operator if stage is not None else "",
                brake=brake.why if brake is not None else "",
                share=rule.share if named else config.rules.rollout.share,
                reviewed=said.mails if said is not None else 0,
                wrong=said.wrong if said is not None else 0,
                days=said.days if said is not None else 0.0,
                lacks=tuple(_lacks(config, now, ceiling, said, braked=brake is not None)),
            )
    return standings, controls


def _lacks(
    config: Config, now: "Action", ceiling: "Action", said: "Reviewed | None", *, braked: bool
) -> "list[str]":
    """What keeps a rule from its next step. Those that --force passes over begin with ``reviews:``."""
    wanted = config.rules.rollout
    after = _NEXT.get(now)
    if after is None:
        return []
    lacks = []
    order = ("off", "observe", "partial", "inject")
    if order.index(ceiling) < order.index(after):
        lacks.append(f'[rules.mode] in the config says "{ceiling}": write "{after}" there, or take it out')
    if braked:
        lacks.append("its brake is on: `careerrelay rules resume`")
    mails, days, wrong = (said.mails, said.days, said.wrong) if said is not None else (0, 0.0, 0)
    if wrong:
        lacks.append(f"reviews: {wrong} mails were judged wrong since its last step: mend the rule first")
    if mails < wanted.reviewed:
        lacks.append(f"reviews: {mails} of {wanted.reviewed} mails (`careerrelay review`)")
    if days < wanted.days:
        lacks.append(f"reviews: they are from {days:.1f} of {wanted.days} days")
    return lacks


def _unfit(config: Config, rule: str, after: "Action") -> "tuple[str, ...]":
    """Why the rule may not change mail at all: it says of nobody whose mail that is, say."""
    from gateway.cli.active import build, running_files
    from gateway.store import LedgerReader

    with LedgerReader(config.ledger.url) as reader:
        files = running_files(config, reader)
    try:
        build(config, files, examples=False, modes={**config.rules.mode, rule: after})
    except ConfigError as error:
        return tuple(str(problem) for problem in error.problems)
    return ()
