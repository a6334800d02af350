"""From a config file to a `Config`, or to every error in it at once (DESIGN.md, promise 9)."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from gateway.config import checks
from gateway.config.draft import read
from gateway.config.files import check_files, warn_of_files
from gateway.config.matching_key import check_matching_keys
from gateway.config.model import Config
from gateway.config.place import find_line
from gateway.config.textfile import read_text
from gateway.errors import ConfigError, Problem

# The documented example has 20 KB.
_MAX_CONFIG = 1 << 20
_WHERE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A config file as far as it could be read.

    `config` is whole when there are no `problems`, else a draft with holes, and None when not even the TOML
    could be read. `warnings` are what is allowed but hardly meant; a draft has none.
    """

    config: Config | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def load_config(path: Path) -> Config:
    """Reads, checks and completes a config file.

    Raises:
        ConfigError: with every problem in the file and in the files that it names.
    """
    return _whole(examine(path))


def parse_config(text: str, *, file: str, folder: Path) -> Config:
    """`load_config` for a text: `file` names it in problems, relative paths count from `folder`."""
    return _whole(examine_text(text, file=file, folder=folder))


def embedded_config(folder: Path, changes: Mapping[str, Any] | None = None) -> Config:
    """The config for the demo and for tests: all in `folder`, loopback only.

    `changes` has the form of the file and is laid over the embedded values: tables merge,
    all else is replaced.

    Raises:
        ConfigError: `changes` are not right.
    """
    text = (resources.files("gateway.config") / "embedded.toml").read_text("utf-8")
    table = _merged(tomllib.loads(text), changes or {})
    return _whole(_examine_table(table, file="embedded.toml", folder=folder, text=""))


def examine(path: Path) -> Examined:
    """Reads a config file as far as it goes. Never raises for what is in it, or that it is missing."""
    try:
        text = read_text(path, limit=_MAX_CONFIG)
    except ConfigError as error:
        return Examined(config=None, problems=error.problems)
    return examine_text(text, file=str(path), folder=path.absolute().parent)


def examine_text(text: str, *, file: str, folder: Path) -> Examined:
    """`examine` for a text in place of a file."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return Examined(config=None, problems=(_syntax(error, text, file),))
    return _examine_table(table, file=file, folder=folder, text=text)


def _examine_table(table: Mapping[str, Any], *, file: str, folder: Path, text: str) -> Examined:
    config, problems = read(table, file=file, context={"folder": folder.absolute()})
    problems += checks.check(config, file=file, whole=not problems)
    named = [*check_files(config), *check_matching_keys(config)]
    if problems or named:
        placed = [_placed(problem, text) for problem in problems]
        return Examined(config=config, problems=(*placed, *named))
    unlikely = [*checks.warnings(config, file=file), *warn_of_files(config, file=file)]
    warnings = tuple(_placed(problem, text) for problem in unlikely)
    return Examined(config=config, problems=(), warnings=warnings)


def _whole(examined: Examined) -> Config:
    if examined.problems or examined.config is None:
        raise ConfigError(examined.problems)
    return examined.config


def _placed(problem: Problem, text: str) -> Problem:
    line = find_line(text, problem.key) if text else None
    return Problem(
        file=problem.file, key=problem.key, message=problem.message, remedy=problem.remedy, line=line
    )


def _syntax(error: Exception, text: str, file: str) -> Problem:
    """The problem of a text that is no TOML. The parser stops at the first error, so there is only one."""
    words = str(error)
    if isinstance(error, RecursionError):
        return Problem(file=file, key="", message="brackets are nested too deep", remedy="take some out")
    where = _WHERE.search(words)
    line = None if where is None else int(where[1] or text.count("\n") + 1)
    message = _WHERE.sub("", words)
    remedy = "see https://toml.io for the syntax; text stands in quotes, a list in brackets"
    if "overwrite" in message.lower() or "twice" in message.lower():
        remedy = (
            "each key and each [section] stands once; only those in two brackets, as [[listen]], can stand "
            "several times"
        )
    return Problem(file=file, key="", message=f"this is no TOML: {message}", remedy=remedy, line=line)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(before, value) if both and before is not None else value
    return merged
