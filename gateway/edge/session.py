"""One SMTP or LMTP session with a sender.

Rests on aiosmtpd for the connection: stream reader and writer, the switch to TLS, AUTH. Its command loop and
its transaction code are replaced, since a relay can't live with what they do (PITFALLS.md): addresses decoded
and re-coded, parameters dropped, handlers cancelled when the sender hangs up, 500 for a fault of ours. What
we lean on that isn't public has a contract test.

Theory of operation. Commands are read in batches: everything that a pipelining sender has sent already, up to
a command that ends a group (RFC 2920 §3.1). MAIL and RCPT of a batch go to the next hop as one group, and all
replies go back in one write. Content bypasses the
line reader: `data_received` hands it to an `Upload`.

A lost connection cancels nothing. Whoever is in the middle of a mail finds out when it asks, and ends in good
order: a mail that the next hop took is recorded whether or not its sender is still there.
"""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import aiosmtpd.smtp

from gateway.edge.door import Door
from gateway.edge.parse import read_mail_command, read_rcpt_command
from gateway.edge.upload import Upload
from gateway.errors import NextHopFault
from gateway.smtp import failure
from gateway.smtp.capabilities import advertise
from gateway.smtp.command import Command, parse_command
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply
from gateway.transaction.context import SessionInfo
from gateway.transaction.policy import Policy
from gateway.transaction.source import SenderGone
from gateway.transaction.transaction import Transaction

#: Commands of one group at most; more just make another group.
MAX_BATCH = 100
#: A line longer than this many octets without an end is no command; the session is over.
MAX_ENDLESS = 1_048_576
#: So long the last words to a sender may take to be read, in seconds.
FAREWELL_SECONDS = 10.0
#: Verbs that may stand inside a pipelined group; all others end it (RFC 2920 §3.1).
_GROUPED = frozenset({b"MAIL", b"RCPT", b"RSET", b"NOOP"})


class _NoHooks:
    """aiosmtpd asks its handler for hooks; we have none."""

    __slots__ = ()


