"""TLS with other people's programs: Postfix as the sender (which also says XFORWARD), OpenSSL, testssl.sh."""

import asyncio
import json
import smtplib
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, gateway
from tests.integration.test_tls import LISTEN, listener, pair
from tests.peers.certificate import Certificate
from tests.peers.client import Client
from tests.peers.folder import free_port, open_folder
from tests.peers.gateway import Gateway
from tests.peers.postfix import Postfix
from tests.peers.scripted import ScriptedHop
from tests.programs import find

ON_UVLOOP = True
pytestmark = pytest.mark.timeout(240)

SENDER = "hr@example.co.jp"


# --- Postfix ----------------------------------------------------------------------------------------------


def _tls(server: Certificate, **keys: object) -> dict[str, object]:
    given = {
        "tls": "required",
        "certificate_file": str(server.certificate),
        "certificate_key_file": str(server.key),
    }
    return {**LISTEN, **given, **keys}


def _postfix(server: Certificate, own: Certificate | None, more: dict[str, str]) -> dict[str, str]:
    """Postfix checks the gateway's certificate, and shows its own."""
    given = {
        "smtp_tls_security_level": "verify",
        "smtp_tls_verify_cert_match": "localhost",
        "smtp_tls_CAfile": str(server.certificate),
        "smtp_tls_loglevel": "1",
    }
    if own is not None:
        given |= {"smtp_tls_cert_file": str(own.certificate), "smtp_tls_key_file": str(own.key)}
    return given | more


@pytest.mark.peer("postfix")
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "implicit"])
def test_postfix_under_tls_with_a_certificate(*, implicit: bool) -> None:
    """Verified on both sides; the log names whose certificate it was. Without one nothing is taken."""
    with open_folder("careerrelay-tls-") as folder:
        server = pair(folder, "server")
        own = pair(folder, "own", "mail.example.co.jp")
        port = free_port()
        listen = _tls(
            server,
            port=port,
            tls_mode="implicit" if implicit else "starttls",
            client_certificates="required",
            client_ca_file=str(own.certificate),
            client_names=["san:mail.example.co.jp"],
        )
        mode = {"smtp_tls_wrappermode": "yes"} if implicit else {}
        with (
            Postfix.receiver() as receiver,
            Gateway(receiver.port, {"listen": [listen]}, port=port) as relay,
            Postfix.sender(port, settings=_postfix(server, own, mode)) as sender,
            Postfix.sender(port, settings=_postfix(server, None, mode)) as stranger,
        ):
            sender.submit(ORDINARY, sender=SENDER, recipients=["tls@example.com"])
            (mail,) = receiver.wait_for_mails(1)
            assert b" with ESMTPS id " in mail.content
            assert mail.content.endswith(ORDINARY)
            relay.wait_for_log("proven=san:mail.example.co.jp")
            assert sender.log_lines("Verified TLS connection established", "TLSv1.3")
            stranger.submit(ORDINARY, sender=SENDER, recipients=["nobody@example.com"])
            relay.wait_for_log("TLS with a sender failed")
            assert stranger.queue_files(), "it keeps what it can't send"
            assert len(receiver.mails()) == 1


@pytest.mark.peer("postfix")
@pytest.mark.parametrize("forward", ["xforward", "xclient"])
def test_postfix_tells_whom_it_speaks_for_and_hears_it_again(forward: str) -> None:
    """Postfix, the gateway, Postfix: the last one's log or trace names the first one's client."""
    port = free_port()
    listen = {**LISTEN, "port": port, "xclient_networks": ["127.0.0.1"]}
    allowed = {f"smtpd_authorized_{forward}_hosts": "127.0.0.0/8"}
    settings = {"listen": [listen], "next_hop": {"forward_client": forward}}
    with (
        Postfix.receiver(settings=allowed) as receiver,
        Gateway(receiver.port, settings, port=port),
        Postfix.sender(port, settings={"smtp_send_xforward_command": "yes"}) as sender,
        smtplib.SMTP("127.0.0.1", sender.port, source_address=("127.0.0.77", 0), timeout=30) as client,
    ):
        client.sendmail(SENDER, ["forward@example.com"], ORDINARY)
        (mail,) = receiver.wait_for_mails(1)
        if forward == "xclient":
            assert b"[127.0.0.77]" in mail.trace
        else:
            assert receiver.log_lines("orig_client=", "[127.0.0.77]")
        assert mail.content.endswith(ORDINARY)


# --- versions and ciphers -----------------------------------------------------------------------------------


