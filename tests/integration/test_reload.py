"""SIGHUP: the parent reads and checks, the workers take over; no session is dropped (rule 26, promise 9)."""

import asyncio
import contextlib
import email
import json
import shutil
import time
from pathlib import Path

import pytest

from gateway.config import shipped_packs
from tests.integration.harness import ORDINARY, greeted, rejection
from tests.integration.running import LINK, open_records, rules_in, running, sends, until
from tests.integration.traffic import PATIENT_LEDGER, Traffic, check
from tests.peers.action import reply
from tests.peers.certificate import make_certificate
from tests.peers.client import Client, send_mail, stuffed, transact
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop


async def reload(gateway: Gateway) -> None:
    """SIGHUP, and wait until every worker has taken it over."""
    before = gateway.log().count("reloaded")
    gateway.reload()
    await until(
        lambda: gateway.log().count("reloaded") >= before + len(gateway.workers()),
        f"reloaded\n{gateway.log()}",
    )


async def refused(gateway: Gateway) -> str:
    """SIGHUP, and wait until it was refused; what the log says about it."""
    before = len(gateway.log())
    gateway.reload()
    ask = ORDINARY  # a mail behind it: what the parent says about one reload it says at once
    await until(lambda: "reload refused" in gateway.log()[before:], "reload refused")
    await send_mail(gateway.port, ask)
    await asyncio.sleep(0.1)  # the last lines of the same moment may still be in the pipe
    return gateway.log()[before:]


async def links(gateway: Gateway, hop: ScriptedHop, number: int) -> int:
    """How many links a new rejection gets."""
    before = len(hop.taken)
    assert (await send_mail(gateway.port, rejection(number)))[-1].code == 250
    return len(set(LINK.findall(hop.taken[before].content)))


async def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    """Rule 26, promise 9: config, rules or footers with errors are refused whole, every error is told."""
    rules = rules_in(tmp_path)
    settings = {"rules": {"directory": str(rules)}}
    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as gateway:
        good, settled = gateway.config.read_text("utf-8"), gateway.settings
        gateway.configure(
            {"gateway": {"mode": "of", "max_received": -1}, "limits": {"recipients": 1}, "nonsense": {}}
        )
        said = await refused(gateway)
        for word in ("gateway.mode", "gateway.max_received", "nonsense"):
            assert word in said, said
        assert await links(gateway, hop, 1) == 1
        gateway.config.write_text(good, "utf-8")
        gateway.settings = settled

        kept = (rules / "ja-rejection.toml").read_text("utf-8")
        (rules / "ja-rejection.toml").write_text("what = [", "utf-8")
        (rules / "footers" / "default-en.txt").write_text("{{ nobody }}", "utf-8")
        said = await refused(gateway)
        for word in ("ja-rejection.toml", "default-en.txt"):
            assert word in said, said
        assert await links(gateway, hop, 2) == 1
        async with greeted(gateway.port) as client:
            answers = await transact(client, ORDINARY, recipients=(b"a@example.com", b"b@example.com"))
            assert answers[-1].code == 250
        assert "reloaded" not in gateway.log()

        (rules / "ja-rejection.toml").write_text(kept, "utf-8")
        shutil.copy(shipped_packs() / "footers" / "default-en.txt", rules / "footers")
        gateway.configure({"rules": {"mode": {"*": "off"}}})
        await reload(gateway)
        assert await links(gateway, hop, 3) == 0


async def test_a_file_that_is_being_written_is_not_taken_by_half(tmp_path: Path) -> None:
    """Promise 9: a pack is empty for a moment when it is written in place; a set without its rules is valid.

    Then rejections would go without their links until the next reload.
    """
    rules = rules_in(tmp_path)
    pack = rules / "ja-rejection.toml"
    good = pack.read_text("utf-8")
    settings = {"rules": {"directory": str(rules)}, **PATIENT_LEDGER}

    def write(number: int) -> None:
        with pack.open("w", encoding="utf-8") as file:
            gateway.reload()
            time.sleep(0.02)
            file.write(f"{good}# {number}\n")

    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as gateway:
        for number in range(6):
            await asyncio.to_thread(write, number)
            for again in range(6):
                assert await links(gateway, hop, 100 + number * 10 + again) == 1
                await asyncio.sleep(0.05)
        assert "reloaded" in gateway.log()
        assert "reload refused" not in gateway.log()


