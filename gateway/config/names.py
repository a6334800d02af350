"""Host names, mail domains, addresses and patterns of them, as they stand in config files.

A pattern is one of

* an address: ``hr@example.co.jp``
* a domain, which stands for all its addresses: ``example.co.jp``
* either with ``*`` for any run of characters: ``*@agency.example``, ``saiyo-*@example.co.jp``;
  ``*.example.co.jp`` means the domains below it, not the domain itself.

Case never matters, neither in domains (RFC 5321 §2.4) nor, against its letter, in local parts: whoever lists
``HR@example.co.jp`` means ``hr@`` too. International domains compare in their ASCII form (RFC 5890 §2.3.2.1).
"""

import ipaddress
import re
from collections.abc import Iterable

from gateway.config.fault import Fault

# RFC 1035 §2.3.4 gives the sizes; underscores are not allowed in host names but occur in real mail domains.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_MAX_DOMAIN = 253
# RFC 5321 §4.5.3.1.3 has 256 octets with the angle brackets; a pattern has no reason to be longer.
_MAX_PATTERN = 254
_ATOM = re.compile(r"[^\x00-\x20\x7f\"(),:;<>@\[\\\]]+")


def to_ascii(domain: str) -> str:
    """The lower-case ASCII form of a domain (A-labels).

    Raises:
        Fault: the name has no such form.
    """
    lowered = domain.lower()
    if lowered.isascii():
        return lowered
    try:
        return lowered.encode("idna").decode("ascii")
    except UnicodeError:
        raise Fault(
            f"{domain!r} is no domain name", "write the name as it stands behind the @ of an address"
        ) from None


def parse_domain(text: str) -> str:
    """A domain name in its lower-case ASCII form, without a final dot.

    Raises:
        Fault: it is not one.
    """
    if "@" in text:
        raise Fault(f"{text!r} is an address; a domain is wanted", f"write {text.rpartition('@')[2]!r}")
    domain = to_ascii(text.removesuffix("."))
    if not domain or len(domain) > _MAX_DOMAIN or not all(map(_LABEL.fullmatch, domain.split("."))):
        raise Fault(f"{text!r} is no domain name", 'write a name such as "example.co.jp"')
    return domain


def parse_own_domain(text: str) -> str:
    """A domain, or ``*.domain`` for all below it, in lower-case ASCII.

    Raises:
        Fault: it is neither.
    """
    if text.startswith("*."):
        return "*." + parse_domain(text[2:])
    return parse_domain(text)


def parse_hostname(text: str) -> str:
    """The name by which the gateway greets: a host name, or an address literal (RFC 5321 §4.1.3).

    Raises:
        Fault: it is neither.
    """
    if text.startswith("[") and text.endswith("]"):
        literal = text[1:-1]
        try:
            ipaddress.ip_address(literal[5:] if literal[:5].lower() == "ipv6:" else literal)
        except ValueError:
            raise Fault(f"{text!r} is no address literal", "write a host name, or [192.0.2.1]") from None
        return text
    if text != text.strip() or not text.isascii():
        raise Fault(f"{text!r} is no host name", 'write the name in ASCII, such as "gw.example.co.jp"')
    return parse_domain(text)


def parse_address(text: str) -> str:
    """A mailbox as config files name it: an unquoted local part, @, a domain. The domain in lower-case ASCII.

    Raises:
        Fault: it is not one.
    """
    local, at, domain = text.rpartition("@")
    if not at or len(text) > _MAX_PATTERN or not _ATOM.fullmatch(local):
        raise Fault(f"{text!r} is no mail address", 'write an address such as "postmaster@example.co.jp"')
    return f"{local}@{parse_domain(domain)}"


def parse_pattern(text: str) -> str:
    """A pattern in the form in which `AddressPatterns` compares it: lower case, ASCII domain.

    Raises:
        Fault: it can never match an address.
    """
    local, at, domain = text.rpartition("@")
    lowered = to_ascii(domain)
    remedy = 'write an address, a domain, or one of them with *, such as "*@agency.example"'
    if len(text) > _MAX_PATTERN or (at and not _ATOM.fullmatch(local)):
        raise Fault(f"{text!r} is no address, domain or pattern", remedy)
    if lowered != "*" and not all(map(_LABEL.fullmatch, lowered.replace("*", "x").split("."))):
        raise Fault(f"{text!r} is no address, domain or pattern", remedy)
    return local.lower() + at + lowered


def fold_address(address: str) -> str:
    """`address` as patterns compare it. Never raises: what has no ASCII form keeps its letters."""
    local, at, domain = address.lower().rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            return local + at + domain
    return local + at + domain


def in_domains(patterns: Iterable[str], domain: str) -> bool:
    """Whether `domain` (folded) is one of `patterns`, or below one with ``*.`` (see `parse_own_domain`)."""
    for pattern in patterns:
        if domain == pattern or (pattern.startswith("*.") and domain.endswith(pattern[1:])):
            return True
    return False


def _glob(pattern: str, text: str) -> bool:
    """Whether `pattern`, in which ``*`` is any run of characters, fits all of `text`.

    Leftmost placing of each literal piece is enough where ``*`` is the only wildcard: nothing is tried twice.
    """
    first, *middle, last = pattern.split("*")
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


class AddressPatterns:
    """A set of patterns, ready to be asked whether an address is in it. Immutable."""

    __slots__ = ("_addresses", "_domains", "_globs")

    def __init__(self, patterns: Iterable[str]) -> None:
        """`patterns` as `parse_pattern` gives them."""
        plain: set[str] = set()
        globs: set[str] = set()
        for pattern in patterns:
            (globs if "*" in pattern else plain).add(pattern)
        self._addresses = frozenset(pattern for pattern in plain if "@" in pattern)
        self._domains = frozenset(plain - self._addresses)
        self._globs = tuple(sorted(pattern if "@" in pattern else "*@" + pattern for pattern in globs))

    def __bool__(self) -> bool:
        return bool(self._addresses or self._domains or self._globs)

    def matches(self, address: str) -> bool:
        """Whether `address` (local@domain, any case; no angle brackets) fits one of the patterns."""
        folded = fold_address(address)
        if folded in self._addresses or folded.rpartition("@")[2] in self._domains:
            return True
        return any(_glob(pattern, folded) for pattern in self._globs)
