"""The next hop of every measurement: takes mail as fast as Python can, and counts.

Run as ``python -m bench.sink --mark TEXT``; prints its port. The verb XSTAT answers
``250 mails recipients marked octets time-of-last``: how many mails came, for how many recipients, how many
held TEXT in their last 8 KB, and the monotonic time of the last one. It keeps nothing.
"""

import argparse
import asyncio
import socket
import time
from typing import cast

import uvloop

_END = b"\r\n.\r\n"
_LOOK = 8192
_EHLO = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    b"250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n"
)
_ANSWERS = {
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"EHLO": _EHLO,
    b"HELO": b"250 sink.example\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
}


class Counts:
    """What came so far."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.mails = self.recipients = self.marked = self.octets = 0
        self.last = 0.0


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.buffer = b""
        self.tail = b""  # the last octets of content, while there is content
        self.content = False
        self.recipients = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Take commands and content, however they are cut."""
        while data:
            data = self.take_content(data) if self.content else self.take_commands(data)

    def take_content(self, data: bytes) -> bytes:
        """Look for the end of data; give what follows it."""
        counts = self.counts
        joined = self.tail + data
        end = joined.find(_END, max(len(self.tail) - 4, 0))
        if end < 0:
            counts.octets += len(data)
            self.tail = joined[-_LOOK:]
            return b""
        counts.mails += 1
        counts.recipients += self.recipients
        self.recipients = 0
        counts.marked += joined.find(counts.mark, max(end - _LOOK, 0), end) >= 0
        counts.octets += end + 2 - len(self.tail)
        counts.last = time.monotonic()
        self.content = False
        self.transport.write(b"250 2.0.0 Ok: taken\r\n")
        return joined[end + 5 :]

    def take_commands(self, data: bytes) -> bytes:
        """Answer all whole commands at once; give what follows DATA's line."""
        data = self.buffer + data
        answers = []
        while (end := data.find(b"\n")) >= 0:
            line, data = data[:end], data[end + 1 :]
            verb = line[:4].upper()
            answer = _ANSWERS.get(verb)
            if verb == b"RCPT":
                self.recipients += 1
                answers.append(b"250 2.1.5 Ok\r\n")
            elif answer is not None:
                answers.append(answer)
                if verb != b"NOOP":
                    self.recipients = 0
            elif verb == b"DATA":
                answers.append(b"354 End data with <CR><LF>.<CR><LF>\r\n")
                self.content, self.tail, self.buffer = True, b"\r\n", b""
                self.transport.write(b"".join(answers))
                return data
            elif verb == b"XSTA":
                counts = self.counts
                numbers = (counts.mails, counts.recipients, counts.marked, counts.octets, counts.last)
                answers.append(b"250 %d %d %d %d %.6f\r\n" % numbers)
            elif verb == b"QUIT":
                self.transport.write(b"".join([*answers, b"221 2.0.0 Bye\r\n"]))
                self.transport.close()
                return b""
            else:
                answers.append(b"502 5.5.1 no\r\n")
        self.buffer = data
        if answers:
            self.transport.write(b"".join(answers))
        return b""


async def serve(mark: bytes) -> None:
    """Listen, print the port, and go on until killed or the parent closes standard input."""
    counts = Counts(mark)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(counts), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), open(0, "rb"))  # noqa: SIM115, ASYNC230 - fd 0
    await reader.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mark", default="https://careerrelay.example/r/")
    uvloop.run(serve(parser.parse_args().mark.encode()))
