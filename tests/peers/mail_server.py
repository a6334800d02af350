"""What real mail servers have in common as peers: a folder, processes of their own, mail in, mail out.

Nothing of the machine's configuration, queue or log is touched. `stop` ends the processes that were started
here, by their ids, and no others. Every call blocks: in a coroutine use ``asyncio.to_thread``.
"""

import contextlib
import os
import signal
import smtplib
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

from .folder import free_port, group_members, listening, open_folder, wait_until

Delivered = TypeVar("Delivered")


class MailServer(ABC, Generic[Delivered]):
    """One instance. What it has delivered lies in a Maildir of its folder."""

    title: ClassVar[str]
    #: The log and the delivered mails, below the folder; the latter may be a pattern.
    log_file: ClassVar[str]
    maildir: ClassVar[str]

    def __init__(self, *, hostname: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.hostname = hostname
        self.folder = Path()
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _write(self) -> None:
        """Fill the new folder."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What runs it in the foreground."""

    @abstractmethod
    def _delivered(self, stored: bytes) -> Delivered:
        """Take apart a file of the Maildir, whose line ends are LF."""

    def environment(self) -> Mapping[str, str] | None:
        """The program's; None for this process's own."""
        return None

    # life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Write the folder (once) and run the program as our own child; returns once it listens."""
        if self.folder == Path():
            self.folder = self._stack.enter_context(open_folder(f"careerrelay-{self.title.lower()}-"))
            self._write()
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
                env=self.environment(),
            )
        try:
            wait_until(self._up, f"{self.title} on port {self.port}")
        except BaseException:
            self.stop()
            raise

    def _up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.title} ended: {(self.folder / 'stderr').read_text()}\n{self.log()}")
        return listening(self.port)

    @property
    def process_id(self) -> int:
        """The first process's, which is also the group of all; 0 when it doesn't run."""
        return self._process.pid if self._process is not None else 0

    def halt(self) -> None:
        """Stop the processes; folder, queue and mails stay, and `start` goes on with them."""
        if self._process is None:
            return
        group = self._process.pid  # a session of our own: the server and the daemons that it started
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait(5)
        # A daemon that still ends holds port and locks, and the next start would fail.
        wait_until(lambda: not group_members(group), f"all of {self.title} gone")
        self._process = None

    def stop(self) -> None:
        """Stop the processes and remove the folder."""
        self.halt()
        self._stack.close()
        self.folder = Path()

    # mail

    def submit(
        self, content: bytes, *, sender: str, recipients: Sequence[str], options: Sequence[str] = ()
    ) -> None:
        """Hand a mail over by SMTP; it is in the queue on return. Raises smtplib's errors."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as session:
            session.ehlo()
            session.sendmail(sender, list(recipients), content, mail_options=list(options))

    def paths(self) -> list[Path]:
        """The files of all delivered mails, oldest first."""
        return sorted(self.folder.glob(self.maildir), key=lambda path: path.stat().st_mtime_ns)

    def mails(self) -> list[Delivered]:
        """All delivered mails, oldest first."""
        return [self._delivered(path.read_bytes()) for path in self.paths()]

    def wait_for_mails(self, count: int, *, patience: float = 30.0) -> list[Delivered]:
        """Wait until `count` mails are there. TimeoutError shows queue and log."""
        try:
            wait_until(lambda: len(self.paths()) >= count, f"{count} mails", patience=patience)
        except TimeoutError as error:
            found = f"there are {len(self.paths())}"
            raise TimeoutError(f"{error}; {found}\n{self.queue()}\n{self.log()[-4000:]}") from error
        return self.mails()

    def queue(self) -> str:
        """What still waits, for people."""
        return ""

    def log(self) -> str:
        """The log so far."""
        path = self.folder / self.log_file
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def log_lines(self, *words: str) -> list[str]:
        """Lines of the log that hold all these words."""
        return [line for line in self.log().splitlines() if all(word in line for word in words)]

    def wait_for_log(self, *words: str, patience: float = 30.0) -> str:
        """Wait for a line that holds all these words, and give it."""
        what = f"{words} in the log\n{self.log()[-4000:]}"
        return wait_until(lambda: next(iter(self.log_lines(*words)), ""), what, patience=patience)
