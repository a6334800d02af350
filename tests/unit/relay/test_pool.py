"""The pool: who gets a place and when, which connections are used again.

And how it ends (SMTP.md rules 2, 8, 9, 10).
"""

import asyncio

import pytest

from gateway.errors import NextHopFault
from gateway.relay.outbound import OutboundTransaction
from gateway.relay.pool import Pool
from tests.peers.action import Action, broken, lost, reply, silent
from tests.peers.scripted import ScriptedHop
from tests.unit.relay.relaying import (
    CONTENT,
    NOTHING,
    SOON,
    accepted,
    codes,
    finished,
    host,
    mail,
    pooled,
    rcpt,
    sent,
    settings,
    until,
)  # fmt: skip


async def test_connection_is_used_again() -> None:
    """Rule 8: after a 250 to the dot the connection serves the next mail."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        for _ in range(3):
            await sent(pool)
        assert (len(hop.sessions), len(hop.taken)) == (1, 3)
        assert pool.places == (20, 0, 1, 0)


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
async def test_nothing_but_a_250_comes_back(stage: str) -> None:
    """Rule 8: a connection with a refused mail on it is left with QUIT.

    One bad sender would slow down strangers.
    """
    async with ScriptedHop({stage: reply(550, "5.7.1 no")}) as hop, pooled(hop) as pool:
        for _ in range(2):
            outbound = await pool.begin(NOTHING)
            await outbound.envelope([mail(), rcpt()])
            if (await outbound.data()).reply.code == 354:
                await outbound.write(CONTENT)
                assert (await outbound.finish()).code == 550
            await outbound.end()
        assert len(hop.sessions) == 2
        await hop.wait(lambda: [session.ended for session in hop.sessions] == ["quit", "quit"])


async def test_mails_a_connection() -> None:
    """Rule 8: closed after so many mails."""
    async with ScriptedHop() as hop, pooled(hop, max_mails=3) as pool:
        for _ in range(7):
            await sent(pool)
        assert [done.connection for done in hop.taken] == [0, 0, 0, 1, 1, 1, 2]


async def test_age_of_a_connection() -> None:
    """Rule 8: no mail begins on an old connection, whether it grew old in use or in the pool."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        for age_before_end in (True, False):
            outbound = await accepted(pool)
            connection = outbound._connection
            assert connection is not None
            connection.born -= 241 if age_before_end else 0
            await finished(outbound)
            connection.born -= 241
        await sent(pool)
        assert [done.connection for done in hop.taken] == [0, 1, 2]
        await hop.wait(lambda: [session.ended for session in hop.sessions[:2]] == ["quit", "quit"])


async def test_idle_connection_is_closed() -> None:
    """Rule 8: QUIT after the idle time, and no NOOP before."""
    async with ScriptedHop() as hop, pooled(hop, idle=0.05) as pool:
        await sent(pool)
        await hop.wait(lambda: hop.sessions[0].ended == "quit")
        assert pool.places == (20, 0, 0, 0)
        assert hop.sessions[0].commands[-2:] == [b"DATA", b"QUIT"]


@pytest.mark.parametrize(
    "ending", [Action(end="close"), broken(), reply(421, "4.4.2 idle"), reply(250, "hello?")], ids=str
)
async def test_idle_connection_that_moves_is_dead(ending: Action) -> None:
    """Rule 8: bytes or EOF while idle: the connection is dead at once, not at the next mail."""
    # The dot's answer and what comes right behind it, in segments of their own.
    async with ScriptedHop() as hop, pooled(hop) as pool:
        await sent(pool)
        (connection,) = pool._idle
        hop.script({"noop": ending})
        assert connection._transport is not None
        connection._transport.write(b"NOOP\r\n")
        await until(lambda: pool.places == (20, 0, 0, 0))
        await sent(pool)
        assert [done.connection for done in hop.taken] == [0, 1]


