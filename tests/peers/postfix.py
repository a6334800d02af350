r"""A real Postfix in a folder of its own: nothing of the machine's configuration, queue or log is touched.

Two roles, often one instance of each around a gateway::

    with Postfix.receiver() as receiver, Gateway(next_hop=receiver.port) as gateway, \
            Postfix.sender(gateway.port) as sender:
        sender.submit(mail, sender="hr@example.co.jp", recipients=["taro@example.com"])
        (got,) = receiver.wait_for_mails(1)

The *sender* takes mail on its port (or through `submit`) and hands all of it to its relayhost. The *receiver*
takes mail for everybody and keeps it in a Maildir; what it adds on top is told apart (`Delivered`).
Both need root, since master starts its daemons as the user ``postfix``.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .folder import wait_until
from .mail_server import MailServer

_MASTER = """\
{listen} inet n - n - {limit} smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - {limit} smtp
relay unix - - n - {limit} smtp
lmtp unix - - n - {limit} lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_DAEMONS = Path("/usr/lib/postfix/sbin")
_USER = "postfix"
_QUEUE = {"maildrop": 0o730, "public": 0o710} | dict.fromkeys(
    (
        "active",
        "bounce",
        "corrupt",
        "defer",
        "deferred",
        "flush",
        "hold",
        "incoming",
        "private",
        "saved",
        "trace",
    ),
    0o700,
)

