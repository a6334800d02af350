"""``careerrelay rules apply``: look at what a change of rules does, then make it the active set."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option, operator
from gateway.cli.printing import print_json
from gateway.config import Config, RuleFiles
from gateway.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.cli.judging.live import Live
    from gateway.ruleset.ruleset import Ruleset

_SHOWN = 200


@dataclass(slots=True, kw_only=True)
class _Change:
    """What is about to happen."""

    files: RuleFiles
    ruleset: "Ruleset | None" = None
    before: str | None = None
    difference: str = ""
    summary: str = ""
    same: bool = False
    #: What keeps it from being applied for good, and what only --force passes over.
    wrong: list[Problem] = field(default_factory=list)
    risky: list[Problem] = field(default_factory=list)
    labels: dict[str, Any] | None = None
    live: "Live | None" = None


@click.command()
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=False,
)
@config_option
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="LABELS.jsonl",
    help="Compare both sets on labelled mails too (see `rules eval`).",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--force", is_flag=True, help="Apply even what a reload refuses: failed examples, most rules gone."
)
@json_option
def apply(
    *, directory: Path | None, config_path: Path, labels: Path | None, yes: bool, force: bool, as_json: bool
) -> None:
    """Make the rules in DIR (without it: those of the config) the active set, after a look at what changes.

    Lints them, runs their examples, compares them with the active set on the mails that the gateway saw of
    late (and on LABELS.jsonl, if given), shows the difference, and asks. All workers and nodes follow within
    two seconds; a set that was pinned by `rules rollback` is free again. Your name is recorded. With --json
    nothing is asked: without --yes it only tells what would happen.

    Exit 0 when it was applied, or is the active set already; 1 when it has mistakes or you said no.
    """
    from gateway.cli.active import with_store
    from gateway.config import load_config, read_rule_folder
    from gateway.ledger.controls import APPLIED
    from gateway.service.snapshot import pack
    from gateway.store.chores import RecordRuleset

    config = load_config(config_path)
    change = _Change(files=read_rule_folder(directory or config.rules.directory))
    _examine(config, change, labels, config_path)
    refused = bool(change.wrong) or (bool(change.risky) and not force)
    if not as_json:
        _tell(change, force=force)
    applied = False
    ruleset, content = pack(change.files)
    if not refused and not change.same:
        if not (yes or as_json) and not click.confirm("Apply it?", err=True):
            raise SystemExit(1)
        if yes or not as_json:
            text = f"{change.summary}\n{change.difference}"
            work = RecordRuleset(ruleset, content, APPLIED, operator(), text)
            applied = bool(with_store(config, lambda store: store.record_ruleset(work)))
    if as_json:
        answer = {
            "applied": applied,
            "id": ruleset,
            "before": change.before,
            "problems": [asdict(one) for one in (*change.wrong, *change.risky)],
            "warnings": [asdict(one) for one in change.files.warnings],
            "summary": change.summary,
            "difference": change.difference,
            "labels": change.labels,
            "live": change.live.as_json() if change.live is not None else None,
        }
        print_json(answer)
    elif applied:
        click.echo(f"{ruleset} is the active rule set now")
    raise SystemExit(1 if refused else 0)


def _examine(config: Config, change: _Change, labels: Path | None, config_path: Path) -> None:
    from gateway.cli.active import active_files, build
    from gateway.cli.judging.live import compare_live
    from gateway.service.reload import losses
    from gateway.service.snapshot import difference, id_of, summary
    from gateway.store import LedgerReader

    files = change.files
    try:
        change.ruleset = build(config, files, examples=True)
    except ConfigError as error:
        try:
            change.ruleset = build(config, files, examples=False)
            change.risky += error.problems
        except ConfigError:
            change.wrong += error.problems
    with LedgerReader(config.ledger.url) as reader:
        active = reader.controls().active
        old = active_files(reader)
        change.before = active.id if active is not None else None
        change.same = active is not None and active.id == id_of(files) and not active.pinned
        change.difference, change.summary = difference(old, files), summary(old, files)
        if change.ruleset is None or old is None:
            return
        try:
            before = build(config, old, examples=False)
        except ConfigError:  # the config has moved on; there is nothing to compare with
            return
        change.risky += losses(before, change.ruleset, files.folder)
        change.live = compare_live(reader.all_observations(0), before, change.ruleset)
    if labels is not None:
        change.labels = _on_labels(labels, config_path, before, change.ruleset)


def _on_labels(labels: Path, config_path: Path, active: "Ruleset", other: "Ruleset") -> dict[str, Any]:
    from dataclasses import replace

    from gateway.cli.judging.judge import Judge, make_judge
    from gateway.cli.judging.labels import read_labels
    from gateway.cli.judging.measure import score
    from gateway.cli.judging.run import run

    mails = read_labels(labels)
    base, _ = make_judge(config_path)
    results = []
    for ruleset in (active, other):
        policy = replace(base.rewriter.policy, ruleset=ruleset)
        judge = Judge(rewriter=replace(base.rewriter, policy=policy))
        results.append(list(run(judge, mails)))
    differ = [
        {"file": one.mail.name, "label": one.mail.label, "matched": two.verdict.matched}
        for one, two in zip(*results, strict=True)
        if one.verdict.matched != two.verdict.matched
    ]
    return {
        "active": score(results[0]).as_json(),
        "other": score(results[1]).as_json(),
        "differ": differ,
    }


def _tell(change: _Change, *, force: bool) -> None:
    for warning in change.files.warnings:
        click.echo(f"warning: {warning}", err=True)
    for problem in change.wrong:
        click.echo(f"error: {problem}", err=True)
    for problem in change.risky:
        click.echo(f"{'warning' if force else 'error'}: {problem}", err=True)
    if change.wrong:
        click.echo("nothing was applied: mend this first")
        return
    if change.same:
        click.echo("this is the active rule set already")
        return
    lines = change.difference.splitlines()
    for line in lines[:_SHOWN]:
        click.echo(line)
    if len(lines) > _SHOWN:
        click.echo(f"... {len(lines) - _SHOWN} more lines")
    click.echo(f"\n{change.before or 'no set yet'} -> {change.summary}")
    if change.live is not None:
        for line in change.live.lines():
            click.echo(line)
    if change.labels is not None:
        for name in ("active", "other"):
            got = change.labels[name]
            click.echo(
                f"{name}: precision {got['precision']:.3f}, recall {got['recall']:.3f} on the labelled mails"
            )
        for one in change.labels["differ"]:
            click.echo(
                f"  {one['file']} ({one['label']}): {'matched now' if one['matched'] else 'not any more'}"
            )
    if change.risky and not force:
        click.echo("nothing was applied: mend this, or if it is meant, --force")
