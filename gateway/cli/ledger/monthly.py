"""``careerrelay circle | statement``: figures over a month."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.ledger.desk import chosen_company, company_option, open_config
from gateway.cli.options import config_option, excel_option, json_option, out_option
from gateway.cli.printing import print_json, write_lines

if TYPE_CHECKING:
    from gateway.store.figures import Span

_month_option = click.option("--month", metavar="YYYY-MM", help="A month in Japanese time.")

_WORDS = {
    "rejections_seen": "rejections seen",
    "links": "links sent",
    "links_delivered": "links taken by the next hop",
    "clicks": "visits, of all kinds",
    "human_clicks": "people who followed their link",
    "registrations": "registrations",
    "counted": "counted as referrals",
    "slots_granted": "slots earned",
    "slots_used": "slots used",
    "placements_elsewhere": "placements elsewhere",
    "circle": "採用循環数 (placements elsewhere + slots used)",
    "opt_outs": "asked for no more links (all companies)",
    "complaints": "complaints that were noted",
}


def _span(month: str | None) -> "Span":
    from gateway.ledger.months import month_bounds
    from gateway.store.figures import EVER

    if month is None:
        return EVER
    try:
        return month_bounds(month)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command()
@config_option
@click.option("--company", metavar="ID", help="Only this company's; default: all.")
@_month_option
@json_option
def circle(*, config_path: Path, company: str | None, month: str | None, as_json: bool) -> None:
    """From rejections to hires: links, visits, registrations, referrals, slots, and 採用循環数.

    採用循環数 is the placements elsewhere that partners report, and the slots used. What was saved in fees is
    an estimate: slots used times `credit.fee_per_hire`.
    """
    from gateway.store import figures

    span = _span(month)
    config, store = open_config(config_path)
    with store:
        store.rematch()
        companies = [chosen_company(store, company)] if company else sorted(store.programme.companies)
        with store.reading() as connection:
            found = figures.circle(connection, companies, span)
    fee = config.credit.fee_per_hire
    saved = found.slots_used * fee if fee else None
    if as_json:
        answer = {"month": month, "companies": companies, **asdict(found), "saved_fees_estimate": saved}
        print_json(answer)
        return
    click.echo(month or "since the beginning")
    for name, value in asdict(found).items():
        click.echo(f"  {value:>9,}  {_WORDS[name]}")
    if saved is not None:
        click.echo(f"  {saved:>9,}  saved in fees (an estimate: slots used x {fee:,})")


@click.command()
@config_option
@company_option
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in Japanese time.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "html", "csv", "json"]),
    default="text",
    show_default=True,
    help="How it is written.",
)
@out_option
@excel_option
def statement(
    *, config_path: Path, company: str | None, month: str, kind: str, out: Path | None, excel: bool
) -> None:
    """A month of the books, for company and agency to sign.

    It goes by the moment of recording, so that it never changes once the month is over; what is about earlier
    months is marked as prior period. At its end stands the hash that the books had then.
    """
    from gateway.cli.ledger import paper
    from gateway.store import figures
    from gateway.store.flat import csv_lines

    if excel and kind != "csv":
        raise click.UsageError("--excel goes with --format csv")
    _span(month)
    _, store = open_config(config_path)
    with store:
        whose = chosen_company(store, company)
        store.rematch()
        store.expire_slots()
        # In the lock of credit: what is being recorded now may belong to the month.
        found = store.writing(
            lambda connection, journal: figures.statement(
                connection, store.programme, whose, month, now=journal.now
            )
        )
    if kind == "json":
        lines = iter([json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n"])
    elif kind == "csv":
        lines = csv_lines(paper.CSV_FIELDS, paper.as_csv(found), mark=excel)
    else:
        lines = paper.as_html(found) if kind == "html" else paper.as_text(found)
    write_lines(lines, out)
