"""``careerrelay trace``: what happened to one mail, from log files and the ledger. Reads only."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json, printable

if TYPE_CHECKING:
    from gateway.config import Config

_UNIT = "careerrelay.service"
_SHOWN = ("id", "peer", "listener", "route", "sender", "octets", "reason", "detail", "rule", "score", "reply")


@click.command()
@config_option
@click.argument("message_id", metavar="MESSAGE-ID")
@click.option(
    "--log",
    "logs",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
    multiple=True,
    metavar="FILE",
    help="A log of the gateway, in either format, also packed (.gz); '-' is standard input. Repeatable."
    " Default: systemd's journal of the service.",
)
@json_option
def trace(*, config_path: Path, message_id: str, logs: tuple[Path, ...], as_json: bool) -> None:
    """What happened to the mail with this Message-ID: when it came, what was decided and why, each outcome.

    \b
    careerrelay trace '<1@example.co.jp>'
    careerrelay trace '<1@example.co.jp>' --log /var/log/careerrelay.log

    The ledger knows mails with a link only, the log knows them all. Exit 1 when neither knows it.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.config import load_config

    wanted = _bare(message_id)
    lines = _in_logs(wanted, logs) if logs else _in_journal(wanted)
    sends, fault = _in_ledger(load_config(config_path), wanted)
    if as_json:
        answer = {"message_id": message_id, "log": lines, "ledger": sends, "ledger_fault": fault}
        print_json(answer)
    else:
        for line in _told(lines, sends):
            click.echo(line)
    if fault:
        click.echo(f"the ledger can't be asked: {fault}", err=True)
    if not (lines or sends):
        hint = "" if logs else "; name the gateway's log with --log, or ask as root, who may read the journal"
        raise click.ClickException(f"nothing is known of {message_id}{hint}")


command = trace


def _bare(message_id: str) -> str:
    return message_id.strip().removeprefix("<").removesuffix(">")


def _in_logs(wanted: str, logs: Sequence[Path]) -> list[dict[str, Any]]:
    from gateway.cli.operating.loglines import mails_in

    found = []
    for path in logs:
        try:
            found += [one for one in mails_in(path) if _bare(str(one["message_id"])) == wanted]
        except (OSError, EOFError) as error:
            raise click.ClickException(f"{path} can't be read: {error}") from None
    return found


def _in_journal(wanted: str) -> list[dict[str, Any]]:
    """What systemd's journal has, where there is one and we may read it."""
    from gateway.cli.operating.loglines import mails_of

    program = shutil.which("journalctl")
    if program is None:
        return []
    asked = [
        program,
        f"--unit={_UNIT}",
        "--output=cat",
        "--no-pager",
        "--quiet",
        f"--grep={re.escape(wanted)}",
    ]
    done = subprocess.run(  # noqa: S603 - a fixed program, and no shell
        asked, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return [one for one in mails_of(done.stdout.splitlines()) if _bare(str(one["message_id"])) == wanted]


def _in_ledger(config: "Config", wanted: str) -> tuple[list[dict[str, Any]], str]:
    from gateway.errors import LedgerFault
    from gateway.store import LedgerReader, SendFilter
    from gateway.store.export import record

    try:
        with LedgerReader(config.ledger.url) as reader:
            found = reader.last_sends(1_000, SendFilter(message_ids=(wanted, f"<{wanted}>")))
    except LedgerFault as fault:
        return [], str(fault)
    return [dict(record(send)) for send in found], ""


def _told(lines: Sequence[dict[str, Any]], sends: Sequence[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        yield printable(f"{line.get('time', '?')}  {line['message']}")
        for name in _SHOWN:
            if line.get(name) not in (None, ""):
                yield printable(f"  {name:<9} {line[name]}")
        copies = line.get("copies")
        for copy in copies if isinstance(copies, list) else ():
            link = f" link {copy['token']}..." if copy.get("token") else ""
            why = f" ({copy['reason']})" if copy.get("reason") else ""
            answer = f"{copy.get('host')}: {copy.get('reply')}"
            yield printable(f"  -> {copy.get('to')}: {copy.get('fate')}{link}{why}, {answer}")
    for send in sends:
        state = f"{send['state']}, tried {send['attempts']} times: {send['reply']}"
        yield printable(f"ledger: token {send['token']} is {state}")
        yield printable(f"  rule {send['rule']}, campaign {send['campaign']}, footer {send['footer']}")
