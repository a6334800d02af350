"""Octets to lines, as a session reads its commands (no I/O).

In place of asyncio's stream reader, which takes eight calls and two layers of coroutines for what is nearly
always one line that came alone and whole.
"""

from gateway.smtp import failure
from gateway.smtp.reply import Reply

#: So many octets without a line end are let go, since no command is as long.
MAX_HELD = 8_192
#: A line longer than this many octets without an end is no command; the session is over.
MAX_ENDLESS = 1_048_576


class EndlessLine(Exception):
    """More than `MAX_ENDLESS` octets came without a line end."""


class LineReader:
    """What a peer said and nobody has read yet.

    Attributes:
        held: those octets; whoever has more of them appends, and whoever wants them raw takes them.
    """

    __slots__ = ("_let_go", "held")

    def __init__(self) -> None:
        self.held = bytearray()
        self._let_go = 0  # octets of the line under way that are not held any more

    def take(self, limit: int) -> bytes | Reply | None:
        """The next line, with its line end; None while none is whole.

        Args:
            limit: octets of a line at most.

        Returns:
            A refusal for a line that is longer, or that ends in a bare LF.

        Raises:
            EndlessLine: nothing that comes can be a command any more.
        """
        held = self.held
        end = held.find(b"\n") + 1
        if self._let_go + (end or len(held)) > MAX_ENDLESS:
            raise EndlessLine
        if not end:
            if len(held) > MAX_HELD:
                self._let_go += len(held) - 1
                del held[:-1]  # the last one stays, which may be the CR of the line end
            return None
        line = bytes(held[:end])
        del held[:end]
        length = self._let_go + end
        self._let_go = 0
        if not line.endswith(b"\r\n"):
            return failure.BARE_COMMAND
        return line if length <= limit else failure.LINE_TOO_LONG