async def test_host_that_restarts() -> None:
    """Rule 8: idle connections to a host that goes down are forgotten, and the next mail finds it again."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        outbounds = [await accepted(pool) for _ in range(5)]
        for outbound in outbounds:
            await finished(outbound)
        assert pool.places == (20, 0, 5, 0)
        await hop.stop()
        await until(lambda: pool.places == (20, 0, 0, 0))
        await hop.start()
        assert (await sent(pool)).code == 250


# places


async def test_places_are_bounded() -> None:
    """Rule 9: never more than `connections` to a host, idle ones included, whatever is asked."""
    async with ScriptedHop() as hop, pooled(hop, connections=3) as pool:
        now, most = 0, 0

        async def one() -> None:
            nonlocal now, most
            outbound = await pool.begin(NOTHING)
            now += 1
            most = max(most, now)
            assert codes(await outbound.envelope([mail(), rcpt()])) == [250, 250]
            assert len(pool._open) <= 3
            now -= 1
            await finished(outbound)

        await asyncio.gather(*(one() for _ in range(30)))
        assert (most, len(hop.taken), len(hop.sessions)) == (3, 30, 3)


async def test_idle_connections_make_room() -> None:
    """Rule 9: an idle connection that can't carry the mail makes room for one that can."""
    plain = ScriptedHop(keywords=["PIPELINING"])
    async with plain, ScriptedHop() as able, pooled(plain, able, connections=1) as pool:
        await sent(pool)
        outbound = await pool.begin(frozenset([b"DSN"]))
        assert codes(await outbound.envelope([mail(parameters=b"RET=HDRS")])) == [250]
        assert outbound.host == able.address
        await plain.wait(lambda: plain.sessions[0].ended == "quit")
        await outbound.end()


async def test_first_come_first_served() -> None:
    """Rule 9: those who wait get places in the order in which they came; a copy never jumps the line."""
    async with ScriptedHop() as hop, pooled(hop, connections=1) as pool:
        order: list[int] = []
        first = await accepted(pool)
        del pool.held[first]  # under way: it doesn't give its place up

        async def one(number: int) -> None:
            outbound = await pool.begin(NOTHING)
            order.append(number)
            await outbound.end()

        tasks = []
        for number in range(5):
            tasks.append(asyncio.ensure_future(one(number)))
            await until(lambda number=number: pool.places[3] == number + 1)  # type: ignore[misc]
        tasks[1].cancel()
        assert pool.try_begin(NOTHING) is None
        await first.end()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [0, 2, 3, 4]
        assert pool.places == (1, 0, 0, 0)


async def test_nobody_waits_for_ever() -> None:
    """Rule 9: no place in time: `busy`, which is 451 4.3.2."""
    async with ScriptedHop() as hop, pooled(hop, connections=1, timeouts={"wait": 0.05}, pin=60) as pool:
        held = await accepted(pool)
        with pytest.raises(NextHopFault) as caught:
            await pool.begin(NOTHING)
        assert caught.value.busy
        assert pool.places == (1, 1, 0, 0)
        await held.end()


async def test_place_that_comes_too_late_is_not_lost() -> None:
    """A place that is given at the very moment in which its waiter is cancelled goes back."""
    async with ScriptedHop() as hop, pooled(hop, connections=1) as pool:
        held = await accepted(pool)
        del pool.held[held]
        task = asyncio.ensure_future(pool.begin(NOTHING))
        await until(lambda: pool.places[3] == 1)
        await held.end()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool.places == (1, 0, 0, 0)


async def test_try_begin() -> None:
    """Rule 9: copies take places that are free, and never wait."""
    async with ScriptedHop() as hop, pooled(hop, connections=2) as pool:
        first, second = pool.try_begin(NOTHING), pool.try_begin(NOTHING)
        assert first is not None
        assert second is not None
        assert pool.try_begin(NOTHING) is None
        await first.end()
        third = pool.try_begin(NOTHING)
        assert third is not None
        assert (await finished(await started(third))).code == 250
        await second.end()


async def started(outbound: OutboundTransaction) -> OutboundTransaction:
    """MAIL and one RCPT."""
    assert codes(await outbound.envelope([mail(), rcpt()])) == [250, 250]
    return outbound


