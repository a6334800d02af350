"""Files with webhook secrets: ``whsec_`` and base64 (Standard Webhooks), one a line.

All of them are live: while one takes another's place, both are in the file. What is signed by us is signed
with the first. Unlike a password file it may be readable by others than its owner, which is only warned of:
container platforms mount secrets with modes that nobody can change.
"""

import base64
import binascii
from pathlib import Path

from gateway.config.textfile import read_text
from gateway.errors import ConfigError, Problem

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
