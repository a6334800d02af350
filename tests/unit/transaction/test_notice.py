import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from typing import TypedDict, Unpack, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.address import NULL_PATH, parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate, Outcome
from gateway.smtp.parameters import Parameters
from gateway.smtp.reply import Reply
from gateway.transaction.notice import MAX_QUOTED, Failure, compose_notice, envelope_of, wanted

ORIGINAL = (
    b"From: hr@example.co.jp\r\nTo: a@x.test\r\nSubject: =?iso-2022-jp?B?GyRCQSo5TRsoQg==?=\r\n\r\nbody\r\n"
)
REFUSED = Outcome(Fate.REFUSED, Reply.of(550, "5.1.1", "no such user"))
TAKEN = Outcome(Fate.TAKEN, Reply.of(250, "2.0.0", "OK"))


class Given(TypedDict, total=False):
    """What a test says about a notice; the rest is ordinary."""

    mail: Mail
    failures: list[Failure]
    original: bytes
    complete: bool
    from_name: str
    postmaster: str
    next_hop: str


def _mail(text: bytes = b"<hr@example.co.jp>") -> Mail:
    path, rest = parse_path(b"FROM:" + text, b"FROM", null_allowed=True)
    return Mail(path, Parameters.parse(rest))


def _rcpt(text: bytes = b"<a@x.test>") -> Rcpt:
    path, rest = parse_path(b"TO:" + text, b"TO", null_allowed=False)
    return Rcpt(path, Parameters.parse(rest))


def _failure(text: bytes = b"<a@x.test>", reply: Reply = REFUSED.reply) -> Failure:
    return Failure(recipient=_rcpt(text), outcome=Outcome(Fate.REFUSED, reply))


def _compose(**given_: Unpack[Given]) -> bytes:
    values: Given = {
        "mail": _mail(),
        "failures": [_failure()],
        "original": ORIGINAL,
        "complete": True,
        "from_name": "Mail Delivery System",
        "postmaster": "postmaster@example.co.jp",
        "next_hop": "mx.example.com:25",
    }
    values.update(given_)
    return compose_notice(
        **values,
        hostname="gw.example.co.jp",
        date="Mon, 05 Jan 2026 09:00:00 +0900",
        unique="0123456789abcdef",
    )


def _check_wire(content: bytes) -> None:
    """What is promised of every notice's octets."""
    assert content.isascii()
    assert b"\0" not in content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", content)
    assert content.endswith(b"\r\n")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


def _parse(content: bytes) -> EmailMessage:
    _check_wire(content)
    parsed = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert [part.defects for part in parsed.walk()] == [[] for _ in parsed.walk()]
    return parsed


def _parts(content: bytes) -> tuple[EmailMessage, list[Message], EmailMessage]:
    """Explanation, groups of the delivery status, and what is quoted."""
    explanation, status, quoted = cast("list[EmailMessage]", _parse(content).get_payload())
    return explanation, cast("list[Message]", status.get_payload()), quoted


def _fields(group: Message) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in group.items()]


