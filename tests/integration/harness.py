"""The running gateway in this very event loop: sessions, transactions, pools, and a ledger in memory.

    async with ScriptedHop({"dot": reply(451, "4.3.0 later")}) as hop, gateway(hop) as relay:
        replies = await send_mail(relay.port, ORDINARY)
        assert replies[-1].code == 451
        assert relay.ledger.calls == []

The parts are put together as `gateway.service.worker` does it; only the parent process, the real ledger and
the log are missing. `changes` has the form of the config file, so every time and bound can be made small.
What came in at the hop is read from the hop itself (`hop.taken`, `hop.faults`). A test module with
``ON_UVLOOP = True`` runs on the workers' event loop.

`other_mail` sends mail of other people through the same gateway while a test makes trouble, and insists that
none of it is harmed; `only_for` keeps a hop's script away from that mail.
"""

import asyncio
import contextlib
import email.utils
import functools
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.config import Config, Keys, RuleFiles, embedded_config, load_keys, read_rule_folder
from gateway.edge.registry import Registry
from gateway.edge.session import Session
from gateway.edge.spool import Spool
from gateway.relay.pool import Pool
from gateway.service.bundle import Bundle, build_policy
from gateway.service.doors import Doors, build_doors, edge_limits
from gateway.service.wiring import RouteTable
from gateway.transaction.context import Services
from gateway.transaction.policy import Policy
from gateway.transaction.ports import Ledger, Safety, Unwatched
from gateway.transaction.report import MailReport
from tests.fakes.ledger import FakeLedger
from tests.peers.action import Action, Lookup, Moment, Script
from tests.peers.client import Client, Reply, transact
from tests.peers.gateway import RULES
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

#: A mail that no rule wants to change.
ORDINARY = (
    b"From: Hanako <hr@example.co.jp>\r\n"
    b"To: taro@example.com\r\n"
    b"Subject: Agenda for Thursday\r\n"
    b"Message-ID: <agenda@example.co.jp>\r\n"
    b"Date: Mon, 02 Mar 2026 10:00:00 +0900\r\n"
    b"\r\n"
    b"The room is booked from ten.\r\n"
    b".a line that begins with a dot\r\n"
    b"..and one with two\r\n"
)

#: For `changes`: budgets that a test can wait for (SMTP.md rule 7), far below what the peers of a test wait.
SHORT: Mapping[str, Any] = {
    "timeouts": {
        "connect_seconds": 0.5,
        "pool_wait_seconds": 0.5,
        "envelope_seconds": 0.5,
        "data_seconds": 0.5,
        "block_seconds": 0.5,
        "dot_seconds": 0.5,
        "copies_seconds": 0.5,
    },
    "ledger": {"wait_seconds": 0.5},
}