async def test_what_changes_with_the_next_mail(tmp_path: Path) -> None:
    """Footers, rules, limits and the log's form hold from the next mail on, also in a session that is open.

    A mail that is under way ends with the rules that it began with (rule 21).
    """
    rules = rules_in(tmp_path)
    settings = {"rules": {"directory": str(rules)}, "log": {"addresses": "plain"}}
    async with (
        ScriptedHop() as hop,
        running(hop, settings, folder=tmp_path) as gateway,
        greeted(gateway.port) as client,
    ):
        for line in (b"MAIL FROM:<hr@example.co.jp>", b"RCPT TO:<taro@example.com>"):
            assert (await client.command(line)).code == 250
        footer = rules / "footers" / "default-ja.txt"
        footer.write_text(footer.read_text("utf-8") + "改訂版\n", "utf-8")
        gateway.configure({"limits": {"recipients": 1}, "log": {"format": "json"}})
        await reload(gateway)

        assert (await client.command(b"DATA")).code == 354
        await client.send(stuffed(rejection(11)))
        assert await client.code() == 250
        assert "改訂版".encode() not in decoded(hop.taken[0].content)
        assert (await transact(client, rejection(12)))[-1].code == 250
        assert "改訂版".encode() in decoded(hop.taken[1].content)
        answers = await send_mail(gateway.port, ORDINARY, recipients=(b"a@example.com", b"b@example.com"))
        assert [answer.code for answer in answers] == [250, 250, 452, 354, 250]
        await until(lambda: "a@example.com" in gateway.log(), "the mail in the log")
        last = next(entry for entry in gateway.log().splitlines() if "a@example.com" in entry)
        assert json.loads(last)["message"] == "mail"


def decoded(content: bytes) -> bytes:
    """The text of a mail, whatever its transfer encoding."""
    payload = email.message_from_bytes(content).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


async def test_networks_change_for_the_next_session() -> None:
    """Promise 7: who is taken out of `networks` is refused from then on; who is put in is let in."""
    async with ScriptedHop() as hop, running(hop) as gateway:
        listen = {"address": "127.0.0.1", "port": gateway.port}
        gateway.configure({"listen": [{**listen, "networks": ["127.0.0.2/32"]}]})
        await reload(gateway)
        assert [answer.code for answer in await send_mail(gateway.port, ORDINARY)] == [554]
        gateway.configure({"listen": [{**listen, "networks": ["127.0.0.1"]}]})
        await reload(gateway)
        assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
        assert len(hop.taken) == 1


async def test_what_needs_a_restart_is_said(tmp_path: Path) -> None:
    """Sockets, processes and the ledger can't change under way: the log names the keys, the rest is taken."""
    async with ScriptedHop() as hop, running(hop, folder=tmp_path) as gateway:
        other = free_port()
        gateway.configure(
            {
                "listen": [{"address": "127.0.0.1", "port": other, "networks": ["127.0.0.0/8"]}],
                "gateway": {"workers": 2, "mode": "observe"},
                "ledger": {"url": "sqlite:///other.db"},
            }
        )
        await reload(gateway)
        for key in ("listen", "gateway.workers", "ledger"):
            assert f"this change holds only after a restart key={key}\n" in gateway.log()
        assert len(gateway.workers()) == 1
        assert await links(gateway, hop, 31) == 0
        assert not (tmp_path / "other.db").exists()
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(other)


async def test_passwords_are_read_again(tmp_path: Path) -> None:
    """A password that was changed is taken up with SIGHUP; a wrong one puts mail off (rule 4)."""
    certificate = make_certificate(tmp_path)
    folder = tmp_path / "gateway"
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    secret.chmod(0o600)
    login = (b"gateway", b"old")
    async with ScriptedHop(tls=certificate.server(), auth=login) as hop:
        settings = {
            "next_hop": {
                "tls": "required",
                "ca_file": str(certificate.certificate),
                "user": "gateway",
                "password_file": str(secret),
                "hosts": [f"localhost:{hop.port}"],
            }
        }
        async with running(hop, settings, folder=folder) as gateway:
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            secret.write_text("new\n")
            await reload(gateway)
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            said = [answer for session in hop.sessions for answer in session.auth]
            assert len(said) == 2
            assert said[0] != said[1]
            hop.script({"auth": reply(535, "5.7.8 no")})
            secret.write_text("newer\n")
            await reload(gateway)
            assert (await send_mail(gateway.port, ORDINARY))[0].code == 451
            assert "new" not in gateway.log().replace("anew", "")


