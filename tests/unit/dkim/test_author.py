import pytest

from gateway.dkim.author import author_domain, signature_domain
from gateway.message.scan import Message, scan


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("hr@example.co.jp", "example.co.jp"),
        ("HR <hr@Example.CO.jp>", "example.co.jp"),
        ('"Doe, (Jane) <x@other.example>" <hr@example.com>', "example.com"),
        ("hr@other.example <hr@example.com>", "example.com"),
        ("Yamada (hr (of <a@other.example>)) <hr@example.com> (sent)", "example.com"),
        ('"a@b"@example.com', "example.com"),
        ("=?utf-8?B?5o6h55So?= <hr@example.com>", "example.com"),
        ("採用 <採用@例え.jp>", "xn--r8jz45g.jp"),
        ("HR\r\n <hr@example.com>", "example.com"),
        # in doubt
        ("", None),
        ("hr", None),
        ("hr@", None),
        ("hr@[192.0.2.1]", None),
        ("hr@exa mple.com", None),
        ("hr@example..com", None),
        ("hr@example.com, ceo@other.example", None),
        ("HR <hr@example.com>, ceo@other.example", None),
        ("HR <hr@example.com> <ceo@other.example>", None),
        ("HR: hr@example.com;", None),
        ("hr@other.example@example.com", None),
        ("HR (open <hr@example.com>", None),
        ("((((((deep)))))) hr@example.com", None),
        (f"hr@{'ü' * 70}.example", None),
    ],
)
def test_author(value: str, domain: str | None) -> None:
    """The one domain in the From field; none where a reader could find another (RFC 5322 §3.6.2)."""
    assert author_domain(scan(f"From: {value}\r\n\r\ntext\r\n".encode())) == domain


@pytest.mark.parametrize("header", ["", "From: a@example.com\r\nFROM: b@example.com\r\n"])
def test_not_one_author(header: str) -> None:
    """No From field, or two: nobody is the author."""
    assert author_domain(scan(f"{header}Subject: x\r\n\r\ntext\r\n".encode())) is None


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("v=1; a=rsa-sha256; d=Example.com; s=x; b=d=", "example.com"),
        ("d=example.com", "example.com"),
        ("v=1;\r\n\td = example.com ;\r\n\ts=x", "example.com"),
        ("v=1; bd=example.com; s=x", None),
        ("v=1; d=; s=x", None),
        ("v=1; d=a.example; d=b.example", None),
        ("garbage", None),
    ],
)
def test_signature(value: str, domain: str | None) -> None:
    """The tag d=, and nothing that only looks like it (RFC 6376 §3.2)."""
    message = scan(f"DKIM-Signature: {value}\r\nFrom: a@example.com\r\n\r\n".encode())
    assert signature_domain(message, message.head.fields[0]) == domain


@pytest.mark.parametrize(
    "unit", ['"', "(", "()", "((", "<", "<>", "\\", '"\\', "(\\", "@", ",", ";", "d=", "; d"]
)
def test_hostile(unit: str) -> None:
    """Any amount of it is read in bounded or linear time, and no domain is made up."""
    for size in (900, 500_000):
        message = scan(f"From: {unit * (size // len(unit))}\r\n\r\n".encode())
        assert_nobody(message)


def assert_nobody(message: Message) -> None:
    """No author, and nobody who signed."""
    assert author_domain(message) is None
    assert signature_domain(message, message.head.fields[0]) is None
