import pytest

from gateway.message.splice import Piece
from gateway.smtp.content import unstuff
from gateway.transaction.compose import BLOCK, Content

RECEIVED = b"Received: x\r\n"
LINES = (b"a" * 60 + b"\r\n.\r\n..b\r\n") * 8_000


@pytest.mark.parametrize(
    "data", [b"", b".\r\n", LINES[:100] + b"\r\n", LINES, LINES[: BLOCK - 1] + b"\r\n.x\r\n"]
)
def test_untouched(data: bytes) -> None:
    """The trace field and then the mail as it came, stuffed, in blocks that are bounded."""
    blocks = list(Content.untouched(data).blocks(RECEIVED))
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
