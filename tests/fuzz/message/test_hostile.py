"""Hostile mail costs linear time: these inputs take minutes, or all memory, where anything is quadratic.

None of these takes more than a second or two of the processor; what is quadratic in C takes many more at
these sizes, and in Python does not end at all.
"""

import contextlib
import time
from collections.abc import Iterator

import pytest

from gateway.cli.rewriting.mail import Rewriter, make_rewriter
from gateway.message.agree import agrees_with_standard_library
from gateway.message.exempt import exemption
from gateway.message.html import MAX_HTML, read_html
from gateway.message.normalise import normalise
from gateway.message.quotes import divide
from gateway.message.scan import MAX_PARTS, scan
from gateway.message.subject import decode_header
from gateway.message.text import MAX_TEXT, read_text
from gateway.message.transfer import TransferError, decode

MULTIPART = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
MANY = 100_000
BIG = 50_000_000
SECONDS = 10
"""Of the processor, with room for a machine on which others work."""


@contextlib.contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """Fail where what is done takes more."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def nested(depth: int, *, close: bool) -> bytes:
    """Multiparts in each other, `depth` deep."""
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=x%dx\r\n\r\n--x%dx\r\n" % (n, n) for n in range(depth)
    )
    closing = b"".join(b"\r\n--x%dx--" % n for n in reversed(range(depth))) if close else b""
    return opening + b"\r\ntext" + closing


HOSTILE = {
    "parts": MULTIPART + b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n" * MANY + b"--b--\r\n",
    "parts without a blank line": MULTIPART + b"--b\r\nX: y\r\n" * MANY + b"--b--\r\n",
    "boundaries": MULTIPART + b"--b\r\n" * MANY,
    "closing boundaries": MULTIPART + b"--b--\r\n" * MANY,
    "lookalikes": MULTIPART + b"--b\r\n\r\n" + b"--bx\r\n" * MANY + b"--b--\r\n",
    "dashes": MULTIPART + b"--b\r\n\r\n" + b"--\r\n" * (BIG // 4) + b"--b--\r\n",
    "fields": b"X: y\r\n" * MANY + b"\r\ntext",
    "fields that come once": b"Content-Type: x\r\n" * MANY + b"\r\ntext",
    "large fields": b"X: " + b"y" * 900 + b"\r\n" + b"Y: " + b"z" * BIG + b"\r\n\r\ntext",
    "folds": b"X: y\r\n" + b" z\r\n" * MANY + b"\r\ntext",
    "folds of blanks": b"X: y\r\n" + b" \r\n" * MANY + b"\r\ntext",
    "blanks": b"X: y\r\n" + b" " * BIG,
    "garbage lines": b"garbage\r\n" * MANY + b"\r\n",
    "colons": b":" * BIG,
    "header of NULs": b"X: y\r\n" + b" y\0\r\n" * MANY,
    "parameters": b"Content-Type: text/plain" + b"; a=b" * MANY + b"\r\n\r\n",
    "sections": b"Content-Type: text/plain"
    + b"".join(b"; a*%d=b" % n for n in range(MANY // 2))
    + b"\r\n\r\n",
    "quotes": b"Content-Type: text/plain; a=" + b'"\\' * MANY + b"\r\n\r\n",
    "comments": b"Content-Type: text/plain " + b"(" * MANY + b"\r\n\r\n",
    "comments and quotes": b"Content-Type: text/plain " + b'("\\' * MANY + b"\r\n\r\n",
    "nested": nested(50, close=True),
    "nested too deep": nested(5000, close=True),
    "nested and never closed": nested(5000, close=False),
    "one line": b"X: y\r\n\r\n" + b"a" * BIG,
    "CRLFs": b"X: y\r\n\r\n" + b"\r\n" * (BIG // 2),
    "bare LFs": b"X: y\r\n\r\n" + b"\n" * BIG,
    "encoded words": b"Subject: " + b"=?utf-8?B?QQ==?= " * MANY + b"\r\n\r\n",
    "half encoded words": b"Subject: " + b"=?a?b?" * MANY + b"\r\n\r\n",
    "equals": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * (8 * MAX_TEXT),
    "soft breaks": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * MAX_TEXT,
    "trailing blanks": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * (8 * MAX_TEXT) + b"x",
    "padding": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * (8 * MAX_TEXT),
    "escapes": b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + b"\x1b$B-!\x1b(B" * (MAX_TEXT // 2),
    "half escapes": b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + b"\x1b" * MAX_TEXT,
}


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", HOSTILE)
def test_mail(name: str, complete: bool) -> None:  # noqa: FBT001
    """Read as far as it can be, in time and memory that grow with its size and no faster."""
    with bounded():
        message = scan(HOSTILE[name], complete=complete)
        assert len(message.parts) <= MAX_PARTS + 1
        read_text(message)
        exemption(message, null_sender=False)
        agrees_with_standard_library(message)


LETTER = b"Content-Type: text/plain; charset=utf-8\r\n\r\nWe regret.\r\n"


def with_files(count: int, lines: int, line: bytes = b"QUFB" * 19) -> bytes:
    """A letter with `count` files of so many lines."""
    one = b"--b\r\nContent-Type: application/pdf\r\n\r\n" + (line + b"\r\n") * lines + b"\r\n"
    return MULTIPART + b"--b\r\n" + LETTER + b"\r\n" + one * count + b"--b--\r\n"


# Each with the reason that it ends with: an edit that is refused late has cost as much as one that is made.
EDITED = {
    "many files": (with_files(MAX_PARTS - 10, 55), "forced"),
    "a large file": (with_files(1, BIG // 78), "forced"),
    "a file of dashes": (with_files(1, MANY, b"--x"), "forced"),
    "many small parts": (with_files(MAX_PARTS - 10, 1), "structure-disagrees"),
    "deep": (nested(50, close=True).replace(b"\r\ntext", LETTER, 1) + b"\r\n", "forced"),
    "fields": (b"X: y\r\n" * 20_000 + LETTER, "forced"),
    "more fields": (b"X: y\r\n" * MANY + LETTER, "window"),
    "lines like boundaries": (LETTER + b"--b\r\n" * 40_000, "forced"),
    "more lines like boundaries": (LETTER + b"--b\r\n" * MANY, "window"),
    "texts": (MULTIPART + (b"--b\r\n" + LETTER) * 30 + b"--b--\r\n", "forced"),
    "a page of quotes": (
        LETTER.replace(b"/plain", b"/html") + b"<blockquote type=cite>q</blockquote>a" * 6_000,
        "forced",
    ),
}


@pytest.fixture(scope="module")
def rewriter() -> Rewriter:
    """All of the way: reading, placing, encoding, splicing and the check."""
    made, _ = make_rewriter(None, always=True)
    return made


@pytest.mark.parametrize("name", EDITED)
def test_edit(name: str, rewriter: Rewriter) -> None:
    """A footer goes in, or the mail stays as it is, in time that grows with the mail and no faster."""
    mail, reason = EDITED[name]
    with bounded(5):
        result = rewriter.rewrite(mail, sender="hr@example.co.jp", recipients=("taro@example.com",))
    assert (result.reason.value, result.changed) == (reason, reason == "forced")


SIZE = MAX_TEXT


@pytest.mark.parametrize(
    "unit",
    [">", "> \n", "On ", "On x\n", "On x wrote", "<a@b> wrote", "<a@", "From: x\n", "差出人：x\n\n", "-----", "----- Original ",  # noqa: E501 - as it is written
     "________\n", "2024年1月5日 <a@b", "  ", "　", "\n\n", "wrote:\n\n"],
)  # fmt: skip
def test_quotes(unit: str) -> None:
    """Near misses of every mark, as often as fit."""
    divide((unit * SIZE)[:SIZE])
    divide("\n".join([unit * 20] * (SIZE // len(unit) // 20)))


@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<a href=", '<a "', "<a '", "<!", "<!--", "<!-->", "<!--a-->", "-->", "<script>", "<style><", "</", "<a><b>", "&", "&#",  # noqa: E501 - as it is written
     "&amp", "<p>", "<div class=gmail_quote>", "<blockquote type=cite>", "<div style='border:none;border-top:solid ", "<svg>", "</svg>",  # noqa: E501 - as it is written
     "<p a=b", "<p a = ", "<p =", "<p / ", "<br>", "<table><tr><td>", "<div hidden>",
     "<p style=display:none>", "<b hidden></b>", "<td hidden><table>"],
)  # fmt: skip
def test_html(unit: str) -> None:
    """What made other parsers quadratic."""
    read_html((unit * MAX_HTML)[:MAX_HTML])
    read_html((unit * MAX_HTML)[: MAX_HTML - 1] + ">")


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "　",
        "\n",
        "\n ",
        "あ ",
        "a ",
        "か\u3099",
        "\u3099",
        "\u200b",
        "\u200b ",
        "Ａ",
        "㈱",
        "ﷺ",
        "\u1112\u1161",
        "𝐀",
        "ﾊﾟ",
    ],
)
def test_normalise(unit: str) -> None:
    """Also text that is nothing but what has to change."""
    normalise((unit * SIZE)[:SIZE])


@pytest.mark.parametrize(
    "unit", [b"=?", b"=?a?", b"=?a?b?", b"=?utf-8?b?=", b"=?utf-8?q?=?= ", b"\x1b$B", b"\xff"]
)
def test_headers(unit: bytes) -> None:
    """A header value of a megabyte."""
    decode_header((unit * (1 << 20))[: 1 << 20])


@pytest.mark.parametrize("unit", [b"=", b"=\r\n", b"= \t", b" ", b" \t\r\n", b"A", b"A\r\n", b"=A="])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_transfer_encodings(unit: bytes, encoding: str) -> None:
    """Long runs of what the patterns look for."""
    with contextlib.suppress(TransferError):
        decode((unit * (1 << 22))[: 1 << 22], encoding)
