"""The capture server takes mail as SMTP has it, and keeps it byte for byte."""

from gateway.demo.capture import Capture, Captured
from tests.peers.client import Client, send_mail

MAIL = b"Subject: a\r\n\r\n.dot\r\n..two\r\n\xe3\x81\x82\r\n"


async def test_keeps_mails_byte_for_byte() -> None:
    """Pipelined or not, two in a session, with dots."""
    async with Capture() as capture:
        for pipelined in (False, True):
            replies = await send_mail(
                capture.port, MAIL, recipients=[b"a@x.example", b"b@x.example"], pipelined=pipelined
            )
            assert [reply.code for reply in replies] == [250, 250, 250, 354, 250]
        mail = Captured(sender="hr@example.co.jp", recipients=("a@x.example", "b@x.example"), content=MAIL)
        assert capture.mails == [mail, mail]


async def test_strange_clients_do_no_harm() -> None:
    """Unknown commands get 502; who leaves half way leaves no mail behind; others go on."""
    async with Capture() as capture:
        async with await Client.connect(capture.port) as client:
            await client.hello()
            assert (await client.command(b"VRFY x")).code == 502
            await client.send(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\nhalf")
            client.reset()
        assert (await send_mail(capture.port, MAIL))[-1].code == 250
        assert len(capture.mails) == 1
