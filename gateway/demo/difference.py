"""What became of a mail, for a reader: which lines came in or changed, decoded where their bytes say nothing.

Not for anything but showing: the mails are the demo's own, so the standard library's parser will do.
"""

import difflib
import email
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Literal

CONTEXT = 2
_ASCII = "us-ascii"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a difference: added, removed, kept for context, ``gap`` where kept ones are left out."""

    sign: Literal["+", "-", " ", "gap"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The lines that differ in one place of a mail. `place` says where, and what was decoded."""

    place: str
    lines: tuple[Line, ...]


def differences(before: bytes, after: bytes) -> list[Section]:
    """Compare two mails part by part; sections without a difference are left out.

    Where the number of parts differs the whole is compared as it stands.
    """
    old, new = list(_leaves(before)), list(_leaves(after))
    if len(old) != len(new):
        return _section("the whole mail", _raw(before), _raw(after))
    found = _section("header", _raw(_head(before)), _raw(_head(after)))
    for old_part, new_part in zip(old, new, strict=True):
        if old_part is not old[0] or len(old) > 1:
            found += _section(f"header of a part, {_name(new_part)}", _fields(old_part), _fields(new_part))
        if old_part.get_payload(decode=True) != new_part.get_payload(decode=True):
            found += _section(_name(new_part), _text(old_part), _text(new_part))
    return found


def kept_lines(before: bytes, after: bytes) -> tuple[int, int]:
    """How many lines of the one stand unchanged, in the other, and how many there were; raw bytes."""
    old, new = before.split(b"\r\n"), after.split(b"\r\n")
    # Same lines in front and behind first, as nearly all are; the matcher is quadratic.
    front = next(
        (at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    matcher = difflib.SequenceMatcher(None, old[front:], new[front:], autojunk=False)
    return front + sum(block.size for block in matcher.get_matching_blocks()), len(old)


def _leaves(content: bytes) -> Iterator[Message]:
    for part in email.message_from_bytes(content).walk():
        if not part.is_multipart():
            yield part


def _head(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[0]


def _raw(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


def _fields(part: Message) -> list[str]:
    return [f"{name}: {value}" for name, value in part.items()]


def _name(part: Message) -> str:
    charset = part.get_content_charset(_ASCII)
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).lower()
    decoded = (
        ", decoded" if encoding in {"base64", "quoted-printable"} or charset not in {_ASCII, "utf-8"} else ""
    )
    return f"{part.get_content_type()}, {charset}, {encoding}{decoded}"


def _text(part: Message) -> list[str]:
    payload = part.get_payload(decode=True)
    octets = payload if isinstance(payload, bytes) else b""
    try:
        text = octets.decode(part.get_content_charset(_ASCII), "replace")
    except LookupError:
        text = octets.decode("latin-1")
    return re.split(r"\r?\n", text)


def _section(place: str, before: Sequence[str], after: Sequence[str]) -> list[Section]:
    lines: list[Line] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if lines:
            lines.append(Line(sign="gap", text=""))
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                lines += [Line(sign=" ", text=text) for text in before[old_start:old_end]]
                continue
            lines += [Line(sign="-", text=text) for text in before[old_start:old_end]]
            lines += [Line(sign="+", text=text) for text in after[new_start:new_end]]
    return [Section(place=place, lines=tuple(lines))] if lines else []
