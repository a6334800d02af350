import pytest

from gateway.smtp.address import NULL_PATH, parse_path
from gateway.smtp.envelope import OWN_OCTETS, Mail, Rcpt
from gateway.smtp.parameters import Parameters


def _mail(text: bytes) -> Mail:
    path, rest = parse_path(text, b"FROM", null_allowed=True)
    return Mail(path, Parameters.parse(rest))


def _rcpt(text: bytes) -> Rcpt:
    path, rest = parse_path(text, b"TO", null_allowed=False)
    return Rcpt(path, Parameters.parse(rest))


def test_lines_keep_the_senders_octets() -> None:
    """Paths and parameters go out as they came."""
    assert (
        _mail(b"FROM:<A@Example.com> Ret=FULL envid=X+2B").line
        == b"MAIL FROM:<A@Example.com> Ret=FULL envid=X+2B\r\n"
    )
    assert _rcpt(b'TO:<"b c"@x.test> Notify=Never').line == b'RCPT TO:<"b c"@x.test> Notify=Never\r\n'
    assert Mail(NULL_PATH, Parameters()).line == b"MAIL FROM:<>\r\n"


def test_size_grows_by_our_fields() -> None:
    """The announced size makes room for what we add (SMTP.md rule 10)."""
    assert _mail(
        b"FROM:<a@x.test> size=1000 BODY=8BITMIME"
    ).line == b"MAIL FROM:<a@x.test> SIZE=%d BODY=8BITMIME\r\n" % (1000 + OWN_OCTETS)


@pytest.mark.parametrize(
    ("parameters", "size"),
    [(b"", None), (b" SIZE=0", 0), (b" SIZE=12", 12), (b" SIZE=1x", None), (b" SIZE", None)],
)
def test_size(parameters: bytes, size: int | None) -> None:
    """A number, or None where there is none; what is no number goes out as it came."""
    mail = _mail(b"FROM:<a@x.test>" + parameters)
    assert mail.size == size
    if size is None:
        assert mail.line == b"MAIL FROM:<a@x.test>" + parameters + b"\r\n"


@pytest.mark.parametrize(
    ("parameters", "notify"),
    [
        (b"", {b"FAILURE", b"DELAY"}),
        (b" NOTIFY=never", {b"NEVER"}),
        (b" NOTIFY=Success,FAILURE", {b"SUCCESS", b"FAILURE"}),
        (b" NOTIFY=", {b"FAILURE", b"DELAY"}),
    ],
)
def test_notify(parameters: bytes, notify: set[bytes]) -> None:
    """The values in upper case; the default of RFC 3461 §4.1 where none are given."""
    assert _rcpt(b"TO:<a@x.test>" + parameters).notify == notify
