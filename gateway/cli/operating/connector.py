"""``careerrelay connector``: what to paste into a mail system so that its mail goes through the gateway.

The texts are files beside this module (`connectors/`), with the config's own names put in. Nothing is changed
anywhere by this command.
"""

import ipaddress
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option

if TYPE_CHECKING:
    from gateway.config import Config

SYSTEMS = ("m365", "google", "exchange", "postfix")
_HOLE = re.compile(r"@([A-Z_]+)@")
#: What may stand in a script without being read as anything else, by PowerShell, a shell or a person.
_SAFE = re.compile(r"[A-Za-z0-9._:@/+-]+", re.ASCII)


@click.command()
@click.argument("system", type=click.Choice(SYSTEMS))
@click.option("--rollback", is_flag=True, help="What takes it out again, within a minute.")
@click.option(
    "--mailbox",
    metavar="ADDRESS",
    help="The one mailbox that tries it first. Default: recruiting@ your first domain.",
)
@click.option(
    "--from-address",
    "source",
    metavar="IP",
    help="The gateway's address as the mail system sees it. Default: that of [[listen]].",
)
@config_option
def connector(
    *, config_path: Path, system: str, mailbox: str | None, source: str | None, rollback: bool
) -> None:
    """Print a script that leads mail through the gateway: first one mailbox, then all.

    \b
    careerrelay connector m365 > connect.ps1
    careerrelay connector m365 --rollback > disconnect.ps1

    Names, ports, domains and the tenant's header come from the config. Read it before you run it. PowerShell
    is marked untested: it has met no tenant.
    """  # noqa: D301 - click's mark for a paragraph that keeps its lines
    from gateway.config import load_config

    values = values_of(load_config(config_path), mailbox=mailbox, source=source)
    click.echo(script(system, values, rollback=rollback), nl=False)


command = connector


def values_of(config: "Config", *, mailbox: str | None = None, source: str | None = None) -> dict[str, str]:
    """What is put into the scripts.

    Raises:
        click.ClickException: a value could be read as something else where it is pasted.
    """
    listen = config.listen[0]
    tenant = next((one for one in config.listen if one.tenant_header), None)
    domain = config.gateway.own_domains[0].removeprefix("*.")
    found = {
        "HOSTNAME": config.gateway.hostname,
        "PORT": str(listen.port),
        "ADDRESS": source or listen.address,
        "PUBLIC": source or _public(config) or "YOUR.PUBLIC.ADDRESS",
        "DOMAIN": domain,
        "MAILBOX": mailbox or f"recruiting@{domain}",
        "HEADER": str(tenant.tenant_header) if tenant is not None else "X-Example-Tenant",
        "SECRET_FILE": str(tenant.tenant_secret_file) if tenant is not None else "tenant.secret",
        "PROTOCOL": listen.protocol,
        "NEXT_PORT": str(config.next_hop.hosts[0].port),
    }
    for name, value in found.items():
        if not _SAFE.fullmatch(value):
            raise click.ClickException(f"{name.lower()} {value!r} can't be put into a script as it is")
    return found


def _public(config: "Config") -> str:
    """The first address that others could know the gateway by."""
    return next((one.address for one in config.listen if ipaddress.ip_address(one.address).is_global), "")


def script(system: str, values: Mapping[str, str], *, rollback: bool) -> str:
    """The script for this system."""
    name = f"{system}-rollback.txt" if rollback else f"{system}.txt"
    text = (resources.files("gateway.cli.operating") / "connectors" / name).read_text("utf-8")
    return _HOLE.sub(lambda hole: values[hole[1]], text)
