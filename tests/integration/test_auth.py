"""AUTH: under TLS only, by users with rights, and what guessing costs."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.config.password import hash_password
from gateway.config.users import User, write_users
from tests.integration.harness import ORDINARY, Relay, gateway, greeted
from tests.integration.test_tls import LISTEN, pair, with_certificate
from tests.peers.certificate import Certificate
from tests.peers.client import Client, transact
from tests.peers.scripted import ScriptedHop
from tests.programs import find

ON_UVLOOP = True
PASSWORD = "correct horse é"
USERS = (
    User(name="payroll", password=""),
    User(name="hr@example.co.jp", password="", senders=("*@example.co.jp",)),
    User(name="elsewhere", password="", listeners=("other",)),
)


def encoded(text: str) -> bytes:
    """As it goes on the wire."""
    return base64.b64encode(text.encode())


def plain(name: str, password: str = PASSWORD, identity: str = "") -> bytes:
    """AUTH PLAIN with an initial response."""
    return b"AUTH PLAIN " + encoded(f"{identity}\0{name}\0{password}")


def users_file(folder: Path) -> Path:
    """A file with all `USERS`; their hashes are as cheap as a file may have them."""
    hashed = hash_password(PASSWORD, b"0123456789abcdef", log_n=10, passes=1)
    path = folder / "users.toml"
    write_users(
        path, [User(name=u.name, password=hashed, senders=u.senders, listeners=u.listeners) for u in USERS]
    )
    return path


def changes(folder: Path, server: Certificate, **keys: object) -> dict[str, Any]:
    """A listener with logins."""
    listen = {
        **LISTEN,
        "tls": "offered",
        "auth": "required",
        "certificate_file": str(server.certificate),
        "certificate_key_file": str(server.key),
        **keys,
    }
    return {"listen": [listen], "auth": {"users_file": str(users_file(folder)), "attempts": 4}}


@asynccontextmanager
async def relaying(folder: Path, **keys: object) -> AsyncIterator[tuple[Relay, ScriptedHop, ssl.SSLContext]]:
    """A gateway with logins, its hop, and what a client needs for TLS."""
    server = pair(folder, "server")
    async with ScriptedHop() as hop, gateway(hop, changes=changes(folder, server, **keys)) as relay:
        yield relay, hop, server.client()


@asynccontextmanager
async def secured(relay: Relay, context: ssl.SSLContext) -> AsyncIterator[Client]:
    """A sender past STARTTLS and EHLO."""
    async with greeted(relay.port) as client:
        assert (await client.starttls(context)).code == 220
        await client.greet()
        yield client


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals that a test can wait for, and an unknown name that costs no more than a known one."""
    monkeypatch.setattr("gateway.edge.login.FIRST_DELAY", 0.002)
    cheap = hash_password("nobody's", b"0123456789abcdef", log_n=10, passes=1)
    monkeypatch.setattr("gateway.edge.login.NOBODY", cheap)


async def test_offered_and_taken_under_tls_only(tmp_path: Path) -> None:
    """RFC 4954 §4: in the clear AUTH is neither offered nor taken; mail needs it."""
    async with relaying(tmp_path) as (relay, hop, context), greeted(relay.port) as client:
        assert not [word for word in client.keywords if word.startswith(b"AUTH")]
        answer = await client.command(plain("payroll"))
        assert (answer.code, answer.enhanced) == (538, "5.7.11")
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 530
        await client.starttls(context)
        assert (await client.command(plain("payroll"))).code == 503  # EHLO first
        await client.greet()
        assert b"AUTH PLAIN LOGIN" in client.keywords
        answer = await client.command(b"MAIL FROM:<hr@example.co.jp>")
        assert (answer.code, answer.enhanced) == (530, "5.7.0")
        answer = await client.command(plain("payroll"))
        assert (answer.code, answer.enhanced) == (235, "2.7.0")
        assert (await client.command(plain("payroll"))).code == 503
        assert (await transact(client, ORDINARY))[-1].code == 250
        assert b" with ESMTPSA id " in hop.taken[0].content
        assert relay.journal.mails[0].proven == "user payroll"
        assert hop.sessions[0].auth == []  # the sender's login is not the next hop's business


