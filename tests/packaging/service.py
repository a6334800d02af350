"""The gateway as systemd would start it in a clean root: the installed unit's own command and user."""

import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.peers.clean_root import CleanRoot
from tests.peers.folder import wait_until


class Service:
    """One run of it.

    Args:
        root: the system.
        unit: the unit whose ``ExecStart`` is run; `command` runs another command instead.
        user: who runs it.
        read_only: as `CleanRoot.command` has it.
    """

    def __init__(
        self,
        root: CleanRoot,
        unit: str = "/usr/lib/systemd/system/careerrelay.service",
        *,
        command: Iterable[str] = (),
        user: str = "careerrelay",
        read_only: Iterable[str] | None = None,
    ) -> None:
        self._words = list(command) or shlex.split(self._exec_start(root.path(unit)))
        self._command = root.command(*self._words, user=user, folder="/", read_only=read_only)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it ends
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def _exec_start(unit: Path) -> str:
        found = re.search(r"^ExecStart=(.+)$", unit.read_text("utf-8"), re.MULTILINE)
        assert found
        return found[1]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._started()
        if process.poll() is None:
            # The namespace ends with its first process. (`--kill-child` is forgotten at a change of user.)
            for child in self._children():
                os.kill(child, signal.SIGKILL)
            process.wait(10)
        self._log.close()

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def log(self) -> str:
        """What it wrote so far."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    def ready(self) -> None:
        """Wait until it takes mail."""

        def said() -> bool:
            assert self._started().poll() is None, self.log()
            return re.search(r"\bready on\b", self.log()) is not None

        wait_until(said, "the word of being ready", patience=60)

    def stop(self) -> int:
        """SIGTERM to the gateway itself, and its exit code."""
        (gateway,) = self._children()
        os.kill(gateway, signal.SIGTERM)
        return self._started().wait(60)

    def _children(self) -> list[int]:
        process = self._started().pid
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
