"""Mail that is never touched: each reason by its name, with a mail that has it and no other one.

DESIGN.md, "Not changed, ever". What these mails are made from gets a footer: `test_what_they_are_made_from`.
Over the wire the same is held by tests/integration/test_untouched.py.
"""

import base64
from dataclasses import replace

import pytest

from gateway.cli.rewriting.mail import SAMPLE_KEYS, Refused, Rewriter, make_rewriter
from gateway.message.html import MAX_TOKENS
from gateway.message.splice import join
from gateway.message.text import MAX_TEXT
from gateway.message.trace import own_id_field, received_field
from gateway.reason import Reason
from gateway.transaction import compose as compose_module

FIELDS = (
    b"From: HR <hr@example.co.jp>\r\nTo: Taro <taro@example.com>\r\nSubject: result\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0900\r\nMessage-ID: <1@example.co.jp>\r\nMIME-Version: 1.0\r\n"
)
TEXT = b"We regret to inform you.\r\n"
KIND = b"Content-Type: text/plain; charset=UTF-8\r\n"
PLAIN = FIELDS + KIND + b"\r\n" + TEXT
LINK = b"https://careerrelay.example/r/00000000000000000000000000\r\n"
MARK = received_field(
    helo=b"x", peer="192.0.2.1", hostname="gw", protocol="ESMTP", recipient=None, session_id="1",
    date="Mon, 1 Jan 2024 00:00:00 +0900", mark_key=SAMPLE_KEYS.mark,
)  # fmt: skip


def multipart(kind: bytes, *parts: bytes) -> bytes:
    """A multipart of this kind; the text is its first part."""
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in (KIND + b"\r\n" + TEXT, *parts))
    return FIELDS + b"Content-Type: multipart/" + kind + b"; boundary=b\r\n\r\n" + body + b"--b--\r\n"


def file(kind: bytes, body: bytes = b"AAAA") -> bytes:
    """A part that is no text."""
    return b"Content-Type: " + kind + b"\r\n\r\n" + body


def page(markup: bytes) -> bytes:
    """An HTML mail."""
    return FIELDS + b"Content-Type: text/html; charset=UTF-8\r\n\r\n" + markup


def deeper(mail: bytes) -> bytes:
    """The same as a part of a multipart of its own."""
    kind, _, body = mail.removeprefix(FIELDS).partition(b"\r\n\r\n")
    return multipart(
        b"mixed", kind.replace(b"=b", b"=inner") + b"\r\n\r\n" + body.replace(b"--b", b"--inner")
    )


SIGNED = multipart(b'signed; protocol="application/pkcs7-signature"', file(b"application/pkcs7-signature"))
PGP = multipart(b'encrypted; protocol="application/pgp-encrypted"', file(b"application/pgp-encrypted"))

