"""The main job on real input: Postfix 3.x, the gateway as its users run it, Postfix, SQLite on disk."""

import email
import email.policy
import re
import smtplib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.store import LedgerReader, Send
from gateway.token import encode_token
from gateway.transaction.ports import SendState
from tests.peers.folder import free_port, wait_until
from tests.peers.gateway import Gateway
from tests.peers.postfix import Delivered, Postfix

pytestmark = [pytest.mark.peer("postfix"), pytest.mark.timeout(180)]

MAILS = Path(str(files("gateway.demo") / "mails"))
LINK = re.compile(r"https://careerrelay\.example/r/([0-9a-hjkmnp-tv-z]{26})")
SENDER = "saiyo@example.co.jp"


def mail_named(part: str) -> bytes:
    """One of the demo's mails."""
    (path,) = MAILS.glob(f"*{part}*.eml")
    return path.read_bytes()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Postfix]:
    """The Postfix behind the gateway."""
    with Postfix.receiver() as postfix:
        yield postfix


@pytest.fixture(scope="module")
def gateway(receiver: Postfix) -> Iterator[Gateway]:
    """A gateway before it, with the shipped rules."""
    with Gateway(receiver.port, {"rules": {"directory": None}}) as running:
        yield running


@pytest.fixture(scope="module")
def sender(gateway: Gateway) -> Iterator[Postfix]:
    """The company's Postfix: everything goes to the gateway."""
    with Postfix.sender(gateway.port) as postfix:
        yield postfix


def arrived(receiver: Postfix, *recipients: str) -> list[Delivered]:
    """The mails for these recipients, each exactly once."""

    def found() -> list[Delivered]:
        return [mail for mail in receiver.mails() if mail.recipient in recipients]

    # asked anew each time: one that comes between two questions must not count twice
    wait_until(lambda: len(found()) >= len(recipients), f"mail for {recipients}", patience=30)
    mails = sorted(found(), key=lambda mail: recipients.index(mail.recipient))
    assert [mail.recipient for mail in mails] == list(recipients)
    return mails


def text_of(content: bytes) -> str:
    """The main text as a reader that is not ours shows it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    part = message.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())


def sends(gateway: Gateway) -> list[Send]:
    """The ledger's rows."""
    with LedgerReader(f"sqlite:///{gateway.ledger}") as reader:
        return list(reader.all_sends())


@pytest.mark.parametrize("name", ["iso-2022-jp", "shift-jis", "html-utf-8", "english"])
def test_a_rejection_goes_all_the_way(
    name: str, sender: Postfix, gateway: Gateway, receiver: Postfix
) -> None:
    """It leaves one Postfix and reaches the other with a link of its own, which is in the ledger."""
    recipient = f"{name}@example.com"
    before = len(sends(gateway))
    sender.submit(mail_named(f"rejection-{name}"), sender=SENDER, recipients=[recipient])
    (mail,) = arrived(receiver, recipient)
    (token,) = set(LINK.findall(text_of(mail.content)))
    rows = sends(gateway)
    assert len(rows) == before + 1
    assert token in [encode_token(row.token) for row in rows]

    def row_of() -> Send:
        return next(row for row in sends(gateway) if encode_token(row.token) == token)

    # the mail may be read before what became of it is written
    wait_until(lambda: row_of().state is SendState.ACCEPTED, "the send is accepted")
    row = row_of()
    assert row.reply.startswith("250")
    original = text_of(mail_named(f"rejection-{name}")).rstrip()
    assert text_of(mail.content).startswith(original[:200])


@pytest.mark.parametrize("name", ["offer", "calendar", "dkim", "smime", "ordinary"])
def test_other_mail_arrives_as_it_left(
    name: str, sender: Postfix, gateway: Gateway, receiver: Postfix
) -> None:
    """Promise 3: what isn't or must not be touched has one field more, and nothing else."""
    recipient = f"{name}@example.net"
    before = len(sends(gateway))
    sender.submit(mail_named(name), sender=SENDER, recipients=[recipient])
    (mail,) = arrived(receiver, recipient)
    trace, separator, original = mail.content.partition(mail_named(name)[:200])
    assert separator + original == mail_named(name)
    assert trace.count(b"Received:") == 2, "the sending Postfix's, and ours"
    assert len(sends(gateway)) == before


