"""The package where the first process is systemd: started, watched, reloaded, upgraded and stopped by it."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import ORDINARY, rejection
from tests.integration.running import LINK
from tests.packaging.booted import Booted, CannotBootError
from tests.packaging.test_debian_package import CONFIG, configure, install, newer
from tests.peers.action import reply
from tests.peers.clean_root import CleanRoot
from tests.peers.client import send_mail
from tests.peers.folder import free_port, wait_until
from tests.peers.scripted import ScriptedHop

pytestmark = [pytest.mark.long, pytest.mark.peer("debootstrap", "systemd"), pytest.mark.timeout(1_800)]

SERVICE = "careerrelay.service"


@pytest.fixture
def machine(root: CleanRoot, package: Path) -> Iterator[Booted]:
    """It runs, with the package installed and not configured."""
    root.run("apt-get", "install", "--no-install-recommends", "-qq", "systemd")
    install(root, package)
    root.path("/usr/sbin/policy-rc.d").unlink()  # from here on packages start what they bring
    try:
        with Booted(root) as machine:
            yield machine
    except CannotBootError as error:
        pytest.skip(f"systemd can't be a first process here: {error}")


def main_process(machine: Booted) -> int:
    """The service's, as this machine counts processes."""
    (main,) = machine.show(SERVICE, "MainPID")
    for process in machine.processes(SERVICE):
        status = Path(f"/proc/{process}/status").read_text()
        # NSpid: the ids of a process from the outermost namespace to its own
        if next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1] == main:
            return process
    raise AssertionError(f"no process {main}")


def journal(machine: Booted, *words: str) -> str:
    """What the service told the journal."""
    return machine.run("journalctl", "--unit=careerrelay", "--no-pager", "--output=cat", *words).stdout


def is_active(machine: Booted) -> bool:
    """Whether it takes mail, as systemd sees it."""
    return machine.show(SERVICE, "ActiveState", "SubState") == ["active", "running"]


