"""The gateway as its users run it: ``careerrelay serve --config FILE``, a process with its own config file.

    with Gateway(hop.port) as gateway:
        replies = await send_mail(gateway.port, mail)

`settings` are laid over the default config, table by table (`Gateway.default`). `stop` is SIGTERM and a
bounded wait; `kill9` takes all its processes down at once; what they leave in the folder stays for the next
`start`. Starting and stopping block: in a coroutine use ``asyncio.to_thread``. Only processes started
here are signalled.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .folder import free_port, group_members, wait_until
from .toml import to_toml

#: Two rules, with the shipped footers: a start with the shipped packs takes far longer. A test that is
#: about them says ``"directory": None``.
RULES = Path(__file__).parent / "rules"

READY = "ready"
_READY = re.compile(rf"\b{READY}\b")  # not in "already"


class Gateway:
    """One gateway. `next_hop`: ports on loopback, tried in order. `folder`: default a temporary one.

    `module`: what is run in place of ``gateway``.
    """

    def __init__(
        self,
        next_hop: int | Sequence[int],
        settings: Mapping[str, Any] | None = None,
        *,
        folder: Path | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        module: str = "gateway",
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="careerrelay-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary is not None else folder or Path()
        self.port = free_port() if port is None else port
        hops = [next_hop] if isinstance(next_hop, int) else list(next_hop)
        self.settings = merged(self.default(self.port, hops), settings or {})
        self.environment = {**os.environ, **(environment or {})}
        self.module = module
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: list[str] = []
        self._started_at = 0
        self._reader: threading.Thread | None = None
        self.configure()

    @staticmethod
    def default(port: int, next_hops: Sequence[int]) -> dict[str, Any]:
        """The common case: a listener on loopback, `RULES` switched on, no brake, SQLite."""
        return {
            "gateway": {
                "hostname": "gw.example.co.jp",
                "own_domains": ["example.co.jp"],
                "mode": "inject",
                "key_file": "careerrelay.key",
                "workers": 1,
            },
            "listen": [{"address": "127.0.0.1", "port": port, "networks": ["127.0.0.0/8"]}],
            "next_hop": {"hosts": [f"127.0.0.1:{hop}" for hop in next_hops], "tls": "none"},
            "rules": {
                "directory": str(RULES),
                "senders": ["*@example.co.jp"],
                "frequency_days": 0,
                "mode": {"*": "inject"},
                "brake": {"max_share": 0, "max_per_hour": 0, "max_recipients_per_mail": 0},
            },
            "link": {
                "url": "https://careerrelay.example/r/{token}",
                "opt_out": "https://careerrelay.example/o/{token}",
            },
            "ledger": {"url": "sqlite:///ledger.db"},
        }

    @property
    def config(self) -> Path:
        """The config file."""
        return self.folder / "careerrelay.toml"

    @property
    def ledger(self) -> Path:
        """The default ledger's file."""
        return self.folder / "ledger.db"

    def configure(self, settings: Mapping[str, Any] | None = None) -> None:
        """Write the config file, more settings laid over it; a running gateway learns of it by `reload`."""
        self.settings = merged(self.settings, settings or {})
        self.config.write_text(to_toml(self.settings), "utf-8")

    # life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process is not None:
                self.kill9() if kind is not None else self.stop()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self, *, patience: float = 90.0) -> None:
        """Start it and wait for the word ``ready``. RuntimeError with the log if it ends instead."""
        self.spawn()
        try:
            wait_until(self._ready, f"{READY!r} on standard error", patience=patience)
        except BaseException:
            self.kill9()
            raise

    def spawn(self) -> None:
        """Start it and don't wait."""
        self._started_at = len(self._lines)
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, "serve", "--config", self.config],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr:
            self._lines.extend(line.decode("utf-8", "replace") for line in process.stderr)

    def _ready(self) -> bool:
        assert self.process is not None
        if any(_READY.search(line) for line in self._lines[self._started_at :]):
            return True
        if self.process.poll() is not None:
            raise RuntimeError(f"the gateway ended with {self.process.returncode}\n{self.log()}")
        return False

    def stop(self, *, patience: float = 30.0) -> int:
        """SIGTERM, and the exit code once all is gone. Past `patience`: TimeoutError with the log."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.wait(patience=patience)
        except (TimeoutError, subprocess.TimeoutExpired):
            self.kill9()
            raise TimeoutError(f"the gateway did not stop in {patience:g} s\n{self.log()}") from None

    def wait(self, *, patience: float = 30.0) -> int:
        """The exit code, once it and all its processes ended by themselves."""
        assert self.process is not None
        code = self.process.wait(patience)
        wait_until(lambda: not self.processes(), "all processes of the gateway gone", patience=patience)
        self._finish()
        return code

    def kill9(self) -> None:
        """SIGKILL to all its processes at once: a crash of the machine, but for the disk."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        wait_until(lambda: not self.processes(), "all processes of the gateway gone")
        self._finish()

    def _finish(self) -> None:
        if self._reader is not None:
            self._reader.join(10)
        self.process = None

    def restart(self) -> None:
        """`kill9` if it runs, then `start`, with the same folder and ports."""
        if self.process is not None:
            self.kill9()
        self.start()

    def reload(self) -> None:
        """SIGHUP. When it is done, the log says so (`wait_for_log`)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    # looking inside

    def processes(self) -> list[int]:
        """Ids of all its processes: the parent, workers, and whatever these started."""
        return sorted(group_members(self.process.pid)) if self.process is not None else []

    def workers(self) -> list[int]:
        """Ids of its processes without the parent."""
        return [
            number for number in self.processes() if self.process is not None and number != self.process.pid
        ]

    def pss_bytes(self) -> int:
        """Memory of all its processes, shared pages counted once (PSS)."""
        return sum(map(pss_bytes, self.processes()))

    def cpu_seconds(self) -> float:
        """CPU time, user and system, of all its processes so far."""
        return sum(map(cpu_seconds, self.processes()))

    def log(self) -> str:
        """All that it wrote on standard error, over all starts."""
        return "".join(self._lines)

    def wait_for_log(self, word: str, *, count: int = 1, patience: float = 20.0) -> None:
        """Wait until `count` lines hold the word."""
        wait_until(
            lambda: sum(word in line for line in list(self._lines)) >= count,
            f"{word!r} in the log\n{self.log()[-4000:]}",
            patience=patience,
        )

    def command(self, *words: str, check: bool = True) -> str:
        """Run ``careerrelay WORDS --config FILE`` and give its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words, "--config", self.config],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged key by key, all else replaced; None takes a key out."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def pss_bytes(process: int) -> int:
    """Proportional set size of one process; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(process: int, *, children: bool = True) -> float:
    """CPU time of one process so far, `children` that ended included or not; 0 if it is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")
    return 0.0
