"""TLS on listeners: STARTTLS and implicit, senders' certificates, renewal, and attacks on the switch."""

import asyncio
import hashlib
import shutil
import ssl
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import ORDINARY, gateway, greeted, rejection, without_trace
from tests.peers.action import lost
from tests.peers.certificate import Certificate, make_certificate
from tests.peers.client import Client, ClosedError, transact
from tests.peers.scripted import ScriptedHop
from tests.programs import find

ON_UVLOOP = True

LISTEN = {"address": "127.0.0.1", "port": 2525, "networks": ["127.0.0.0/8"]}


def pair(folder: Path, name: str, *names: str) -> Certificate:
    """A certificate in a folder of its own."""
    place = folder / name
    place.mkdir(exist_ok=True)
    return make_certificate(place, *names)


def listener(certificate: Certificate, **keys: object) -> dict[str, Any]:
    """`changes` for `gateway`: one listener with TLS."""
    given = {
        "tls": "offered",
        "certificate_file": str(certificate.certificate),
        "certificate_key_file": str(certificate.key),
        **keys,
    }
    return {"listen": [{**LISTEN, **given}]}


def with_certificate(server: Certificate, own: Certificate) -> ssl.SSLContext:
    """A sender's context that trusts `server` and shows `own`."""
    context = server.client()
    context.load_cert_chain(own.certificate, own.key)
    return context


async def secured(client: Client, context: ssl.SSLContext) -> None:
    """STARTTLS and EHLO: with TLS 1.3 a sender hears only then that its certificate was refused."""
    await client.starttls(context)
    await client.greet()


def fingerprint(certificate: Certificate) -> str:
    """As a config names it, with colons."""
    der = ssl.PEM_cert_to_DER_cert(certificate.certificate.read_text())
    digits = hashlib.sha256(der).hexdigest().upper()
    return "sha256:" + ":".join(digits[at : at + 2] for at in range(0, 64, 2))


async def test_starttls_offered(tmp_path: Path) -> None:
    """RFC 3207: offered before, not after; the mail passes and its trace says ESMTPS (RFC 3848)."""
    server = pair(tmp_path, "server")
    async with ScriptedHop() as hop, gateway(hop, changes=listener(server)) as relay:
        async with greeted(relay.port) as client:
            assert b"STARTTLS" in client.keywords
            assert (await client.starttls(server.client())).code == 220
            await client.greet()
            assert b"STARTTLS" not in client.keywords
            assert (await client.command(b"STARTTLS")).code == 503
            replies = await transact(client, ORDINARY, pipelined=True)
            assert [reply.code for reply in replies] == [250, 250, 354, 250]
            await client.quit()
        assert b" with ESMTPS id " in hop.taken[0].content
        assert without_trace(hop.taken[0].content) == ORDINARY
        async with greeted(relay.port) as client:  # offered is not required
            assert (await transact(client, ORDINARY))[-1].code == 250
        assert b" with ESMTP id " in hop.taken[1].content


async def test_starttls_required(tmp_path: Path) -> None:
    """RFC 3207 §4: without TLS nothing but EHLO, NOOP, STARTTLS and QUIT is done."""
    server = pair(tmp_path, "server")
    async with ScriptedHop() as hop, gateway(hop, changes=listener(server, tls="required")) as relay:
        async with greeted(relay.port) as client:
            for line in (b"MAIL FROM:<hr@example.co.jp>", b"DATA", b"VRFY x", b"RSET", b"HELP"):
                assert (await client.command(line)).code == 530, line
            assert (await client.command(b"NOOP")).code == 250
            await client.starttls(server.client())
            await client.greet()
            assert (await transact(client, ORDINARY))[-1].code == 250
        assert len(hop.transactions) == 1


async def test_without_a_certificate_no_starttls() -> None:
    """What isn't configured isn't offered, and is refused."""
    async with ScriptedHop() as hop, gateway(hop) as relay, greeted(relay.port) as client:
        assert b"STARTTLS" not in client.keywords
        assert (await client.command(b"STARTTLS")).code == 502


