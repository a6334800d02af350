"""Haraka with its banner, as lean as it gets: three plugins, errors only in the log, TCP_NODELAY forced.

Installed with npm into a cache folder outside the checkout, once.
"""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from tests.peers.folder import group_members, wait_until

VERSION = "3.3.4"
FOOTER = "応募者のみなさまへ: 転職支援のご案内 https://careerrelay.example/r/bench\n"
_OLDEST_NODE = 20

_FILES = {
    "config/plugins": "take_all\nbanner\nqueue/smtp_forward\n",
    "config/smtp.ini": "listen=127.0.0.1:{port}\n{nodes}",
    "config/smtp_forward.ini": "host=127.0.0.1\nport={next_hop}\nenable_outbound=true\n",
    "config/connection.ini": """\
[main]
spool_after=-1
[haproxy]
hosts[] =
[headers]
add_received=true
max_lines=1000
max_received=100
[max]
bytes=104857600
mime_parts=1000
line_length=512
data_line_length=992
[message]
helo=hello
close=bye
[uuid]
banner_chars=0
deny_chars=0
""",
    "config/log.ini": "[main]\nlevel=error\n",
    "config/me": "haraka.example\n",
    "plugins/take_all.js": """\
exports.hook_connect = (next, connection) => {{ connection.relaying = true; next() }}
exports.hook_rcpt = (next, connection) => next(OK)
""",
    "plugins/banner.js": """\
const text = {footer}
exports.hook_data = (next, connection) => {{
    connection.transaction.set_banner(text, `<p>${{text}}</p>`)
    next()
}}
""",
    # Without it Nagle's algorithm and delayed acknowledgements add 40 ms to many mails.
    "tuning.js": """\
const net = require('node:net')
const dns = require('node:dns')
dns.reverse = (address, done) => process.nextTick(done, {{ code: dns.NOTFOUND }}) // asks nobody
const {{ connect }} = net.Socket.prototype
net.Socket.prototype.connect = function (...words) {{
    const socket = connect.apply(this, words)
    socket.setNoDelay(true)
    return socket
}}
const {{ emit }} = net.Server.prototype
net.Server.prototype.emit = function (event, socket, ...words) {{
    if (event === 'connection' && socket.setNoDelay) socket.setNoDelay(true)
    return emit.call(this, event, socket, ...words)
}}
""",
}


class NotInstalledError(Exception):
    """Haraka is not here and could not be fetched."""


def installed() -> Path:
    """Haraka's program; fetched from npm the first time. Raises NotInstalledError."""
    node = subprocess.run(["node", "--version"], check=False, capture_output=True, text=True, timeout=20)
    found = re.match(r"v(\d+)", node.stdout)
    if found is None or int(found[1]) < _OLDEST_NODE:
        raise NotInstalledError(
            f"Haraka needs Node {_OLDEST_NODE} or later, here is {node.stdout.strip() or 'none'}"
        )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "careerrelay-bench" / f"haraka-{VERSION}"
    program = folder / "node_modules" / ".bin" / "haraka"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    words = ["npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--omit=optional", "--loglevel=error"]
    done = subprocess.run(
        [*words, f"Haraka@{VERSION}"], check=False, cwd=folder, capture_output=True, text=True, timeout=300
    )
    if done.returncode or not program.exists():
        raise NotInstalledError(f"npm could not install Haraka {VERSION}: {done.stderr[-300:]}")
    return program


def start(program: Path, folder: Path, *, port: int, next_hop: int, workers: int) -> subprocess.Popen[bytes]:
    """Write its folder and start it."""
    nodes = f"nodes={workers}\n" if workers > 1 else ""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(port=port, next_hop=next_hop, nodes=nodes, footer=repr(FOOTER)))
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            ["node", "--require", folder / "tuning.js", program, "-c", folder],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it and its workers. They hold nothing: Haraka waits up to 30 s for sessions, we don't."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not group_members(process.pid), "Haraka gone")