class Session(aiosmtpd.smtp.SMTP):
    """A session at one `Door`. Made by the server for each connection."""

    line_length_limit = 8_192

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_NoHooks(), hostname="localhost", ident="", loop=loop)
        self._door = door
        self._info = SessionInfo(id=secrets.token_hex(6), peer="", listener=door.label)
        self._transaction: Transaction | None = None
        self._rcpt_seen = False
        self._upload: Upload | None = None
        self._offered: frozenset[bytes] = frozenset()
        self._greeted = False
        self._errors = 0
        self._lost = False
        self._over = False
        self._waiting = False
        self._answering = False
        self._draining = False
        self._last = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    # --- the connection -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; aiosmtpd makes the session object and the task that runs `_handle_client`."""
        self._door.registry.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Octets off the wire: content to the upload under way, everything else to the line reader."""
        upload = self._upload
        if upload is None:
            super().data_received(data)
            return
        rest = upload.feed(data)
        if upload.ended:
            self._upload = None
            if rest:
                super().data_received(rest)

    def eof_received(self) -> bool | None:
        """The sender sends no more; it may still be listening, so what came is worked off (rule 6)."""
        if self._upload is not None:
            self._upload.lose("closed before the end of content")
        return asyncio.StreamReaderProtocol.eof_received(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone in both directions. Cancels nothing."""
        self._lost = True
        if self._upload is not None:
            self._upload.lose("connection lost before the end of content")
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Instead of aiosmtpd's timer, that would cut a mail off in the middle: see `_check_idle`."""

    def _check_idle(self) -> None:
        seconds = self._door.limits.command_seconds
        idle = self._waiting or self._answering
        left = self._last + seconds - self.loop.time() if idle else seconds
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._check_idle)
            return
        transport: Any = self.transport
        if self._answering and transport is not None:
            # It reads no replies: a goodbye would wait behind them for ever.
            self._over = True
            transport.abort()
            return
        self._say_goodbye(failure.IDLE)

    def _say_goodbye(self, reply: Reply) -> None:
        self._over = True
        if self.transport is not None:
            self._writer.write(reply.wire())
            self._close()

    def _close(self) -> None:
        """Close once what was said has been read, but don't wait for that for ever."""
        transport: Any = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size():
            self.loop.call_later(FAREWELL_SECONDS, transport.abort)
        self._writer.close()

    def drain(self) -> None:
        """Implements `Drainable`: 421 at once when idle, else after the mail in hand."""
        self._draining = True
        if self._waiting and self._transaction is None:
            self._say_goodbye(failure.SHUTTING_DOWN)

    def abort(self) -> None:
        """Implements `Drainable`: end now; what is open at the next hop is not completed."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    # --- the loop -----------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        """The session from banner to end. Nothing escapes."""
        try:
            if await self._greet():
                while not self._over and (batch := await self._read_batch()):
                    await self._run(batch)
                    if self._draining and self._transaction is None and not self._over:
                        self._say_goodbye(failure.SHUTTING_DOWN)
        except (ConnectionError, SenderGone):
            pass
        except Exception as error:  # noqa: BLE001 - the session ends, the process goes on
            self._door.services.journal.fault("session", error)
            self._say_goodbye(failure.SHUTTING_DOWN.with_code(421, "4.3.0"))
        finally:
            if self._transaction is not None:
                self._transaction.abort()
            self._close()
            self._door.registry.remove(self)

    async def _greet(self) -> bool:
        peer = self._writer.get_extra_info("peername")
        self._info.peer = peer[0] if isinstance(peer, tuple) else ""
        if not self._door.admits(self._info.peer):
            self._door.services.journal.count("peer-refused")
            self._say_goodbye(failure.ACCESS_DENIED)
            return False
        if self._door.registry.draining:
            self._say_goodbye(failure.SHUTTING_DOWN)
            return False
        if len(self._door.registry) > self._door.registry.limit:
            self._door.services.journal.count("connections-refused")
            self._say_goodbye(failure.TOO_MANY_CONNECTIONS)
            return False
        self._idle_timer = self.loop.call_later(self._door.limits.command_seconds, self._check_idle)
        kind = "LMTP" if self._door.lmtp else "ESMTP"
        await self._answer(Reply.of(220, "", f"{self._policy().hostname} {kind} CareerRelay"))
        return True

    def _policy(self) -> Policy:
        return self._door.policy()

    async def _answer(self, *replies: Reply) -> None:
        """Give these replies.

        Raises:
            ConnectionError: the sender is gone, or takes no replies.
        """
        if self._lost:
            raise ConnectionResetError("the sender is gone")
        self._writer.write(b"".join([reply.wire() for reply in replies]))
        self._last = self.loop.time()
        self._answering = True
        try:
            await self._writer.drain()
        finally:
            self._answering = False

    async def _read_batch(self) -> list[Command | Reply]:
        """The next command and what is pipelined behind it; empty at EOF.

        A refusal stands in for a line that is no command.
        """
        batch: list[Command | Reply] = []
        self._waiting = True
        self._last = self.loop.time()
        try:
            while True:
                line = await self._read_line()
                command = line if isinstance(line, Reply) else _command(line)
                batch.append(command)
                if isinstance(command, Reply) or command.verb not in _GROUPED or len(batch) >= MAX_BATCH:
                    return batch
                if b"\n" not in self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
                    return batch
        except asyncio.IncompleteReadError:
            return batch
        finally:
            self._waiting = False

    async def _read_line(self) -> bytes | Reply:
        """One line with its line end; a refusal for one that is too long.

        Raises:
            asyncio.IncompleteReadError: the sender sends no more.
        """
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            skipped, overrun = 0, error
            while True:
                dropped = await self._reader.read(max(overrun.consumed, 1))
                skipped += len(dropped)
                if skipped > MAX_ENDLESS:
                    self._say_goodbye(failure.TOO_MANY_ERRORS)
                    raise asyncio.IncompleteReadError(b"", None) from error
                try:
                    rest = await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as again:
                    overrun = again
                else:
                    whole = (dropped[-1:] + rest).endswith(b"\r\n")
                    return failure.LINE_TOO_LONG if whole else failure.BARE_COMMAND
        if not line.endswith(b"\r\n"):
            return failure.BARE_COMMAND
        return line if len(line) <= self._door.limits.command_line else failure.LINE_TOO_LONG

    async def _run(self, batch: Sequence[Command | Reply]) -> None:
        """Work off one batch: MAIL and RCPT through the next hop, the rest here, replies in order."""
        replies: list[Reply] = []
        group: list[Mail | Rcpt] = []
        for command in batch:
            if isinstance(command, Command) and command.verb in (b"MAIL", b"RCPT"):
                parsed = self._parse(command, group)
                if isinstance(parsed, Reply):
                    replies += await self._pass_on(group)
                    replies.append(parsed)
                else:
                    group.append(parsed)
                continue
            replies += await self._pass_on(group)
            if isinstance(command, Reply):
                replies.append(command)
            else:
                replies += await self._do(command, replies)
        replies += await self._pass_on(group)
        if replies:
            self._count_errors(replies)
            await self._answer(*replies)
        if batch[-1] is failure.BARE_COMMAND:
            # RFC 5321 §2.3.8: what stands behind a bare LF is part of that line, whatever it looks like. Some
            # system before us may have let it through in an address: not one octet more of it is read.
            self._over = True
        if self._errors > self._door.limits.errors:
            self._say_goodbye(failure.TOO_MANY_ERRORS)

    def _count_errors(self, replies: Sequence[Reply]) -> None:
        # what the next hop refuses is not the sender's nonsense: only syntax and sequence count
        self._errors += sum(1 for reply in replies if reply.code in (500, 501, 502, 503, 555))

    # --- MAIL and RCPT ------------------------------------------------------------------------------------

    def _parse(self, command: Command, group: Sequence[Mail | Rcpt]) -> Mail | Rcpt | Reply:
        limits = self._door.limits
        if not self._greeted:
            return failure.NEED_HELLO
        mail = (
            self._transaction.mail
            if self._transaction
            else next((c for c in group if isinstance(c, Mail)), None)
        )
        if command.verb == b"MAIL":
            if mail is not None:
                return failure.NESTED_MAIL
            return read_mail_command(
                command.argument, self._offered, own_size=self._policy().size, path_limit=limits.path
            )
        if mail is None:
            return failure.NEED_MAIL
        self._rcpt_seen = True
        taken = len(self._transaction.accepted) if self._transaction else 0
        if taken + len(group) >= limits.recipients + (self._transaction is None):
            return failure.TOO_MANY_RECIPIENTS
        return read_rcpt_command(command.argument, self._offered, mail, path_limit=limits.path)

    async def _pass_on(self, group: list[Mail | Rcpt]) -> list[Reply]:
        """Send a group on and give its replies; the group is empty afterwards."""
        if not group:
            return []
        commands = tuple(group)
        group.clear()
        transaction = self._transaction
        if transaction is not None:
            return await transaction.envelope(commands)
        mail = commands[0]
        if not isinstance(mail, Mail):
            return [failure.NEED_MAIL] * len(commands)
        transaction = Transaction(
            services=self._door.services,
            policy=self._policy(),
            hop=self._door.routes().hop_for(self._door.label, mail.path.text()),
            mail=mail,
            session=self._info,
            lmtp=self._door.lmtp,
        )
        self._rcpt_seen = len(commands) > 1
        self._transaction = transaction
        replies = await transaction.envelope(commands)
        if not replies[0].positive:
            self._transaction = None
            await transaction.abandon()
        return replies

    # --- everything else ----------------------------------------------------------------------------------

    async def _do(self, command: Command, before: list[Reply]) -> list[Reply]:
        """Any command but MAIL and RCPT. `before` are replies not sent yet; DATA sends them with its 354."""
        match command.verb:
            case b"EHLO" | b"HELO" | b"LHLO":
                return [await self._hello(command)]
            case b"DATA":
                return await self._data(command, before)
            case b"RSET" if command.argument:
                return [failure.NO_ARGUMENT]
            case b"RSET":
                await self._abandon()
                return [failure.OK]
            case b"NOOP":
                return [failure.OK]
            case b"QUIT":
                await self._abandon()
                self._over = True
                return [failure.BYE]
            case b"VRFY":
                return [failure.NOT_VERIFIED]
            case b"HELP":
                return [Reply.of(214, "2.0.0", "RFC 5321")]
            case b"EXPN" | b"STARTTLS" | b"AUTH" | b"BDAT" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML":
                return [failure.NOT_IMPLEMENTED]
            case _:
                return [failure.SYNTAX]

    async def _abandon(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.abandon()

    async def _hello(self, command: Command) -> Reply:
        if self._door.lmtp != (command.verb == b"LHLO"):
            return failure.NEED_LHLO if self._door.lmtp else failure.SYNTAX
        name = command.argument.split(b" ")[0]
        if not name:
            return failure.NEED_HOSTNAME
        await self._abandon()
        self._info.helo = name[:255]
        self._greeted = True
        hostname = self._policy().hostname
        if command.verb == b"HELO":
            self._offered = frozenset()
            self._info.protocol = "SMTP"
            return Reply.of(250, "", hostname)
        self._info.protocol = "LMTP" if self._door.lmtp else "ESMTP"
        lines = await self._extensions()
        if lines is None:
            self._over = True
            return failure.NOT_READY
        self._offered = frozenset(line.split(b" ")[0] for line in lines)
        return Reply(250, (hostname.encode("ascii"), *lines))

    async def _extensions(self) -> tuple[bytes, ...] | None:
        """What can be offered: what the next hops behind the door can do; None if unknown (rule 10)."""
        hops = self._door.routes().hops(self._door.label)
        known = await asyncio.gather(*(hop.capabilities() for hop in hops), return_exceptions=True)
        for fault in known:
            if isinstance(fault, BaseException) and not isinstance(fault, NextHopFault):
                raise fault
        capabilities = [found for found in known if not isinstance(found, BaseException)]
        if not capabilities:
            return None
        return advertise(capabilities, own_size=self._policy().size)

    async def _data(self, command: Command, before: list[Reply]) -> list[Reply]:
        transaction = self._transaction
        if command.argument:
            return [failure.NO_ARGUMENT]
        if transaction is None:
            return [failure.NEED_MAIL]
        if not transaction.accepted:
            if not self._rcpt_seen or self._door.lmtp:
                return [failure.NEED_RCPT]
            await self._abandon()
            return [failure.NO_RECIPIENT]
        upload = Upload(
            loop=self.loop,
            pause=self._pause,
            resume=self._resume,
            is_gone=lambda: self._lost,
            silence=self._door.limits.block_seconds,
        )
        await self._answer(*before, failure.GO_AHEAD)
        before.clear()
        await self._divert(upload)
        try:
            replies = await transaction.content(upload)
        except SenderGone:
            if upload.silent:
                self._say_goodbye(failure.IDLE)
            raise
        finally:
            upload.close()
            self._upload = None
            self._transaction = None
        return replies

    async def _divert(self, upload: Upload) -> None:
        """Hand what has come to the upload, and what comes from now on, unless that was all of it."""
        while self._reader._buffer and not upload.ended:  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
            rest = upload.feed(await self._reader.read(self.line_length_limit * 8))
            if rest:
                # commands behind the content: back into the line reader, in front of whatever it holds
                self._reader._buffer[:0] = rest  # type: ignore[attr-defined]  # noqa: SLF001 - contract test
        if not upload.ended:
            self._upload = upload
            if self._lost or self._reader.at_eof():
                upload.lose("closed before the end of content")

    def _pause(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()

    def _resume(self) -> None:
        transport: Any = self.transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()


def _command(line: bytes) -> Command | Reply:
    """A line that ends in CRLF as a command."""
    return parse_command(line[:-2]) or failure.SYNTAX
