"""What a mail costs a worker without the kernel: its sessions, pool, rules and ledger, with wires of Python.

    python -m bench.micro_mail [--kind rejection|ordinary] [--sessions N] [--mails N] [--rounds N] [--calls]

CPU time of the thread that serves mail (the ledger's own thread is not counted), the least and the median of
the rounds: what a change in any part of the gateway saves shows here, on a busy machine too. `--calls`
counts the calls of Python functions instead: that number is the same on every machine. It
leaves nothing behind.
"""

import argparse
import asyncio
import contextlib
import cProfile
import gc
import os
import pstats
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import uvloop

from bench.mails import template
from gateway.edge.session import Session
from gateway.relay.connect import Connector
from gateway.relay.connection import Connection, Owner
from gateway.relay.settings import Host
from gateway.service.bundle import build_policy, read_bundle
from gateway.service.control import Channel
from gateway.service.eyes.table import Table
from gateway.service.lines import start_logging
from gateway.service.process import GARBAGE_THRESHOLD, keep_heap
from gateway.service.worker import Worker
from gateway.smtp.capabilities import Capabilities
from gateway.smtp.reply import Reply
from tests.peers.gateway import Gateway

_CAPABILITIES = Capabilities.parse(
    Reply(250, (b"sink.example", b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"DSN", b"ENHANCEDSTATUSCODES"))
)
_ANSWERS = {b"MAIL": b"250 2.1.0 Ok\r\n", b"RCPT": b"250 2.1.5 Ok\r\n", b"DATA": b"354 go ahead\r\n"}


class Wire(asyncio.Transport):
    """A transport that hands what is written to a function, in the next turn of the loop."""

    def __init__(self, protocol: asyncio.Protocol, heard: Callable[[Any], None]) -> None:
        super().__init__()
        self._soon = asyncio.get_running_loop().call_soon
        self._protocol = protocol
        self._heard = heard
        self._closing = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Hand it over."""
        self._soon(self._heard, data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """An address for both ends."""
        return ("127.0.0.1", 40_000) if name in ("peername", "sockname") else default

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """So there are no limits."""

    def can_write_eof(self) -> bool:
        """Half a connection is none of this program's cases."""
        return False

    def pause_reading(self) -> None:
        """The other side sends when it was answered, and not before."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def is_closing(self) -> bool:
        """Whether anybody has closed it."""
        return self._closing

    def close(self) -> None:
        """Close it, and have the protocol know."""
        if not self._closing:
            self._closing = True
            self._soon(self._protocol.connection_lost, None)

    abort = close


class Hop:
    """The next hop: takes everything."""

    def __init__(self, host: Host, owner: Owner) -> None:
        self.connection = Connection(host, _CAPABILITIES, owner, secure=False)
        self._wire = Wire(self.connection, self.hear)
        self.connection.connection_made(self._wire)
        self._content = False

    def hear(self, data: bytes) -> None:
        """Answer what was written, which is one command or all of a small mail's content."""
        verb = b"" if self._content else data[:4]
        if verb == b"QUIT":
            self._wire.close()
            return
        self._content = verb == b"DATA"
        self.connection.data_received(_ANSWERS.get(verb, b"250 2.0.0 Ok: taken\r\n"))


async def _connect(_connector: Connector, host: Host, owner: Owner, _deadline: float) -> Connection:
    return Hop(host, owner).connection


class Run:
    """What all senders share: what to send, and how much of it is left."""

    def __init__(self, kind: str, sessions: int) -> None:
        self.mail = template(kind, 4096)
        self.sessions = sessions
        self.ready = asyncio.Event()
        self.number = time.time_ns()
        self.left = self.open = 0
        self.idle: list[Sender] = []
        self.over = asyncio.get_running_loop().create_future()

    async def send(self, mails: int) -> None:
        """Send so many, by all senders at once, and wait for the last reply."""
        self.over = asyncio.get_running_loop().create_future()
        self.left = self.open = mails
        idle, self.idle = self.idle, []
        for sender in idle:
            sender.next_mail()
        await self.over

    def rest(self, sender: "Sender") -> None:
        """A sender has nothing to send."""
        self.idle.append(sender)
        if len(self.idle) == self.sessions:
            self.ready.set()

    def done(self) -> None:
        """A mail was answered."""
        self.open -= 1
        if not self.open:
            self.over.set_result(None)


