"""`careerrelay demo`: see the gateway at work without a mail system, a config or a database."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gateway.demo.stage import Shown, Stage

_SECONDS = 120.0


@click.command("demo")
@click.option("--brief", is_flag=True, help="Show verdicts only, no differences.")
@click.option(
    "--keep", is_flag=True, help="Keep the folder with config, key, ledger and the mails that arrived."
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=_SECONDS, show_default=True, metavar="SECONDS",
    help="Give up after so long.",
)  # fmt: skip
def demo(*, brief: bool, keep: bool, timeout: float) -> None:
    """Start a gateway on its embedded defaults between two ends of its own, and send it mails.

    Rejections in several charsets, an offer, an invitation, signed mail: for each it shows what the gateway
    made of it, byte by byte where they differ, then what the ledger holds. Then ten candidates register with
    the agency, by its signed webhook, and a slot is earned. Uses loopback and a temporary
    folder only, and ends by itself. Exit code 1 if a mail did not become what it should.
    """
    folder = Path(tempfile.mkdtemp(prefix="careerrelay-demo-"))
    try:
        with asyncio.Runner() as runner:
            right = runner.run(_run(folder, brief=brief, keep=keep, timeout=timeout))
    except KeyboardInterrupt:
        raise click.Abort from None
    finally:
        if keep:
            click.echo(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if not right:
        raise SystemExit(1)


async def _run(folder: Path, *, brief: bool, keep: bool, timeout: float) -> bool:  # noqa: ASYNC109 - its own limit
    from gateway.demo.stage import DemoError, Stage

    stage = Stage(folder)
    try:
        async with asyncio.timeout(timeout):
            return await _show(stage, brief=brief, keep=keep)
    except (DemoError, TimeoutError) as error:
        text = str(error) or f"not done after {timeout:g} s"
        click.echo(f"careerrelay demo: {text}", err=True)
        for line in stage.log[-20:]:
            click.echo(f"  | {line}", err=True)
        return False


async def _show(stage: "Stage", *, brief: bool, keep: bool) -> bool:
    from gateway.demo import page
    from gateway.demo.samples import SAMPLES

    shown = []
    async with stage.running():
        click.echo(page.rule("careerrelay demo"))
        click.echo(
            "  A mail system's place is taken by smtplib, the internet's by a server that keeps what it gets:"
        )
        click.echo(f"  smtplib → gateway, port {stage.port} → capture server, port {stage.capture.port}")
        click.echo(f"  {stage.file}\n")
        _echo(page.config_lines(stage.config))
        for number, sample in enumerate(SAMPLES, 1):
            shown.append(await stage.send(sample))
            _echo(page.mail_lines(shown[-1], number, len(SAMPLES), brief=brief))
        click.echo(page.rule("the ledger: careerrelay sends list"))
        click.echo(await stage.ask("sends", "list"), nl=False)
        wrong = [mail.sample.file for mail in shown if page.is_linked(mail) != mail.sample.linked]
        earned = not wrong and await _go_round(stage, shown)
    click.echo(page.rule())
    _echo(page.ending_lines(shown))
    if keep:
        for number, copy in enumerate(stage.capture.mails, 1):
            (stage.folder / f"arrived-{number:02}.eml").write_bytes(copy.content)
    for file in wrong:
        click.secho(f"  {file} did not become what it should", fg="red", err=True)
    if not wrong and not earned:
        click.secho("  ten registrations did not become a slot", fg="red", err=True)
    return earned


async def _go_round(stage: "Stage", shown: "Sequence[Shown]") -> bool:
    """From the links to a slot; whether one was earned."""
    from gateway.demo import page
    from gateway.demo.circle import Circle

    links = [
        link for mail in shown for copy in mail.copies for link in page.links_in(mail.content, copy.content)
    ]
    circle = Circle(stage, list(dict.fromkeys(links)))
    click.echo(page.rule("from a link to a slot"))
    async for line in circle.lines():
        click.echo(line)
    return circle.earned


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
