"""A mail is known again by what survives between two attempts (SMTP.md rule 18)."""

import base64

import pytest

from gateway.message.identity import mail_key
from gateway.message.scan import scan
from gateway.message.text import read_text

BASE = (
    b"Received: from x by y; date\r\nMessage-ID: <1@example.com>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"Subject: Your application\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nWe regret.\r\n"
)


def key_of(data: bytes, *, sender: bytes = b"hr@example.com", key: bytes = b"key") -> bytes:
    """The key of a mail."""
    message = scan(data)
    return mail_key(message, read_text(message), reverse_path=sender, key=key)


@pytest.mark.parametrize(
    "again",
    [
        b"Received: from a by b; later\r\n" + BASE,
        b"DKIM-Signature: v=1\r\nX-Spam: no\r\nARC-Seal: i=1\r\n" + BASE,
        BASE.replace(b"Subject: Your application", b"Subject: Your\r\n application"),
        BASE.replace(b"Subject: Your application", b"Subject: =?utf-8?Q?Your_application?="),
        BASE + b"\r\n",
        BASE.replace(
            b"; charset=utf-8\r\n", b"; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
        ).replace(b"We regret.\r\n", base64.b64encode(b"We regret.\r\n")),
    ],
)
def test_the_same_mail(again: bytes) -> None:
    """Trace fields, signatures, folding, encoding and line ends at the end may change on the way."""
    assert key_of(again) == key_of(BASE)


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace(b"<1@", b"<2@"),
        BASE.replace(b"00:00:00", b"00:00:01"),
        BASE.replace(b"Your", b"My"),
        BASE.replace(b"regret", b"accept"),
        BASE.replace(b"Message-ID: <1@example.com>\r\n", b""),
        BASE.replace(b"text/plain", b"text/html"),
        BASE.replace(b"Subject: Your application\r\n", b"").replace(b"+0900", b"+0900Your application"),
    ],
)
def test_another_mail(other: bytes) -> None:
    """One that differs in any of what counts; nothing can move from one piece into the next."""
    assert key_of(other) != key_of(BASE)


def test_sender_and_key_count() -> None:
    """The key of one installation says nothing to another."""
    assert key_of(BASE, sender=b"other@example.com") != key_of(BASE)
    assert key_of(BASE, key=b"other") != key_of(BASE)
    assert len(key_of(BASE)) == 32


def test_a_mail_without_anything() -> None:
    """Missing pieces count as empty."""
    assert key_of(b"X: y\r\n\r\n") == key_of(b"X: z\r\n\r\n")
