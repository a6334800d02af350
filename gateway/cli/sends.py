"""``careerrelay sends``: what was sent with a link, for people and for other programs. Reads only."""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, json_option

if TYPE_CHECKING:
    from gateway.store import Send

#: The words of transaction.ports.SendState; a test holds the two together.
STATES = ("intended", "accepted", "refused", "put-off", "unknown", "unlinked")
_LONGEST_REPLY = 60

_state_option = click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only sends in this state; can be given several times.",
)


@click.group()
def sends() -> None:
    """What was sent with a link.

    \b
    intended   about to be sent, or sent and the answer never seen
    accepted   taken by the next hop
    refused    refused by it for good
    put-off    to be tried again by the sender
    unknown    the answer never came: it may have been sent
    unlinked   went without its link
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines


@sends.command("list")
@config_option
@click.option(
    "--last", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N", help="How many."
)
@_state_option
@json_option
def show(*, config_path: Path, last: int, states: tuple[str, ...], as_json: bool) -> None:
    """The newest sends, newest first; times are local. No addresses, unless the ledger keeps them."""
    from gateway.config import load_config
    from gateway.store import LedgerReader
    from gateway.store.export import record

    with LedgerReader(load_config(config_path).ledger.url) as reader:
        found = reader.last_sends(last, _filter(states))
    if as_json:
        click.echo(json.dumps([record(send) for send in found], ensure_ascii=False, indent=2))
    elif found:
        for line in _table(found):
            click.echo(line)
    else:
        click.echo("no sends yet" if not states else f"no sends that are {' or '.join(states)}")


@sends.command("export")
@config_option
@click.option(
    "--format", "kind", type=click.Choice(["csv", "jsonl"]), required=True, help="CSV, or JSON Lines."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file (readable by you alone) instead of standard output.",
)
@click.option("--excel", is_flag=True, help="CSV that Excel opens as it is: with a byte order mark.")
@_state_option
def export(*, config_path: Path, kind: str, out: Path | None, excel: bool, states: tuple[str, ...]) -> None:
    """All sends, oldest first, with times in UTC (ISO 8601)."""
    from gateway.config import load_config
    from gateway.store import LedgerReader
    from gateway.store.export import csv_lines, json_lines

    if excel and kind != "csv":
        raise click.UsageError("--excel goes with --format csv")
    with LedgerReader(load_config(config_path).ledger.url) as reader:
        rows = reader.all_sends(_filter(states))
        _write(csv_lines(rows, mark=excel) if kind == "csv" else json_lines(rows), out)


@sends.command("show")
@config_option
@click.argument("token", metavar="TOKEN")
@json_option
def story(*, config_path: Path, token: str, as_json: bool) -> None:
    """One send, by the token in its link, with the footer that it carried, as it was sent.

    The token may be written as somebody reads it: any case, blanks and hyphens anywhere.
    """
    from gateway.config import load_config
    from gateway.store import LedgerReader, SendFilter
    from gateway.store.export import record
    from gateway.token import encode_token, parse_token

    try:
        wanted = parse_token(token)
    except ValueError as error:
        raise click.UsageError(f"this is no token: {error}") from None
    with LedgerReader(load_config(config_path).ledger.url) as reader:
        found = reader.last_sends(1, SendFilter(token=wanted))
        kept = reader.footer(found[0].footer_hash) if found and found[0].footer_hash else None
    if not found:
        raise click.ClickException("there is no send with this token (any more)")
    plain, html = kept.render(encode_token(wanted)) if kept else (None, None)
    if as_json:
        shown = {**record(found[0]), "footer_text": plain, "footer_html": html}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    for name, value in record(found[0]).items():
        if value not in (None, ""):
            click.echo(f"{name:<13} {_printable(str(value))}")
    click.echo("")
    click.echo(plain if plain is not None else "the ledger has not kept the footer of this send")


command = sends


def _filter(states: Sequence[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the store is loaded in here only
    from gateway.store import SendFilter
    from gateway.transaction.ports import SendState

    return SendFilter(states=[SendState(state) for state in states])


def _write(lines: Iterator[str], out: Path | None) -> None:
    if out is None:
        # CSV has CRLF of its own, and the mark of Excel is UTF-8's: the terminal's settings have no say
        # in it.
        stream = sys.stdout.buffer
        for line in lines:
            stream.write(line.encode("utf-8"))
        stream.flush()
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - opened with a mode
            for line in lines:
                file.write(line.encode("utf-8"))
        part.replace(out)
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


# --- the table --------------------------------------------------------------------------------------------


def _table(found: "Sequence[Send]") -> Iterator[str]:
    from gateway.store.export import moment
    from gateway.token import encode_token

    addresses = any(send.address is not None for send in found)
    zone = moment(found[0].intended_at).astimezone().strftime("%Z")
    rows = [
        [f"TIME ({zone})", "TOKEN", "STATE", "RULE", "CAMPAIGN", *(["ADDRESS"] if addresses else []), "REPLY"]
    ]
    for send in found:
        when = moment(send.settled_at or send.attempted_at).astimezone()
        rows.append(
            [
                when.strftime("%Y-%m-%d %H:%M:%S"),
                encode_token(send.token),
                send.state.value,
                send.rule,
                send.campaign,
                *([send.address or ""] if addresses else []),
                _cut(send.reply, _LONGEST_REPLY),
            ]
        )
    return _aligned([[_printable(cell) for cell in row] for row in rows])


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells: Iterable[str] = (
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _printable(text: str) -> str:
    """What came from a mail or a server must not move the cursor."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown.encode(encoding, "replace").decode(encoding)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _width(text: str) -> int:
    """Columns on a terminal: wide letters have two (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
