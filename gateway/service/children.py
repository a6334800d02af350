"""The processes that the parent has made: forked, listened to, reaped, and started anew when they die.

A child that dies young is started again only after a pause that doubles each time; so is one that could not
even be started. What a child does is not known here.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.service.control import Channel
from gateway.service.eyes.table import Table

log = logging.getLogger("careerrelay")

#: A child that lived shorter than this is started again only after a pause.
SHORT_LIFE = 5.0
LONGEST_PAUSE = 30.0

#: The index of the child that serves HTTP, beside the workers' numbers.
WEB = -1

#: What a child does, with its end of the channel and its index.
Work = Callable[[Channel, int], None]


@dataclass(slots=True)
class Child:
    """One of them. `ready` and `stopped` are what it has said of itself."""

    pid: int
    index: int
    channel: Channel
    born: float = field(default_factory=time.monotonic)
    ready: bool = False
    stopped: bool = False


class Children:
    """All of them, by process; true while one lives or is to be started.

    Args:
        work: runs in the child, which ends when it returns.
        selector: their channels are registered there, each with its `Child`.
        table: where they are counted.
    """

    def __init__(self, *, work: Work, selector: selectors.BaseSelector, table: Table) -> None:
        self._work = work
        self._selector = selector
        self._table = table
        self._living: dict[int, Child] = {}
        self._due: dict[int, float] = {}  # index -> when to start it again
        self._pauses: dict[int, float] = {}

    def __bool__(self) -> bool:
        return bool(self._living or self._due)

    def __iter__(self) -> Iterator[Child]:
        """Those that live, also when some die meanwhile."""
        return iter(list(self._living.values()))

    @property
    def workers(self) -> list[Child]:
        """Those that live and take mail."""
        return [child for child in self if child.index != WEB]

    # --- being born ---------------------------------------------------------------------------------------

    def start(self, index: int) -> None:
        """Make the child of this index."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._live(Channel(theirs), index)
        theirs.close()
        ours.settimeout(0)
        child = Child(pid, index, Channel(ours))
        self._living[pid] = child
        self._selector.register(child.channel, selectors.EVENT_READ, child)

    def _live(self, channel: Channel, index: int) -> None:
        """In the new process: nothing of the parent's may be left open, or its death would go unnoticed."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for child in self:
                child.channel.close()
            self._selector.close()
            self._work(channel, index)
            code = 0
        except BaseException:
            log.exception("worker failed")
        finally:
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)

    def put_off(self, index: int, *, least: float) -> float:
        """Start it later: after `least` seconds, and twice as long as the last time. Gives the pause."""
        pause = min(LONGEST_PAUSE, max(least, self._pauses.get(index, 0.0) * 2))
        self._plan(index, pause)
        return pause

    def _plan(self, index: int, pause: float) -> None:
        self._pauses[index] = pause
        self._due[index] = time.monotonic() + pause

    def wait(self) -> float | None:
        """Seconds until one is to be started; None: no one is."""
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def take_due(self) -> list[int]:
        """The indexes of those that are to be started now."""
        due = [index for index, moment in self._due.items() if moment <= time.monotonic()]
        for index in due:
            del self._due[index]
        return due

    # --- talking ------------------------------------------------------------------------------------------

    def hear(self, child: Child) -> list[object]:
        """What it has said."""
        words = child.channel.receive()
        if child.channel.closed:
            self._forget(child)
        return words

    def count_ready(self) -> None:
        """Tell the table how many workers take mail."""
        self._table.parent.set("workers-ready", sum(child.ready for child in self.workers))

    def tell(self, child: Child, message: object) -> bool:
        """Tell one; False where it can't hear. One that hangs is killed."""
        try:
            child.channel.send(message)
        except TimeoutError:
            self._kill(child)
        except OSError:
            pass  # it died: the one that takes its place begins with what holds now
        else:
            return True
        return False

    def tell_one(self, message: object) -> bool:
        """Tell any one worker, for what is to be done once."""
        return any(self.tell(child, message) for child in self.workers if child.ready)

    # --- dying --------------------------------------------------------------------------------------------

    def reap(self, *, again: bool) -> None:
        """Bury those that have ended; `again`: plan a new one for each."""
        while self._living:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._living.pop(pid, None)
            if child is None:
                continue
            self._forget(child)
            child.channel.close()
            self.count_ready()
            if again:
                self._replace(child, status)

    def _replace(self, child: Child, status: int) -> None:
        if time.monotonic() - child.born < SHORT_LIFE:
            pause = self.put_off(child.index, least=0.5)
        else:
            pause = 0.0
            self._plan(child.index, pause)
        how = (
            f"signal {os.WTERMSIG(status)}"
            if os.WIFSIGNALED(status)
            else f"exit {os.waitstatus_to_exitcode(status)}"
        )
        self._table.parent.add("restarts")
        what = "web server died, mail goes on" if child.index == WEB else "worker died"
        log.error(what, extra={"fields": {"worker": child.pid, "how": how, "starts_again_in": pause}})

    def _forget(self, child: Child) -> None:
        """Listen to it no more."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(child.channel)

    def start_no_more(self) -> None:
        """Nobody is started again."""
        self._due.clear()

    def end(self) -> None:
        """Kill those that are left, and wait until they are gone."""
        for child in self:
            self._kill(child)
        while self._living:
            pid, _ = os.waitpid(-1, 0)
            self._living.pop(pid, None)

    def _kill(self, child: Child) -> None:
        log.error("worker hangs, killed", extra={"fields": {"worker": child.pid}})
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
