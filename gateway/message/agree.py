"""A second opinion on the structure of a mail: that of the standard library's parser.

Asked only for mails that are about to change. Two readers that share no code and see the same fields,
parts and bodies are what stands between an edit and a place where somebody does not expect it.

A mail that leaves nothing to decide (`gateway.message.plain`) need not be read twice for that.

What cannot decide on structure is left out of what the other parser gets: of a long leaf only the lines
that could be a boundary. So its cost depends on the number of parts, not on the size of attachments.
"""

from collections.abc import Iterator
from email.errors import MessageError
from email.feedparser import FeedParser
from email.message import Message as StandardMessage
from email.parser import HeaderParser
from email.policy import compat32

from gateway.message.plain import is_plain
from gateway.message.scan import Buffer, Message, Part

# A leaf shorter than this is handed over as it is.
_SHORT = 4096
# More than this is a puzzle; the mail is left alone.
_MAX_SKELETON = 1 << 20


def agrees_with_standard_library(message: Message) -> bool:
    """Whether Python's `email` sees the same fields and parts with the same bodies. Never raises."""
    if message.defects:
        return False
    return is_plain(message) or _compared(message)


def _compared(message: Message) -> bool:
    """Whether the other parser, asked, sees the same."""
    try:
        if len(message.parts) == 1 and message.parts[0].leaf is not None:
            start, end = message.parts[0].header
            return _same_header(message, message.parts[0], _parse_header(message.data[start:end]))
        skeleton, bodies = _skeleton(message)
        if skeleton is None:
            return False
        parser: FeedParser[StandardMessage[str, str]] = FeedParser(policy=compat32)
        parser.feed(skeleton.decode("latin-1"))
        return _same_part(message, message.parts[0], parser.close(), bodies)
    except (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # What that parser raises on hostile mail (PITFALLS.md) is an answer too.
        return False


def _parse_header(header: bytes) -> "StandardMessage[str, str]":
    return HeaderParser(policy=compat32).parsestr(header.decode("latin-1"))


def _skeleton(message: Message) -> tuple[bytes | None, dict[int, bytes]]:
    """The mail with its long leaves cut down (None: still too long), and what each leaf's body became."""
    out: list[bytes] = []
    length = 0
    bodies: dict[int, bytes] = {}
    position = 0
    for part in message.parts:
        if part.leaf is None:
            continue
        start, end = part.body
        if end - start > _SHORT:
            body = b"\r\n".join(_dashes(message.data, start, end))
        else:
            body = message.data[start:end]
        bodies[part.index] = body
        if start - position > _MAX_SKELETON:
            return None, bodies
        out += (message.data[position:start], body)
        length += start - position + len(body)
        position = end
        if length > _MAX_SKELETON:
            return None, bodies
    if length + len(message.data) - position > _MAX_SKELETON:
        return None, bodies
    out.append(message.data[position:])
    return b"".join(out), bodies


def _dashes(data: Buffer, start: int, end: int) -> Iterator[bytes]:
    """The lines of a body that begin with two dashes, until they are too many bytes."""
    at = start if data[start : start + 2] == b"--" else data.find(b"\r\n--", start, end) + 2
    length = 0
    while at >= start and length <= _MAX_SKELETON:
        line_end = data.find(b"\r\n", at, end)
        line_end = end if line_end < 0 else line_end
        length += line_end - at + 2
        yield data[at:line_end]
        at = data.find(b"\r\n--", line_end, end) + 2


def _same_part(
    message: Message, part: Part, other: "StandardMessage[str, str]", bodies: dict[int, bytes]
) -> bool:
    if not _same_header(message, part, other):
        return False
    payload = other.get_payload()
    if part.leaf is None:
        return (
            isinstance(payload, list)
            and len(payload) == len(part.children)
            and all(
                isinstance(theirs, StandardMessage)
                and _same_part(message, message.parts[ours], theirs, bodies)
                for ours, theirs in zip(part.children, payload, strict=True)
            )
        )
    if part.content_type.startswith("message/"):
        return True  # a leaf for us, a tree for them; its end is where the next part begins
    return isinstance(payload, str) and payload.encode("latin-1", "replace") == bodies[part.index]


def _same_header(message: Message, part: Part, other: "StandardMessage[str, str]") -> bool:
    """Fields in order, with their values, and what the MIME fields say."""
    theirs = list(other.raw_items())
    if other.defects or len(theirs) != len(part.head.fields):
        return False
    data = message.data
    for field, (name, value) in zip(part.head.fields, theirs, strict=True):
        if field.name != name.lower().encode("latin-1", "replace"):
            return False
        raw = data[field.value_start : field.end - 2].lstrip(b" \t")
        if raw != str(value).encode("latin-1", "replace"):
            return False
    if other.get_content_type() != part.content_type:
        return False
    boundary = other.get_boundary()
    return part.leaf is not None or boundary == part.parameters.get("boundary")
