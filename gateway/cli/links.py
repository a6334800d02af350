"""``careerrelay links``: links for mail that never passes the gateway."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.ledger.desk import content_of, keys_of
from gateway.cli.options import config_option, json_option, operator, out_option
from gateway.cli.printing import print_json, write_octets

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.ledger.merge import Row, Sheet
    from gateway.store.links import Given

#: Lines that share a transaction: a mail that wants to write waits for so many at most.
_TOGETHER = 200
_SHOWN = 100


@click.group()
def links() -> None:
    """Links for mail that never passes the gateway: that of an ATS in the cloud."""


@links.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--campaign", metavar="NAME", default="default", show_default=True, help="For lines that name none."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=HEADER",
    help="The file's header for email, external_id or campaign; beside link.issue_columns in the config.",
)
@out_option
@json_option
def issue(
    *,
    config_path: Path,
    file: Path,
    campaign: str,
    columns: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Give a link to each line of a CSV file, for a merge field of the ATS.

    The file (UTF-8 or CP932, with a header; - is standard input) has these columns among others:

    \b
    email         the candidate's address; needed
    external_id   the ATS's number of the application; the same person, campaign and number get the same link
    campaign      as rules name it

    The same file comes back, in its encoding, with token, link, opt_out and reason behind. Who wants no more
    links, had one lately, or is one of your own gets none, nor does a campaign that is none of your several
    companies'; the reason says so. Giving the same file again changes nothing. Exit 1 if there were lines
    that can't be used; the others have their links all the same.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.config import load_config, read_excluded
    from gateway.ledger.intake import Unreadable
    from gateway.ledger.merge import read_sheet, write_sheet
    from gateway.service.links import issuing

    config = load_config(config_path)
    keys = keys_of(config)
    try:
        sheet = read_sheet(content_of(file), columns=_columns(config, columns))
    except Unreadable as error:
        raise click.ClickException(f"{file}: {error}") from None
    give = issuing(config, keys, read_excluded(config))
    given = _given(config, sheet, campaign, give)
    added = [_added(config, one) for one in given]
    if as_json:
        _tell_json(sheet, added)
    else:
        write_octets(write_sheet(sheet, added), out)
    raise SystemExit(_tell(file, sheet, given))


command = links


def _columns(config: "Config", options: Sequence[str]) -> dict[str, str]:
    from gateway.ledger.merge import FIELDS

    found = dict(config.link.issue_columns)
    for option in options:
        name, equals, header = option.partition("=")
        if not equals or name not in FIELDS:
            raise click.UsageError(
                f"--column {option}: write NAME=HEADER with NAME one of {', '.join(FIELDS)}"
            )
        found[name] = header
    return found


def _given(config: "Config", sheet: "Sheet", campaign: str, give) -> "list[Given | Row]":  # type: ignore[no-untyped-def]  # noqa: ANN001 - the store is loaded in here only
    """For each row what was given, or the row itself where it can't be used."""
    from gateway.store.links import LinkDesk, Wanted

    answers: list[Given | Row] = list(sheet.rows)
    good = [(at, row) for at, row in enumerate(sheet.rows) if not row.fault]
    with (
        LinkDesk(config.ledger.url) as desk,
        click.progressbar(length=len(good), label="issuing", file=sys.stderr) as bar,
    ):
        for start in range(0, len(good), _TOGETHER):
            part = good[start : start + _TOGETHER]
            wanted = [
                Wanted(address=row.email, campaign=row.campaign or campaign, reference=row.external_id)
                for _, row in part
            ]
            for (at, _), one in zip(part, give(desk, wanted, operator()), strict=True):
                answers[at] = one
            bar.update(len(part))
    return answers


def _added(config: "Config", one: "Given | Row") -> tuple[str, str, str, str]:
    """The cells that are added to a row."""
    from gateway.ledger.merge import Row
    from gateway.service.links import link_for
    from gateway.token import encode_token

    if isinstance(one, Row):
        return "", "", "", one.fault
    if one.token is None:
        return "", "", "", one.reason
    token = encode_token(one.token)
    return (
        token,
        link_for(config, one.wanted.campaign, token),
        config.link.opt_out_for_token(token),
        "",
    )


def _tell_json(sheet: "Sheet", added: Sequence[Sequence[str]]) -> None:
    from gateway.ledger.merge import ADDED

    records = [
        {"line": row.number, "external_id": row.external_id, **dict(zip(ADDED, more, strict=True))}
        for row, more in zip(sheet.rows, added, strict=True)
    ]
    print_json(records)


def _tell(file: Path, sheet: "Sheet", given: "Sequence[Given | Row]") -> int:
    """What became of the lines, beside the file; gives the exit code."""
    from gateway.ledger.merge import Row

    bad = [row for row in sheet.rows if row.fault]
    for row in bad[:_SHOWN]:
        click.echo(f"{file}: line {row.number}: {row.fault}", err=True)
    if len(bad) > _SHOWN:
        click.echo(f"{file}: {len(bad) - _SHOWN} more such lines", err=True)
    reasons = Counter(one.reason or "link" for one in given if not isinstance(one, Row))
    links_ = reasons.pop("link", 0)
    words = [f"{links_} links", *(f"{number} {reason}" for reason, number in sorted(reasons.items()))]
    click.echo(", ".join([*words, *([f"{len(bad)} bad lines"] if bad else [])]), err=True)
    return 1 if bad else 0
