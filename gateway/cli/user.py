"""``careerrelay user``: who may log in at listeners that have `auth`."""

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, json_option
from gateway.cli.printing import print_json

if TYPE_CHECKING:
    from gateway.config.users import User

#: A password of this many random octets, in letters and digits, is beyond guessing.
_RANDOM_OCTETS = 18
_SHORTEST = 10


@click.group()
def user() -> None:
    """Who may log in (AUTH): add, list, remove.

    The users are in the file that the config names (`users_file` in [auth]), with their passwords as scrypt
    hashes. A running gateway takes a change over within seconds, without a reload.
    """


@user.command()
@click.argument("name")
@config_option
@click.option(
    "--sender",
    "senders",
    multiple=True,
    metavar="PATTERN",
    help='An address, domain or pattern such as "*@example.co.jp" that this user may send from; "<>" for the '
    "empty one. Repeat it for more. Without any: every sender.",
)
@click.option(
    "--listener",
    "listeners",
    multiple=True,
    metavar="NAME",
    help="A listener where this user may log in. Repeat it for more. Without any: wherever users log in.",
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input."
)
@click.option("--generate", is_flag=True, help="Make a password and print it, once.")
@click.option("--replace", is_flag=True, help="Replace the user if there is one: new password, new rights.")
@json_option
def add(
    *,
    name: str,
    config_path: Path,
    senders: tuple[str, ...],
    listeners: tuple[str, ...],
    password_stdin: bool,
    generate: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Add a user, or with --replace change one.

    The password is asked for, twice, unless --password-stdin or --generate says otherwise. It is never an
    argument, where every user of the machine could read it.
    """
    from gateway.config.fault import Fault
    from gateway.config.password import MAX_PASSWORD, hash_password
    from gateway.config.users import User, parse_name, parse_sender

    path, labels, key = _place(config_path)
    users = _read(path)
    try:
        name = parse_name(name)
        senders = tuple(parse_sender(sender) for sender in senders)
    except Fault as fault:
        raise click.UsageError(f"{fault.message}: {fault.remedy}") from None
    unknown = [listener for listener in listeners if labels and listener not in labels]
    if unknown:
        raise click.UsageError(f'there is no listener "{unknown[0]}": write one of {", ".join(labels)}')
    if name in users and not replace:
        raise click.ClickException(f"there is a user {name} already; --replace changes it")
    password = _password(from_stdin=password_stdin, generate=generate)
    if not _SHORTEST <= len(password) <= MAX_PASSWORD:
        raise click.ClickException(f"a password has {_SHORTEST} to {MAX_PASSWORD} characters")
    known = name in users
    users[name] = User(
        name=name,
        password=hash_password(password, os.urandom(16)),
        senders=senders,
        listeners=listeners,
    )
    _write(path, users, key)
    if as_json:
        print_json({**_shown(users[name]), "changed": known, "password": password if generate else None})
        return
    if generate:
        click.echo(f"password: {password}")
    click.echo(f"{path}: user {name} {'changed' if known else 'added'} ({_rights(users[name])})")


@user.command(name="list")
@config_option
@json_option
def list_(*, config_path: Path, as_json: bool) -> None:
    """List the users and their rights; never their passwords."""
    path, _, _ = _place(config_path)
    users = _read(path)
    if as_json:
        print_json([_shown(one) for one in users.values()])
        return
    for one in users.values():
        click.echo(f"{one.name}: {_rights(one)}")
    if not users:
        click.echo(f"{path}: no users", err=True)


@user.command()
@click.argument("name")
@config_option
def remove(*, name: str, config_path: Path) -> None:
    """Remove a user. Sessions that are logged in go on to their end; no new login works."""
    path, _, key = _place(config_path)
    users = _read(path)
    if users.pop(name, None) is None:
        raise click.ClickException(f"there is no user {name} in {path}")
    _write(path, users, key)
    click.echo(f"{path}: user {name} removed")


def _place(config_path: Path) -> tuple[Path, list[str], Path | None]:
    """The users file, the listeners' names and the key file, from a config that may have problems still."""
    from gateway.config import examine

    examined = examine(config_path)
    auth = None if examined.config is None else examined.config.__dict__.get("auth")
    path = None if auth is None else auth.__dict__.get("users_file")
    if path is None:
        for problem in examined.problems:
            click.echo(f"error: {problem}", err=True)
        raise click.ClickException(
            f'{config_path} names no users file: write users_file = "users.toml" below [auth]'
        )
    listeners = examined.config.__dict__.get("listen", ()) if examined.config is not None else ()
    gateway = examined.config.__dict__.get("gateway") if examined.config is not None else None
    key = None if gateway is None else gateway.__dict__.get("key_file")
    return (
        path,
        [listen.label for listen in listeners if {"name", "address", "port"} <= set(listen.__dict__)],
        key,
    )


def _read(path: Path) -> "dict[str, User]":
    from gateway.config.users import read_users

    return dict(read_users(path)) if path.exists() else {}


def _write(path: Path, users: "dict[str, User]", key: Path | None) -> None:
    from gateway.config.users import write_users

    try:
        write_users(path, users.values(), beside=key)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from None


def _password(*, from_stdin: bool, generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(_RANDOM_OCTETS)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _shown(one: "User") -> dict[str, object]:
    return {"name": one.name, "senders": list(one.senders), "listeners": list(one.listeners)}


def _rights(one: "User") -> str:
    senders = ", ".join(one.senders) or "any sender"
    listeners = ", ".join(one.listeners) or "any listener"
    return f"{senders}; {listeners}"
