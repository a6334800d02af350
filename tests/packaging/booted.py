"""A clean root with systemd as its first process: what systemd does to the service, and not what it would do.

In process, mount, name and control-group namespaces of their own, on a cgroup2 hierarchy of this machine; the
network is this machine's. Kernel settings are read-only inside. Needs to be root, and a kernel that lets us.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.clean_root import CleanRoot, clean_words
from tests.peers.folder import wait_until

#: In the new namespaces: the folders that systemd wants to find, a root that can be given another
#: propagation, and systemd itself. /dev has what every container has.
_BOOT = """
mount --bind "$0" "$0" && cd "$0"
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup
for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $place; done
chmod 1777 tmp
while read -r name major minor; do mknod -m 666 "dev/$name" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
mkdir dev/pts dev/shm && mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx && ln -s /proc/self/fd dev/fd
mkdir -p .before && pivot_root . .before && cd / && umount -l .before
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /lib/systemd/systemd
"""
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--cgroup", "--propagation=private")


class CannotBootError(Exception):
    """This machine does not let systemd be a first process; the text says why."""


class Booted:
    """That system, running from `__enter__` to `__exit__`. systemd has to be installed in it."""

    def __init__(self, root: CleanRoot) -> None:
        self.root = root
        self._groups = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it ends
        self._first = 0

    def __enter__(self) -> Self:
        self._groups = Path(tempfile.mkdtemp(prefix="careerrelay-cgroup-"))
        done = subprocess.run(
            ["mount", "-t", "cgroup2", "none", str(self._groups)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            self._groups.rmdir()
            raise CannotBootError(f"no control groups: {done.stderr.strip()}")
        group = self._groups / f"careerrelay-{os.getpid()}"
        group.mkdir()
        enter = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", enter, str(group), *_UNSHARE, "sh", "-euc", _BOOT, str(self.root.folder)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        try:
            wait_until(self._is_up, "systemd", patience=60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            self._log.seek(0)
            raise CannotBootError(self._log.read().decode("utf-8", "replace")[-500:])
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._first = int(children[0])
        try:
            name = Path(f"/proc/{self._first}/comm").read_text().strip()
        except OSError:
            return False
        state = (
            self.run("systemctl", "is-system-running", check=False).stdout.strip()
            if name == "systemd"
            else ""
        )
        return state in ("running", "degraded")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            if self._first and process.poll() is None:
                os.kill(self._first, signal.SIGKILL)  # and with it everything in its namespace
            process.wait(30)
        self._log.close()
        groups = [path for path in self._groups.glob(f"careerrelay-{os.getpid()}/**/") if path.is_dir()]
        for path in sorted(groups, key=lambda one: -len(one.parts)):
            path.rmdir()
        subprocess.run(["umount", str(self._groups)], check=True)
        shutil.rmtree(self._groups)

    def run(self, *command: str, user: str = "root", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside; unless `check` is off, it has to succeed."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--"]
        done = subprocess.run(
            [*enter, *clean_words(user, {}), *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert not check or done.returncode == 0, (
            f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-4_000:]}\n{done.stderr[-4_000:]}"
        )
        return done

    def processes(self, unit: str) -> list[int]:
        """All of a unit's, as this machine counts processes."""
        file = self._groups / f"careerrelay-{os.getpid()}/system.slice/{unit}/cgroup.procs"
        return [int(word) for word in file.read_text().split()]

    def show(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit, in the order asked for."""
        said = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
        found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        return [found.get(name, "") for name in names]
