import tracemalloc

import pytest

from gateway.cli.rewriting.mail import SAMPLE_TOKEN, make_rewriter
from gateway.dkim.treatment import Treatment
from gateway.footer.compose import prepare
from gateway.message.scan import scan
from gateway.message.splice import Piece
from gateway.message.text import read_text
from gateway.smtp.content import stuff, stuffed, unstuff
from gateway.token import encode_token
from gateway.transaction import compose
from gateway.transaction.compose import BLOCK, Composer, Content
from tests.unit.dkim.keys import rsa_key

RECEIVED = b"Received: x\r\n"
LINES = (b"a" * 60 + b"\r\n.\r\n..b\r\n") * 8_000


@pytest.mark.parametrize(
    "data", [b"", b".\r\n", LINES[:100] + b"\r\n", LINES, LINES[: BLOCK - 1] + b"\r\n.x\r\n"]
)
def test_untouched(data: bytes) -> None:
    """The trace field and then the mail as it came, stuffed, in blocks that are bounded."""
    blocks = list(Content(data).blocks(RECEIVED))
    assert unstuff(b"".join(blocks)) == RECEIVED + data
    assert b"\r\n.\r\n" not in b"".join(blocks)
    assert max(len(block) for block in blocks) <= 2 * BLOCK


@pytest.mark.parametrize("data", [b"0123456789", LINES])
def test_pieces(data: bytes) -> None:
    """Our own field stands behind the trace field; new pieces stand where the splice has them."""
    pieces: tuple[Piece, ...] = ((0, 5), b"\r\n.new\r\n", (7, len(data)))
    content = Content(head=b"X-CareerRelay-Id: y\r\n", data=data, pieces=pieces)
    assert unstuff(b"".join(content.blocks(RECEIVED))) == (
        RECEIVED + b"X-CareerRelay-Id: y\r\n" + data[:5] + b"\r\n.new\r\n" + data[7:]
    )


MULTIPART = (
    b"From: hr@example.co.jp\r\nTo: taro@example.com\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nDear Taro\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n%b\r\n--b--\r\n"
)
ATTACHED = b"\r\n".join([b"QUJD" * 19] * 60_000)


def composer(data: bytes) -> Composer:
    """A copy in the making, with a signature."""
    message = scan(data)
    policy = make_rewriter(None, always=True)[0].policy
    return Composer(
        footer=prepare(message, read_text(message), policy.footers["default-en"]),
        policy=policy,
        treatment=Treatment(allowed=True, keys=(rsa_key(),)),
    )


def test_a_large_mail_is_the_same_and_never_made_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Footer, check and signature of a mail of 5 MB take the memory of its text."""
    copy = composer(MULTIPART % ATTACHED)
    copy.compose(SAMPLE_TOKEN)  # what is loaded once
    tracemalloc.start()
    content = copy.compose(SAMPLE_TOKEN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * BLOCK < len(copy.footer.message.data) // 4
    monkeypatch.setattr(compose, "BLOCK", 1 << 30)
    whole = copy.compose(SAMPLE_TOKEN)
    assert content.head == whole.head
    assert content.octets == whole.octets


@pytest.mark.parametrize("data", [b"", b".", b".\r\n..\r\n", b"a\r\n.b\r\n.\r\n", b"x\r\n\r\n.", LINES])
def test_stuffed_at_once(data: bytes) -> None:
    """What is small is stuffed as one, to the same octets as what comes in pieces."""
    pieces = [data[at : at + 5] for at in range(0, len(data), 5)]
    assert stuffed(data) == b"".join(stuff(pieces))
    assert list(Content(b"").blocks(b"")) == []


def test_a_copy_knows_its_token() -> None:
    """As text; what goes as it came has none."""
    assert composer(MULTIPART % b"QUJD").compose(SAMPLE_TOKEN).token == encode_token(SAMPLE_TOKEN)
    assert Content(b"x").token == ""
