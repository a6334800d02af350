"""What readers that share nothing with ours see in a mail, in one form.

Those that show a tree (Python's email, GMime, MIME-tools) give `tree` and `leaves`; those that show a letter
with files (mailparser, postal-mime) give `text`, `html` and `files`. A multipart is no leaf, an embedded
message is.
"""

import email
import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NODE = HERE / "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf: its type, its octets' hash with the transfer encoding undone, its text if it is one."""

    kind: str
    digest: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reader sees in one mail; `error` if it cannot read it at all."""

    error: str = ""
    tree: tuple[tuple[int, str], ...] = ()
    leaves: tuple[Leaf, ...] = ()
    text: str = ""
    html: str = ""
    files: tuple[tuple[str, str], ...] = ()


Reader = Callable[[Sequence[Path]], list[Reading]]


def by_program(*command: str) -> Reader:
    """A reader that is a program: paths in, JSON lines out."""

    def read(paths: Sequence[Path]) -> list[Reading]:
        done = subprocess.run(
            command, input="".join(f"{path}\n" for path in paths), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        readings = [_reading(json.loads(line)) for line in done.stdout.split("\n") if line]
        assert len(readings) == len(paths), done.stderr
        return readings

    return read


def _reading(answer: dict[str, Any]) -> Reading:
    return Reading(
        error=answer.get("error", ""),
        tree=tuple((depth, kind) for depth, kind in answer.get("tree", ())),
        leaves=tuple(
            Leaf(kind=kind, digest=digest, text=text) for kind, digest, text in answer.get("leaves", ())
        ),
        text=answer.get("text", ""),
        html=answer.get("html", ""),
        files=tuple((kind, digest) for kind, digest in answer.get("files", ())),
    )


def by_python(paths: Sequence[Path]) -> list[Reading]:
    """Python's own email package, in its lenient form."""
    return [by_bytes(path.read_bytes()) for path in paths]


def by_bytes(data: bytes) -> Reading:
    """The same for one mail."""
    tree: list[tuple[int, str]] = []
    leaves: list[Leaf] = []
    try:
        _walk(email.message_from_bytes(data), 0, tree, leaves)
    except (LookupError, ValueError, TypeError, AttributeError) as error:  # what it raises on odd mail
        return Reading(error=repr(error))
    return Reading(tree=tuple(tree), leaves=tuple(leaves))


def _walk(part: Message, depth: int, tree: list[tuple[int, str]], leaves: list[Leaf]) -> None:
    kind = part.get_content_type()
    tree.append((depth, kind))
    payload = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(payload, list):
        for child in payload:
            assert isinstance(child, Message)
            _walk(child, depth + 1, tree, leaves)
        return
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        octets = part.as_bytes()  # an embedded message
    text = None
    if part.get_content_maintype() == "text":
        try:
            text = octets.decode(part.get_content_charset("us-ascii"))
        except (LookupError, UnicodeDecodeError):
            text = None
    leaves.append(Leaf(kind=kind, digest=hashlib.sha256(octets).hexdigest(), text=text))
