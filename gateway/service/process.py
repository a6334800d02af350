"""The body of a worker process."""

import asyncio
import contextlib
import ctypes
import gc
import os
import socket
from collections.abc import Sequence

import uvloop

from gateway.service.bundle import Bundle
from gateway.service.control import Channel
from gateway.service.eyes.table import Table
from gateway.service.worker import Worker
from gateway.transaction.policy import Policy

#: So many more objects made than gone have the collector look for cycles. A mail leaves none behind, but a
#: hundred in hand are more objects than Python's own 700: it would look at living mails all the time.
GARBAGE_THRESHOLD = 20_000
#: So much free memory at the end of the heap goes back to the system. The C library's own bound is passed by
#: a few reads of a large mail, a quarter of a megabyte each: every page of them was given back and asked for
#: again, for a fifth of all the time that such a mail takes. This is what a worker may hold idle.
HEAP_SPARE = 8_388_608
#: Blocks from this size on are no part of the heap, and go back at once. A read is smaller.
HEAP_BLOCK = 327_680
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)


def run_worker(
    bundle: Bundle,
    policy: Policy,
    listeners: Sequence[socket.socket],
    channel: Channel,
    table: Table,
    *,
    index: int,
    create: bool,
) -> None:
    """Run one worker to its end."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    keep_heap()

    async def main() -> None:
        await Worker(bundle, policy, listeners, channel, table, index=index, create=create).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def keep_heap() -> None:
    """Have the C library give memory back less eagerly, where it is glibc and nobody told it otherwise."""
    if any(name.startswith("MALLOC_") for name in os.environ) or "GLIBC_TUNABLES" in os.environ:
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such thing
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, HEAP_SPARE)
        mallopt(_M_MMAP_THRESHOLD, HEAP_BLOCK)


def run_web(bundle: Bundle, listeners: Sequence[socket.socket], channel: Channel, table: Table) -> None:
    """Run the web process to its end."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    from gateway.service.web import WebProcess  # noqa: PLC0415 - workers have no use for it

    async def main() -> None:
        await WebProcess(bundle, listeners, channel, table).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