async def test_life(machine: Booted, package: Path, tmp_path: Path) -> None:
    """From the first start to the removal."""
    run = machine.run
    assert machine.show(SERVICE, "ActiveState", "ConditionResult", "UnitFileState") == [
        "inactive",
        "no",
        "enabled",
    ]
    assert machine.show("careerrelay-backup.timer", "ActiveState") == ["active"]

    port = free_port()
    async with ScriptedHop() as hop:
        configure(machine.root, port, hop.port, free_port())
        await asyncio.to_thread(run, "systemctl", "start", "careerrelay")  # returns with READY=1
        assert machine.show(SERVICE, "StatusText") == [f"taking mail on 127.0.0.1:{port}"]
        assert (await send_mail(port, rejection(1)))[-1].code == 250
        assert LINK.search(hop.taken[-1].content)
        found = re.search(r"message_id=(\S+)", journal(machine))
        assert found
        assert "reason    injected" in run("careerrelay", "trace", found[1]).stdout
        assert "all is well" in (await asyncio.to_thread(run, "careerrelay", "status")).stdout

        # what the sandbox leaves to it
        status = Path(f"/proc/{main_process(machine)}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        assert int(facts["CapBnd"], 16) == int(facts["CapEff"], 16) == 1 << 10, "CAP_NET_BIND_SERVICE alone"
        assert facts["Uid"].split()[0] != "0"

        # a reload with a mistake changes nothing, and is an error for whoever looks for errors
        path = machine.root.path(CONFIG)
        good = path.read_text("utf-8")
        path.write_text(good.replace("[gateway]", "[gateway]\nnonsense = 1"), "utf-8")
        await asyncio.to_thread(run, "systemctl", "reload", "careerrelay")
        assert is_active(machine)
        assert "nonsense" in journal(machine, "--priority=warning")
        assert (await send_mail(port, ORDINARY))[-1].code == 250
        path.write_text(good, "utf-8")
        await asyncio.to_thread(run, "systemctl", "reload", "careerrelay")

        # the timers' work
        await asyncio.to_thread(
            run, "systemctl", "start", "careerrelay-backup.service", "careerrelay-purge.service"
        )
        (copy,) = machine.root.path("/var/lib/careerrelay/backup").iterdir()
        assert (copy.stat().st_mode & 0o777, copy.name[:7]) == (0o600, "ledger.")

        # killed, it is started again; hanging, it is killed by the watchdog, and started again
        for number, death in ((1, signal.SIGKILL), (2, signal.SIGSTOP)):
            os.kill(main_process(machine), death)
            await asyncio.to_thread(
                wait_until,
                lambda number=number: (
                    machine.show(SERVICE, "NRestarts") == [str(number)] and is_active(machine)
                ),
                f"restart {number}",
                patience=120,
            )
            assert (await send_mail(port, ORDINARY))[-1].code == 250
        assert "Watchdog timeout" in journal(machine)

        # an upgrade restarts it, and a mail in hand is finished first
        before = machine.show(SERVICE, "MainPID")
        held = asyncio.Event()
        hop.script({"dot": [reply(250, "2.0.0 late").when(held)]})
        whole = len(hop.complete)
        mail = asyncio.create_task(send_mail(port, rejection(2), patience=200.0))
        await hop.wait(lambda: len(hop.complete) > whole)
        deb = newer(package, tmp_path, "99-1")
        machine.root.bring(deb, f"/root/{deb.name}")
        upgrade = asyncio.create_task(
            asyncio.to_thread(run, "apt-get", "install", "--no-install-recommends", f"/root/{deb.name}")
        )
        await asyncio.to_thread(
            wait_until,
            lambda: machine.show(SERVICE, "ActiveState") == ["deactivating"],
            "a drain",
            patience=120,
        )
        held.set()
        assert (await mail)[-1].code == 250
        await upgrade
        assert is_active(machine)
        assert machine.show(SERVICE, "MainPID") != before
        assert "99-1" in run("dpkg-query", "--show", "careerrelay").stdout

        await asyncio.to_thread(run, "systemctl", "stop", "careerrelay")
        assert machine.show(SERVICE, "ActiveState", "Result", "ExecMainStatus") == [
            "inactive",
            "success",
            "0",
        ]
        await asyncio.to_thread(run, "systemctl", "start", "careerrelay")
        await asyncio.to_thread(run, "apt-get", "remove", "careerrelay")
        assert machine.show(SERVICE, "ActiveState", "LoadState") == ["inactive", "not-found"]
        with pytest.raises(ConnectionRefusedError):
            await send_mail(port, ORDINARY)


async def test_sockets(machine: Booted) -> None:
    """With careerrelay.socket: a port below 1024, and no refused connection while the service restarts."""
    port = next(port for port in range(1_023, 600, -1) if _free(port))
    folder = machine.root.path("/etc/systemd/system")
    (folder / "careerrelay.socket.d").mkdir()
    (folder / "careerrelay.socket.d/port.conf").write_text(
        f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n"
    )
    (folder / "careerrelay.service.d").mkdir()
    (folder / "careerrelay.service.d/none.conf").write_text(
        "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n"
    )
    async with ScriptedHop() as hop:
        configure(machine.root, port, hop.port, free_port())
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "enable", "--now", "careerrelay.socket")
        assert machine.show(SERVICE, "ActiveState") == ["inactive"]
        assert (await send_mail(port, ORDINARY))[-1].code == 250, "started by its first connection"
        assert is_active(machine)
        status = Path(f"/proc/{main_process(machine)}/status").read_text()
        assert "CapBnd:\t0000000000000000" in status
        restart = asyncio.create_task(asyncio.to_thread(machine.run, "systemctl", "restart", "careerrelay"))
        sent = 0
        while not restart.done():
            answer = (await send_mail(port, ORDINARY))[-1]
            assert answer.code in (250, 421), "never refused: it waits"
            sent += answer.code == 250
        await restart
        assert sent


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