class Sender:
    """One session's other side: a command at a time, mail after mail."""

    def __init__(self, run: Run, session: Session) -> None:
        self._run = run
        self._say = session.data_received
        self._next = self._hello
        self._number = 0
        session.connection_made(Wire(session, self.hear))

    def hear(self, data: bytes) -> None:
        """A reply: say the next thing."""
        if not self._run.open and data.startswith(b"421"):
            return  # all is sent, and the worker ends
        if not data.startswith((b"2", b"354")):
            raise SystemExit(f"not an answer to go on with: {data!r}")
        self._next()

    def next_mail(self) -> None:
        """Begin another, if there is one left."""
        run = self._run
        if not run.left:
            run.rest(self)
            return
        run.left -= 1
        run.number += 1
        self._number, self._next = run.number, self._rcpt
        self._say(b"MAIL FROM:<saiyo@example.co.jp> BODY=8BITMIME\r\n")

    def _hello(self) -> None:
        self._next = self.next_mail
        self._say(b"EHLO mail.example.co.jp\r\n")

    def _rcpt(self) -> None:
        self._next = self._data
        self._say(b"RCPT TO:<candidate-%020d@example.com>\r\n" % self._number)

    def _data(self) -> None:
        self._next = self._content
        self._say(b"DATA\r\n")

    def _content(self) -> None:
        self._next = self._taken
        self._say(self._run.mail.pieces(self._number)[0])

    def _taken(self) -> None:
        self._run.done()
        self.next_mail()


async def measure(arguments: argparse.Namespace, gateway: Gateway) -> str:
    """Make a worker as its process would, have it take mail, and say what that cost."""
    bundle = read_bundle(gateway.config)
    start_logging(form=bundle.config.log.format, level=bundle.config.log.level)
    ours, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", gateway.port))  # a worker wants one; nobody comes by it
    with ours, theirs, listener, patch.object(Connector, "open", _connect):
        policy = build_policy(bundle)
        worker = Worker(bundle, policy, [listener], Channel(theirs), Table(workers=1), index=0, create=True)
        running = asyncio.create_task(worker.run())
        ours.settimeout(0)
        await asyncio.get_running_loop().sock_recv(ours, 1024)  # it is ready
        run = Run(arguments.kind, arguments.sessions)
        label = bundle.config.listen[0].label
        for _ in range(arguments.sessions):
            Sender(run, worker.session(label))
        await run.ready.wait()
        await run.send(arguments.sessions * 3)  # not measured: connections are made, code gets warm
        gc.collect()
        said = await (_count if arguments.calls else _time)(arguments, run)
        await asyncio.sleep(0.1)
        ours.close()  # so it ends, as it does without its parent
        await running
    return said


async def _time(arguments: argparse.Namespace, run: Run) -> str:
    rounds = []
    for _ in range(arguments.rounds):
        begun = time.thread_time()
        await run.send(arguments.mails)
        rounds.append((time.thread_time() - begun) / arguments.mails * 1e6)
    return f"least {min(rounds):.0f}, median {statistics.median(rounds):.0f} microseconds of CPU a mail"


async def _count(arguments: argparse.Namespace, run: Run) -> str:
    with cProfile.Profile() as profile:
        await run.send(arguments.mails)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    calls = sum(row[1] for (file, _, _), row in stats.items() if file != "~") / arguments.mails
    builtins = sum(row[1] for (file, _, _), row in stats.items() if file == "~") / arguments.mails
    return f"{calls:.0f} calls of Python functions a mail, and {builtins:.0f} of what is built in"


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(
        prog="micro_mail", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kind", default="rejection", choices=("rejection", "ordinary"))
    parser.add_argument("--sessions", type=int, default=100, metavar="N")
    parser.add_argument("--mails", type=int, default=1000, metavar="N", help="in each round")
    parser.add_argument("--rounds", type=int, default=8, metavar="N")
    parser.add_argument("--calls", action="store_true", help="count calls in place of time")
    arguments = parser.parse_args()
    gc.set_threshold(GARBAGE_THRESHOLD)
    keep_heap()
    gateway = Gateway(9, {"gateway": {"workers": 1}, "next_hop": {"connections": arguments.sessions}})
    try:
        # a line in the log for each mail is part of what it costs, but nothing to read
        with (
            Path(os.devnull).open("w", encoding="utf-8") as log,
            contextlib.redirect_stderr(log),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            said = runner.run(measure(arguments, gateway))
    finally:
        gateway.discard()
    print(f"{arguments.kind}, {arguments.sessions} sessions: {said}")


if __name__ == "__main__":
    main()
