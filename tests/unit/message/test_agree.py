"""A second opinion on structure: it agrees where all is well and only there."""

import pytest

from gateway.message import agree
from gateway.message.agree import agrees_with_standard_library
from gateway.message.scan import scan
from tests.unit.message.samples import MAILS

SOUND = [
    b"From: a@example.com\r\n\r\ntext\r\n",
    b"From: a@example.com\r\nSubject: folded\r\n  value \r\n\tagain\r\nX-Empty:\r\n\r\n",
    b"Subject: \xe6\x8e\xa1\xe7\x94\xa8\r\n\r\ntext\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nX: y\r\n\r\n--b--\r\n",
]


@pytest.mark.parametrize("data", [*SOUND, *MAILS.values()])
def test_sound_mails(data: bytes) -> None:
    """Every sample that our scanner finds sound is seen the same by the other parser."""
    message = scan(data)
    assert message.defects == ()
    assert agrees_with_standard_library(message)


@pytest.mark.parametrize(
    "data",
    [
        b"From: a@example.com\r\nno colon\r\nTo: b@example.com\r\n\r\ntext\r\n",
        b"Subject : a\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n",
        b"Content-Type: multipart/mixed; boundary=b (c)\r\n\r\n--b\r\n\r\none\r\n--b--\r\n",
    ],
)
def test_doubtful_mails(data: bytes) -> None:
    """Where the other parser sees defects or another structure, it does not agree."""
    assert not agrees_with_standard_library(scan(data))


def test_long_leaves_are_cut_but_not_their_boundaries() -> None:
    """An attachment costs nothing, and a boundary in it would still be seen."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"
    body = b"A" * 70 + b"\r\n--not a boundary\r\n"
    message = scan(head + body * 20_000 + b"--b--\r\n")
    assert agrees_with_standard_library(message)
    skeleton, _ = agree._skeleton(message)
    assert skeleton is not None
    assert len(skeleton) < len(message.data) / 3
    assert skeleton.count(b"--not a boundary") == 20_000


def test_a_puzzle_is_left_alone() -> None:
    """Past a bound nobody agrees to anything."""
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"x" * (1 << 20)
        + b"\r\n--b\r\n\r\none\r\n--b--\r\n"
    )
    message = scan(data)
    assert message.defects == ()
    assert not agrees_with_standard_library(message)


def test_embedded_messages_are_not_compared() -> None:
    """Leaves for us, trees for the other parser; both end at the same boundary."""
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ninner\r\n--b--\r\n"
    )
    assert agrees_with_standard_library(scan(data))


ONE = b"From: a@example.com\r\nX-One: value\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
TWO = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("data", "old", "new"),
    [
        (ONE, b"X-One: value", b"X-Two: value"),
        (ONE, b"X-One: value", b"X-One\r\n value"),
        (ONE, b"text/plain", b"text/other"),
        (TWO, b"--b\r\n\r\ntwo", b"--c\r\n\r\ntwo"),
        (TWO, b"multipart/mixed", b"multiparts/text"),
    ],
)
def test_another_view_is_no_agreement(data: bytes, old: bytes, new: bytes) -> None:
    """Whatever the other parser sees differently (here: other bytes than were scanned), it does not agree."""
    message = scan(data)
    assert agrees_with_standard_library(message)
    assert not agrees_with_standard_library(message._replace(data=data.replace(old, new)))


@pytest.mark.parametrize("place", ["preamble", "parts", "epilogue"])
def test_puzzles_of_every_kind(place: str) -> None:
    """What is left of a mail without its long leaves has a bound, wherever it lies."""
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    part = b"--b\r\n\r\n" + b"x\r\n" * 1000
    filler = b"y" * 70 + b"\r\n"
    if place == "preamble":
        data = head + filler * 20_000 + part + b"--b--\r\n"
    elif place == "parts":
        data = head + part * 400 + b"--b--\r\n"
    else:
        data = head + part + b"--b--\r\n" + filler * 20_000
    message = scan(data)
    assert message.defects == ()
    assert not agrees_with_standard_library(message)


def test_what_the_parser_raises_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that breaks the standard library's parser only means that it does not agree."""

    def breaks(_header: bytes) -> None:
        raise AttributeError

    asked = scan(
        ONE.replace(b"text/plain", b"text/plain; name*0=a")
    )  # not plain enough to be sure without it
    assert agrees_with_standard_library(asked)
    monkeypatch.setattr(agree, "_parse_header", breaks)
    assert not agrees_with_standard_library(asked)
