"""What systemd wants to hear, and gives: sd_notify(3), and sockets by socket activation, sd_listen_fds(3).

Both are a few octets on a socket and three variables; nothing here needs systemd to be there. Whoever starts
us tells by NOTIFY_SOCKET, LISTEN_FDS and WATCHDOG_USEC what it wants. The variables are taken out of the
environment, so that no child speaks for us.
"""

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

#: The first descriptor that is passed on, SD_LISTEN_FDS_START.
_FIRST = 3
#: More sockets than this are none of ours.
_MOST = 256


class Supervisor:
    """Tells whoever started us how we are. Never raises: nobody listening is no fault.

    Args:
        environment: NOTIFY_SOCKET and WATCHDOG_USEC are taken out of it.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        micro, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        ours = not process or process == str(os.getpid())
        #: Seconds between two signs of life: half of what is allowed. None: nobody waits for any.
        self.every = int(micro) / 2_000_000 if ours and micro.isascii() and micro.isdigit() else None
        self._due = 0.0

    def ready(self, status: str) -> None:
        """Mail is taken, by all workers; also after a reload."""
        self._say(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it (``Type=notify-reload`` wants the time)."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self) -> None:
        """No more mail is taken."""
        self._say("STOPPING=1\nSTATUS=draining")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._say(f"STATUS={text}")

    def wait(self) -> float | None:
        """Seconds until a sign of life is due; None: never."""
        return None if self.every is None else max(0.0, self._due - time.monotonic())

    def beat(self) -> None:
        """Give a sign of life, if one is due."""
        if self.every is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + self.every
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.settimeout(1)
            speaker.sendto(text.encode("utf-8"), self._address)


def take_sockets(environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The listening stream sockets that we were started with, in their order; none is no fault.

    Others among the descriptors are left alone. A second call gives nothing.
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not (count.isascii() and count.isdigit()) or int(count) > _MOST:
        return []
    found = []
    for number in range(_FIRST, _FIRST + int(count)):
        os.set_inheritable(number, False)  # noqa: FBT003 - as os has it
        passed = socket.socket(fileno=number)
        internet = passed.family in {socket.AF_INET, socket.AF_INET6} and passed.type == socket.SOCK_STREAM
        if internet and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            passed.settimeout(0)
            found.append(passed)
        else:
            passed.detach()
    return found


def claim(passed: list[socket.socket], address: str, port: int) -> socket.socket | None:
    """Take out of `passed` the one that is bound to this address and port; None if there is none."""
    for one in passed:
        if one.getsockname()[:2] == (address, port):
            passed.remove(one)
            return one
    return None
