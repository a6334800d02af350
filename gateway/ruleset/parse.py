"""Bytes of rule files to validated tables. Every problem of every file, never just the first."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import ValidationError

from gateway.errors import Problem
from gateway.ruleset.schema import RuleFile

REMEMBERED = 64
"""Files remembered with what is in them: a reload changes one or two of them, and has to be quick."""

_BOM = b"\xef\xbb\xbf"
_PACK = re.compile(rb"(?m)^(?:\xef\xbb\xbf)?[ \t]*pack[ \t]*=[ \t]*[\"']([a-z0-9][a-z0-9-]*)[\"']")
# Left behind by editors and file managers (".#x.toml", "x.toml~", "x のコピー.toml"): never meant as rules.
_LEFTOVER_ENDINGS = ("~", ".swp", ".swo", ".bak", ".tmp", ".orig")
_LEFTOVER_PARTS = ("コピー", ".#", "copy of ")

_REMEDIES = {
    "extra_forbidden": "take the key out, or correct its spelling (docs/rules.md lists every key)",
    "missing": "add the key",
    "literal_error": "write one of the words that are allowed here",
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens",
    "string_too_short": "write at least one character",
    "too_long": "split the statement into two",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFile:
    """One rule file that has the right shape."""

    name: str
    pack: str
    table: RuleFile


def leftover(name: str) -> bool:
    """Is this file what an editor or a file manager leaves behind? Such files are skipped with a warning."""
    base = name.rpartition("/")[2].lower()
    return base.endswith(_LEFTOVER_ENDINGS) or any(part in base for part in _LEFTOVER_PARTS)


def parse_files(files: Mapping[str, bytes]) -> tuple[list[ParsedFile], list[Problem], list[Problem]]:
    """Read all ``*.toml`` of `files` in name order: the good ones, the problems, the warnings."""
    parsed: list[ParsedFile] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for name in sorted(files):
        if leftover(name):
            warnings.append(
                _problem(name, "", "looks like a copy that an editor left", "delete or rename the file")
            )
        elif name.endswith(".toml"):
            result = parse_file(name, files[name])
            if isinstance(result, ParsedFile):
                parsed.append(result)
            else:
                problems += result
    return parsed, problems, warnings


@lru_cache(maxsize=REMEMBERED)
def parse_file(name: str, content: bytes) -> ParsedFile | tuple[Problem, ...]:
    """Read one file; all its problems of shape when it has any. Remembered, as most stay as they are."""
    result = _parse(name, content)
    return result if isinstance(result, ParsedFile) else tuple(result)


def _parse(name: str, content: bytes) -> ParsedFile | list[Problem]:
    try:
        text = content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        remedy = "save the file as UTF-8"
        if _decodes(content, "cp932"):
            remedy += " (it looks like Shift_JIS / CP932: in Notepad choose 'Save as', encoding UTF-8)"
        return [Problem(file=name, key="", message="is not UTF-8", remedy=remedy, line=line)]
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [_problem(name, "", f"is not TOML: {error}", "mend the file at that line")]
    except RecursionError:
        return [_problem(name, "", "is nested too deeply", "rule files need three levels")]
    try:
        table = RuleFile.model_validate(raw)
    except ValidationError as error:
        return [
            _problem(
                name,
                key_path(fault["loc"]),
                fault["msg"][0].lower() + fault["msg"][1:],
                _REMEDIES.get(fault["type"], "write a value of the kind that docs/rules.md shows"),
            )
            for fault in error.errors(include_url=False)
        ]
    return ParsedFile(name=name, pack=table.pack or _stem(name), table=table)


def pack_of(name: str, content: bytes) -> str:
    """The pack that a file belongs to, also where the file is broken: as far as it can be told."""
    said = _PACK.search(content)
    return said[1].decode() if said else _stem(name)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".toml")


def key_path(location: tuple[int | str, ...]) -> str:
    """``("signal", 3, "terms")`` as a person writes it: ``signal[3].terms``."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _problem(file: str, key: str, message: str, remedy: str) -> Problem:
    return Problem(file=file, key=key, message=message, remedy=remedy)
