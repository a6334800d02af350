"""Several hosts, several routes, TLS and login: through the whole gateway (SMTP.md rules 1, 4, 7, 10, 11).

tests/unit/relay has each of these for the pool alone; here it is what the sender sees and the hosts get.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import (
    ORDINARY,
    SHORT,
    Relay,
    gateway,
    greeted,
    rejection,
    without_trace,
)
from tests.integration.running import LINK, running, until
from tests.peers.action import Action, Moment, broken, lost, nonsense, reply, silent
from tests.peers.certificate import Certificate, make_certificate
from tests.peers.client import Client, send_mail, transact
from tests.peers.folder import free_port
from tests.peers.scripted import KEYWORDS, ScriptedHop

ON_UVLOOP = True

MAIL, RCPT = b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>"
GOOD = [250, 250, 354, 250]
WITHOUT = {
    word: [one for one in KEYWORDS if not one.startswith(word)] for word in ("8BITMIME", "SMTPUTF8", "DSN")
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For the name and the address that the hosts have."""
    return make_certificate(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For another name, by another authority."""
    return make_certificate(tmp_path_factory.mktemp("other"), "elsewhere.example")


# --- hosts that fail ---------------------------------------------------------------------------------------

FAILS: Mapping[str, Mapping[str, Action]] = {
    "refused-in-banner": {"banner": reply(554, "5.3.2 no")},
    "busy": {"banner": reply(421, "4.3.2 busy").then("close")},
    "hangs-in-banner": {"banner": silent()},
    "hangs-in-ehlo": {"ehlo": silent()},
    "refuses-ehlo": {"ehlo": reply(550, "5.7.1 not you"), "helo": reply(550, "5.7.1 not you")},
    "lost-in-ehlo": {"ehlo": lost()},
    "reset-in-banner": {"banner": broken()},
    "nonsense": {"banner": nonsense()},
}


@pytest.mark.parametrize("way", ["nobody-listens", *FAILS])
@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_the_next_host_takes_what_the_first_does_not(way: str, mail: bytes) -> None:
    """Rule 4: faults up to EHLO try the next host, in the connect budget; nobody sees them."""
    budget = SHORT["timeouts"]["connect_seconds"]
    async with ScriptedHop(FAILS.get(way)) as one, ScriptedHop() as two:
        first: ScriptedHop | str = f"127.0.0.1:{free_port()}" if way == "nobody-listens" else one
        async with gateway(first, two, changes=SHORT) as relay:
            began = time.monotonic()
            assert [r.code for r in await send_mail(relay.port, mail)] == GOOD
            assert time.monotonic() - began < budget + 1
            # the host that failed is passed over for a while: nobody waits for it again
            began = time.monotonic()
            assert [r.code for r in await send_mail(relay.port, mail)] == GOOD
            assert time.monotonic() - began < budget / 2 + 0.2
        assert one.transactions == []
        assert len(two.taken) == 2
        assert all(bool(LINK.search(taken.content)) == (mail is not ORDINARY) for taken in two.taken)


async def test_third_of_three_and_back_to_the_first() -> None:
    """Rule 4: tried in order; the first that is well again gets the mail again."""
    changes = {**SHORT, "next_hop": {"idle_seconds": 0.1}}
    async with ScriptedHop() as one, ScriptedHop({"banner": lost()}) as two, ScriptedHop() as three:
        port = one.port
        await one.stop()
        async with gateway(one, two, three, changes=changes) as relay:
            assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
            assert len(three.taken) == 1
            await one.start()
            assert one.port == port
            relay.pool.reconfigure(relay.pool.settings)  # forgets nothing about hosts, ends idle connections
            async with asyncio.timeout(20):
                while not one.taken:
                    assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
                    relay.pool._hosts._states[0].retry_at = 0.0  # the pause after a fault is over


async def test_all_hosts_down_is_451_and_then_it_goes_on() -> None:
    """Rules 4 and 10: 451 4.4.1 at MAIL while nobody is there; EHLO stays what it was; other mail later."""
    async with ScriptedHop() as one, ScriptedHop() as two, gateway(one, two, changes=SHORT) as relay:
        async with greeted(relay.port) as client:
            known = client.keywords
        for hop in (one, two):
            await hop.stop()
        async with greeted(relay.port) as client:
            assert client.keywords == known
            told = await client.command(MAIL)
            assert (told.code, told.enhanced) == (451, "4.4.1")
            await two.start()
            assert [r.code for r in await transact(client, ORDINARY)] == GOOD
        assert len(two.taken) == 1


async def test_nothing_known_yet_and_nothing_reachable() -> None:
    """Rule 10: the first EHLO is 421 4.3.2 in the connect budget, for each who asks; never a shorter list."""
    hosts = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    async with gateway(*hosts, changes=SHORT) as relay:

        async def ask() -> None:
            async with await Client.connect(relay.port) as client:
                told = await client.hello()
                assert (told.code, told.enhanced) == (421, "4.3.2")
                assert await client.closed() == b""

        began = time.monotonic()
        await asyncio.gather(*(ask() for _ in range(20)))
        assert time.monotonic() - began < 5, "twenty budgets one after the other would be ten seconds"


@pytest.mark.parametrize("mail", [ORDINARY, rejection()], ids=["ordinary", "rejection"])
async def test_dies_between_rcpt_and_content(mail: bytes) -> None:
    """Rule 1: opened again on the other host with the same MAIL and accepted RCPTs; answers given stand."""
    recipients = (b"a@example.com", b"b@example.com", b"c@example.com")
    script = {("rcpt", b"b@example.com"): reply(550, "5.1.1 nobody")}
    async with ScriptedHop(script) as one, ScriptedHop() as two, gateway(one, two) as relay:
        async with greeted(relay.port) as client:
            codes = [(await client.command(MAIL)).code]
            codes += [(await client.command(b"RCPT TO:<%b>" % address)).code for address in recipients]
            assert codes == [250, 250, 550, 250]
            await one.stop()
            assert (await client.command(b"DATA")).code == 354
            await client.send(mail + b".\r\n")
            assert await client.code() == 250
        told = {address for taken in two.taken for address in taken.recipients}
        assert told == {b"a@example.com", b"c@example.com"}
        assert all(b"b@example.com" not in b"".join(one.rcpts) for one in two.transactions)
        assert one.taken == []


# --- extensions --------------------------------------------------------------------------------------------


@asynccontextmanager
async def both_known(one: ScriptedHop, two: ScriptedHop) -> AsyncIterator[Relay]:
    """A gateway that has spoken with both of its hosts."""
    async with gateway(one, two, changes=SHORT) as relay:
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        await one.stop()
        assert (await send_mail(relay.port, ORDINARY))[-1].code == 250
        await one.start()
        relay.pool.reconfigure(relay.pool.settings)
        relay.pool._hosts._states[0].retry_at = 0.0
        yield relay


@pytest.mark.parametrize("lacking", ["8BITMIME", "DSN"])
async def test_offered_only_if_all_hosts_have_it(lacking: str) -> None:
    """Rule 10: a sender is told of 8BITMIME and DSN only where no host lacks them."""
    async with (
        ScriptedHop(keywords=WITHOUT[lacking]) as one,
        ScriptedHop() as two,
        both_known(one, two) as relay,
        greeted(relay.port) as client,
    ):
        names = {word.split(b" ")[0].decode() for word in client.keywords}
        assert lacking not in names
        assert {"8BITMIME", "DSN", "SMTPUTF8"} - {lacking} <= names


async def test_a_host_that_lacks_what_a_mail_uses_is_skipped() -> None:
    """Rule 10: SMTPUTF8 mail goes past the host that lacks it, other mail goes to it; none left: 451."""
    async with ScriptedHop(keywords=WITHOUT["SMTPUTF8"]) as one, ScriptedHop() as two:
        async with both_known(one, two) as relay, greeted(relay.port) as client:
            assert b"SMTPUTF8" in client.keywords
            before = len(one.transactions)
            address = "採用@example.com".encode()
            replies = await transact(client, ORDINARY, recipients=(address,), mail_parameters=b" SMTPUTF8")
            assert [r.code for r in replies] == GOOD
            assert two.taken[-1].recipients == [address]
            assert len(one.transactions) == before
            assert [r.code for r in await transact(client, ORDINARY, sender=b"plain@example.co.jp")] == GOOD
            await two.stop()
            told = await client.command(MAIL + b" SMTPUTF8")
            assert told.code == 451
            assert [r.code for r in await transact(client, ORDINARY)] == GOOD
        assert all(b"SMTPUTF8" not in one_.mail for one_ in one.transactions)


# --- TLS and login -----------------------------------------------------------------------------------------


def tls(kind: str, certificate: Certificate | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Settings of the next hop."""
    given = {"tls": kind, **more}
    if certificate is not None:
        given["ca_file"] = str(certificate.certificate)
    return {"timeouts": {"connect_seconds": 3.0}, "next_hop": given}


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
async def test_tls_required_and_good(good: Certificate, *, implicit: bool) -> None:
    """Policy `required`: the mail goes under TLS, and nothing but STARTTLS is said before it."""
    more = {"tls_mode": "implicit"} if implicit else {}
    hop = ScriptedHop(tls=good.server(), implicit=implicit)
    async with hop, gateway(hop, changes=tls("required", good, **more)) as relay:
        assert [r.code for r in await send_mail(relay.port, rejection())] == GOOD
        assert all(session.secure for session in hop.sessions)
        assert hop.faults == []


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
async def test_bad_certificate_goes_to_the_next_host(
    good: Certificate, other: Certificate, *, implicit: bool
) -> None:
    """Rule 4: TLS required and the certificate not good, or TLS not offered: the next host, unseen."""
    more = {"tls_mode": "implicit"} if implicit else {}
    async with (
        ScriptedHop(tls=other.server(), implicit=implicit) as bad,
        ScriptedHop() as clear,
        ScriptedHop(tls=good.server(), implicit=implicit) as two,
        gateway(bad, clear, two, changes=tls("required", good, **more)) as relay,
    ):
        assert [r.code for r in await send_mail(relay.port, ORDINARY)] == GOOD
        assert len(two.taken) == 1
        assert bad.transactions == clear.transactions == []


async def test_tls_required_and_nowhere_to_be_had(good: Certificate, other: Certificate) -> None:
    """Rule 4: 451 4.4.x and never in the clear, nor to another; with TLS back the retry goes through."""
    async with (
        ScriptedHop(tls=good.server()) as hop,
        gateway(hop, changes=tls("required", good)) as relay,
        greeted(relay.port) as client,
    ):
        relay.pool.retire()
        for wrong in (None, other.server()):
            hop.tls = wrong
            told = await client.command(MAIL)
            assert told.code == 451
            assert told.enhanced.startswith("4.4.")
        assert hop.transactions == []
        hop.tls = good.server()
        assert [r.code for r in await transact(client, ORDINARY)] == GOOD


@pytest.mark.parametrize("way", ["any-certificate", "not-offered", "refused", "broken"])
async def test_opportunistic(way: str, other: Certificate) -> None:
    """Policy `opportunistic`: TLS with whatever certificate, else in the clear; the mail gets through."""
    script = {"starttls": {"refused": reply(454, "4.7.0 not now"), "broken": lost()}.get(way)}
    hop = ScriptedHop(script, tls=None if way == "not-offered" else other.server())
    async with hop, gateway(hop, changes=tls("opportunistic")) as relay:
        assert [r.code for r in await send_mail(relay.port, ORDINARY)] == GOOD
        assert hop.sessions[hop.taken[0].connection].secure is (way == "any-certificate")


async def test_wrong_login_is_451_with_an_alarm(good: Certificate, tmp_path: Path) -> None:
    """Rule 4: 535 to our login refuses the gateway, not the mail: 451, an alarm, and no mail bounces.

    With the password mended (SIGHUP) the same sender's mail goes through. The real gateway, since the
    password comes from a file.
    """
    password = tmp_path / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    login = {"user": "careerrelay", "password_file": str(password)}
    settings = {"next_hop": {"tls": "required", "ca_file": str(good.certificate), **login}}

    def script(moment: Moment) -> Action | None:
        if moment.stage == "auth" and b"AGNhcmVlcnJlbGF5AHJpZ2h0" not in moment.line:  # careerrelay, right
            return reply(535, "5.7.8 wrong password")
        return None

    hop = ScriptedHop(script, tls=good.server(), auth=(b"careerrelay", b"right"))
    async with hop, running(hop, settings) as process:
        async with await Client.connect(process.port) as client:
            told = await client.hello()
            assert (told.code, told.enhanced) == (421, "4.3.2"), "nothing is known of a host that refuses us"
        assert hop.transactions == []
        await until(lambda: "alarm=True" in process.log(), "an alarm")
        assert "535" in process.log()
        password.write_text("right\n")
        process.reload()
        await until(lambda: " reloaded " in process.log(), "reloaded")
        assert [r.code for r in await send_mail(process.port, ORDINARY)] == GOOD
        password.write_text("wrong again\n")
        process.reload()
        await until(lambda: process.log().count(" reloaded ") == 2, "reloaded")
        replies = await send_mail(process.port, ORDINARY)
        assert replies[-1].code == 451, "known by now: EHLO as before, and MAIL is put off"
        assert "wrong again" not in process.log()


# --- routes ------------------------------------------------------------------------------------------------


def route(name: str, hop: ScriptedHop, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """One [[route]]."""
    return {"name": name, "hosts": [hop.address], "tls": "none", **more}


async def test_routes_by_sender_domain() -> None:
    """Rule 11: the reverse-path's domain chooses; ``<>`` and unknown domains have the default route."""
    async with ScriptedHop() as default, ScriptedHop() as jobs:
        changes = {"route": [route("jobs", jobs, sender_domains=["jobs.example.co.jp", "*.brand.example"])]}
        async with gateway(default, changes=changes) as relay:
            to_jobs = [b"a@jobs.example.co.jp", b"a@JOBS.Example.CO.JP", b"x@any.brand.example"]
            to_default = [
                b"",
                b"a@example.co.jp",
                b"a@elsewhere.example",
                b"a@notjobs.example.co.jp",
                b"postmaster",
            ]
            for sender in to_jobs + to_default:
                assert (await send_mail(relay.port, ORDINARY, sender=sender))[-1].code == 250
            assert [one.sender for one in jobs.taken] == to_jobs
            assert [one.sender for one in default.taken] == to_default
            assert all(without_trace(one.content) == ORDINARY for one in jobs.taken + default.taken)
            # in one session too, and a route that is down harms no other
            await jobs.stop()
            async with greeted(relay.port) as client:
                assert (await transact(client, ORDINARY, sender=to_jobs[0]))[-1].code == 451
                assert (await transact(client, ORDINARY, sender=to_default[1]))[-1].code == 250


async def test_routes_by_listener() -> None:
    """Rule 11: the listener chooses, with a sender's domain beside it both must fit. Two real listeners."""
    ports = {"inside": free_port(), "apps": free_port()}
    listen = [
        {"name": name, "address": "127.0.0.1", "port": port, "networks": ["127.0.0.0/8"]}
        for name, port in ports.items()
    ]
    async with ScriptedHop() as default, ScriptedHop() as apps, ScriptedHop() as both:
        routes = [
            route("both", both, listeners=["apps"], sender_domains=["jobs.example.co.jp"]),
            route("apps", apps, listeners=["apps"]),
        ]
        settings = {"listen": listen, "route": routes}
        async with running(default, settings, port=ports["inside"]):
            for port, sender in (
                (ports["inside"], b"a@jobs.example.co.jp"),
                (ports["apps"], b"a@jobs.example.co.jp"),
                (ports["apps"], b"a@example.co.jp"),
                (ports["apps"], b""),
            ):
                assert (await send_mail(port, ORDINARY, sender=sender))[-1].code == 250
        assert [one.sender for one in default.taken] == [b"a@jobs.example.co.jp"]
        assert [one.sender for one in both.taken] == [b"a@jobs.example.co.jp"]
        assert [one.sender for one in apps.taken] == [b"a@example.co.jp", b""]


async def test_ehlo_over_several_routes() -> None:
    """Rule 10: 8BITMIME and DSN only if all have them, SMTPUTF8 if any, SIZE the largest less 2 KiB."""
    small = [word for word in WITHOUT["DSN"] if not word.startswith(("SIZE", "SMTPUTF8"))] + ["SIZE 1000000"]
    large = [word for word in WITHOUT["8BITMIME"] if not word.startswith("SIZE")] + ["SIZE 5000000"]
    async with ScriptedHop(keywords=small) as default, ScriptedHop(keywords=large) as jobs:
        changes = {"route": [route("jobs", jobs, sender_domains=["jobs.example.co.jp"])]}
        async with gateway(default, changes=changes) as relay, greeted(relay.port) as client:
            assert set(client.keywords) == {
                b"PIPELINING", b"SIZE 4997952", b"SMTPUTF8", b"ENHANCEDSTATUSCODES",
            }  # fmt: skip
            # the refusal of the route that lacks it stands by itself, and is transient
            told = await client.command(b"MAIL FROM:<a@example.co.jp> SMTPUTF8")
            assert told.code == 451
            replies = await transact(
                client, ORDINARY, sender=b"a@jobs.example.co.jp", mail_parameters=b" SMTPUTF8"
            )
            assert [r.code for r in replies] == GOOD


async def test_ehlo_of_a_route_without_a_size_limit() -> None:
    """Rule 10: a host without a limit makes SIZE without a number."""
    unlimited = [word for word in KEYWORDS if not word.startswith("SIZE")] + ["SIZE"]
    async with ScriptedHop() as default, ScriptedHop(keywords=unlimited) as jobs:
        changes = {"route": [route("jobs", jobs, sender_domains=["jobs.example.co.jp"])]}
        async with gateway(default, changes=changes) as relay, greeted(relay.port) as client:
            assert b"SIZE" in client.keywords


async def test_hosts_that_come_and_go_lose_no_mail() -> None:
    """Promise 1, rule 8: hosts that fail before MAIL is answered, over and over: each mail arrives once."""

    def script(moment: Moment) -> Action | None:
        if moment.stage == "banner" and moment.connection % 3 == 1:
            return reply(421, "4.3.2 busy").then("close")
        return lost() if moment.stage in ("mail", "rcpt") and moment.connection % 3 == 2 else None

    changes = {"next_hop": {"max_mails": 2}}
    mails = [ORDINARY.replace(b"agenda@", b"failover-%d@" % number) for number in range(60)]
    async with ScriptedHop(script) as shaky, ScriptedHop() as steady:
        async with gateway(shaky, steady, changes=changes) as relay:

            async def line(part: list[bytes]) -> None:
                for mail in part:
                    replies = await send_mail(relay.port, mail)
                    assert [one.code for one in replies] == GOOD
                    relay.pool._hosts._states[0].retry_at = 0.0  # ask the shaky one again, every time

            await asyncio.gather(*(line(mails[part::6]) for part in range(6)))
        arrived = [without_trace(one.content) for hop in (shaky, steady) for one in hop.taken]
        assert sorted(arrived) == sorted(mails)
        assert shaky.taken
        assert steady.taken