@asynccontextmanager
async def both_ways(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Ports of a listener with STARTTLS and of one with implicit TLS."""
    server = pair(folder, "server")
    async with ScriptedHop() as hop:
        implicit = listener(server, tls="required", tls_mode="implicit")
        async with (
            gateway(hop, changes=listener(server, tls="required")) as one,
            gateway(hop, changes=implicit) as other,
        ):
            yield one.port, other.port


def shake_hands(port: int, *options: str, starttls: bool) -> str:
    """What OpenSSL's client says of a handshake: the version and cipher, or "" where there was none."""
    how = ("-starttls", "smtp") if starttls else ()
    done = subprocess.run(
        [str(find("openssl")), "s_client", "-connect", f"127.0.0.1:{port}", *how, *options],
        input="QUIT\r\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    new = [line for line in done.stdout.splitlines() if line.startswith("New, ")]
    return "" if not new or "(NONE)" in new[0] else new[0].removeprefix("New, ")


WEAK = (
    "eNULL", "ADH", "AECDH", "MD5", "PSK", "SRP", "CAMELLIA", "ARIA",
    "kRSA",  # no forward secrecy
    "AES128-SHA", "AES256-GCM-SHA384",
)  # fmt: skip


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("starttls", [True, False])
async def test_versions(tmp_path: Path, *, starttls: bool) -> None:
    """RFC 8996: TLS 1.2 and 1.3 are spoken, whatever the client would put up with; nothing older is."""
    async with both_ways(tmp_path) as ports:
        port = ports[not starttls]

        async def with_(*options: str) -> str:
            return await asyncio.to_thread(shake_hands, port, *options, starttls=starttls)

        assert (await with_("-tls1_3")).startswith("TLSv1.3, Cipher is TLS_")
        assert "ECDHE" in await with_("-tls1_2")
        for old in ("-tls1_1", "-tls1"):
            assert await with_(old, "-cipher", "ALL:@SECLEVEL=0") == "", old


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("weak", WEAK)
async def test_weak_ciphers(tmp_path: Path, weak: str) -> None:
    """RFC 9325 §4.1: none of these, even for a client that offers nothing else."""
    async with both_ways(tmp_path) as (port, _):
        options = ("-tls1_2", "-cipher", f"{weak}:@SECLEVEL=0")
        assert await asyncio.to_thread(shake_hands, port, *options, starttls=True) == ""


#: Suites that no OpenSSL of today would even offer (IANA's TLS Cipher Suites).
FORGOTTEN = {
    "export": (0x0003, 0x0006, 0x0008, 0x0014, 0x0062, 0x0064),
    "RC4": (0x0004, 0x0005, 0xC007, 0xC011),
    "DES": (0x0009, 0x0015),
    "3DES": (0x000A, 0x0016, 0xC008, 0xC012),
    "IDEA, SEED": (0x0007, 0x0096, 0x009A),
    "no encryption": (0x0001, 0x0002, 0x003B, 0xC006, 0xC010),
    "anonymous": (0x0018, 0x001B, 0x0034, 0xC018, 0xC019),
}
MODERN = (0xC02B,)  # TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256


def client_hello(suites: Sequence[int]) -> bytes:
    """A ClientHello for TLS 1.2 that offers these suites (RFC 5246 §7.4.1.2), in a record of its own."""

    def sized(octets: bytes, width: int = 2) -> bytes:
        return len(octets).to_bytes(width, "big") + octets

    def words(numbers: Sequence[int]) -> bytes:
        return b"".join(number.to_bytes(2, "big") for number in numbers)

    extensions = (
        words([10]) + sized(sized(words([23, 29])))  # supported_groups: secp256r1, x25519
        + words([11]) + sized(sized(b"\0", 1))  # ec_point_formats: uncompressed
        + words([13]) + sized(sized(words([0x0403, 0x0804, 0x0401])))  # signature_algorithms
    )  # fmt: skip
    body = words([0x0303]) + bytes(32) + sized(b"", 1) + sized(words(suites)) + sized(b"\0", 1)
    hello = b"\x01" + sized(body + sized(extensions), 3)
    return b"\x16\x03\x01" + sized(hello)


@pytest.mark.parametrize("suites", [*FORGOTTEN.values(), MODERN], ids=[*FORGOTTEN, "modern"])
async def test_suites_that_only_old_clients_offer(tmp_path: Path, suites: Sequence[int]) -> None:
    """RFC 9325 §4.1: no handshake; the same words with a modern suite begin one."""
    async with both_ways(tmp_path) as (_, port), await Client.connect(port) as client:
        await client.send(client_hello(suites))
        record = await asyncio.wait_for(client.reader.read(1), 10)  # its type; nothing if it is just closed
        assert record in ((b"\x16",) if suites is MODERN else (b"", b"\x15"))


@pytest.mark.long
@pytest.mark.peer("testssl")
@pytest.mark.timeout(600)
async def test_testssl(tmp_path: Path) -> None:
    """Its checks of protocols, classes of ciphers, forward secrecy and known holes find nothing above low."""
    async with both_ways(tmp_path) as (port, _):
        report = tmp_path / "report.json"
        command = [
            str(find("testssl")), "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none",
            "--starttls", "smtp", "-p", "-s", "-f", "-I", "-T", "-R", "-C", "--jsonfile", str(report),
            f"127.0.0.1:{port}",
        ]  # fmt: skip

        def run() -> str:
            return subprocess.run(
                command, capture_output=True, text=True, timeout=500, check=False, stdin=subprocess.DEVNULL
            ).stdout

        told = await asyncio.to_thread(run)
        found = json.loads(report.read_text())
        said = {one["id"]: one["finding"] for one in found}
        assert said["TLS1_2"].startswith("offered"), told[-3000:]
        assert said["TLS1_3"].startswith("offered")
        for old in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
            assert said[old].startswith("not offered"), old
        worse = ("MEDIUM", "HIGH", "CRITICAL", "WARN")
        # it would like an OpenSSL with more engines
        assert [one for one in found if one["severity"] in worse and one["id"] != "engine_problem"] == []
