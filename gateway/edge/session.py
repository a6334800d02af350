"""One SMTP or LMTP session with a sender.

aiosmtpd's command loop and its transaction code are replaced, since a relay can't live with what they do
(PITFALLS.md): addresses decoded and re-coded, parameters dropped, handlers cancelled when the sender hangs
up, 500 for a fault of ours. The connection itself is `gateway.edge.wire`; who the peer is,
`gateway.edge.guard`; content, `gateway.edge.transfer`.

Theory of operation. Commands are read in batches: everything that a pipelining sender has sent already, up to
a command that ends a group (RFC 2920 §3.1). MAIL and RCPT of a batch go to the next hop as one group, and all
replies go back in one write. Content bypasses the line reader: `data_received` hands it to an `Upload`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.edge.door import Door
from gateway.edge.guard import Guard
from gateway.edge.hello import extensions
from gateway.edge.limits import BY_REPLY, Limit
from gateway.edge.parse import read_mail_command, read_rcpt_command
from gateway.edge.standing import BEFORE_TLS
from gateway.smtp import failure
from gateway.smtp.command import Command, parse_command
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply
from gateway.transaction.source import SenderGone
from gateway.transaction.transaction import Transaction

#: Commands of one group at most; more just make another group.
MAX_BATCH = 100
#: Octets of RCPT commands in one mail, for each recipient that is allowed: an address of 256 octets and its
#: parameters may be ten times as long as usual, but not all of a thousand of them. Held until the mail ends.
OCTETS_A_RECIPIENT = 128
#: But so many whatever is allowed.
LEAST_RECIPIENT_OCTETS = 65_536
#: What counts as an error: syntax and sequence. What the next hop refuses is not the sender's nonsense.
_ERRORS = frozenset({500, 501, 502, 503, 555})
#: Verbs that may stand inside a pipelined group; all others end it (RFC 2920 §3.1).
_GROUPED = frozenset({b"MAIL", b"RCPT", b"RSET", b"NOOP"})


class Session(Guard):
    """A session at one `Door`. Made by the server for each connection."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop)
        self._errors = 0
        self._recipient_octets = 0

    # --- the loop -----------------------------------------------------------------------------------------

    async def _handle_client(self) -> None:
        """The session from banner to end. Nothing escapes."""
        try:
            if await self._greet():
                while not self._over and (batch := await self._read_batch()):
                    await self._run(batch)
                    self._check_limits()
                    if self._draining and self._transaction is None and not self._over:
                        self._say_goodbye(failure.SHUTTING_DOWN)
        except (ConnectionError, SenderGone):
            pass
        except Exception as error:  # noqa: BLE001 - the session ends, the process goes on
            self._door.services.journal.fault("session", error)
            self._say_goodbye(failure.SHUTTING_DOWN.with_code(421, "4.3.0"))
        finally:
            self._break_off()
            self._close(linger=self._over and not self._parted)
            self._door.registry.remove(self)
            if self._counted:
                self._door.registry.leave(self._counted)

    def _check_limits(self) -> None:
        """End a session that is of no use, or has been of use for long enough."""
        limits = self._door.limits
        if self._over:
            return
        if self._errors > limits.errors:
            self._exceed(Limit.ERRORS)
        elif self._commands > limits.commands:
            self._exceed(Limit.COMMANDS)
        elif self._transaction is None and self.loop.time() - self._begun > limits.session_seconds:
            self._exceed(Limit.SESSION)

    async def _read_batch(self) -> list[Command | Reply]:
        """The next command and what is pipelined behind it; empty at EOF.

        A refusal stands in for a line that is no command.
        """
        batch: list[Command | Reply] = []
        self._waiting = True
        self._last = self.loop.time()
        try:
            while True:
                line = await self._read_line(self._door.limits.command_line)
                command = line if isinstance(line, Reply) else _command(line)
                batch.append(command)
                if isinstance(command, Reply) or command.verb not in _GROUPED or len(batch) >= MAX_BATCH:
                    return batch
                if b"\n" not in self._pending:
                    return batch
        except asyncio.IncompleteReadError:
            return batch
        finally:
            self._waiting = False

    async def _run(self, batch: Sequence[Command | Reply]) -> None:
        """Work off one batch: MAIL and RCPT through the next hop, the rest here, replies in order."""
        if self._over:
            return  # good-bye was said when it had come but nobody had looked at it: the sender begins anew
        replies: list[Reply] = []
        group: list[Mail | Rcpt] = []
        self._commands += len(batch)
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

    def _count_errors(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if reply.code in _ERRORS:
                self._errors += 1
            if reply.code >= 400 and reply in BY_REPLY:
                self._door.services.journal.count(BY_REPLY[reply])

    # --- MAIL and RCPT ------------------------------------------------------------------------------------

    def _parse(self, command: Command, group: Sequence[Mail | Rcpt]) -> Mail | Rcpt | Reply:
        limits = self._door.limits
        if not self._greeted:
            return failure.NEED_HELLO
        if self._bar is not None:
            return self._bar
        mail = (
            self._transaction.mail
            if self._transaction
            else next((c for c in group if isinstance(c, Mail)), None)
        )
        if command.verb == b"MAIL":
            if mail is not None:
                return failure.NESTED_MAIL
            self._recipient_octets = 0
            read = read_mail_command(
                command.argument, self._offered, own_size=self._policy().size, path_limit=limits.path
            )
            user = self._standing.user
            if user is not None and isinstance(read, Mail) and not user.may_send_as(read.path.text):
                return failure.NOT_YOUR_SENDER
            return read if self._door.rates is None or isinstance(read, Reply) else self._rated(read)
        if mail is None:
            return failure.NEED_MAIL
        if self._chunking is not None:
            return failure.BDAT_UNDER_WAY
        self._rcpt_seen = True
        taken = len(self._transaction.accepted) if self._transaction else 0
        if taken + len(group) >= limits.recipients + (self._transaction is None):
            return failure.TOO_MANY_RECIPIENTS
        self._recipient_octets += len(command.argument)
        if self._recipient_octets > max(limits.recipients * OCTETS_A_RECIPIENT, LEAST_RECIPIENT_OCTETS):
            return failure.TOO_MANY_RECIPIENTS
        return read_rcpt_command(command.argument, self._offered, mail, path_limit=limits.path)

    def _rated(self, mail: Mail) -> Mail | Reply:
        """The mail, unless its sender has sent enough in this hour. Bounces are nobody's."""
        rates, user = self._door.rates, self._standing.user
        sender = mail.path.text.lower() if user is None else f"user {user.name}"
        return mail if rates is None or not sender or rates.take(sender) else failure.SENDER_TOO_FAST

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
        if self._door.forwards:
            mail = replace(mail, client=self._client())
            commands = (mail, *commands[1:])
        transaction = Transaction(
            services=self._door.services,
            policy=self._policy(),
            hop=self._door.routes().hop_for(self._door.label, mail.path.text),
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
        if self._bar is failure.NEED_TLS and command.verb not in BEFORE_TLS:
            return [failure.NEED_TLS]
        match command.verb:
            case b"EHLO" | b"HELO" | b"LHLO":
                return [await self._hello(command)]
            case b"DATA":
                return await self._data(command, before)
            case b"BDAT":
                return await self._bdat(command, before)
            case b"RSET" if command.argument:
                return [failure.NO_ARGUMENT]
            case b"RSET":
                await self._abandon()
                return [failure.OK]
            case b"NOOP":
                return [failure.OK]
            case b"QUIT":
                await self._abandon()
                self._over = self._parted = True
                return [failure.BYE]
            case b"VRFY":
                return [failure.NOT_VERIFIED]
            case b"HELP":
                return [Reply.of(214, "2.0.0", "RFC 5321")]
            case b"STARTTLS":
                return await self._starttls(command, before)
            case b"AUTH" | b"XCLIENT" | b"XFORWARD":
                return [await self._identify(command, before)]
            case b"EXPN" | b"ETRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML":
                return [failure.NOT_IMPLEMENTED]
            case _:
                return [failure.SYNTAX]

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
            self._info.protocol = self._standing.protocol("SMTP")
            return Reply.of(250, "", hostname)
        self._info.protocol = self._standing.protocol("LMTP" if self._door.lmtp else "ESMTP")
        hops = self._door.routes().hops(self._door.label)
        lines = await extensions(hops, self._standing, own_size=self._policy().size)
        if lines is None:
            self._over = True
            return failure.NOT_READY
        self._offered = frozenset(line.split(b" ")[0] for line in lines)
        return Reply(250, (hostname.encode("ascii"), *lines))


def _command(line: bytes) -> Command | Reply:
    """A line that ends in CRLF as a command."""
    return parse_command(line[:-2]) or failure.SYNTAX
