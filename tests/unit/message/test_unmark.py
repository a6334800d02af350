import base64
import re
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.scan import scan
from gateway.message.splice import join, splice
from gateway.message.subject import decode_header
from gateway.message.unmark import MAX_SUBJECT, subject_edits, without

MARKER = re.compile(r"\[no\-link\]|【リンクなし】", re.IGNORECASE)


def word(text: str, charset: str = "utf-8", form: str = "B") -> bytes:
    """An encoded word, of any length."""
    payload = text.encode(charset)
    coded = base64.b64encode(payload) if form == "B" else b"".join(b"=%02X" % octet for octet in payload)
    return b"=?%b?%b?%b?=" % (charset.encode(), form.encode(), coded)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # raw text: the marker and a blank beside it, in any case, several of them
        (b" [no-link] Your application", b" Your application"),
        (b" Re: [No-Link] Your application", b" Re: Your application"),
        (b" Your application [no-link]", b" Your application"),
        (b" Your[no-link]application", b" Yourapplication"),
        (b" [no-link] a [no-link]", b" a"),
        (b" [no-link]", b" "),
        (b"[no-link]", b" "),
        # folds: no line of blanks is left over
        (b" a\r\n [no-link]\r\n b", b" a\r\n b"),
        (b"\r\n [no-link]\r\n b", b" b"),
        (b"\r\n b\r\n\t[no-link]", b"\r\n b"),
        # beside encoded words, which stay as they were to the byte
        (b" [no-link] " + word("結果"), b" " + word("結果")),
        (b" " + word("結果") + b" [no-link]", b" " + word("結果")),
        (b" " + word("結果") + b"\r\n [no-link]\r\n " + word("だ"),
         b" " + word("結果") + b"\r\n " + word("だ")),
        # inside them
        (b" " + word("【リンクなし】選考結果"), b" " + word("選考結果")),
        (b" " + word("【リンクなし】　選考結果", form="q"), b" " + word("選考結果", form="q")),
        (b" " + word("選考結果 [no-link]", "iso-2022-jp"), b" " + word("選考結果", "iso-2022-jp")),
        (b" " + word("【リンクなし】選考結果", "shift_jis"), b" " + word("選考結果", "shift_jis")),
        (b" " + word("選考【リンクなし】結果", "euc-jp"), b" " + word("選考結果", "euc-jp")),
        (b" Re: " + word("【リンクなし】") + b" result", b" Re: result"),
        (b" " + word("【リンクなし】") + b"\r\n " + word("結果"), b" " + word("結果")),
        (b" " + word("結果") + b"\r\n " + word("【リンクなし】"), b" " + word("結果")),
        (b" " + word("【リンクなし】"), b" "),
        # cut in two, with the language named, in lower case
        (b" " + word("結果【リ") + b"\r\n " + word("ンクなし】だ"),
         b" " + word("結果") + b"\r\n " + word("だ")),
        (b" =?utf-8*ja?b?" + base64.b64encode("【リンクなし】結果".encode()) + b"?=",
         b" =?utf-8*ja?b?" + base64.b64encode("結果".encode()) + b"?="),
        # raw text beyond ASCII, as old programs write it
        (b" " + "【リンクなし】結果".encode(), b" " + "結果".encode()),
        (b" " + "結果【リンクなし】".encode("cp932"), b" " + "結果".encode("cp932")),
        # none there
        (b" an ordinary subject", b" an ordinary subject"),
        (b" [no-\r\n link] broken", b" [no-\r\n link] broken"),
    ],
)  # fmt: skip
def test_what_goes_and_what_stays(before: bytes, after: bytes) -> None:
    """The marker goes, in whatever form it is written; every other byte stays."""
    assert without(before, MARKER) == after
    header = b"From: a@b.example\r\nSubject:" + before + b"\r\nTo: c@d.example\r\n\r\nx\r\n"
    message = scan(header)
    edited = join(header, splice(header, subject_edits(message, MARKER)))
    assert edited == header.replace(before, after)
    assert scan(edited).defects == message.defects


def test_a_character_cut_in_two_by_words() -> None:
    """Some programs split the bytes of a character between words: the run is read as one."""
    payload = "結果【リンクなし】です".encode()
    cut = 7  # inside of 【
    words = [b"=?UTF-8?B?" + base64.b64encode(part) + b"?=" for part in (payload[:cut], payload[cut:])]
    changed = without(b" " + b"\r\n ".join(words), MARKER)
    assert changed is not None
    assert decode_header(changed.replace(b"\r\n", b"")).strip() == "結果です"


def test_what_is_too_long_stays() -> None:
    """Nobody's subject; looked at by nobody."""
    data = b"Subject: [no-link] " + b"x " * MAX_SUBJECT + b"\r\n\r\n"
    assert subject_edits(scan(data), MARKER) == ()


MARKERS = st.sampled_from(["[no-link]", "【リンクなし】"])
CHARSETS = ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp"]
TEXT = st.text(st.sampled_from("選考結果のご連絡 aZ?=_Re:ー"), max_size=30)


@given(before=TEXT, after=TEXT, marker=MARKERS, charset=st.sampled_from(CHARSETS))
def test_any_subject(before: str, after: str, marker: str, charset: str) -> None:
    """As Python's own `email` writes it: the text without the marker is what is read afterwards."""
    text = f"{before}{marker}{after}"
    value = b" " + Header(text, charset, header_name="Subject").encode(linesep="\r\n").encode()
    changed = without(value, MARKER)
    assert changed is not None
    read = decode_header(changed.replace(b"\r\n", b""))
    assert "".join(read.split()) == "".join((before + after).split())
    assert b"\r\n \r\n" not in changed
