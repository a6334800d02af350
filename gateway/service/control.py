"""Messages between the parent and a worker, over a socket pair: a length, then a pickled value.

Both ends are the same program, started by the same user; nothing else ever has an end of this socket.
"""

import pickle
import socket
import struct
from dataclasses import dataclass
from enum import Enum

from gateway.service.bundle import Bundle

_LENGTH = struct.Struct("!I")
#: A bundle is rule files and a config; one of this size is not ours.
MAX_MESSAGE = 64 * 1024 * 1024
#: A process that reads nothing for so long hangs. One that waited for it without end would hang with it: the
#: parent could then not even be told to go.
SEND_SECONDS = 10.0


class Word(Enum):
    """What a worker tells its parent."""

    READY = "ready"  # it accepts
    RELOADED = "reloaded"
    RELOAD_FAILED = "reload-failed"
    STOPPED = "stopped"  # it accepts no more


@dataclass(frozen=True, slots=True)
class Reload:
    """Parent to worker: go on with this."""

    bundle: Bundle


@dataclass(frozen=True, slots=True)
class Count:
    """Parent to one worker: count this, since the counters are the workers'."""

    name: str


@dataclass(frozen=True, slots=True)
class TellEditors:
    """Parent to one worker: send the editors of rules a mail about these mistakes."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drain:
    """Parent to worker: stop accepting, finish what is in hand, go."""


class Channel:
    """One end. Reading never blocks: `receive` gives what is complete."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._buffer = bytearray()
        self.closed = False

    def fileno(self) -> int:
        """For selectors."""
        return self.end.fileno()

    def send(self, message: object) -> None:
        """Send one value; waits until it is away, for `SEND_SECONDS` at most.

        Raises:
            TimeoutError: the other end doesn't read; with half a value on it the channel is of no use now.
            OSError: the other end is gone.
        """
        content = pickle.dumps(message)
        self.end.settimeout(SEND_SECONDS)
        try:
            self.end.sendall(_LENGTH.pack(len(content)) + content)
        finally:
            self.end.settimeout(0)

    def receive(self) -> list[object]:
        """All values that have arrived; sets `closed` when the other end is gone."""
        self.end.settimeout(0)
        try:
            while True:
                data = self.end.recv(262_144)
                if not data:
                    self.closed = True
                    break
                self._buffer += data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True
        values: list[object] = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_MESSAGE:
                self.closed = True
                break
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            values.append(pickle.loads(bytes(self._buffer[_LENGTH.size : end])))  # noqa: S301 - our own other end
            del self._buffer[:end]
        return values

    def close(self) -> None:
        """Let go of this end."""
        self.closed = True
        self.end.close()