async def test_implicit(tmp_path: Path) -> None:
    """RFC 8314: TLS from the first octet; a peer that speaks first in the clear gets no SMTP."""
    server = pair(tmp_path, "server")
    changes = listener(server, tls="required", tls_mode="implicit")
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with await Client.connect(relay.port, tls=server.client()) as client:
            await client.hello()
            assert b"STARTTLS" not in client.keywords
            assert (await transact(client, ORDINARY, pipelined=True))[-1].code == 250
            await client.quit()
        assert b" with ESMTPS id " in hop.taken[0].content
        async with await Client.connect(relay.port) as client:
            await client.send(b"EHLO client.example.co.jp\r\n")
            assert b"220" not in await client.closed()
        assert relay.journal.counts["tls-failed"] == 1


@pytest.mark.parametrize("behind", [b"MAIL FROM:<evil@example.co.jp>\r\n", b"x" * 100_000, b"NOOP"])
async def test_cve_2011_0411_commands_behind_starttls_are_dropped(tmp_path: Path, behind: bytes) -> None:
    """CVE-2011-0411: what somebody put behind STARTTLS in the clear is not obeyed once there is TLS."""
    server = pair(tmp_path, "server")
    async with ScriptedHop() as hop, gateway(hop, changes=listener(server)) as relay:
        async with greeted(relay.port) as client:
            await client.send(b"STARTTLS\r\n" + behind)
            await client.expect(220)
            await asyncio.sleep(0.05)  # all of it arrives before the handshake, as in an attack
            try:
                await asyncio.wait_for(
                    client.writer.start_tls(server.client(), server_hostname="localhost"), 5
                )
            except (ssl.SSLError, ConnectionError):
                return  # octets in the clear where the handshake belongs: no session at all
            assert (await client.command(b"RCPT TO:<taro@example.com>")).code == 503
            assert await client.silent(0.1)
        assert hop.transactions == []


async def test_cve_2021_38371_and_class_state_of_the_clear_is_forgotten(tmp_path: Path) -> None:
    """RFC 3207 §4.2: an EHLO or MAIL said in the clear counts for nothing under TLS."""
    server = pair(tmp_path, "server")
    async with ScriptedHop() as hop, gateway(hop, changes=listener(server)) as relay:
        async with greeted(relay.port) as client:
            assert (await client.command(b"MAIL FROM:<evil@example.co.jp>")).code == 250
            await client.starttls(server.client())
            assert (await client.command(b"RCPT TO:<taro@example.com>")).code == 503
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 503  # EHLO first
            await client.greet()
            assert (await transact(client, ORDINARY))[-1].code == 250
        assert [one.sender for one in hop.taken] == [b"hr@example.co.jp"]


async def test_certificate_required(tmp_path: Path) -> None:
    """A named certificate lets in; another valid one does not, nor does none."""
    server, good, other = (pair(tmp_path, name) for name in ("server", "good", "other"))
    authorities = tmp_path / "senders.pem"
    authorities.write_bytes(good.certificate.read_bytes() + other.certificate.read_bytes())
    changes = listener(
        server,
        tls="required",
        client_certificates="required",
        client_ca_file=str(authorities),
        client_names=[fingerprint(good)],
        networks=[],
        anywhere=True,
    )
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with greeted(relay.port) as client:
            await client.starttls(with_certificate(server, good))
            await client.greet()
            assert (await transact(client, ORDINARY))[-1].code == 250
        async with greeted(relay.port) as client:
            await client.starttls(with_certificate(server, other))
            await client.greet()
            answer = await client.command(b"MAIL FROM:<hr@example.co.jp>")
            assert (answer.code, answer.enhanced) == (554, "5.7.1")
        async with greeted(relay.port) as client:
            with pytest.raises((ssl.SSLError, ConnectionError, ClosedError)):
                await secured(client, server.client())
        assert len(hop.transactions) == 1
        assert (
            relay.journal.mails[0].proven
            == fingerprint(good).replace(":", "").replace("sha256", "sha256:").lower()
        )


@pytest.mark.parametrize(
    ("name", "welcome"),
    [
        ("san:mail.example.co.jp", True),
        ("SAN:Mail.Example.CO.JP", True),
        ("san:*.example.co.jp", True),
        ("san:*.example.com", False),
        ("san:example.co.jp", False),
        ("san:*.mail.example.co.jp", False),
        ("subject:mail.example.co.jp", True),
        ("subject:CN=mail.example.co.jp", True),
        ("subject:CN=example.co.jp", False),
        ("sha256:" + "00" * 32, False),
    ],
)
async def test_certificate_names(tmp_path: Path, name: str, welcome: bool) -> None:  # noqa: FBT001 - a table
    """By a name in it, by its subject, by its fingerprint; an implicit listener refuses in its banner."""
    server, own = pair(tmp_path, "server"), pair(tmp_path, "own", "mail.example.co.jp")
    changes = listener(
        server,
        tls="required",
        tls_mode="implicit",
        client_certificates="required",
        client_ca_file=str(own.certificate),
        client_names=[name],
    )
    context = with_certificate(server, own)
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        client = await Client.connect(relay.port, tls=context)
        assert await client.code() == (220 if welcome else 554)
        await client.close()


