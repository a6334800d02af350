"""Several hosts: order, failover, who is passed over, what is offered (SMTP.md rules 4 and 10)."""

import asyncio

import pytest

from gateway.errors import NextHopFault
from gateway.relay.hosts import _merge
from gateway.relay.settings import Host
from gateway.smtp.capabilities import Capabilities
from tests.peers.action import lost, reply
from tests.peers.scripted import ScriptedHop
from tests.unit.relay.relaying import NOTHING, accepted, codes, finished, mail, pooled, sent


async def test_first_host_first() -> None:
    """Hosts are tried in the order of the config: failover, not balance."""
    async with ScriptedHop() as first, ScriptedHop() as second, pooled(first, second) as pool:
        outbounds = [await accepted(pool) for _ in range(5)]
        for outbound in outbounds:
            await finished(outbound)
        assert (len(first.taken), len(second.sessions)) == (5, 0)


async def test_failed_host_is_passed_over() -> None:
    """A host that failed isn't asked for some seconds, then by one caller.

    Once it works it comes first again.
    """
    async with (
        ScriptedHop({"banner": lost()}) as first,
        ScriptedHop() as second,
        pooled(first, second, max_mails=1) as pool,
    ):
        for _ in range(4):
            await sent(pool)
        assert (len(first.sessions), len(second.taken)) == (1, 4)
        (state, _) = pool._hosts._states
        state.retry_at = 0.0
        outbounds = await asyncio.gather(*(accepted(pool) for _ in range(3)))
        assert (len(first.sessions), {outbound.host for outbound in outbounds}) == (2, {second.address})
        for outbound in outbounds:
            await finished(outbound)
        first.script(None)
        state.retry_at = 0.0
        await sent(pool)
        await sent(pool)
        assert (len(first.taken), pool.status()[0].failures, pool.status()[0].failed) == (2, 0, 2)


async def test_failed_hosts_are_asked_when_all_failed() -> None:
    """Passed over only while another may do: mail flows again at once when the only host is back."""
    async with ScriptedHop() as first, ScriptedHop() as second, pooled(first, second) as pool:
        await first.stop()
        await second.stop()
        for _ in range(2):
            with pytest.raises(NextHopFault) as caught:
                await sent(pool)
            assert first.address in str(caught.value)
            assert second.address in str(caught.value)
        await second.start()
        assert (await sent(pool)).code == 250


async def test_host_that_dies_at_mail_is_passed_over() -> None:
    """A host that greets and then never answers isn't a working one: the next mails go elsewhere."""
    async with (
        ScriptedHop({"mail": lost()}) as first,
        ScriptedHop() as second,
        pooled(first, second, max_mails=1) as pool,
    ):
        for _ in range(3):
            assert (await sent(pool)).code == 250
        assert (len(first.sessions), len(second.taken)) == (1, 3)


async def test_log_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """An outage is two lines in the log, not two for each mail."""
    async with ScriptedHop() as hop, pooled(hop) as pool:
        await hop.stop()
        for _ in range(3):
            with pytest.raises(NextHopFault):
                await sent(pool)
        await hop.start()
        await sent(pool)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("gateway.relay")]
    assert len(messages) == 2
    assert messages[1] == f"next hop next-hop: {hop.address} works again"


def test_labels() -> None:
    """``host:port``, with brackets where the colon would be read wrong."""
    assert Host(name="mx.example", port=25).label == "mx.example:25"
    assert Host(name="2001:db8::1", port=2525).label == "[2001:db8::1]:2525"


async def test_offer_over_several_hosts() -> None:
    """Rule 10: what all have, SMTPUTF8 if one has it, the largest SIZE.

    Of the hosts that were asked so far.
    """
    first = ScriptedHop(keywords=["PIPELINING", "SIZE 1000", "DSN", "8BITMIME"])
    second = ScriptedHop(keywords=["SIZE 2000", "8BITMIME", "SMTPUTF8"])
    async with first, second, pooled(first, second) as pool:
        before = await pool.capabilities()
        assert (before.size, b"DSN" in before, b"SMTPUTF8" in before) == (1000, True, False)
        await first.stop()
        outbound = await pool.begin(NOTHING)
        await outbound.end()
        await sent(pool)
        after = await pool.capabilities()
        assert (after.size, b"DSN" in after, b"SMTPUTF8" in after, b"8BITMIME" in after) == (
            2000,
            False,
            True,
            True,
        )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((b"10", b"20"), b"20"), ((b"10", b""), b""), ((b"10", b"0"), b""), ((b"10",), b"10")],
)
def test_size_of_several(sizes: tuple[bytes, ...], expected: bytes) -> None:
    """Rule 10: SIZE is the largest; a host without a limit has the largest of all."""
    merged = _merge([Capabilities(((b"SIZE", size),)) for size in sizes])
    assert merged is not None
    assert merged.parameters(b"SIZE") == expected


def test_nothing_known() -> None:
    """Rule 10: nothing known is not the same as nothing offered."""
    assert _merge([]) is None
    assert _merge([Capabilities()]) == Capabilities()


async def test_refusals_are_no_failover() -> None:
    """Rule 4: a refused MAIL is an answer; asking another host would be shopping for a yes."""
    async with ScriptedHop({"mail": reply(450, "4.7.1 greylisted")}) as first, ScriptedHop() as second:
        async with pooled(first, second) as pool:
            outbound = await pool.begin(NOTHING)
            assert codes(await outbound.envelope([mail()])) == [450]
            await outbound.end()
        assert second.sessions == []
