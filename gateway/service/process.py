"""The body of a worker process."""

import asyncio
import gc
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

    async def main() -> None:
        await Worker(bundle, policy, listeners, channel, table, index=index, create=create).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def run_web(bundle: Bundle, listeners: Sequence[socket.socket], channel: Channel, table: Table) -> None:
    """Run the web process to its end."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    from gateway.service.web import WebProcess  # noqa: PLC0415 - workers have no use for it

    async def main() -> None:
        await WebProcess(bundle, listeners, channel, table).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
