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
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from types import MappingProxyType

from gateway.edge.door import Door
from gateway.edge.guard import Guard
from gateway.edge.hello import extensions
from gateway.edge.limits import BY_REPLY, Limit
from gateway.edge.lines import EndlessLine
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


#: Verbs besides MAIL and RCPT that have something done.
_WORK = frozenset(
    b"EHLO HELO LHLO DATA BDAT RSET QUIT STARTTLS AUTH XCLIENT XFORWARD".split(),
)
#: What is said to a command that needs nothing done, whatever the session is at.
_ANSWERS = MappingProxyType(
    {
        b"NOOP": failure.OK,
        b"VRFY": failure.NOT_VERIFIED,
        b"HELP": Reply.of(214, "2.0.0", "RFC 5321"),
        **dict.fromkeys((b"EXPN", b"ETRN", b"TURN", b"SEND", b"SOML", b"SAML"), failure.NOT_IMPLEMENTED),
    }
)


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
        try:
            batch = self._batch_at_hand() if self._held else []
            if not batch:
                self._waiting = True
                self._last = self.loop.time()
                while not batch:
                    await self._more()
                    batch = self._batch_at_hand()
        except EndlessLine:
            self._exceed(Limit.ERRORS)
            return []
        except asyncio.IncompleteReadError:
            return []
        finally:
            self._waiting = False
        return batch

    def _batch_at_hand(self) -> list[Command | Reply]:
        """As much of a batch as has come."""
        take, limit = self._lines.take, self._door.limits.command_line
        batch: list[Command | Reply] = []
        while (line := take(limit)) is not None:
            command = line if isinstance(line, Reply) else parse_command(line[:-2]) or failure.SYNTAX
            batch.append(command)
            if (
                isinstance(command, Reply)
                or command.verb not in _GROUPED
                or not self._held
                or len(batch) >= MAX_BATCH
            ):
                break
        return batch

    async def _run(self, batch: Sequence[Command | Reply]) -> None:
        """Work off one batch: MAIL and RCPT through the next hop, the rest here, replies in order."""
        if self._over:
            return  # good-bye was said when it had come but nobody had looked at it: the sender begins anew
        replies: list[Reply] = []
        group: list[Mail | Rcpt] = []
        self._commands += len(batch)
        for command in batch:
            parsed = self._read(command, group)
            if not isinstance(parsed, Reply | Command):
                group.append(parsed)
                continue
            if group:
                replies += await self._pass_on(group)
            if isinstance(parsed, Reply):
                replies.append(parsed)
            else:
                replies += await self._do(parsed, replies)
        if group:
            replies += await self._pass_on(group)
        if replies:
            for reply in replies:
                if reply.code >= 400:
                    self._count_refusal(reply)
            await self._answer(*replies)
        if batch[-1] is failure.BARE_COMMAND:
            # RFC 5321 §2.3.8: what stands behind a bare LF is part of that line, whatever it looks like. Some
            # system before us may have let it through in an address: not one octet more of it is read.
            self._over = True

    def _count_refusal(self, reply: Reply) -> None:
        if reply.code in _ERRORS:
            self._errors += 1
        if reply in BY_REPLY:
            self._door.services.journal.count(BY_REPLY[reply])

    def _read(self, command: Command | Reply, group: Sequence[Mail | Rcpt]) -> Mail | Rcpt | Reply | Command:
        """MAIL and RCPT as values, a reply where that is all there is to it, or the command to be done."""
        if isinstance(command, Reply):
            return command
        verb = command.verb
        if verb == b"RCPT":
            return self._parse_rcpt(command.argument, group)
        if verb == b"MAIL":
            return self._parse_mail(command.argument, group)
        if self._bar is failure.NEED_TLS and verb not in BEFORE_TLS:
            return failure.NEED_TLS
        return command if verb in _WORK else _ANSWERS.get(verb, failure.SYNTAX)

    # --- MAIL and RCPT ------------------------------------------------------------------------------------

    def _parse_mail(self, argument: bytes, group: Sequence[Mail | Rcpt]) -> Mail | Reply:
        if not self._greeted:
            return failure.NEED_HELLO
        if self._bar is not None:
            return self._bar
        if self._transaction is not None or group:
            return failure.NESTED_MAIL
        self._recipient_octets = 0
        door = self._door
        read = read_mail_command(
            argument, self._offered, own_size=door.policy().size, path_limit=door.limits.path
        )
        user = self._standing.user
        if user is not None and isinstance(read, Mail) and not user.may_send_as(read.path.text):
            return failure.NOT_YOUR_SENDER
        return read if door.rates is None or isinstance(read, Reply) else self._rated(read)

    def _parse_rcpt(self, argument: bytes, group: Sequence[Mail | Rcpt]) -> Rcpt | Reply:
        if not self._greeted:
            return failure.NEED_HELLO
        if self._bar is not None:
            return self._bar
        transaction, limits = self._transaction, self._door.limits
        # without a transaction a group begins with the MAIL that will make one
        mail = transaction.mail if transaction is not None else group[0] if group else None
        if not isinstance(mail, Mail):
            return failure.NEED_MAIL
        if self._chunking is not None:
            return failure.BDAT_UNDER_WAY
        self._rcpt_seen = True
        taken = len(transaction.accepted) if transaction is not None else 0
        if taken + len(group) >= limits.recipients + (transaction is None):
            return failure.TOO_MANY_RECIPIENTS
        self._recipient_octets += len(argument)
        if self._recipient_octets > max(limits.recipients * OCTETS_A_RECIPIENT, LEAST_RECIPIENT_OCTETS):
            return failure.TOO_MANY_RECIPIENTS
        return read_rcpt_command(argument, self._offered, mail, path_limit=limits.path)

    def _rated(self, mail: Mail) -> Mail | Reply:
        """The mail, unless its sender has sent enough in this hour. Bounces are nobody's."""
        rates, user = self._door.rates, self._standing.user
        sender = mail.path.text.lower() if user is None else f"user {user.name}"
        return mail if rates is None or not sender or rates.take(sender) else failure.SENDER_TOO_FAST

    def _pass_on(self, group: list[Mail | Rcpt]) -> Awaitable[list[Reply]]:
        """Send a group on and give its replies; the group is empty afterwards."""
        commands = tuple(group)
        group.clear()
        transaction = self._transaction
        return transaction.envelope(commands) if transaction is not None else self._begin(commands)

    async def _begin(self, commands: Sequence[Mail | Rcpt]) -> list[Reply]:
        """The same for a group with which a mail begins."""
        mail, door = commands[0], self._door
        if not isinstance(mail, Mail):
            return [failure.NEED_MAIL] * len(commands)
        if door.forwards:
            mail = replace(mail, client=self._client())
            commands = (mail, *commands[1:])
        transaction = Transaction(
            services=door.services,
            policy=door.policy(),
            hop=door.routes().hop_for(door.label, mail.path.text),
            mail=mail,
            session=self._info,
            lmtp=door.lmtp,
        )
        self._rcpt_seen = len(commands) > 1
        self._transaction = transaction
        replies = await transaction.envelope(commands)
        if not replies[0].positive:
            self._transaction = None
            await transaction.abandon()
        return replies

    # --- everything else ----------------------------------------------------------------------------------

    def _do(self, command: Command, before: list[Reply]) -> Awaitable[list[Reply]]:
        """Do what a command of `_WORK` asks for, and give the replies.

        `before` are replies not sent yet: where something is said before it is done (354, 220, 334), they go
        with that.
        """
        match command.verb:
            case b"DATA":
                return self._data(command, before)
            case b"BDAT":
                return self._bdat(command, before)
            case b"EHLO" | b"HELO" | b"LHLO":
                return self._hello(command)
            case b"RSET":
                return self._reset(command)
            case b"QUIT":
                return self._quit()
            case b"STARTTLS":
                return self._starttls(command, before)
            case _:
                return self._identify(command, before)

    async def _reset(self, command: Command) -> list[Reply]:
        if command.argument:
            return [failure.NO_ARGUMENT]
        await self._abandon()
        return [failure.OK]

    async def _quit(self) -> list[Reply]:
        await self._abandon()
        self._over = self._parted = True
        return [failure.BYE]

    async def _hello(self, command: Command) -> list[Reply]:
        if self._door.lmtp != (command.verb == b"LHLO"):
            return [failure.NEED_LHLO if self._door.lmtp else failure.SYNTAX]
        name = command.argument.split(b" ")[0]
        if not name:
            return [failure.NEED_HOSTNAME]
        await self._abandon()
        self._info.helo = name[:255]
        self._greeted = True
        hostname = self._policy().hostname
        if command.verb == b"HELO":
            self._offered = frozenset()
            self._info.protocol = self._standing.protocol("SMTP")
            return [Reply.of(250, "", hostname)]
        self._info.protocol = self._standing.protocol("LMTP" if self._door.lmtp else "ESMTP")
        hops = self._door.routes().hops(self._door.label)
        lines = await extensions(hops, self._standing, own_size=self._policy().size)
        if lines is None:
            self._over = True
            return [failure.NOT_READY]
        self._offered = frozenset(line.split(b" ")[0] for line in lines)
        return [Reply(250, (hostname.encode("ascii"), *lines))]
