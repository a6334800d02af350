"""What is compared: each system is started in a folder of its own and relays to the sink.

A system that can't be run on this machine raises `UnavailableError`, which says what is missing.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench import haraka
from tests.peers.folder import free_port, group_members, listening, open_folder, wait_until
from tests.peers.gateway import Gateway, cpu_seconds, pss_bytes
from tests.peers.postfix import Postfix

if TYPE_CHECKING:
    from tests.peers.postgres import PostgresServer


class UnavailableError(Exception):
    """This machine lacks something; the text says what."""


class System(ABC):
    """A running relay, or nothing in between. `adds_footer`: rejections should come out with a mark."""

    name = ""
    adds_footer = False

    @property
    @abstractmethod
    def port(self) -> int:
        """Where mail is handed in."""

    @property
    def ports(self) -> Sequence[int]:
        """All such places, for a system of several nodes."""
        return (self.port,)

    def processes(self) -> list[int]:
        """Ids of its processes."""
        return []

    def drain(self) -> None:
        """Wait until all that it took has gone to the next hop. Only a system with a queue has to."""
        return

    def pss_bytes(self) -> int:
        """Memory of all its processes."""
        return sum(map(pss_bytes, self.processes()))

    def cpu_seconds(self) -> float:
        """CPU time of all its processes so far."""
        return sum(map(cpu_seconds, self.processes()))


class Direct(System):
    """Nothing in between: what generator and sink can do by themselves."""

    name = "direct"

    def __init__(self, sink: int) -> None:
        self._sink = sink

    @property
    def port(self) -> int:
        """The sink's own."""
        return self._sink


class OfPostfix(System):
    """A Postfix tuned for a relay that queues: no chroot, no DNS, many processes, cached connections."""

    settings: Mapping[str, str] = {
        "smtp_connection_cache_on_demand": "yes",
        "smtp_connection_cache_destinations": "static:all",
        "default_destination_concurrency_limit": "100",
        "smtp_destination_concurrency_limit": "100",
        "initial_destination_concurrency": "100",
        "default_destination_recipient_limit": "50",
        "qmgr_message_active_limit": "50000",
        "qmgr_message_recipient_limit": "50000",
        "smtpd_client_event_limit_exceptions": "static:all",
        "smtp_address_preference": "ipv4",
        "anvil_rate_time_unit": "3600s",
    }

    def __init__(self, postfix: Postfix, name: str, *, adds_footer: bool) -> None:
        self.postfix = postfix
        self.name = name
        self.adds_footer = adds_footer

    @property
    def port(self) -> int:
        """Smtpd's."""
        return self.postfix.port

    def drain(self) -> None:
        """Until the queue is empty."""
        self.postfix.wait_for_empty_queue(patience=300)

    def processes(self) -> list[int]:
        """Master and all its daemons."""
        return group_members(self.postfix.process_id)


class OfGateway(System):
    """The gateway under test, with shipped rules, footers and an SQLite ledger on disk."""

    adds_footer = True

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.gateway = gateway
        self.name = name

    @property
    def port(self) -> int:
        """Its listener's."""
        return self.gateway.port

    def processes(self) -> list[int]:
        """Parent, workers and whatever they started."""
        return self.gateway.processes()


class OfNodes(System):
    """Gateways that share one PostgreSQL, each with one worker. CPU and memory are with the database's."""

    adds_footer = True

    def __init__(self, server: "PostgresServer", gateways: Sequence[Gateway], name: str) -> None:
        self.server = server
        self.gateways = gateways
        self.name = name

    @property
    def port(self) -> int:
        """The first one's."""
        return self.gateways[0].port

    @property
    def ports(self) -> Sequence[int]:
        """One a node: what a balancer in front would spread sessions over."""
        return [gateway.port for gateway in self.gateways]

    def processes(self) -> list[int]:
        """Those of all gateways, and of the database."""
        database = self.server.process
        own = [process for gateway in self.gateways for process in gateway.processes()]
        return own if database is None else own + group_members(database.pid)


class OfHaraka(System):
    """Haraka with a banner plugin."""

    adds_footer = True

    def __init__(self, process: subprocess.Popen[bytes], port: int, name: str) -> None:
        self.process = process
        self._port = port
        self.name = name

    @property
    def port(self) -> int:
        """Its listener's."""
        return self._port

    def processes(self) -> list[int]:
        """Master and workers."""
        return group_members(self.process.pid)


@contextlib.contextmanager
def direct(sink: int) -> Iterator[System]:
    """The sink itself."""
    yield Direct(sink)


def _need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise UnavailableError(f"no {', '.join(missing)} here")
    if "postfix" in programs and os.geteuid() != 0:
        raise UnavailableError("Postfix needs root")


@contextlib.contextmanager
def postfix(sink: int) -> Iterator[System]:
    """Postfix as a plain queueing relay, no footer."""
    _need("postfix")
    relay = Postfix.sender(sink, settings=OfPostfix.settings, limit=200)
    with relay:
        yield OfPostfix(relay, "postfix", adds_footer=False)


