"""Where a mail's content comes from, and where it is kept when it has to be taken in whole: two more ports.

`gateway.edge` implements both.
"""

from typing import Protocol

from gateway.errors import GatewayError
from gateway.message.scan import Buffer
from gateway.smtp.reply import Reply


class SenderGone(GatewayError):
    """The sender went away, or fell silent, before the mail was ours to answer.

    Nothing may be completed at the next hop then.
    """


class ContentRefused(GatewayError):
    """The mail is refused by us, for something seen in its content or for want of the ledger.

    What is left of the content can still be read, and is, before the sender gets the reply.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Source(Protocol):
    """The content of one mail as the sender uploads it.

    With backpressure: what isn't read is not taken from the wire.
    """

    @property
    def done(self) -> bool:
        """Whether the end of content has been seen and every segment before it been read."""

    @property
    def bare(self) -> bool:
        """Whether a bare CR or LF has been seen so far (they are CRLF in the segments)."""

    @property
    def octets(self) -> int:
        """Content octets given so far."""

    @property
    def gone(self) -> bool:
        """Whether the sender's connection is lost. A half-close alone doesn't count (SMTP.md rule 6)."""

    async def read(self) -> bytes:
        """The next stuffed segment, as `gateway.smtp.content.ContentReader` cuts them.

        Empty only when `done`.

        Raises:
            SenderGone: the connection was lost, closed or silent for too long before the end of content.
            ContentRefused: what was read so far is reason enough.
        """


def need_sender(source: Source) -> None:
    """Before the final dot: a sender that is lost will try again, so nothing may be completed (rule 6).

    Raises:
        SenderGone: it is lost.
    """
    if source.gone:
        raise SenderGone("connection lost before the final dot was sent on")


async def drain(source: Source) -> None:
    """Read a refused upload to its end, keeping nothing."""
    while not source.done:
        await source.read()


class Spool(Protocol):
    """Content that is taken in whole (SMTP.md rule 27).

    In memory at first, past a bound in an unlinked temporary file.
    """

    def write(self, piece: bytes) -> None:
        """Append content octets.

        Raises:
            OSError: no space is left, or only the reserve.
        """

    def buffer(self) -> Buffer:
        """Everything that was written."""

    def close(self) -> None:
        """Give memory and file back."""
