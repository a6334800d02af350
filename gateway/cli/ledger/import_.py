"""``careerrelay registrations import``: a partner's list into the ledger."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.ledger.desk import (
    chosen_partner,
    content_of,
    open_config,
    operator_of,
    operator_option,
    partner_option,
)
from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json, printable

if TYPE_CHECKING:
    from gateway.ledger.intake import Reported
    from gateway.ledger.listing import Line
    from gateway.store.registrations import Taken

#: So many registrations of one person in one list are hardly meant.
_CROWD = 10
#: Bad lines that are told one by one; the rest as a number.
_SHOWN = 100


@click.command("import")
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@partner_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--strict", is_flag=True, help="Take in all of the file or nothing of it.")
@operator_option
@json_option
def import_(
    *,
    config_path: Path,
    file: Path,
    partner: str | None,
    dry_run: bool,
    strict: bool,
    operator: str | None,
    as_json: bool,
) -> None:
    """Take in a partner's list of registrations.

    CSV in UTF-8 or CP932 with a header, or JSON Lines. The fields are

    \b
    id             the partner's number of the registration
    registered_at  2026-12-01T09:00:00+09:00; without a zone Japanese time
    token          as in the link
    email          or email_hash (see docs/credit.md)
    person_id      the partner's number of the person

    The last three may be missing, but not all of them. Other header names are set with [partner] columns.
    What was taken in before changes nothing. Lines that can't be taken are told with their number and the
    reason; the others go in all the same, unless --strict is given. Exit 1 if there were such lines.

    With --dry-run or --strict the whole list is one step in the ledger, and mail that comes meanwhile goes by
    the fault policy (without links): some seconds for ten thousand lines.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.ledger.intake import Unreadable

    config, store = open_config(config_path)
    with store:
        chosen = chosen_partner(store, partner)
        columns = next(one.columns for one in config.partner if one.id == chosen)
        content = content_of(file)
        try:
            reports, bad = _read(content, columns)
        except Unreadable as error:
            raise click.ClickException(f"{file}: {error}") from None
        if strict and bad:
            _tell_bad(file, bad)
            raise click.ClickException(f"{file}: {len(bad)} bad lines, nothing was taken in (--strict)")
        numbers = [number for number, _ in reports]
        with click.progressbar(length=len(reports), label="importing", file=sys.stderr) as bar:
            done = 0

            def progress(count: int) -> None:
                nonlocal done
                bar.update(count - done)
                done = count

            taken = store.receive_registrations(
                chosen,
                [report for _, report in reports],
                source="import",
                progress=progress,
                dry_run=dry_run,
                whole=strict,
                operator=operator_of(operator),
            )
    recorded = "" if dry_run or strict else "; recorded as a conflict"
    bad += [
        (number, f"the id is taken by a registration with other content{recorded}")
        for number, answer in zip(numbers, taken, strict=True)
        if answer.result == "conflict"
    ]
    _tell_crowd(file, [report.person_id for _, report in reports])
    undone = strict and any(answer.result == "conflict" for answer in taken)
    _tell(file, taken, sorted(bad), dry_run=dry_run, undone=undone, as_json=as_json)
    raise SystemExit(1 if bad else 0)


def _read(
    content: bytes, columns: dict[str, str]
) -> "tuple[list[tuple[int, Reported]], list[tuple[int, str]]]":
    """The reports and the bad lines, each with its number."""
    from gateway.ledger.listing import read_list

    reports: list[tuple[int, Reported]] = []
    bad: list[tuple[int, str]] = []
    for line in read_list(content, columns=columns):
        found = _report(line)
        if isinstance(found, str):
            bad.append((line.number, found))
        else:
            reports.append((line.number, found))
    return reports, bad


def _report(line: "Line") -> "Reported | str":
    from gateway.ledger.intake import Unreadable, read_reported
    from gateway.ledger.months import JST

    if line.fault:
        return line.fault
    try:
        return read_reported(line.values, zone=JST)
    except Unreadable as error:
        return str(error)


def _tell_bad(file: Path, bad: list[tuple[int, str]]) -> None:
    for number, reason in bad[:_SHOWN]:
        click.echo(f"{file}:{number}: {reason}", err=True)
    if len(bad) > _SHOWN:
        click.echo(f"{file}: and {len(bad) - _SHOWN} more bad lines", err=True)


def _tell_crowd(file: Path, person_ids: list[str]) -> None:
    """A number that many lines have is hardly a person's; by it, all of them count once."""
    number, count = next(iter(Counter(filter(None, person_ids)).most_common(1)), ("", 0))
    if count >= _CROWD:
        told = f'{count} lines have the person_id "{printable(number)}": they count as one person'
        click.echo(f"{file}: {told}; leave it out where it isn't known", err=True)


def _tell(
    file: Path,
    taken: "list[Taken]",
    bad: list[tuple[int, str]],
    *,
    dry_run: bool,
    undone: bool,
    as_json: bool,
) -> None:
    results = Counter(answer.result for answer in taken)
    states = Counter(answer.state for answer in taken if answer.result == "new")
    _tell_bad(file, bad)
    if as_json:
        answer = {
            "dry_run": dry_run,
            "taken_in": not (dry_run or undone),
            "new": results["new"],
            "known": results["known"],
            "conflicts": results["conflict"],
            "bad": [{"line": number, "reason": reason} for number, reason in bad],
            "states": dict(sorted(states.items())),
        }
        print_json(answer)
        return
    would = "would be " if dry_run else ""
    click.echo(
        f"{results['new']} {would}new, {results['known']} known already, "
        f"{results['conflict']} conflicts, {len(bad)} bad lines"
    )
    for state, count in sorted(states.items()):
        click.echo(f"  {state:<14} {count}")
    if undone:
        click.echo("nothing was taken in (--strict)")
