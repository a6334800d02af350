"""A mail's content as it is uploaded: implements `gateway.transaction.source.Source` for a session.

The session hands over the octets as they come off the wire, past the line reader. What isn't read is held up
to `HIGH_WATER`; then the transport is paused until the transaction has read on (backpressure).
"""

import asyncio
from typing import Protocol

from gateway.smtp.chunks import ChunkReader
from gateway.smtp.content import ContentReader
from gateway.transaction.source import SenderGone

#: The event loop reads a quarter of a megabyte at a time, which comes on top.
HIGH_WATER = 65_536


class Line(Protocol):
    """What an upload asks of its session's connection."""

    lost: bool

    def pause(self) -> None:
        """Take nothing more off the wire."""

    def resume(self) -> None:
        """Go on."""


class Upload:
    """The content of one mail of one session.

    Args:
        line: the session's connection.
        silence: seconds without an octet after which the sender counts as gone.
        total: seconds for all of it.
        content: finds the end of content; by default the one of DATA.

    Attributes:
        ended: whether the octets that follow are commands.
        done: whether everything has been read, to the end of content.
        bare: whether a bare CR or LF has been seen.
        octets: content octets that came off the wire so far.
    """

    __slots__ = (
        "_begun",
        "_content",
        "_held",
        "_last",
        "_line",
        "_loop",
        "_paused",
        "_segments",
        "_silence",
        "_total",
        "_trouble",
        "_waiter",
        "bare",
        "done",
        "ended",
        "octets",
    )

    def __init__(
        self,
        line: Line,
        *,
        loop: asyncio.AbstractEventLoop,
        silence: float,
        total: float = 3_600.0,
        content: ContentReader | ChunkReader | None = None,
    ) -> None:
        self._line = line
        self._loop = loop
        self._silence = silence
        self._total = total
        self._content = content or ContentReader()
        self._segments: list[bytes] = []
        self._held = 0
        self._paused = False
        self._trouble = ""
        self._waiter: asyncio.Future[None] | None = None
        self._begun = self._last = loop.time()
        self.bare = self.done = self.ended = False
        self.octets = 0

    # --- for the session ----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> bytes:
        """Take octets off the wire; give those behind the end of content, once `ended`."""
        self._last = self._loop.time()
        content = self._content
        segment, rest = content.feed(data)
        self.ended, self.octets, self.bare = content.done, content.octets, content.bare
        if segment:
            self._segments.append(segment)
            self._held += len(segment)
            if self._held > HIGH_WATER and not self._paused and not content.done:
                self._paused = True
                self._line.pause()
        elif content.done:
            self.done = not self._segments
        waiter = self._waiter
        if waiter is not None and (segment or content.done) and not waiter.done():
            waiter.set_result(None)
        return rest

    def look(self, now: float) -> float:
        """Give up a sender that has been silent, or is slow; else say in how many seconds to look again.

        Asked by the session's clock, which is one timer for all of its mails: octets come far too often to
        touch timers for each, and so do mails. A sender that we keep waiting is neither silent nor slow.
        """
        waits = self._waiter is not None and not self._paused
        left = self._last + self._silence - now if waits else self._silence
        if left <= 0 or (waits and now - self._begun >= self._total):
            self.lose("silent" if left <= 0 else "slow")
            return self._silence
        return min(left, max(self._begun + self._total - now, 0.01 if waits else self._silence))

    @property
    def silent(self) -> bool:
        """Whether the sender was given up for its silence."""
        return self._trouble == "silent"

    @property
    def slow(self) -> bool:
        """Whether the sender was given up since all of it took too long."""
        return self._trouble == "slow"

    def lose(self, trouble: str) -> None:
        """The connection ended, or was closed by the sender, before the end of content."""
        if not self._content.done:
            self._trouble = self._trouble or trouble
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def close(self) -> None:
        """The transaction is over; nothing is read any more."""
        if self._paused:
            self._paused = False
            self._line.resume()

    # --- for the transaction ------------------------------------------------------------------------------

    @property
    def gone(self) -> bool:
        """Whether the sender's connection is lost."""
        return self._line.lost

    async def read(self) -> bytes:
        """All segments that are at hand, waiting for one if need be; empty only at the end.

        Raises:
            SenderGone: the sender broke off or fell silent.
        """
        segments = self._segments
        while not segments:
            if self._content.done:
                return b""
            if self._trouble:
                raise SenderGone(self._trouble)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        segment = segments[0] if len(segments) == 1 else b"".join(segments)
        segments.clear()
        self._held = 0
        self.done = self._content.done
        if self._paused:
            self._paused = False
            self._last = self._loop.time()
            self._line.resume()
        return segment
