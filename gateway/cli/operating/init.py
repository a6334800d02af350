"""``careerrelay init``: everything that a first start needs, from a few answers. Overwrites nothing."""

import ipaddress
import json
import os
import pwd
import re
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

_HOLE = re.compile(r"@([A-Z_]+)@")
_FOLDER = click.Path(path_type=Path, file_okay=False)
#: Whose the files are where that user exists (systemd/careerrelay.sysusers).
_USER = "careerrelay"
#: Is there when a package has brought the units, with the right program in them.
PACKAGED_UNIT = Path("/usr/lib/systemd/system/careerrelay.service")
#: What the units in systemd/ call, and with which config.
_PROGRAM, _CONFIG = "/opt/careerrelay/bin/careerrelay", "/etc/careerrelay/config.toml"


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer looks; `words` for whoever gave another."""

    pattern: re.Pattern[str]
    words: str


_DOMAIN = Form(
    re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII | re.IGNORECASE),
    "a name with its domain, as mail.example.co.jp",
)
_PLACE = Form(
    re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}", re.ASCII),
    "a host and its port, as smtp.example.com:587",
)
_LINK = Form(
    re.compile(r"https://[^\s{}]+(?:\{token\})[^\s{}]*"),
    "a link that begins with https:// and has {token} in it, as https://links.example.co.jp/r/{token}",
)
_OPT_OUT = Form(
    re.compile(r"(?:https://|mailto:)[^\s{}]+(?:\{token\}[^\s{}]*)?"),
    "a link that begins with https:// or mailto:, as mailto:no-more@example.co.jp",
)


@click.command()
@click.option("--dir", "folder", type=_FOLDER, default=Path("/etc/careerrelay"),
              show_default=True, metavar="DIR", help="Where the files go.")  # fmt: skip
@click.option("--data", type=_FOLDER, default=Path("/var/lib/careerrelay"),
              show_default=True, metavar="DIR", help="Where the key and the ledger live.")  # fmt: skip
@click.option("--hostname", help="The gateway's own name. Default: this machine's.")
@click.option("--own-domain", "domains", multiple=True, help="A mail domain of the company. Repeatable.")
@click.option(
    "--listen", default="", metavar="ADDRESS:PORT", help="Where mail is taken. Default: 127.0.0.1:2525."
)
@click.option(
    "--network", "networks", multiple=True, help="Who may send here. Default: this machine. Repeatable."
)
@click.option(
    "--next-hop", "hops", multiple=True, metavar="HOST:PORT", help="Where mail goes. Repeatable, in order."
)
@click.option("--tls", type=click.Choice(["none", "opportunistic", "required"]), default="opportunistic",
              show_default=True, help="TLS towards the next hop.")  # fmt: skip
@click.option("--link-url", metavar="URL", help="The link of the footer: https, with {token} in it.")
@click.option("--opt-out", metavar="URL", help='"No more of these": https or mailto.')
@click.option("--company", default="", help="The company's name, as footers say it.")
@click.option("--partner", default="", help="The partner agency's name, as footers say it.")
@click.option("--ledger-url", default="", metavar="URL", help="Default: SQLite below --data.")
@click.option("--web", default="127.0.0.1:8025", show_default=True, metavar="ADDRESS:PORT",
              help="Metrics, readiness, API; empty: none.")  # fmt: skip
@click.option("--rules/--no-rules", "copy_rules", default=True, show_default=True,
              help="Copy the shipped rules and footers, to be edited.")  # fmt: skip
@click.option("--units/--no-units", default=None,
              help="Write systemd's units below --dir. Default: unless a package brought them.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Ask nothing; what is missing is an error.")
def init(
    *, folder: Path, data: Path, hostname: str | None, domains: tuple[str, ...], listen: str,
    networks: tuple[str, ...], hops: tuple[str, ...], tls: str, link_url: str | None, opt_out: str | None,
    company: str, partner: str, ledger_url: str, web: str, copy_rules: bool, units: bool | None, yes: bool,
) -> None:  # fmt: skip
    """Write a commented config, the key, rules and footers, and systemd's units; then check all of it.

    Asks for what the options don't say. Rules begin by observing: nothing is added to any mail until you say
    so. Nothing that exists is overwritten: then nothing is written at all, and exit 1.
    """
    asked = _Asked(yes=yes)
    answers = {
        "HOSTNAME": asked.one("--hostname", "name of the gateway", hostname, _DOMAIN, default=_own_name()),
        "OWN_DOMAINS": asked.several("--own-domain", "mail domains of the company", domains, _DOMAIN),
        "HOSTS": asked.several("--next-hop", "next hop, as host:port", hops, _PLACE),
        "URL": asked.one("--link-url", "link in the footer, https with {token}", link_url, _LINK),
        "OPT_OUT": asked.one("--opt-out", "link of 'no more of these', https or mailto", opt_out, _OPT_OUT),
    }
    asked.end()
    address, port = _listen(listen or "127.0.0.1:2525")
    answers |= {
        "ADDRESS": address,
        "PORT": port,
        "TLS": json.dumps(tls),
        "NETWORKS": _networks(networks or ("127.0.0.0/8",)),
        "OWN_SENDERS": _senders(answers["OWN_DOMAINS"]),
        "COMPANY": json.dumps(company, ensure_ascii=False),
        "PARTNER": json.dumps(partner, ensure_ascii=False),
        "LEDGER": json.dumps(ledger_url or f"sqlite:///{data.absolute() / 'ledger.db'}"),
        "KEY_FILE": json.dumps(str(data.absolute() / "careerrelay.key")),
        "RULES": 'directory = "rules"' if copy_rules else '# directory = "rules"',
        "WEB": f"listen = {_text(web, _PLACE)}" if web else '# listen = "127.0.0.1:8025"',
    }
    if units is None:
        units = not PACKAGED_UNIT.exists()
    write(folder.absolute(), data.absolute(), answers, copy_rules=copy_rules, units=units)


command = init


def write(folder: Path, data: Path, answers: Mapping[str, str], *, copy_rules: bool, units: bool) -> None:
    """Write all of it, or nothing where something is there already; then tell how it looks."""
    from gateway.cli.check import find
    from gateway.config import load_keys, shipped_packs

    config, key, rules, below = (
        folder / "config.toml",
        data / "careerrelay.key",
        folder / "rules",
        folder / "systemd",
    )
    wanted = [config, key, *([rules] if copy_rules else []), *([below] if units else [])]
    there = [str(path) for path in wanted if path.exists()]
    if there:
        raise click.ClickException(f"nothing was written, since this is there: {', '.join(there)}")
    text = (resources.files("gateway.cli.operating") / "init.toml").read_text("utf-8")
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # whatever the umask: the gateway's user has to come in
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        load_keys(key, create=True)
        if copy_rules:
            shutil.copytree(shipped_packs(), rules)
        if units:
            shutil.copytree(shipped_units(), below)
            _fit(below, config)
        config.touch(mode=0o640, exist_ok=False)
        config.write_text(_HOLE.sub(lambda hole: answers[hole[1]], text), "utf-8")
        _hand_over(config, key, data)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    for path in wanted:
        click.echo(f"wrote {path}")
    problems = find(config).problems
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise click.ClickException(f"mend {config}, then: careerrelay check --config {config}")
    click.echo(f"Keep a copy of {key}. Next: careerrelay doctor --config {config}, then docs/admin.md.")


def _hand_over(config: Path, key: Path, data: Path) -> None:
    """As root: the service's user may read the config, and has key and data for itself."""
    try:
        user = pwd.getpwnam(_USER)
    except KeyError:
        return
    if os.geteuid() == 0:
        shutil.chown(config, group=user.pw_gid)
        for path in (key, data):
            shutil.chown(path, user=user.pw_uid, group=user.pw_gid)


