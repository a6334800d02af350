from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, read_rule_files
from gateway.config.keys import derive_keys
from gateway.message.scan import scan
from gateway.message.splice import join
from gateway.message.text import read_text
from gateway.reason import Reason
from gateway.service.bundle import Bundle, build_policy, read_signing_keys
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Envelope, Mail, Rcpt
from gateway.smtp.parameters import Parameters
from gateway.transaction.compose import without_marks
from gateway.transaction.decide import read_mail
from gateway.transaction.markers import NOTHING, Marked, Markers, find_marks
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
    assert (marked.off, marked.on and not marked.off) == (off, on)


def test_nothing_is_found_in_ordinary_mail() -> None:
    """Neither the name of the program nor braces are a marker."""
    assert (
        found("Subject: about careerrelay\r\n", "careerrelay {x} {{y}} [link] X-CareerRelay: off\r\n")
        == NOTHING
    )


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
        written = content.head + join(content.data, content.pieces)
        assert written.startswith(b"DKIM-Signature: v=1;")
        assert written.endswith(plain)
        assert written.count(b"DKIM-Signature:") == 1
        assert b"s=old" not in written
        assert b"X-CareerRelay" not in written
