"""``careerrelay review``: what rules changed or would have changed, and whether that was right."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import config_option, json_option, last_option, operator
from gateway.cli.printing import local, print_json, printable

if TYPE_CHECKING:
    from gateway.store.observations import Observation


@click.command()
@click.argument("number", metavar="[ID]", type=click.IntRange(1), required=False)
@click.argument("verdict", metavar="[right|wrong]", type=click.Choice(["right", "wrong"]), required=False)
@config_option
@click.option("--rule", default="", metavar="RULE", help="Only mails of this rule.")
@last_option
@click.option("--unreviewed", is_flag=True, help="Only those that nobody has looked at yet.")
@click.option("--all", "everything", is_flag=True, help="Also those that no rule matched.")
@click.option("--note", default="", metavar="TEXT", help="Why, for those who come after you.")
@json_option
def review(
    *,
    number: int | None,
    verdict: str | None,
    config_path: Path,
    rule: str,
    last: int,
    unreviewed: bool,
    everything: bool,
    note: str,
    as_json: bool,
) -> None:
    """List the mails that rules changed or would have changed, newest first; or say of one what you think.

    \b
    careerrelay review                   the last 20
    careerrelay review 17                what the rules saw in one
    careerrelay review 17 right          a rejection: a link belongs there
    careerrelay review 17 wrong          not a rejection, or one to leave alone

    Nothing of a mail's text or its recipient is kept: find it by its Message-ID in the sender's mailbox.
    With `[rules.review] snippets = true` the sentences that matched are shown, names and numbers masked.
    The last word on a mail counts; `rollout advance` goes by them.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.cli.active import with_store
    from gateway.config import load_config
    from gateway.store import LedgerReader

    config = load_config(config_path)
    if number is not None and verdict is not None:
        said = verdict
        found = with_store(
            config, lambda store: store.write_review(number, said, operator=operator(), note=note)
        )
        if found is None:
            raise click.ClickException(
                f"there is no mail {number} (any more): `careerrelay review` lists them"
            )
        answer = {"id": number, "review": said, "rule": found}
        if as_json:
            print_json(answer)
        else:
            click.echo(f"{number}: {said} (rule {found})")
        return
    with LedgerReader(config.ledger.url) as reader:
        mails = reader.observations(
            last=last,
            matched=not everything and number is None,
            rule=rule,
            unreviewed=unreviewed,
            number=number,
        )
    if as_json:
        print_json([_json(one) for one in mails])
        return
    if number is not None and not mails:
        raise click.ClickException(f"there is no mail {number} (any more): `careerrelay review` lists them")
    if not mails:
        click.echo("no mails yet that a rule matched" if not everything else "nothing was seen yet")
    for one in mails:
        _show(one, full=number is not None)


def _json(one: "Observation") -> dict[str, Any]:
    from gateway.ruleset.kept import signals
    from gateway.store.flat import iso

    return {
        "id": one.id,
        "at": iso(one.at),
        "mail": one.mail,
        "message_id": one.message_id,
        "sender": one.sender,
        "rule": one.rule,
        "ruleset": one.ruleset,
        "score": one.score,
        "threshold": one.threshold,
        "matched": one.matched,
        "changed": one.reason in _CHANGED,
        "reason": one.reason,
        "signals": list(signals(one.hits)),
        "snippets": list(one.snippets),
        "review": one.review,
        "note": one.note or None,
    }


_CHANGED = ("injected", "forced")


def _show(one: "Observation", *, full: bool) -> None:
    from gateway.ruleset.kept import signals

    done = "changed" if one.reason in _CHANGED else f"left alone ({one.reason})"
    score = f"{one.score:g} of {one.threshold:g}"
    said = f"  [{one.review}]" if one.review else ""
    line = f"{one.id}  {local(one.at)}  {one.rule} {score}  {done}  {one.sender}  {one.message_id}{said}"
    click.echo(printable(line))
    for snippet in one.snippets:
        click.echo(f"    {printable(snippet)}")
    if full:
        click.echo(f"    rule set {one.ruleset}, mail {one.mail}")
        for name in signals(one.hits):
            click.echo(f"    {name}")
        if one.note:
            click.echo(f"    note: {one.note}")