def test_it_is_a_report() -> None:
    """multipart/report of RFC 6522 in three parts, addressed to the sender, marked automatic (RFC 3834)."""
    parsed = _parse(_compose())
    assert {name: str(value) for name, value in parsed.items()} == {
        "From": "Mail Delivery System <postmaster@example.co.jp>",
        "To": "hr@example.co.jp",
        "Subject": "Undelivered mail: not all recipients could be reached",
        "Date": "Mon, 05 Jan 2026 09:00:00 +0900",
        "Message-ID": "<0123456789abcdef@gw.example.co.jp>",
        "Auto-Submitted": "auto-replied",
        "MIME-Version": "1.0",
        "Content-Type": 'multipart/report; report-type="delivery-status"; boundary="=_0123456789abcdef"',
    }
    assert [part.get_content_type() for part in parsed.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_delivery_status() -> None:
    """The fields of RFC 3464, with what the sender gave as ENVID and ORCPT, decoded (RFC 3461 §4)."""
    failures = [
        _failure(b"<A@X.test> ORCPT=rfc822;taro+2Byamada@old.test"),
        _failure(b"<b@x.test>", Reply(554, (b"5.7.1 first \xff\tline", b"second"))),
        _failure(b"<c@x.test>", Reply(550, (b"4.2.2 confused",))),
    ]
    _, groups, _ = _parts(_compose(mail=_mail(b"<hr@example.co.jp> ENVID=QQ+3D1"), failures=failures))
    assert [_fields(group) for group in groups] == [
        [("Original-Envelope-Id", "QQ=1"), ("Reporting-MTA", "dns; gw.example.co.jp")],
        [
            ("Original-Recipient", "rfc822;taro+yamada@old.test"),
            ("Final-Recipient", "rfc822; A@x.test"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Remote-MTA", "dns; mx.example.com"),
            ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
        ],
        [
            ("Final-Recipient", "rfc822; b@x.test"),
            ("Action", "failed"),
            ("Status", "5.7.1"),
            ("Remote-MTA", "dns; mx.example.com"),
            ("Diagnostic-Code", "smtp; 554 5.7.1 first ??line second"),
        ],
        [
            ("Final-Recipient", "rfc822; c@x.test"),
            ("Action", "failed"),
            ("Status", "5.0.0"),
            ("Remote-MTA", "dns; mx.example.com"),
            ("Diagnostic-Code", "smtp; 550 4.2.2 confused"),
        ],
    ]


@pytest.mark.parametrize(
    ("next_hop", "remote"),
    [
        ("192.0.2.1:25", "dns; [192.0.2.1]"),
        ("[2001:db8::1]:25", "dns; [IPv6:2001:db8::1]"),
        ("mx.example.com:10025", "dns; mx.example.com"),
        ("", None),
    ],
)
def test_remote_mta(next_hop: str, remote: str | None) -> None:
    """The host that refused: a name, or an address as a literal; left out where none is known."""
    _, groups, _ = _parts(_compose(next_hop=next_hop))
    assert groups[1]["Remote-MTA"] == remote


@pytest.mark.parametrize(
    ("orcpt", "shown"),
    [
        (b"rfc822;a@x.test", "rfc822;a@x.test"),
        (b'rfc822;"a+20b"@x.test', 'rfc822;"a b"@x.test'),
        (b"rfc822;a+0D+0ASubject:+20x", "rfc822;a+0D+0ASubject:+20x"),
        (b"rfc822;+E5@x.test", "rfc822;+E5@x.test"),
        (b"utf-8;\\x{592A}@x.test", "utf-8;\\x{592A}@x.test"),
        ("utf-8;太@x.test".encode(), "utf-8;\\x{592A}@x.test"),
        (b"nothing", None),
        (b";a@x.test", None),
        (b"a:b;a@x.test", None),
        (b"rfc822;" + b"a" * 500, None),
    ],
)
def test_original_recipient(orcpt: bytes, shown: str | None) -> None:
    """ORCPT as it was meant; nothing in it can break a field, and what is no ORCPT is left out."""
    _, groups, _ = _parts(_compose(failures=[_failure(b"<a@x.test> ORCPT=" + orcpt)]))
    assert groups[1]["Original-Recipient"] == shown


@pytest.mark.parametrize(
    ("envid", "shown"),
    [(b"a+20b", "a b"), (b"a+0Ab", "a+0Ab"), (b"\xff", None), (b"x" * 101, None), (b"", None)],
)
def test_envelope_id(envid: bytes, shown: str | None) -> None:
    """ENVID as it was meant, by the same rules."""
    _, groups, _ = _parts(_compose(mail=_mail(b"<hr@example.co.jp> ENVID=" + envid)))
    assert groups[0]["Original-Envelope-Id"] == shown


def test_address_beyond_ascii() -> None:
    """It is told in ASCII, with the type that RFC 6533 §3 has for it; the text shows it as it is."""
    explanation, groups, _ = _parts(_compose(failures=[_failure("<太郎+jobs@x.test>".encode())]))
    assert groups[1]["Final-Recipient"] == "utf-8; \\x{592A}\\x{90CE}\\x{2B}jobs@x.test"
    assert "<太郎+jobs@x.test>" in explanation.get_content()


def test_explanation() -> None:
    """For people, in both languages: who was not reached, and the next hop's words."""
    explanation, _, _ = _parts(_compose())
    assert explanation.get_content().splitlines() == [
        "This is the mail relay gw.example.co.jp.",
        "",
        "Your mail reached some of its recipients. These refused it for good:",
        "宛先の一部には届きましたが、次の宛先には配送できませんでした。",
        "",
        "  <a@x.test>",
        "    550 5.1.1 no such user",
    ]


HEADER = ORIGINAL.partition(b"\r\n\r\n")[0] + b"\r\n"


@pytest.mark.parametrize(
    ("ret", "original", "complete", "content_type", "quoted"),
    [
        (b"", ORIGINAL, True, "text/rfc822-headers", HEADER),
        (b" RET=HDRS", ORIGINAL, True, "text/rfc822-headers", HEADER),
        (b" RET=full", ORIGINAL, True, "message/rfc822", ORIGINAL),
        (b" RET=FULL", ORIGINAL, False, "text/rfc822-headers", HEADER),
        (b" RET=FULL", ORIGINAL + b"\xe3\x81\x82\r\n", True, "text/rfc822-headers", HEADER),
        (b" RET=FULL", ORIGINAL + b"\0\r\n", True, "text/rfc822-headers", HEADER),
        (b" RET=FULL", ORIGINAL + b"x" * 999 + b"\r\n", True, "text/rfc822-headers", HEADER),
        (b" RET=FULL", ORIGINAL + b"x\r\n" * MAX_QUOTED, True, "text/rfc822-headers", HEADER),
        (b"", b"A: 1\r\nB: 2", True, "text/rfc822-headers", b"A: 1\r\n"),
        (b"", b"no line end", True, "text/rfc822-headers", b""),
        (b"", b"\r\nsecret\r\n\r\nbody", True, "text/rfc822-headers", b""),
        (b"", b"Subject: \x93\xfa\r\nX: " + b"y" * 2000 + b"\r\n\r\n", True, "text/rfc822-headers", None),
    ],
)
def test_what_is_quoted(
    ret: bytes,
    original: bytes,
    complete: bool,  # noqa: FBT001 - a column of the table
    content_type: str,
    quoted: bytes | None,
) -> None:
    """The header, or with RET=FULL all of the mail if that is at hand and needs no encoding."""
    content = _compose(mail=_mail(b"<hr@example.co.jp>" + ret), original=original, complete=complete)
    _, _, part = _parts(content)
    assert part.get_content_type() == content_type
    if content_type == "message/rfc822":
        start = content.index(b"message/rfc822\r\n\r\n") + len(b"message/rfc822\r\n\r\n")
        assert content[start:].partition(b"\r\n--=_")[0] == quoted
    else:
        expected = original.partition(b"\r\n\r\n")[0] + b"\r\n" if quoted is None else quoted
        assert cast("bytes", part.get_payload(decode=True)) == expected


def test_large_header_is_cut_at_a_line() -> None:
    """Of a header past the bound its whole lines are quoted."""
    line = b"X-Line: " + b"y" * 60 + b"\r\n"
    _, _, part = _parts(_compose(original=line * 2_000 + b"\r\nbody", complete=False))
    assert part.get_payload(decode=True) == line * (MAX_QUOTED // len(line))


@pytest.mark.parametrize(
    ("name", "address", "shown"),
    [
        ("Mail Delivery System", "", '"Mail Delivery System" <postmaster@gw.example.co.jp>'),
        ('a "b" \\c\r\nBcc: x', "p@x.test", '"a b cBcc: x" <p@x.test>'),
        ("メール配送システム", "p@x.test", "メール配送システム <p@x.test>"),
        ("株式会社サンプル採用担当チームのメール配送システムからのお知らせです", "p@x.test", None),
        ("太" * 10_000, "p@x.test", "太" * 200 + " <p@x.test>"),
    ],
)
def test_from(name: str, address: str, shown: str | None) -> None:
    """Any name can be shown and none can add a field; without an address it is our host's postmaster."""
    content = _compose(from_name=name, postmaster=address)
    assert {*_parse(content)} == {*_parse(_compose())}
    field = str(email.message_from_bytes(content)["From"])
    # not by the policy's reading of a phrase, which keeps the blanks between encoded-words (RFC 2047 §6.2)
    assert str(make_header(decode_header(field))) == (shown or f"{name} <{address}>")
    assert max(len(word) for word in field.split()) <= 75


def test_sender_beyond_ascii() -> None:
    """The notice goes to the address as it is, and asks for SMTPUTF8; ASCII addresses ask for nothing."""
    mail = _mail("<@route.test:人事@例え.test> SMTPUTF8 RET=FULL".encode())
    reverse, forward = envelope_of(mail)
    assert (reverse.line, forward.line) == (
        b"MAIL FROM:<> SMTPUTF8\r\n",
        "RCPT TO:<人事@例え.test>\r\n".encode(),
    )
    assert "\r\nTo: <人事@例え.test>\r\n".encode() in _compose(mail=mail)
    reverse, forward = envelope_of(_mail(b"<HR@Example.co.jp> RET=FULL"))
    assert (reverse.line, forward.line) == (b"MAIL FROM:<>\r\n", b"RCPT TO:<HR@example.co.jp>\r\n")


def test_wanted() -> None:
    """Refused recipients, but for those whose NOTIFY doesn't ask for failures."""
    recipients = [
        _rcpt(b"<%d@x.test>%s" % pair) for pair in enumerate((b"", b" NOTIFY=NEVER", b" NOTIFY=SUCCESS"))
    ]
    recipients += [_rcpt(b"<3@x.test> NOTIFY=delay,failure"), _rcpt(b"<4@x.test>")]
    outcomes = [REFUSED, REFUSED, REFUSED, REFUSED, TAKEN]
    assert wanted(_mail(), recipients, outcomes) == [
        Failure(recipient=recipients[0], outcome=REFUSED),
        Failure(recipient=recipients[3], outcome=REFUSED),
    ]


def test_nobody_is_told_of_a_bounce() -> None:
    """A null sender gets no notice (RFC 5321 §4.5.5)."""
    assert wanted(Mail(NULL_PATH, Parameters()), [_rcpt()], [REFUSED]) == []


paths = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=290).map(str.encode)


@given(
    st.lists(paths, min_size=1, max_size=3),
    st.binary(max_size=300),
    st.lists(st.binary(max_size=2_000), min_size=1, max_size=2),
    st.text(max_size=30),
    st.sampled_from([b"", b" RET=FULL"]),
)
def test_every_notice_is_7bit(
    locals_: list[bytes], original: bytes, lines: list[bytes], name: str, ret: bytes
) -> None:
    """Whatever the addresses, the mail and the replies hold: 7bit, lines below 998 octets, CRLF."""
    reply = Reply(550, tuple(re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"?", line) for line in lines))
    clean = re.sub(rb"\r\n|\r|\n", b"\r\n", original)
    failures = [_failure(b"<" + local[:880] + b"@x.test>", reply) for local in locals_]
    _check_wire(_compose(failures=failures, original=clean, from_name=name, mail=_mail(b"<a@x.test>" + ret)))


def test_longest_addresses() -> None:
    """The longest address that is let in keeps every line below 998 octets, and can be read again."""
    local = b"a" * 890
    content = _compose(
        mail=_mail(b"<" + local + b"@x.test>"), failures=[_failure(b"<" + local + b"@x.test>")]
    )
    _, groups, _ = _parts(content)
    assert groups[1]["Final-Recipient"] == f"rfc822; {local.decode()}@x.test"
    wide = "太" * 290
    _, groups, _ = _parts(_compose(failures=[_failure(f"<{wide}@x.test>".encode())]))
    assert "".join(groups[1]["Final-Recipient"].split()) == "utf-8;" + "\\x{592A}" * 290 + "@x.test"
