from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, read_rule_files
from gateway.config.keys import derive_keys
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.reason import Reason
from gateway.service.bundle import Bundle, build_policy, read_signing_keys
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.transaction.compose import without_marks
from gateway.transaction.decide import read_mail
from gateway.transaction.markers import NOTHING, Marked, Markers, find_marks, may_be_marked
from gateway.transaction.policy import Policy
from tests.unit.dkim.keys import rsa_pem

MARKERS = Markers(off=("[no-link]",), on=("[link]",))
HTML = "Content-Type: text/html; charset=utf-8\r\nMIME-Version: 1.0\r\n"


def found(head: str, body: str = "Hello.\r\n", reason: Reason | None = None) -> Marked:
    """What is found in a mail."""
    message = scan(f"From: a@b.example\r\n{head}\r\n{body}".encode())
    return find_marks(message, read_text(message), MARKERS, reason)


@pytest.mark.parametrize(
    ("head", "body", "off", "on"),
    [
        ("X-CareerRelay: OFF\r\n", "x", True, False),
        ("X-CareerRelay: on\r\n", "x", False, False),  # yes is for those who may, and not said by a field
        ("Subject: [NO-LINK] a\r\n", "x", True, False),
        ("Subject: a [link]\r\n", "x", False, True),
        ("Subject: [link] [no-link]\r\n", "x", True, False),  # no wins
        ("", "a {{ CareerRelay }} b\r\n", False, True),
        ("", "a\r\n\r\n> {{careerrelay}}\r\n", False, False),  # quoted: somebody else's word
        (HTML, "<p>a {{ca<b>reer</b>relay}}</p>\r\n", False, True),
        (HTML, "<p title='{{careerrelay}}'>a</p>\r\n", False, False),
    ],
)
def test_what_is_said(head: str, body: str, *, off: bool, on: bool) -> None:
    """No and yes, by field, subject and newly written text."""
    marked = found(head, body)
    if marked != NOTHING:
        assert may_be_marked(scan(f"{head}\r\n{body}".encode()), MARKERS)
    assert (marked.off, marked.on and not marked.off) == (off, on)


ORDINARY = b"Subject: about careerrelay\r\n\r\ncareerrelay {x} {{y}} [link] X-CareerRelay: off\r\n"


def test_nothing_is_found_in_ordinary_mail() -> None:
    """Neither the name of the program nor braces are a marker."""
    message = scan(ORDINARY)
    assert find_marks(message, read_text(message), MARKERS, None) == NOTHING
    assert not may_be_marked(message, MARKERS)
    assert not may_be_marked(scan(b"Subject: [link]\r\n\r\n"), Markers())


def test_mail_to_colleagues_is_read_only_if_it_is_marked(tmp_path: Path) -> None:
    """Nobody needs its text but for the markers in it, which are taken out as in any other mail."""
    path, _ = parse_path(b"FROM:<a@example.co.jp>", b"FROM", null_allowed=False)
    envelope = Envelope(Mail(path, Parameters()), (Rcpt(path, Parameters()),))
    made = policy(tmp_path)
    ordinary = read_mail(ORDINARY, complete=True, envelope=envelope, policy=made)
    assert (ordinary.reason, ordinary.text, ordinary.marked) == (Reason.NO_CANDIDATE, None, NOTHING)
    head = b"From: a@b.example\r\n"
    for content, left in (
        (b"X-CareerRelay: off\r\n\r\nx\r\n", b"\r\nx\r\n"),
        (b"Subject: [no-link] a\r\n\r\nx\r\n", b"Subject: a\r\n\r\nx\r\n"),
        (b"Subject: a\r\n\r\nx {{careerrelay}}\r\n", b"Subject: a\r\n\r\nx \r\n"),
    ):
        reading = read_mail(head + content, complete=True, envelope=envelope, policy=made)
        written = without_marks(reading, made)
        assert reading.reason is Reason.NO_CANDIDATE
        assert written is not None
        assert (written.data, written.pieces) == (head + left, None)


@pytest.mark.parametrize("reason", [None, Reason.NO_CANDIDATE, Reason.HAS_LINK, Reason.SENDER_EXCLUDED])
def test_where_they_are_taken_out(reason: Reason | None) -> None:
    """Also of mail that is left alone for what it is about, and not for what it is."""
    marked = found("X-CareerRelay: off\r\n", "{{careerrelay}}\r\n", reason)
    assert (len(marked.edits), marked.bodies, marked.stays) == (1, True, "")


@pytest.mark.parametrize("reason", [Reason.DKIM, Reason.SMIME, Reason.PGP, Reason.CALENDAR, Reason.BOUNCE])
def test_where_they_stay(reason: Reason) -> None:
    """On mail that is never edited; it is told."""
    marked = found("X-CareerRelay: off\r\n", "{{careerrelay}}\r\n", reason)
    assert (marked.cleans, marked.off) == (False, True)
    assert reason.value in marked.stays


def policy(folder: Path, **changes: Any) -> Policy:  # noqa: ANN401 - the form of a config
    """A policy with a key of the company's."""
    (folder / "key.pem").write_bytes(rsa_pem())
    (folder / "key.pem").chmod(0o600)
    key = {"domain": "b.example", "selector": "s", "key_file": "key.pem"}
    config = embedded_config(folder, {"dkim": {"key": [key]}, **changes})
    return build_policy(
        Bundle(
            config=config,
            keys=derive_keys(b"k" * 32),
            files=read_rule_files(config),
            signing_keys=read_signing_keys(config),
        )
    )


def test_a_mail_without_its_marker_is_signed(tmp_path: Path) -> None:
    """It is edited, so it gets our signature; one that was there and covers the marker is replaced."""
    path, _ = parse_path(b"FROM:<a@b.example>", b"FROM", null_allowed=False)
    envelope = Envelope(Mail(path, Parameters()), (Rcpt(path, Parameters()),))
    made = policy(tmp_path)
    plain = b"From: a@b.example\r\nSubject: x\r\n\r\nHello.\r\n"
    old = b"DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=old; b=AA==\r\n"
    for mail in (b"X-CareerRelay: off\r\n" + plain, old + b"X-CareerRelay: off\r\n" + plain):
        reading = read_mail(mail, complete=True, envelope=envelope, policy=made)
        content = without_marks(reading, made)
        assert content is not None
        written = content.octets
        assert written.startswith(b"DKIM-Signature: v=1;")
        assert written.endswith(plain)
        assert written.count(b"DKIM-Signature:") == 1
        assert b"s=old" not in written
        assert b"X-CareerRelay" not in written
