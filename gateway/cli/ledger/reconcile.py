"""``careerrelay reconcile``: the partner's list against the ledger."""

from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.ledger.desk import chosen_partner, content_of, open_config, partner_option
from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json
from gateway.cli.ticker import Ticker

_YES = {"true", "yes", "1", "counted", "○", "〇", "有効"}
_NO = {"false", "no", "0", "×", "無効"}
_SHOWN = 1_000


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@partner_option
@click.option(
    "--month", metavar="YYYY-MM", help="The month that the list is of. Default: what its dates span."
)
@json_option
def reconcile(
    *, config_path: Path, file: Path, partner: str | None, month: str | None, as_json: bool
) -> None:
    """Hold the partner's list against the ledger. Changes nothing.

    The list is as for `registrations import`; a column `counted` (yes, no) or `state` (our words) beside it
    is compared too. What is on one side only, or differs, is told with the likely reason. Exit 0 when both
    are the same, 1 when they are not.
    """
    from gateway.ledger.intake import Unreadable, read_reported
    from gateway.ledger.listing import read_list
    from gateway.ledger.months import JST, month_bounds
    from gateway.store.compare import Theirs, compare

    config, store = open_config(config_path)
    with store:
        chosen = chosen_partner(store, partner)
        columns = next(one.columns for one in config.partner if one.id == chosen)
        content = content_of(file)
        ticker = Ticker()
        theirs: list[Theirs] = []
        bad: list[tuple[int, str]] = []
        try:
            for line in read_list(content, columns=columns, more=("counted", "state")):
                if line.fault:
                    bad.append((line.number, line.fault))
                    continue
                try:
                    reported = read_reported(line.values, zone=JST)
                    theirs.append(Theirs(line=line.number, reported=reported, counted=_counted(line.values)))
                except Unreadable as error:
                    bad.append((line.number, str(error)))
                ticker.tick(lambda: f"{len(theirs):,} lines read")
            ticker.end(lambda: f"{len(theirs):,} lines read, comparing")
            moments = [one.reported.registered_at for one in theirs]
            span = month_bounds(month) if month else (min(moments, default=0), max(moments, default=-1) + 1)
        except Unreadable as error:
            raise click.ClickException(f"{file}: {error}") from None
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        store.rematch()
        with store.reading() as connection:
            same, found = compare(connection, store.keys, chosen, theirs, span)
    if as_json:
        answer = {
            "same": same,
            "only_theirs": [asdict(one) for one in found if one.side == "theirs"],
            "only_ours": [asdict(one) for one in found if one.side == "ours"],
            "differs": [asdict(one) for one in found if one.side == "both"],
            "bad": [{"line": number, "reason": reason} for number, reason in bad],
        }
        print_json(answer)
    else:
        click.echo(f"{same} are the same")
        for side, title in (
            ("theirs", "only on their list"),
            ("ours", "only in the ledger"),
            ("both", "on both, but different"),
        ):
            part = [one for one in found if one.side == side]
            if part:
                click.echo(f"{len(part)} {title}:")
            for one in part[:_SHOWN]:
                fields = f" ({', '.join(one.fields)})" if one.fields else ""
                place = f"line {one.line}, " if one.line else ""
                click.echo(f"  {one.id}: {place}{one.state or 'unknown here'}{fields}: {one.reason}")
        for number, reason in bad[:_SHOWN]:
            click.echo(f"{file}:{number}: {reason}", err=True)
    raise SystemExit(1 if found or bad else 0)


def _counted(values: object) -> bool | None:
    get = getattr(values, "get", None)
    if get is None:
        return None
    for name in ("counted", "state"):
        said = str(get(name) or "").strip().casefold()
        if said in _YES:
            return True
        if said in _NO or (said and name == "state"):
            return False
    return None
