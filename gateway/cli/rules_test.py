"""``careerrelay rules test``: the verdict on mails in files."""

import json
from pathlib import Path

import click

from gateway.cli.options import (
    json_option,
    recipients_option,
    rules_option,
    sender_option,
    some_config_option,
)
from gateway.cli.ticker import Ticker
from gateway.reason import Reason


@click.command()
@click.argument(
    "mails",
    metavar="MAIL...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
)
@sender_option
@recipients_option
@some_config_option
@rules_option
@json_option
def test(
    *,
    mails: tuple[Path, ...],
    sender: str | None,
    recipients: tuple[str, ...],
    config_path: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Say what the rules make of each MAIL: a file, a folder of .eml files, an mbox, or - for standard input.

    One line of JSON a mail (--json changes nothing): file; matched, what the rules say; verdict, what would
    be done: inject a link, observe (note it and add nothing), skip (leave it alone though it matched), none;
    the rule that came nearest, its score and threshold; and the reason.

    Reads no ledger and sends nothing. Exit 0 when all mails were judged, whatever the verdicts; 1 when one
    could not be read; 2 on wrong usage.
    """
    del as_json  # it is JSON in any case
    from gateway.cli.judging.judge import make_judge
    from gateway.cli.judging.mails import read_all
    from gateway.cli.rewriting.envelope import check_given

    check_given(sender, recipients)
    judge, notes = make_judge(config_path, rules=directory)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    done, faults = 0, 0
    ticker = Ticker()
    for name, raw in read_all(mails, judge.rewriter.limit):
        done += 1
        ticker.tick(lambda: f"{done} mails")  # noqa: B023 - asked at once
        if isinstance(raw, OSError):
            faults += 1
            click.echo(f"error: {name}: {raw.strerror or raw}", err=True)
            continue
        try:
            line = judge.judge(raw, sender=sender, recipients=recipients or None).as_json()
        except Exception as error:  # noqa: BLE001 - the other mails are still to be judged
            faults += 1
            click.echo(f"error: {name}: {type(error).__name__}: {error}", err=True)
            line = {"matched": False, "verdict": "none", "rule": "", "score": 0.0, "threshold": 0.0}
            line["reason"] = Reason.INTERNAL_FAULT.value
        # ASCII, since a file's name may be no text at all.
        click.echo(json.dumps({"file": name, **line}))
    ticker.end(lambda: f"{done} mails")
    raise SystemExit(1 if faults else 0)
