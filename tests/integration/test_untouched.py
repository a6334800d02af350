"""Mail that stays as it came: byte for byte but for one `Received:` field, with its reason in the log.

Promise 3, DESIGN.md "Not changed, ever"; SMTP.md rules 13, 14 and 24 as far as they are about bytes. Every
mail here would get a link if it weren't for the one thing that is said of it:
`test_the_base_mail_gets_a_link`.
"""

import asyncio
import base64

import pytest

from gateway.reason import Reason
from gateway.smtp.content import stuff
from gateway.transaction.report import MailReport
from tests.integration.harness import ORDINARY, Relay, gateway, other_mail, rejection, without_trace
from tests.integration.running import LINK
from tests.peers.client import Reply, send_mail
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True

SENDER = b"own@example.co.jp"
TEXT = rejection().partition(b"\r\n\r\n")[2]
FIELDS = rejection().partition(b"Content-Type: ")[0].replace(b"MIME-Version: 1.0\r\n", b"")
TEXT_PART = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT


def with_field(field: bytes) -> bytes:
    """The rejection with one header field more."""
    return field + b"\r\n" + rejection()


def multipart(kind: bytes, *parts: bytes) -> bytes:
    """The rejection's text and other parts in a multipart of this kind."""
    body = b"".join(b"--=_x\r\n" + part + b"\r\n" for part in parts)
    head = FIELDS + b"MIME-Version: 1.0\r\nContent-Type: multipart/" + kind
    return head + b'; boundary="=_x"\r\n\r\n' + body + b"--=_x--\r\n"


def part(kind: bytes, body: bytes = b"AAAA", *fields: bytes) -> bytes:
    """One part."""
    return b"\r\n".join([b"Content-Type: " + kind, *fields]) + b"\r\n\r\n" + body


CALENDAR = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR"
DKIM = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.co.jp; s=s1;\r\n"
    b"\th=from:to:subject; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    b"\tb=AAAA"
)
SMIME = b'signed; protocol="application/pkcs7-signature"; micalg=sha-256'
PGP = b'signed; protocol="application/pgp-signature"; micalg=pgp-sha256'
ARMOR = b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"
ARMOR_END = b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n=AAAA\r\n-----END PGP SIGNATURE-----\r\n"
ENCRYPTED = b'encrypted; protocol="application/pgp-encrypted"'
REPORT = b"report; report-type="
OWN_LINK = "https://careerrelay.example/r/0123456789abcdefghjkmnpqrs\r\n"

CASES: dict[str, tuple[Reason, bytes]] = {
    "dkim": (Reason.DKIM, with_field(DKIM)),
    "smime-signed": (Reason.SMIME, multipart(SMIME, TEXT_PART, part(b"application/pkcs7-signature"))),
    "smime-opaque": (
        Reason.SMIME,
        FIELDS + b"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(TEXT).replace(b"\n", b"\r\n"),
    ),
    "smime-by-name": (
        Reason.SMIME,
        multipart(b"mixed", TEXT_PART, part(b'application/octet-stream; name="smime.p7m"')),
    ),
    "smime-nested": (
        Reason.SMIME,
        multipart(
            b"mixed",
            part(
                b"multipart/" + SMIME + b'; boundary="=_y"',
                b"--=_y\r\n"
                + TEXT_PART
                + b"\r\n--=_y\r\n"
                + part(b"application/pkcs7-signature")
                + b"\r\n--=_y--",
            ),
            part(b"text/plain", b"A list's own footer"),
        ),
    ),
    "pgp-inline": (Reason.PGP, rejection().replace(TEXT, ARMOR + TEXT + ARMOR_END)),
    "pgp-mime": (Reason.PGP, multipart(PGP, TEXT_PART, part(b"application/pgp-signature"))),
    "pgp-encrypted": (
        Reason.PGP,
        multipart(
            ENCRYPTED, part(b"application/pgp-encrypted", b"Version: 1"), part(b"application/octet-stream")
        ),
    ),
    "calendar": (
        Reason.CALENDAR,
        multipart(b"alternative", TEXT_PART, part(b"text/calendar; method=REQUEST", CALENDAR)),
    ),
    "calendar-file": (
        Reason.CALENDAR,
        multipart(b"mixed", TEXT_PART, part(b'application/octet-stream; name="invite.ics"', CALENDAR)),
    ),
    "bounce": (
        Reason.BOUNCE,
        multipart(REPORT + b"delivery-status", TEXT_PART, part(b"message/delivery-status", b"Status: 5.1.1")),
    ),
    "read-receipt": (
        Reason.READ_RECEIPT,
        multipart(
            REPORT + b"disposition-notification",
            TEXT_PART,
            part(b"message/disposition-notification", b"Disposition: manual-action"),
        ),
    ),
    "auto-reply": (Reason.AUTO_REPLY, with_field(b"Auto-Submitted: auto-replied (vacation)")),
    "vacation": (Reason.AUTO_REPLY, with_field(b"X-Autoreply: yes")),
    "tnef": (Reason.TNEF, multipart(b"mixed", TEXT_PART, part(b"application/ms-tnef; name=winmail.dat"))),
    "tnef-by-name": (
        Reason.TNEF,
        multipart(b"mixed", TEXT_PART, part(b"application/octet-stream; name=WinMail.dat")),
    ),
    "own-link": (Reason.HAS_LINK, rejection(body=OWN_LINK)),
    "own-link-quoted": (Reason.HAS_LINK, rejection(body="\r\n> " + OWN_LINK)),
    "no-match": (Reason.NO_MATCH, ORDINARY),
    "unknown-charset": (Reason.CHARSET, rejection().replace(b"charset=utf-8", b"charset=x-nobody-knows")),
    "undecodable": (Reason.UNDECODABLE, rejection().replace(TEXT, TEXT + b"\xff\xfe\x80\r\n")),
    "no-text": (Reason.NO_TEXT, FIELDS + b"MIME-Version: 1.0\r\nContent-Type: image/png\r\n\r\nAAAA\r\n"),
    "open-multipart": (Reason.DEFECT, multipart(b"mixed", TEXT_PART).replace(b"--=_x--\r\n", b"")),
}