async def test_another_next_hop() -> None:
    """A mail in hand ends where it began; the next one goes to the new host, also in the same session."""
    async with ScriptedHop() as one, ScriptedHop() as two, running(one) as gateway:
        held = asyncio.Event()
        one.script({"dot": reply(250, "2.0.0 from the first").when(held)})
        async with greeted(gateway.port) as client:
            attempt = asyncio.create_task(transact(client, rejection(41)))
            await one.wait(lambda: len(one.complete) == 1)
            gateway.configure({"next_hop": {"hosts": [two.address]}})
            await reload(gateway)
            assert (await send_mail(gateway.port, ORDINARY))[-1].code == 250
            held.set()
            assert "from the first" in (await attempt)[-1].text
            assert (await transact(client, rejection(42)))[-1].code == 250
        assert (len(one.taken), len(two.taken)) == (1, 2)


async def test_signals_that_pile_up() -> None:
    """Many SIGHUPs during one reload ask for one more, and none of them delays SIGTERM (rule 27)."""
    async with ScriptedHop() as hop, running(hop) as gateway:
        for _ in range(30):
            gateway.reload()
            await asyncio.sleep(0.005)
        assert await asyncio.to_thread(gateway.stop, patience=10) == 0
        assert gateway.log().count("reloaded") <= 8


async def stir(gateway: Gateway, rules: Path, hops: tuple[ScriptedHop, ScriptedHop]) -> None:
    """SIGHUP every 300 ms, each time with something else changed, until cancelled; then all is good again."""
    pack, footer = rules / "ja-rejection.toml", rules / "footers" / "default-ja.txt"
    good, text = pack.read_text("utf-8"), footer.read_text("utf-8")
    turn = 0

    def change() -> None:
        match turn % 6:
            case 0:
                pass
            case 1:
                gateway.configure({"limits": {"parallel_copies": 2 + turn % 3}})
            case 2:
                footer.write_text(text + f"{turn}\n", "utf-8")
                pack.write_text(good + f"# {turn}\n", "utf-8")
            case 3:
                pack.write_text(good + "\n[[rule]]\nname = 7\n", "utf-8")
            case 4:
                pack.write_text(good, "utf-8")
                gateway.configure({"next_hop": {"hosts": [hops[turn // 6 % 2].address]}})
            case _:
                gateway.config.write_text(gateway.config.read_text("utf-8") + "\nnonsense = 1\n", "utf-8")

    while True:
        change()
        gateway.reload()
        await asyncio.sleep(0.3)
        turn += 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("workers", "total"),
    [
        (1, 200),
        (2, 400),
        pytest.param(1, 10_000, marks=pytest.mark.long),
        pytest.param(2, 10_000, marks=pytest.mark.long),
    ],
)
async def test_reload_under_load(tmp_path: Path, workers: int, total: int) -> None:
    """Rule 26: not one mail of 10,000 is put off, lost or doubled while SIGHUP comes all the time.

    The config is unchanged, changed, broken; rules and footers changed, broken; the next hop is another one.
    """
    rules = rules_in(tmp_path)
    settings = {"rules": {"directory": str(rules)}, "gateway": {"workers": workers}, **PATIENT_LEDGER}
    async with ScriptedHop() as one, ScriptedHop() as two, running(one, settings, folder=tmp_path) as gateway:
        stirring = asyncio.create_task(stir(gateway, rules, (two, one)))
        traffic = Traffic(
            port=gateway.port,
            total=total,
            enough=lambda: two.taken and gateway.log().count("reloaded") >= 2,
        )
        await traffic.run()
        stirring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stirring
        assert await asyncio.to_thread(gateway.stop) == 0
        tokens = check(traffic, gateway.log(), one, two)
        rows = sends(gateway.ledger)
        assert {row.token for row in rows} == tokens
        assert {row.state for row in rows} == {"accepted"}
        assert open_records(gateway.ledger) == 0
        assert gateway.log().count("reloaded") >= 2
        assert len(two.taken) > 0
