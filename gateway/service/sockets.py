"""The listening sockets: opened once, by the parent, and inherited by all workers (SMTP.md rule 26)."""

import contextlib
import socket
from collections.abc import Collection, Sequence

from gateway.config import Config
from gateway.errors import ConfigError, Problem
from gateway.service.systemd import claim
from gateway.smtp import failure

#: Connections that may wait to be accepted; the kernel cuts it to its own bound (net.core.somaxconn).
BACKLOG = 1_024
#: Waiting connections that are answered 421 when the gateway goes; a bound on its time, not on theirs.
MAX_TURNED_AWAY = 10_000


def open_listeners(
    config: Config, *, file: str, passed: list[socket.socket] | None = None
) -> list[socket.socket]:
    """Open a socket for each `[[listen]]`, in order. Those of systemd (`passed`) are taken where they fit.

    Raises:
        ConfigError: for every one that can't be opened; none is open then.
    """
    opened: list[socket.socket] = []
    problems: list[Problem] = []
    for index, listen in enumerate(config.listen):
        given = claim(passed if passed is not None else [], listen.address, listen.port)
        if given is not None:
            opened.append(given)
            continue
        family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            listener.bind((listen.address, listen.port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            problems.append(
                Problem(
                    file=file,
                    key=f"listen[{index}]",
                    message=f"can't listen on {listen.address} port {listen.port}: {error.strerror}",
                    remedy="stop what listens there, take another port, or allow ports below 1024",
                )
            )
            continue
        listener.settimeout(0)
        opened.append(listener)
    if problems:
        for listener in opened:
            listener.close()
        raise ConfigError(problems)
    return opened


def open_web(config: Config, *, passed: list[socket.socket] | None = None) -> list[socket.socket]:
    """Open the sockets of the web server: that of everything, and that of the public link if there is one.

    Raises:
        OSError: one can't be opened; none is open then. The text says which.
    """
    opened: list[socket.socket] = []
    for place in (config.web.listen, config.web.public_listen):
        if place is None:
            continue
        given = claim(passed if passed is not None else [], place.host, place.port)
        if given is not None:
            opened.append(given)
            continue
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        opened.append(listener)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((place.host, place.port))
            listener.listen(BACKLOG)
            listener.settimeout(0)
        except OSError as error:
            for one in opened:
                one.close()
            raise OSError(error.errno, f"can't listen on {place}: {error.strerror}") from error
    return opened


def name_of(listener: socket.socket) -> str:
    """``address:port`` as it is bound, IPv6 in brackets."""
    address, port = listener.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def turn_away(listeners: Sequence[socket.socket], *, implicit: Collection[int] = ()) -> int:
    """Answer 421 to all who wait in the queue when nobody accepts any more; gives their number.

    `implicit`: indexes of listeners where TLS would have to come first; there it is closed without a word.
    """
    turned = 0
    for index, listener in enumerate(listeners):
        with contextlib.suppress(OSError):
            while turned < MAX_TURNED_AWAY:
                peer, _ = listener.accept()
                turned += 1
                with contextlib.suppress(OSError):
                    peer.settimeout(0)
                    if index not in implicit:
                        peer.send(failure.SHUTTING_DOWN.wire)
                    peer.shutdown(socket.SHUT_WR)
                peer.close()
        listener.close()
    return turned
