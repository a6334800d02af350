"""``careerrelay rules history`` and ``rules rollback``: the rule sets that were active, and the way back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option, last_option, operator
from gateway.cli.printing import local, print_json

if TYPE_CHECKING:
    from gateway.ledger.controls import Event

_HOW = {
    "ruleset-start": "start",
    "ruleset-auto": "auto",
    "ruleset-apply": "apply",
    "ruleset-rollback": "rollback",
}


@click.command()
@config_option
@last_option
@click.option("--difference", "full", is_flag=True, help="Show what changed, line by line.")
@json_option
def history(*, config_path: Path, last: int, full: bool, as_json: bool) -> None:
    """The rule sets that were active, newest first: when, by whom, what changed.

    A set is its rules, footers and lists, kept whole in the ledger. How it became the active one:

    \b
    start      found when the gateway first started
    auto       saved in the folder of rules
    apply      `rules apply`
    rollback   `rules rollback`: it is pinned, and saved changes wait, until the next `rules apply`
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.config import load_config
    from gateway.store import LedgerReader

    with LedgerReader(load_config(config_path).ledger.url) as reader:
        events = reader.rulesets(last)
    if as_json:
        print_json([_json(one, index == 0) for index, one in enumerate(events)])
        return
    if not events:
        click.echo("no rule set was recorded yet: the gateway does so when it starts")
    for index, one in enumerate(events):
        summary, _, difference = one.detail.partition("\n")
        mark = "*" if index == 0 else " "
        pinned = " (pinned)" if index == 0 and one.kind == "ruleset-rollback" else ""
        how = _HOW.get(one.kind, one.kind)
        click.echo(
            f"{mark} {one.subject}  {local(one.at)}  {how}{pinned}  {one.operator} on {one.node}: {summary}"
        )
        if full and difference:
            click.echo(difference)


def _json(one: "Event", active: bool) -> dict[str, Any]:  # noqa: FBT001 - a field of the answer
    from gateway.store.flat import iso

    summary, _, difference = one.detail.partition("\n")
    return {
        "id": one.subject,
        "at": iso(one.at),
        "kind": _HOW.get(one.kind, one.kind),
        "operator": one.operator,
        "node": one.node,
        "active": active,
        "pinned": active and one.kind == "ruleset-rollback",
        "summary": summary,
        "difference": difference,
    }


@click.command()
@click.argument("ruleset", metavar="[ID]", required=False, default="")
@config_option
@json_option
def rollback(*, ruleset: str, config_path: Path, as_json: bool) -> None:
    """Go back to the rule set ID (see `rules history`), or without one to the last other one.

    It is pinned: whatever is saved in the folder of rules, it stays the active one until `rules apply`. All
    workers and nodes follow within two seconds. Your name is recorded.

    Exit 1 when there is no such set, or the config of now can't be used with it.
    """
    from gateway.cli.active import active_files, build, snapshot_files, with_store
    from gateway.config import load_config
    from gateway.service.snapshot import difference, summary
    from gateway.store import LedgerReader

    config = load_config(config_path)
    with LedgerReader(config.ledger.url) as reader:
        active = reader.controls().active
        known = [event.subject for event in reader.rulesets(10_000)]
        if not ruleset:
            ruleset = next((one for one in known if active is not None and one != active.id), "")
        else:
            ruleset = next((one for one in known if one.startswith(ruleset)), ruleset)
        if not ruleset:
            raise click.ClickException("there is no other rule set to go back to (see `rules history`)")
        files = snapshot_files(reader, ruleset)
        old = active_files(reader)
    build(config, files, examples=False)
    text = f"{summary(old, files)}\n{difference(old, files)}"
    with_store(config, lambda store: store.restore_ruleset(ruleset, operator=operator(), difference=text))
    before = active.id if active is not None else None
    if as_json:
        answer = {"id": ruleset, "before": before, "pinned": True, "summary": summary(old, files)}
        print_json(answer)
        return
    click.echo(
        f"{ruleset} is the active rule set now, in place of {before or 'none'} ({summary(old, files)})"
    )
    click.echo("It is pinned: saved changes wait until `careerrelay rules apply`.")
