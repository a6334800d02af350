"""Who waits for the writer hears in time, by one timer for all."""

import asyncio
from collections.abc import Callable

from gateway.store.deadlines import Deadlines
from gateway.store.queue import Ticket
from gateway.store.work import Find


def ticket() -> Ticket:
    """Somebody who waits."""
    return Ticket(Find(b"k"), None)


async def test_each_hears_when_its_time_is_up() -> None:
    """Not earlier, not much later; who was answered meanwhile, never."""
    loop = asyncio.get_running_loop()
    heard: dict[Ticket, float] = {}
    deadlines = Deadlines(loop, 0.1, lambda one: heard.update({one: loop.time()}))
    begun: dict[Ticket, float] = {}
    for number in range(6):
        one = ticket()
        begun[one] = loop.time()
        deadlines.add(one)
        if number == 2:
            one.over = True
        await asyncio.sleep(0.03)
    late = list(begun)[-1]
    assert late not in heard
    late.over = True
    await asyncio.sleep(0.15)
    assert list(heard) == [one for one in begun if not one.over]
    assert all(0.099 <= heard[one] - begun[one] < 0.18 for one in heard)
    # and again, once nobody waited any more
    again = ticket()
    deadlines.add(again)
    await asyncio.sleep(0.15)
    assert again in heard


async def test_one_timer_for_all() -> None:
    """However many wait; and nothing is kept of those who were answered, once another comes."""
    loop = asyncio.get_running_loop()
    timers: list[float] = []

    class Loop:
        time = staticmethod(loop.time)

        def call_later(self, seconds: float, _call: Callable[[], None]) -> None:
            timers.append(seconds)

    deadlines = Deadlines(Loop(), 5.0, lambda _: None)  # type: ignore[arg-type]  # as much of one as is used
    for _ in range(100):
        one = ticket()
        deadlines.add(one)
        one.over = True
    assert timers == [5.0]
    assert len(deadlines._waiting) == 1
