"""A rule set as one value: rules, footers and lists by content, named by their hash.

So it is kept in the ledger, and so every worker of every node can take it from there, whatever is in the
folders of the machine that it runs on.
"""

import difflib
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config import RuleFiles

#: A rule set is at most 500 files of at most a megabyte; what unpacks to more than this is none of ours.
_MOST = 1 << 30
#: Lines of a difference that are shown of each file.
_LINES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One of them. `files` have no place on a disk."""

    id: str
    files: RuleFiles


def id_of(files: RuleFiles) -> str:
    """The hash of rules, footers and lists."""
    return _hash(_text(files))


def pack(files: RuleFiles) -> tuple[str, bytes]:
    """Its id, and the content as the ledger keeps it."""
    text = _text(files)
    return _hash(text), zlib.compress(text, 6)


def unpack(ruleset: str, content: bytes) -> Snapshot:
    """What was packed.

    Raises:
        ValueError: it is not what its id says.
    """
    try:
        text = zlib.decompressobj().decompress(content, _MOST)
        table = json.loads(text)
        rules, footers = (_encoded(table[part]) for part in ("rules", "footers"))
        groups = {name: tuple(lines) for name, lines in table["groups"].items()}
    except (zlib.error, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"rule set {ruleset} can't be read: {error}") from error
    if _hash(text) != ruleset:
        raise ValueError(f"rule set {ruleset} is not what it was")
    folder = Path(f"rule set {ruleset}")
    files = RuleFiles(folder=folder, rules=rules, footers=footers, groups=groups, paths={}, warnings=())
    return Snapshot(id=ruleset, files=files)


def difference(old: RuleFiles | None, new: RuleFiles) -> str:
    """What changes from one set to the other, as ``diff -u`` shows it; empty where nothing does."""
    before = dict(_lines(old)) if old is not None else {}
    after = dict(_lines(new))
    shown: list[str] = []
    for name in sorted({*before, *after}):
        lines = list(
            difflib.unified_diff(
                before.get(name, []),
                after.get(name, []),
                fromfile=name if name in before else "(not there)",
                tofile=name if name in after else "(gone)",
                lineterm="",
            )
        )
        shown += lines[:_LINES]
        if len(lines) > _LINES:
            shown.append(f"... {len(lines) - _LINES} more lines of {name}")
    return "\n".join(shown)


def summary(old: RuleFiles | None, new: RuleFiles) -> str:
    """The same in one line: which files are new, gone or changed."""
    before = dict(_lines(old)) if old is not None else {}
    after = dict(_lines(new))
    kinds = {
        "new": sorted(after.keys() - before.keys()),
        "gone": sorted(before.keys() - after.keys()),
        "changed": sorted(name for name in after.keys() & before.keys() if after[name] != before[name]),
    }
    if old is None:
        return f"the first: {len(after)} files"
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names) or "no change"


def _lines(files: RuleFiles) -> Iterator[tuple[str, list[str]]]:
    for name, content in files.rules.items():
        yield name, content.decode("utf-8", "replace").splitlines()
    for name, content in files.footers.items():
        yield f"footers/{name}", content.decode("utf-8", "replace").splitlines()
    for name, entries in files.groups.items():
        yield f"groups/{name}.txt", list(entries)


def _text(files: RuleFiles) -> bytes:
    table = {
        "rules": _decoded(files.rules),
        "footers": _decoded(files.footers),
        "groups": {name: list(lines) for name, lines in files.groups.items()},
    }
    return json.dumps(table, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogateescape"
    )


def _decoded(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: content.decode("utf-8", "surrogateescape") for name, content in files.items()}


def _encoded(table: Mapping[str, str]) -> dict[str, bytes]:
    return {name: text.encode("utf-8", "surrogateescape") for name, text in sorted(table.items())}


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
