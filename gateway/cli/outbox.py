"""``careerrelay outbox``: what is pushed to partners, and what could not be."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option, last_option
from gateway.cli.printing import local, print_json, shown

if TYPE_CHECKING:
    from gateway.store.outbox import Letter


@click.group()
def outbox() -> None:
    """Messages to partners (`partner.push_url`): look at them, send dead ones again.

    \b
    waiting    to be delivered, or to be tried again
    sent       taken by the partner
    dead       tried for three days in vain, or refused for good (410)
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines


@outbox.command("list")
@config_option
@click.option("--state", type=click.Choice(["waiting", "sent", "dead"]), help="Only those in this state.")
@last_option
@json_option
def show_all(*, config_path: Path, state: str | None, last: int, as_json: bool) -> None:
    """The newest messages, newest first; times are local."""
    from gateway.config import load_config
    from gateway.store.outbox import Outbox

    with Outbox(load_config(config_path).ledger.url) as box:
        letters, counts = box.letters(state=state, count=last), box.counts()
    if as_json:
        answer = {"counts": counts, "messages": [_record(letter) for letter in letters]}
        print_json(answer)
        return
    click.echo(", ".join(f"{number} {name}" for name, number in counts.items()))
    for letter in letters:
        words = f"{local(letter.created_at)}  {letter.state:<8} {letter.attempts:>2}  {letter.message_id}"
        click.echo(f"{words}  {letter.error}".rstrip())


@outbox.command("show")
@config_option
@click.argument("message_id")
@json_option
def show(*, config_path: Path, message_id: str, as_json: bool) -> None:
    """One message as it is sent, and what became of it."""
    from gateway.config import load_config
    from gateway.store.outbox import Outbox

    with Outbox(load_config(config_path).ledger.url) as box:
        letter = box.letter(message_id)
    if letter is None:
        raise click.ClickException(f"there is no message {message_id!r}: `careerrelay outbox list` has them")
    record = _record(letter)
    if as_json:
        print_json(record)
        return
    for name, value in record.items():
        text = json.dumps(value, ensure_ascii=False) if name == "payload" else value
        click.echo(f"{name:<12} {'-' if text is None else shown(name, text)}")


@outbox.command("retry")
@config_option
@click.argument("message_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead messages.")
@json_option
def retry(*, config_path: Path, message_ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Send dead messages again: at once, and then as often as new ones.

    Exit 1 when one that is named isn't dead.
    """
    from gateway.config import load_config
    from gateway.store.outbox import Outbox

    if everything is bool(message_ids):
        raise click.UsageError("name messages, or say --all")
    with Outbox(load_config(config_path).ledger.url) as box:
        count = box.send_again(None if everything else message_ids)
    if as_json:
        print_json({"sent_again": count})
    else:
        click.echo(f"{count} to be sent again")
    if count < len(set(message_ids)):
        raise click.ClickException(f"{len(set(message_ids)) - count} of them are not dead, or unknown")


command = outbox


def _record(letter: "Letter") -> dict[str, Any]:
    from gateway.store.flat import iso

    return {
        "message_id": letter.message_id,
        "partner": letter.partner,
        "kind": letter.kind,
        "state": letter.state,
        "attempts": letter.attempts,
        "error": letter.error,
        "created_at": iso(letter.created_at),
        "due_at": iso(letter.due_at) if letter.state == "waiting" else None,
        "settled_at": iso(letter.settled_at),
        "payload": json.loads(letter.payload),
    }
