"""Who waits for the writer hears in time, by one timer for all."""

from collections.abc import Callable

import pytest

from gateway.store.deadlines import Deadlines
from gateway.store.queue import Ticket
from gateway.store.work import Find


class Loop:
    """As much of an event loop as is used, with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.made = 0

    def time(self) -> float:
        """The clock."""
        return self.now

    def call_at(self, moment: float, call: Callable[[], None]) -> None:
        """A timer."""
        self.made += 1
        self.timers.append((moment, call))

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """The same."""
        self.call_at(self.now + seconds, call)

    def turn(self, moment: float) -> None:
        """Let it be so late, with all that is due on the way."""
        while due := [timer for timer in self.timers if timer[0] <= moment]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            self.now = first[0]
            first[1]()
        self.now = moment


class Waiting:
    """Some who wait five seconds each, and when they heard."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.heard: list[tuple[float, Ticket]] = []
        self.deadlines = Deadlines(self.loop, 5.0, self._hear)  # type: ignore[arg-type]  # see `Loop`

    def _hear(self, ticket: Ticket) -> None:
        self.heard.append((self.loop.now, ticket))

    def add(self, at: float) -> Ticket:
        """One more, from this moment on."""
        self.loop.turn(at)
        ticket = Ticket(Find(b"k"), None)
        self.deadlines.add(ticket)
        return ticket


def test_each_hears_when_its_time_is_up() -> None:
    """Not earlier and not later; who was answered meanwhile, never."""
    waiting = Waiting()
    first, answered, second, third = (waiting.add(at) for at in (100.0, 101.0, 102.0, 104.5))
    answered.over = True
    waiting.loop.turn(120.0)
    assert waiting.heard == [(105.0, first), (107.0, second), (109.5, third)]


def test_it_begins_again() -> None:
    """Once nobody waited any more, the next one hears as the first did."""
    waiting = Waiting()
    waiting.add(100.0).over = True
    waiting.loop.turn(150.0)
    assert waiting.loop.timers == []
    again = waiting.add(200.0)
    waiting.loop.turn(300.0)
    assert waiting.heard == [(205.0, again)]


@pytest.mark.parametrize("count", [1, 100])
def test_one_timer_for_all(count: int) -> None:
    """However many wait; and nothing is kept of those who were answered, once another comes."""
    waiting = Waiting()
    for number in range(count):
        waiting.add(100.0 + number / 100).over = True
    assert waiting.loop.made == 1
    assert len(waiting.deadlines._waiting) == 1
