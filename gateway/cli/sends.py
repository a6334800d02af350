"""``careerrelay sends``: what was sent with a link, for people and for other programs. Reads only."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, export_options, json_option, last_option
from gateway.cli.printing import cut, print_json, print_table, shown, write_records

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
@last_option
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
        print_json([record(send) for send in found])
    elif found:
        print_table(_rows(found))
    else:
        click.echo("no sends yet" if not states else f"no sends that are {' or '.join(states)}")


@sends.command("export")
@config_option
@export_options
@_state_option
def export(*, config_path: Path, kind: str, out: Path | None, excel: bool, states: tuple[str, ...]) -> None:
    """All sends, oldest first, with times in UTC (ISO 8601)."""
    from gateway.config import load_config
    from gateway.store import LedgerReader
    from gateway.store.export import FIELDS, record

    with LedgerReader(load_config(config_path).ledger.url) as reader:
        records = map(record, reader.all_sends(_filter(states)))
        write_records(FIELDS, records, kind=kind, out=out, excel=excel)


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
        whole = {**record(found[0]), "footer_text": plain, "footer_html": html}
        print_json(whole)
        return
    for name, value in record(found[0]).items():
        if value not in (None, ""):
            click.echo(f"{name:<13} {shown(name, value)}")
    click.echo("")
    click.echo(plain if plain is not None else "the ledger has not kept the footer of this send")


command = sends


def _filter(states: Sequence[str]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the store is loaded in here only
    from gateway.store import SendFilter
    from gateway.transaction.ports import SendState

    return SendFilter(states=[SendState(state) for state in states])


def _rows(found: "Sequence[Send]") -> list[list[str]]:
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
                cut(send.reply, _LONGEST_REPLY),
            ]
        )
    return rows
