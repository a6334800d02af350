"""``careerrelay serve``: run the gateway."""

from pathlib import Path

import click

from gateway.cli.options import config_option
from gateway.errors import ConfigError


@click.command()
@config_option
def serve(*, config_path: Path) -> None:
    """Run the gateway until SIGTERM.

    Says `ready` on standard error once it takes mail. SIGTERM finishes the mails in hand (at most
    `gateway.drain_seconds`) and exits 0; SIGHUP reads config, rules and footers again, and changes nothing if
    any of them has a mistake. Exit 1 when it can't start: `careerrelay check` says why without starting it.
    """
    from gateway.service.parent import serve as run

    try:
        code = run(config_path)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        click.echo("The gateway was not started. `careerrelay check` looks at everything at once.", err=True)
        raise SystemExit(1) from None
    raise SystemExit(code)
