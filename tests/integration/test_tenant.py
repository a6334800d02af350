"""The proof of the tenant on shared clouds (SMTP.md rule 28)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.edge.tenant import MAX_HEAD, take_out
from tests.integration.harness import ORDINARY, Relay, gateway, greeted, rejection, without_trace
from tests.integration.test_tls import LISTEN
from tests.peers.client import Client, transact
from tests.peers.scripted import KEYWORDS, ScriptedHop

ON_UVLOOP = True
SECRET = b"3f1c0d7e5a9b4c2d8e6f7a1b"
FIELD = b"X-Example-Tenant: " + SECRET + b"\r\n"


@asynccontextmanager
async def relaying(folder: Path) -> AsyncIterator[tuple[Relay, ScriptedHop, Client]]:
    """A gateway that takes one tenant's mail only."""
    secret = folder / "tenant.secret"
    secret.write_bytes(SECRET + b"\n")
    secret.chmod(0o600)
    listen = {**LISTEN, "tenant_header": "X-Example-Tenant", "tenant_secret_file": str(secret)}
    async with (
        ScriptedHop(keywords=(*KEYWORDS, "CHUNKING")) as hop,
        gateway(hop, changes={"listen": [listen]}) as relay,
        greeted(relay.port) as client,
    ):
        yield relay, hop, client


def proven(mail: bytes, field: bytes = FIELD) -> bytes:
    """The mail with the field in the middle of its header."""
    first, rest = mail.split(b"\r\n", 1)
    return first + b"\r\n" + field + rest


@pytest.mark.parametrize(
    "field",
    [
        FIELD,
        FIELD.lower().replace(SECRET.lower(), SECRET),
        b"X-Example-Tenant:" + SECRET + b"\r\n",
        b"X-Example-Tenant:\r\n " + SECRET + b" \r\n",
        FIELD + FIELD,
        FIELD + b"X-Example-Tenant: somebody else's\r\n",
    ],
)
async def test_proven(tmp_path: Path, field: bytes) -> None:
    """With the secret mail passes, less the field, and not a byte else."""
    async with relaying(tmp_path) as (relay, hop, client):
        assert (await transact(client, proven(ORDINARY, field)))[-1].code == 250
        assert without_trace(hop.taken[0].content) == ORDINARY
        assert relay.journal.counts["tenant-refused"] == 0


@pytest.mark.parametrize(
    "mail",
    [
        ORDINARY,
        proven(ORDINARY, b"X-Example-Tenant: wrong\r\n"),
        proven(ORDINARY, b"X-Example-Tenant:\r\n"),
        proven(ORDINARY, FIELD.replace(b"Tenant", b"Tenant2")),
        proven(ORDINARY, b"Subject: X-Example-Tenant: " + SECRET + b"\r\n"),
        proven(ORDINARY, b"X-Other: a\r\n " + FIELD),
        ORDINARY + FIELD,
        b"\r\n" + FIELD + b"\r\n",
        b"",
        proven(ORDINARY, b"X-Long: " + b"y" * (MAX_HEAD + 1_000) + b"\r\n" + FIELD),
    ],
    ids=range(10),
)
async def test_not_proven(tmp_path: Path, mail: bytes) -> None:
    """Without it, also in the body or behind a fold: 550 5.7.1, nothing goes on, the session does."""
    async with relaying(tmp_path) as (relay, hop, client):
        answer = (await transact(client, mail))[-1]
        assert (answer.code, answer.enhanced) == (550, "5.7.1")
        assert not [one for one in hop.transactions if one.data]
        assert relay.journal.counts["tenant-refused"] == 1
        assert SECRET.decode() not in answer.text
        assert (await transact(client, proven(ORDINARY)))[-1].code == 250


async def test_links_and_copies_carry_no_secret(tmp_path: Path) -> None:
    """A mail that gets links, to several: in no copy."""
    async with relaying(tmp_path) as (_, hop, client):
        recipients = [b"taro@example.com", b"jiro@example.com", b"boss@example.co.jp"]
        assert (await transact(client, proven(rejection()), recipients=recipients))[-1].code == 250
        assert len(hop.taken) == 3
        assert all(b"tenant" not in one.content.lower() for one in hop.taken)
        links = sum(one.content.count(b"https://careerrelay.example/r/") for one in hop.taken)
        assert links == 2


async def test_large_mail_and_chunks(tmp_path: Path) -> None:
    """What streams, and what comes in chunks cut inside the field."""
    async with relaying(tmp_path) as (_, hop, client):
        big = ORDINARY + (b"z" * 76 + b"\r\n") * 10_000
        assert (await transact(client, proven(big)))[-1].code == 250
        assert without_trace(hop.taken[0].content) == big
        for mail, code in ((proven(ORDINARY), 250), (ORDINARY, 550)):
            await client.command(b"MAIL FROM:<hr@example.co.jp>")
            await client.command(b"RCPT TO:<taro@example.com>")
            await client.send(b"BDAT 40\r\n" + mail[:40] + b"BDAT %d LAST\r\n" % len(mail[40:]) + mail[40:])
            assert [await client.code(), await client.code()] == [250, code]
        assert without_trace(hop.taken[1].content) == ORDINARY


async def test_secret_changes(tmp_path: Path) -> None:
    """A new secret in the file holds from the next mail on."""
    async with relaying(tmp_path) as (relay, _, client):
        (tmp_path / "tenant.secret").write_text("a-new-secret-of-the-tenant\n")
        assert relay.doors is not None
        assert relay.doors.refresh() == (["tenant's secret of listener 127.0.0.1:2525"], [])
        assert (await transact(client, proven(ORDINARY)))[-1].code == 550
        renewed = FIELD.replace(SECRET, b"a-new-secret-of-the-tenant")
        assert (await transact(client, proven(ORDINARY, renewed)))[-1].code == 250


def test_take_out_is_linear_and_exact() -> None:
    """Fields with folds go whole; what only looks alike stays."""
    header = b"A: 1\r\nX-T: a\r\n\tb\r\n c\r\nX-TT: d\r\nx-t : e\r\nZ: X-T: f\r\n"
    assert take_out(header, b"X-T") == (b"A: 1\r\nX-TT: d\r\nZ: X-T: f\r\n", [b"a\tb c", b"e"])
    assert take_out(b"X-T: " + b"a\r\n " * 60_000 + b"\r\n", b"X-T")[0] == b""
