"""Our log, read back: lines of JSON or of text, with whatever a journal or a collector put before them."""

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

_KEY = re.compile(r" ([a-z_]+)=")
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\w+) \[(\d+)\] ")
_decode = json.JSONDecoder().raw_decode
_LONGEST = 1 << 20


def mails_in(path: Path) -> Iterator[dict[str, Any]]:
    """The lines about mails in a file; ``-`` is standard input, ``.gz`` is unpacked.

    Raises:
        OSError: it can't be read.
    """
    with _open(path) as file:
        yield from mails_of(iter(lambda: file.readline(_LONGEST), b""))


def mails_of(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Those of the lines that are about mails."""
    for line in lines:
        if b"message_id" in line:
            found = read_line(line.decode("utf-8", "replace").rstrip("\r\n"))
            if found is not None and "message_id" in found:
                yield found


def read_line(line: str) -> dict[str, Any] | None:
    """The fields of a line, with ``time``, ``level`` and ``message``; None if it is none of ours."""
    begin = line.find("{")
    match = _TEXT.search(line)
    if begin >= 0 and (match is None or begin < match.start()):
        try:
            found, _ = _decode(line, begin)
        except ValueError:
            return None
        return found if isinstance(found, dict) and "message" in found else None
    if match is None:
        return None
    rest = line[match.end() :]
    first = _KEY.search(rest)
    message = rest if first is None else rest[: first.start()]
    found = {"time": match[1], "level": match[2], "pid": int(match[3]), "message": message}
    return found | _fields(rest, first)


def _fields(rest: str, key: re.Match[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while key is not None:
        at = key.end()
        if rest[at : at + 1] in {'"', "[", "{"}:
            try:
                found[key[1]], end = _decode(rest, at)
            except ValueError:
                return found
        else:
            end = rest.find(" ", at)
            end = len(rest) if end < 0 else end
            found[key[1]] = rest[at:end]
        key = _KEY.match(rest, end)
    return found


def _open(path: Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
