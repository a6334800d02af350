import pytest

from gateway.config.fault import Fault
from gateway.config.names import (
    AddressPatterns,
    in_domains,
    parse_address,
    parse_domain,
    parse_hostname,
    parse_own_domain,
    parse_pattern,
)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.CO.JP", "example.co.jp"),
        ("example.jp.", "example.jp"),
        ("採用.example", "xn--czu130b.example"),
        ("a_b.example", "a_b.example"),
        ("localhost", "localhost"),
    ],
)
def test_domain(text: str, domain: str) -> None:
    """A domain is kept in lower-case ASCII."""
    assert parse_domain(text) == domain


@pytest.mark.parametrize(
    "text", ["", ".", "a..b", "-a.example", "a-.example", "a b.example", "a" * 64 + ".example", "a@b.example",
             "a." * 127 + "example", "*.example", "a\n.example", "。example"]
)  # fmt: skip
def test_no_domain(text: str) -> None:
    """What is no domain is refused with a remedy."""
    with pytest.raises(Fault) as caught:
        parse_domain(text)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["gw.example.co.jp", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_hostname(text: str) -> None:
    """A host name or an address literal (RFC 5321 §4.1.3) can be greeted with."""
    assert parse_hostname(text) == text


@pytest.mark.parametrize("text", ["", "[]", "[192.0.2]", "gw example", "gw\r\nQUIT", "ゲート.example"])
def test_no_hostname(text: str) -> None:
    """Nothing else can: it would stand in an SMTP command."""
    with pytest.raises(Fault):
        parse_hostname(text)


def test_own_domain() -> None:
    """A star in front of a domain stands for those below it, and nowhere else."""
    assert parse_own_domain("*.Example.jp") == "*.example.jp"
    for text in ("*", "*.", "a*.example", "*.*.example"):
        with pytest.raises(Fault):
            parse_own_domain(text)


def test_in_domains() -> None:
    """``*.`` means the domains below and not the domain itself, nor one that only ends alike."""
    assert in_domains(["*.example.jp"], "a.b.example.jp")
    assert not in_domains(["*.example.jp"], "example.jp")
    assert not in_domains(["*.example.jp"], "notexample.jp")
    assert in_domains(["example.jp"], "example.jp")
    assert not in_domains(["example.jp"], "")
    assert in_domains(["x.test", "*.y.test", "example.jp"], "example.jp")
    assert not in_domains([], "example.jp")


@pytest.mark.parametrize(
    "text", ["a", "a@", "@a.example", "a b@c.example", "<a@b.example>", "a@b@c.example", '"a"@b.example']
)
def test_no_address(text: str) -> None:
    """An address is a plain mailbox."""
    with pytest.raises(Fault):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["", "@", "*@", "a b", "a@b@c.example", "<*@a.example>", "a@-b.example", "x" * 255]
)
def test_no_pattern(text: str) -> None:
    """What can never match an address is refused, so that a typing mistake is not a silent hole."""
    with pytest.raises(Fault):
        parse_pattern(text)


PATTERNS = [
    "HR@example.co.jp",
    "Agency.example",
    "*@*.ats.example",
    "saiyo-*@example.co.jp",
    "*.below.example",
]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("hr@example.co.jp", True),
        ("Hr@EXAMPLE.co.jp", True),
        ("hr2@example.co.jp", False),
        ("anybody@agency.example", True),
        ("anybody@sub.agency.example", False),
        ("agency.example@other.example", False),
        ("x@eu.ats.example", True),
        ("x@ats.example", False),
        ("saiyo-2026@example.co.jp", True),
        ("saiyo@example.co.jp", False),
        ("x@a.below.example", True),
        ("x@below.example", False),
        ("", False),
        ("nobody", False),
    ],
)
def test_patterns(address: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Addresses, domains and stars match as the module says, whatever their case."""
    assert AddressPatterns(map(parse_pattern, PATTERNS)).matches(address) is expected


def test_international_domains_match_in_both_forms() -> None:
    """A domain in kanji and its ASCII form are the same domain (RFC 5890 §2.3.2.1)."""
    patterns = AddressPatterns([parse_pattern("採用.example")])
    assert patterns.matches("a@採用.example")
    assert patterns.matches("a@XN--CZU130B.example")


def test_no_patterns() -> None:
    """An empty list is false and matches nothing."""
    assert not AddressPatterns([])
    assert not AddressPatterns([]).matches("a@b.example")


def test_stars_do_not_overlap() -> None:
    """The pieces around a star each need letters of their own."""
    patterns = AddressPatterns([parse_pattern("ab*ba@x.example")])
    assert not patterns.matches("aba@x.example")
    assert patterns.matches("abba@x.example")


def test_what_has_no_ascii_form_is_compared_as_it_is() -> None:
    """A hostile domain of a mail raises nothing."""
    assert not AddressPatterns(["x.example"]).matches("a@" + "é" * 300)
