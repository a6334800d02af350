"""The users of AUTH: a TOML file that `careerrelay user` writes, and that may be edited by hand."""

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.fault import Fault
from gateway.config.names import AddressPatterns, parse_pattern
from gateway.config.password import is_hash
from gateway.config.textfile import open_to_others, read_text
from gateway.errors import ConfigError, Problem

# Ten thousand users with long lists; more belong into a directory service.
_MAX_FILE = 8 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,126}", re.ASCII)
_KEYS = {"name", "password", "senders", "listeners"}
_HEAD = """\
# Who may log in (AUTH). Written by `careerrelay user`; the gateway reads it again when it changes.
# senders: addresses, domains or patterns that this user may send from (the envelope's sender); none: any.
# listeners: where this user may log in (their names); none: wherever users log in.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in.

    Attributes:
        password: its hash (`gateway.config.password`).
        senders: patterns of reverse-paths; empty: any. ``<>`` stands for the empty one, which a list
            otherwise leaves out.
        listeners: labels of listeners; empty: all.
    """

    name: str
    password: str
    senders: tuple[str, ...] = ()
    listeners: tuple[str, ...] = ()

    def may_send_as(self, sender: str) -> bool:
        """Whether this reverse-path (empty for ``<>``) is one of the user's own."""
        if not self.senders:
            return True
        if not sender:
            return "<>" in self.senders
        return AddressPatterns(tuple(one for one in self.senders if one != "<>")).matches(sender)

    def may_use(self, listener: str) -> bool:
        """Whether the user may log in at this listener."""
        return not self.listeners or listener in self.listeners


def parse_name(text: str) -> str:
    """A user's name.

    Raises:
        Fault: it is none.
    """
    if not _NAME.fullmatch(text):
        raise Fault(f"{text!r} is no user name", "write at most 127 letters, digits and . _ @ + -")
    return text


def parse_sender(text: str) -> str:
    """An address, domain or pattern, or ``<>``.

    Raises:
        Fault: it is none of them.
    """
    return text if text == "<>" else parse_pattern(text)


def read_users(path: Path, *, key: str = "auth.users_file") -> Mapping[str, User]:
    """All users by name.

    Raises:
        ConfigError: with every problem in the file, or because it can't be read or is open to others.
    """
    content = read_text(path, limit=_MAX_FILE, key=key)
    problem = open_to_others(path, key=key)
    if problem is not None:
        raise ConfigError([problem])
    try:
        table = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            [_problem(path, "", f"this is no TOML: {error}", "mend it, or make it anew")]
        ) from None
    users: dict[str, User] = {}
    problems: list[Problem] = []
    entries = table.get("user", [])
    if set(table) - {"user"} or not isinstance(entries, list):
        problems.append(_problem(path, "", "only [[user]] entries belong here", "take the rest out"))
        entries = []
    for index, entry in enumerate(entries):
        place = f"user[{index}]"
        try:
            user = _user(entry)
        except Fault as fault:
            problems.append(_problem(path, place, fault.message, fault.remedy))
            continue
        if user.name in users:
            problems.append(_problem(path, place, f"{user.name!r} is there already", "take one out"))
        users[user.name] = user
    if problems:
        raise ConfigError(problems)
    return users


def _user(entry: Any) -> User:  # noqa: ANN401 - whatever TOML gives
    if not isinstance(entry, dict) or not {"name", "password"} <= set(entry) <= _KEYS:
        raise Fault("a user has name, password, senders and listeners", "see `careerrelay user add --help`")
    password = entry["password"]
    if not isinstance(password, str) or not is_hash(password):
        raise Fault("the password is no hash", "set it with `careerrelay user add --replace`")
    return User(
        name=parse_name(_text(entry["name"])),
        password=password,
        senders=tuple(parse_sender(one) for one in _texts(entry.get("senders", []))),
        listeners=_texts(entry.get("listeners", [])),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Fault(f"text is wanted, not {value!r}", "write it in quotes")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Fault(f"a list is wanted, not {value!r}", 'write ["...", "..."]')
    return tuple(_text(one) for one in value)


def write_users(path: Path, users: Iterable[User], *, beside: Path | None = None) -> None:
    """Replace the file in one step, readable for its owner only.

    Written by root it goes to the owner of the old one, or of the file `beside`: the gateway has to read it.

    Raises:
        OSError: it can't be written; the old one is still there.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_HEAD + "".join(_rendered(user) for user in users))
            file.flush()
            os.fsync(file.fileno())
        model = next((file for file in (path, beside) if file is not None and file.exists()), None)
        if model is not None and os.geteuid() == 0:
            owner = model.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        os.replace(name, path)  # noqa: PTH105 - as os.open and os.fsync
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the same
        raise


def _rendered(user: User) -> str:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def listed(texts: Iterable[str]) -> str:
        return "[" + ", ".join(map(quoted, texts)) + "]"

    return (
        f"\n[[user]]\nname = {quoted(user.name)}\npassword = {quoted(user.password)}\n"
        f"senders = {listed(user.senders)}\nlisteners = {listed(user.listeners)}\n"
    )


def _problem(path: Path, key: str, message: str, remedy: str) -> Problem:
    return Problem(file=str(path), key=key, message=message, remedy=remedy)