@pytest.mark.parametrize("ask", ["optional", "required"])
async def test_certificate_of_nobody_known(tmp_path: Path, ask: str) -> None:
    """One that no trusted authority vouches for ends the handshake."""
    server, trusted, forged = (pair(tmp_path, name) for name in ("server", "trusted", "forged"))
    changes = listener(
        server, tls="required", client_certificates=ask, client_ca_file=str(trusted.certificate)
    )
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay, greeted(relay.port) as client:
        with pytest.raises((ssl.SSLError, ConnectionError, ClosedError)):
            await secured(client, with_certificate(server, forged))
        await relay.until(lambda: relay.journal.counts["tls-failed"] == 1)
        assert hop.transactions == []


async def test_renewed_certificate(tmp_path: Path) -> None:
    """Files that change are taken over for the next handshake; a bad one leaves the last good in place."""
    server, renewed = pair(tmp_path, "server"), pair(tmp_path, "renewed")
    old = server.client()
    async with ScriptedHop() as hop, gateway(hop, changes=listener(server)) as relay:
        assert relay.doors is not None
        assert relay.doors.refresh() == ([], [])
        shutil.copy(renewed.certificate, server.certificate)  # the key is not there yet
        taken, refused = relay.doors.refresh()
        assert taken == []
        assert "127.0.0.1:2525 can't be used" in refused[0]
        assert relay.doors.refresh() == ([], [])  # told once
        async with greeted(relay.port) as client:
            await client.starttls(old)
            await client.greet()
        shutil.copy(renewed.key, server.key)
        assert relay.doors.refresh() == (["certificate of listener 127.0.0.1:2525"], [])
        async with greeted(relay.port) as client:
            await client.starttls(renewed.client())
            await client.greet()
        async with greeted(relay.port) as client:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await client.starttls(old)


