"""A next hop on loopback that does what a script says, and records all it gets.

Without a script it is a polite server that takes everything. It is strict where a real server might be
lenient: a command that is pipelined without PIPELINING being advertised, bare CR or LF anywhere, 8-bit
octets without 8BITMIME or SMTPUTF8, all stand in `Session.faults`. End of data is CRLF.CRLF and nothing
else (RFC 5321 §4.1.1.4).

    async with ScriptedHop({("rcpt", 3): reply(450, "4.2.1 busy")}) as hop:
        ...
        await hop.wait(lambda: len(hop.taken) == 2)
        assert hop.taken[0].content == ...
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from .action import Action, Lookup, Moment, Script, Stage, reply
from .record import Session, Transaction, path_of

KEYWORDS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
_CHUNK = 1 << 18
_COMMAND_LIMIT = 1 << 20  # a client that sends more without CRLF is broken; the recording shows it
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_VERBS: dict[bytes, Stage] = {
    b"EHLO": "ehlo", b"HELO": "helo", b"LHLO": "lhlo", b"STARTTLS": "starttls", b"AUTH": "auth",
    b"MAIL": "mail", b"RCPT": "rcpt", b"DATA": "data", b"RSET": "rset", b"NOOP": "noop", b"QUIT": "quit",
}  # fmt: skip


class _EndedError(Exception):
    """This connection is over; the text says who ended it."""


class ScriptedHop:
    """The server. Give `script` for all connections, `connections` for single ones (see `action`).

    `keywords` is what EHLO advertises (STARTTLS and AUTH are added when `tls` and `auth` are given, as
    RFC 3207 and RFC 4954 have it). `tls` with `implicit` speaks TLS from the first octet. `auth` is
    (user, password). `lmtp` answers once a recipient (RFC 2033). `keep` bounds the content kept of each
    mail; `Transaction.octets` counts on. `batch`: replies to pipelined commands leave in one write.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        connections: Sequence[Script | None] = (),
        keywords: Sequence[str] = KEYWORDS,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        auth: tuple[bytes, bytes] | None = None,
        lmtp: bool = False,
        keep: int = 64 << 20,
        batch: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.host = host
        self.port = port
        self.keywords = list(keywords)
        self.tls = tls
        self.implicit = implicit
        self.auth = auth
        self.lmtp = lmtp
        self.keep = keep
        self.batch = batch
        self.sessions: list[Session] = []
        self.lookup = Lookup(script, connections)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; `port` is known afterwards. May be called again after `stop`, on the same port."""
        self._server = await asyncio.start_server(
            self._accept,
            self.host,
            self.port,
            ssl=self.tls if self.implicit else None,
            backlog=512,
            limit=_CHUNK,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection, as a host that goes down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """``host:port``, as the config wants it."""
        return f"{self.host}:{self.port}"

    @property
    def transactions(self) -> list[Transaction]:
        """All transactions, by connection."""
        return [transaction for session in self.sessions for transaction in session.transactions]

    @property
    def complete(self) -> list[Transaction]:
        """Those whose end of data was seen, whatever was answered."""
        return [transaction for transaction in self.transactions if transaction.complete]

    @property
    def taken(self) -> list[Transaction]:
        """Those that were answered 2xx after the end of data: mail that this host now owns."""
        return [transaction for transaction in self.transactions if transaction.taken]

    @property
    def faults(self) -> list[str]:
        """Every breach of the protocol on any connection. Should be empty."""
        return [fault for session in self.sessions for fault in session.faults]

    def script(self, script: Script | None, *, connections: Sequence[Script | None] = ()) -> None:
        """From now on behave by another script."""
        self.lookup = Lookup(script, connections)

    async def wait(self, condition: Callable[[], bool], *, patience: float = 10.0) -> None:
        """Return once `condition` holds; asked again after all that happens here; else TimeoutError."""
        async with asyncio.timeout(patience):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def note(self) -> None:
        """Something was recorded: wake those who wait."""
        self._changed.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        session = Session(index=len(self.sessions), peer=str(writer.get_extra_info("peername")))
        session.secure = self.implicit
        self.sessions.append(session)
        self.note()
        try:
            await _Conversation(self, session, reader, writer).run()
        except _EndedError as end:
            session.ended = str(end)
        except (ConnectionError, ssl.SSLError):
            session.ended = "lost"
        except asyncio.CancelledError:
            session.ended = "us"  # the test is over, or `stop` plays a host that goes down
        finally:
            writer.transport.abort() if session.ended == "us" else writer.close()
            self.note()


class _Conversation:
    """One connection's course."""

    def __init__(
        self, hop: ScriptedHop, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.hop = hop
        self.session = session
        self.reader = reader
        self.writer = writer
        self.buffer = bytearray()
        self.answers: list[bytes] = []
        self.transaction: Transaction | None = None
        connection = writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        """Banner, then command by command until somebody ends it."""
        await self.act("connect", b"", Action(pieces=()))
        await self.act("banner", b"", reply(220, "hop.test ESMTP scripted"))
        while True:
            line = await self.line()
            self.session.commands.append(line)
            self.hop.note()
            verb = line[:8].upper() if line[:8].upper() == b"STARTTLS" else line[:4].upper()
            stage = _VERBS.get(verb, "unknown")
            await getattr(self, "on_" + stage)(line)
            self.hop.note()

    # reading

    async def fill(self) -> None:
        """Take in what comes next."""
        if self.answers:
            await self.flush()
        chunk = await self.reader.read(_CHUNK)
        if not chunk:
            raise _EndedError("client")
        self.buffer += chunk

    async def line(self) -> bytes:
        """The next command, without its CRLF."""
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > _COMMAND_LIMIT:
                self.fault("a command of more than 1 MiB")
                raise _EndedError("us")
            await self.fill()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        self.session.received += line + b"\r\n"
        if _BARE.search(line):
            self.fault(f"bare CR or LF in a command: {line!r}")
        if b"\0" in line:
            self.fault(f"NUL in a command: {line!r}")
        if self.buffer and not self.offers("PIPELINING"):
            self.fault(f"pipelined without leave after {line!r}")
        return line

    def offers(self, keyword: str) -> bool:
        """Whether EHLO names this keyword."""
        return any(known.split(" ")[0].upper() == keyword for known in self.hop.keywords)

    def fault(self, text: str) -> None:
        """Note a breach."""
        self.session.faults.append(f"connection {self.session.index}: {text}")

    # answering

    async def act(
        self, stage: Stage, line: bytes, usual: Action, *, address: bytes = b"", nth: int = 0
    ) -> Action:
        """Do what the script has for this stage, else what is usual; give back what was done."""
        action = self.ask(stage, line, address=address, nth=nth) or usual
        await self.do(action)
        return action

    def ask(self, stage: Stage, line: bytes, *, address: bytes = b"", nth: int = 0) -> Action | None:
        """What the script has for this stage."""
        session = self.session
        session.reached[stage] = session.reached.get(stage, 0) + 1
        moment = Moment(
            stage=stage,
            connection=session.index,
            transaction=max(len(session.transactions) - 1, 0),
            nth=nth or session.reached[stage],
            line=line,
            address=address,
        )
        return self.hop.lookup.find(moment)

    async def do(self, action: Action) -> None:
        """Wait, write, end: as the action says."""
        await self.ready(action)
        await self.say(action)

    async def ready(self, action: Action) -> None:
        """Wait as long as the action says."""
        if action.hold is not None:
            await self.flush()
            await action.hold.wait()
        if action.delay:
            await self.flush()
            await asyncio.sleep(action.delay)

    async def say(self, action: Action) -> None:
        """Write and end, as the action says."""
        for at, piece in enumerate(action.pieces):
            if at:
                await self.flush()
                await asyncio.sleep(action.pause)
            self.answers.append(piece)
        if not (self.hop.batch and self.buffer) or action.end:
            await self.flush()
        if action.end:
            await self.end(action)

    async def flush(self) -> None:
        """Write what is to be said."""
        if self.answers:
            self.writer.write(b"".join(self.answers))
            self.answers.clear()
            await self.writer.drain()

    async def end(self, action: Action) -> None:
        """End the connection as the action says."""
        if action.end == "half-close":
            self.writer.write_eof()
            return
        if action.end == "reset":
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            # What the client has sent by now is read, or the kernel would answer it with RST instead of FIN.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    self.buffer += await self.reader.read(_CHUNK)
            self.writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await self.writer.wait_closed()
        raise _EndedError("us")

    # commands

    async def on_ehlo(self, line: bytes) -> None:
        """EHLO (RFC 5321 §4.1.1.1): forgets the transaction, says what this host can do."""
        self.session.hello = line[5:]
        self.transaction = None
        words = list(self.hop.keywords)
        if self.hop.tls is not None and not self.session.secure:
            words.append("STARTTLS")
        if self.hop.auth is not None:
            words.append("AUTH PLAIN LOGIN")
        stage: Stage = "lhlo" if self.hop.lmtp else "ehlo"
        await self.act(stage, line, reply(250, "hop.test", *words))

    on_lhlo = on_ehlo

    async def on_helo(self, line: bytes) -> None:
        """HELO: no keywords."""
        self.session.hello = line[5:]
        self.transaction = None
        await self.act("helo", line, reply(250, "hop.test"))

    async def on_starttls(self, line: bytes) -> None:
        """STARTTLS (RFC 3207): what was pipelined behind it is a fault, and is dropped."""
        if self.hop.tls is None or self.session.secure:
            await self.act("starttls", line, reply(502, "5.5.1 not offered"))
            return
        done = await self.act("starttls", line, reply(220, "2.0.0 go ahead"))
        if done.code != 220:
            return
        if self.buffer:
            self.fault(f"plain text behind STARTTLS: {bytes(self.buffer[:80])!r}")
            self.buffer.clear()
        await self.writer.start_tls(self.hop.tls)
        self.session.secure = True
        self.session.hello = b""
        self.transaction = None

    async def on_auth(self, line: bytes) -> None:
        """AUTH PLAIN and LOGIN (RFC 4954); what was given is recorded, decoded by the test."""
        words = line.split(b" ")
        given = [words[2]] if len(words) > 2 else []
        questions = [b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"] if words[1:2] == [b"LOGIN"] else [b""]
        for question in questions[len(given) :]:
            await self.act("auth-answer", line, reply(334, question))
            given.append(await self.line())
        self.session.auth.append(b" ".join([*words[1:2], *given]))
        await self.act("auth", line, reply(235, "2.7.0 welcome"))

    async def on_mail(self, line: bytes) -> None:
        """MAIL (RFC 5321 §4.1.1.2)."""
        if self.transaction is not None:
            await self.act("mail", line, reply(503, "5.5.1 nested MAIL"))
            return
        record = Transaction(connection=self.session.index, index=len(self.session.transactions), mail=line)
        self.session.transactions.append(record)
        if not line.isascii() and b"SMTPUTF8" not in line.upper():
            self.fault(f"8-bit in MAIL without SMTPUTF8: {line!r}")
        done = await self.act("mail", line, reply(250, "2.1.0 ok"), address=path_of(line))
        if done.code // 100 == 2:
            self.transaction = record

    async def on_rcpt(self, line: bytes) -> None:
        """RCPT (RFC 5321 §4.1.1.3)."""
        record = self.transaction
        if record is None:
            await self.act("rcpt", line, reply(503, "5.5.1 need MAIL"))
            return
        address = path_of(line)
        record.rcpts.append(line)
        done = await self.act("rcpt", line, reply(250, "2.1.5 ok"), address=address, nth=len(record.rcpts))
        (record.recipients if done.code // 100 == 2 else record.refused).append(address)

    async def on_data(self, line: bytes) -> None:
        """DATA, the content, the dot (RFC 5321 §4.1.1.4)."""
        record = self.transaction
        if record is None or not record.recipients:
            await self.act(
                "data", line, reply(554 if record is not None else 503, "5.5.1 no valid recipients")
            )
            return
        done = await self.act("data", line, reply(354, "go ahead"))
        if done.code // 100 != 3:
            return
        if self.buffer:
            self.fault("content sent before the 354 was seen")
        record.data = True
        await self.content(record)
        record.complete = True
        self.transaction = None
        self.hop.note()
        for address in record.recipients if self.hop.lmtp else [b""]:
            action = self.ask("dot", b".", address=address) or reply(250, "2.0.0 taken")
            await self.ready(action)
            record.reply = (
                action.answer
            )  # noted before it is written: who sees the reply finds the record whole
            await self.say(action)

    async def content(self, record: Transaction) -> None:
        """Take in content up to CRLF.CRLF; the CRLF before the dot belongs to the content."""
        action = self.ask("content", b"")
        window = bytearray(b"\r\n")  # the CRLF that ended DATA may be the first of the end of data
        skip = 2
        while True:
            window += self.buffer
            self.session.received += self.buffer
            record.octets += len(self.buffer)
            self.buffer.clear()
            end = window.find(b"\r\n.\r\n")
            cut = end + 2 if end >= 0 else len(window) - 4
            if cut > skip:
                if len(record.raw) < self.hop.keep:
                    record.raw += window[skip:cut]
                del window[:cut]
                skip = 0
            elif end >= 0:
                del window[:cut]
            if action is not None and record.octets >= action.after:
                await self.do(action)
                if action.stall:
                    await asyncio.Event().wait()
                action = None
            if end >= 0:
                break
            self.hop.note()
            await self.fill()
        rest = window[3:]
        record.octets -= len(rest) + 3
        if rest:
            del self.session.received[-len(rest) :]
        self.buffer += rest
        if _BARE.search(record.raw):
            self.fault("bare CR or LF in content")
        if not record.raw[: 1 << 20].isascii() and not self.offers("8BITMIME"):
            self.fault("8-bit content without 8BITMIME")

    async def on_rset(self, line: bytes) -> None:
        """RSET: the transaction is gone."""
        self.transaction = None
        await self.act("rset", line, reply(250, "2.0.0 reset"))

    async def on_noop(self, line: bytes) -> None:
        """NOOP."""
        await self.act("noop", line, reply(250, "2.0.0 ok"))

    async def on_quit(self, line: bytes) -> None:
        """QUIT: answered, then closed here."""
        await self.act("quit", line, reply(221, "2.0.0 bye"))
        await self.flush()
        raise _EndedError("quit")

    async def on_unknown(self, line: bytes) -> None:
        """Everything else."""
        await self.act("unknown", line, reply(500, "5.5.2 what?"))
