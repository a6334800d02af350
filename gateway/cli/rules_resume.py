"""``careerrelay rules resume``: end the brake."""

import asyncio
from pathlib import Path

import click

from gateway.cli.options import config_option, json_option, operator
from gateway.cli.printing import print_json


@click.command()
@click.argument("rule", required=False, default="")
@config_option
@json_option
def resume(*, rule: str, config_path: Path, as_json: bool) -> None:
    """End the brake of RULE, or without one all brakes, so that rejection mails get their links again.

    A rule, or the whole gateway, falls to `observe` by itself when it would add more links than
    `[rules.brake]` allows; the gateway also when the next hop takes several mails only without their link.
    Find out first why (`careerrelay review`; `careerrelay sends list --state unlinked`), or it will happen
    again. Your name is recorded. All workers and nodes follow within two seconds, and count anew.
    """
    from gateway.config import load_config
    from gateway.store import LedgerStore

    config = load_config(config_path)

    async def release() -> tuple[dict[str, str], bool]:
        store = LedgerStore(config.ledger.url, node=config.gateway.node, wait_seconds=10.0)
        async with store:
            before = await store.look()
            pulled = {name: brake.why for name, brake in before.brakes.items() if rule in ("", name)}
            if before.brake is not None and not rule:
                pulled[""] = before.brake.why
            return pulled, await store.resume(operator(), rule)

    pulled, resumed = asyncio.run(release())
    if as_json:
        brakes = [{"rule": name or None, "why": why} for name, why in sorted(pulled.items())]
        print_json({"resumed": resumed, "brakes": brakes})
    elif resumed:
        for name, why in sorted(pulled.items()):
            what = f"The brake of {name}" if name else "The brake"
            click.echo(f"{what} is released. It was pulled because: {why}")
    elif rule:
        click.echo(f"The brake of {rule} was not pulled; nothing changed.")
    else:
        click.echo("The brake was not pulled; nothing changed.")
