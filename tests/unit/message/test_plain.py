"""What is plain enough for one reader: the mails of every day, and nothing that has a trick in it."""

import pytest

from gateway.message.agree import _compared
from gateway.message.plain import MAX_PLAIN, is_plain
from gateway.message.scan import scan

LETTER = (
    b"Received: from a.example (192.0.2.1)\r\n by b.example; Mon, 2 Nov 2026 10:12:33 +0900\r\n"
    b"From: =?UTF-8?B?5o6h55So5ouF5b2T?= <saiyo@example.co.jp>\r\nX-Empty:\r\nX-Blank: \t\r\n"
    b"subject: \xe6\x8e\xa1\xe7\x94\xa8\r\nMIME-Version: 1.0 (c)\r\n"
    b'Content-Type: Text/Plain;\r\n\tcharset="utf-8"; format=flowed;\r\n'
    b"Content-Transfer-Encoding: 8bit\r\n\r\n\xe6\x8e\xa1\r\n--b\r\n"
)
PAIR = (
    b'Content-Type: multipart/alternative;\r\n boundary="=_b"\r\nX: y\r\n\r\npreamble\r\n'
    b"--=_b\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--=_b\r\nContent-Type: text/html\r\n\r\n"
    b"<p>two\r\n--=_b--\r\nepilogue\r\n"
)
SMALL = b"From: a@example.com\r\n\r\ntext\r\n"


@pytest.mark.parametrize("data", [LETTER, PAIR, PAIR[: PAIR.index(b"\r\nepilogue")], SMALL, SMALL[:-6]])
def test_plain(data: bytes) -> None:
    """One reader is enough, and the other would have agreed."""
    message = scan(data)
    assert message.defects == ()
    assert is_plain(message)
    assert _compared(message)


@pytest.mark.parametrize(
    ("mail", "old", "new"),
    [
        (LETTER, b"Text/Plain", b"text/plain (comment)"),
        (LETTER, b"Text/Plain", b"(comment) text/plain"),
        (LETTER, b"Text/Plain", b"te\\xt/plain"),
        (LETTER, b"Text/Plain", b"text/plain;;x=y"),
        (LETTER, b'"utf-8"', b'"utf\\-8"'),
        (LETTER, b'"utf-8"', b'"utf;8"'),
        (LETTER, b'"utf-8"', b"utf-8; a*0=b"),
        (LETTER, b"X-Empty:\r\n", b"X-Folded:\r\n value\r\n"),
        (PAIR, b'"=_b"\r\nX', b'"=_b" \r\nX'),
        (PAIR, b"X: y", b"Content-Transfer-Encoding: 7bit "),
        (PAIR, b"X: y", b"Content-Transfer-Encoding: base64"),
        (PAIR, b"alternative", b"mixed"),
        (PAIR, b"text/html", b"image/png"),
        (PAIR, b"text/plain", b"text/plain (c)"),
        (PAIR, b"preamble", b"--=_bx"),
        (PAIR, b"preamble", b"x\r--=_b"),
        (PAIR, b"one\r\n\r\n", b"one\r\n--=_b\t\r\n\r\nmore\r\n\r\n"),
        (PAIR, b"\r\n\r\n<p>two", b"\r\n"),
        (PAIR, b"--=_b--", b"--=_b-- "),
        (PAIR, b"\r\nepilogue", b"\r\n--=_b--"),
        (PAIR, b"epilogue", b"x" * MAX_PLAIN),
    ],
)
def test_not_plain(mail: bytes, old: bytes, new: bytes) -> None:
    """Whatever leaves something to decide is for the other reader to judge."""
    assert mail.count(old) == 1
    assert not is_plain(scan(mail.replace(old, new)))


@pytest.mark.parametrize(
    ("mail", "old", "new"),
    [
        (LETTER, b"X-Empty", b"X-Other"),
        (LETTER, b"Text/Plain", b"Text/Other"),
        (LETTER, b"X-Empty:", b"X-Empty "),
        (PAIR, b"=_b", b"=_c"),
        (PAIR, b"one\r\n\r\n--=_b", b"one\r\n\r\n--=_x"),
        (PAIR, b"--=_b--", b"--=_x--"),
        (PAIR, b"preamble\r\n--=_b", b"preamble\r\n--=_x"),
        (PAIR, b"text/html", b"text/text"),
    ],
)
def test_not_as_scanned(mail: bytes, old: bytes, new: bytes) -> None:
    """Bytes that say something else than the scan did are not agreed to (here: others than were scanned)."""
    message = scan(mail)
    other = message._replace(data=mail.replace(old, new))
    assert is_plain(message)
    assert not is_plain(other)
    assert not _compared(other)


def test_heads_and_other_structures() -> None:
    """A held head, a mail with a defect, and more than one level of parts are not plain."""
    assert not is_plain(scan(LETTER, complete=False))
    assert not is_plain(scan(b"no colon\r\n" + LETTER))
    assert not is_plain(scan(b"\r\ntext"))
    inner = PAIR.replace(b"=_b", b"=_c")
    assert not is_plain(scan(PAIR.replace(b"Content-Type: text/plain\r\n\r\none\r\n", inner)))
