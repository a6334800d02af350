"""``careerrelay export``: any table of the ledger."""

from pathlib import Path

import click

from gateway.cli.ledger.desk import open_config, write_lines
from gateway.cli.options import config_option

#: The keys of gateway.store.tables.TABLES; a test holds the two together.
KINDS = (
    "postings",
    "entries",
    "slots",
    "registration-events",
    "clicks",
    "audit",
    "settings",
    "footers",
    "suppressions",
    "outbox",
)


@click.command()
@config_option
@click.argument("kind", type=click.Choice(KINDS))
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl"]), required=True, help="CSV, or JSON Lines."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write to this file."
)
@click.option("--excel", is_flag=True, help="CSV that Excel opens as it is: with a byte order mark.")
def export(*, config_path: Path, kind: str, form: str, out: Path | None, excel: bool) -> None:
    """A table of the ledger as it is, with times in UTC (ISO 8601).

    Sends and registrations have exports of their own (`sends export`, `registrations export`).
    """
    from gateway.store.flat import csv_lines, json_lines
    from gateway.store.tables import TABLES, fields_of, records_of

    _, store = open_config(config_path)
    table = TABLES[kind]
    with store, store.reading() as connection:
        found = records_of(connection, table)
        lines = csv_lines(fields_of(table), found, mark=excel) if form == "csv" else json_lines(found)
        write_lines(lines, out)
