"""The envelope of a mail in a file: as it is given, else from its header."""

from collections.abc import Sequence

import click

from gateway.errors import GatewayError
from gateway.message.mailboxes import mailboxes
from gateway.message.scan import Message, scan
from gateway.smtp.address import NULL_PATH, Path, PathError, parse_path
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.parameters import NO_PARAMETERS

#: Who sends a mail that does not say: outside of any company (RFC 2606).
UNKNOWN_SENDER = "sender@unknown.example"


class NoAddress(GatewayError):
    """What was given as sender or recipient is no address."""


def envelope_of(data: bytes, sender: str | None, recipients: Sequence[str] | None) -> Envelope:
    """The envelope, from the header where it is not given. Raises `NoAddress`."""
    mail = None if sender is not None and recipients is not None else _head(data)
    if sender is not None:
        path = NULL_PATH if sender in {"", "<>"} else path_of(sender)
    elif mail is not None and mail.head.value(b"return-path") == b"<>":
        path = NULL_PATH
    else:
        named = _named(mail, b"from", b"sender")
        path = path_of(named[0] if named else UNKNOWN_SENDER)
    if recipients is None:
        # once each: a recipient given twice is one copy
        recipients = tuple(dict.fromkeys(_named(mail, b"to", b"cc", b"bcc")))
    return Envelope(
        Mail(path, NO_PARAMETERS), tuple(Rcpt(path_of(address), NO_PARAMETERS) for address in recipients)
    )


def _head(data: bytes) -> Message:
    end = data.find(b"\r\n\r\n")
    return scan(data if end < 0 else data[: end + 4], complete=False)


def _named(mail: Message | None, *names: bytes) -> list[str]:
    if mail is None:
        return []
    return [
        address
        for name in names
        for field in mail.head.all(name)
        for address in mailboxes(field.value(mail.data))
    ]


def check_given(sender: str | None, recipients: Sequence[str]) -> None:
    """Addresses of the command line, before any mail is read.

    Raises:
        click.UsageError: one of them is none.
    """
    try:
        for address in (*((sender,) if sender not in {None, "", "<>"} else ()), *recipients):
            path_of(str(address))
    except NoAddress as error:
        raise click.UsageError(str(error)) from None


def path_of(address: str) -> Path:
    """A given address as a path. Raises `NoAddress`."""
    written = address if address.startswith("<") else f"<{address}>"
    try:
        path, rest = parse_path(b"TO:" + written.encode("utf-8"), b"TO", null_allowed=False)
    except (PathError, UnicodeEncodeError) as error:
        raise NoAddress(f"{address!r} is no mail address: {error}") from error
    if rest or not path.domain:
        raise NoAddress(f"{address!r} is no mail address")
    return path