# a held mail does not pin a connection


async def test_silent_transaction_gives_its_place_up() -> None:
    """Rule 2: with the pool short, a held mail's place goes to who waits.

    DATA gets one again and the mail goes through.
    """
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=0.05) as pool:
        held = await accepted(pool, b"a@example.com", b"b@example.com")
        assert (await sent(pool, b"c@example.com")).code == 250
        await hop.wait(lambda: hop.sessions[0].ended == "quit")
        assert (await finished(held)).code == 250
        assert [done.recipients for done in hop.taken] == [
            [b"c@example.com"],
            [b"a@example.com", b"b@example.com"],
        ]


async def test_the_longest_silent_goes_first() -> None:
    """Rule 2: who has said something lately keeps the place longer."""
    async with ScriptedHop() as hop, pooled(hop, connections=2, pin=0.05) as pool:
        one = await accepted(pool)
        two = await accepted(pool)
        await one.envelope([rcpt(b"b@example.com")])
        third = await pool.begin(NOTHING)
        assert (one._placed, two._placed) == (True, False)
        for outbound in (one, two, third):
            await outbound.end()


async def test_a_shorter_patience_counts_at_once() -> None:
    """Rule 2: who is silent for longer than new settings allow gives its place up when they come."""
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=60) as pool:
        held = await accepted(pool)
        waiting = asyncio.ensure_future(pool.begin(NOTHING))
        await until(lambda: pool.places[3] == 1)
        pool.reconfigure(settings(hop, connections=1, pin=0.0))
        await (await waiting).end()
        assert not held._placed
        await held.end()


async def test_one_timer_serves_all_who_wait() -> None:
    """Rule 2: while the longest silent one is waited for, those who fall silent later set no timer."""
    async with ScriptedHop() as hop, pooled(hop, connections=2, pin=0.1) as pool:
        one, two = await accepted(pool), await accepted(pool)
        waiting = [asyncio.ensure_future(pool.begin(NOTHING)) for _ in range(2)]
        await until(lambda: pool.places[3] == 2)
        relief = pool._relief
        assert relief is not None
        await two.envelope([rcpt(b"b@example.com")])
        assert pool._relief is relief
        await one.envelope([rcpt(b"b@example.com")])
        assert pool._relief is relief, "it rings too soon now, and finds out then"
        for outbound in (await waiting[0], await waiting[1], one, two):
            await outbound.end()
        assert pool.places[1:2] == (0,)


async def test_nobody_waits_nobody_gives_up() -> None:
    """Rule 2: while the pool isn't short, a held mail keeps its connection."""
    async with ScriptedHop() as hop, pooled(hop, connections=2, pin=0.0) as pool:
        held = await accepted(pool)
        await sent(pool)
        assert (await finished(held)).code == 250
        assert {done.connection for done in hop.taken} == {0, 1}
        assert len(hop.sessions) == 2


async def test_no_place_again_is_busy() -> None:
    """Rule 2: the place that was given up isn't free in time when content could flow: `busy`."""
    timeouts = {"wait": 0.1}
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=0.0, timeouts=timeouts) as pool:
        held = await accepted(pool)
        other = await accepted(pool)
        del pool.held[other]
        with pytest.raises(NextHopFault) as caught:
            await held.data()
        assert caught.value.busy
        await held.end()
        assert (await finished(other)).code == 250
        assert pool.places == (1, 0, 1, 0)


async def test_transaction_under_way_keeps_its_place() -> None:
    """Rule 2: content that flows is never interrupted for somebody who waits."""
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=0.0, timeouts={"wait": 0.1}) as pool:
        outbound = await accepted(pool)
        await outbound.data()
        await outbound.write(CONTENT)
        with pytest.raises(NextHopFault):
            await pool.begin(NOTHING)
        assert (await outbound.finish()).code == 250
        await outbound.end()
        assert len(hop.taken) == 1


# capabilities