UNTOUCHED: dict[Reason, list[bytes]] = {
    Reason.NULL_SENDER: [b"Return-Path: <>\r\n" + PLAIN],
    Reason.BOUNCE: [
        multipart(b"report; report-type=delivery-status", file(b"message/delivery-status")),
        multipart(b"mixed", file(b"message/delivery-status")),
        multipart(b"report"),
    ],
    Reason.AUTO_REPLY: [
        b"Auto-Submitted: auto-replied (vacation)\r\n" + PLAIN,
        b"X-Autoreply: yes\r\n" + PLAIN,
        b"X-Vacation: 1\r\n" + PLAIN,
    ],
    Reason.READ_RECEIPT: [
        multipart(b"report; report-type=disposition-notification"),
        multipart(b"mixed", file(b"message/disposition-notification")),
    ],
    Reason.CALENDAR: [
        multipart(b"alternative", file(b"text/calendar; method=REQUEST")),
        multipart(b"mixed", file(b"application/octet-stream; name=invite.ics")),
        b"Content-Class: urn:content-classes:calendarmessage\r\n" + PLAIN,
    ],
    Reason.TNEF: [
        multipart(b"mixed", file(b"application/ms-tnef")),
        multipart(b"mixed", file(b"application/octet-stream; name=WinMail.dat")),
    ],
    Reason.SMIME: [
        SIGNED,
        deeper(SIGNED),
        deeper(deeper(SIGNED)),
        FIELDS + b"Content-Type: application/pkcs7-mime\r\n\r\nAAAA\r\n",
        multipart(b"mixed", file(b"application/octet-stream; name=smime.p7m")),
    ],
    Reason.PGP: [
        PGP,
        deeper(PGP),
        multipart(b'signed; protocol="application/pgp-signature"', file(b"application/pgp-signature")),
        PLAIN + b"-----BEGIN PGP MESSAGE-----\r\n",
        FIELDS + KIND + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(b"-----BEGIN PGP SIGNED MESSAGE-----\r\n"),
    ],
    Reason.DKIM: [b"DKIM-Signature: v=1; a=rsa-sha256; d=example.co.jp; s=s; b=AA==\r\n" + PLAIN],
    Reason.HAS_LINK: [PLAIN + LINK, PLAIN + b"> " + LINK, page(b"<a href=" + LINK + b">x</a>")],
    Reason.OWN_HEADER: [own_id_field("0" * 26, SAMPLE_KEYS.own_id) + PLAIN],
    Reason.LOOP: [MARK + PLAIN],
    Reason.DEFECT: [
        PLAIN + b"a\0b\r\n",
        multipart(b"mixed").replace(b"--b--", b""),
        FIELDS.replace(b"Message-ID", b"Content-Type: text/html\r\nMessage-ID") + KIND + b"\r\n" + TEXT,
    ],
    Reason.DISAGREE: [
        FIELDS + KIND + b"Content-Transfer-Encoding: base64 \r\n\r\n" + base64.encodebytes(TEXT),
        multipart(b"alternative", b"Content-Type: multipart/related; boundary=c\r\n\r\n--c\r\n"
                  b"Content-Type: text/html\r\n\r\n<p>x</p>\r\n--c--", KIND + b"\r\nmore"),
    ],
    Reason.NO_TEXT: [
        FIELDS + b"Content-Type: image/png\r\n\r\nAAAA\r\n",
        multipart(b"mixed").replace(b"text/plain", b"image/png"),
    ],
    Reason.CHARSET: [
        PLAIN.replace(b"UTF-8", b"x-nobody-knows"),
        PLAIN.replace(b"; charset=UTF-8", b"") + "残念".encode(),
        PLAIN + b"\x1b$B;DG0\x1b(B\r\n",
    ],
    Reason.UNDECODABLE: [
        PLAIN + b"\xff\xfe\x80\r\n",
        FIELDS + KIND + b"Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n",
        FIELDS + KIND + b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=ZZb\r\n",
        PLAIN.replace(b"UTF-8", b"ISO-2022-JP") + b"\x1b$B;DG0\x1b(B a\x0eb\r\n",
        PLAIN.replace(b"UTF-8", b"ISO-2022-JP") + b"\x1b$B;DG\x1b(B\r\n",
    ],
    Reason.HTML_DEFECT: [
        page(b"<p>a</p><a href='x"),
        page(b"<p>a<!-- b"),
        page(b"<b>a</b>" * MAX_TOKENS),
        page(b"<div hidden>a"),
    ],
    Reason.WINDOW: [PLAIN + b"0123456\r\n" * (MAX_TEXT // 9 + 1)],
}  # fmt: skip


@pytest.fixture(scope="module")
def rewriter() -> Rewriter:
    """What is there without a config, as ``--always`` has it but for signatures: they stay."""
    made, _ = make_rewriter(None, always=True)
    return replace(made, policy=replace(made.policy, dkim=replace(made.policy.dkim, rule="skip")))


@pytest.mark.parametrize(
    ("reason", "mail"), [(reason, mail) for reason, mails in UNTOUCHED.items() for mail in mails]
)
def test_left_as_it_came(reason: Reason, mail: bytes, rewriter: Rewriter) -> None:
    """Not a byte changes, and the reason is told."""
    mail = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    result = rewriter.rewrite(mail, sender=None, recipients=None)
    assert (result.reason, result.changed, result.content == mail) == (reason, False, True)


def test_what_they_are_made_from(rewriter: Rewriter) -> None:
    """Without the one thing that is said of each it would be changed."""
    for mail in (PLAIN, multipart(b"mixed", file(b"application/pdf")), deeper(PLAIN), page(b"<p>a</p>")):
        assert rewriter.rewrite(mail, sender=None, recipients=None).reason is Reason.FORCED


def test_check_failed(rewriter: Rewriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the edit did to a byte that was none of its business: the original goes."""
    monkeypatch.setattr(
        compose_module, "join", lambda data, pieces: join(data, pieces).replace(b"regret", b"Regret")
    )
    result = rewriter.rewrite(PLAIN, sender=None, recipients=None)
    assert (result.reason, result.content) == (Reason.CHECK_FAILED, PLAIN)


def test_size(rewriter: Rewriter) -> None:
    """A mail that the gateway would not take is not changed either."""
    with pytest.raises(Refused) as refused:
        replace(rewriter, limit=len(PLAIN) - 1).rewrite(PLAIN, sender=None, recipients=None)
    assert refused.value.reason is Reason.SIZE


def test_every_reason_of_a_mail_is_here() -> None:
    """A reason that is new has to have its mail; those that are no mail's doing are not meant."""
    reasons = list(Reason)
    kinds = reasons[reasons.index(Reason.NULL_SENDER) : reasons.index(Reason.LEDGER_FAULT)]
    assert {*UNTOUCHED, Reason.CHECK_FAILED, Reason.SIZE} == {*kinds} - {Reason.DISK}
