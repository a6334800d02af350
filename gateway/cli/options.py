"""Options that several commands share, so that they read the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEFAULT_CONFIG = Path("/etc/careerrelay/config.toml")

config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    envvar="CAREERRELAY_CONFIG",
    show_default=True,
    show_envvar=True,
    metavar="FILE",
    help="The config file.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")

last_option = click.option(
    "--last", type=click.IntRange(1, 1_000_000), default=20, show_default=True, metavar="N", help="How many."
)

out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file (readable by you alone) in place of standard output.",
)

excel_option = click.option(
    "--excel", is_flag=True, help="CSV that Excel opens as it is: with a byte order mark."
)


def export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--format as `kind`, --out and --excel: what `gateway.cli.printing.write_records` takes."""
    form = click.option(
        "--format", "kind", type=click.Choice(["csv", "jsonl"]), required=True, help="CSV, or JSON Lines."
    )
    return form(out_option(excel_option(command)))


sender_option = click.option(
    "--from", "sender", metavar="A", help="The reverse-path; <> for the null one. Default: From:."
)

recipients_option = click.option(
    "--to",
    "recipients",
    multiple=True,
    metavar="B",
    help="A recipient; can be given several times. Default: To:, Cc: and Bcc:.",
)

some_config_option = click.option(
    "--config",
    "-c",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="CAREERRELAY_CONFIG",
    show_envvar=True,
    metavar="FILE",
    help="The config. Without one: the shipped rules, and each sender's domain is the company's and in "
    "[rules] senders.",
)

rules_option = click.option(
    "--rules",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A folder of rules in place of the config's, or of the shipped ones.",
)


def operator() -> str:
    """Who runs the command, as it is recorded."""
    from gateway.cli.logins import Login  # what only shows something needs no name

    return str(Login.own())
