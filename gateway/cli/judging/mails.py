"""The mails that a command is given: files, folders of them, mbox files, standard input. One at a time."""

import mmap
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.cli.rewriting.source import find_mails, read_mbox


def read_one(path: Path, limit: int) -> bytes:
    """A mail, at most one octet more than `limit` of it; ``-`` is standard input. Raises OSError."""
    if str(path) == "-":
        return sys.stdin.buffer.read(limit + 1)
    with path.open("rb") as file:
        return file.read(limit + 1)


def read_all(places: Iterable[Path], limit: int) -> Iterator[tuple[str, bytes | OSError]]:
    """Every mail in the files and folders, with its name; an error in place of what cannot be read.

    A file has the name that it was given by; what lies in a folder has the folder's before it, and a mail of
    an mbox its number behind ``#``.
    """
    for place in places:
        if str(place) == "-":
            yield "-", read_one(place, limit)
            continue
        try:
            for found in find_mails(place):
                name = str(place / found.name) if place.is_dir() else str(place)
                if found.mbox:
                    yield from _mbox(found.path, name)
                else:
                    yield name, read_one(found.path, limit)
        except OSError as error:
            yield str(place), error


def _mbox(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    if not path.stat().st_size:
        return  # an empty file cannot be mapped
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, stored in enumerate(read_mbox(data)):
            yield f"{name}#{number}", data[stored.start : stored.end]
