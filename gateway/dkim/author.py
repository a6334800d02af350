"""Whose a mail is: the domain of its author, and the domains that have signed it.

Both are read strictly. Where the author is in doubt (no From field, two of them, several addresses) there is
none, and then no key of ours speaks for the mail.
"""

import re

from gateway.message.scan import Field, Message

# One address with its name; a longer field is an attack on the patterns below, which may look at it once from
# each octet.
_MAX_AUTHOR = 1_000
# Quoted strings and comments (RFC 5322 §3.2.2, §3.2.4).
_QUOTED = re.compile(rb'"(?>(?:[^"\\]++|\\.)*)"', re.DOTALL)
_COMMENT = re.compile(rb"\((?>(?:[^()\\]++|\\.)*)\)", re.DOTALL)
_ANGLE = re.compile(rb"<([^<>]*+)>")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*+)(?>(?:\.[a-z0-9_][a-z0-9_-]*+)*)")
# Comments in comments, deeper than anybody writes them.
_MAX_NESTING = 4
# RFC 6376 §3.2: tags are apart by semicolons, with white space around name and value.
_TAG = re.compile(rb"(?:\A|;)[ \t\r\n]*+d[ \t\r\n]*+=([^;]*+)")


def author_domain(message: Message) -> str | None:
    """The domain in the From field, in lower-case ASCII (A-labels); None where there is not exactly one."""
    fields = message.head.all(b"from")
    if len(fields) != 1:
        return None
    value = fields[0].value(message.data)
    if len(value) > _MAX_AUTHOR:
        return None
    value = _QUOTED.sub(b"_", value)
    for _ in range(_MAX_NESTING):
        value, count = _COMMENT.subn(b"", value)
        if not count:
            break
    angles = _ANGLE.findall(value)
    beside = _ANGLE.sub(b"", value)
    if len(angles) > 1 or b"(" in value or b";" in beside or (b"," in beside and b"@" in beside):
        return None
    address = angles[0] if angles else value
    local, at, domain = address.strip(b" \t").rpartition(b"@")
    return _ascii_domain(domain) if at and b"@" not in local else None


def signature_domain(message: Message, field: Field) -> str | None:
    """The domain (``d=``) of a DKIM-Signature field, in lower-case ASCII; None where it cannot be read."""
    found = _TAG.findall(field.value(message.data))
    return _ascii_domain(b"".join(found[0].split())) if len(found) == 1 else None


def _ascii_domain(domain: bytes) -> str | None:
    try:
        text = domain.decode("utf-8").lower()
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name if _DOMAIN.fullmatch(name) else None
