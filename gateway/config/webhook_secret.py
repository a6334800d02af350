"""Files with webhook secrets: ``whsec_`` and base64 (Standard Webhooks), one a line.

All of them are live: while one takes another's place, both are in the file. What is signed by us is signed
with the first. Unlike a password file it may be readable by others than its owner, which is only warned of:
container platforms mount secrets with modes that nobody can change.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.textfile import read_text
from gateway.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gateway.config.model import Config

_PREFIX = "whsec_"
#: Standard Webhooks asks for 24 to 64 octets; shorter than 16 can be guessed, more than the block of the hash
#: adds nothing.
_SHORTEST, _LONGEST = 16, 512
_MAX_SECRETS = 16
_MAX_FILE = 16_384


def read_webhook_secrets(path: Path, *, key: str) -> tuple[bytes, ...]:
    """The secrets in a file, in order. Empty lines and those that begin with ``#`` are passed over.

    Raises:
        ConfigError: it can't be read, a line is no secret, or there is none. Never repeats what is in it.
    """
    secrets: list[bytes] = []
    problems: list[Problem] = []
    for number, raw in enumerate(read_text(path, limit=_MAX_FILE, key=key).splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            secret = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if not line.startswith(_PREFIX) or not _SHORTEST <= len(secret) <= _LONGEST:
            remedy = (
                f"write whsec_ and the base64 of {_SHORTEST} to {_LONGEST} octets: openssl rand -base64 32"
            )
            message = "this line is no webhook secret"
            problems.append(Problem(file=str(path), key=key, message=message, remedy=remedy, line=number))
        secrets.append(secret)
    if not problems and not 1 <= len(secrets) <= _MAX_SECRETS:
        problems.append(
            Problem(
                file=str(path),
                key=key,
                message=f"there are {len(secrets)} secrets in it",
                remedy=f"write 1 to {_MAX_SECRETS}: whsec_ and what `openssl rand -base64 32` prints",
            )
        )
    if problems:
        raise ConfigError(problems)
    return tuple(secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSecrets:
    """All webhook secrets of a config. Left out of repr().

    Attributes:
        partners: by partner, those that sign what it sends.
        push: by partner, the one that signs what is sent to it.
        issuers: those of the company's own systems.
    """

    partners: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    push: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    issuers: tuple[bytes, ...] = field(default=(), repr=False)


def read_web_secrets(config: "Config") -> WebSecrets:
    """What is in the secret files that a config names.

    Raises:
        ConfigError: one of them can't be used.
    """
    partners: dict[str, tuple[bytes, ...]] = {}
    push: dict[str, bytes] = {}
    for one in config.partner:
        if one.webhook_secret_file is not None:
            partners[one.id] = read_webhook_secrets(
                one.webhook_secret_file, key="partner.webhook_secret_file"
            )
        signing = one.push_secret_file or one.webhook_secret_file
        if one.push_url is not None and signing is not None:
            push[one.id] = read_webhook_secrets(signing, key="partner.push_secret_file")[0]
    own = config.link.issue_secret_file
    issuers = () if own is None else read_webhook_secrets(own, key="link.issue_secret_file")
    return WebSecrets(partners=partners, push=push, issuers=issuers)