async def pass_on(relay: Relay, hop: ScriptedHop, mail: bytes, **more: object) -> Transaction:
    """Send the mail, and see that it arrived as it was; gives what arrived."""
    replies = await send_own(relay, mail, **more)
    assert replies[-1].code == 250, str(replies[-1])
    got = [one for one in hop.taken if one.sender == more.get("sender", SENDER)][-1]
    assert without_trace(got.content) == mail
    assert got.raw.endswith(wire_of(mail))
    assert hop.faults == []
    return got


async def send_own(relay: Relay, mail: bytes, **more: object) -> list[Reply]:
    """Send the mail, from `SENDER` if nothing else is said."""
    return await send_mail(relay.port, mail, **({"sender": SENDER} | more))  # type: ignore[arg-type]


def wire_of(mail: bytes) -> bytes:
    """Stuffed, without the final dot."""
    return b"".join(stuff((mail,)))


def reasons(relay: Relay, sender: bytes = SENDER) -> list[Reason]:
    """What the log says of the mails from this sender, in order."""
    return [report.reason for report in relay.journal.mails if report.sender == sender.decode()]


async def test_the_base_mail_gets_a_link() -> None:
    """What the cases below are made from would be changed."""
    bases = (
        rejection(),
        multipart(b"mixed", TEXT_PART, part(b"application/pdf")),
        multipart(b"alternative", TEXT_PART),
        with_field(b"Auto-Submitted: auto-generated"),
        with_field(b"Precedence: bulk"),
        with_field(b"List-Id: <jobs.example.co.jp>"),
        with_field(b"X-Auto-Response-Suppress: All"),
    )
    async with ScriptedHop() as hop, gateway(hop) as relay:
        for mail in bases:
            assert (await send_own(relay, mail))[-1].code == 250
            (taken,) = hop.taken[-1:]
            assert len(set(LINK.findall(taken.content))) == 1, mail[:200]
        assert reasons(relay) == [Reason.INJECTED] * len(bases)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
async def test_left_alone_with_its_reason(name: str, *, several: bool) -> None:
    """Promise 3: the mail arrives as it came, for one candidate and for three in one transaction."""
    reason, mail = CASES[name]
    recipients = (b"a@example.com", b"b@example.net", b"c@example.co.jp")[: 3 if several else 1]
    async with ScriptedHop() as hop, gateway(hop) as relay, other_mail(relay, hop, lines=1):
        got = await pass_on(relay, hop, mail, recipients=recipients)
        assert got.recipients == list(recipients)
        assert reasons(relay) == [reason]
        assert SENDER.decode() not in {row.intent.sender for row in relay.ledger.memory.sends.values()}


async def test_all_of_them_over_one_gateway() -> None:
    """The same mails in turn: no mail leaves anything behind that another would feel."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        for _, mail in CASES.values():
            await pass_on(relay, hop, mail)
        assert reasons(relay) == [reason for reason, _ in CASES.values()]
        assert relay.ledger.memory.sends == {}


async def test_null_sender() -> None:
    """Promise 3: what comes from ``<>`` is nobody's rejection, whatever it says."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        await pass_on(relay, hop, rejection(), sender=b"")
        assert reasons(relay, b"") == [Reason.NULL_SENDER]
        assert relay.ledger.calls == []


async def test_only_colleagues() -> None:
    """Rule 12: no recipient is a candidate."""
    async with ScriptedHop() as hop, gateway(hop) as relay:
        await pass_on(relay, hop, rejection(), recipients=(b"a@example.co.jp", b"b@example.co.jp"))
        assert reasons(relay) == [Reason.NO_CANDIDATE]


