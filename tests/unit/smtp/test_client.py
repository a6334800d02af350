"""XCLIENT and XFORWARD attributes."""

import pytest

from gateway.smtp.client import XCLIENT, XFORWARD, Client, address_of, parse_attributes, shown_address


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (b"ADDR=192.0.2.7 name=mx.example", {b"ADDR": b"192.0.2.7", b"NAME": b"mx.example"}),
        (b"NAME=[UNAVAILABLE]", {b"NAME": b"[UNAVAILABLE]"}),
        (b"NAME=[tempunavail]", {b"NAME": b"[UNAVAILABLE]"}),
        (b"LOGIN=a+3Db", {b"LOGIN": b"a=b"}),
        (b"", None),
        (b"ADDR", None),
        (b"ADDR=", None),
        (b"ADDR=1 ADDR=2", None),
        (b"WHAT=1", None),
        (b"IDENT=1", None),
        (b"HELO=a+0D+0ARCPT", None),
        (b"HELO=a+20b", None),
        (b"HELO=" + b"x" * 256, None),
    ],
)
def test_parse(argument: bytes, expected: dict[bytes, bytes] | None) -> None:
    """Known attributes once each; what decodes to a control or a blank is none (CWE-93)."""
    assert parse_attributes(argument, XCLIENT) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b"192.0.2.7", "192.0.2.7"), (b"IPV6:2001:db8::1", "2001:db8::1"), (b"ipv6:::1", "::1"), (b"::1", "::1"),
     (b"[UNAVAILABLE]", ""), (b"host", None), (b"IPV6:x", None)],
)  # fmt: skip
def test_addresses(value: bytes, expected: str | None) -> None:
    """Both forms of IPv6; there and back."""
    assert address_of(value) == expected
    if expected:
        assert address_of(shown_address(expected)) == expected


def test_lines() -> None:
    """Only what the next hop wants, encoded, in lines of a length that any host takes."""
    client = Client(
        {b"NAME": b"a=b+c", b"ADDR": b"192.0.2.7", b"LOGIN": b"x", b"HELO": b"h" * 300, b"IDENT": b"i" * 250}
    )
    lines = client.lines(b"XFORWARD", XFORWARD)
    assert lines[0].startswith(b"XFORWARD NAME=a+3Db+2Bc ADDR=192.0.2.7 HELO=" + b"h" * 255)
    assert b"LOGIN" not in b"".join(lines)
    assert all(len(line) <= 510 and line.startswith(b"XFORWARD ") for line in lines)
    told: dict[bytes, bytes] = {}
    for line in lines:
        told |= parse_attributes(line.removeprefix(b"XFORWARD "), XFORWARD) or {}
    assert told[b"NAME"] == b"a=b+c"
    assert Client().lines(b"XFORWARD", XFORWARD) == []
