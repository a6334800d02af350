"""Where mails lie: trees of ``.eml`` files, Maildirs, mbox files. Found in name order, read one at a time.

A file is a mail if it is called so, lies in the `cur` or `new` of a Maildir, or begins with a header field
that mails have; an mbox if it is called so or begins with `From` and a blank. All else is passed over.
"""

import mmap
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAIL = {".eml"}
_MBOX = {".mbox", ".mbx"}
_MAILDIR = {"cur", "new"}
# Test collections name files by number and hash.
_FIRST_FIELD = re.compile(
    rb"(?:return-path|received|delivered-to|from|to|subject|date|message-id|mime-version|reply-to|sender|"
    rb"content-type|x-[a-z-]{1,60}|dkim-signature|arc-seal|authentication-results)[ \t]*:",
    re.IGNORECASE,
)
_FROM_LINE = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n?")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file with mail in it. `name` is relative to where the search began, with slashes."""

    path: Path
    name: str
    mbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One mail of an mbox: the line before it, its own octets, and whether a blank line is behind it."""

    separator: bytes
    start: int
    end: int
    blank: bool


def find_mails(root: Path) -> Iterator[Found]:
    """The mails below `root`, or `root` itself if it is a file. Links to folders are not followed.

    Raises OSError where a folder cannot be read.
    """
    if not root.is_dir():
        found = _judge(root, root.name, maildir=False, named=True)
        if found is not None:
            yield found
        return
    for folder, below, files in os.walk(root, onerror=_raise):
        below.sort()
        place = Path(folder)
        maildir = (
            place.name in _MAILDIR and (place.parent / "cur").is_dir() and (place.parent / "new").is_dir()
        )
        for name in sorted(files):
            path = place / name
            found = _judge(path, path.relative_to(root).as_posix(), maildir=maildir, named=False)
            if found is not None:
                yield found


def _raise(error: OSError) -> None:
    raise error


def _judge(path: Path, name: str, *, maildir: bool, named: bool) -> Found | None:
    """What `path` is. `named`: somebody asked for this very file, so it is a mail unless it is an mbox."""
    suffix = path.suffix.lower()
    if not maildir and suffix not in _MAIL:
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return None  # a named pipe would hold us for ever
            with path.open("rb") as file:
                head = file.read(100)
        except OSError:
            return Found(path=path, name=name, mbox=False) if named else None
        if head.startswith(b"From ") or (suffix in _MBOX and not head):
            return Found(path=path, name=name, mbox=True)
        if not named and _FIRST_FIELD.match(head) is None:
            return None
    elif path.exists() and not path.is_file():
        return None
    return Found(path=path, name=name, mbox=False)


def read_mbox(data: mmap.mmap) -> Iterator[Stored]:
    """The mails of an mbox: each begins after a line ``From ...`` at the start or behind a blank line.

    Quoting (``>From``) is left as it is. RFC 4155, and every program in its own way.
    """
    last: re.Match[bytes] | None = None
    for line in _FROM_LINE.finditer(data):
        if last is not None:
            yield _stored(data, last, line.start())
        last = line
    if last is not None:
        yield _stored(data, last, len(data))


def _stored(data: mmap.mmap, line: re.Match[bytes], end: int) -> Stored:
    start = line.end()
    tail = data[max(start - 1, end - 4) : end]
    blank = next(
        (blank for blank in (b"\r\n", b"\n") if tail.endswith((b"\r\n" + blank, b"\n" + blank))), b""
    )
    return Stored(
        separator=line[0].rstrip(b"\r\n"), start=start, end=max(start, end - len(blank)), blank=bool(blank)
    )
