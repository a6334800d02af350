"""Connecting: TLS and login by policy.

And everything that can go wrong before the first MAIL (SMTP.md rules 4, 7, 10).
"""

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NextHopFault
from gateway.relay.connection import Connection
from gateway.relay.pool import Pool
from gateway.relay.settings import Host, Login
from gateway.smtp.reply import Reply
from tests.peers.action import Action, broken, lost, nonsense, raw, reply, silent, split, too_long
from tests.peers.certificate import Certificate, make_certificate
from tests.peers.scripted import ScriptedHop
from tests.unit.relay.relaying import CONTENT, NOTHING, SOON, accepted, finished, pooled, sent

LOGIN = Login(user="gateway", password="p\N{LATIN SMALL LETTER E WITH ACUTE}ss")
PLAIN = b"PLAIN " + base64.b64encode("\0gateway\0péss".encode())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For localhost and 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other_name(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For a host that isn't this one."""
    return make_certificate(tmp_path_factory.mktemp("other"), "mx.example.com")


@contextlib.asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """A fresh connection, as a transaction would get it."""
    connection = await pool.open(NOTHING, asyncio.get_running_loop().time() + 5, ())
    yield connection
    connection.quit()


# faults before MAIL


FAULTS = {
    "closed": lost(),
    "reset": broken(),
    "nonsense": nonsense(),
    "refused for now": reply(421, "4.7.0 too many connections"),
    "refused for good": reply(554, "5.7.1 go away"),
    "too long": too_long(220),
    "too many lines": too_long(220, octets=20, lines=5_000),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("stage", ["banner", "ehlo"])
async def test_fault_tries_the_next_host(stage: str, fault: Action) -> None:
    """Rule 4: faults in connecting, banner and EHLO are passed on to nobody.

    The next host is tried, and then it's a fault.
    """
    async with ScriptedHop({stage: fault}) as bad, ScriptedHop() as good:
        async with pooled(bad, good) as pool:
            assert (await sent(pool)).code == 250
            assert len(good.taken) == 1
        async with pooled(bad) as pool:
            with pytest.raises(NextHopFault) as caught:
                await sent(pool)
            assert not caught.value.busy
        assert bad.transactions == []


async def test_nobody_listens() -> None:
    """Rule 4: connection refused."""
    async with ScriptedHop() as bad, ScriptedHop() as good:
        await bad.stop()
        async with pooled(bad, good) as pool:
            assert (await sent(pool)).code == 250
            assert pool.status()[0].failures == 1


async def test_name_that_does_not_exist() -> None:
    """Rule 4: a name without an address, or that can't be one, is a failed host."""
    hosts = (Host(name="no-such-host.invalid"), Host(name="x" * 70 + ".example"), Host(name="a\u3002..b"))
    async with ScriptedHop() as good, pooled(good) as pool:
        pool.reconfigure(pool.settings.__class__(name="n", hosts=hosts, helo="gw.example.co.jp", tls="none"))
        with pytest.raises(NextHopFault, match="no-such-host"):
            await sent(pool)


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
async def test_silent_host_costs_its_share(stage: str) -> None:
    """Rule 7: the budget from connect to EHLO is for all hosts.

    A silent one uses up its share, not all of it.
    """
    async with ScriptedHop({stage: silent()}) as bad, ScriptedHop() as good:
        async with pooled(bad, good, timeouts={"connect": 2 * SOON}) as pool:
            began = asyncio.get_running_loop().time()
            assert (await sent(pool)).code == 250
            assert SOON - 0.05 <= asyncio.get_running_loop().time() - began < 2 * SOON
        async with pooled(bad, timeouts={"connect": SOON}) as pool:
            with pytest.raises(NextHopFault, match="no connection in time"):
                await sent(pool)


async def test_cancelled_while_connecting() -> None:
    """A caller that goes away while a host is connected to leaves no connection behind."""
    async with ScriptedHop({"ehlo": silent()}) as hop, pooled(hop) as pool:
        task = asyncio.ensure_future(accepted(pool))
        await hop.wait(lambda: bool(hop.sessions) and bool(hop.sessions[0].commands))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await hop.wait(lambda: hop.sessions[0].ended != "")
        pool.release()  # the transaction that held it is lost with the task


async def test_banner_and_ehlo_by_the_byte() -> None:
    """However slowly the greeting comes, it is read right."""
    script = {
        "banner": split(reply(220, "mx.example", "second line")),
        "ehlo": split(reply(250, "mx.example", "PIPELINING", "SIZE 1000")),
    }
    async with ScriptedHop(script) as hop, pooled(hop) as pool, connected(pool) as connection:
        assert connection.capabilities.keywords == ((b"PIPELINING", b""), (b"SIZE", b"1000"))


async def test_hostile_ehlo() -> None:
    """An EHLO line that is too long to mean anything is left out; odd ones do no harm."""
    lines = ["mx.example", "SIZE " + "9" * 5_000, "", "  ", "AUTH=PLAIN", "8bitmime", "X\N{SNOWMAN}", "DSN"]
    async with (
        ScriptedHop({"ehlo": reply(250, *lines)}) as hop,
        pooled(hop) as pool,
        connected(pool) as connection,
    ):
        assert b"SIZE" not in connection.capabilities
        assert connection.capabilities.size == 0
        assert {b"AUTH", b"8BITMIME", b"DSN"} <= connection.extensions


@pytest.mark.parametrize("code", [500, 502, 504])
async def test_server_of_old(code: int) -> None:
    """RFC 5321 §3.2: a server that doesn't know EHLO gets HELO, and mail that needs no extension."""
    async with ScriptedHop({"ehlo": reply(code, "what?")}, keywords=[]) as hop, pooled(hop) as pool:
        assert (await sent(pool)).code == 250
        assert hop.sessions[0].commands[:2] == [b"EHLO gw.example.co.jp", b"HELO gw.example.co.jp"]
        assert hop.faults == []


@pytest.mark.parametrize("rest", [b"250 surplus\r\n", b"421 4.3.2 going\r\n", b"25"])
async def test_octets_behind_ehlo(rest: bytes) -> None:
    """Octets that nobody asked for, right behind EHLO's reply, make the connection odd: it is never used."""
    script = {"ehlo": raw(b"250-mx.example\r\n250 PIPELINING\r\n" + rest)}
    async with ScriptedHop(script) as bad, ScriptedHop() as good, pooled(bad, good) as pool:
        assert (await sent(pool)).code == 250
        assert (bad.transactions, len(good.taken)) == ([], 1)
        assert "unasked" in pool.status()[0].error


async def test_no_delay() -> None:
    """BENCH: without TCP_NODELAY one peer added 44 ms to every mail."""
    async with ScriptedHop() as hop, pooled(hop) as pool, connected(pool) as connection:
        assert connection._transport is not None
        assert connection._transport.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY
        )


# TLS


async def flow(hop: ScriptedHop, **changes: Any) -> tuple[bool, str]:  # noqa: ANN401 - whatever the settings take
    """Send two mails and a large one; give whether under TLS, or the fault."""
    async with pooled(hop, **changes) as pool:
        try:
            outbound = await accepted(pool)
        except NextHopFault as fault:
            return False, str(fault)
        connection = outbound._connection
        assert connection is not None
        secure = connection.secure
        await finished(outbound)
        assert (await finished(await accepted(pool), CONTENT * 40_000)).code == 250
        assert [len(done.raw) for done in hop.taken[-2:]] == [len(CONTENT), len(CONTENT) * 40_000]
        assert hop.sessions[-1].secure is secure
        return secure, ""


@pytest.mark.parametrize("implicit", [False, True])
async def test_required_and_good(certificate: Certificate, *, implicit: bool) -> None:
    """``required``: a certificate that is trusted and valid for the host's name.

    EHLO is said again under TLS.
    """
    async with ScriptedHop(tls=certificate.server(), implicit=implicit) as hop:
        changes = {"tls": "required", "implicit": implicit, "ca_file": certificate.certificate}
        assert await flow(hop, **changes) == (True, "")
        assert len(hop.sessions) == 1
        assert hop.sessions[0].commands[:4] == (
            [
                b"EHLO gw.example.co.jp",
                b"MAIL FROM:<saiyo@example.co.jp>",
                b"RCPT TO:<a@example.com>",
                b"DATA",
            ]
            if implicit
            else [
                b"EHLO gw.example.co.jp",
                b"STARTTLS",
                b"EHLO gw.example.co.jp",
                b"MAIL FROM:<saiyo@example.co.jp>",
            ]
        )
        assert hop.faults == []


@pytest.mark.parametrize("implicit", [False, True])
async def test_required_and_not_trusted(certificate: Certificate, *, implicit: bool) -> None:
    """``required``: an unknown authority is a failed host (an ssl.SSLError, no SMTPException).

    And no mail leaves.
    """
    async with ScriptedHop(tls=certificate.server(), implicit=implicit) as hop:
        secure, fault = await flow(hop, tls="required", implicit=implicit)
        assert not secure
        assert "certificate verify failed" in fault.lower() or "CERTIFICATE_VERIFY_FAILED" in fault
        assert hop.transactions == []


async def test_required_and_wrong_name(other_name: Certificate) -> None:
    """``required``: the certificate must be for the host that was asked; `verify` off takes it."""
    async with ScriptedHop(tls=other_name.server()) as hop:
        secure, fault = await flow(hop, tls="required", ca_file=other_name.certificate)
        assert not secure
        assert "mismatch" in fault or "not valid for" in fault
        assert await flow(hop, tls="required", verify=False) == (True, "")


@pytest.mark.parametrize(
    "said", [None, reply(454, "4.7.0 not now"), reply(501, "5.5.4 no"), lost(), nonsense()], ids=str
)
async def test_required_and_not_to_be_had(certificate: Certificate, said: Action | None) -> None:
    """``required``: STARTTLS not offered, refused or broken: a failed host; nothing is sent in the clear."""
    hop = ScriptedHop() if said is None else ScriptedHop({"starttls": said}, tls=certificate.server())
    async with hop:
        secure, fault = await flow(hop, tls="required", ca_file=certificate.certificate)
        assert not secure
        assert fault
        assert hop.transactions == []


@pytest.mark.parametrize("implicit", [False, True])
async def test_opportunistic_takes_any_certificate(other_name: Certificate, *, implicit: bool) -> None:
    """``opportunistic``: no verification, since the alternative is clear text."""
    async with ScriptedHop(tls=other_name.server(), implicit=implicit) as hop:
        assert await flow(hop, tls="opportunistic", implicit=implicit) == (True, "")


async def test_opportunistic_where_not_offered() -> None:
    """``opportunistic``: no STARTTLS, no TLS."""
    async with ScriptedHop() as hop:
        assert await flow(hop, tls="opportunistic") == (False, "")
        assert len(hop.sessions) == 1


@pytest.mark.parametrize(
    ("said", "sessions"),
    [
        (reply(454, "4.7.0 not now"), 1),
        (reply(501, "5.5.4 no"), 1),
        (reply(421, "4.7.0 no"), 2),
        (raw(b"220 go\r\n", b"this is no handshake\r\n", pause=0.02).then("close"), 2),
        (reply(220, "go").then("close"), 2),
        (lost(), 2),
        (broken(), 2),
    ],
    ids=str,
)
async def test_opportunistic_goes_on_in_the_clear(
    certificate: Certificate, said: Action, sessions: int
) -> None:
    """``opportunistic``: STARTTLS refused: on in the clear.

    Broken: the same host again without it (RFC 7435).
    """
    async with ScriptedHop({"starttls": said}, tls=certificate.server()) as hop:
        assert await flow(hop, tls="opportunistic") == (False, "")
        assert len(hop.sessions) == sessions


async def test_none_never_starts_tls(certificate: Certificate) -> None:
    """``none``: not even where it is offered."""
    async with ScriptedHop(tls=certificate.server()) as hop:
        assert await flow(hop, tls="none") == (False, "")


async def test_octets_injected_before_tls(certificate: Certificate) -> None:
    """RFC 3207 §6: what stands behind the 220 in clear text is never taken for an answer under TLS."""
    script = {"starttls": raw(b"220 go\r\n250-injected\r\n250 XEVIL\r\n")}
    async with (
        ScriptedHop(script, tls=certificate.server()) as hop,
        pooled(hop, tls="required", ca_file=certificate.certificate, timeouts={"connect": SOON}) as pool,
    ):
        with contextlib.suppress(NextHopFault):
            async with connected(pool) as connection:
                assert b"XEVIL" not in connection.capabilities


async def test_capabilities_under_tls_count(certificate: Certificate) -> None:
    """Rule 10: what was said before TLS is forgotten."""
    script = {("ehlo", 1): reply(250, "mx", "STARTTLS", "XBEFORE"), ("ehlo", 2): reply(250, "mx", "DSN")}
    async with (
        ScriptedHop(script, tls=certificate.server()) as hop,
        pooled(hop, tls="opportunistic") as pool,
        connected(pool) as connection,
    ):
        assert connection.extensions == {b"DSN"}


def digest(certificate: Certificate) -> str:
    """Its SHA-256 fingerprint."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())).hexdigest()


@pytest.mark.parametrize("implicit", [False, True])
async def test_fingerprint_of_the_host(
    certificate: Certificate, other_name: Certificate, *, implicit: bool
) -> None:
    """The named certificate, whatever its name and authority; no other, before a login or a mail is said."""
    async with ScriptedHop(tls=other_name.server(), implicit=implicit) as hop:
        changes = {"tls": "required", "implicit": implicit}
        assert await flow(hop, **changes, fingerprints=frozenset({digest(other_name)})) == (True, "")
        secure, fault = await flow(hop, **changes, fingerprints=frozenset({digest(certificate)}))
        assert not secure
        assert "fingerprints" in fault
        assert not [line for line in hop.sessions[-1].commands if line[:4] == b"MAIL"]
        # with an authority, both have to hold
        both = {"fingerprints": frozenset({digest(other_name)}), "ca_file": other_name.certificate}
        secure, fault = await flow(hop, **changes, **both)
        assert not secure
        assert "mismatch" in fault or "not valid for" in fault


async def test_certificate_of_our_own(certificate: Certificate, other_name: Certificate) -> None:
    """Shown to a host that wants one; without it such a host can't be used."""
    context = certificate.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(other_name.certificate)
    async with ScriptedHop(tls=context) as hop:
        changes = {"tls": "required", "ca_file": certificate.certificate}
        own = {"certificate_file": other_name.certificate, "certificate_key_file": other_name.key}
        assert await flow(hop, **changes, **own) == (True, "")
        secure, _ = await flow(hop, **changes)
        assert not secure


async def test_authority_that_changes(
    certificate: Certificate, other_name: Certificate, tmp_path: Path
) -> None:
    """The file of authorities is read again when it changes; a bad one changes nothing."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificate.certificate.read_bytes())
    async with (
        ScriptedHop(tls=certificate.server()) as hop,
        pooled(hop, tls="required", ca_file=authority) as pool,
    ):
        connector = pool._hosts._connector
        for content, usable in ((b"nonsense", True), (other_name.certificate.read_bytes(), False)):
            authority.write_bytes(content)
            connector._next_look = 0.0
            with contextlib.nullcontext() if usable else pytest.raises(NextHopFault):
                async with connected(pool):
                    pass


@pytest.mark.parametrize(
    ("changes", "offered"),
    [
        ({"tls": "required"}, True),
        ({"tls": "required", "verify": False}, False),
        ({"tls": "opportunistic"}, False),
    ],
)
async def test_requiretls_counts_where_the_certificate_was_checked(
    certificate: Certificate, changes: dict[str, Any], *, offered: bool
) -> None:
    """RFC 8689 §4.2.1: a host that could be anybody can't promise anything."""
    async with (
        ScriptedHop(tls=certificate.server(), keywords=("PIPELINING", "REQUIRETLS")) as hop,
        pooled(hop, ca_file=certificate.certificate, **changes) as pool,
    ):
        assert (b"REQUIRETLS" in await pool.capabilities()) is offered
        if not offered:
            with pytest.raises(NextHopFault) as fault:
                await pool.open(frozenset({b"REQUIRETLS"}), asyncio.get_running_loop().time() + 5, ())
            assert fault.value.lacks


async def test_unreadable_ca_file(tmp_path: Path) -> None:
    """A CA file that holds no certificate is refused when the pool is made, not when mail comes."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    async with ScriptedHop() as hop:
        with pytest.raises(OSError, match=r"(?i)certificate|PEM|crl"):
            async with pooled(hop, tls="required", ca_file=wrong):
                pass


# login


async def logged_in(
    hop: ScriptedHop, certificate: Certificate, heard: list[tuple[str, str, Reply]] | None = None
) -> str:
    """Send a mail with a login; give the fault or nothing."""
    alarm = None if heard is None else lambda *what: heard.append(what)
    async with pooled(hop, tls="required", ca_file=certificate.certificate, login=LOGIN, alarm=alarm) as pool:
        try:
            await sent(pool)
        except NextHopFault as fault:
            return str(fault)
        return ""


@pytest.mark.parametrize(
    ("offered", "given"),
    [
        (["AUTH CRAM-MD5 LOGIN PLAIN"], PLAIN),
        (["AUTH=PLAIN"], PLAIN),
        (["AUTH LOGIN"], b"LOGIN Z2F0ZXdheQ== " + base64.b64encode("péss".encode())),
    ],
)
async def test_login(certificate: Certificate, offered: Sequence[str], given: bytes) -> None:
    """AUTH PLAIN where offered, else LOGIN; then EHLO again (rule 10: what was said after TLS and AUTH)."""
    async with ScriptedHop(tls=certificate.server(), keywords=["PIPELINING", *offered]) as hop:
        assert await logged_in(hop, certificate) == ""
        assert hop.sessions[0].auth == [given]
        assert hop.sessions[0].reached["ehlo"] == 3
        assert hop.faults == []


async def test_login_refused(certificate: Certificate) -> None:
    """Rule 4: an expired password is a failed host and an alarm.

    The login is tried once, so that nothing gets locked.
    """
    heard: list[tuple[str, str, Reply]] = []
    script = {"auth": reply(535, "5.7.8 expired")}
    async with ScriptedHop(script, tls=certificate.server(), auth=(b"gateway", b"x")) as hop:
        fault = await logged_in(hop, certificate, heard)
        assert "535" in fault
        assert "péss" not in fault
        assert heard == [("next-hop", hop.address, Reply(535, (b"5.7.8 expired",)))]
        assert (len(hop.sessions), len(hop.sessions[0].auth)) == (1, 1)


async def test_login_by_another_mechanism(certificate: Certificate) -> None:
    """A server that offers a mechanism and then doesn't have it is asked for the other one."""
    script = {("auth", 1): reply(504, "5.5.4 no such thing")}
    async with ScriptedHop(script, tls=certificate.server(), auth=(b"gateway", b"x")) as hop:
        assert await logged_in(hop, certificate) == ""
        assert [given.split()[0] for given in hop.sessions[0].auth] == [b"PLAIN", b"LOGIN"]


@pytest.mark.parametrize("said", [lost(), nonsense(), reply(454, "4.7.0 later"), silent()], ids=str)
async def test_login_that_fails_otherwise(certificate: Certificate, said: Action) -> None:
    """Rule 4: faults in AUTH are a failed host."""
    async with (
        ScriptedHop({"auth": said}, tls=certificate.server(), auth=(b"g", b"x")) as hop,
        pooled(
            hop, tls="required", ca_file=certificate.certificate, login=LOGIN, timeouts={"connect": 2 * SOON}
        ) as pool,
    ):
        with pytest.raises(NextHopFault):
            await sent(pool)
        assert hop.transactions == []


async def test_login_not_offered(certificate: Certificate) -> None:
    """A host without AUTH is a failed host: without its login the mail would be a stranger's."""
    async with ScriptedHop(tls=certificate.server()) as hop:
        assert "AUTH" in await logged_in(hop, certificate)


@pytest.mark.parametrize("tls", ["none", "opportunistic"])
async def test_login_never_in_the_clear(tls: str) -> None:
    """The login is sent under TLS only, whatever the policy."""
    async with ScriptedHop(auth=(b"gateway", b"x")) as hop, pooled(hop, tls=tls, login=LOGIN) as pool:
        with pytest.raises(NextHopFault, match="no TLS"):
            await sent(pool)
        assert hop.sessions[0].auth == []
        assert b"AUTH" not in bytes(hop.sessions[0].received)
