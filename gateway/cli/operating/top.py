"""``careerrelay top``: the running gateway, live, in a terminal."""

import contextlib
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.cli.operating.monitor import Seen

_CLEAR = "\x1b[H\x1b[2J"


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Print it once and end, for scripts.")
@click.option(
    "--interval",
    type=click.FloatRange(0.5, 60),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
def top(*, config_path: Path, once: bool, interval: float) -> None:
    """The running gateway, live: mails a second, reasons, latency, sessions, next hop, ledger. Ends on q.

    Asks [web] listen of the config. Exit 1 when nobody answers there.
    """
    from gateway.cli.operating.monitor import look
    from gateway.config import load_config

    config = load_config(config_path)
    before, at = look(config), time.monotonic()
    if before.fault:
        raise click.ClickException(f"{before.fault}; `careerrelay status` says more")
    if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo("\n".join(page(before, before, 0.0)))
        return
    with contextlib.suppress(KeyboardInterrupt), _single_keys():
        while not _key(interval):
            now, seen = time.monotonic(), look(config)
            lines = [seen.fault] if seen.fault else page(before, seen, now - at)
            click.echo(_CLEAR + "\n".join([*lines, "", "q ends"]))
            if not seen.fault:
                before, at = seen, now


command = top


def page(before: "Seen", seen: "Seen", seconds: float) -> Iterator[str]:
    """One page; rates are those since `before`, so many seconds ago (0: none are shown)."""

    def number(name: str) -> str:
        total = seen.total(f"careerrelay_{name}")
        grown = total - before.total(f"careerrelay_{name}")
        return f"{total:12.0f}" + (f"  {grown / seconds:8.1f}/s" if seconds else "")

    up = time.time() - seen.total("careerrelay_start_seconds")
    yield f"careerrelay {seen.readiness.get('status')}, up {up / 3600:.1f} h"
    for one in seen.readiness.get("troubles", ()):
        yield f"! {one['detail']}  run: {one['run']}"
    yield f"mails          {number('mails_total')}"
    yield f"copies + link  {number('link_outcomes_total')}"
    yield f"faults         {number('faults_total')}"
    yield f"limits         {number('limits_total')}"
    for name, what in (("held", "reading"), ("sent", "next hop")):
        yield f"{what:<14} {_mean(before, seen, name, live=bool(seconds)):12.1f} ms a mail"
    for name in ("sessions", "mails_in_hand", "next_hop_in_use", "next_hop_waiting", "ledger_queue_rows"):
        yield f"{name.replace('_', ' '):<18} {seen.total(f'careerrelay_{name}'):8.0f}"
    yield "reasons"
    for reason, count in list(seen.by_label("careerrelay_reasons_total").items())[:12]:
        yield f"  {reason:<20} {count:10.0f}"


def _mean(before: "Seen", seen: "Seen", name: str, *, live: bool) -> float:
    """Milliseconds a mail: since `before` where there was any mail, else since the start."""
    parts = [f"careerrelay_{name}_seconds_{part}" for part in ("sum", "count")]
    total, count = map(seen.total, parts)
    if live and count > before.total(parts[1]):
        total, count = total - before.total(parts[0]), count - before.total(parts[1])
    return total / count * 1_000 if count else 0.0


@contextlib.contextmanager
def _single_keys() -> Iterator[None]:
    """Keys come without Enter, and are not shown; as it was afterwards."""
    kept = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, kept)


def _key(seconds: float) -> bool:
    """Wait; whether q was pressed."""
    there, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(there) and sys.stdin.read(1) in {"q", "Q", "\x04", ""}
