"""Mail that is never changed, each kind with its reason."""

import base64

import pytest

from gateway.message.exempt import exemption
from gateway.message.scan import scan
from gateway.message.trace import own_id_field
from gateway.reason import Reason


def mail(*fields: str, body: str = "text\r\n") -> bytes:
    """A mail with these fields."""
    return "\r\n".join(("From: a@example.com", *fields, "", body)).encode()


def mixed(kind: str, body: str = "x", *, name: str = "") -> bytes:
    """The part two levels down in a multipart, beside a text."""
    disposition = f'Content-Disposition: attachment; filename="{name}"\r\n' if name else ""
    return (
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\ntext\r\n--a\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: {kind}\r\n{disposition}\r\n{body}\r\n--b--\r\n--a--\r\n"
    ).encode()


SIGNED = "multipart/signed; boundary=c; protocol="
INNER = "--c\r\n\r\nsigned text\r\n--c--"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (mixed("multipart/report; boundary=c; report-type=delivery-status", INNER), Reason.BOUNCE),
        (mixed("multipart/report; boundary=c", INNER), Reason.BOUNCE),
        (mixed("message/delivery-status"), Reason.BOUNCE),
        (
            mixed("multipart/report; boundary=c; report-type=disposition-notification", INNER),
            Reason.READ_RECEIPT,
        ),
        (mixed("message/disposition-notification"), Reason.READ_RECEIPT),
        (mail("Auto-Submitted: auto-replied"), Reason.AUTO_REPLY),
        (mail("Auto-Submitted: Auto-Replied (vacation)"), Reason.AUTO_REPLY),
        (mail("X-Autoreply: yes"), Reason.AUTO_REPLY),
        (mail("X-Autorespond: Abwesenheit"), Reason.AUTO_REPLY),
        (mail("X-Vacation: yes"), Reason.AUTO_REPLY),
        (mixed("text/calendar; method=REQUEST"), Reason.CALENDAR),
        (mixed("application/ics"), Reason.CALENDAR),
        (mixed("application/octet-stream", name="Invite.ICS"), Reason.CALENDAR),
        (mail("Content-Class: urn:content-classes:calendarmessage"), Reason.CALENDAR),
        (mixed("application/ms-tnef"), Reason.TNEF),
        (mixed("application/octet-stream", name="winmail.dat"), Reason.TNEF),
        (mixed(SIGNED + '"application/pkcs7-signature"', INNER), Reason.SMIME),
        (mixed(SIGNED + '"application/pgp-signature"', INNER), Reason.PGP),
        (mixed("multipart/signed; boundary=c", INNER), Reason.SMIME),
        (mixed('multipart/encrypted; boundary=c; protocol="application/pgp-encrypted"', INNER), Reason.PGP),
        (mixed("application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"), Reason.SMIME),
        (mixed("application/x-pkcs7-mime"), Reason.SMIME),
        (mixed("application/octet-stream; name=smime.p7m"), Reason.SMIME),
        (mixed("application/octet-stream", name="smime.p7s"), Reason.SMIME),
        (mixed("application/pgp-encrypted"), Reason.PGP),
        (mail(body="-----BEGIN PGP MESSAGE-----\r\n\r\nx"), Reason.PGP),
        (mail(body="hello\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n"), Reason.PGP),
        (mixed("text/html", "<pre>-----BEGIN PGP MESSAGE-----"), Reason.PGP),
        (
            mail(
                "Content-Transfer-Encoding: base64",
                body=base64.b64encode(b"-----BEGIN PGP MESSAGE-----\r\n").decode(),
            ),
            Reason.PGP,
        ),
        (
            mail("Content-Transfer-Encoding: quoted-printable", body="=2D----BEGIN=20PGP MESS=\r\nAGE-----"),
            Reason.PGP,
        ),
        (mail("DKIM-Signature: v=1; d=example.com"), Reason.DKIM),
        (mail("DKIM-Signature: v=1", "Auto-Submitted: auto-replied"), Reason.AUTO_REPLY),
    ],
)
def test_left_alone(data: bytes, expected: Reason) -> None:
    """At any depth of multiparts; DKIM comes last, since a policy may set it aside."""
    assert exemption(scan(data), null_sender=False) == expected


@pytest.mark.parametrize(
    "data",
    [
        mail(),
        mail("Auto-Submitted: no"),
        mail("Auto-Submitted: auto-generated"),
        mail("Precedence: bulk", "List-Id: <x.example>", "List-Unsubscribe: <https://example.com>"),
        mail("X-Auto-Response-Suppress: All"),
        mail("Disposition-Notification-To: a@example.com"),
        mail("X-Mailer: x", "ARC-Seal: i=1", "X-Google-DKIM-Signature: v=1"),
        mixed("message/rfc822", "Content-Type: text/calendar\r\n\r\nx"),
        mixed("application/pdf", name="report.pdf"),
        mixed("application/pgp-keys"),
        mail(body="-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n"),
    ],
)
def test_not_a_reason(data: bytes) -> None:
    """Applications send rejections with these, and embedded messages are somebody else's."""
    assert exemption(scan(data), null_sender=False) is None


def test_null_sender() -> None:
    """Whatever the mail holds."""
    assert exemption(scan(mail()), null_sender=True) == Reason.NULL_SENDER


def test_own_header() -> None:
    """Only with the key in hand, and only if made with it."""
    data = own_id_field("abc", b"key") + mail()
    assert exemption(scan(data), null_sender=False, id_key=b"key") == Reason.OWN_HEADER
    assert exemption(scan(data), null_sender=False, id_key=b"other") is None
    assert exemption(scan(data), null_sender=False) is None


def test_a_head_shows_what_it_shows() -> None:
    """Seen as soon as the head holds it."""
    data = mixed("text/calendar; method=REQUEST")
    assert exemption(scan(data[:-14], complete=False), null_sender=False) == Reason.CALENDAR
