"""``careerrelay doctor``: what is really there, each finding with its remedy. Changes nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.operating.findings import Finding, fail
from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json, printable

if TYPE_CHECKING:
    from gateway.config import Config

_SIGNS = {"ok": "  ", "warn": "! ", "fail": "!!"}


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Ask no next hop and no DNS.")
@json_option
def doctor(*, config_path: Path, offline: bool, as_json: bool) -> None:
    """Look at what the gateway needs: files, ports, certificates, next hops, DNS, clock, disk, ledger.

    Run it as the gateway's user, before the first start and whenever something is odd. Each question to the
    outside has a bound of some seconds. Exit 0 when nothing has to be mended, 1 when something has to;
    warnings do not count.
    """
    found = []
    for finding in look(config_path, offline=offline):
        found.append(finding)
        if not as_json:
            click.echo(f"{_SIGNS[finding.grade]} {finding.check:<13} {printable(finding.detail)}")
            if finding.remedy:
                click.echo(f"{'':<17}-> {finding.remedy}")
    good = all(finding.grade != "fail" for finding in found)
    if as_json:
        answer = {"ok": good, "findings": [asdict(finding) for finding in found]}
        print_json(answer)
    raise SystemExit(0 if good else 1)


command = doctor


def look(path: Path, *, offline: bool) -> Iterator[Finding]:
    """All findings, in order, as they are found."""
    from gateway.cli.operating import machine
    from gateway.config import examine

    yield from machine.files(path)
    examined = examine(path)
    if examined.config is None or examined.problems:
        return
    config = examined.config
    checks: list[Callable[[Config], Iterable[Finding]]] = [
        machine.ports,
        machine.permissions,
        machine.certificates,
        lambda _: machine.clock(),
        machine.disk,
        machine.database,
        machine.loop_mark,
    ]
    if not offline:
        from gateway.cli.operating import network

        checks += [network.next_hops, network.names]
    for check in checks:
        try:
            yield from check(config)
        except Exception as error:  # noqa: BLE001 - one check that fails must not hide the others
            name = getattr(check, "__name__", "clock").replace("_", "-")
            yield fail(
                name, f"could not be checked: {type(error).__name__}: {error}", "tell us: this is a fault"
            )