@pytest.mark.parametrize(
    "lines",
    [
        [plain("payroll")],
        [plain("payroll", identity="payroll")],
        [b"auth plain", encoded(f"\0payroll\0{PASSWORD}")],
        [b"AUTH LOGIN", encoded("payroll"), encoded(PASSWORD)],
        [b"AUTH login " + encoded("payroll"), encoded(PASSWORD)],
    ],
)
async def test_mechanisms(tmp_path: Path, lines: list[bytes]) -> None:
    """PLAIN and LOGIN, with and without an initial response, in any case (RFC 4954 §4)."""
    async with relaying(tmp_path) as (relay, _, context), secured(relay, context) as client:
        answers = [await client.command(line) for line in lines]
        assert [answer.code for answer in answers] == [334] * (len(lines) - 1) + [235]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([b"AUTH"], 501),
        ([b"AUTH CRAM-MD5"], 504),
        ([b"AUTH PLAIN !!!"], 501),
        ([b"AUTH PLAIN ="], 501),
        ([b"AUTH PLAIN " + encoded("payroll")], 501),
        ([b"AUTH PLAIN " + base64.b64encode(b"\0\xff\0x")], 501),
        ([b"AUTH PLAIN", b"*"], 501),
        ([b"AUTH LOGIN", b"*"], 501),
        ([b"AUTH LOGIN", encoded("payroll"), b"*"], 501),
        ([b"AUTH PLAIN", b"x" * 5_000], 500),
        ([plain("payroll", "wrong")], 535),
        ([plain("payroll", "")], 535),
        ([plain("payroll", "x" * 2_000)], 535),
        ([plain("nobody")], 535),
        ([plain("")], 535),
        ([plain("payroll", identity="hr@example.co.jp")], 535),
        ([plain("elsewhere")], 535),
    ],
)
async def test_refused(tmp_path: Path, lines: list[bytes], code: int) -> None:
    """What is no login, or a wrong one, is refused; the session goes on and may not send."""
    async with relaying(tmp_path) as (relay, hop, context), secured(relay, context) as client:
        answers = [await client.command(line) for line in lines]
        assert answers[-1].code == code
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 530
        assert (await client.command(plain("payroll"))).code == 235
        assert hop.transactions == []


async def test_senders_of_a_user(tmp_path: Path) -> None:
    """A user with a list sends as nobody else, the empty sender included; one without sends as anybody."""
    async with relaying(tmp_path) as (relay, hop, context):
        async with secured(relay, context) as client:
            assert (await client.command(plain("hr@example.co.jp"))).code == 235
            for sender in (b"<boss@example.com>", b"<>", b"<hr@example.co.jp.example.com>"):
                answer = await client.command(b"MAIL FROM:" + sender)
                assert (answer.code, answer.enhanced) == (553, "5.7.1")
            assert (await transact(client, ORDINARY, sender=b"HR@Example.co.jp"))[-1].code == 250
        async with secured(relay, context) as client:
            assert (await client.command(plain("payroll"))).code == 235
            assert (await transact(client, ORDINARY, sender=b""))[-1].code == 250
        assert len(hop.transactions) == 2


async def test_offered_is_not_required(tmp_path: Path) -> None:
    """Peers send without a login; who logs in is held to the rights of the user."""
    async with relaying(tmp_path, auth="offered") as (relay, _, context), secured(relay, context) as client:
        assert (await transact(client, ORDINARY, sender=b"a@example.com"))[-1].code == 250
        assert (await client.command(plain("hr@example.co.jp"))).code == 235
        assert (await client.command(b"MAIL FROM:<a@example.com>")).code == 553


def named(own: Certificate) -> dict[str, Any]:
    """A listener that asks for certificates, and lets in the one of that pair."""
    return {
        "client_certificates": "optional",
        "client_ca_file": str(own.certificate),
        "client_names": ["san:mail.example.co.jp"],
    }


async def test_certificate_instead_of_a_login(tmp_path: Path) -> None:
    """With `client_certificates = "optional"` a named certificate does what a login does."""
    server, own = pair(tmp_path, "server"), pair(tmp_path, "own", "mail.example.co.jp")
    given = changes(tmp_path, server, **named(own))
    async with ScriptedHop() as hop, gateway(hop, changes=given) as relay:
        async with secured(relay, with_certificate(server, own)) as client:
            assert (await transact(client, ORDINARY))[-1].code == 250
        async with secured(relay, server.client()) as client:
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 530


