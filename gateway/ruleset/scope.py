"""Whether a rule is about this mail at all: who sends, to whom, which headers, what size and language."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

_KANA = re.compile(r"[\u3041-\u30ff]")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]+")
_LATIN = re.compile("[a-z]")
_NOT_LATIN = bytes(octet for octet in range(256) if not 0x61 <= octet <= 0x7A)
_SAMPLE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPattern:
    """One entry of a list: ``a@b.example``, ``*@b.example``, ``*@*.b.example`` or ``b.example``."""

    local: str
    domain: str

    def matches(self, address: str) -> bool:
        """`address` is a mailbox in lower case without angle brackets."""
        local, at, domain = address.rpartition("@")
        if not at:
            return False
        if self.domain.startswith("*."):
            if not domain.endswith(self.domain[1:]):
                return False
        elif self.domain not in ("*", domain):
            return False
        return self.local in ("*", local)


def address_pattern(written: str) -> AddressPattern:
    """Read one entry. Raises `ValueError` saying what to write instead."""
    text = written.strip().lower()
    local, at, domain = text.rpartition("@")
    if not at or not local:
        local = "*"
    if not domain or " " in text:
        raise ValueError(f"{written!r} is neither an address nor a domain")
    if "*" in domain[1:] or (domain.startswith("*") and domain != "*" and not domain.startswith("*.")):
        raise ValueError(
            f"in {written!r} a '*' may stand for the local part, or before the domain ('*@*.example.co.jp')"
        )
    if "*" in local and local != "*":
        raise ValueError(f"in {written!r} a '*' may stand only for the whole local part")
    return AddressPattern(local=local, domain=domain)


def any_matches(patterns: Sequence[AddressPattern], *addresses: str) -> bool:
    """Does one of the addresses match one of the patterns?"""
    for address in addresses:
        mailbox = address.lower()
        for pattern in patterns:
            if pattern.matches(mailbox):
                return True
    return False


def language_of(*texts: str) -> str:
    """``ja`` when there is kana, else ``en`` when most letters are Latin, else an empty string.

    By script alone; a coarse question for `scope.language`, answered on the first characters only.
    """
    sample = "".join([text[:_SAMPLE] for text in texts])
    if sample.isascii():
        return "en" if _LATIN.search(sample) else ""
    first = _JAPANESE.search(sample)
    if first is None:
        return "en" if _LATIN.search(sample) else ""
    if _KANA.search(sample, first.start()):
        return "ja"
    latin = len(sample.encode("ascii", "ignore").translate(None, _NOT_LATIN))
    return "en" if latin > sum(map(len, _JAPANESE.findall(sample))) else ""


class Addressed(Protocol):
    """What a scope asks of a mail, see `ruleset.MailView`; an empty address matches nothing."""

    @property
    def sender(self) -> str:
        """By the reverse-path."""

    @property
    def header_from(self) -> str:
        """By the From field."""

    @property
    def recipients(self) -> Sequence[str]:
        """All of them."""

    @property
    def header(self) -> Callable[[bytes], bytes | None]:
        """The first field of a name."""

    @property
    def size(self) -> int | None:
        """In octets, if known."""

    def language(self) -> str:
        """See `language_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderTest:
    """A header field that must be there (and match, where a pattern is given)."""

    name: bytes
    search: Callable[[str], object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The conditions of one rule; `senders` None means anybody (written as ``"any"``)."""

    senders: tuple[AddressPattern, ...] | None
    not_senders: tuple[AddressPattern, ...] = ()
    recipients: tuple[AddressPattern, ...] = ()
    not_recipients: tuple[AddressPattern, ...] = ()
    headers: tuple[HeaderTest, ...] = ()
    not_headers: tuple[HeaderTest, ...] = ()
    largest: int = 0
    languages: tuple[str, ...] = ()

    def refuses(self, mail: Addressed) -> str:
        """The name of the condition that fails, or an empty string."""
        senders, recipients = (mail.sender, mail.header_from), mail.recipients
        if self.senders is not None and not any_matches(self.senders, *senders):
            return "senders"
        if self.not_senders and any_matches(self.not_senders, *senders):
            return "not_senders"
        if self.recipients and not any_matches(self.recipients, *recipients):
            return "recipients"
        if self.not_recipients and any_matches(self.not_recipients, *recipients):
            return "not_recipients"
        if self.largest and mail.size is not None and mail.size > self.largest:
            return "size"
        if self.headers and not all(_header_holds(test, mail.header) for test in self.headers):
            return "headers"
        if self.not_headers and any(_header_holds(test, mail.header) for test in self.not_headers):
            return "not_headers"
        if self.languages and mail.language() not in self.languages:
            return "language"
        return ""


def _header_holds(test: HeaderTest, header: Callable[[bytes], bytes | None]) -> bool:
    value = header(test.name)
    if value is None:
        return False
    return (
        test.search is None or test.search(value.decode("utf-8", "replace")[:_SAMPLE].casefold()) is not None
    )
