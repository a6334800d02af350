"""Subjects, encoded or as they should not be."""

import base64

import pytest

from gateway.message.subject import decode_header


def word(text: str, codec: str, name: str) -> bytes:
    """An encoded word of RFC 2047."""
    return b"=?" + name.encode() + b"?B?" + base64.b64encode(text.encode(codec)) + b"?="


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ""),
        (b"Your application", "Your application"),
        (word("選考結果", "iso2022_jp", "ISO-2022-JP"), "選考結果"),
        (b"Re: " + word("選考結果", "utf-8", "utf-8") + b" (2)", "Re: 選考結果 (2)"),
        (word("選考", "utf-8", "UTF-8") + b" " + word("結果", "utf-8", "utf-8"), "選考結果"),
        (word("選考", "utf-8", "UTF-8") + b"\t" + word("結果", "shift_jis", "shift_jis"), "選考結果"),
        (word("選考", "utf-8", "UTF-8") + b" - " + word("結果", "utf-8", "utf-8"), "選考 - 結果"),
        (b"=?utf-8?Q?=E9=81=B8_=E8=80=83?=", "選 考"),
        (b"=?utf-8*ja?q?=E9=81=B8?=", "選"),
        (b"=?iso-8859-1?Q?f=FCr?=", "für"),
        (b"=?utf-8?B?6YG?= =?utf-8?B?4?=", "\ufffd"),
        (b"=?utf-8?Q?=E9=81?= =?utf-8?Q?=B8?=", "選"),
        (b"=?x-unknown?B?QUJD?=", "ABC"),
        (b"=?utf-8?B?QUJD", "=?utf-8?B?QUJD"),
        (b"=?utf-8?X?QUJD?=", "=?utf-8?X?QUJD?="),
        ("選考結果".encode("iso2022_jp"), "選考結果"),
        (b"Re: " + "①選考結果".encode(), "Re: ①選考結果"),
        ("選考結果のご連絡".encode("cp932"), "選考結果のご連絡"),
        ("选考".encode(), "选考"),
        (b"\x1b$B-!\x1b(B", "①"),
        (word("ab", "utf-8", "utf-8") + word("cd", "utf-8", "utf-8"), "abcd"),
    ],
)
def test_subjects(value: bytes, expected: str) -> None:
    """RFC 2047 in its use and misuse, raw ISO-2022-JP, raw UTF-8, raw Shift_JIS."""
    assert decode_header(value) == expected
