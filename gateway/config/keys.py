"""The key of an installation, and the keys derived from it.

One file of 32 random bytes is shared by all nodes. Each use gets a key of its own by HKDF-SHA256 (RFC 5869),
so that what one of them signs says nothing about another. Whoever loses the file loses the matching of
addresses to earlier sends; whoever leaks it lets strangers forge the loop mark. The ledger stores the `id`,
so that a gateway with another key is noticed before it writes.
"""

import base64
import binascii
import contextlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.config.textfile import open_to_others, read_text
from gateway.errors import ConfigError, Problem

_SIZE = 32
_PREFIX = "careerrelay-key-1:"
_HEADING = "# The key of this CareerRelay installation. Secret; keep a copy; the same file on all nodes.\n"
_KEY = "gateway.key_file"
_MAX_FILE = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Derived keys, 32 bytes each. Their bytes are left out of repr().

    `id` names the installation's key without telling it: 12 hex digits.
    """

    id: str
    mark: bytes = field(repr=False)  # the loop mark in Received: (SMTP.md rule 13)
    mail: bytes = field(repr=False)  # the mail key (rule 18)
    person: bytes = field(repr=False)  # hashes of addresses (promise 8)
    own_id: bytes = field(repr=False)  # the value of X-CareerRelay-Id (rule 13)
    tombstone: bytes = field(repr=False)  # what is left of the erased, to refuse a second count
    digest: bytes = field(repr=False)  # whether a partner says the same again
    place: bytes = field(repr=False)  # networks that clicks come from


def derive_keys(secret: bytes) -> Keys:
    """The keys that follow from the 32 bytes of a key file. Same bytes, same keys, for ever."""

    def derive(use: str, length: int = _SIZE) -> bytes:
        # RFC 5869 §3.1: without a salt, since the input is uniformly random already.
        hkdf = HKDF(algorithm=SHA256(), length=length, salt=None, info=f"careerrelay/1/{use}".encode())
        return hkdf.derive(secret)

    return Keys(
        id=derive("id", 6).hex(),
        mark=derive("loop mark"),
        mail=derive("mail key"),
        person=derive("person hash"),
        own_id=derive("own id"),
        tombstone=derive("tombstone"),
        digest=derive("registration digest"),
        place=derive("click place"),
    )


def load_keys(path: Path, *, create: bool) -> Keys:
    """The keys of the installation whose key file this is.

    Args:
        path: the key file.
        create: make the file, with mode 0600, when it is missing. Safe when several processes start at once:
            all of them get the keys of the one that was first.

    Raises:
        ConfigError: the file is missing (and may not be made), damaged, or open to others than its owner.
    """
    if create and not path.exists():
        _create(path)
    text = read_text(path, limit=_MAX_FILE, key=_KEY)
    problem = open_to_others(path, key=_KEY)
    if problem is not None:
        raise ConfigError([problem])
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    secret = b""
    if len(lines) == 1 and lines[0].startswith(_PREFIX):
        with contextlib.suppress(binascii.Error, ValueError):
            secret = base64.b64decode(lines[0].removeprefix(_PREFIX), validate=True)
    if len(secret) != _SIZE:
        raise _error(
            path, "this is no key file, or it is damaged", "restore it from a copy, or from another node"
        )
    return derive_keys(secret)


def _create(path: Path) -> None:
    """Makes the key file whole or not at all: written under another name, then linked to its own if free."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    content = f"{_HEADING}{_PREFIX}{base64.b64encode(secrets.token_bytes(_SIZE)).decode('ascii')}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # link() fails where rename() would replace the key that another process has just made.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _error(
            path,
            f"the key file cannot be made: {error.strerror}",
            "give the gateway's user the right to write in its folder, or put a key file there",
        ) from error


def _error(path: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(file=str(path), key=_KEY, message=message, remedy=remedy)])
