"""Rules, footers and list files that change hold by themselves, whole or not at all (RULES.md, "Safety")."""

import asyncio
import contextlib
import email
import email.policy
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.config import shipped_packs
from tests.integration.harness import identity, rejection
from tests.integration.running import LINK, rules_in, running, until
from tests.peers.client import send_mail
from tests.peers.gateway import Gateway
from tests.peers.scripted import ScriptedHop

#: On a quiet machine a change holds within two seconds; tests run beside others.
PATIENCE = 15.0


async def sent(gateway: Gateway, hop: ScriptedHop, number: int) -> bytes:
    """A new rejection as the hop got it."""
    mail = rejection(number)
    assert (await send_mail(gateway.port, mail))[-1].code == 250
    return next(one.content for one in hop.taken if identity(mail) in one.content)


async def links(gateway: Gateway, hop: ScriptedHop, number: int) -> int:
    """How many links a new rejection gets."""
    return len(set(LINK.findall(await sent(gateway, hop, number))))


@contextlib.asynccontextmanager
async def taken(gateway: Gateway) -> AsyncIterator[None]:
    """Wait until every worker has taken what is changed inside."""
    wanted = gateway.log().count("reloaded") + len(gateway.workers())
    yield
    await until(lambda: gateway.log().count("reloaded") >= wanted, "a reload", patience=PATIENCE)


async def test_a_change_holds_by_itself_in_all_workers(tmp_path: Path) -> None:
    """Rules, then a footer, then a list file; each in all workers, and no signal was sent."""
    rules = rules_in(tmp_path)
    (tmp_path / "quiet.txt").write_text("# nobody\n")
    settings = {
        "rules": {"directory": str(rules)},
        "gateway": {"workers": 2, "exclude_senders_file": "quiet.txt"},
    }
    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as gateway:
        assert await links(gateway, hop, 1) == 1
        pack = rules / "ja-rejection.toml"
        good = pack.read_text("utf-8")
        async with taken(gateway):
            pack.write_text(good.replace('id = "ja-rejection"', 'id = "renamed"'))
        await links(gateway, hop, 2)
        await until(lambda: "rule=renamed" in gateway.log(), "the new rule's name in the log")

        footer = rules / "footers" / "default-ja.txt"
        async with taken(gateway):
            footer.write_text(footer.read_text("utf-8") + "改訂版\n", "utf-8")
        for number in range(3, 7):  # whichever worker takes them
            content = await sent(gateway, hop, number)
            message = email.message_from_bytes(content, policy=email.policy.default)
            assert "改訂版" in message.get_content()

        async with taken(gateway):
            (tmp_path / "quiet.txt").write_text("hr@example.co.jp\n")
        assert await links(gateway, hop, 7) == 0
        await until(lambda: "reason=sender-excluded" in gateway.log(), "the reason in the log")


async def test_a_bad_set_is_refused_and_the_editors_are_told(tmp_path: Path) -> None:
    """All its errors in the log and in one mail, the counter, and the last good set goes on."""
    rules = rules_in(tmp_path)
    settings = {
        "rules": {"directory": str(rules), "editors": ["hr-it@example.co.jp", "second@example.co.jp"]}
    }
    async with ScriptedHop() as hop, running(hop, settings, folder=tmp_path) as gateway:
        good = (rules / "ja-rejection.toml").read_text("utf-8")
        (rules / "ja-rejection.toml").write_text("what = [", "utf-8")
        (rules / "footers" / "default-en.txt").write_text("{{ nobody }}", "utf-8")
        await hop.wait(lambda: len(hop.taken) == 1, patience=PATIENCE)
        told = hop.taken[0]
        assert told.sender == b""
        assert told.recipients == [b"hr-it@example.co.jp", b"second@example.co.jp"]
        message = email.message_from_bytes(told.content, policy=email.policy.default)
        assert message["Auto-Submitted"] == "auto-generated"
        for word in ("ja-rejection.toml", "default-en.txt", "last good set"):
            assert word in message.get_content()
            assert word in gateway.log() or word == "last good set"
        assert await links(gateway, hop, 1) == 1

        # another mistake at once is told in the log, and not in another mail
        lines = gateway.log().count("reload refused")
        (rules / "ja-rejection.toml").write_text("else = [", "utf-8")
        await until(lambda: gateway.log().count("reload refused") > lines, "refused again", patience=PATIENCE)

        async with taken(gateway):
            (rules / "ja-rejection.toml").write_text(good + "# mended\n", "utf-8")
            shutil.copy(shipped_packs() / "footers" / "default-en.txt", rules / "footers")
        assert await links(gateway, hop, 2) == 1
        assert len(hop.taken) == 3
        assert await asyncio.to_thread(gateway.stop) == 0
        assert "reload-refused=2" in gateway.log()
        assert "alerts-mailed=1" in gateway.log()
