"""What the next-hop client costs: CPU a mail on pooled connections, and the rate of a large mail.

    python bench/micro_relay.py [--mails N] [--loop asyncio|uvloop]

A sink that reads and answers, and does nothing else, runs in a process of its own, so that `process_time`
counts the client alone (the kernel's part of it included). Ends by itself, uses loopback only.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection as Pipe
from typing import cast

import uvloop

from gateway.relay.pool import Pool
from gateway.relay.settings import Host, NextHopSettings
from gateway.smtp.address import parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.parameters import Parameters

PIECE = 64 * 1024
MAIL = Mail(
    parse_path(b"FROM:<saiyo@example.co.jp>", b"FROM", null_allowed=True)[0],
    Parameters.parse(b"SIZE=4096 BODY=8BITMIME"),
)
RCPT = Rcpt(parse_path(b"TO:<hanako@example.com>", b"TO", null_allowed=False)[0], Parameters())


class Sink(asyncio.Protocol):
    """As little of a server as will do: nobody pipelines a command behind content here."""

    def __init__(self) -> None:
        self.content = False
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say the banner."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if self.content:
            self.tail = (self.tail + data)[-5:] if len(data) < 5 else data[-5:]
            if self.tail == b"\r\n.\r\n":
                self.content = False
                self.transport.write(b"250 2.0.0 taken\r\n")
            return
        for line in data.splitlines():
            verb = line[:4]
            if verb == b"EHLO":
                self.transport.write(b"250-sink.example\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                self.content = True
                self.tail = b""
                self.transport.write(b"354 go ahead\r\n")
            else:
                self.transport.write(b"250 2.0.0 ok\r\n")


def sink(pipe: Pipe) -> None:
    """Listen, tell the port, serve until the pipe is closed."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await loop.run_in_executor(None, pipe.poll, None)

    uvloop.run(serve())


async def one(pool: Pool, content: bytes, *, grouped: bool) -> None:
    """One mail, as the transaction sends it."""
    outbound = await pool.begin(frozenset())
    if grouped:
        await outbound.envelope([MAIL, RCPT])
    else:
        await outbound.envelope([MAIL])
        await outbound.envelope([RCPT])
    await outbound.data()
    for at in range(0, len(content), PIECE):
        await outbound.write(content[at : at + PIECE])
    reply = await outbound.finish()
    if reply.code != 250:
        raise SystemExit(f"sink said {reply}")
    await outbound.end()


async def run(port: int, content: bytes, mails: int, sessions: int, *, grouped: bool) -> tuple[float, float]:
    """Microseconds of CPU a mail, and mails a second."""
    settings = NextHopSettings(
        name="bench",
        hosts=(Host(name="127.0.0.1", port=port),),
        helo="gw.example",
        tls="none",
        connections=20,
    )
    pool = Pool(settings)

    async def session(count: int) -> None:
        for _ in range(count):
            await one(pool, content, grouped=grouped)

    await asyncio.gather(*(session(2) for _ in range(sessions)))
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(session(mails // sessions) for _ in range(sessions)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    done = mails // sessions * sessions
    await pool.close(5)
    return cpu / done * 1e6, done / wall


def main() -> None:
    """Print a table, and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    start = uvloop.run if options.loop == "uvloop" else asyncio.run
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=sink, args=(other,), daemon=True)
    process.start()
    port = pipe.recv()
    small = (b"x" * 76 + b"\r\n") * 52
    large = (b"x" * 76 + b"\r\n") * (5 * 1024 * 1024 // 78)
    results = {}
    for name, content, mails, sessions, grouped in (
        ("4 KB, 20 sessions", small, options.mails, 20, False),
        ("4 KB, 20 sessions, MAIL and RCPT in one group", small, options.mails, 20, True),
        ("4 KB, 1 session", small, options.mails // 4, 1, False),
        ("5 MB, 4 sessions", large, max(options.mails // 100, 8), 4, False),
    ):
        runs = [start(run(port, content, mails, sessions, grouped=grouped)) for _ in range(3)]
        cpu, rate = (statistics.median(values) for values in zip(*runs, strict=True))
        results[name] = {
            "cpu_us": round(cpu, 1),
            "mails_per_second": round(rate),
            "megabytes_per_second": round(rate * len(content) / 1e6),
        }
        print(f"{name:48} {cpu:9.1f} µs CPU a mail {rate:9.0f} mails/s {rate * len(content) / 1e6:8.0f} MB/s")
    print(json.dumps({"loop": options.loop, "results": results}))
    pipe.send(None)
    process.join(5)


if __name__ == "__main__":
    main()
