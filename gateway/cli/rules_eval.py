"""``careerrelay rules eval``: precision and recall on labelled mails."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import json_option, some_config_option
from gateway.cli.printing import print_json
from gateway.cli.ticker import Ticker

if TYPE_CHECKING:
    from gateway.cli.judging.measure import Result, Score

_WIDEST = 40
_FLOOR = click.FloatRange(0, 1)


@click.command("eval")
@click.argument(
    "labels", metavar="LABELS.jsonl", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.argument(
    "directory",
    metavar="[DIR]",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=False,
)
@some_config_option
@click.option("--min-precision", type=_FLOOR, metavar="P", help="Exit 1 when precision is below (0 to 1).")
@click.option("--min-recall", type=_FLOOR, metavar="R", help="Exit 1 when recall is below (0 to 1).")
@json_option
def evaluate(
    *,
    labels: Path,
    directory: Path | None,
    config_path: Path | None,
    min_precision: float | None,
    min_recall: float | None,
    as_json: bool,
) -> None:
    """Measure the rules on labelled mails: precision, recall and F1, overall, by language and by class.

    LABELS.jsonl has one line a mail: file (relative to the label file), label (pos or neg), and if you like
    language, class, mail_from and rcpt_to (one address, or a list; else the mail's header says them). DIR is
    a folder of rules to measure; without it: those of --config, or the shipped ones.

    What counts is whether the rules match. A signed rejection that the gateway would leave alone counts as
    found. Every wrong one is named. Without a config each sender's domain is the company's and in [rules]
    senders; all other conditions of a rule's scope hold.

    Exit 0; 1 when precision or recall is below the floor that you gave, or a file has a mistake; 2 on wrong
    usage.
    """
    from gateway.cli.judging.judge import make_judge
    from gateway.cli.judging.labels import read_labels
    from gateway.cli.judging.measure import by_class, by_language, score
    from gateway.cli.judging.run import run

    mails = read_labels(labels)
    judge, _ = make_judge(config_path, rules=directory)
    results: list[Result] = []
    ticker = Ticker()
    for result in run(judge, mails):
        results.append(result)
        ticker.tick(lambda: f"{len(results)} of {len(mails)} mails")
    ticker.end(lambda: f"{len(results)} of {len(mails)} mails")
    overall, languages, classes = score(results), by_language(results), by_class(results)
    wrong = [one for one in results if not one.right]
    for one in results:
        if one.fault:
            click.echo(f"error: {one.mail.path}: {one.fault}", err=True)
    if as_json:
        answer = {
            **overall.as_json(),
            "ruleset": judge.rewriter.policy.ruleset.id,
            "languages": {name: group.as_json() for name, group in languages.items()},
            "classes": {name: group.as_json() for name, group in classes.items()},
            "wrong": [one.as_json() for one in wrong],
        }
        print_json(answer)
    else:
        _tell(overall, languages, classes, wrong)
    below = [
        f"{name} {value:.3f} is below {floor:g}"
        for name, value, floor in (
            ("precision", overall.precision, min_precision),
            ("recall", overall.recall, min_recall),
        )
        if floor is not None and value < floor
    ]
    for line in below:
        click.echo(line, err=True)
    raise SystemExit(1 if below or any(one.fault for one in results) else 0)


def _tell(
    overall: "Score", languages: Mapping[str, "Score"], classes: Mapping[str, "Score"], wrong: "list[Result]"
) -> None:
    """For a person."""
    from gateway.cli.judging.measure import wilson

    rows = [("all", overall), *((name or "-", group) for name, group in languages.items())]
    rows += [(f"  {name or '-'}", group) for name, group in classes.items()]
    width = min(_WIDEST, max(len(name) for name, _ in rows))
    click.echo(f"{'':{width}}   mails   pos  found  false  precision  recall     F1")
    for name, group in rows:
        precision = f"{group.precision:9.3f}" if group.matched else "        -"
        recall = f"{group.recall:6.3f}" if group.positive else "     -"
        f1 = f"{group.f1:5.3f}" if group.matched or group.positive else "    -"
        click.echo(
            f"{name[:width]:{width}}  {group.mails:6}{group.positive:6}{group.found:7}"
            f"{group.matched - group.found:7}  {precision}  {recall}  {f1}"
        )
    click.echo("")
    for name, hits, of in (
        ("precision", overall.found, overall.matched),
        ("recall", overall.found, overall.positive),
    ):
        interval = wilson(hits, of)
        if interval is not None:
            click.echo(f"{name}: {hits / of:.3f}, between {interval[0]:.3f} and {interval[1]:.3f} (95 %)")
    click.echo(f"\nWrong: {len(wrong)} of {overall.mails}")
    for one in wrong:
        what = "missed" if one.mail.positive else "false "
        verdict = one.verdict
        rule = f"{verdict.rule} {verdict.score:g} of {verdict.threshold:g}, " if verdict.rule else ""
        click.echo(f"  {what}  {one.mail.name}  ({rule}{verdict.reason})")
