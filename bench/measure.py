"""One measurement of one system: throughput, latency, memory. Each gives plain numbers for the report."""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, Self, cast

from bench.mails import Template, template
from bench.systems import System
from tests.peers.folder import free_port, listening, wait_until

_DRAIN_SECONDS = 120
_PATIENCE = 60.0
#: Mails before memory is looked at: what a worker, of which there may be several, needs once is no mail's.
FIRST_MAILS = 8


class FailedError(Exception):
    """The measurement gave no number that means anything; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What the sink has seen (see `bench.sink`)."""

    mails: int
    recipients: int
    marked: int
    octets: int
    last: float


class Sink:
    """The next hop as a process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self._output.readline())

    @property
    def _output(self) -> IO[bytes]:
        return cast("IO[bytes]", self.process.stdout)

    def count(self) -> Count:
        """Ask it."""
        with Talk(self.port) as talk:
            _, mails, recipients, marked, octets, last = talk.ask(b"XSTAT\r\n").split()
        return Count(
            mails=int(mails),
            recipients=int(recipients),
            marked=int(marked),
            octets=int(octets),
            last=float(last),
        )

    def stop(self) -> None:
        """End it."""
        self.process.communicate(timeout=10)  # its standard input ends, and so does it


class PostfixSink(Sink):
    """Postfix's smtp-sink in the same place; it counts nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it insists
        self.process = subprocess.Popen(["smtp-sink", *user, f"inet:127.0.0.1:{self.port}", "1000"])
        wait_until(lambda: listening(self.port), "smtp-sink")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


class Talk:
    """A blocking SMTP session: what is sent, and the reply."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, *pieces: bytes) -> None:
        """Send, no reply expected yet."""
        for piece in pieces:
            self._connection.sendall(piece)

    def read(self) -> bytes:
        """The next reply."""
        reply = b""
        while not reply.endswith(b"\n") or reply[reply.rfind(b"\n", 0, -1) + 1 :][3:4] == b"-":
            chunk = self._connection.recv(65536)
            if not chunk:
                raise FailedError(f"connection closed after {reply!r}")
            reply += chunk
        return reply

    def ask(self, *pieces: bytes) -> bytes:
        """Send and read; a 4xx or 5xx is a failure."""
        self.send(*pieces)
        reply = self.read()
        if reply[:1] not in b"23":
            raise FailedError(reply.decode("utf-8", "replace"))
        return reply

    def hello(self) -> None:
        """Greet."""
        self.ask(b"EHLO mail.example.co.jp\r\n")

    def begin(self, number: int) -> None:
        """Up to 354."""
        self.ask(b"MAIL FROM:<saiyo@example.co.jp> BODY=8BITMIME\r\n")
        self.ask(b"RCPT TO:<candidate-%020d@example.com>\r\n" % number)
        self.ask(b"DATA\r\n")


class Numbers:
    """Numbers of mails, each given once: a mail that came before would be a retry."""

    def __init__(self) -> None:
        self._next = time.time_ns() // 1000 * 1000

    def take(self, count: int) -> int:
        """The first of so many."""
        first = self._next
        self._next += count
        return first


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the generator is asked to do. `single`: one mail a session."""

    kind: str
    octets: int
    sessions: int
    seconds: float
    single: bool = False
    recipients: int = 1

    def words(self) -> list[str]:
        """The generator's options."""
        names = ("kind", "octets", "sessions", "seconds", "recipients")
        words = [f"--{name}={getattr(self, name)}" for name in names]
        return [*words, "--single"] if self.single else words


def throughput(system: System, sink: Sink, numbers: Numbers, load: Load) -> dict[str, float]:
    """Mails a second until the sink has the last one, and the CPU that they cost. Raises FailedError."""
    _load(system, sink, numbers, replace(load, seconds=min(load.seconds, 1.0)))  # not measured: it warms up
    before = sink.count()
    cpu = system.cpu_seconds()
    begin, sent = _load(system, sink, numbers, load)
    after = sink.count()
    marked, mails = after.marked - before.marked, after.mails - before.mails
    if system.adds_footer and load.kind == "rejection" and marked != mails:
        raise FailedError(f"{marked} of {mails} rejections came out with a link")
    took = after.last - begin
    return {
        "per_second": sent / took,
        "mails": sent,
        "seconds": took,
        "cpu_per_1000": (system.cpu_seconds() - cpu) / sent * 1000,
        "pss_mb": system.pss_bytes() / 1e6,
    }