_TOOLS = {"altermime": "altermime", "source": "smtp-source"}
_FILTER = """\
#!/bin/sh
# FILTER_README's simple filter: take the mail, change the file, hand it back.
file=$(mktemp {folder}/filter/mail.XXXXXXXX) || exit 75
trap 'rm -f "$file"' EXIT
cat > "$file" || exit 75
{altermime} --input="$file" --disclaimer={folder}/footer.txt --disclaimer-html={folder}/footer.html || exit 75
{source} -s 1 -m 1 -F "$file" -f "$1" -t "$2" 127.0.0.1:{port} > /dev/null || exit 75
"""


@contextlib.contextmanager
def altermime(sink: int) -> Iterator[System]:
    """Postfix with altermime as its content filter, a process a mail, as its documentation has it."""
    _need("postfix", "altermime", "smtp-source")
    back = free_port()
    with open_folder("careerrelay-altermime-") as folder:
        (folder / "filter").mkdir()
        (folder / "filter").chmod(0o777)
        (folder / "footer.txt").write_text(haraka.FOOTER)
        (folder / "footer.html").write_text(f"<p>{haraka.FOOTER}</p>")
        script = folder / "run"
        tools = {name: shutil.which(program) for name, program in _TOOLS.items()}
        script.write_text(_FILTER.format(folder=folder, port=back, **tools))
        script.chmod(0o755)
        services = (
            f"filter unix - n n - 20 pipe user=nobody null_sender= argv={script} ${{sender}} ${{recipient}}",
            f"127.0.0.1:{back} inet n - n - 100 smtpd -o content_filter=",
        )
        settings = {
            **OfPostfix.settings,
            "content_filter": "filter:dummy",
            "filter_destination_recipient_limit": "1",
        }
        relay = Postfix.sender(sink, settings=settings, services=services, limit=200)
        with relay:
            yield OfPostfix(relay, "altermime", adds_footer=True)


def haraka_with(workers: int) -> Callable[[int], contextlib.AbstractContextManager[System]]:
    """Haraka with so many workers (1: no cluster)."""

    @contextlib.contextmanager
    def run(sink: int) -> Iterator[System]:
        _need("node", "npm")
        try:
            program = haraka.installed()
        except haraka.NotInstalledError as error:
            raise UnavailableError(str(error)) from error
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="careerrelay-haraka-") as name:
            process = haraka.start(program, Path(name), port=port, next_hop=sink, workers=workers)
            try:
                wait_until(
                    lambda: process.poll() is not None or listening(port), "Haraka's port", patience=60
                )
                if process.poll() is not None:
                    raise UnavailableError(f"Haraka ended: {(Path(name) / 'log').read_text()[-500:]}")
                yield OfHaraka(process, port, f"haraka-{workers}")
            finally:
                haraka.stop(process)

    return run


def gateway_with(
    workers: int, *, recorded: bool = True
) -> Callable[[int], contextlib.AbstractContextManager[System]]:
    """The gateway with so many workers; without a ledger where nothing is to be `recorded`."""
    module, name = ("gateway", "gateway") if recorded else ("bench.unrecorded", "unrecorded")

    @contextlib.contextmanager
    def run(sink: int) -> Iterator[System]:
        if find_spec("gateway.cli.serve") is None:
            raise UnavailableError("`careerrelay serve` is not written yet")
        settings = {"gateway": {"workers": workers}, "next_hop": {"connections": 100}}
        gateway = Gateway(sink, settings, module=module)
        try:
            gateway.start()
        except (RuntimeError, TimeoutError) as error:
            gateway.discard()
            raise UnavailableError(f"the gateway did not start: {error}") from error
        with contextlib.ExitStack() as stack:
            stack.callback(gateway.discard)
            stack.callback(gateway.stop)
            yield OfGateway(gateway, f"{name}-{workers}")

    return run


def nodes_with(count: int) -> Callable[[int], contextlib.AbstractContextManager[System]]:
    """So many gateways on one PostgreSQL, that writes to the disk before it says so."""

    @contextlib.contextmanager
    def run(sink: int) -> Iterator[System]:
        if find_spec("psycopg") is None:
            raise UnavailableError("no psycopg here")
        from tests.peers.postgres import running_postgres  # noqa: PLC0415 - needs psycopg

        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(running_postgres())
            except (FileNotFoundError, RuntimeError) as error:
                raise UnavailableError(str(error)) from error
            gateways: list[Gateway] = []
            url = server.create()
            for number in range(count):
                own = {"workers": 1, "node": f"node{number}"}
                if gateways:
                    own["key_file"] = str(gateways[0].folder / "careerrelay.key")
                gateway = Gateway(
                    sink, {"gateway": own, "next_hop": {"connections": 100}, "ledger": {"url": url}}
                )
                stack.callback(gateway.discard)
                gateway.start()
                stack.callback(gateway.stop)
                gateways.append(gateway)
            yield OfNodes(server, gateways, f"nodes-{count}")

    return run


SYSTEMS: Mapping[str, Callable[[int], contextlib.AbstractContextManager[System]]] = {
    "direct": direct,
    "postfix": postfix,
    "altermime": altermime,
    "haraka-1": haraka_with(1),
    "haraka-2": haraka_with(2),
    "gateway-1": gateway_with(1),
    "gateway-2": gateway_with(2),
    "unrecorded-1": gateway_with(1, recorded=False),
    "nodes-1": nodes_with(1),
    "nodes-2": nodes_with(2),
}
"""All systems, in the order in which they take turns."""
