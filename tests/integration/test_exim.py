"""A real Exim on either side of the gateway: what leaves whole arrives whole, by DATA and by BDAT."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import LINK, sends
from tests.integration.test_tls import LISTEN
from tests.peers.certificate import make_certificate
from tests.peers.exim import Delivered, Exim
from tests.peers.folder import free_port, open_folder
from tests.peers.gateway import Gateway

pytestmark = [pytest.mark.peer("exim"), pytest.mark.timeout(180)]

SENDER = "hr@example.co.jp"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Exim]:
    """The Exim behind the gateway."""
    with Exim.receiver() as exim:
        yield exim


@pytest.fixture(scope="module")
def gateway(receiver: Exim) -> Iterator[Gateway]:
    """A gateway before it."""
    with Gateway(receiver.port) as process:
        yield process


@pytest.fixture(scope="module")
def sender(gateway: Gateway) -> Iterator[Exim]:
    """The Exim before the gateway: offered CHUNKING, it sends by BDAT."""
    with Exim.sender(gateway.port) as exim:
        yield exim


def arrived(receiver: Exim, *recipients: str) -> list[Delivered]:
    """The mail of each of these, once all have one."""
    while True:
        mails = receiver.mails()
        found = [next((mail for mail in mails if to in mail.recipients), None) for to in recipients]
        if all(found):
            return [mail for mail in found if mail is not None]
        receiver.wait_for_mails(len(mails) + 1)


def test_ordinary_mail(sender: Exim, gateway: Gateway, receiver: Exim) -> None:
    """Promise 3: two Received fields more, the sending Exim's and ours, and not one octet else."""
    sender.submit(ORDINARY, sender=SENDER, recipients=["plain@example.com"])
    (mail,) = arrived(receiver, "plain@example.com")
    trace, separator, rest = mail.content.partition(ORDINARY[:100])
    assert separator + rest == ORDINARY
    assert trace.count(b"Received:") == 2
    assert " K " in sender.wait_for_log("=> plain@example.com") + " ", "sent by BDAT (CHUNKING)"
    assert sends(gateway.ledger) == []


def test_rejections(sender: Exim, gateway: Gateway, receiver: Exim) -> None:
    """One candidate a link; three recipients, a colleague among them: each their own, the colleague none."""
    sender.submit(rejection(1), sender=SENDER, recipients=["one@example.com"])
    (mail,) = arrived(receiver, "one@example.com")
    assert len(set(LINK.findall(mail.content))) == 1
    people = ["two@example.com", "three@example.net", "boss@example.co.jp"]
    sender.submit(rejection(2), sender=SENDER, recipients=people)
    found = [set(LINK.findall(mail.content)) for mail in arrived(receiver, *people)]
    assert [len(each) for each in found] == [1, 1, 0]
    assert found[0] != found[1]
    assert {row.state for row in sends(gateway.ledger)} == {"accepted"}


def test_lines_that_begin_with_dots_and_long_ones(sender: Exim, receiver: Exim) -> None:
    """What SMTP has to escape, and what BDAT has not."""
    body = b".\r\n..\r\n.x\r\n" + b"y" * 990 + b"\r\n" + b"z\r\n" * 60_000
    mail = ORDINARY + body
    sender.submit(mail, sender=SENDER, recipients=["dots@example.com"])
    (got,) = arrived(receiver, "dots@example.com")
    assert got.content.endswith(mail)


def test_refused_by_the_next_exim() -> None:
    """Promise 2: its refusal, in its words, reaches the sending Exim, which bounces the mail."""
    with (
        Exim.receiver(refusal="nobody of that name") as receiver,
        Gateway(receiver.port) as gateway,
        Exim.sender(gateway.port) as sender,
    ):
        sender.submit(ORDINARY, sender="", recipients=["nobody@example.com"])
        line = sender.wait_for_log("** nobody@example.com")
        assert re.search(r"550.*nobody of that name", line)
        assert receiver.mails() == []


def test_tls_with_a_certificate() -> None:
    """GnuTLS on the other side: STARTTLS, Exim checks our certificate and shows its own, which we ask for."""
    with open_folder("careerrelay-exim-tls-") as folder:
        for name in ("gateway", "exim"):
            (folder / name).mkdir()
        server = make_certificate(folder / "gateway")
        own = make_certificate(folder / "exim", "mail.example.co.jp")
        own.key.chmod(0o644)  # Exim reads it as another user; it is a throw-away
        (folder / "exim").chmod(0o755)
        (folder / "gateway").chmod(0o755)
        port = free_port()
        listen = {
            **LISTEN,
            "port": port,
            "tls": "required",
            "certificate_file": str(server.certificate),
            "certificate_key_file": str(server.key),
            "client_certificates": "required",
            "client_ca_file": str(own.certificate),
            "client_names": ["san:mail.example.co.jp"],
        }
        options = _options(
            {
                "hosts_require_tls": "*",
                "tls_verify_hosts": "*",
                "tls_verify_cert_hostnames": "",
                "tls_verify_certificates": str(server.certificate),
                "tls_certificate": str(own.certificate),
                "tls_privatekey": str(own.key),
            }
        )
        with (
            Exim.receiver() as receiver,
            Gateway(receiver.port, {"listen": [listen]}, port=port) as gateway,
            Exim.sender(port, transport=options) as sender,
        ):
            sender.submit(ORDINARY, sender=SENDER, recipients=["tls@example.com"])
            (mail,) = arrived(receiver, "tls@example.com")
            assert b" with ESMTPS id " in mail.content
            assert "proven=san:mail.example.co.jp" in gateway.log()
            assert "CV=yes" in sender.wait_for_log("=> tls@example.com")


def _options(options: dict[str, str]) -> str:
    return "\n  ".join(f"{key} = {value}" for key, value in options.items())


def test_what_was_unpacked_is_not_installed() -> None:
    """Debian has one mail server at a time: Postfix, a peer of other tests, has to stay."""
    assert not Path("/usr/sbin/exim4").exists()
