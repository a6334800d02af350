"""A real Exim in a folder of its own, unpacked and not installed (`scripts/peers.sh`), without root's rights.

    with Exim.receiver() as receiver, Gateway(receiver.port) as gateway, Exim.sender(gateway.port) as sender:
        sender.submit(mail, sender="hr@example.co.jp", recipients=["taro@example.com"])
        (got,) = receiver.wait_for_mails(1)

The *sender* takes mail on its port and hands all of it to the gateway, tried again every second. The
*receiver* keeps all mail, of all recipients, in one Maildir. Debian's Exim looks up a user of its own when it
starts; nss_wrapper shows it one. Every call blocks: in a coroutine use ``asyncio.to_thread``.
"""

import contextlib
import os
import pwd
import shutil
import smtplib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.programs import UNPACKED, find

from .folder import free_port, group_members, listening, open_folder, wait_until

_LIBRARIES = UNPACKED / "usr/lib/x86_64-linux-gnu"
#: Whom Exim's files belong to, and who it runs as where the tests run as root.
_USER = "nobody"

_MAIN = """\
primary_hostname = {hostname}
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
add_environment = PATH=/usr/bin:/bin
exim_user = {user}
exim_group = {group}
never_users =
trusted_users = {user}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
disable_ipv6 = true
host_lookup =
deliver_drop_privilege = true
accept_8bitmime = true
chunking_advertise_hosts = *
message_size_limit = 50M
acl_smtp_rcpt = {rcpt}
acl_smtp_data = accept
{settings}
begin acl
refuse:
  deny message = {refusal}
begin routers
"""

_SENDER = """\
all:
  driver = manualroute
  domains = *
  transport = out
  route_list = * 127.0.0.1
  self = send
begin transports
out:
  driver = smtp
  port = {gateway}
  {transport}
begin retry
* * F,1h,1s
"""

_RECEIVER = """\
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  maildir_format
  directory = {folder}/mails
  user = {user}
  group = {group}
  envelope_to_add
  return_path_add
  batch_max = 100
begin retry
* * F,1h,1s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A mail in the receiver's Maildir: for whom, and `content` as the hop before it sent it (with CRLF)."""

    recipients: tuple[str, ...]
    trace: bytes
    content: bytes


def _delivered(stored: bytes) -> Delivered:
    """Take apart a file of the Maildir: Exim puts Return-path, Envelope-to and its Received field on top."""
    text = stored.replace(b"\n", b"\r\n")
    at = 0
    fields: list[bytes] = []
    while len(fields) < 3:
        end = text.index(b"\r\n", at) + 2
        while text[end : end + 1] in (b" ", b"\t"):
            end = text.index(b"\r\n", end) + 2
        fields.append(text[at:end])
        at = end
    names = [field.partition(b":")[0] for field in fields]
    if names != [b"Return-path", b"Envelope-to", b"Received"]:
        raise ValueError(f"not a mail as Exim delivers it: {names}")
    recipients = fields[1].partition(b":")[2].decode().replace(",", " ").split()
    return Delivered(recipients=tuple(recipients), trace=text[:at], content=text[at:])


