"""The next-hop client and a real Postfix.

What was measured there for SMTP.md rules 1, 8 and 10 holds for our client.
"""

import asyncio
from pathlib import Path

import pytest

from gateway.relay.pool import Pool
from gateway.relay.settings import Host, NextHopSettings
from tests.peers.certificate import make_certificate
from tests.peers.postfix import Postfix
from tests.unit.relay.relaying import CONTENT, NOTHING, accepted, codes, finished, mail, rcpt, sent

pytestmark = pytest.mark.peer("postfix")


def settings(postfix: Postfix, **changes: object) -> NextHopSettings:
    """Clear text, if nothing else is said."""
    hosts = (Host(name="localhost", port=postfix.port),)
    values = {"name": "postfix", "hosts": hosts, "helo": "gw.example.co.jp", "tls": "none"}
    return NextHopSettings(**(values | changes))  # type: ignore[arg-type]


async def test_many_mails_over_few_connections() -> None:
    """Rule 8: mails share connections, each arrives once, with its octets."""
    with Postfix.receiver() as postfix:
        pool = Pool(settings(postfix, connections=3))
        replies = await asyncio.gather(*(sent(pool, b"r%d@example.com" % number) for number in range(30)))
        assert codes(replies) == [250] * 30
        assert sum(state.opened for state in pool.status()) == 3
        await pool.close(5)
        mails = await asyncio.to_thread(postfix.wait_for_mails, 30)
        assert {got.recipient for got in mails} == {f"r{number}@example.com" for number in range(30)}
        assert {got.content for got in mails} == {CONTENT.replace(b"\r\n..", b"\r\n.")}


async def test_held_mail_outlives_the_idle_limit() -> None:
    """Rule 1: Postfix ends a transaction that is silent for too long with 421.

    The mail goes through, unseen.
    """
    with Postfix.receiver(settings={"smtpd_timeout": "1s"}) as postfix:
        pool = Pool(settings(postfix))
        held = await accepted(pool, b"a@example.com", b"b@example.com")
        connection = held._connection
        assert connection is not None
        async with asyncio.timeout(10):
            while not connection.fault:  # noqa: ASYNC110 - Postfix decides when
                await asyncio.sleep(0.05)
        assert "421 4.4.2" in connection.fault
        assert (await finished(held)).code == 250
        await pool.close(5)
        mails = await asyncio.to_thread(postfix.wait_for_mails, 2)
        assert {got.recipient for got in mails} == {"a@example.com", "b@example.com"}


async def test_one_bad_sender_hurts_nobody() -> None:
    """Rule 8: twenty refused recipients slow down and end their own connection, and no other mail's."""
    strict = {"smtpd_relay_restrictions": "reject_unauth_destination", "smtpd_error_sleep_time": "0"}
    with Postfix.receiver(domains="example.com", settings=strict) as postfix:
        pool = Pool(settings(postfix))
        outbound = await pool.begin(NOTHING)
        group = [rcpt(b"x%d@elsewhere.example" % number) for number in range(25)]
        replies = await outbound.envelope([mail(), *group])
        await outbound.end()
        assert set(codes(replies[1:])) == {554, 421}
        assert pool.places == (20, 0, 0, 0)
        assert (await sent(pool, b"good@example.com")).code == 250
        await pool.close(5)
        (got,) = await asyncio.to_thread(postfix.wait_for_mails, 1)
        assert got.recipient == "good@example.com"


@pytest.mark.parametrize("policy", ["opportunistic", "required"])
async def test_tls_to_postfix(policy: str, tmp_path: Path) -> None:
    """STARTTLS with a real server.

    Capabilities are those under TLS, and mail flows over the handed-over transport.
    """
    certificate = make_certificate(tmp_path)
    tmp_path.chmod(0o755)
    tls = {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(certificate.certificate),
        "smtpd_tls_key_file": str(certificate.key),
    }
    with Postfix.receiver(settings=tls) as postfix:
        pool = Pool(settings(postfix, tls=policy, ca_file=certificate.certificate))
        capabilities = await pool.capabilities()
        assert b"STARTTLS" not in capabilities
        assert b"DSN" in capabilities
        for _ in range(2):
            assert (await sent(pool)).code == 250
        assert pool.status()[0].opened == 1
        await pool.close(5)