def rejection(number: int = 1, *, body: str = "") -> bytes:
    """A rejection mail that gets a link for each candidate; `number` makes it a mail of its own."""
    text = (
        "山田 太郎 様\r\n\r\n"
        "この度は弊社の求人にご応募いただき、誠にありがとうございました。\r\n"
        "慎重に選考を重ねました結果、誠に残念ながら、今回は採用を見送らせていただくこととなりました。\r\n"
        "ご希望に添えず申し訳ございません。\r\n"
        "末筆ながら、山田様の今後のご活躍を心よりお祈り申し上げます。\r\n\r\n"
        "株式会社サンプル 採用担当\r\n"
    )
    head = (
        "From: hr@example.co.jp\r\n"
        "To: taro@example.com\r\n"
        "Subject: =?utf-8?B?6YG46ICD57WQ5p6c44Gu44GU6YCj57Wh?=\r\n"
        f"Message-ID: <rejection-{number}@example.co.jp>\r\n"
        "Date: Mon, 02 Mar 2026 10:00:00 +0900\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + text + body).encode()


class Notes:
    """A journal that remembers: implements `gateway.transaction.report.Journal`."""

    def __init__(self) -> None:
        self.mails: list[MailReport] = []
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.errors: list[BaseException] = []
        self.alarms: list[str] = []

    def mail(self, report: MailReport) -> None:
        """Keep it."""
        self.mails.append(report)

    def count(self, name: str) -> None:
        """Count it."""
        self.counts[name] += 1

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Keep it, words and error."""
        self.faults.append(text if error is None else f"{text}: {type(error).__name__}: {error}")
        if error is not None:
            self.errors.append(error)

    def alarm(self, text: str) -> None:
        """Keep it."""
        self.alarms.append(text)


@dataclass(slots=True, kw_only=True)
class Relay:
    """A running gateway.

    `port` speaks SMTP, `lmtp_port` LMTP. `policy` may be replaced; the next mail goes by it. `ledger` is a
    `FakeLedger` unless the test brought another.
    """

    config: Config
    policy: Policy
    journal: Notes
    ledger: Any
    routes: RouteTable
    registry: Registry
    services: Services
    doors: Doors | None = None
    port: int = 0
    lmtp_port: int = 0
    servers: list[asyncio.Server] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        """The pool of the default route."""
        return self.routes.pools[0]

    async def until(self, condition: Callable[[], bool], *, patience: float = 5.0) -> None:
        """Return once `condition` holds; for what no peer can see."""
        async with asyncio.timeout(patience):
            while not condition():  # noqa: ASYNC110 - of state that tells nobody when it changes
                await asyncio.sleep(0.002)


@functools.cache
def _fixed() -> tuple[Keys, RuleFiles]:
    """Keys and rule files: the same for all tests. The rules are those of `tests.peers.gateway`."""
    with tempfile.TemporaryDirectory() as folder:
        keys = load_keys(Path(folder) / "key", create=True)
    return keys, read_rule_folder(RULES)


#: Policies by what a test changed: the rules take long to read.
_POLICIES: dict[str, Policy] = {}


def _policy(bundle: Bundle, changes: Mapping[str, Any]) -> Policy:
    key = repr(
        sorted(
            (section, keys)
            for section, keys in changes.items()
            if section not in ("next_hop", "listen", "auth")
        )
    )
    if key not in _POLICIES:
        _POLICIES[key] = build_policy(bundle)
    return _POLICIES[key]


@contextlib.asynccontextmanager
async def gateway(
    *hops: ScriptedHop | str,
    changes: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    ledger: Ledger | None = None,
    safety: Safety | None = None,
) -> AsyncIterator[Relay]:
    """A gateway before these hosts (in the order of failover), until the block ends.

    Args:
        changes: laid over the embedded config, as ``{"timeouts": {"dot_seconds": 0.2}}``.
        limits: laid over `EdgeLimits`, where the config has no key (``errors``).
        ledger: in place of a new `FakeLedger`.
        safety: in place of no brake at all.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hosts = [hop if isinstance(hop, str) else hop.address for hop in hops]
        given: dict[str, Any] = dict(changes or {})
        given["next_hop"] = {"hosts": hosts, **given.get("next_hop", {})}
        config = embedded_config(folder, given)
        keys, files = _fixed()
        bundle = Bundle(config=config, keys=keys, files=files)
        relay = _assemble(
            bundle, _policy(bundle, given), ledger or FakeLedger(), folder, safety or Unwatched()
        )
        loop = asyncio.get_running_loop()
        relay.doors = build_doors(
            config,
            services=relay.services,
            registry=relay.registry,
            policy=lambda: relay.policy,
            routes=lambda: relay.routes,
            limits=replace(edge_limits(config), **(limits or {})),
        )
        for lmtp in (False, True):
            door = replace(relay.doors.by_label[config.listen[0].label], lmtp=lmtp)
            server = await loop.create_server(functools.partial(Session, door, loop), "127.0.0.1", 0)
            relay.servers.append(server)
            port = server.sockets[0].getsockname()[1]
            if lmtp:
                relay.lmtp_port = port
            else:
                relay.port = port
        try:
            yield relay
        finally:
            for server in relay.servers:
                server.close()
            await relay.registry.drain(1.0)
            if relay.services.background:
                await asyncio.wait(tuple(relay.services.background), timeout=1.0)
            for pool in relay.routes.pools:
                await pool.close(0.2)


def _assemble(bundle: Bundle, policy: Policy, ledger: Ledger, folder: Path, safety: Safety) -> Relay:
    config, journal = bundle.config, Notes()
    routes = RouteTable(bundle, workers=1, index=0, alarm=journal.alarm)
    services = Services(
        ledger=ledger,
        journal=journal,
        random_bytes=os.urandom,
        date=lambda: email.utils.format_datetime(email.utils.localtime()),
        monotonic=time.monotonic,
        spool=lambda: Spool(memory=config.limits.memory_bytes, directory=folder, reserve=0),
        notice_hop=routes.notice_hop,
        untouched_taken={},
        background=set(),
        safety=safety,
    )
    return Relay(
        config=config,
        policy=policy,
        journal=journal,
        ledger=ledger,
        routes=routes,
        registry=Registry(config.limits.connections, config.limits.connections_per_peer),
        services=services,
    )


@contextlib.asynccontextmanager
async def greeted(port: int, *, verb: bytes = b"EHLO", patience: float = 10.0) -> AsyncIterator[Client]:
    """A sender that has said EHLO."""
    async with await Client.connect(port, patience=patience) as client:
        answer = await client.hello(verb=verb)
        assert answer.code == 250, answer
        yield client


def without_trace(content: bytes) -> bytes:
    """A mail as it came in at the hop, less the one `Received:` field that the gateway put before it."""
    assert content.startswith(b"Received: from "), content[:80]
    at = 0
    while True:
        at = content.index(b"\r\n", at) + 2
        if content[at : at + 1] not in (b" ", b"\t"):
            return content[at:]


# --- mail of other people ---------------------------------------------------------------------------------

_OTHERS = b"other"


def is_others(transaction: Transaction) -> bool:
    """Whether a transaction at the hop belongs to `other_mail`."""
    return transaction.sender.startswith(_OTHERS)


def own(hop: ScriptedHop) -> list[Transaction]:
    """The hop's transactions that do not belong to `other_mail`."""
    return [transaction for transaction in hop.transactions if not is_others(transaction)]


def only_for(hop: ScriptedHop, script: Script | None, prefix: bytes = b"") -> None:
    """Script `hop` for mail that is not `other_mail`; with `prefix`, only from senders that start with it."""
    lookup = Lookup(script, ())

    def find(moment: Moment) -> Action | None:
        session = hop.sessions[moment.connection]
        if not session.transactions or moment.stage in ("quit", "ehlo", "banner", "connect"):
            return None
        transaction = session.transactions[-1]
        if is_others(transaction) or not transaction.sender.startswith(prefix):
            return None
        return lookup.find(moment)

    hop.script(find)


@dataclass(slots=True, kw_only=True)
class Others:
    """What `other_mail` has done so far."""

    sent: list[bytes] = field(default_factory=list)
    replies: list[Sequence[Reply]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def other_mail(
    relay: Relay, hop: ScriptedHop, *, lines: int = 2, active: bool = True
) -> AsyncIterator[Others]:
    """While the block runs, `lines` senders send mail without a pause, ordinary mail and rejections in turn.

    At the end every one of these mails must have been answered 250 and have arrived exactly once, the
    ordinary ones as they were and the rejections with exactly one link. `active=False`: nothing at all, for
    tests that run both ways.
    """
    others = Others()
    if not active:
        yield others
        return
    stop = asyncio.Event()
    under_way = asyncio.Event()
    numbers = iter(range(1_000_000))
    tasks = [asyncio.create_task(_line(relay, others, stop, under_way, numbers)) for _ in range(lines)]
    try:
        await asyncio.wait_for(under_way.wait(), 10)
        yield others
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    stop.set()
    await asyncio.gather(*tasks)
    _check_others(hop, others)


async def _line(
    relay: Relay, others: Others, stop: asyncio.Event, under_way: asyncio.Event, numbers: Iterator[int]
) -> None:
    async with greeted(relay.port) as client:
        while not stop.is_set():
            number = next(numbers)
            mail = rejection(number) if number % 2 else ORDINARY.replace(b"agenda@", b"agenda-%d@" % number)
            others.sent.append(mail)
            others.replies.append(
                await transact(client, mail, sender=_OTHERS + b"-%d@example.co.jp" % number, pipelined=True)
            )
            under_way.set()
            await asyncio.sleep(0.001)
        await client.quit()


def _check_others(hop: ScriptedHop, others: Others) -> None:
    for replies in others.replies:
        assert [reply.code for reply in replies] == [250, 250, 354, 250], [str(reply) for reply in replies]
    taken = [transaction for transaction in hop.taken if is_others(transaction)]
    assert len(taken) == len(others.sent)
    found = {identity(transaction.content): transaction.content for transaction in taken}
    assert len(found) == len(taken), "a mail came twice"
    for mail in others.sent:
        content = found[identity(mail)]
        if b"Agenda" in mail:
            assert without_trace(content) == mail
        else:
            assert content.count(b"https://careerrelay.example/r/") == 1


def identity(content: bytes) -> bytes:
    """The Message-ID line of a mail."""
    at = content.index(b"Message-ID: ")
    return content[at : content.index(b"\r\n", at)]


def resident_kib() -> int:
    """Memory of this process that is resident now, in KiB."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")
