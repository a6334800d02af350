"""Each bound of a listener: what the peer hears, that it is counted, that others go on; and memory."""

import asyncio
import ssl
from base64 import b64encode
from pathlib import Path

import pytest

from gateway.config.model import Config
from gateway.config.password import hash_password
from gateway.config.users import User, write_users
from gateway.edge.limits import SENDERS, TABLE, Limit, Rates
from tests.integration.harness import ORDINARY, gateway, greeted, other_mail
from tests.integration.running import running, until
from tests.integration.test_tls import LISTEN, listener, pair
from tests.peers.action import Action, reply
from tests.peers.client import Client, send_mail, stuffed, transact
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop

ON_UVLOOP = True
SECURITY = Path(__file__).resolve().parents[2] / "docs" / "security.md"


async def test_connections_in_all_and_by_peer() -> None:
    """The one too many gets 421 and leaves the others alone; a place that is free again is given."""
    changes = {"limits": {"connections": 3, "connections_per_peer": 2}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        first = await Client.connect(relay.port, source="127.0.0.8")
        second = await Client.connect(relay.port, source="127.0.0.8")
        assert [await first.code(), await second.code()] == [220, 220]
        third = await Client.connect(relay.port, source="127.0.0.8")
        answer = await third.reply()
        assert (answer.code, answer.enhanced) == (421, "4.7.0")
        await third.closed()
        assert relay.journal.counts[Limit.PEER_CONNECTIONS] == 1
        other = await Client.connect(relay.port, source="127.0.0.9")
        assert await other.code() == 220
        fourth = await Client.connect(relay.port, source="127.0.0.10")
        assert await fourth.code() == 421
        assert relay.journal.counts[Limit.CONNECTIONS] == 1
        await first.close()
        await relay.until(lambda: len(relay.registry) == 2)
        again = await Client.connect(relay.port, source="127.0.0.8")
        assert await again.code() == 220
        for client in (second, third, other, fourth, again):
            await client.close()
        await relay.until(lambda: relay.registry._peers == {})


async def test_commands_without_a_mail() -> None:
    """So many NOOPs, or MAIL and RSET in turn, lead nowhere; a mail begins the count anew."""
    async with ScriptedHop() as hop, gateway(hop, limits={"commands": 12}) as relay:
        async with greeted(relay.port) as client:
            for _ in range(3):
                for _ in range(6):
                    assert (await client.command(b"NOOP")).code == 250
                assert (await transact(client, ORDINARY))[-1].code == 250
            for _ in range(6):
                assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
                assert (await client.command(b"RSET")).code == 250
            assert (await client.command(b"NOOP")).code == 250
            answer = await client.reply()
            assert (answer.code, answer.enhanced) == (421, "4.7.0")
            await client.closed()
        assert relay.journal.counts[Limit.COMMANDS] == 1


async def test_cwe_204_trying_out_recipients_ends() -> None:
    """Finding out whom the next hop knows, by RCPT after RCPT, ends with the commands of a session."""
    async with (
        ScriptedHop({"rcpt": reply(550, "5.1.1 nobody here")}) as hop,
        gateway(hop, limits={"commands": 20}) as relay,
        greeted(relay.port) as client,
    ):
        await client.command(b"MAIL FROM:<hr@example.co.jp>")
        await client.send(b"".join(b"RCPT TO:<x%d@example.com>\r\n" % number for number in range(30)))
        assert await client.code() == 550
        assert b"421 4.7.0 Too many commands" in await client.closed()
        assert relay.journal.counts[Limit.COMMANDS] == 1


async def test_errors_lines_recipients_and_sizes_are_counted() -> None:
    """Each by its own name."""
    changes = {"limits": {"errors": 3, "recipients": 2, "commands": 100, "mail_bytes": 2_000}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with greeted(relay.port) as client:
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp> SIZE=2001")).code == 552
            await client.command(b"MAIL FROM:<hr@example.co.jp>")
            codes = [(await client.command(b"RCPT TO:<t%d@example.com>" % at)).code for at in range(3)]
            assert codes == [250, 250, 452]
            await client.command(b"DATA")
            await client.send(stuffed(b"x" * 3_000 + b"\r\n"))
            assert await client.code() == 552
            assert (await client.command(b"NOOP " + b"x" * 5_000)).code == 500
            assert (await client.command(b"HELLO")).code == 500
            assert (await client.command(b"RCPT TO:<t@example.com>")).code == 503
            assert (await client.command(b"DATA")).code == 503
            assert await client.code() == 421
        counts = relay.journal.counts
        assert [counts[limit] for limit in (Limit.SIZE, Limit.RECIPIENTS, Limit.LINE, Limit.ERRORS)] == [
            2,
            1,
            1,
            1,
        ]


async def test_age_of_a_session() -> None:
    """It ends between mails, never in one."""
    async with ScriptedHop() as hop, gateway(hop, limits={"session_seconds": 0.2}) as relay:
        async with greeted(relay.port) as client:
            await client.command(b"MAIL FROM:<hr@example.co.jp>")
            await asyncio.sleep(0.25)
            await client.command(b"RCPT TO:<taro@example.com>")
            await client.command(b"DATA")
            await client.send(stuffed(ORDINARY))
            assert await client.code() == 250
            answer = await client.reply()
            assert (answer.code, answer.enhanced) == (421, "4.4.2")
            await client.closed()
        assert relay.journal.counts[Limit.SESSION] == 1
        assert len(hop.taken) == 1


async def test_slowloris_upload_ends() -> None:
    """A sender that keeps a mail open octet by octet is cut off in the end; nothing of it is sent on."""
    limits = {"upload_seconds": 0.3, "block_seconds": 5.0}
    async with ScriptedHop() as hop, gateway(hop, limits=limits) as relay, other_mail(relay, hop):
        async with greeted(relay.port) as client:
            await client.command(b"MAIL FROM:<hr@example.co.jp>")
            await client.command(b"RCPT TO:<taro@example.com>")
            await client.command(b"DATA")
            sender = asyncio.ensure_future(client.send_by_byte(b"X: " + b"y" * 500, pause=0.02))
            answer = await client.reply()
            assert (answer.code, answer.enhanced) == (421, "4.4.2")
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        assert relay.journal.counts[Limit.UPLOAD] == 1
        assert not [one for one in hop.complete if one.sender == b"hr@example.co.jp"]


async def test_mails_of_a_sender_in_an_hour() -> None:
    """One too many is put off, by sender in any case of letters; bounces and others go on."""
    changes = {"limits": {"sender_mails_per_hour": 2}}
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        for sender in (b"hr@example.co.jp", b"HR@Example.co.jp", b"other@example.co.jp", b"", b"", b""):
            assert (await send_mail(relay.port, ORDINARY, sender=sender))[-1].code == 250
        (answer,) = await send_mail(relay.port, ORDINARY)
        assert (answer.code, answer.enhanced) == (450, "4.7.1")
        assert relay.journal.counts[Limit.SENDER] == 1


async def test_a_reload_forgets_no_sender(tmp_path: Path) -> None:
    """The hour goes on: whoever can have the rules reloaded sends no more for that."""
    settings = {"limits": {"sender_mails_per_hour": 1}}
    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        relay.configure({"limits": {"sender_mails_per_hour": 1, "recipients": 500}})
        relay.reload()
        await until(lambda: "reloaded worker" in relay.log(), "a reload")
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 450
        relay.configure({"limits": {"sender_mails_per_hour": 2}})
        relay.reload()
        await until(lambda: relay.log().count("reloaded worker") == 2, "another bound")
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250


def test_rates() -> None:
    """An hour from the first mail on; what is remembered has a bound."""
    now = [0.0]
    rates = Rates(2, lambda: now[0])
    assert [rates.take("a") for _ in range(3)] == [True, True, False]
    now[0] = 3_599.0
    assert not rates.take("a")
    now[0] = 3_600.0
    assert rates.take("a")
    for number in range(SENDERS + 10):
        rates.take(f"s{number}")
    assert len(rates._sent) == SENDERS


def test_every_limit_is_documented() -> None:
    """docs/security.md has a row for each: key, default, reply, counter."""
    text = SECURITY.read_text("utf-8")
    for limit, (key, answer) in TABLE.items():
        section, _, name = key.partition(".")
        default = Config.model_fields[section].annotation.model_fields[name].default  # type: ignore[union-attr]
        row = f"| `{key}` | {default:,} | {answer.code} {answer.enhanced} | `{limit}` |"
        assert row in text, row


def _resident(gateway: Gateway) -> int:
    """Octets of memory that the gateway's processes have, without what they share."""
    total = 0
    for process in gateway.processes():
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(("Private_Dirty:", "Private_Clean:")):
                total += int(line.split()[1]) * 1_024
    return total


async def _hostile(port: int, kind: int, tls: ssl.SSLContext | None) -> Client:
    """A session that takes as much memory as it can, in one of five ways, and then keeps still."""
    client = await Client.connect(port, receive_buffer=4_096 if kind == 3 else None)
    await client.hello()
    if tls is not None:
        await client.starttls(tls)
        await client.greet()
    if kind == 0:  # a line without an end
        await client.send(b"NOOP " + b"x" * 900_000)
    elif kind == 1:  # a header without an end, as much as is held before the verdict
        for line in (b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>", b"DATA"):
            await client.command(line)
        await client.send(b"X-Long: " + b"y\r\n " * 64_000)
    elif kind == 4:  # all the recipients that there may be, with long addresses, and a header without an end
        await client.command(b"MAIL FROM:<hr@example.co.jp>")
        for start in range(0, 1_000, 100):
            names = [b"%d" % number + b"y" * 100 for number in range(start, start + 100)]
            await client.send(b"".join(b"RCPT TO:<" + name + b"@example.com>\r\n" for name in names))
            assert {await client.code() for _ in names} == {250}
        await client.command(b"DATA")
        await client.send(b"X-Long: " + b"y\r\n " * 64_000)
    elif kind == 2:  # a mail that the next hop doesn't take, as far as it is let in
        for line in (b"MAIL FROM:<slow@example.co.jp>", b"RCPT TO:<taro@example.com>", b"DATA"):
            await client.command(line)
        client.writer.write(b"Subject: x\r\n\r\n" + b"z" * 76 * 1_000 + (b"z" * 76 + b"\r\n") * 40_000)
    else:  # commands whose replies it doesn't read
        client.writer.write(b"EHLO x.example\r\n" * 20_000)
    return client


@pytest.mark.parametrize("secure", [False, True])
async def test_memory_has_the_bound_that_is_stated(tmp_path: Path, *, secure: bool) -> None:
    """docs/security.md: 2 MiB a session, whatever its peer does. Sixty sessions do their worst."""
    sessions = 60
    server = pair(tmp_path, "server")
    async with ScriptedHop() as hop:
        hop.script(
            lambda moment: (
                Action(stall=True)
                if moment.stage == "content"
                and hop.sessions[moment.connection].transactions[-1].sender == b"slow@example.co.jp"
                else None
            )
        )
        port = free_port()
        settings = {
            **listener(server, port=port),
            "limits": {"connections_per_peer": 100},
            "next_hop": {"connections": 100},
        }
        async with running(hop, settings, port=port) as relay:
            await send_mail(relay.port, ORDINARY)
            before = _resident(relay)
            clients = await asyncio.gather(
                *(_hostile(relay.port, at % 5, server.client() if secure else None) for at in range(sessions))
            )
            await asyncio.sleep(1.0)
            grown = _resident(relay) - before
            assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
            for client in clients:
                client.reset()
        assert grown < sessions * 2 * (1 << 20), f"{grown / sessions / 1024:.0f} KiB a session"


async def test_a_thousand_recipients_with_the_longest_addresses() -> None:
    """What is held of them has a bound of its own: 452 for the rest, counted; the others get the mail."""
    parameter = b" ORCPT=rfc822;" + b"x" * 400
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        await client.command(b"MAIL FROM:<hr@example.co.jp>")
        codes = []
        for number in range(1_000):
            name = b"%d" % number + b"y" * 500
            codes.append((await client.command(b"RCPT TO:<" + name + b"@example.com>" + parameter)).code)
        taken = codes.count(250)
        assert 100 <= taken < 200
        assert codes == [250] * taken + [452] * (1_000 - taken)
        assert relay.journal.counts[Limit.RECIPIENTS] == 1_000 - taken
        await client.command(b"DATA")
        await client.send(stuffed(ORDINARY))
        assert await client.code() == 250
        assert len(hop.taken[0].recipients) == taken
        assert (await transact(client, ORDINARY))[-1].code == 250  # and the next mail starts anew


async def test_a_thousand_sessions_that_do_nothing() -> None:
    """docs/security.md: some 20 KiB each; the one past the limit is told so, and others' mail goes on."""
    sessions = 1_000
    settings = {"limits": {"connections": sessions, "connections_per_peer": sessions}}
    async with ScriptedHop() as hop, running(hop, settings) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        before = _resident(relay)
        async with greeted(relay.port) as client:
            others: list[Client] = []
            for _ in range(9):
                some = await asyncio.gather(*(Client.connect(relay.port) for _ in range(111)))
                assert {await one.code() for one in some} == {220}
                others += some
            grown = _resident(relay) - before
            async with await Client.connect(relay.port) as late:
                assert await late.code() == 421
            assert (await transact(client, ORDINARY))[-1].code == 250
            for one in others:
                one.reset()
        assert grown < sessions * 40 * 1_024, f"{grown / sessions / 1024:.0f} KiB a session"


@pytest.mark.timeout(180)
async def test_a_flood_of_logins_has_a_bound(tmp_path: Path) -> None:
    """Twelve guess at once, with hashes as dear as can be: two are computed at a time, the rest wait."""
    server = pair(tmp_path, "server")
    write_users(tmp_path / "users.toml", [User(name="payroll", password=hash_password("right", bytes(16)))])
    settings = {
        "listen": [
            {
                **LISTEN,
                "port": (port := free_port()),
                "tls": "required",
                "tls_mode": "implicit",
                "auth": "required",
                "certificate_file": str(server.certificate),
                "certificate_key_file": str(server.key),
            }
        ],
        "auth": {"users_file": str(tmp_path / "users.toml")},
    }
    context = server.client()

    async def guess(number: int) -> int:
        async with await Client.connect(
            port, tls=context, source=f"127.0.0.{number + 2}", patience=60
        ) as one:
            await one.hello()
            return (await one.command(b"AUTH PLAIN " + b64encode(b"\0payroll\0wrong%d" % number))).code

    async with ScriptedHop() as hop, running(hop, settings, port=port) as relay:
        assert await guess(100) == 535
        before, most = _resident(relay), 0
        guesses = asyncio.gather(*(guess(number) for number in range(12)))
        while not guesses.done():
            most = max(most, _resident(relay))
            await asyncio.sleep(0.05)
        assert set(await guesses) <= {535, 454, 421}
        assert most - before < (64 << 20) + 12 * (2 << 20), f"{(most - before) >> 20} MiB"