class Exim:
    """One instance. `settings` go into the main section; `routes` are routers, transports and retry rules."""

    def __init__(self, routes: str, *, hostname: str, settings: Mapping[str, str], refusal: str = "") -> None:
        self.port = free_port()
        self.hostname = hostname
        self.folder = Path()
        self._routes = routes
        self._settings = settings
        self._refusal = refusal
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def sender(
        cls,
        gateway_port: int,
        *,
        transport: str = "hosts_avoid_tls = *",
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """A company's mail server: everything goes to the gateway. `transport`: more options of its smtp."""
        routes = _SENDER.replace("{gateway}", str(gateway_port)).replace("{transport}", transport)
        return cls(routes, hostname="mail.example.co.jp", settings=settings or {})

    @classmethod
    def receiver(cls, *, refusal: str = "") -> Self:
        """The mail server behind the gateway. With `refusal` it refuses every recipient in these words."""
        return cls(_RECEIVER, hostname="mx.example.com", settings={}, refusal=refusal)

    # life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Write the folder and run the daemon as our own child; returns once it listens."""
        if self.folder == Path():
            self.folder = self._stack.enter_context(open_folder("careerrelay-exim-"))
            self._write()
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [*self._as_user(), *self.program(), "-bdf", "-q1s"],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
                env=self.environment(),
            )
        try:
            wait_until(self._up, f"Exim on port {self.port}")
        except BaseException:
            self.stop()
            raise

    def program(self) -> list[str]:
        """Exim on this instance's config, for a command of the test's own."""
        return [str(find("exim4")), "-C", str(self.folder / "config")]

    def environment(self) -> dict[str, str]:
        """What the program needs to find its libraries and its user."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LD_PRELOAD": str(_LIBRARIES / "libnss_wrapper.so"),
            "LD_LIBRARY_PATH": str(_LIBRARIES),
            "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.folder / "group"),
        }

    @staticmethod
    def _as_user() -> list[str]:
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(_USER)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Exim ended: {(self.folder / 'stderr').read_text()}\n{self.log()}")
        return listening(self.port)

    def stop(self) -> None:
        """Stop the processes that were started here, and remove the folder."""
        if self._process is not None:
            group = self._process.pid
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, 9)
            self._process.wait(5)
            wait_until(lambda: not group_members(group), "all of Exim gone")
            self._process = None
        self._stack.close()
        self.folder = Path()

    def _write(self) -> None:
        user = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam(_USER)
        for name in ("spool", "log", "mails"):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, user.pw_uid, user.pw_gid)
        ids = {"user": user.pw_uid, "group": user.pw_gid}
        names = f"{user.pw_name}:x:{user.pw_uid}:{user.pw_gid}::/:/bin/false\n"
        (self.folder / "passwd").write_text(
            f"root:x:0:0::/:/bin/false\n{names}Debian-exim:x:{user.pw_uid}:{user.pw_gid}::/:/bin/false\n"
        )
        (self.folder / "group").write_text(
            f"root:x:0:\nnogroup:x:{user.pw_gid}:\nDebian-exim:x:{user.pw_gid}:\n"
        )
        main = _MAIN.format(
            hostname=self.hostname,
            folder=self.folder,
            port=self.port,
            rcpt="refuse" if self._refusal else "accept",
            refusal=self._refusal or "no",
            settings="\n".join(f"{key} = {value}" for key, value in self._settings.items()),
            **ids,
        )
        routes = self._routes.replace("{folder}", str(self.folder))
        for key, value in ids.items():
            routes = routes.replace("{" + key + "}", str(value))
        (self.folder / "config").write_text(main + routes)

    # mail

    def submit(self, content: bytes, *, sender: str, recipients: Sequence[str]) -> None:
        """Hand a mail over by SMTP; it is in the queue on return. Raises smtplib's errors."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as session:
            session.ehlo()
            session.sendmail(sender, list(recipients), content)

    def mails(self) -> list[Delivered]:
        """All delivered mails, oldest first."""
        paths = sorted((self.folder / "mails").glob("new/*"), key=lambda path: path.stat().st_mtime_ns)
        return [_delivered(path.read_bytes()) for path in paths]

    def wait_for_mails(self, count: int, *, patience: float = 30.0) -> list[Delivered]:
        """Wait until `count` mails are there. TimeoutError shows the log."""
        try:
            wait_until(lambda: len(self.mails()) >= count, f"{count} mails", patience=patience)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; there are {len(self.mails())}\n{self.log()[-4000:]}") from error
        return self.mails()

    def wait_for_log(self, *words: str, patience: float = 30.0) -> str:
        """Wait for a line that holds all these words, and give it."""

        def found() -> str:
            lines = self.log().splitlines()
            return next((line for line in lines if all(word in line for word in words)), "")

        return wait_until(found, f"{words} in Exim's log\n{self.log()[-4000:]}", patience=patience)

    def log(self) -> str:
        """The main log so far."""
        path = self.folder / "log" / "mainlog"
        return path.read_text("utf-8", "replace") if path.exists() else ""