@pytest.mark.parametrize(("mode", "reason"), [("observe", Reason.OBSERVE), ("off", Reason.MODE_OFF)])
async def test_modes_that_change_nothing(mode: str, reason: Reason) -> None:
    """`gateway.mode`: observe says what would be done, off reads nothing; both leave every byte."""
    async with ScriptedHop() as hop, gateway(hop, changes={"gateway": {"mode": mode}}) as relay:
        await pass_on(relay, hop, rejection())
        await pass_on(relay, hop, rejection(), recipients=(b"a@example.com", b"b@example.net"))
        await pass_on(relay, hop, CASES["smime-signed"][1])
        expected = [reason, reason, Reason.SMIME if mode == "observe" else Reason.MODE_OFF]
        assert reasons(relay) == expected
        assert relay.ledger.memory.sends == {}
        report = relay.journal.mails[0]
        assert bool(report.rule) is (mode == "observe"), "observe names the rule that would have matched"


async def test_rules_that_only_observe() -> None:
    """`rules.mode`: shipped packs say observe; the mail is left alone and the log has the rule."""
    async with ScriptedHop() as hop, gateway(hop, changes={"rules": {"mode": {"*": "observe"}}}) as relay:
        await pass_on(relay, hop, rejection())
        assert reasons(relay) == [Reason.OBSERVE]
        assert relay.journal.mails[0].rule


async def test_the_log_is_written_behind_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender has its answer before a line about the mail is made, and whatever becomes of that line."""
    told: list[str] = []
    caught: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: caught.append(what.get("exception")))
    async with ScriptedHop() as hop, gateway(hop) as relay:

        def full(_journal: object, report: MailReport) -> None:
            told.append(str(report.reply))
            raise OSError("no space left")

        monkeypatch.setattr(type(relay.journal), "mail", full)
        for content in (ORDINARY, rejection()):
            assert (await send_mail(relay.port, content))[-1].code == 250
    assert [reply[:3] for reply in told] == ["250", "250"]
    assert [type(error) for error in caught] == [OSError, OSError]


HEAD = ORDINARY.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
ODD = {
    "8-bit": HEAD + bytes(range(0x80, 0x100)) * 3 + b"\r\n",
    "8-bit-in-header": ORDINARY.replace(b"Agenda", "議題".encode() + b"\xff"),
    "nul": HEAD + b"a\0b\r\n\0\r\n\0\0\0\r\n",
    "controls": HEAD + bytes(set(range(32)) - {10, 13}) + b"\x7f\r\n",
    "long-line": HEAD + b"x" * 400_000 + b"\r\n",
    "long-line-in-header": b"X-Long: " + b"y" * 100_000 + b"\r\n" + ORDINARY,
    "long-line-of-dots": HEAD + b"." * 300_000 + b"\r\n",
    "dots": HEAD + b".\r\n..\r\n...\r\n.a\r\n. \r\n.\r\n\r\n.\r\n",
    "dot-at-the-start": b".\r\n" + ORDINARY,
    "dots-alone": b".\r\n.\r\n",
    "no-header": b"\r\njust a body\r\n",
    "no-body": HEAD[:-2],
    "no-fields-at-all": b"this is no header field\r\n\r\nbody\r\n",
    "empty": b"",
    "one-empty-line": b"\r\n",
    "blank-lines": HEAD + b"\r\n" * 5_000,
    "trailing-blanks": HEAD + b"a  \t \r\n \r\n\t\r\n",
    "odd-folds": b"Subject:\r\n \r\n\tfolded\r\n  on \r\nTo : taro@example.com\r\n\r\nx\r\n",
    "mixed-case": b"FROM: a@example.co.jp\r\nsUbJeCt:  two  blanks\r\n\r\nx\r\n",
    "from-line": HEAD + b"From the start\r\n>From here\r\n",
    "many-fields": b"".join(b"X-%d: y\r\n" % at for at in range(5_000)) + ORDINARY,
    "many-parts": HEAD[:-2]
    + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    + b"--b\r\n\r\nx\r\n" * 3_000
    + b"--b--\r\n",
    "boundary-with-blanks": multipart(b"mixed", part(b"text/plain")).replace(b"=_x\r\n", b"=_x \t\r\n", 1),
    "preamble": HEAD[:-2] + b"Content-Type: multipart/mixed; boundary=z\r\n\r\nhello\r\n",
    "noise": HEAD + bytes(at * at * 79 >> 8 & 255 for at in range(99_999)).translate(None, b"\r\n") + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_odd_bytes_pass_as_they_are(name: str) -> None:
    """Promise 3: 8-bit, NUL, lines of any length, dots, mail without header or body: not a byte changes.

    Not here: a mail whose last line has no end. The end of data is CRLF.CRLF (rule 24), so that in SMTP
    there is none.
    """
    async with ScriptedHop() as hop, gateway(hop) as relay:
        await pass_on(relay, hop, ODD[name])
        await pass_on(relay, hop, ODD[name], recipients=(b"a@example.com", b"b@example.net"))
        assert relay.ledger.memory.sends == {}
