"""Composed mails of every common structure, shared by the tests of this folder and the fuzz tests."""

import base64
import quopri

LETTER = (
    "山田　太郎　様\r\n\r\nお世話になっております。\r\n株式会社サンプル 人事部の鈴木です。\r\n\r\n"
    "この度は、弊社の求人（ＷＥＢエンジニア）にご応募いただき、\r\n誠にありがとうございました。\r\n"
    "慎重に選考を重ねました結果、誠に残念ながら、今回は採用を\r\n見送らせていただくこととなりました。\r\n"
    "-- \r\n株式会社サンプル 人事部\r\nＴＥＬ：０３－１２３４－５６７８\r\n"
)
HEAD = (
    b"Received: from ex.example.co.jp ([192.0.2.10]) by mx.example.co.jp\r\n"
    b" with ESMTPS id abc123; Mon, 1 Jan 2024 00:00:00 +0900\r\n"
    b"From: =?ISO-2022-JP?B?GyRCP006dhsoQg==?= <hr@example.co.jp>\r\n"
    b"To: taro@example.jp\r\nSubject: =?UTF-8?B?6YG46ICD57WQ5p6c?=\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0900\r\nMessage-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\n"
)


def _part(kind: str, encoding: str, payload: bytes) -> bytes:
    if encoding == "base64":
        payload = base64.encodebytes(payload).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        payload = quopri.encodestring(payload.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + payload


def _multipart(kind: str, boundary: str, *parts: bytes) -> bytes:
    mark = f"\r\n--{boundary}".encode()
    inner = b"".join(mark + b"\r\n" + each for each in parts)
    return (
        f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode()
        + inner
        + mark
        + b"--\r\n"
    )


_HTML = f"<html><head><style>p {{}}</style></head><body><p>{LETTER.replace(chr(13), '<br>' + chr(13))}</p></body></html>"  # noqa: E501 - as it is written
_PLAIN = _part("text/plain; charset=UTF-8", "base64", LETTER.encode())
_MARKUP = _part("text/html; charset=UTF-8", "quoted-printable", _HTML.encode())
_PDF = _part('application/pdf; name="a.pdf"', "base64", bytes(range(256)) * 20)
_ALTERNATIVE = _multipart("alternative", "----=_Alt_1", _PLAIN, _MARKUP)

MAILS = {
    "iso-2022-jp": HEAD
    + _part("text/plain; charset=ISO-2022-JP", "7bit", LETTER.encode("iso2022_jp", "ignore")),
    "shift-jis": HEAD + _part("text/plain; charset=Shift_JIS", "8bit", LETTER.encode("cp932")),
    "utf-8-qp": HEAD + _part("text/plain; charset=utf-8", "quoted-printable", LETTER.encode()),
    "html": HEAD + _MARKUP,
    "alternative": HEAD + _ALTERNATIVE,
    "attachment": HEAD + _multipart("mixed", "----=_Mix_2", _PLAIN, _PDF),
    "related": HEAD + _multipart("mixed", "outer", _multipart("related", "rel", _ALTERNATIVE, _PDF), _PDF),
    "embedded": HEAD
    + _multipart("mixed", "outer", _PLAIN, b"Content-Type: message/rfc822\r\n\r\n" + HEAD + _ALTERNATIVE),
    "digest": HEAD + _multipart("digest", "dig", b"\r\n" + HEAD + b"\r\ntext"),
}
