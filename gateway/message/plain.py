"""Mails so plain that they cannot be read in two ways.

The second opinion on a mail (`gateway.message.agree`) costs as much as everything else that is done with
it. Most mails do not need one: a header of nothing but well-formed fields with one simple Content-Type, and
below it either one body or a few texts between boundaries that occur nowhere else, leave a parser nothing to
decide. Whether its lines are such fields is seen where the header is read (`Header.plain`); the rest is read
from the bytes here, by a grammar that is narrower than the scanner's, and compared with what the scanner
found. A mail that is not plain is given to the other parser.

RFC 5322 §2.2, RFC 2045 §5.1, RFC 2046 §5.1. That `email` reads a plain mail as the
scanner does is the property of tests/fuzz/message/test_plain.py.
"""

import re
from functools import lru_cache
from itertools import pairwise

from gateway.message.scan import Message, Part

# Larger ones are no letters: whoever wants to know may ask the other parser.
MAX_PLAIN = 1 << 20

# A field from its colon on.
_REST = re.compile(rb":[^\r\n]*+(?>(?:\r\n[ \t][^\r\n]*+)*)\r\n")
_TOKEN = rb"[0-9A-Za-z.+_-]++"
_VALUE = rb'(?:[0-9A-Za-z!#$%&*+.^_{|}~/:?-]++|"[ !#-:<-\[\]-~]*+")'
_PARAMETER = rb";(?:\r\n)?[ \t]*+" + _TOKEN + rb"=" + _VALUE
_CONTENT_TYPE = re.compile(rb":[ \t]*+(" + _TOKEN + rb"/" + _TOKEN + rb")(?>(?:" + _PARAMETER + rb")*);?\r\n")
_BOUNDARY = re.compile(rb';\s*+boundary="?+([^";]++)', re.IGNORECASE)
_IDENTITY = re.compile(rb":[ \t]*+(?:7bit|8bit|binary)\r\n(?![ \t])", re.IGNORECASE)
_TYPE = b"\ncontent-type:"
_ENCODING = b"\ncontent-transfer-encoding:"
_DEFAULT = b":text/plain\r\n"
_TEXT = frozenset({"text/plain", "text/html"})
# Longer values are not remembered.
_REMEMBERED = 300


def is_plain(message: Message) -> bool:
    """Whether the scan is the only way to read this mail. Never raises."""
    data, root = message.data, message.parts[0]
    if not isinstance(data, bytes) or len(data) > MAX_PLAIN or message.defects or not message.complete:
        return False
    if len(message.parts) == 1:
        return root.leaf is not None and _plain_header(data, root) is not None
    children = message.parts[1:]
    return (
        root.content_type == "multipart/alternative"
        and all(part.parent == 0 and part.content_type in _TEXT for part in children)
        and _plain_alternative(data, root, children)
    )


def _plain_header(data: bytes, part: Part) -> bytes | None:
    """Its Content-Type from the colon on (what counts as one where there is none); None if not plain.

    Or if it is not what the scan took for the header.
    """
    start, end = part.header
    head = part.head
    if not head.plain or head.text[1:] != data[start : end - 2]:
        return None
    at = head.lower.find(_TYPE)
    # Each of the two fields that decide comes once, or the scan would have named it as a defect.
    field = _REST.match(head.text, at + len(_TYPE) - 1) if at >= 0 else None
    written = _DEFAULT if field is None else field[0]
    read = _type_of(written) if len(written) <= _REMEMBERED else _read_type(written)
    return written if read == part.content_type else None


def _read_type(written: bytes) -> str | None:
    """The type in a Content-Type field from the colon on, in lower case; None if the field is not plain."""
    found = _CONTENT_TYPE.fullmatch(written)
    return None if found is None else found[1].lower().decode()


_type_of = lru_cache(maxsize=256)(_read_type)


def _plain_alternative(data: bytes, root: Part, children: tuple[Part, ...]) -> bool:
    """Whether these texts, and nothing else, stand between the boundaries of `root`."""
    written = _plain_header(data, root)
    if written is None:
        return False
    at = root.head.lower.find(_ENCODING)
    if at >= 0 and _IDENTITY.match(root.head.text, at + len(_ENCODING) - 1) is None:
        return False
    found = _BOUNDARY.search(written)
    if found is None or found[1].decode() != root.parameters.get("boundary"):
        return False
    return _only_between(data, b"--" + found[1], children) and all(
        _plain_header(data, part) is not None for part in children
    )


def _only_between(data: bytes, delimiter: bytes, parts: tuple[Part, ...]) -> bool:
    """Whether the lines that begin with `delimiter` are those around `parts`, and nothing else."""
    # Lines begin behind an LF, to some also behind a CR that stands alone.
    if data.count(b"\n" + delimiter) != len(parts) + 1 or b"\r" + delimiter in data:
        return False
    opening = b"\n%b\r\n" % delimiter
    first, last = parts[0].header[0], parts[-1].body[1]
    behind = last + len(delimiter) + 4
    return (
        data[first - len(opening) : first] == opening
        and all(
            data[part.body[1] : following.header[0]] == b"\r" + opening for part, following in pairwise(parts)
        )
        and data[last:behind] == b"\r\n%b--" % delimiter
        and data[behind : behind + 2] in {b"", b"\r\n"}
    )
