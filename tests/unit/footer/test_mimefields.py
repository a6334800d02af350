import pytest

from gateway.errors import MailUnreadable
from gateway.footer.mimefields import field_edits
from gateway.message.scan import scan
from gateway.message.splice import join, splice
from gateway.reason import Reason


def changed(header: bytes, *, charset: str | None = "UTF-8", encoding: str | None = None) -> bytes:
    """The header of a mail with another charset or encoding."""
    data = header + b"\r\nbody\r\n"
    message = scan(data)
    edits = field_edits(message, message.parts[0], charset=charset, encoding=encoding)
    return join(data, splice(data, edits)).removesuffix(b"\r\nbody\r\n")


MIME = b"MIME-Version: 1.0\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"text/plain; charset=us-ascii", b"text/plain; charset=UTF-8"),
        (b'text/plain; charset="iso-2022-jp"; format=flowed', b"text/plain; charset=UTF-8; format=flowed"),
        (b"text/plain;\r\n\tCharset = us-ascii (x)", b"text/plain;\r\n\tCharset = UTF-8 (x)"),
        (b'text/plain; name="; charset=x"; charset=y', b'text/plain; name="; charset=x"; charset=UTF-8'),
        (b"text/plain; charset*=us-ascii''us-ascii", b"text/plain; charset=UTF-8"),
        (b"text/plain", b"text/plain; charset=UTF-8"),
        (b"text/plain;", b"text/plain; charset=UTF-8"),
        (b"text/plain; format=flowed; delsp=yes ", b"text/plain; format=flowed; delsp=yes; charset=UTF-8 "),
        (b'text/plain; x="' + b"y" * 50 + b'"', b'text/plain; x="' + b"y" * 50 + b'";\r\n charset=UTF-8'),
    ],
)
def test_only_the_charset_changes(before: bytes, after: bytes) -> None:
    """Name, other parameters, folds and comments keep their bytes (RFC 2045 §5.1)."""
    header = MIME + b"content-TYPE: " + before + b"\r\n"
    assert changed(header) == MIME + b"content-TYPE: " + after + b"\r\n"


def test_the_transfer_encoding_changes_in_its_place() -> None:
    """RFC 2045 §6.1."""
    header = MIME + b"Content-Transfer-Encoding:7bit\r\nSubject: x\r\n"
    expected = MIME + b"Content-Transfer-Encoding: base64\r\nSubject: x\r\n"
    assert changed(header, charset=None, encoding="base64") == expected


def test_fields_that_are_not_there_are_added_at_the_end_of_the_header() -> None:
    """Without them a mail is US-ASCII and 7bit, and says no MIME-Version (RFC 2045 §4, §5.2)."""
    assert changed(b"Subject: x\r\n", encoding="base64") == (
        b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        b"Content-Transfer-Encoding: base64\r\n"
    )


def test_a_part_of_a_multipart_needs_no_mime_version() -> None:
    """Only the mail's own header says it."""
    data = MIME + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n"
    message = scan(data)
    edits = field_edits(message, message.parts[1], charset="UTF-8", encoding=None)
    expected = b"--b\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\ntext\r\n--b--\r\n"
    assert join(data, splice(data, edits)).endswith(expected)


def test_a_charset_in_sections_is_left_alone() -> None:
    """RFC 2231 §3: there is no one value to replace."""
    with pytest.raises(MailUnreadable) as caught:
        changed(MIME + b"Content-Type: text/plain; charset*0=us-; charset*1=ascii\r\n")
    assert caught.value.reason is Reason.CHARSET
