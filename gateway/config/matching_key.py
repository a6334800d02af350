"""The matching keys that are shared with a partner: what its `email_hash` is made with."""

import base64
import binascii
import re
from pathlib import Path

from gateway.config.model import Config, partner_places
from gateway.config.textfile import open_to_others, read_text
from gateway.errors import ConfigError, Problem

_MAX_FILE = 65_536
_KEY_OCTETS = 32
_MOST_KEYS = 2
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)


def read_matching_keys(
    path: Path, *, key: str = "partner.matching_key_file"
) -> tuple[tuple[str, bytes], ...]:
    """The live matching keys of a partner: pairs of id and key, one ``id:base64`` a line.

    Raises:
        ConfigError: the file is missing, open to others, or holds something else.
    """
    found: dict[str, bytes] = {}
    for number, line in _lines(path, key):
        key_id, colon, encoded = line.partition(":")
        octets = _base64(encoded.strip()) if colon else b""
        if len(octets) != _KEY_OCTETS or not _KEY_ID.fullmatch(key_id.strip()):
            raise _error(
                path,
                key,
                number,
                "this is no matching key",
                f"write an id, a colon, and {_KEY_OCTETS} octets in base64",
            )
        if key_id.strip() in found:
            raise _error(path, key, number, f"the id {key_id.strip()} stands in it twice", "take one out")
        found[key_id.strip()] = octets
    if not 1 <= len(found) <= _MOST_KEYS:
        remedy = f"write one, or {_MOST_KEYS} while one takes the other's place"
        raise _error(path, key, None, f"there are {len(found)} keys in it", remedy)
    return tuple(found.items())


def check_matching_keys(config: Config) -> list[Problem]:
    """Every problem with the files of partners that `config`, which may be a draft, names."""
    problems: list[Problem] = []
    for place, partner in partner_places(config):
        path = partner.__dict__.get("matching_key_file")
        if path is not None:
            try:
                read_matching_keys(path, key=f"{place}.matching_key_file")
            except ConfigError as error:
                problems += error.problems
    return problems


def _lines(path: Path, key: str) -> list[tuple[int, str]]:
    text = read_text(path, limit=_MAX_FILE, key=key)
    problem = open_to_others(path, key=key)
    if problem is not None:
        raise ConfigError([problem])
    stripped = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, line) for number, line in stripped if line and not line.startswith("#")]


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _error(path: Path, key: str, line: int | None, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(file=str(path), key=key, message=message, remedy=remedy, line=line)])