def test_three_candidates_and_a_colleague(sender: Postfix, gateway: Gateway, receiver: Postfix) -> None:
    """Each candidate a link of their own, the colleague none, one record closed."""
    recipients = ["one@example.com", "two@example.net", "three@example.org", "kyoto@example.co.jp"]
    sender.submit(mail_named("three-candidates"), sender=SENDER, recipients=recipients)
    mails = arrived(receiver, *recipients)
    found = [set(LINK.findall(text_of(mail.content))) for mail in mails]
    assert [len(each) for each in found] == [1, 1, 1, 0]
    assert len(set.union(*found)) == 3
    sender.wait_for_empty_queue()


def test_the_next_hops_refusal_reaches_the_senders_postfix() -> None:
    """Promise 2: what the next hop refuses is refused at once, in its own words."""
    refusing = {
        "smtpd_recipient_restrictions": "check_recipient_access static:{550 5.1.1 nobody of that name}"
    }
    with (
        Postfix.receiver(settings=refusing) as receiver,
        Gateway(receiver.port) as gateway,
        Postfix.sender(gateway.port) as sender,
    ):
        sender.submit(mail_named("ordinary"), sender="", recipients=["nobody@example.com"])
        sender.wait_for_empty_queue()
        (line,) = sender.log_lines("nobody@example.com", "status=bounced")
        assert "550 5.1.1" in line
        assert "nobody of that name" in line


def test_lmtp_from_a_real_postfix(receiver: Postfix) -> None:
    """Rule 17: Postfix as an LMTP client; each recipient is settled by itself, with links and without."""
    port = free_port()
    listen = {"address": "127.0.0.1", "port": port, "protocol": "lmtp", "networks": ["127.0.0.0/8"]}
    with (
        Gateway(receiver.port, {"listen": [listen]}, port=port) as gateway,
        Postfix.sender(gateway.port, lmtp=True) as sender,
    ):
        recipients = ["lmtp-one@example.com", "lmtp-two@example.net", "lmtp-three@example.co.jp"]
        sender.submit(mail_named("three-candidates"), sender=SENDER, recipients=recipients)
        mails = arrived(receiver, *recipients)
        assert [len(set(LINK.findall(text_of(mail.content)))) for mail in mails] == [1, 1, 0]
        sender.wait_for_empty_queue()


def test_a_loop_of_two_hops_ends() -> None:
    """Rule 13: the next hop sends everything back; past the third mark it is refused; one link."""
    port = free_port()
    hop = Postfix.sender(port)
    with Gateway(hop.port, port=port) as gateway, hop:
        replies = []
        with smtplib.SMTP("127.0.0.1", gateway.port) as client:
            replies.append(
                client.sendmail(SENDER, ["round@example.com"], mail_named("rejection-iso-2022-jp"))
            )
        gateway.wait_for_log('reply="554 5.4.6')
        hop.wait_for_empty_queue()
        assert replies == [{}]
        assert len(sends(gateway)) == 1


def test_a_restarted_gateway_loses_nothing(receiver: Postfix) -> None:
    """Postfix keeps what the gateway can't take; when it is back everything arrives once."""
    with Gateway(receiver.port) as gateway, Postfix.sender(gateway.port) as sender:
        gateway.stop()
        recipients = [f"queued-{number}@example.com" for number in range(5)]
        for recipient in recipients:
            sender.submit(mail_named("rejection-iso-2022-jp"), sender=SENDER, recipients=[recipient])
        gateway.start()
        sender.flush()
        mails = arrived(receiver, *recipients)
        assert all(len(set(LINK.findall(text_of(mail.content)))) == 1 for mail in mails)
        assert len(sends(gateway)) == 5


def test_smtplib_is_greeted(gateway: Gateway) -> None:
    """What an application sees: the next hop's extensions, in the gateway's name."""
    with smtplib.SMTP("127.0.0.1", gateway.port) as client:
        client.ehlo()
        assert {"pipelining", "8bitmime", "smtputf8", "dsn", "size"} <= set(client.esmtp_features)
