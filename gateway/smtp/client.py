"""Who a mail's client is, told from one mail server to the next: XCLIENT and XFORWARD.

Both are Postfix's extensions (its XCLIENT_README and XFORWARD_README). Values are xtext (RFC 3461 §4); what
is not known is ``[UNAVAILABLE]``. Nothing here is believed: who may say them is the edge's to decide.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

XCLIENT = (b"NAME", b"ADDR", b"PORT", b"PROTO", b"HELO", b"LOGIN", b"DESTADDR", b"DESTPORT")
XFORWARD = (b"NAME", b"ADDR", b"PORT", b"PROTO", b"HELO", b"IDENT", b"SOURCE")
UNAVAILABLE = (b"[UNAVAILABLE]", b"[TEMPUNAVAIL]")
#: Octets of one value; a name has 255, a user 127.
MAX_VALUE = 255
#: Octets of a command line that we make (RFC 5321 §4.5.3.1.4).
MAX_LINE = 510

_XTEXT = re.compile(rb"\+([0-9A-Fa-f]{2})")
_PLAIN = re.compile(rb"[!-~]+")
_NOT_XTEXT = re.compile(rb"[^!-*,-<>-~]")


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of a client: attribute names in upper case with their values, decoded."""

    attributes: Mapping[bytes, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def lines(self, verb: bytes, wanted: Collection[bytes]) -> list[bytes]:
        """The commands that tell the next hop, with the attributes that it wants; without CRLF."""
        lines: list[bytes] = []
        for name, value in self.attributes.items():
            if name not in wanted:
                continue
            shown = value[:MAX_VALUE] if value in UNAVAILABLE else _NOT_XTEXT.sub(_encoded, value[:MAX_VALUE])
            word = b" " + name + b"=" + (shown or b"[UNAVAILABLE]")
            if lines and len(lines[-1]) + len(word) <= MAX_LINE:
                lines[-1] += word
            else:
                lines.append(verb + word)
        return lines


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"+%02X" % found[0][0]


def parse_attributes(argument: bytes, known: Collection[bytes]) -> dict[bytes, bytes] | None:
    """``NAME=value ...`` decoded; None if it is none of that, or names what is not known.

    What a value decodes to is printable ASCII without blanks: it may stand in a header field and in a log.
    """
    found: dict[bytes, bytes] = {}
    for word in argument.split():
        name, equals, value = word.partition(b"=")
        name = name.upper()
        plain = _XTEXT.sub(lambda octet: bytes([int(octet[1], 16)]), value)
        if not equals or name not in known or name in found or len(plain) > MAX_VALUE:
            return None
        if not _PLAIN.fullmatch(plain):
            return None
        found[name] = b"[UNAVAILABLE]" if plain.upper() in UNAVAILABLE else plain
    return found or None


def address_of(value: bytes) -> str | None:
    """The IP address in an ADDR attribute; empty where it is not known, None where it is no address."""
    if value in UNAVAILABLE:
        return ""
    text = value.decode("ascii")
    text = text[5:] if text[:5].upper() == "IPV6:" else text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def shown_address(peer: str) -> bytes:
    """An address as ADDR has it."""
    return (b"IPV6:" if ":" in peer else b"") + peer.encode("ascii") if peer else b"[UNAVAILABLE]"
