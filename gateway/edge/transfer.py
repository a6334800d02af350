"""Content on its way in: DATA and BDAT of a session.

One mail comes by one of the two. BDAT has a task for the mail, since between its chunks the session goes on
reading commands; whatever ends the mail early (RSET, EHLO, a lost sender) ends that task, and nothing of the
mail is completed at the next hop. A BDAT that is refused is followed by its octets all the same: they are
read and forgotten, and never taken for commands (RFC 3030 §2).
"""

import asyncio

from gateway.edge.chunking import ChunkedUpload, Chunking
from gateway.edge.door import Door
from gateway.edge.limits import Limit
from gateway.edge.upload import Upload
from gateway.edge.wire import Wire
from gateway.smtp import failure
from gateway.smtp.chunks import Chunk, parse_bdat
from gateway.smtp.command import Command
from gateway.smtp.reply import Reply
from gateway.transaction.source import SenderGone, Source


class Transfer(Wire):
    """The part of a session that takes content."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop)
        self._bar: Reply | None = None
        self._offered: frozenset[bytes] = frozenset()
        self._greeted = False
        self._rcpt_seen = False
        self._commands = 0
        self._chunking: Chunking | None = None

    async def _abandon(self) -> None:
        """The sender takes the mail in hand back."""
        chunking, self._chunking = self._chunking, None
        if chunking is not None:
            self._upload = None
            await chunking.give_up("taken back between chunks")
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.abandon()

    def _break_off(self) -> None:
        """The session ends, whatever is in hand."""
        if self._chunking is not None:
            self._chunking.break_off("closed between chunks")
        elif self._transaction is not None:
            self._transaction.abort()

    async def _data(self, command: Command, before: list[Reply]) -> list[Reply]:
        if command.argument:
            return [failure.NO_ARGUMENT]
        if self._chunking is not None:
            return [failure.BDAT_UNDER_WAY]
        transaction = self._transaction
        if transaction is None:
            return [failure.NEED_MAIL]
        if not transaction.accepted:
            return [await self._nobody()]
        limits = self._door.limits
        upload = self._upload = Upload(
            self, loop=self.loop, silence=limits.block_seconds, total=limits.upload_seconds
        )
        await self._answer(*before, failure.GO_AHEAD)
        before.clear()
        self._divert(upload)
        try:
            replies = await transaction.content(self._proven(upload))
        except SenderGone:
            self._tell(upload)
            raise
        finally:
            upload.close()
            self._sink = self._upload = None
            self._transaction = None
        self._commands = 0
        return replies

    async def _nobody(self) -> Reply:
        """The reply where content comes and no recipient was accepted."""
        if not self._rcpt_seen or self._door.lmtp:
            return failure.NEED_RCPT
        await self._abandon()
        return failure.NO_RECIPIENT

    def _proven(self, upload: Upload) -> Source:
        """The upload; where a tenant has to be proven, one that refuses everybody else's mail."""
        tenant = self._door.access.tenant
        return upload if tenant is None else tenant.guard(upload)

    def _tell(self, upload: Upload) -> None:
        """Say goodbye to a sender that was given up."""
        if upload.silent or upload.slow:
            self._exceed(Limit.IDLE if upload.silent else Limit.UPLOAD)

    async def _bdat(self, command: Command, before: list[Reply]) -> list[Reply]:
        chunk = parse_bdat(command.argument)
        if chunk is None:
            # Nobody can say where the next command begins: not one octet more is read.
            self._over = True
            return [failure.BDAT_SYNTAX]
        if before:
            await self._answer(*before)
            before.clear()
        problem = await self._bdat_problem()
        if problem is not None:
            await self._skip(chunk.size)
            return [problem]
        upload = self._chunked() if self._chunking is None else self._chunking.upload
        whole = upload.expect(chunk)
        self._divert(upload)
        if self._chunking is None and self._transaction is not None:
            relay = self._transaction.content(self._proven(upload))
            self._chunking = Chunking(upload, relay, self._chunks_given_up)
        await whole
        chunking = self._chunking
        if chunking is None or (upload.trouble and not upload.done):
            self._tell(upload)
            raise SenderGone(upload.trouble)
        if chunk.size:
            self._commands -= 1  # this one led somewhere: a large mail may have thousands of chunks
        if not chunk.last:
            return [Reply.of(250, "2.0.0", f"{chunk.size} octets received")]
        try:
            return await chunking.replies()
        except SenderGone:
            self._tell(upload)
            raise
        finally:
            self._chunking = self._upload = None
            self._transaction = None
            self._commands = 0

    async def _bdat_problem(self) -> Reply | None:
        """Why a chunk is not taken now."""
        if b"CHUNKING" not in self._offered:
            return failure.NOT_IMPLEMENTED
        if self._bar is not None:
            return self._bar
        if self._transaction is None:
            return failure.NEED_MAIL
        return None if self._transaction.accepted else await self._nobody()

    def _chunked(self) -> ChunkedUpload:
        limits = self._door.limits
        upload = ChunkedUpload(
            self, loop=self.loop, silence=limits.block_seconds, total=limits.upload_seconds
        )
        self._upload = upload
        return upload

    async def _skip(self, octets: int) -> None:
        """Read a chunk that nobody wants, and forget it."""
        upload = self._chunked()
        whole = upload.expect(Chunk(octets, last=True))
        self._divert(upload)
        try:
            while not upload.done:
                await upload.read()
            await whole
        except SenderGone:
            self._tell(upload)
            raise
        finally:
            upload.close()
            self._sink = self._upload = None

    def _chunks_given_up(self) -> None:
        """Between two chunks the sender fell silent: the mail is over, and so is the session."""
        chunking = self._chunking
        if chunking is not None and self._waiting:
            self._tell(chunking.upload)
