"""``careerrelay db``: the schema of the ledger's database."""

from pathlib import Path

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json
from gateway.cli.ticker import Ticker


@click.group()
def db() -> None:
    """Look at the ledger's database, and bring it to the schema of this version."""


@db.command()
@config_option
@click.option(
    "--backup",
    "copy",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Copy the ledger there first, if its schema has to change.",
)
@json_option
def upgrade(*, config_path: Path, copy: Path | None, as_json: bool) -> None:
    """Make the database if it isn't there, or bring its schema up to date.

    Done in one step under a lock: a failure leaves everything as it was. The gateway does the same when
    it starts.
    """
    from gateway.config import load_config
    from gateway.store import prepare, state_of
    from gateway.store.backup import back_up
    from gateway.store.schema import REVISION

    ledger = load_config(config_path).ledger
    if copy is not None and state_of(ledger.url) not in {None, REVISION}:
        back_up(ledger.url, copy)
        click.echo(f"{ledger.safe_url}: copied to {copy} as it was", err=as_json)
    done = prepare(ledger.url)
    if as_json:
        print_json({"ledger": ledger.safe_url, "before": done.before, "schema": done.after})
    elif done.before == done.after:
        click.echo(f"{ledger.safe_url}: the schema is {done.after} already")
    else:
        click.echo(f"{ledger.safe_url}: the schema is {done.after} now (it was {done.before or 'empty'})")


@db.command()
@config_option
@json_option
def check(*, config_path: Path, as_json: bool) -> None:
    """Whether the gateway can use the database as it is: schema, key, the file itself, and the books.

    Exit 0 when it can, 1 when it can't or there is none yet; standard error says why.
    """
    from gateway.config import load_config, load_keys
    from gateway.store import KeyMatch, check_key_id, state_of

    config = load_config(config_path)
    url, name = config.ledger.url, config.ledger.safe_url
    revision = state_of(url)
    if revision is None:
        raise click.ClickException(
            f"{name}: there is no ledger yet; `careerrelay db upgrade` makes it, or the first start"
        )
    path = config.gateway.key_file
    match = check_key_id(url, load_keys(path, create=False).id if path.exists() else "")
    if match is KeyMatch.OTHER:
        raise click.ClickException(
            f"{name}: the ledger was begun with another key than {path}; put that key back"
        )
    _check_books(url, name)
    if as_json:
        print_json({"ledger": name, "schema": revision, "ok": True})
    else:
        click.echo(f"{name}: good (schema {revision})")


def _check_books(url: str, name: str) -> None:
    """Whether the file is whole, and the books are what was recorded."""
    from gateway.store.backup import faults_of

    ticker, done = Ticker(), 0

    def progress(count: int) -> None:
        nonlocal done
        done = count
        ticker.tick(lambda: f"{count:,} postings")

    faults = faults_of(url, progress=progress)
    ticker.end(lambda: f"{done:,} postings")
    for fault in faults:
        click.echo(f"{name}: {fault}", err=True)
    if faults:
        raise click.ClickException(
            f"{name}: the books are not what was recorded; compare with a backup and with signed statements"
        )


@db.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def backup(*, config_path: Path, file: Path, as_json: bool) -> None:
    """Copy the ledger to FILE while the gateway runs: SQLite as a database, PostgreSQL as pg_dump's archive.

    Keep the key file (gateway.key_file) with it: without it nobody in the ledger is known again.
    """
    from gateway.config import load_config
    from gateway.store.backup import back_up

    ledger = load_config(config_path).ledger
    ticker = Ticker()
    back_up(ledger.url, file, progress=lambda words: ticker.tick(lambda: f"{words:<40}"))
    ticker.end(lambda: f"{'copied':<40}")
    octets = file.stat().st_size
    if as_json:
        print_json({"ledger": ledger.safe_url, "file": str(file.absolute()), "octets": octets})
    else:
        click.echo(f"{ledger.safe_url}: copied to {file} ({octets:,} octets)")


command = db
