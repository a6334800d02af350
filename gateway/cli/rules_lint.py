"""``careerrelay rules lint``: everything that is wrong with a folder of rules and footers."""

import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.options import json_option
from gateway.cli.printing import print_json
from gateway.config import read_rule_folder
from gateway.errors import ConfigError, Problem


@click.command()
@click.argument(
    "directory", type=click.Path(path_type=Path, file_okay=False), required=False, metavar="[DIR]"
)
@json_option
def lint(*, directory: Path | None, as_json: bool) -> None:
    """Check rules and footers in DIR, and run the examples in them.

    Without DIR: the packs that come with the gateway. Every mistake is told at once: file, key, what is
    wrong, what to write instead. Exit 0 when the folder is good, 1 when it is not.
    """
    from gateway.footer.template import load_footers
    from gateway.ruleset.lint import dear_patterns
    from gateway.ruleset.load import load_rules

    problems: list[Problem] = []
    warnings: list[Problem] = []
    summary = ""
    try:
        files = read_rule_folder(directory)
    except ConfigError as error:
        problems += error.problems
    else:
        warnings += files.warnings
        footers = None
        try:
            footers = load_footers(files.footers)
        except ConfigError as error:
            problems += map(files.located, error.problems)
        try:
            ruleset = load_rules(files.rules, footers=footers, groups=files.groups)
        except ConfigError as error:
            problems += map(files.located, error.problems)
        else:
            warnings += map(files.located, ruleset.warnings)
            problems += map(files.located, dear_patterns(files.rules, time.process_time))
            summary = f"{files.folder}: good (rules: {len(ruleset.rules)}, rule set {ruleset.id})"
    if as_json:
        answer = {
            "ok": not problems,
            "problems": [asdict(one) for one in problems],
            "warnings": [asdict(one) for one in warnings],
        }
        print_json(answer)
    else:
        for one in warnings:
            click.echo(f"warning: {one}", err=True)
        for one in problems:
            click.echo(f"error: {one}", err=True)
        click.echo(summary if not problems else f"problems: {len(problems)}")
    raise SystemExit(1 if problems else 0)
