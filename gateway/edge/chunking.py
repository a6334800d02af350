"""BDAT: a mail's content in chunks, each announced by a command and answered (RFC 3030).

The mail's transaction reads from a `ChunkedUpload` as from any upload, in a task of its own, since between
two chunks the session reads commands.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.edge.upload import Line, Upload
from gateway.smtp.chunks import Chunk, ChunkReader
from gateway.smtp.reply import Reply


class ChunkedUpload(Upload):
    """An upload whose octets are counted. Made like `Upload`."""

    __slots__ = ("_chunks", "_whole")

    def __init__(self, line: Line, *, loop: asyncio.AbstractEventLoop, silence: float, total: float) -> None:
        self._chunks = ChunkReader()
        self._whole: asyncio.Future[None] | None = None
        super().__init__(line, loop=loop, silence=silence, total=total, content=self._chunks)

    def expect(self, chunk: Chunk) -> asyncio.Future[None]:
        """A chunk begins; the future is done when it is there, or will never be (`trouble`)."""
        self._chunks.expect(chunk)
        self.ended = chunk.size == 0
        self._whole = self._loop.create_future()
        if chunk.size == 0:
            self.feed(b"")
        return self._whole

    def feed(self, data: bytes) -> bytes:
        """Take octets; give those behind the chunk."""
        rest = super().feed(data)
        self.ended = self._chunks.left == 0  # commands may follow a chunk that is not the last
        if self.ended:
            self._tell()
        return rest

    def lose(self, trouble: str) -> None:
        """No more octets will come."""
        super().lose(trouble)
        self._tell()

    def _tell(self) -> None:
        if self._whole is not None and not self._whole.done():
            self._whole.set_result(None)

    @property
    def trouble(self) -> str:
        """Why no more octets will come; empty while they may."""
        return self._trouble


class Chunking:
    """One mail that comes in chunks: its upload, and the task that relays it.

    Args:
        ended: called when the task ends.
    """

    def __init__(
        self, upload: ChunkedUpload, relay: Coroutine[Any, Any, list[Reply]], ended: Callable[[], None]
    ) -> None:
        self.upload = upload
        self._task = asyncio.ensure_future(relay)
        self._task.add_done_callback(
            lambda task: None if task.cancelled() or not task.exception() else ended()
        )

    async def give_up(self, why: str) -> None:
        """The sender takes the mail back: nothing of it is completed."""
        self.upload.lose(why)
        await asyncio.wait((self._task,))
        self.upload.close()

    def break_off(self, why: str) -> None:
        """The session is over, and waits for nothing."""
        self.upload.lose(why)
        self.upload.close()

    async def replies(self) -> list[Reply]:
        """What became of the mail, after its last chunk.

        Raises:
            SenderGone: it was not all there.
        """
        try:
            return await self._task
        finally:
            self.upload.close()
