"""Installed by the words of README.md and docs/admin.md alone, in a clean root."""

import asyncio
import re

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import LINK
from tests.packaging.pages import ROOT, bring_sources, commands, section, type_in
from tests.packaging.service import Service
from tests.peers.clean_root import CleanRoot
from tests.peers.client import send_mail
from tests.peers.folder import free_port, listening, wait_until
from tests.peers.scripted import ScriptedHop

pytestmark = [pytest.mark.long, pytest.mark.peer("debootstrap", "systemd"), pytest.mark.timeout(1_800)]

CONFIG = "/etc/careerrelay/config.toml"
ADMIN = "docs/admin.md"


def answers(hop: int) -> dict[str, str]:
    """What an admin types when `careerrelay init` asks."""
    typed = (
        "gw.example.co.jp", "example.co.jp", f"127.0.0.1:{hop}", "https://careerrelay.example/r/{token}",
        "mailto:no-more@example.co.jp?subject={token}",
    )  # fmt: skip
    return {"careerrelay init": "".join(f"{line}\n" for line in typed)}


def on_other_ports(root: CleanRoot, port: int) -> None:
    """Ports of this test in the config, beside whatever else runs on this machine; no TLS to the next hop."""
    path = root.path(CONFIG)
    text = path.read_text("utf-8").replace("port = 2525", f"port = {port}")
    path.write_text(text.replace("127.0.0.1:8025", f"127.0.0.1:{free_port()}"), "utf-8")


@pytest.mark.parametrize(
    ("way", "unit"),
    [
        ("### The Debian package", "/usr/lib/systemd/system/careerrelay.service"),
        ("### From the wheel", "/etc/systemd/system/careerrelay.service"),
    ],
)
async def test_admin_page(root: CleanRoot, way: str, unit: str) -> None:
    """Each way to install leads to a gateway that takes mail; a restored backup has what was sent."""
    await asyncio.to_thread(bring_sources, root)
    await asyncio.to_thread(root.run, "apt-get", "install", "-qq", "systemd")  # what every such machine has
    await asyncio.to_thread(type_in, root, commands(section(ADMIN, way)))
    first = commands(section(ADMIN, "### The first start"))
    assert first == [
        "careerrelay init",
        "careerrelay doctor",
        "systemctl restart careerrelay",
        "careerrelay status",
    ]
    init, doctor, restart, status = first
    port = free_port()
    async with ScriptedHop() as hop:
        printed = await asyncio.to_thread(type_in, root, [init], answers(hop.port))
        assert f"wrote {CONFIG}" in printed
        on_other_ports(root, port)
        await asyncio.to_thread(type_in, root, [doctor, restart])
        with Service(root, unit) as service:
            await asyncio.to_thread(service.ready)
            assert "all is well" in await asyncio.to_thread(type_in, root, [status])
            assert (await send_mail(port, rejection()))[-1].code == 250
            assert await asyncio.to_thread(service.stop) == 0
        assert [LINK.search(mail.content) for mail in hop.taken] == [None], "rules begin by observing"
        path = root.path(CONFIG)
        path.write_text(path.read_text("utf-8") + '\n[rules.mode]\n"*" = "inject"\n', "utf-8")
        with Service(root, unit) as service:
            await asyncio.to_thread(service.ready)
            assert (await send_mail(port, rejection(2)))[-1].code == 250
            backup, *restore = commands(section(ADMIN, "## Backup and restore"))
            root.path("/var/lib/careerrelay/backup").mkdir(exist_ok=True)
            root.run("chown", "careerrelay:", "/var/lib/careerrelay/backup")
            await asyncio.to_thread(type_in, root, [backup])
            assert await asyncio.to_thread(service.stop) == 0
        found = LINK.search(hop.taken[-1].content)
        assert found
        root.path("/var/lib/careerrelay/ledger.db").write_bytes(b"what a broken disk leaves")
        await asyncio.to_thread(type_in, root, restore)
        listed = root.run("careerrelay", "sends", "list", "--json", user="careerrelay")
        assert found[1].decode() in listed.stdout


async def test_readme(root: CleanRoot) -> None:
    """The README's five minutes with a real Postfix: a rejection that people submit gets its link."""
    assert [port for port in (587, 2525, 2526) if listening(port)] == [], (
        "ports that the README names are taken"
    )
    five = section("README.md", "## Five minutes: Postfix in front")
    install, start, look = re.findall(r"^```sh\n(.*?)^```$", five, re.MULTILINE | re.DOTALL)
    (config,) = re.findall(r"^```toml\n(.*?)^```$", five, re.MULTILINE | re.DOTALL)
    (master,) = re.findall(r"^```\n(submission.*?)^```$", five, re.MULTILINE | re.DOTALL)
    await asyncio.to_thread(bring_sources, root)
    (prerequisites,) = commands(section("README.md", "## Try it"))[:1]
    await asyncio.to_thread(root.run, "apt-get", "install", "-qq", "systemd", "postfix")
    async with ScriptedHop() as world:
        settings = {
            "myhostname": "mail.example.co.jp", "relayhost": f"[127.0.0.1]:{world.port}",
            "maillog_file": "/var/log/maillog",
            "smtp_host_lookup": "native", "smtputf8_enable": "no", "mynetworks": "127.0.0.0/8",
        }  # fmt: skip
        root.run("postconf", *(f"{name}={value}" for name, value in settings.items()))
        # `what stands here already`, and no chroot, into which Debian copies files by its init script
        text = master.replace("    # ... what stands here already, and:\n", "").replace(
            " n - y - - smtpd", " n - n - - smtpd"
        )
        path = root.path("/etc/postfix/master.cf")
        path.write_text(
            re.sub(r"(?m)^(\w+\s+\w+\s+\S+\s+\S+\s+)y", r"\1n", path.read_text("utf-8")) + text, "utf-8"
        )
        await asyncio.to_thread(type_in, root, [prerequisites, *install.splitlines()])
        root.write(CONFIG, config + '\n[rules.mode]\n"*" = "inject"\n')
        check, *rest = start.splitlines()
        assert "good" in await asyncio.to_thread(type_in, root, [check])
        with Service(root, command=["sh", "-c", "postfix start && exec sleep infinity"], user="root"):
            wait_until(lambda: listening(587) and listening(2526), "Postfix")
            with Service(root) as gateway:
                await asyncio.to_thread(gateway.ready)
                assert [line.split()[0] for line in rest] == ["systemctl", "postfix"]
                assert (await send_mail(587, ORDINARY))[-1].code == 250
                assert (await send_mail(587, rejection()))[-1].code == 250
                log = root.path("/var/log/maillog")
                try:
                    await world.wait(lambda: len(world.taken) == 2, patience=30)
                except TimeoutError:
                    pytest.fail(f"{log.read_text('utf-8')}\n{gateway.log()}")
                await asyncio.to_thread(type_in, root, look.splitlines()[:2])
        found = {bool(LINK.search(mail.content)) for mail in world.taken}
        assert found == {True, False}


def test_pages_name_what_is_built() -> None:
    """The names of the files that the pages install are those that the targets build."""
    words = (ROOT / "README.md").read_text("utf-8") + (ROOT / ADMIN).read_text("utf-8")
    assert "./dist/careerrelay_*.deb" in words
    assert "dist/careerrelay_gateway-*.whl" in words