async def test_old_versions_and_weak_ciphers_are_refused(tmp_path: Path) -> None:
    """RFC 8996, RFC 9325 §4: TLS 1.1, and ciphers without forward secrecy, are not spoken."""
    server = pair(tmp_path, "server")
    changes = listener(server, tls="required", tls_mode="implicit")

    def old(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")

    def weak(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("kRSA:@SECLEVEL=0")

    def modern(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        for change in (old, weak):
            context = server.client()
            change(context)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await Client.connect(relay.port, tls=context)
        context = server.client()
        modern(context)
        async with await Client.connect(relay.port, tls=context) as client:
            await client.expect(220)
            assert client.writer.get_extra_info("cipher")[0].startswith(("ECDHE", "DHE"))


async def test_silent_handshake_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never says a word of TLS is gone after a while, and costs one session until then."""
    monkeypatch.setattr("gateway.edge.wire.HANDSHAKE_SECONDS", 0.2)
    server = pair(tmp_path, "server")
    changes = listener(server, tls="required", tls_mode="implicit")
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:
        async with await Client.connect(relay.port) as client:
            await client.closed()
        await relay.until(lambda: len(relay.registry) == 0)


async def test_requiretls(tmp_path: Path) -> None:
    """RFC 8689: offered under TLS only, to a next hop whose certificate is checked; passed on as it came."""
    server, hop_pair = pair(tmp_path, "server"), pair(tmp_path, "hop")
    changes = listener(server)
    keywords = ("PIPELINING", "SIZE", "8BITMIME", "REQUIRETLS")
    async with ScriptedHop(tls=hop_pair.server(), keywords=keywords) as hop:
        changes["next_hop"] = {"tls": "verified", "ca_file": str(hop_pair.certificate)}
        async with gateway(hop, changes=changes) as relay, greeted(relay.port) as client:
            assert b"REQUIRETLS" not in client.keywords
            answer = await client.command(b"MAIL FROM:<hr@example.co.jp> REQUIRETLS")
            assert (answer.code, answer.enhanced) == (555, "5.5.4")
            await client.starttls(server.client())
            await client.greet()
            assert b"REQUIRETLS" in client.keywords
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp> REQUIRETLS=1")).code == 501
            replies = await transact(client, ORDINARY, mail_parameters=b" REQUIRETLS")
            assert replies[-1].code == 250
        assert hop.taken[0].mail == b"MAIL FROM:<hr@example.co.jp> REQUIRETLS"
        assert hop.sessions[0].secure


@pytest.mark.peer("swaks", "openssl")
async def test_real_peers(tmp_path: Path) -> None:
    """Swaks under STARTTLS and with a certificate, and OpenSSL's own client."""
    server, own = pair(tmp_path, "server"), pair(tmp_path, "own", "mail.example.co.jp")
    changes = listener(
        server,
        tls="required",
        client_certificates="required",
        client_ca_file=str(own.certificate),
        client_names=["san:mail.example.co.jp"],
    )
    async with ScriptedHop() as hop, gateway(hop, changes=changes) as relay:

        def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=30, check=False
            )

        mail = (
            "--from",
            "hr@example.co.jp",
            "--to",
            "taro@example.com",
            "--server",
            f"127.0.0.1:{relay.port}",
        )
        shown = ("--tls-cert", str(own.certificate), "--tls-key", str(own.key))
        sent = await asyncio.to_thread(run, str(find("swaks")), *mail, "-tls", *shown)
        assert sent.returncode == 0, sent.stdout
        refused = await asyncio.to_thread(run, str(find("swaks")), *mail)
        assert refused.returncode != 0
        assert "530" in refused.stdout
        seen = await asyncio.to_thread(
            run, str(find("openssl")), "s_client", "-starttls", "smtp", "-connect", f"127.0.0.1:{relay.port}",
            "-CAfile", str(server.certificate), "-cert", str(own.certificate), "-key", str(own.key),
            "-verify_return_error", "-crlf", "-ign_eof", text="EHLO x.example\nQUIT\n",
        )  # fmt: skip
        assert "Verify return code: 0 (ok)" in seen.stdout
        assert "250 ENHANCEDSTATUSCODES" in seen.stdout
        assert "Secure Renegotiation IS NOT supported" in seen.stdout or "TLSv1.3" in seen.stdout
        assert len(hop.taken) == 1


async def test_requiretls_passes_over_hosts_and_stays_with_every_copy(tmp_path: Path) -> None:
    """RFC 8689 §4.2.1: a host that doesn't offer it gets none of it; each copy of a split mail asks for it.

    Where no host offers it any more, the sender hears 451 and nothing goes out (SMTP.md rule 10).
    """
    server, hop_pair = pair(tmp_path, "server"), pair(tmp_path, "hop")
    keywords = ("PIPELINING", "SIZE", "8BITMIME")
    changes = listener(server)
    changes["next_hop"] = {"tls": "verified", "ca_file": str(hop_pair.certificate)}
    async with (
        ScriptedHop(tls=hop_pair.server(), keywords=keywords) as without,
        ScriptedHop(tls=hop_pair.server(), keywords=(*keywords, "REQUIRETLS")) as has_it,
        gateway(without, has_it, changes=changes) as relay,
    ):
        # what is told in EHLO is what the hosts have said; the second has to have been asked
        async with greeted(relay.port) as client:
            without.script({"mail": lost()})
            assert (await transact(client, ORDINARY))[-1].code == 250
            without.script(None)
        async with greeted(relay.port) as client:
            await client.starttls(server.client())
            await client.greet()
            assert b"REQUIRETLS" in client.keywords
            people = (b"a@example.com", b"b@example.net", b"boss@example.co.jp")
            replies = await transact(client, rejection(), recipients=people, mail_parameters=b" REQUIRETLS")
            assert replies[-1].code == 250
            asked = [one for one in has_it.taken if one.mail.endswith(b" REQUIRETLS")]
            assert sorted(to for one in asked for to in one.recipients) == sorted(people)
            assert len(asked) == 3
            assert not [one for one in without.transactions if b"REQUIRETLS" in one.mail]
            await has_it.stop()
            answer = (await transact(client, ORDINARY, mail_parameters=b" REQUIRETLS"))[-1]
            assert (answer.code, answer.enhanced[:4]) == (451, "4.4.")
            assert not [one for one in without.transactions if b"REQUIRETLS" in one.mail]
            assert (await transact(client, ORDINARY))[-1].code == 250, "other mail goes on"