def _load(system: System, sink: Sink, numbers: Numbers, load: Load) -> tuple[float, int]:
    """Run the generator; when it began, and how many mails it sent. Every recipient's must arrive, once."""
    before = sink.count().recipients
    first = f"--first={numbers.take(10**6)}"
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", ",".join(map(str, system.ports)), first, *load.words()],
        check=False,
        capture_output=True,
        text=True,
        timeout=load.seconds * 4 + 120,
    )
    if done.returncode:
        raise FailedError(f"generator: {done.stderr[-300:]}")
    result = json.loads(done.stdout)
    if result["refused"]:
        raise FailedError(f"not all went well: {result['refused']}")
    sent = int(result["sent"])
    wanted = sent * load.recipients
    with contextlib.suppress(TimeoutError):
        wait_until(
            lambda: sink.count().recipients - before >= wanted,
            "all mails at the sink",
            patience=_DRAIN_SECONDS,
        )
    arrived = sink.count().recipients - before
    if arrived != wanted or not sent:
        raise FailedError(f"taken for {wanted} recipients, arrived for {arrived}")
    return float(result["begin"]), sent


def source(system: System, *, octets: int, sessions: int, seconds: float) -> dict[str, float]:
    """Mails a second from Postfix's smtp-source, which can't say how long but how many: a first run tells.

    Its mails are made of X and need no ledger row. A queue behind is waited for.
    """
    took, cpu, mails = _source(system, octets, sessions, sessions * 2)
    mails = max(int(mails / took * seconds), sessions * 2)
    took, cpu, mails = _source(system, octets, sessions, mails)
    return {"per_second": mails / took, "mails": mails, "seconds": took, "cpu_per_1000": cpu / mails * 1000}


def _source(system: System, octets: int, sessions: int, mails: int) -> tuple[float, float, int]:
    cpu = system.cpu_seconds()
    begin = time.monotonic()
    where = f"inet:127.0.0.1:{system.port}"
    words = ["smtp-source", "-s", str(sessions), "-m", str(mails), "-l", str(octets), "-d"]
    done = subprocess.run(
        [*words, "-f", "saiyo@example.co.jp", "-t", "candidate@example.com", where],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"smtp-source: {done.stderr[-300:]}")
    system.drain()
    return time.monotonic() - begin, system.cpu_seconds() - cpu, mails


def latency(system: System, sink: Sink, numbers: Numbers, *, kind: str, mails: int) -> dict[str, float]:
    """Milliseconds from MAIL to the last reply, one session each way, direct and through in turns."""
    mail = template(kind, 4096)
    times: dict[str, list[float]] = {"direct": [], "through": []}
    with Talk(sink.port) as direct, Talk(system.port) as through:
        talks = (("direct", direct), ("through", through))
        for _, talk in talks:
            talk.hello()
        for turn in range(mails + 20):
            for name, talk in talks:
                number = numbers.take(1)
                pieces = b"".join(mail.pieces(number))
                begin = time.perf_counter()
                talk.begin(number)
                talk.ask(pieces)
                if turn >= 20:  # the first ones are not measured: caches, lazy imports
                    times[name].append((time.perf_counter() - begin) * 1000)
    result = {}
    for name, values in times.items():
        values.sort()
        result[f"{name}_median"] = statistics.median(values)
        result[f"{name}_p99"] = values[len(values) * 99 // 100]
    result["added_median"] = result["through_median"] - result["direct_median"]
    result["added_p99"] = result["through_p99"] - result["direct_p99"]
    return result


def memory(system: System, numbers: Numbers, *, kind: str, octets: int, mails: int) -> dict[str, float]:
    """Megabytes for each of many large mails in flight: all sent but the last dot."""
    mail = template(kind, octets)
    for _ in range(FIRST_MAILS):
        _one(system.port, mail, numbers.take(1))
    idle = system.pss_bytes()
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Talk(system.port)) for _ in range(mails)]
        with _peak(system) as peak:
            _together([partial(_upload, talk, mail, numbers.take(1)) for talk in talks])
            time.sleep(1.0)
            held = system.pss_bytes()
            _together([partial(_finish, talk) for talk in talks])
    return {
        "each_mb": (held - idle) / mails / 1e6,
        "peak_each_mb": (max(peak) - idle) / mails / 1e6,
        "idle_mb": idle / 1e6,
        "held_mb": held / 1e6,
        "total_each_mb": held / mails / 1e6,
    }


def _one(port: int, mail: Template, number: int) -> None:
    with Talk(port) as talk:
        _upload(talk, mail, number)
        _finish(talk)


def _upload(talk: Talk, mail: Template, number: int) -> None:
    head, tail = mail.pieces(number)
    talk.hello()
    talk.begin(number)
    talk.send(head)
    body = memoryview(tail)[:-3]
    for at in range(0, len(body), 1 << 20):
        talk.send(bytes(body[at : at + (1 << 20)]))


def _finish(talk: Talk) -> None:
    talk.ask(b".\r\n")


def _together(calls: list[Callable[[], None]]) -> None:
    """Run all calls at once, each in a thread of its own; the first failure is raised."""
    failures: list[BaseException] = []

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        except (OSError, FailedError) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise FailedError(f"{len(failures)} of {len(calls)}: {failures[0]}")


@contextlib.contextmanager
def _peak(system: System) -> Iterator[list[int]]:
    """Look at the memory five times a second; the list has all values."""
    seen = [system.pss_bytes()]
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.2):
            seen.append(system.pss_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
