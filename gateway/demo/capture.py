"""A next hop that takes every mail and keeps it: SMTP (RFC 5321) as far as a gateway in front of it needs it.

For the demo, on loopback; no server for anything else: it trusts its peer, has no limits but `LIMIT`, and
forgets everything when it stops.
"""

import asyncio
import itertools
from dataclasses import dataclass
from types import TracebackType
from typing import Self

KEYWORDS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
LIMIT = 64 << 20  # octets of one line or one content; more ends the connection

_ANSWERS = {
    b"HELO": b"250 capture.example\r\n",
    b"RSET": b"250 2.0.0 forgotten\r\n",
    b"NOOP": b"250 2.0.0 still here\r\n",
    b"MAIL": b"250 2.1.0 sender fine\r\n",
    b"RCPT": b"250 2.1.5 recipient fine\r\n",
    b"DATA": b"354 go ahead\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One mail as it arrived: envelope addresses without brackets, content with its dots un-stuffed."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Capture:
    """The server. `port` is known once it was entered; `mails` grows in the order of arrival."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[Captured] = []
        self._numbers = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, limit=LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
        try:
            await self._talk(reader, writer)
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
        ):
            pass  # the peer left, or sent what no SMTP client sends, or the demo is over: nothing to save
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", list[str]()
        writer.write(b"220 capture.example ESMTP keeps what it gets\r\n")
        while True:
            line = (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(_greeting())
            else:
                writer.write(_ANSWERS.get(verb, b"502 5.5.1 not here\r\n"))
            if verb == b"MAIL":
                sender, recipients = _path(line), []
            elif verb == b"RCPT":
                recipients.append(_path(line))
            elif verb == b"DATA":
                content = await _content(reader)
                self.mails.append(Captured(sender=sender, recipients=tuple(recipients), content=content))
                writer.write(b"250 2.0.0 kept as mail %d\r\n" % next(self._numbers))
            elif verb == b"QUIT":
                await writer.drain()
                return


async def _content(reader: asyncio.StreamReader) -> bytes:
    """Content up to CRLF.CRLF, with its dots un-stuffed (RFC 5321 §4.5.2)."""
    lines = []
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)


def _greeting() -> bytes:
    words = ("capture.example", *KEYWORDS)
    return b"".join(
        b"250%s%s\r\n" % (b" " if at == len(words) else b"-", word.encode())
        for at, word in enumerate(words, 1)
    )


def _path(line: bytes) -> str:
    """The address in ``<...>``; a quoted ``>`` does not occur in the demo's mails."""
    return line.partition(b"<")[2].rpartition(b">")[0].decode("utf-8", "replace")
