"""uvicorn with bounds on what a stranger can hold open.

Chosen for its HTTP parser in C (httptools, which is Node's), for uvloop, and since it takes sockets that
somebody else has opened. What it has no bound for is added here: the size of a request's head, the time in
which a request has to be there whole, and the number of connections. All on public methods of an asyncio
protocol; what is leaned on besides (`transport`, `connections`, `cycle`, the parser's callbacks) has a
contract test, and the version is pinned.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Request line and fields. A browser's are below 2 KB.
HEAD_OCTETS = 16_384
#: From a request's first octet to its last, and from connecting to the first.
REQUEST_SECONDS = 20.0
#: An idle connection between two requests.
IDLE_SECONDS = 5
#: How long answers may take once the server is to end.
DRAIN_SECONDS = 5

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, most: int, **named: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **named)
        self._most = most
        self._head = 0
        self._in_head = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Refuse at once what is one too many."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            transport.write(_FULL)
            transport.close()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and look at how much there is and for how long."""
        if self.transport.is_closing():
            return
        if self._timer is None and self._in_head:
            self._arm()
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > HEAD_OCTETS and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins, perhaps in the same octets that ended the one before."""
        self._in_head = True
        if self._timer is None:
            self._arm()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._in_head = False
        self._head = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """It is whole; the next one may take as long again."""
        self._disarm()
        self._in_head = True
        super().on_message_complete()

    def _arm(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn on one of our sockets, in a process whose signals are not its own."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, connections: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(BoundedProtocol, most=connections),  # type: ignore[arg-type]  # made like it
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        self._listener = listener

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def run_until_told(self) -> None:
        """Serve until `should_exit`, then finish what is under way."""
        # It tells of every malformed request, as a warning each; strangers don't write our log.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await self.serve([self._listener])