_MAIN: Mapping[str, str] = {
    "compatibility_level": "3.6",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "mydestination": "",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_recipient_restrictions": "",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtp_dns_support_level": "disabled",
    "smtputf8_enable": "yes",
    "message_size_limit": "104857600",
    "mailbox_size_limit": "0",
    "virtual_mailbox_limit": "0",
    "in_flow_delay": "0",
    "local_header_rewrite_clients": "",  # no field is added or completed: what comes out is what went in
    "biff": "no",
    "strict_smtputf8": "no",
    "disable_dns_lookups": "yes",
    "smtp_host_lookup": "native",
    "smtpd_peername_lookup": "no",
    "recipient_delimiter": "",
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "2s",
    "queue_run_delay": "1s",
    "smtpd_tls_security_level": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A mail in the receiver's Maildir: its envelope, and `content` as the hop before it sent it (with CRLF).

    `trace` is what the receiver put on top: Return-Path, X-Original-To, Delivered-To and its Received field.
    """

    sender: str
    recipient: str
    trace: bytes
    content: bytes


_ON_TOP = re.compile(
    rb"Return-Path: <(.*)>\r\nX-Original-To: (.*)\r\n"
    rb"Delivered-To: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*"
)


class Postfix(MailServer[Delivered]):
    """One instance. `settings` are added to main.cf and win; `services` are lines added to master.cf."""

    title = "Postfix"
    log_file = "log"
    maildir = "mails/*/new/*"

    def __init__(
        self,
        settings: Mapping[str, str],
        *,
        hostname: str,
        services: Sequence[str] = (),
        limit: int = 100,
        port: int | None = None,
    ) -> None:
        super().__init__(hostname=hostname, port=port)
        self._settings = {**_MAIN, "myhostname": hostname, "default_process_limit": str(limit), **settings}
        self._services = services
        self._limit = limit

    @classmethod
    def sender(
        cls,
        gateway_port: int | Sequence[int],
        *,
        settings: Mapping[str, str] | None = None,
        hostname: str = "mail.example.co.jp",
        lmtp: bool = False,
        services: Sequence[str] = (),
        limit: int = 100,
    ) -> Self:
        """A company's mail server: everything goes to the gateway, tried again every second or two.

        Several ports are several relay hosts, tried in order. With `lmtp` the gateway is spoken to in LMTP.
        """
        ports = [gateway_port] if isinstance(gateway_port, int) else list(gateway_port)
        where = ", ".join(f"[127.0.0.1]:{port}" for port in ports)
        route = {"default_transport": f"lmtp:inet:127.0.0.1:{ports[0]}"} if lmtp else {"relayhost": where}
        own = {**route, "smtp_tls_security_level": "none", **(settings or {})}
        return cls(own, hostname=hostname, services=services, limit=limit)

    @classmethod
    def receiver(
        cls,
        *,
        domains: str = "static:all",
        settings: Mapping[str, str] | None = None,
        hostname: str = "mx.example.com",
        services: Sequence[str] = (),
    ) -> Self:
        """The mail server behind the gateway: one Maildir holds the mail of all recipients."""
        own = {
            "virtual_mailbox_domains": domains,
            "virtual_mailbox_maps": "static:all/",
            "virtual_mailbox_base": "$config_directory/mails",
            "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534",
            "virtual_minimum_uid": "1",
            "virtual_transport": "virtual",
        }
        return cls({**own, **(settings or {})}, hostname=hostname, services=services)

    def _command(self) -> Sequence[str | Path]:
        # `postfix start` and `start-fg` leave a daemon in another session; with -d master and its daemons
        # stay in the process group that is made here, and that alone is signalled at the end.
        return [_DAEMONS / "master", "-c", self.folder, "-d"]

    def _delivered(self, stored: bytes) -> Delivered:
        """ValueError if it doesn't begin as Postfix's virtual(8) writes it."""
        text = stored.replace(b"\n", b"\r\n")
        found = _ON_TOP.match(text)
        if found is None:
            raise ValueError(f"not a delivered mail: {text[:200]!r}")
        sender, recipient = (found[group].removesuffix(b"\r").decode() for group in (1, 2))
        return Delivered(sender=sender, recipient=recipient, trace=found[0], content=text[found.end() :])

    def _write(self) -> None:
        queue, data, mails = (self.folder / name for name in ("queue", "data", "mails"))
        for path in (queue, queue / "pid", mails):
            path.mkdir()
        for name, mode in _QUEUE.items():
            (queue / name).mkdir()
            shutil.chown(queue / name, _USER, "postdrop" if mode & 0o070 else None)
            (queue / name).chmod(mode)
        data.mkdir()
        shutil.chown(data, _USER)
        mails.chmod(0o777)
        own = {
            "queue_directory": str(queue),
            "data_directory": str(data),
            "maillog_file": str(self.folder / "log"),
            "maillog_file_prefixes": str(self.folder),
        }
        lines = [f"{key} = {value}" for key, value in (own | self._settings).items()]
        (self.folder / "main.cf").write_text("\n".join(lines) + "\n")
        os.utime(self.folder / "main.cf", (0, 0))  # master waits until this file is two seconds old
        service = _MASTER.format(listen=f"127.0.0.1:{self.port}", limit=self._limit)
        (self.folder / "master.cf").write_text(service + "\n".join(self._services) + "\n")

    # mail in

    def source(
        self, count: int, *, sessions: int = 10, size: int = 4096, to: str = "taro@example.com"
    ) -> None:
        """Many mails by Postfix's own generator (smtp-source); all are in the queue on return."""
        where = f"inet:127.0.0.1:{self.port}"
        subprocess.run(
            ["smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-d",
             "-f", "hr@example.co.jp", "-t", to, where],
            check=True, timeout=120,
        )  # fmt: skip

    # what became of it

    def wait_for_empty_queue(self, *, patience: float = 30.0) -> None:
        """Wait until nothing is queued any more."""
        wait_until(lambda: not self.queue_files(), f"an empty queue\n{self.log()[-4000:]}", patience=patience)

    def queue_files(self) -> list[Path]:
        """What still lies in the queue."""
        folders = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
        return [
            path for name in folders for path in (self.folder / "queue" / name).rglob("*") if path.is_file()
        ]

    def queue(self) -> str:
        """What ``postqueue -p`` says."""
        done = subprocess.run(
            ["postqueue", "-c", str(self.folder), "-p"],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout + done.stderr

    def flush(self) -> None:
        """Try again now all that was put off."""
        subprocess.run(["postqueue", "-c", str(self.folder), "-f"], check=True, timeout=30)
