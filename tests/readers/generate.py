"""MIME trees of all shapes that mail programs write, in every charset and encoding. The same on each run."""

import base64
import itertools
import quopri
import random
from collections.abc import Callable, Iterator

_JA = (
    "山田 太郎 様\r\n\r\nこのたびはご応募いただき、誠にありがとうございました。\r\n"
    "慎重に選考いたしました結果、今回は採用を見送らせていただくこととなりました。\r\n"
)
_EN = "Dear Taro,\r\n\r\nThank you for applying (a = b).\r\n.\r\nFrom now on we have chosen others.\r\n"
_WORDS = {
    "koi8-r": "Уважаемый Таро,\r\n\r\nСпасибо за отклик.\r\n",
    "gb18030": "山田先生：\r\n\r\n感谢您的应聘，很遗憾。\r\n",
    "big5": "山田先生：\r\n\r\n感謝您的應徵，很遺憾。\r\n",
    "euc-kr": "야마다 님께\r\n\r\n지원해 주셔서 감사합니다.\r\n",
    "windows-1252": "Sehr geehrter Herr Müller,\r\n\r\nleider – “nein”.\r\n",
    "iso-8859-1": "Sehr geehrter Herr Müller,\r\n\r\nleider nicht.\r\n",
    "us-ascii": _EN,
}
CHARSETS = ("utf-8", "iso-2022-jp", "shift_jis", "euc-jp", *_WORDS)
ENCODINGS = ("7bit", "8bit", "quoted-printable", "base64")
_ENDS = (
    "",
    "-- \r\n株式会社サンプル 人事部\r\n",
    "\r\n2024年1月1日(月) 10:00 山田太郎 <taro@example.com>:\r\n> よろしくお願いいたします。\r\n> 山田\r\n",
    "\r\n-----Original Message-----\r\nFrom: Taro\r\nSent: Monday\r\nTo: HR\r\nSubject: x\r\n\r\nHello\r\n",
    "\r\n\r\n\r\n",
)
_HEAD = (
    "From: =?UTF-8?B?5Lq65LqL?= <hr@example.co.jp>\r\nTo: <taro@example.com>\r\nSubject: Result\r\n"
    "Date: Mon, 1 Jan 2024 00:00:00 +0900\r\nMessage-ID: <g@example.co.jp>\r\nMIME-Version: 1.0\r\n"
)
_PDF = b'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment; filename="a.pdf"\r\n'
_PNG = b'Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Disposition: inline; filename="i.png"\r\n'
_TXT = b'Content-Type: text/plain; charset=utf-8; name="a.txt"\r\nContent-Disposition: attachment\r\n'
_INNER = (
    b"From: x@example.com\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\ninner\r\n"
)

Make = Callable[..., bytes]


