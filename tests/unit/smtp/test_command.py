import pytest

from gateway.smtp.command import Command, parse_command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"QUIT", Command(b"QUIT", b"")),
        (b"data ", Command(b"DATA", b"")),
        (b"Ehlo  mail.example.com\t", Command(b"EHLO", b"mail.example.com")),
        (b"MAIL FROM:<a@example.com> SIZE=1", Command(b"MAIL", b"FROM:<a@example.com> SIZE=1")),
        ("RCPT TO:<太郎@example.jp>".encode(), Command(b"RCPT", "TO:<太郎@example.jp>".encode())),
    ],
)
def test_line_is_verb_and_argument(line: bytes, command: Command) -> None:
    """The verb is upper case, the argument is the octets that came, less blanks around them."""
    assert parse_command(line) == command


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" QUIT",
        b"QUIT\t",
        b"MAIL-FROM x",
        b"\xff\xfe",
        b"NOOP a\rb",
        b"NOOP a\nb",
        b"NOOP a\x00b",
        b"NOOP a\x7f",
        b"\x16\x03\x01 TLS",
        b"250 OK",
    ],
)
def test_what_is_no_command(line: bytes) -> None:
    """A control character anywhere, or a verb that is no word, makes the whole line void."""
    assert parse_command(line) is None
