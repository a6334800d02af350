"""``careerrelay purge | erase | subject-report | suppress``: people's data."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from gateway.cli.ledger.desk import open_config, operator_of, operator_option
from gateway.cli.options import config_option, json_option
from gateway.cli.printing import local, local_text, print_json, shown

_file_option = click.option(
    "--file", "file", type=click.File("r", encoding="utf-8"), help="A list, one a line; - is standard input."
)
_address_option = click.option(
    "--address",
    required=True,
    metavar="ADDRESS",
    help="The person's mail address; - reads it from standard input.",
)


def _address(text: str) -> str:
    """The address; with ``-`` it stands in no list of processes and no shell's history."""
    found = (sys.stdin.readline() if text == "-" else text).strip()
    if "@" not in found:
        raise click.UsageError("--address is no mail address")
    return found


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@operator_option
@json_option
def purge(*, config_path: Path, dry_run: bool, operator: str | None, as_json: bool) -> None:
    """Delete what is older than [retention] says: sends, clicks, people, tombstones, pushed messages.

    Books and decisions stay; they name nobody. Slots whose life is over expire. For a timer, once a day
    (systemd/careerrelay-purge.timer).
    """
    from gateway.store.retention import Retention

    config, store = open_config(config_path)
    kept = config.retention
    retention = Retention.of_days(
        sends=kept.sends_days,
        clicks=kept.clicks_days,
        outbox=kept.outbox_days,
        dedupe_years=kept.dedupe_years,
    )
    gone: Counter[str] = Counter()
    with store:
        if not dry_run:
            gone["slots expired"] = store.expire_slots()
        for step in store.purge(retention, dry_run=dry_run, operator=operator_of(operator)):
            gone.update(step)
        heads = store.heads()
    if as_json:
        print_json({"dry_run": dry_run, "deleted": dict(gone), "heads": heads})
        return
    would = "would be deleted" if dry_run else "deleted"
    for name, count in sorted(gone.items()):
        click.echo(f"{name:<14} {count:>8} {would if name != 'slots expired' else ''}".rstrip())
    # For the log of the timer: triggers stop no admin of the database, but a chain is told to somebody else.
    for name, (number, digest) in sorted(heads.items()):
        click.echo(f"head of {name}: {number} {digest}")


@click.command()
@config_option
@_address_option
@click.option(
    "--forget",
    is_flag=True,
    help="Leave no tombstone, and forget the wish for no more links: the person may count again.",
)
@operator_option
@json_option
def erase(*, config_path: Path, address: str, forget: bool, operator: str | None, as_json: bool) -> None:
    """Take a person out of the ledger.

    Every hash and address that leads to them goes, and what else is about them; registrations of the same
    person under another address too. Books and decisions stay, and name nobody. Without --forget a tombstone
    stays: a keyed hash that only says that this person has counted.
    """
    from dataclasses import asdict

    from gateway.store import privacy

    _, store = open_config(config_path)
    wanted = _address(address)
    with store:
        found = store.writing(
            lambda connection, journal: privacy.erase(
                connection, journal, store.keys, privacy.hashes_of(store.keys, wanted), forget=forget
            ),
            operator_of(operator),
        )
    if as_json:
        print_json(asdict(found))
    elif not found.hashes and not found.sends and not found.registrations:
        click.echo("the ledger knew nothing of this address")
    else:
        stone = "no tombstone is left" if not found.tombstones else "a tombstone is left"
        what = f"{found.sends} sends, {found.registrations} registrations, {found.clicks} clicks"
        click.echo(f"erased: {what}; {stone}")


@click.command("subject-report")
@config_option
@_address_option
@json_option
def subject_report(*, config_path: Path, address: str, as_json: bool) -> None:
    """Everything that the ledger has about a person, for that person."""
    from gateway.store import privacy

    _, store = open_config(config_path)
    wanted = _address(address)
    with store, store.reading() as connection:
        found = privacy.report(connection, store.keys, privacy.hashes_of(store.keys, wanted))
    if as_json:
        print_json({"address": wanted, **found})
        return
    if not found["known"]:
        click.echo("the ledger knows nothing of this address")
        return
    for title in ("identifiers", "sends", "mails_judged", "registrations", "no_more_links", "erased_before"):
        entries = found[title]
        lines = entries if isinstance(entries, list) else []
        click.echo(f"{title.replace('_', ' ')}: {len(lines) or 'none'}")
        for one in lines:
            click.echo(f"  {local_text(one) if isinstance(one, str) else _line(one)}")


def _line(record: dict[str, object]) -> str:
    parts = []
    for name, value in record.items():
        if value in (None, "", [], False):
            continue
        parts.append(f"{name} {len(value) if isinstance(value, list) else shown(name, value)}")
    return ", ".join(parts)


@click.group()
def suppress() -> None:
    """Who wants no more links. Only a keyed hash is kept."""


@suppress.command()
@config_option
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@_file_option
@click.option("--complaint", is_flag=True, help="They complained: it stands beside the figures of `circle`.")
@operator_option
@json_option
def add(
    *,
    config_path: Path,
    addresses: tuple[str, ...],
    file: Iterable[str] | None,
    complaint: bool,
    operator: str | None,
    as_json: bool,
) -> None:
    """Send these people no more links."""
    wanted = _all(addresses, file)
    _, store = open_config(config_path)
    with store:
        act = store.complain if complaint else store.suppress_all
        new = act([store.keys.address(one) for one in wanted], operator_of(operator))
    if as_json:
        print_json({"new": new, "known": len(wanted) - new})
    else:
        click.echo(f"{new} new, {len(wanted) - new} known already")


@suppress.command("list")
@config_option
@json_option
def list_(*, config_path: Path, as_json: bool) -> None:
    """Since when, and how they said so. Who they are, the ledger doesn't know."""
    _, store = open_config(config_path)
    with store:
        found = store.suppressed()
    if as_json:
        from gateway.store.flat import iso

        print_json([{"hash": h.hex(), "at": iso(at), "source": source} for h, at, source in found])
        return
    for value, at, source in found:
        click.echo(f"{local(at)}  {source:<10} {value.hex()}")
    if not found:
        click.echo("nobody")


@suppress.command()
@config_option
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@_file_option
@operator_option
@json_option
def remove(
    *,
    config_path: Path,
    addresses: tuple[str, ...],
    file: Iterable[str] | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Take that back: these people may get links again."""
    wanted = _all(addresses, file)
    _, store = open_config(config_path)
    with store:
        gone = store.unsuppress([store.keys.address(one) for one in wanted], operator_of(operator))
    if as_json:
        print_json({"removed": gone, "unknown": len(wanted) - gone})
    else:
        click.echo(f"{gone} removed, {len(wanted) - gone} were not there")


def _all(addresses: tuple[str, ...], file: Iterable[str] | None) -> list[str]:
    lines = [line.strip() for line in file] if file is not None else []
    wanted = [*addresses, *(line for line in lines if line and not line.startswith("#"))]
    if not wanted:
        raise click.UsageError("say whom: ADDRESS, or --file")
    for one in wanted:
        if "@" not in one:
            raise click.UsageError(f"{one!r} is no mail address")
    return wanted
