"""The real Postfix of the tests runs in its own folder, delivers byte-exactly and leaves nothing behind."""

import pytest

from tests.peers.folder import listening
from tests.peers.postfix import Postfix

MAIL = "From: hr@example.co.jp\r\nSubject: =?utf-8?B?44GC?=\r\n\r\nこんにちは\r\n.\r\n".encode()
RECEIVED = b"Received: from [127.0.0.1] (unknown [1"[:37]


@pytest.mark.peer("postfix", "smtp-source")
def test_sender_to_receiver() -> None:
    """One mail and many go from the one to the other; content is untouched but for trace fields on top."""
    with Postfix.receiver() as receiver, Postfix.sender(receiver.port) as sender:
        sender.submit(MAIL, sender="hr@example.co.jp", recipients=["taro@example.com", "hanako@example.net"])
        mails = receiver.wait_for_mails(2)
        assert {mail.recipient for mail in mails} == {"taro@example.com", "hanako@example.net"}
        assert {mail.sender for mail in mails} == {"hr@example.co.jp"}
        received = [mail.content.removesuffix(MAIL) for mail in mails]
        assert [(field[:37], field.count(b"Received:")) for field in received] == [(RECEIVED, 1)] * 2
        sender.source(20, sessions=4)
        receiver.wait_for_mails(22)
        sender.wait_for_empty_queue()
        assert len(sender.log_lines("status=sent", "relay=127.0.0.1")) == 22
        ports, folders = (receiver.port, sender.port), (receiver.folder, sender.folder)
    assert [listening(port) for port in ports] == [False, False]
    assert [folder.exists() for folder in folders] == [False, False]


@pytest.mark.peer("postfix")
def test_keeps_its_queue_over_a_restart() -> None:
    """What the next hop didn't take is kept, and goes out once the next hop is there."""
    receiver = Postfix.receiver()
    with Postfix.sender(receiver.port) as sender:
        sender.submit(MAIL, sender="hr@example.co.jp", recipients=["taro@example.com"])
        sender.halt()
        sender.start()
        with receiver:
            sender.flush()
            receiver.wait_for_mails(1)
            sender.wait_for_empty_queue()
