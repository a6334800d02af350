"""What became of a mail, for a program (JSON) and for a person (a difference, decoded)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.cli.rewriting.mail import Rewritten
from gateway.message.scan import Message, Part, scan
from gateway.message.text import read_text

CONTEXT = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def as_json(result: Rewritten) -> dict[str, Any]:
    """Verdict, reason, and each edited part with its charset and transfer encoding before and after."""
    verdict = result.verdict
    return {
        "changed": result.changed,
        "reason": result.reason.value,
        "detail": result.detail,
        "from": result.sender,
        "to": list(result.recipients),
        "verdict": None
        if verdict is None
        else {
            "matched": verdict.matched,
            "action": verdict.action,
            "rule": verdict.rule,
            "campaign": verdict.campaign,
            "footer": verdict.footer,
            "score": verdict.score,
            "threshold": verdict.threshold,
            "reason": verdict.reason.value,
        },
        "footer": result.footer,
        "placement": result.placement,
        "parts": list(result.numbers),
        "edited": [
            {
                "part": each.number,
                "type": each.content_type,
                "charset": {"before": each.charset[0], "after": each.charset[1]},
                "encoding": {"before": each.encoding[0], "after": each.encoding[1]},
            }
            for each in result.edited
        ],
    }


def difference(result: Rewritten) -> Iterator[str]:
    """The lines that differ, with ``+``, ``-`` or a blank before each, bodies decoded; places in ``@@``."""
    before, after = scan(result.original), scan(result.content)
    yield from _changes("@@ header @@", _header(before, 0), _header(after, 0))
    old, new = read_text(before), read_text(after)
    numbers = {each.leaf: each.number for each in result.edited}
    for was, now in zip(old.bodies, new.bodies, strict=False):
        if was.decoded == now.decoded:
            continue
        part = after.parts[now.leaf]
        number = numbers.get(part.leaf or 0, part.leaf)
        if now.leaf:
            place = f"@@ header of part {number} @@"
            yield from _changes(place, _header(before, was.leaf), _header(after, now.leaf))
        yield from _changes(f"@@ part {number}: {_name(part)} @@", _lines(was.decoded), _lines(now.decoded))


def _header(message: Message, index: int) -> list[str]:
    start, end = message.parts[index].header
    return _lines(message.data[start:end].decode("utf-8", "replace"))


def _name(part: Part) -> str:
    charset = part.parameters.get("charset", "us-ascii")
    return f"{part.content_type}, {charset}, {part.encoding}"


def printable(text: str) -> str:
    """The text for a terminal: nothing that a mail says may talk to it."""
    return _CONTROL.sub(_visible, text)


def _lines(text: str) -> list[str]:
    return [printable(line) for line in re.split(r"\r\n|\r|\n", text)]


def _visible(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}" if ord(found[0]) < 0x100 else f"\\u{ord(found[0]):04x}"


def _changes(place: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """From the first line that differs to the last, with context. Linear, as bodies may be long."""
    if old == new:
        return
    shorter = min(len(old), len(new))
    front = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    back = next((at for at in range(shorter - front) if old[-1 - at] != new[-1 - at]), shorter - front)
    yield place
    yield from (f" {line}" for line in old[max(0, front - CONTEXT) : front])
    yield from (f"-{line}" for line in old[front : len(old) - back])
    yield from (f"+{line}" for line in new[front : len(new) - back])
    yield from (f" {line}" for line in new[len(new) - back : len(new) - back + CONTEXT])
