"""``careerrelay export``: any table of the ledger."""

from pathlib import Path

import click

from gateway.cli.ledger.desk import open_config
from gateway.cli.options import config_option, export_options
from gateway.cli.printing import write_records

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
@click.argument("name", type=click.Choice(KINDS))
@export_options
def export(*, config_path: Path, name: str, kind: str, out: Path | None, excel: bool) -> None:
    """A table of the ledger as it is, with times in UTC (ISO 8601).

    Sends and registrations have exports of their own (`sends export`, `registrations export`).
    """
    from gateway.store.tables import TABLES, fields_of, records_of

    _, store = open_config(config_path)
    table = TABLES[name]
    with store, store.reading() as connection:
        records = records_of(connection, table)
        write_records(fields_of(table), records, kind=kind, out=out, excel=excel)