def _fit(units: Path, config: Path) -> None:
    """Put the program that runs now, and this config, into the units."""
    program = Path(sys.prefix) / "bin/careerrelay"
    for path in units.iterdir():
        text = path.read_text("utf-8").replace(_CONFIG, str(config))
        path.write_text(text.replace(_PROGRAM, str(program)) if program.exists() else text, "utf-8")


def shipped_units() -> Path:
    """The folder with systemd's units.

    Raises:
        click.ClickException: the installation has none.
    """
    import gateway

    package = Path(gateway.__file__).parent
    for place in (package / "units", package.parent / "systemd"):
        if place.is_dir():
            return place
    raise click.ClickException("this installation has no systemd units; use --no-units")


class _Asked:
    """Answers, from options or from the terminal. What is missing is told at once, in `end`."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self._missing: list[str] = []

    def one(
        self, option: str, what: str, given: str | None, form: Form, *, default: str | None = None
    ) -> str:
        """One value as it stands in the config."""
        if given:
            return _text(given, form)
        return self._answer(option, what, lambda text: _text(text, form), default)

    def several(self, option: str, what: str, given: tuple[str, ...], form: Form) -> str:
        """A list as it stands in the config; typed with commas or blanks between."""
        if given:
            return _texts(given, form)
        return self._answer(option, what, lambda text: _texts(_split(text), form), None)

    def _answer(self, option: str, what: str, read: Callable[[str], str], default: str | None) -> str:
        if self._yes and default:
            return read(default)
        if self._yes or self._missing:
            self._missing.append(option)
            return ""
        try:
            return str(click.prompt(what, default=default, value_proc=read))
        except click.Abort:
            if sys.stdin.isatty():
                raise
            # Nobody is there to answer.
            click.echo(err=True)
            self._missing.append(option)
            return ""

    def end(self) -> None:
        """Tell every option that is missing.

        Raises:
            click.UsageError: there is one.
        """
        if self._missing:
            raise click.UsageError(f"say it by options, too: {', '.join(self._missing)} (--help has each)")


def _own_name() -> str | None:
    """This machine's name in full, where it has one."""
    name = socket.getfqdn()
    return name if _DOMAIN.pattern.fullmatch(name) else None


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _text(value: str, form: Form) -> str:
    if not form.pattern.fullmatch(value):
        # At a prompt: told, and asked again.
        raise click.UsageError(f"{value!r} is not {form.words}")
    return json.dumps(value)


def _texts(values: tuple[str, ...], form: Form) -> str:
    if not values:
        raise click.UsageError("at least one is wanted")
    return "[" + ", ".join(_text(value, form) for value in values) + "]"


def _senders(domains: str) -> str:
    """Everybody at these domains; `domains` as it stands in the config."""
    names = [str(name) for name in json.loads(domains)]
    return json.dumps([f"*@{name}" for name in names])


def _networks(values: tuple[str, ...]) -> str:
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise click.UsageError(f"--network: {error}") from None
    return "[" + ", ".join(map(json.dumps, values)) + "]"


def _listen(value: str) -> tuple[str, str]:
    """Address and port as they stand in the config."""
    address, _, port = value.rpartition(":")
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        address = ""
    if not (address and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise click.UsageError(f"--listen: {value!r}: write it as 127.0.0.1:2525 or [::1]:2525")
    return json.dumps(address.strip("[]")), str(int(port))