def _write(content: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        flat = base64.b64encode(content)
        return b"".join(flat[at : at + 76] + b"\r\n" for at in range(0, len(flat), 76))
    if encoding == "quoted-printable":
        return quopri.encodestring(content.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return content


def _text(kind: str, text: str, charset: str, encoding: str, more: str = "") -> bytes:
    head = (
        f"Content-Type: text/{kind}; charset={charset}{more}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + _write(text.encode(charset, "ignore"), encoding)


def _page(text: str, style: int) -> str:
    inner = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r\n", "<br>\r\n")
    return (
        f"<html><head><title>x</title></head><body>\r\n<p>{inner}</p>\r\n</body></html>\r\n",
        f"<HTML><BODY bgcolor=white><table><tr><td>{inner}</td></tr></table></BODY></HTML>",
        f"<div dir=3D>{inner}</div>\r\n".replace("=3D", "=ltr"),
        f'<!DOCTYPE html><html lang="ja"><body><!-- </body> --><p>{inner}</p></body></html>\r\n\r\n',
    )[style % 4]


def _multipart(
    kind: str, boundary: str, *parts: bytes, preamble: bytes = b"", epilogue: bytes = b"\r\n"
) -> bytes:
    mark = f"\r\n--{boundary}".encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + preamble
    return head + b"".join(mark + b"\r\n" + part for part in parts) + mark + b"--" + epilogue


def _file(head: bytes, seed: int) -> bytes:
    return (
        head
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + _write(random.Random(seed).randbytes(300), "base64")  # noqa: S311 - no secret
    )


def _message() -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" + _INNER


_SHAPES: dict[str, Callable[[bytes, bytes, int], bytes]] = {
    "plain": lambda plain, page, seed: plain,
    "html": lambda plain, page, seed: page,
    "alternative": lambda plain, page, seed: _multipart("alternative", f"=_a{seed}", plain, page),
    "mixed": lambda plain, page, seed: _multipart(
        "mixed", f"m{seed}", plain, _file(_PDF, seed), _file(_TXT, seed + 1)
    ),
    "mixed-html": lambda plain, page, seed: _multipart("mixed", f"m{seed}", page, _file(_PDF, seed)),
    "related": lambda plain, page, seed: _multipart("related", f"r{seed}", page, _file(_PNG, seed)),
    "mixed-alternative": lambda plain, page, seed: _multipart(
        "mixed", f"m{seed}", _multipart("alternative", f"a{seed}", plain, page), _file(_PDF, seed), _message()
    ),
    "alternative-related": lambda plain, page, seed: _multipart(
        "alternative", f"a{seed}", plain, _multipart("related", f"r{seed}", page, _file(_PNG, seed)),
        preamble=b"This is a multi-part message in MIME format.", epilogue=b"",
    ),
    "deep": lambda plain, page, seed: _multipart(
        "mixed", f"m{seed}",
        _multipart(
            "related", f"r{seed}", _multipart("alternative", f"a{seed}", plain, page), _file(_PNG, seed)
        ),
        _file(_PDF, seed), epilogue=b"\r\n-- \r\na mailing list\r\n",
    ),
    "forward": lambda plain, page, seed: _multipart("mixed", f"m{seed}", plain, _message()),
    "texts": lambda plain, page, seed: _multipart("mixed", f"m{seed}", plain, plain, page),
}  # fmt: skip


def generated() -> Iterator[tuple[str, bytes]]:
    """Names and mails."""
    seed = 0
    for charset, encoding in itertools.product(CHARSETS, ENCODINGS):
        for shape, build in _SHAPES.items():
            seed += 1
            text = _WORDS.get(charset, _JA) + _ENDS[seed % len(_ENDS)]
            seven = encoding == "7bit" and charset not in {"us-ascii", "iso-2022-jp"}
            plain = _text("plain", text, charset, "8bit" if seven else encoding)
            page = _text("html", _page(text, seed), charset, "8bit" if seven else encoding)
            yield f"{charset}-{encoding}-{shape}", _HEAD.encode() + build(plain, page, seed)
    for number, (encoding, more) in enumerate(
        itertools.product(ENCODINGS, ("; format=flowed", "; format=flowed; delsp=yes", '; name="letter.txt"'))
    ):
        text = _JA.replace("\r\n", " \r\n") + "  indented\r\n" + _ENDS[number % 3]
        charset = "utf-8" if encoding != "7bit" else "iso-2022-jp"
        yield f"flowed-{number}", _HEAD.encode() + _text("plain", text, charset, encoding, more)
    for encoding in ENCODINGS:
        for ending in ("", "\r\n", "\r\n\r\n", " "):
            text = "Regards" + ending
            yield f"short-{encoding}-{len(ending)}", _HEAD.encode() + _text("plain", text, "utf-8", encoding)
    yield "no-mime", b"From: hr@example.com\r\nTo: taro@example.org\r\nSubject: x\r\n\r\n" + _EN.encode()
    yield "empty", _HEAD.encode() + b"\r\n"
    yield "long-line", _HEAD.encode() + _text("plain", "x" * 2000 + "\r\n" + _EN, "utf-8", "8bit")
    yield (
        "signed",
        _HEAD.encode() + _multipart("signed", "s", _text("plain", _EN, "utf-8", "7bit"), _file(_PDF, 1)),
    )
