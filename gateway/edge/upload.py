"""A mail's content as it is uploaded: implements `gateway.transaction.source.Source` for a session.

The session hands over the octets as they come off the wire, past the line reader. What isn't read is held up
to `HIGH_WATER`; then the transport is paused until the transaction has read on (backpressure).
"""

import asyncio
from collections.abc import Callable

from gateway.smtp.chunks import ChunkReader
from gateway.smtp.content import ContentReader
from gateway.transaction.source import SenderGone

#: The event loop reads a quarter of a megabyte at a time, which comes on top.
HIGH_WATER = 65_536


class Upload:
    """The content of one mail of one session.

    Args:
        pause, resume: stop and go for the session's transport.
        is_gone: whether the session's connection is lost.
        silence: seconds without an octet after which the sender counts as gone.
        total: seconds for all of it.
        content: finds the end of content; by default the one of DATA.
    """

    __slots__ = (
        "_begun",
        "_content",
        "_held",
        "_is_gone",
        "_last",
        "_loop",
        "_pause",
        "_paused",
        "_resume",
        "_segments",
        "_silence",
        "_timer",
        "_total",
        "_trouble",
        "_waiter",
    )

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        pause: Callable[[], None],
        resume: Callable[[], None],
        is_gone: Callable[[], bool],
        silence: float,
        total: float = 3_600.0,
        content: ContentReader | ChunkReader | None = None,
    ) -> None:
        self._loop = loop
        self._pause = pause
        self._resume = resume
        self._is_gone = is_gone
        self._silence = silence
        self._total = total
        self._content = content or ContentReader()
        self._segments: list[bytes] = []
        self._held = 0
        self._paused = False
        self._trouble = ""
        self._waiter: asyncio.Future[None] | None = None
        self._begun = self._last = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    # --- for the session ----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> bytes:
        """Take octets off the wire; give those behind the end of content, once `ended`."""
        self._last = self._loop.time()
        segment, rest = self._content.feed(data)
        if segment:
            self._segments.append(segment)
            self._held += len(segment)
            if self._held > HIGH_WATER and not self._paused and not self._content.done:
                self._paused = True
                self._pause()
        if segment or self._content.done:
            self._wake()
        return rest

    @property
    def ended(self) -> bool:
        """Whether the end of content has come off the wire."""
        return self._content.done

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
            self._wake()

    def close(self) -> None:
        """The transaction is over; nothing is read any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._paused:
            self._paused = False
            self._resume()

    # --- for the transaction ------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether everything has been read, to the end of content."""
        return self._content.done and not self._segments

    @property
    def bare(self) -> bool:
        """Whether a bare CR or LF has been seen."""
        return self._content.bare

    @property
    def octets(self) -> int:
        """Content octets that came off the wire so far."""
        return self._content.octets

    @property
    def gone(self) -> bool:
        """Whether the sender's connection is lost."""
        return self._is_gone()

    async def read(self) -> bytes:
        """All segments that are at hand, waiting for one if need be; empty only at the end.

        Raises:
            SenderGone: the sender broke off or fell silent.
        """
        while not self._segments:
            if self._content.done:
                return b""
            if self._trouble:
                raise SenderGone(self._trouble)
            self._waiter = self._loop.create_future()
            if self._timer is None:
                self._timer = self._loop.call_later(min(self._silence, self._total), self._check_silence)
            try:
                await self._waiter
            finally:
                self._waiter = None
        segment = self._segments[0] if len(self._segments) == 1 else b"".join(self._segments)
        self._segments.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._last = self._loop.time()
            self._resume()
        return segment

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_silence(self) -> None:
        # One timer an upload, set anew only when it fires: octets come far too often to touch timers for
        # each. A sender that we keep waiting is neither silent nor slow.
        now = self._loop.time()
        waits = self._waiter is not None and not self._paused
        left = self._last + self._silence - now if waits else self._silence
        if left <= 0 or (waits and now - self._begun >= self._total):
            self._timer = None
            self.lose("silent" if left <= 0 else "slow")
            return
        left = min(left, max(self._begun + self._total - now, 0.01 if waits else self._silence))
        self._timer = self._loop.call_later(left, self._check_silence)
