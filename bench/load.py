"""The load generator: sessions that send mail after mail, one command at a time, as fast as it is answered.

Run as ``python -m bench.load PORT,PORT ...``, a process of its own, whose sessions go to these ports in turn;
prints one line of JSON. Time is taken from the first connection to the last reply, on the system's monotonic
clock, which the sink uses too.
"""

import argparse
import asyncio
import itertools
import json
import socket
import time
from collections.abc import Sequence
from typing import cast

import uvloop

from bench.mails import Template, template

_GREETED, _HELLO, _MAIL, _RCPT, _DATA, _DOT, _BYE = range(7)


class Run:
    """What all sessions share: what to send, when to stop, what came of it."""

    def __init__(
        self,
        ports: Sequence[int],
        mail: Template,
        *,
        first: int,
        seconds: float,
        reuse: bool,
        recipients: int,
    ) -> None:
        self.ports = itertools.cycle(ports)
        self.mail = mail
        self.number = first
        self.reuse = reuse
        self.recipients = recipients
        self.begin = time.monotonic()
        self.deadline = self.begin + seconds
        self.sent = 0
        self.refused: dict[str, int] = {}
        self.open = 0
        self.done = asyncio.get_running_loop().create_future()

    async def session(self) -> None:
        """Connect one session."""
        self.open += 1
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Session(self), "127.0.0.1", next(self.ports)
            )
        except OSError as error:
            self.closed(str(error))

    def closed(self, problem: str) -> None:
        """A session is over; another takes its place if sessions are not reused and there is time."""
        if problem:
            self.refused[problem] = self.refused.get(problem, 0) + 1
        self.open -= 1
        if time.monotonic() < self.deadline and sum(self.refused.values()) < 100:
            task = asyncio.get_running_loop().create_task(self.session())
            task.add_done_callback(asyncio.Task.result)
        elif not self.open and not self.done.done():
            self.done.set_result(None)


class Session(asyncio.Protocol):
    """One connection, a mail at a time."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.state = _GREETED
        self.buffer = b""
        self.pieces: tuple[bytes, bytes] = (b"", b"")
        self.problem = ""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the banner."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it as a problem unless it was over."""
        if self.state != _BYE and not self.problem:
            self.problem = f"lost: {exc}"
        self.run.closed(self.problem)

    def data_received(self, data: bytes) -> None:
        """A reply: say the next thing."""
        self.buffer += data
        if not self.buffer.endswith(b"\n"):
            return
        last = self.buffer.rfind(b"\n", 0, -1) + 1
        reply = self.buffer[last:]
        if reply[3:4] == b"-":
            return
        self.buffer = b""
        state = self.state
        if not reply.startswith(b"354" if state == _DATA else b"2"):
            self.problem = f"{state}: {reply.decode('utf-8', 'replace').strip()}"
            self.transport.abort()
            return
        if state == _DOT:
            self.run.sent += 1
        if state == _BYE:
            self.transport.close()
            return
        if state in (_HELLO, _DOT):
            self.next_mail(first=state == _HELLO)
            return
        if state == _MAIL or (state == _RCPT and self.left):
            self.left -= 1
            self.state = _RCPT
            more = b"-%d" % self.left if self.left else b""
            self.transport.write(b"RCPT TO:<candidate-%020d%s@example.com>\r\n" % (self.number, more))
            return
        self.state = state + 1
        if state == _GREETED:
            self.transport.write(b"EHLO mail.example.co.jp\r\n")
        elif state == _RCPT:
            self.transport.write(b"DATA\r\n")
        elif state == _DATA:
            head, tail = self.pieces
            self.transport.write(head)
            if tail:
                self.transport.write(tail)

    def next_mail(self, *, first: bool) -> None:
        """Begin another mail, or say good-bye."""
        run = self.run
        if (run.reuse or first) and time.monotonic() < run.deadline:
            self.number = run.number
            self.left = run.recipients
            run.number += 1
            self.pieces = run.mail.pieces(self.number)
            self.state = _MAIL
            self.transport.write(b"MAIL FROM:<saiyo@example.co.jp> BODY=8BITMIME\r\n")
        else:
            self.state = _BYE
            self.transport.write(b"QUIT\r\n")


async def main(arguments: argparse.Namespace) -> None:
    """Run all sessions until the time is over and the last has ended."""
    mail = template(arguments.kind, arguments.octets)
    run = Run(
        arguments.ports,
        mail,
        first=arguments.first,
        seconds=arguments.seconds,
        reuse=not arguments.single,
        recipients=arguments.recipients,
    )
    await asyncio.gather(*(run.session() for _ in range(arguments.sessions)))
    try:
        async with asyncio.timeout(arguments.seconds * 4 + 60):
            await run.done
    except TimeoutError:
        run.refused["no answer"] = run.open
    print(json.dumps({"sent": run.sent, "begin": run.begin, "end": time.monotonic(), "refused": run.refused}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "ports", type=lambda text: [int(port) for port in text.split(",")], metavar="PORT,PORT"
    )
    parser.add_argument("--kind", default="rejection")
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--recipients", type=int, default=1)
    parser.add_argument("--single", action="store_true", help="one mail a session")
    uvloop.run(main(parser.parse_args()))
