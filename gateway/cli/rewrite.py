"""``careerrelay rewrite``: what would become of a mail, byte by byte, without a gateway or a ledger."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import recipients_option, sender_option
from gateway.cli.printing import print_json
from gateway.cli.ticker import Ticker
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.cli.rewriting.batch import Batch
    from gateway.cli.rewriting.mail import Rewriter

UNTOUCHED = 3


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), required=False)
@sender_option
@recipients_option
@click.option(
    "--config", "-c", "config_path", type=click.Path(path_type=Path), metavar="FILE",
    envvar="CAREERRELAY_CONFIG", show_envvar=True,
    help="The config. Without one: the shipped rules and footers, and the sender's domain is the company's.",
)  # fmt: skip
@click.option(
    "--always", is_flag=True,
    help="Add a footer whatever the rules say and whoever gets the mail. All other reasons to leave a mail "
    "alone hold, but a DKIM signature is no reason.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was decided in place of the mail.")
@click.option("--diff", "as_diff", is_flag=True, help="Print what changed, decoded, in place of the mail.")
@click.option(
    "--batch", type=click.Path(path_type=Path), metavar="DIR",
    help="Rewrite a tree of .eml files, a Maildir or an mbox.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="With --batch: where the results go, under the same names.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="With --batch: where the lines about each mail go. Default: standard output.",
)  # fmt: skip
def rewrite(
    *,
    file: Path | None,
    sender: str | None,
    recipients: tuple[str, ...],
    config_path: Path | None,
    always: bool,
    as_json: bool,
    as_diff: bool,
    batch: Path | None,
    out: Path | None,
    report: Path | None,
) -> None:
    """Show what would become of the mail in FILE (- for standard input).

    Writes the bytes that would be relayed to standard output, without the Received: field and with a sample
    link. Reads no ledger and sends nothing. Exit 0 when the mail was changed, 3 when it passes untouched (the
    reason is told on standard error), 1 on an error, 2 on wrong usage.

    With --batch: one JSON line for each mail (file, changed, reason, parts). Exit 0 when all were done,
    1 when one had a fault; that one is written as it came.
    """
    _check_usage(file, batch, out, report, shown=as_json + as_diff)
    from gateway.cli.rewriting.envelope import check_given
    from gateway.cli.rewriting.mail import make_rewriter

    check_given(sender, recipients)
    try:
        rewriter, notes = make_rewriter(config_path, always=always)
    except ConfigError as error:
        raise click.ClickException("\n".join(map(str, error.problems))) from None
    for note in notes:
        click.echo(f"note: {note}", err=True)
    try:
        if batch is not None and out is not None:
            _batch(rewriter, batch, out, report, sender=sender, recipients=recipients or None)
        elif file is not None:
            _one(
                rewriter, file, sender=sender, recipients=recipients or None, as_json=as_json, as_diff=as_diff
            )
    except OSError as error:
        raise click.ClickException(f"{error.filename or ''}: {error.strerror or error}") from error


def _check_usage(
    file: Path | None, batch: Path | None, out: Path | None, report: Path | None, *, shown: int
) -> None:
    if (file is None) == (batch is None):
        raise click.UsageError("name one FILE, or a folder with --batch")
    if (batch is None) != (out is None):
        raise click.UsageError("--batch and --out go together")
    if report is not None and batch is None:
        raise click.UsageError("--report goes with --batch")
    if shown > 1 or (shown and batch is not None):
        raise click.UsageError("one of --json, --diff and --batch")
    if batch is None or out is None:
        return
    source, target = batch.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise click.UsageError("--out must lie apart from --batch: results must not become input")


def _one(
    rewriter: "Rewriter",
    file: Path,
    *,
    sender: str | None,
    recipients: tuple[str, ...] | None,
    as_json: bool,
    as_diff: bool,
) -> None:
    from gateway.cli.rewriting.show import as_json as json_of
    from gateway.cli.rewriting.show import difference

    if str(file) == "-":
        raw = sys.stdin.buffer.read(rewriter.limit + 1)
    else:
        with file.open("rb") as stream:
            raw = stream.read(rewriter.limit + 1)
    result = rewriter.rewrite(raw, sender=sender, recipients=recipients)
    if as_json:
        answer: dict[str, Any] = {"file": str(file)} | json_of(result)
        print_json(answer)
    elif as_diff:
        for line in difference(result):
            click.secho(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))
    else:
        out = sys.stdout.buffer
        out.write(result.content)
        out.flush()
    if not result.changed:
        detail = f" ({result.detail})" if result.detail else ""
        click.echo(f"untouched: {result.reason}{detail}", err=True)
        raise SystemExit(UNTOUCHED)


def _batch(
    rewriter: "Rewriter",
    batch: Path,
    out: Path,
    report: Path | None,
    *,
    sender: str | None,
    recipients: tuple[str, ...] | None,
) -> None:
    from gateway.cli.rewriting.batch import Batch

    batch.stat()  # a name that leads nowhere is an error, not an empty tree
    ticker = Ticker()
    with ExitStack() as open_files:
        lines = sys.stdout if report is None else open_files.enter_context(report.open("w", encoding="ascii"))
        run = Batch(
            rewriter=rewriter,
            out=out,
            sender=sender,
            recipients=recipients,
            tell=lambda line: click.echo(line, file=lines),
            progress=lambda run: ticker.tick(lambda: _state(run)),
        )
        run.run(batch)
    ticker.end(lambda: _state(run))
    if run.faults:
        click.echo(f"{run.faults} with a fault; see the report", err=True)
        raise SystemExit(1)


def _state(run: "Batch") -> str:
    return f"{run.done} mails, {run.changed} changed"
