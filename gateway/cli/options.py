"""Options that several commands share, so that they read the same everywhere."""

import getpass
import os
from pathlib import Path

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
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user that the machine has no name for
        name = "?"
    return f"{name} (uid {os.getuid()})"