async def test_the_certificate_of_who_speaks_for_others_is_no_login_of_theirs(tmp_path: Path) -> None:
    """CWE-863: after XCLIENT only a LOGIN of the client that is spoken for lets its mail in."""
    server, own = pair(tmp_path, "server"), pair(tmp_path, "own", "mail.example.co.jp")
    given = changes(tmp_path, server, **named(own), xclient_networks=["127.0.0.0/8"])
    async with (
        ScriptedHop() as hop,
        gateway(hop, changes=given) as relay,
        secured(relay, with_certificate(server, own)) as client,
    ):
        for login, code in ((b"", 530), (b" LOGIN=nobody", 530), (b" LOGIN=payroll", 250)):
            assert (await client.command(b"XCLIENT ADDR=127.0.0.5" + login)).code == 220
            await client.greet()
            assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == code, login
        assert hop.sessions, "the last one"


async def test_login_in_the_middle_of_a_mail(tmp_path: Path) -> None:
    """RFC 4954 §4: AUTH is not permitted during a mail transaction."""
    async with relaying(tmp_path, auth="offered") as (relay, _, context), secured(relay, context) as client:
        assert (await client.command(b"MAIL FROM:<hr@example.co.jp>")).code == 250
        assert (await client.command(plain("payroll"))).code == 503


async def test_cwe_307_guessing_ends(tmp_path: Path) -> None:
    """CWE-307: three wrong ones end a session, `attempts` shut the peer out, right passwords included."""
    async with relaying(tmp_path) as (relay, _, context):
        async with secured(relay, context) as client:
            for _ in range(2):
                assert (await client.command(plain("payroll", "guess"))).code == 535
            answer = await client.command(plain("payroll", "guess"))
            assert (answer.code, answer.enhanced) == (421, "4.7.0")
            await client.closed()
        async with secured(relay, context) as client:
            assert (await client.command(plain("hr@example.co.jp", "guess"))).code == 535
        async with secured(relay, context) as client:
            assert (await client.command(plain("payroll"))).code == 421
        assert relay.journal.counts["login-failed"] == 4
        assert relay.journal.counts["login"] == 0
        told = "\n".join(relay.journal.faults)
        assert "127.0.0.1" in told
        assert "guess" not in told


async def test_users_change_under_way(tmp_path: Path) -> None:
    """A user who is removed can't log in any more, also with a password that was right before."""
    async with relaying(tmp_path) as (relay, _, context):
        async with secured(relay, context) as client:
            assert (await client.command(plain("payroll"))).code == 235
        write_users(tmp_path / "users.toml", [])
        assert relay.doors is not None
        assert relay.doors.refresh() == (["users file"], [])
        async with secured(relay, context) as client:
            assert (await client.command(plain("payroll"))).code == 535
        (tmp_path / "users.toml").write_text("nonsense")
        taken, refused = relay.doors.refresh()
        assert (taken, len(refused)) == ([], 1)


async def test_hashing_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While passwords are checked, mail of others goes on."""

    def slow(password: str, hashed: str) -> bool:
        time.sleep(1.0)
        return True

    monkeypatch.setattr("gateway.edge.login.verify", slow)
    async with (
        relaying(tmp_path, auth="offered") as (relay, _, context),
        secured(relay, context) as client,
        greeted(relay.port) as other,
    ):
        login = asyncio.ensure_future(client.command(plain("payroll")))
        await asyncio.sleep(0.05)
        assert (await transact(other, ORDINARY))[-1].code == 250
        assert not login.done()
        assert (await login).code == 235


async def test_cwe_208_time_tells_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CWE-208: as much is computed for a name that nobody has."""
    computed: list[str] = []

    def count(password: str, hashed: str) -> bool:
        computed.append(hashed.split("$")[2])
        return False

    monkeypatch.setattr("gateway.edge.login.verify", count)
    async with relaying(tmp_path) as (relay, _, context), secured(relay, context) as client:
        await client.command(plain("payroll"))
        await client.command(plain("nobody"))
    assert computed == ["ln=10,r=8,p=1"] * 2


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_logs_in(tmp_path: Path, mechanism: str) -> None:
    """A real client, with both mechanisms."""
    async with relaying(tmp_path) as (relay, hop, _):
        program = await asyncio.create_subprocess_exec(
            str(find("swaks")), "--server", f"127.0.0.1:{relay.port}", "--from", "hr@example.co.jp", "--to",
            "taro@example.com", "-tls", "--auth", mechanism, "--auth-user", "payroll",
            "--auth-password", PASSWORD,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await program.communicate()
        assert program.returncode == 0, output.decode()
        assert len(hop.taken) == 1