async def test_capabilities_are_asked_once() -> None:
    """Rule 10: the first EHLO asks the next hop, once for all who wait.

    The connection serves the first mail.
    """
    async with ScriptedHop(keywords=["PIPELINING", "SIZE 1000", "DSN"]) as hop, pooled(hop) as pool:
        answers = await asyncio.gather(*(pool.capabilities() for _ in range(10)))
        assert len({id(answer) for answer in answers}) == 1
        assert answers[0].keywords == ((b"PIPELINING", b""), (b"SIZE", b"1000"), (b"DSN", b""))
        await sent(pool)
        assert len(hop.sessions) == 1


async def test_capabilities_while_nobody_answers() -> None:
    """Rule 10: nothing is known and no host answers.

    A fault for each who asked (421 4.3.2), and another try next time.
    """
    async with ScriptedHop() as hop, pooled(hop) as pool:
        await hop.stop()
        answers = await asyncio.gather(*(pool.capabilities() for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [NextHopFault] * 3
        await hop.start()
        assert b"DSN" in await pool.capabilities()


async def test_capabilities_are_remembered() -> None:
    """Rule 10: never a shorter list because a host is down.

    What a new connection says replaces what was known.
    """
    async with ScriptedHop() as hop, pooled(hop) as pool:
        before = await pool.capabilities()
        await hop.stop()
        with pytest.raises(NextHopFault):
            await sent(pool)
        assert await pool.capabilities() == before
        hop.keywords = ["SIZE 5"]
        await hop.start()
        await sent(pool)
        assert (await pool.capabilities()).keywords == ((b"SIZE", b"5"),)


async def test_probe_outlives_who_asked() -> None:
    """One caller that goes away doesn't take the answer from the others."""
    hold = asyncio.Event()
    async with ScriptedHop({"banner": reply(220, "hi").when(hold)}) as hop, pooled(hop) as pool:
        tasks = [asyncio.ensure_future(pool.capabilities()) for _ in range(2)]
        await hop.wait(lambda: bool(hop.sessions))
        tasks[0].cancel()
        hold.set()
        assert b"DSN" in await tasks[1]


# reload and end


async def test_resize() -> None:
    """Rule 9: a larger share serves those who wait.

    A smaller one closes what is idle and holds from then on.
    """
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=60) as pool:
        first = await accepted(pool)
        waiting = asyncio.ensure_future(accepted(pool))
        await until(lambda: pool.places[3] == 1)
        pool.resize(2)
        second = await waiting
        await finished(first)
        await finished(second)
        assert pool.places == (2, 0, 2, 0)
        pool.resize(1)
        assert pool.places == (1, 0, 1, 0)
        assert (await sent(pool)).code == 250
        assert len(hop.sessions) == 2


async def test_shrunk_pool_lets_nobody_in_until_it_fits() -> None:
    """Rule 9: after a smaller share, places above it are not given away again."""
    async with ScriptedHop() as hop, pooled(hop, connections=3, pin=60) as pool:
        outbounds = [await accepted(pool) for _ in range(3)]
        pool.resize(1)
        waiting = asyncio.ensure_future(pool.begin(NOTHING))
        for outbound, free in zip(outbounds, (False, False, True), strict=True):
            await outbound.end()
            await asyncio.sleep(0)
            assert waiting.done() is free
        await (await waiting).end()
        assert pool.places == (1, 0, 0, 0)


async def test_reconfigure() -> None:
    """Reload: mails on their way finish where they are; no old connection is used again.

    What is known stays.
    """
    async with ScriptedHop() as old, ScriptedHop() as new, pooled(old) as pool:
        await sent(pool)
        under_way = await accepted(pool)
        known = await pool.capabilities()
        pool.reconfigure(settings(new, old, name="renamed", connections=7))
        assert (pool.name, pool.places[0], await pool.capabilities()) == ("renamed", 7, known)
        assert (await finished(under_way)).code == 250
        assert (await sent(pool)).code == 250
        assert (len(old.taken), len(new.taken)) == (2, 1)
        await old.wait(lambda: old.sessions[0].ended == "quit")


async def test_reconfigure_with_an_error_changes_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Promise 9: a CA file that can't be read is refused, and the old settings keep running."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        missing = tmp_path_factory.mktemp("ca") / "no.pem"
        with pytest.raises(OSError, match=r"no\.pem|No such file"):
            pool.reconfigure(settings(hop, tls="required", ca_file=missing))
        assert (await sent(pool)).code == 250


async def test_retired_pool_serves_and_keeps_nothing() -> None:
    """Reload: a pool that another replaces finishes its leases, serves who still comes.

    And keeps no connection.
    """
    async with ScriptedHop() as hop, pooled(hop) as pool:
        await sent(pool)
        under_way = await accepted(pool)
        pool.retire()
        assert (await finished(under_way)).code == 250
        assert (await sent(pool)).code == 250
        assert pool.places == (20, 0, 0, 0)


async def test_close_waits_for_mails_on_their_way() -> None:
    """Drain: nobody gets in, what is under way is finished (also where it has to be opened again).

    Then it is over.
    """
    async with ScriptedHop(connections=[None, {"data": lost()}, None]) as hop:
        pool = Pool(settings(hop, connections=2, pin=60))
        await (await accepted(pool)).end()
        under_way = await accepted(pool)
        other = await accepted(pool)
        waiting = asyncio.ensure_future(pool.begin(NOTHING))
        await until(lambda: pool.places[3] == 1)
        closing = asyncio.ensure_future(pool.close(10))
        with pytest.raises(NextHopFault):
            await waiting
        with pytest.raises(NextHopFault):
            await pool.begin(NOTHING)
        assert pool.try_begin(NOTHING) is None
        assert (await finished(under_way)).code == 250
        assert not closing.done()
        assert (await finished(other)).code == 250
        await closing
        assert not pool._open
        await hop.wait(lambda: all(session.ended for session in hop.sessions))


async def test_close_is_bounded() -> None:
    """Drain: what isn't done in time is cut off; its owner learns of it."""
    async with ScriptedHop({"dot": silent(), "quit": silent()}) as hop:
        pool = Pool(settings(hop))
        outbound = await accepted(pool)
        await outbound.data()
        finishing = asyncio.ensure_future(outbound.finish())
        await hop.wait(lambda: bool(hop.complete))
        await pool.close(0.05)
        with pytest.raises(NextHopFault):
            await finishing
        await outbound.end()
        assert not pool._open


async def test_close_ends_a_probe() -> None:
    """Drain: a host that is being asked for its capabilities doesn't hold up the end."""
    async with ScriptedHop({"banner": silent()}) as hop:
        pool = Pool(settings(hop))
        asking = asyncio.ensure_future(pool.capabilities())
        await hop.wait(lambda: bool(hop.sessions))
        await pool.close(5)
        with pytest.raises(NextHopFault):
            await asking


async def test_status() -> None:
    """Each host's record is there to be shown: what was opened, what failed and why."""
    async with ScriptedHop({"banner": lost()}) as bad, ScriptedHop() as good, pooled(bad, good) as pool:
        await sent(pool)
        first, second = pool.status()
        assert (first.host, first.opened, first.failures, first.failed) == (host(bad).label, 0, 1, 1)
        assert first.error
        assert (second.host, second.opened, second.failed, second.error) == (good.address, 1, 0, "")


async def test_wait_counts_into_the_budget() -> None:
    """Rule 7: DATA's budget holds for the wait for a place, too."""
    timeouts = {"data": SOON}
    async with ScriptedHop() as hop, pooled(hop, connections=1, pin=0.0, timeouts=timeouts) as pool:
        held = await accepted(pool)
        other = await accepted(pool)
        del pool.held[other]
        began = asyncio.get_running_loop().time()
        with pytest.raises(NextHopFault):
            await held.data()
        assert asyncio.get_running_loop().time() - began < 4 * SOON
        await held.end()
        await other.end()
