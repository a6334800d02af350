"""The two header fields that a footer can force: charset in Content-Type, and Content-Transfer-Encoding.

Only the value that changes is replaced; name, other parameters, folds and comments keep their bytes. A
field that is not there is added at the end of the part's header (RFC 2045 §5, §6).
"""

import re
from typing import Final

from gateway.errors import MailUnreadable
from gateway.message.scan import Message, Part
from gateway.message.splice import Edit
from gateway.reason import Reason

_FOLD_AFTER: Final = 60
# ";" name "=" value, with white space, folds and comments; a quoted string is one value (RFC 2045 §5.1).
_PARAMETER: Final = re.compile(
    rb";(?>(?:\s++|\([^()]*\))*)([^\s=;\"()]++)\s*+=\s*+(\"(?>(?:[^\"\\]++|\\.)*)\"|[^\s;\"()]*+)", re.DOTALL
)


def field_edits(message: Message, part: Part, *, charset: str | None, encoding: str | None) -> list[Edit]:
    """The edits that give `part` another charset, transfer encoding, or both; None keeps what there is.

    Raises `MailUnreadable` where the charset parameter is written in a way that has no single value to
    replace.
    """
    edits: list[Edit] = []
    added = b""
    if charset is not None:
        content_type = part.head.first(b"content-type")
        if content_type is None:
            added += b"Content-Type: %s; charset=%s\r\n" % (part.content_type.encode(), charset.encode())
        else:
            edits.append(_charset_edit(message, content_type.value_start, content_type.end, charset))
    if encoding is not None:
        field = part.head.first(b"content-transfer-encoding")
        if field is None:
            added += b"Content-Transfer-Encoding: %s\r\n" % encoding.encode()
        else:
            edits.append(
                Edit(start=field.value_start, end=field.end - 2, replacement=b" " + encoding.encode())
            )
    if part.parent is None and message.head.first(b"mime-version") is None and (added or edits):
        added = b"MIME-Version: 1.0\r\n" + added
    if added:
        at = part.header[1] - 2  # before the blank line
        edits.append(Edit(start=at, end=at, replacement=added))
    return edits


def _charset_edit(message: Message, start: int, end: int, charset: str) -> Edit:
    value = bytes(message.data[start:end])
    name = charset.encode()
    for found in _PARAMETER.finditer(value):
        key = found[1].lower()
        if key == b"charset":
            first, last = found.span(2)
            return Edit(start=start + first, end=start + last, replacement=name)
        if key == b"charset*":
            first, last = found.start(1), found.end(2)
            return Edit(start=start + first, end=start + last, replacement=b"charset=" + name)
        if key.startswith(b"charset*"):
            raise MailUnreadable(Reason.CHARSET, "the charset parameter is in several sections")
    content = value.rstrip()
    at = start + len(content)
    line = len(content) - (content.rfind(b"\n") + 1)
    separator = b"" if content.endswith(b";") else b";"
    space = b"\r\n " if line > _FOLD_AFTER else b" "
    return Edit(start=at, end=at, replacement=separator + space + b"charset=" + name)
