"""A real Exim in a folder of its own, unpacked and not installed (`scripts/peers.sh`), without root's rights.

    with Exim.receiver() as receiver, Gateway(receiver.port) as gateway, Exim.sender(gateway.port) as sender:
        sender.submit(mail, sender="hr@example.co.jp", recipients=["taro@example.com"])
        (got,) = receiver.wait_for_mails(1)

The *sender* takes mail on its port and hands all of it to the gateway, tried again every second. The
*receiver* keeps all mail, of all recipients, in one Maildir. Debian's Exim looks up a user of its own when it
starts; nss_wrapper shows it one.
"""

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tests.programs import UNPACKED, find

from .mail_server import MailServer

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


class Exim(MailServer[Delivered]):
    """One instance. `settings` go into the main section; `routes` are routers, transports and retry rules."""

    title = "Exim"
    log_file = "log/mainlog"
    maildir = "mails/new/*"

    def __init__(self, routes: str, *, hostname: str, settings: Mapping[str, str], refusal: str = "") -> None:
        super().__init__(hostname=hostname)
        self._routes = routes
        self._settings = settings
        self._refusal = refusal

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

    def _command(self) -> Sequence[str]:
        return [*self._as_user(), *self.program(), "-bdf", "-q1s"]

    def _delivered(self, stored: bytes) -> Delivered:
        """Exim puts Return-path, Envelope-to and its Received field on top."""
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
