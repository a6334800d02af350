"""The files that a config names: that they are there, that they may be read, and what is in the small ones.

The files of rules and footers are `gateway.config.packs`; the key file is `gateway.config.keys`.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.certificates import check_certificates, check_key_pair
from gateway.config.dkim import DkimKey
from gateway.config.fault import Fault
from gateway.config.model import Config, partner_places
from gateway.config.names import parse_pattern
from gateway.config.section import Section
from gateway.config.textfile import open_to_others, read_bytes, read_text
from gateway.config.users import read_users
from gateway.config.webhook_secret import read_webhook_secrets
from gateway.errors import ConfigError, Problem

# A list of 50,000 addresses; more belong into a pattern.
_MAX_LIST = 2 << 20
_MAX_PASSWORD = 4_096
_MAX_SIGNING_KEY = 65_536
_TENANT_SECRET = re.compile(r"[!-~]{20,200}", re.ASCII)
_WEBHOOK_SECRETS = ("issue_secret_file", "webhook_secret_file", "push_secret_file")


def read_password(path: Path, *, key: str = "password_file") -> str:
    """The first line of a password file.

    Raises:
        ConfigError: the file is missing, open to others, empty or no text.
    """
    content = read_text(path, limit=_MAX_PASSWORD, key=key)
    problem = open_to_others(path, key=key)
    if problem is not None:
        raise ConfigError([problem])
    password = content.partition("\n")[0].removesuffix("\r")
    if not password:
        raise ConfigError(
            [
                Problem(
                    file=str(path),
                    key=key,
                    message="the first line is empty",
                    remedy="write the password there",
                )
            ]
        )
    return password


def read_signing_key(path: Path, *, key: str = "key_file") -> bytes:
    """A DKIM key as it lies in its file; whether it can sign is for `gateway.dkim` to say.

    Raises:
        ConfigError: the file is missing, open to others, or no private key in PEM.
    """
    content = read_bytes(path, limit=_MAX_SIGNING_KEY, key=key)
    problem = open_to_others(path, key=key)
    if problem is None and b"PRIVATE KEY-----" not in content:
        problem = Problem(
            file=str(path),
            key=key,
            message="there is no private key in it",
            remedy="name a PEM file (-----BEGIN PRIVATE KEY-----)",
        )
    if problem is not None:
        raise ConfigError([problem])
    return content


def read_patterns(path: Path, *, key: str) -> tuple[str, ...]:
    """The addresses, domains and patterns in a list file: one a line, ``#`` begins a comment.

    Raises:
        ConfigError: with every line that is none, or because the file cannot be read.
    """
    patterns: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(read_text(path, limit=_MAX_LIST, key=key).splitlines(), start=1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            patterns.append(parse_pattern(entry))
        except Fault as fault:
            problems.append(
                Problem(file=str(path), key="", message=fault.message, remedy=fault.remedy, line=number)
            )
    if problems:
        raise ConfigError(problems)
    return tuple(patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """Who is left alone: patterns of recipients, and of senders, in the config and in its list files."""

    recipients: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


def read_excluded(config: Config) -> Excluded:
    """The lists as they are now. Raises `ConfigError` with every line that is wrong."""
    gateway = config.gateway
    problems: list[Problem] = []

    def listed(path: Path | None, key: str) -> tuple[str, ...]:
        try:
            return () if path is None else read_patterns(path, key=key)
        except ConfigError as error:
            problems.extend(error.problems)
            return ()

    excluded = Excluded(
        recipients=(*gateway.exclude, *listed(gateway.exclude_file, "gateway.exclude_file")),
        senders=(
            *gateway.exclude_senders,
            *listed(gateway.exclude_senders_file, "gateway.exclude_senders_file"),
        ),
    )
    if problems:
        raise ConfigError(problems)
    return excluded


def _spool_directory(folder: Path, key: str) -> None:
    if not folder.is_dir():
        message, remedy = "there is no such folder", "create it, or name another"
    elif not os.access(folder, os.W_OK | os.X_OK):
        message, remedy = (
            "no file may be made in this folder",
            "give the gateway's user the right to, or name another",
        )
    else:
        return
    raise ConfigError([Problem(file=str(folder), key=key, message=message, remedy=remedy)])


def _password(path: Path, key: str) -> None:
    read_password(path, key=key)


def read_tenant_secret(path: Path, *, key: str = "tenant_secret_file") -> bytes:
    """The value that a tenant's rule sets.

    Raises:
        ConfigError: as `read_password`, or it is too short, or can't stand in a header field.
    """
    secret = read_password(path, key=key)
    if not _TENANT_SECRET.fullmatch(secret):
        message = "the secret is not 20 to 200 letters, digits and signs without blanks"
        remedy = "make one with: openssl rand -hex 32"
        raise ConfigError([Problem(file=str(path), key=key, message=message, remedy=remedy)])
    return secret.encode("ascii")


def _tenant_secret(path: Path, key: str) -> None:
    read_tenant_secret(path, key=key)


def _patterns(path: Path, key: str) -> None:
    read_patterns(path, key=key)


def _users(path: Path, key: str) -> None:
    read_users(path, key=key)


def _signing_key(path: Path, key: str) -> None:
    read_signing_key(path, key=key)


def _webhook_secrets(path: Path, key: str) -> None:
    read_webhook_secrets(path, key=key)


def in_memory(folder: Path, mounts: str) -> bool:
    """Whether `folder` is on a file system that lives in memory.

    `mounts` is the text of ``/proc/self/mounts``, which writes blanks in octal (fstab(5)).
    """
    found = {"/": ""}
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) > 2:
            found[parts[1].replace("\\040", " ")] = parts[2]
    place = next(str(place) for place in (folder, *folder.parents) if str(place) in found)
    return found[place] in {"tmpfs", "ramfs"}


def warn_of_files(config: Config, *, file: str) -> list[Problem]:
    """What is allowed but hardly meant about the places that `config` names."""
    found = _open_secrets(config)
    folder = config.limits.spool_directory
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape")
    except OSError:
        return found
    if not in_memory(folder.resolve(), mounts):
        return found
    message = f"{folder} is on a tmpfs, so large mails would fill the memory that they are kept out of"
    remedy = "name a folder on a disk"
    return [*found, Problem(file=file, key="limits.spool_directory", message=message, remedy=remedy)]


def _open_secrets(config: Config) -> list[Problem]:
    """Webhook secrets that others than their owner may read."""
    sections = [("link", config.link), *partner_places(config)]
    named = [
        (f"{section}.{name}", path)
        for section, model in sections
        for name in _WEBHOOK_SECRETS
        if isinstance(path := getattr(model, name, None), Path)
    ]
    return [problem for key, path in named if (problem := open_to_others(path, key=key)) is not None]


def check_files(config: Config) -> list[Problem]:
    """Every problem with the files that `config`, which may be a draft, names."""
    held = config.__dict__  # a draft has holes, and getattr() would raise for them
    places = [
        ("gateway", held.get("gateway")),
        ("auth", held.get("auth")),
        ("limits", held.get("limits")),
        ("next_hop", held.get("next_hop")),
        ("link", held.get("link")),
        *partner_places(config),
    ]
    places += [(f"route[{index}]", route) for index, route in enumerate(held.get("route", ()))]
    places += [(f"listen[{index}]", listen) for index, listen in enumerate(held.get("listen", ()))]
    dkim = held.get("dkim")
    places += [
        (f"dkim.key[{index}]", key)
        for index, key in enumerate(() if dkim is None else dkim.__dict__.get("key", ()))
    ]
    checks: tuple[tuple[str, Callable[[Path, str], None], type[Section]], ...] = (
        ("exclude_file", _patterns, Section),
        ("exclude_senders_file", _patterns, Section),
        ("ca_file", check_certificates, Section),
        ("client_ca_file", check_certificates, Section),
        ("password_file", _password, Section),
        ("users_file", _users, Section),
        ("tenant_secret_file", _tenant_secret, Section),
        ("spool_directory", _spool_directory, Section),
        *((name, _webhook_secrets, Section) for name in _WEBHOOK_SECRETS),
        ("key_file", _signing_key, DkimKey),  # that of [gateway] is made at the first start
    )
    problems: list[Problem] = []
    for section, model in places:
        for name, check, kind in checks:
            path = getattr(model, name, None)
            if path is None or not isinstance(model, kind):
                continue
            try:
                check(path, f"{section}.{name}")
            except ConfigError as error:
                problems += error.problems
    return [*problems, *_key_pairs(places)]


def _key_pairs(places: Sequence[tuple[str, Section | None]]) -> list[Problem]:
    """Every problem with certificates of ours and their keys."""
    problems: list[Problem] = []
    for section, model in places:
        certificate = getattr(model, "certificate_file", None)
        if certificate is None:
            continue
        try:
            check_key_pair(certificate, getattr(model, "certificate_key_file", None), section=section)
        except ConfigError as error:
            problems += error.problems
    return problems
