import pytest

from gateway.smtp.address import NULL_PATH
from gateway.smtp.capabilities import Capabilities, advertise, needs_of
from gateway.smtp.envelope import OWN_OCTETS, Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.smtp.reply import Reply


def _ehlo(*lines: bytes) -> Capabilities:
    return Capabilities.parse(Reply(250, (b"mx.example.com", *lines)))


def test_parse() -> None:
    """Keywords are upper case, parameters keep their octets, the first line is no keyword."""
    assert _ehlo(
        b"size 100", b"AUTH=LOGIN PLAIN", b" LIMITS RCPTMAX=9 MAILMAX=1 ", b"", b"=x", b"PIPELINING"
    ).keywords == (
        (b"SIZE", b"100"),
        (b"AUTH", b"LOGIN PLAIN"),
        (b"LIMITS", b"RCPTMAX=9 MAILMAX=1"),
        (b"PIPELINING", b""),
    )
    assert Capabilities.parse(Reply(250, (b"SIZE 1",))) == Capabilities()


def test_asking() -> None:
    """Membership and parameters by keyword; the first of two counts."""
    known = _ehlo(b"AUTH PLAIN", b"AUTH=LOGIN", b"DSN")
    assert (b"DSN" in known, b"SIZE" in known, "DSN" in known) == (True, False, False)
    assert [known.parameters(word) for word in (b"AUTH", b"DSN", b"SIZE")] == [b"PLAIN", b"", b""]
    assert known.can_carry(frozenset())
    assert known.can_carry(frozenset({b"DSN"}))
    assert not known.can_carry(frozenset({b"DSN", b"SMTPUTF8"}))


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (b"SIZE 1000", 1000),
        (b"SIZE 0", 0),
        (b"SIZE", 0),
        (b"SIZE x", 0),
        (b"DSN", 0),
        (b"SIZE " + b"9" * 4_000, 0),
    ],
)
def test_size(line: bytes, size: int) -> None:
    """The limit that the server names; 0 where it names none that is a number (RFC 1870 §4)."""
    assert _ehlo(line).size == size


@pytest.mark.parametrize(
    ("mail", "rcpt", "needs"),
    [
        (b"", b"", set()),
        (b" SIZE=1 AUTH=<>", b"", set()),
        (b" BODY=8BITMIME", b"", {b"8BITMIME"}),
        (b" BODY=7Bit", b"", set()),
        (b" SMTPUTF8", b"", {b"SMTPUTF8"}),
        (b" RET=FULL", b"", {b"DSN"}),
        (b"", b" NOTIFY=NEVER", {b"DSN"}),
        (b" X-UNKNOWN=1", b"", set()),
    ],
)
def test_needs(mail: bytes, rcpt: bytes, needs: set[bytes]) -> None:
    """The extensions behind the parameters in use, less those that are hints only."""
    assert (
        needs_of(Mail(NULL_PATH, Parameters.parse(mail)), [Rcpt(NULL_PATH, Parameters.parse(rcpt))]) == needs
    )


@pytest.mark.parametrize(
    ("hops", "own_size", "lines"),
    [
        ([_ehlo()], 0, (b"PIPELINING", b"SIZE", b"ENHANCEDSTATUSCODES")),
        (
            [_ehlo(b"SIZE 10000", b"8BITMIME", b"DSN", b"SMTPUTF8", b"CHUNKING", b"X-EVIL")],
            0,
            (
                b"PIPELINING",
                b"SIZE %d" % (10_000 - OWN_OCTETS),
                b"8BITMIME",
                b"DSN",
                b"CHUNKING",
                b"SMTPUTF8",
                b"ENHANCEDSTATUSCODES",
            ),
        ),
        (
            [_ehlo(b"CHUNKING", b"REQUIRETLS"), _ehlo()],
            0,
            (b"PIPELINING", b"SIZE", b"REQUIRETLS", b"ENHANCEDSTATUSCODES"),
        ),
        (
            [_ehlo(b"SIZE 10000", b"8BITMIME", b"DSN"), _ehlo(b"SIZE 20000", b"8BITMIME", b"SMTPUTF8")],
            0,
            (
                b"PIPELINING",
                b"SIZE %d" % (20_000 - OWN_OCTETS),
                b"8BITMIME",
                b"SMTPUTF8",
                b"ENHANCEDSTATUSCODES",
            ),
        ),
        ([_ehlo(b"SIZE 10000"), _ehlo()], 0, (b"PIPELINING", b"SIZE", b"ENHANCEDSTATUSCODES")),
        ([_ehlo(b"SIZE 10000"), _ehlo()], 500, (b"PIPELINING", b"SIZE 500", b"ENHANCEDSTATUSCODES")),
        ([_ehlo(b"SIZE 10000")], 500, (b"PIPELINING", b"SIZE 500", b"ENHANCEDSTATUSCODES")),
        (
            [_ehlo(b"SIZE 5000")],
            9_000,
            (b"PIPELINING", b"SIZE %d" % (5_000 - OWN_OCTETS), b"ENHANCEDSTATUSCODES"),
        ),
        ([_ehlo(b"SIZE 5")], 0, (b"PIPELINING", b"SIZE 1", b"ENHANCEDSTATUSCODES")),
    ],
)
def test_advertise(hops: list[Capabilities], own_size: int, lines: tuple[bytes, ...]) -> None:
    """What we and the next hops can do: the largest SIZE less our fields, keywords of a white list only."""
    assert advertise(hops, own_size=own_size) == lines
