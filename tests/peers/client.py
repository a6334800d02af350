r"""A sender on loopback that says exactly the bytes a test wants, and reads the replies one by one.

    async with await Client.connect(port) as client:
        await client.hello()
        await client.command(b"MAIL FROM:<a@example.co.jp>")
        await client.send(b"RCPT TO:<b@example.com>\\r\\nDATA\r\n")
        assert [await client.code(), await client.code()] == [250, 354]

For a whole mail: `send_mail`. Every read is bounded by `patience` seconds; TimeoutError tells that the other
side was silent, `ClosedError` that it ended the connection.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply (RFC 5321 §4.2): its code, the text of its lines, and its bytes as they came."""

    code: int
    lines: tuple[bytes, ...]
    raw: bytes

    @property
    def text(self) -> str:
        """All lines in one, for a look with ``in``."""
        return b"\n".join(self.lines).decode("utf-8", "replace")

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), "" if there is none."""
        word = self.lines[0].split(b" ")[0].decode("ascii", "replace") if self.lines else ""
        return word if word.count(".") == 2 and word.replace(".", "").isdigit() else ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class ClosedError(Exception):
    """The other side ended the connection; `rest` is what came after the last whole reply."""

    def __init__(self, rest: bytes, *, reset: bool) -> None:
        self.rest = rest
        self.reset = reset
        super().__init__(f"connection {'reset' if reset else 'closed'}, {rest!r} unread")


class Client:
    """One connection. Nothing is sent but what a test says."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patience: float = 10
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.patience = patience
        self.buffer = bytearray()
        self.keywords: tuple[bytes, ...] = ()

    @classmethod
    async def connect(
        cls,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        source: str | None = None,
        patience: float = 10.0,
        receive_buffer: int | None = None,
    ) -> Self:
        """Connect; the banner is not read. `source` is the address to come from, such as 127.0.0.9."""
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            connection.bind((source, 0))
        try:
            await asyncio.wait_for(
                asyncio.get_running_loop().sock_connect(connection, (host, port)), patience
            )
        except BaseException:
            connection.close()
            raise
        name = None if tls is None else "localhost"
        reader, writer = await asyncio.open_connection(sock=connection, ssl=tls, server_hostname=name)
        return cls(reader, writer, patience=patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # saying

    async def send(self, octets: bytes) -> None:
        """These octets, in one write, after which the other side may answer."""
        self.writer.write(octets)
        await asyncio.wait_for(self.writer.drain(), self.patience)

    async def send_by_byte(self, octets: bytes, *, pause: float = 0.0) -> None:
        """Each octet a write (and, with TCP_NODELAY, a segment) of its own."""
        for at in range(len(octets)):
            await self.send(octets[at : at + 1])
            await asyncio.sleep(pause)

    async def command(self, line: bytes) -> Reply:
        """The line with CRLF, then its reply."""
        await self.send(line + b"\r\n")
        return await self.reply()

    async def hello(self, name: bytes = b"client.example.co.jp", *, verb: bytes = b"EHLO") -> Reply:
        """Read the banner, greet, and keep what is advertised in `keywords`."""
        await self.expect(220)
        return await self.greet(name, verb=verb)

    async def greet(self, name: bytes = b"client.example.co.jp", *, verb: bytes = b"EHLO") -> Reply:
        """Greet without a banner, as after STARTTLS."""
        answer = await self.command(verb + b" " + name)
        self.keywords = answer.lines[1:]
        return answer

    async def starttls(self, context: ssl.SSLContext, name: str = "localhost") -> Reply:
        """STARTTLS and, if told to go on, the handshake (RFC 3207). EHLO is the caller's."""
        answer = await self.command(b"STARTTLS")
        if answer.code == 220:
            await asyncio.wait_for(self.writer.start_tls(context, server_hostname=name), self.patience)
        return answer

    # hearing

    async def reply(self) -> Reply:
        """The next whole reply. ValueError if it is none."""
        lines: list[bytes] = []
        raw = b""
        while True:
            line = await self._line()
            raw += line
            if len(line) < 5 or not line[:3].isdigit() or line[3:4] not in b"- \r":
                raise ValueError(f"no SMTP reply: {line!r}")
            lines.append(line[4:].removesuffix(b"\r\n"))
            if line[3:4] != b"-":
                return Reply(code=int(line[:3]), lines=tuple(lines), raw=raw)

    async def code(self) -> int:
        """The next reply's code."""
        return (await self.reply()).code

    async def expect(self, *codes: int) -> Reply:
        """The next reply, which must have one of these codes."""
        answer = await self.reply()
        assert answer.code in codes, f"expected {codes}, got {answer}"
        return answer

    async def closed(self) -> bytes:
        """Wait until the other side ends the connection; what came before that, unread."""
        with contextlib.suppress(ClosedError):
            while True:
                await self._fill()
        return bytes(self.buffer)

    async def silent(self, seconds: float = 0.2) -> bool:
        """Whether nothing comes for so long."""
        if self.buffer:
            return False
        try:
            async with asyncio.timeout(seconds):
                self.buffer += await self.reader.read(_CHUNK)
        except TimeoutError:
            return True
        return False

    async def _line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            await self._fill()
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return line

    async def _fill(self) -> None:
        try:
            chunk = await asyncio.wait_for(self.reader.read(_CHUNK), self.patience)
        except (ConnectionError, ssl.SSLError) as error:
            raise ClosedError(bytes(self.buffer), reset=True) from error
        if not chunk:
            raise ClosedError(bytes(self.buffer), reset=False)
        self.buffer += chunk

    # leaving

    def half_close(self) -> None:
        """Send FIN; replies can still be read."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Send RST: as a host that crashed."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None:  # under TLS a transport that is closed has none any more
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def quit(self) -> Reply:
        """QUIT, its reply, and close."""
        answer = await self.command(b"QUIT")
        await self.close()
        return answer

    async def close(self) -> None:
        """Close without a word."""
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), self.patience)


def stuffed(content: bytes) -> bytes:
    """Content as it goes on the wire, with the end of data (RFC 5321 §4.5.2). It must end with CRLF."""
    text = b"." + content if content.startswith(b".") else content
    return text.replace(b"\r\n.", b"\r\n..") + b".\r\n"


async def send_mail(
    port: int,
    content: bytes,
    *,
    sender: bytes = b"hr@example.co.jp",
    recipients: Sequence[bytes] = (b"taro@example.com",),
    mail_parameters: bytes = b"",
    rcpt_parameters: bytes = b"",
    helo: bytes = b"client.example.co.jp",
    pipelined: bool = False,
    lmtp: bool = False,
    host: str = "127.0.0.1",
    patience: float = 20.0,
) -> list[Reply]:
    """Send one mail over a connection of its own.

    Gives the replies to MAIL, to each RCPT, to DATA and to the dot (one a taken recipient with `lmtp`), up to
    the one that made it impossible to go on; banner, EHLO and QUIT are left out. ``replies[-1]`` is what
    became of the mail. `mail_parameters` start with their blank. A refused banner or EHLO comes alone.
    """
    async with await Client.connect(port, host, patience=patience) as client:
        banner = await client.reply()
        if banner.code != 220:
            return [banner]
        greeting = await client.greet(helo, verb=b"LHLO" if lmtp else b"EHLO")
        if greeting.code != 250:
            return [greeting]
        replies = await transact(
            client,
            content,
            sender=sender,
            recipients=recipients,
            mail_parameters=mail_parameters,
            rcpt_parameters=rcpt_parameters,
            pipelined=pipelined,
            lmtp=lmtp,
        )
        with contextlib.suppress(ClosedError, ValueError, TimeoutError, ConnectionError):
            await client.quit()
        return replies


async def transact(
    client: Client,
    content: bytes,
    *,
    sender: bytes = b"hr@example.co.jp",
    recipients: Sequence[bytes] = (b"taro@example.com",),
    mail_parameters: bytes = b"",
    rcpt_parameters: bytes = b"",
    pipelined: bool = False,
    lmtp: bool = False,
) -> list[Reply]:
    """One transaction on a greeted connection; the same list as `send_mail`."""
    lines = [b"MAIL FROM:<" + sender + b">" + mail_parameters]
    lines += [b"RCPT TO:<" + recipient + b">" + rcpt_parameters for recipient in recipients]
    replies: list[Reply] = []
    if pipelined:
        await client.send(b"".join(line + b"\r\n" for line in [*lines, b"DATA"]))
        replies = [await client.reply() for _ in range(len(lines) + 1)]
    else:
        for line in lines:
            replies.append(await client.command(line))
            if len(replies) == 1 and replies[0].code // 100 != 2:
                return replies
        if not any(reply.code // 100 == 2 for reply in replies[1:]):
            return replies
        replies.append(await client.command(b"DATA"))
    if replies[-1].code != 354:
        return replies
    taken = sum(reply.code // 100 == 2 for reply in replies[1:-1])
    await client.send(stuffed(content))
    replies += [await client.reply() for _ in range(taken if lmtp else 1)]
    return replies
