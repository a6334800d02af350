"""``careerrelay rules compare``: where another set of rules decides otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import json_option, rules_option, some_config_option
from gateway.cli.printing import print_json
from gateway.cli.ticker import Ticker

if TYPE_CHECKING:
    from gateway.cli.judging.measure import Result, Score

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("other", metavar="OTHER_DIR", type=_FOLDER)
@click.argument("labels", metavar="[LABELS.jsonl]", type=_FILE, required=False)
@some_config_option
@rules_option
@json_option
def compare(
    *, other: Path, labels: Path | None, config_path: Path | None, directory: Path | None, as_json: bool
) -> None:
    """Compare the rules in OTHER_DIR with those that hold, on the mails of LABELS.jsonl (see rules eval).

    Without LABELS.jsonl: on the mails that the gateway saw of late, by the ids of the signals that it kept.
    That needs --config, whose ledger has them; changed weights, thresholds and vetoes show, new words do not.

    Names every mail that the two sets decide otherwise, with rule and score in each, and says whether that
    is for the better; then precision and recall of both. What holds is --rules, else what --config names,
    else the shipped rules.

    Exit 0 whether or not they differ, 1 when a file has a mistake or a mail cannot be judged, 2 on wrong
    usage.
    """
    if labels is None:
        _live(other, config_path, directory, as_json=as_json)
        return
    from gateway.cli.judging.judge import make_judge
    from gateway.cli.judging.labels import read_labels
    from gateway.cli.judging.measure import score
    from gateway.cli.judging.run import run

    mails = read_labels(labels)
    judges = [make_judge(config_path, rules=folder)[0] for folder in (directory, other)]
    ticker = Ticker()
    pairs: list[tuple[Result, Result]] = []
    for pair in zip(*(run(judge, mails) for judge in judges), strict=True):
        pairs.append(pair)
        ticker.tick(lambda: f"{len(pairs)} of {len(mails)} mails")
    ticker.end(lambda: f"{len(pairs)} of {len(mails)} mails")
    faults = {f"error: {one.mail.path}: {one.fault}" for pair in pairs for one in pair if one.fault}
    for line in sorted(faults):
        click.echo(line, err=True)
    differ = [pair for pair in pairs if pair[0].verdict.matched != pair[1].verdict.matched]
    scores = (score(pair[0] for pair in pairs), score(pair[1] for pair in pairs))
    if as_json:
        answer: dict[str, Any] = {
            "mails": len(pairs),
            "active": {"ruleset": judges[0].rewriter.policy.ruleset.id, **scores[0].as_json()},
            "other": {"ruleset": judges[1].rewriter.policy.ruleset.id, **scores[1].as_json()},
            "differ": [_json(*pair) for pair in differ],
        }
        print_json(answer)
    else:
        _tell(differ, scores, len(pairs))
    raise SystemExit(1 if faults else 0)


def _live(other: Path, config_path: Path | None, directory: Path | None, *, as_json: bool) -> None:
    """On what was kept of recent mails."""
    from gateway.cli.active import build, running_files
    from gateway.cli.judging.live import compare_live
    from gateway.config import load_config, read_rule_folder
    from gateway.store import LedgerReader

    if config_path is None:
        raise click.UsageError("write LABELS.jsonl, or --config FILE to compare on recent live mails")
    config = load_config(config_path)
    with LedgerReader(config.ledger.url) as reader:
        held = running_files(config, reader) if directory is None else read_rule_folder(directory)
        active = build(config, held, examples=False)
        found = compare_live(
            reader.all_observations(0), active, build(config, read_rule_folder(other), examples=False)
        )
    if as_json:
        print_json(found.as_json())
        return
    for line in found.lines():
        click.echo(line)


def _json(active: "Result", other: "Result") -> dict[str, Any]:
    mail = active.mail
    return {
        "file": mail.name,
        "label": mail.label,
        "language": mail.language,
        "class": mail.kind,
        "better": other.right,
        **{name: _verdict(one) for name, one in (("active", active), ("other", other))},
    }


def _verdict(result: "Result") -> dict[str, Any]:
    told = result.as_json()
    return {key: told[key] for key in ("matched", "rule", "score", "threshold", "reason")}


def _tell(differ: "list[tuple[Result, Result]]", scores: "tuple[Score, Score]", mails: int) -> None:
    """For a person."""
    for active, other in differ:
        sign, colour = ("better", "green") if other.right else ("worse ", "red")
        now, then = ("matched" if one.verdict.matched else "not" for one in (active, other))
        click.secho(f"{sign}  {active.mail.name} ({active.mail.label}): {now} -> {then}", fg=colour)
        for name, one in (("active", active), ("other ", other)):
            verdict = one.verdict
            rule = f"{verdict.rule} {verdict.score:g} of {verdict.threshold:g}" if verdict.rule else "no rule"
            click.echo(f"          {name}: {rule}, {verdict.reason}")
    better = sum(other.right for _, other in differ)
    click.echo(f"{len(differ)} of {mails} mails differ: {better} better, {len(differ) - better} worse")
    for name, got in zip(("active", "other "), scores, strict=True):
        click.echo(
            f"{name}: precision {got.precision:.3f}, recall {got.recall:.3f}, F1 {got.f1:.3f} "
            f"({got.matched - got.found} false, {got.positive - got.found} missed)"
        )
