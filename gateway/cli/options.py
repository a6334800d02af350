"""Options that several commands share, so that they read the same everywhere."""

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
