"""``careerrelay rules resume``: end the brake."""

import asyncio
import getpass
import os
from pathlib import Path

import click

from gateway.cli.options import config_option


@click.command()
@config_option
def resume(*, config_path: Path) -> None:
    """End the brake, so that rejection mails get their links again.

    The gateway falls to `observe` by itself when the next hop takes several mails only without their link.
    Find out first why it refused them (`careerrelay sends list --state unlinked` shows its replies), or it
    will happen again. Your name is recorded. All workers and nodes follow within seconds.
    """
    from gateway.config import load_config
    from gateway.store import LedgerStore

    config = load_config(config_path)

    async def release() -> tuple[str, bool]:
        store = LedgerStore(config.ledger.url, node=config.gateway.node, wait_seconds=10.0)
        async with store:
            brake = await store.read_brake()
            resumed = await store.resume(f"{getpass.getuser()} (uid {os.getuid()})")
            return (brake.why if brake else ""), resumed

    why, resumed = asyncio.run(release())
    if resumed:
        click.echo(f"The brake is released. It was pulled because: {why}")
    else:
        click.echo("The brake was not pulled; nothing changed.")
