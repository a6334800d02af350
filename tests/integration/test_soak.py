"""A storm: an hour's worth of mixed mail while all around the gateway breaks, and the books afterwards.

Promises 1 to 4 all at once. Next hop, ledger, disk, files and workers fail at random, from a seed that is
printed (``CAREERRELAY_SOAK_SEED`` gives it back); senders break off, fall silent, and try again. In the end
every mail is accounted for (`tests.peers.account`), and memory and descriptors are where they began.
"""

import asyncio
import contextlib
import math
import os
import random
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import identity, rejection, without_trace
from tests.integration.running import LINK, open_records, rules_in, running, sends, until
from tests.peers import faults
from tests.peers.account import Posted, audit
from tests.peers.action import Action, Moment, broken, lost, raw, reply
from tests.peers.client import Client, ClosedError, Reply, stuffed
from tests.peers.folder import free_port
from tests.peers.gateway import Gateway
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

SENDERS = 6
#: Mails that wait to be sent again, past which nobody sends a new one: else what was put off piles up through
#: all of the storm, and takes longer than that to be worked off.
BACKLOG = 100
#: So long at most, in seconds, until one more mail is settled once all trouble is over.
STUCK = 60.0
#: Mails before anything breaks.
CALM = 200
#: Memory and descriptors at the end are compared with those after this share of the storm: what a first
#: reload and a first fault bring into memory is there by then. Each time `CALM` mails go before.
WARM_UP = 0.2
#: What the gateway waits for the next hop's word on a mail; a hop that is "late" takes longer.
DOT_SECONDS = 2.5
#: No answer of the gateway may take longer, whatever happens: all budgets below, one after the other.
PATIENCE = 45.0
OTHERS = (b"a@example.com", b"b@example.net", b"boss@example.co.jp")

SETTINGS: dict[str, Any] = {
    "gateway": {"workers": 2},
    "timeouts": {
        "connect_seconds": 2,
        "pool_wait_seconds": 3,
        "envelope_seconds": 3,
        "data_seconds": 3,
        "block_seconds": 3,
        "dot_seconds": DOT_SECONDS,
        "copies_seconds": 2.4,
    },
    "next_hop": {"idle_seconds": 1},
    "ledger": {"url": "sqlite:///ledger/ledger.db", "wait_seconds": 1},
    "limits": {"window_bytes": 65_536, "memory_bytes": 65_536, "spool_reserve_bytes": 0},
}


# --- mail -------------------------------------------------------------------------------------------------


def mail_of(number: int, source: random.Random) -> Posted:
    """Ordinary mail and rejections, small and large, for one or several; some are never taken."""
    refuses = number % 20 == 13
    body = rejection(number) if source.random() < 0.5 else _ordinary(number)
    head, _, text = body.partition(b"\r\n\r\n")
    head = head.replace(b"rejection-%d@" % number, b"storm-%d@" % number)
    if refuses:
        head += b"\r\nX-Storm: refuse"
    if source.random() < 0.15:
        head, text = _with_attachment(head, text, source)
    recipients: tuple[bytes, ...] = (b"taro@example.com",)
    match source.randrange(6):
        case 0:
            recipients = OTHERS
        case 1:
            recipients = (b"taro@example.com", b"nobody@example.com")
    return Posted(number=number, content=head + b"\r\n\r\n" + text, recipients=recipients)


def _ordinary(number: int) -> bytes:
    return (
        b"From: hr@example.co.jp\r\nTo: taro@example.com\r\nSubject: Agenda\r\n"
        b"Message-ID: <storm-%d@example.co.jp>\r\nDate: Mon, 02 Mar 2026 10:00:00 +0900\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n"
        b"The room is booked from ten.\r\n.a dot\r\n..and two\r\n" % number
    )


def _with_attachment(head: bytes, text: bytes, source: random.Random) -> tuple[bytes, bytes]:
    fields = head.split(b"\r\n")
    kept = [one for one in fields if not one.startswith((b"Content-", b"MIME-"))]
    lines = source.choice((400, 1_500, 6_000))
    line = source.randbytes(54).hex().encode()[:76] + b"\r\n"
    kept += [b"MIME-Version: 1.0", b'Content-Type: multipart/mixed; boundary="storm"']
    part = b"--storm\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    other = b"--storm\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return b"\r\n".join(kept), part + text + b"\r\n" + other + line * lines + b"--storm--\r\n"


def complaint(mail: Posted, transaction: Transaction) -> str:
    """What is wrong with a copy: it is as it came, or with one link put in in one place and nothing else."""
    arrived = without_trace(transaction.content)
    if arrived == mail.content:
        return ""
    links = set(LINK.findall(arrived))
    if len(links) != 1 or len(transaction.recipients) != 1:
        return f"changed, with {len(links)} links, for {transaction.recipients}: {arrived[:600]!r}"
    if transaction.recipients[0].endswith(b"@example.co.jp"):
        return "a link for a colleague"
    own, _, rest = arrived.partition(b"\r\n")
    while rest and not own.startswith(b"X-CareerRelay-Id: "):
        own, _, rest = rest.partition(b"\r\n")
    arrived = arrived.replace(own + b"\r\n", b"", 1)
    before = _common(arrived, mail.content)
    behind = _common(arrived[::-1], mail.content[::-1])
    whole = before + behind >= len(mail.content)
    return "" if whole else f"changed elsewhere: {arrived[before : before + 200]!r}"


def _common(one: bytes, other: bytes) -> int:
    """How many octets they have in common from the start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


# --- senders ----------------------------------------------------------------------------------------------


async def _code(client: Client, line: bytes) -> int:
    return (await client.command(line)).code


def _by_lmtp(mail: Posted) -> bool:
    """A mail server speaks the same to its gateway each time."""
    return mail.number % 4 == 0


def _delivered_to(answer: Reply) -> list[bytes]:
    """Whom a refusal names as having the mail (SMTP.md, "Several recipients, one reply")."""
    words = b" ".join(line.removeprefix(b"5.3.0 ") for line in answer.lines)
    if not words.startswith(b"Delivered to:"):
        return []
    return [word.strip(b"<>,") for word in words.partition(b"Refused for:")[0].split()[2:]]


class _BrokenOffError(Exception):
    """This sender has ended its session in the middle."""


@dataclass(slots=True, kw_only=True)
class Storm:
    """All senders together; `most` mails. `forgetful`: whether memory may have failed since then."""

    port: int
    lmtp_port: int
    source: random.Random
    forgetful: Callable[[float], bool]
    most: int
    mails: list[Posted] = field(default_factory=list)
    settled: int = 0
    waiting: deque[Posted] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def over(self) -> bool:
        """Whether there are no new mails any more."""
        return len(self.mails) >= self.most

    async def run(self) -> None:
        """Send until it is `over`, then until all is settled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._sender())

    def _next(self) -> Posted | None:
        crowded = self.over or len(self.waiting) >= BACKLOG
        if self.waiting and (crowded or self.source.random() < 0.5):
            return self.waiting.popleft()
        if self.over:
            return None
        mail = mail_of(len(self.mails), self.source)
        self.mails.append(mail)
        return mail

    async def _sender(self) -> None:
        while True:
            mail = self._next()
            if mail is None:
                if self.settled == len(self.mails):
                    return
                await asyncio.sleep(0.05)
                continue
            lmtp = _by_lmtp(mail)
            try:
                async with await Client.connect(
                    self.lmtp_port if lmtp else self.port, patience=PATIENCE
                ) as client:
                    await client.hello(verb=b"LHLO" if lmtp else b"EHLO")
                    while mail is not None:
                        await self._offer(client, mail, lmtp=lmtp)
                        self._keep(mail)
                        mail = self._next() if self.source.random() < 0.7 else None
                        if mail is not None and _by_lmtp(mail) is not lmtp:
                            break
                    await client.quit()
            except (ClosedError, ConnectionError, AssertionError, _BrokenOffError) as why:
                # AssertionError: the banner or EHLO was 421
                self.counts[type(why).__name__] += 1
            if mail is not None:
                self._keep(mail)
            await asyncio.sleep(self.source.random() * (0.3 if self.over else 0.05))

    def _keep(self, mail: Posted) -> None:
        """It was in a sender's hand, and is in nobody's now."""
        if mail.settled:
            self.settled += 1
        else:
            self.waiting.append(mail)

    async def _offer(self, client: Client, mail: Posted, *, lmtp: bool) -> None:
        """One attempt at those recipients that are still owed the mail."""
        mail.attempts += 1
        begun = time.monotonic()
        wanted = mail.outstanding
        told = f"{datetime.now(UTC):%H:%M:%S.%f}{' lmtp' * lmtp} to {b' '.join(wanted).decode()}: "
        mail.story.append(told)
        lines = [b"MAIL FROM:<hr@example.co.jp>", *(b"RCPT TO:<" + to + b">" for to in wanted)]
        if self.source.random() < 0.5:
            await client.send(b"".join(line + b"\r\n" for line in [*lines, b"DATA"]))
            codes = [await client.code() for _ in range(len(lines) + 1)]
        else:
            codes = [await _code(client, line) for line in lines]
            if codes[0] == 250 and 250 in codes[1:]:
                codes.append(await _code(client, b"DATA"))
        mail.story[-1] = told = f"{told}{codes} "
        refused = [to for to, code in zip(wanted, codes[1:], strict=False) if code // 100 == 5]
        if codes[0] // 100 != 2:
            refused = list(wanted) if codes[0] // 100 == 5 else []
        mail.refused.update(refused)
        if mail.dots:
            mail.contradicted.update(refused)
        accepted = [to for to, code in zip(wanted, codes[1:], strict=False) if code == 250]
        if len(codes) != len(lines) + 1 or codes[-1] != 354:
            if codes[-1] // 100 == 5 and accepted and len(codes) == len(lines) + 1:
                mail.refused.update(accepted)
            await client.command(b"RSET")
            return
        await self._content(client, mail)
        answers: list[Reply] = []
        try:
            while len(answers) < (len(accepted) if lmtp else 1):
                answers += [await client.reply()]
        except (ClosedError, ConnectionError):
            self._unanswered(mail)
            raise
        finally:
            mail.story[-1] = f"{told}{[str(answer) for answer in answers] or 'no answer'}"
            for to, answer in zip(accepted, answers if lmtp else answers * len(accepted), strict=False):
                if answer.code // 100 in (2, 5):
                    has_it = answer.code // 100 == 2 or to in _delivered_to(answer)
                    (mail.taken if has_it else mail.refused).add(to)
            in_part = not lmtp and len(accepted) < len(wanted)
            colleagues = all(to.endswith(b"@example.co.jp") for to in wanted)
            if len(mail.recipients) > 1 and (in_part or colleagues or self.forgetful(begun)):
                mail.forgotten += 1

    def _unanswered(self, mail: Posted) -> None:
        mail.doubts += 1
        self.counts["unanswered"] += 1

    async def _content(self, client: Client, mail: Posted) -> None:
        """All of it and the dot; or not, since people and programs break off."""
        octets = stuffed(mail.content)
        whim = 1.0 if self.over else self.source.random()
        if whim < 0.06:
            await client.send(octets[: self.source.randrange(len(octets) - 5)])
            if whim < 0.03:
                client.reset()
            mail.given_up = whim < 0.02
            self.counts["broken off before the dot"] += 1
            mail.story[-1] += "broken off before the dot"
            raise _BrokenOffError
        if whim < 0.09:
            cut = self.source.randrange(len(octets))
            await client.send(octets[:cut])
            await asyncio.sleep(self.source.random())
            octets = octets[cut:]
        mail.dots += 1
        try:
            await client.send(octets)
        except (ClosedError, ConnectionError):
            self._unanswered(mail)
            raise
        if whim < 0.12:
            mail.doubts += 1
            mail.given_up = whim < 0.10
            client.reset()
            self.counts["broken off behind the dot"] += 1
            mail.story[-1] += "broken off behind the dot"
            raise _BrokenOffError


# --- trouble ----------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Weather:
    """What breaks, when: two things at a time, one at the next hop and one around the gateway."""

    hop: ScriptedHop
    gateway: Gateway
    rules: Path
    source: random.Random
    mode: str = "fair"
    unheard: set[tuple[int, int]] = field(default_factory=set)
    forgot: float = 0.0
    seen: Counter[str] = field(default_factory=Counter)

    def forgetful(self, since: float) -> bool:
        """Whether a mail may not have been known again: no ledger, or no place to take it in whole."""
        return since < self.forgot

    # the next hop

    def act(self, moment: Moment) -> Action | None:
        """The next hop's script."""
        session = self.hop.sessions[moment.connection]
        current = session.transactions[-1] if session.transactions else None
        if moment.stage == "rcpt" and moment.address.startswith(b"nobody@"):
            return reply(550, "5.1.1 nobody of that name")
        if moment.stage == "dot" and current is not None and current.sender and self._refuses(current):
            return reply(554, "5.6.0 not this one")
        action = getattr(self, "_" + self.mode)(moment) if self.mode != "fair" else None
        if action is not None and moment.stage == "dot" and (action.end or action.delay >= DOT_SECONDS):
            self.unheard.add((moment.connection, moment.transaction))
        return action

    @staticmethod
    def _refuses(transaction: Transaction) -> bool:
        return b"\r\nX-Storm: refuse\r\n" in transaction.raw[:4_096]

    def _chance(self, moment: Moment, share: float, *stages: str) -> bool:
        return moment.stage in stages and self.source.random() < share

    def _puts_off(self, moment: Moment) -> Action | None:
        word = self.source.choice(("4.3.0 later", "4.7.1 not now", "4.6.0 odd", "4.2.1 full"))
        return reply(451, word) if self._chance(moment, 0.4, "mail", "rcpt", "data", "dot") else None

    def _shuts(self, moment: Moment) -> Action | None:
        stages = ("banner", "mail", "rcpt", "data", "dot")
        return reply(421, "4.3.2 closing").then("close") if self._chance(moment, 0.3, *stages) else None

    def _refuses_people(self, moment: Moment) -> Action | None:
        return reply(550, "5.1.1 unknown") if self._chance(moment, 0.3, "rcpt") else None

    def _drops(self, moment: Moment) -> Action | None:
        if self._chance(moment, 0.2, "content"):
            return lost().at(self.source.randrange(100_000))
        end = self.source.choice((lost(), broken()))
        return end if self._chance(moment, 0.25, "ehlo", "mail", "rcpt", "data", "dot") else None

    def _mumbles(self, moment: Moment) -> Action | None:
        """It takes the mail, and its word is lost on the way."""
        return reply(250, "2.0.0 taken").then("reset") if self._chance(moment, 0.5, "dot") else None

    def _slow(self, moment: Moment) -> Action | None:
        seconds = self.source.random() * 0.8
        if self._chance(moment, 0.3, "content"):
            return raw().later(seconds).at(self.source.randrange(50_000))
        usual = {"mail": 250, "rcpt": 250, "data": 354, "dot": 250}
        if not self._chance(moment, 0.3, *usual):
            return None
        return reply(usual[moment.stage], "as usual, in time").later(seconds)

    def _late(self, moment: Moment) -> Action | None:
        """It takes the mail, when nobody waits for its word any more."""
        late = reply(250, "2.0.0 taken").later(DOT_SECONDS + 1)
        return late if self._chance(moment, 0.3, "dot") else None

    async def _down(self, seconds: float) -> None:
        for session in self.hop.sessions:
            if not session.ended and session.transactions:
                self.unheard.add((session.index, len(session.transactions) - 1))
        try:
            await self.hop.stop()
            await asyncio.sleep(seconds)
        finally:
            await self.hop.start()

    async def at_the_hop(self) -> None:
        """One trouble of the next hop after another, each as often as any other."""
        modes = ("puts_off", "shuts", "refuses_people", "drops", "mumbles", "slow", "late", "down")
        for mode in _rounds(modes, self.source):
            self.seen[f"hop {mode}"] += 1
            seconds = 0.5 + self.source.random() * 1.5
            if mode == "down":
                await self._down(seconds)
            else:
                self.mode = mode
                await asyncio.sleep(seconds)
                self.mode = "fair"
            await asyncio.sleep(self.source.random() * 0.7)

    # around the gateway

    async def around(self) -> None:
        """One trouble of ledger, disk, files or processes after another."""
        folder = self.gateway.folder
        file = folder / "ledger" / "ledger.db"
        troubles: dict[str, Callable[[], AbstractContextManager[object]]] = {
            "ledger locked": lambda: faults.locked(file),
            "ledger gone": lambda: faults.moved_away(file),
            "disk full": lambda: faults.quota(self.gateway.workers()),
            "spool gone": lambda: faults.moved_away(folder / "spool"),
            "config broken": self._broken_config,
            "rules changed": self._changed_rules,
            "reloads": self._reloads,
            "worker killed": self._killed,
        }
        for name in _rounds(tuple(troubles), self.source):
            self.seen[name] += 1
            forgets = name in ("ledger locked", "ledger gone", "disk full", "spool gone")
            self.forgot = math.inf if forgets else self.forgot
            with troubles[name]():
                await asyncio.sleep(0.5 + self.source.random() * 1.5)
            self.forgot = time.monotonic() + 2.0 if forgets else self.forgot
            await asyncio.sleep(self.source.random() * 0.7)

    @contextlib.contextmanager
    def _broken_config(self) -> Iterator[None]:
        good = self.gateway.config.read_text("utf-8")
        self.gateway.config.write_text(good + "\nnonsense = 1\n", "utf-8")
        self.gateway.reload()
        yield
        self.gateway.config.write_text(good, "utf-8")
        self.gateway.reload()

    @contextlib.contextmanager
    def _changed_rules(self) -> Iterator[None]:
        footer = self.rules / "footers" / "default-ja.txt"
        kept = footer.read_text("utf-8")
        footer.write_text(kept + f"{self.source.randrange(1_000)}\n", "utf-8")
        yield
        footer.write_text(kept, "utf-8")

    @contextlib.contextmanager
    def _reloads(self) -> Iterator[None]:
        for number in range(self.source.randrange(1, 4)):
            self.gateway.configure({"limits": {"parallel_copies": 2 + number}})
            self.gateway.reload()
        yield

    @contextlib.contextmanager
    def _killed(self) -> Iterator[None]:
        faults.kill_one(self.gateway.workers(), self.source)
        yield


def _rounds(names: tuple[str, ...], source: random.Random) -> Iterator[str]:
    """All of them in some order, again and again."""
    while True:
        yield from source.sample(names, len(names))


@contextlib.asynccontextmanager
async def breaking(weather: Weather) -> AsyncIterator[None]:
    """Trouble while the block runs; none afterwards."""
    tasks = [asyncio.create_task(weather.at_the_hop()), asyncio.create_task(weather.around())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        weather.mode, weather.forgot = "fair", time.monotonic() + 2.0
    assert all(isinstance(one, asyncio.CancelledError) for one in done), done


# --- the test ---------------------------------------------------------------------------------------------


async def at_rest(storm: Storm, gateway: Gateway) -> tuple[int, int, int]:
    """MiB of the parent and of all, and descriptors of all, once nothing is left of any mail."""
    storm.most = len(storm.mails) + CALM
    await storm.run()
    await asyncio.sleep(3)  # idle connections to the next hop are kept for 1 s, a session's last words 2 s
    parent, *others = [faults.resident(one) >> 20 for one in gateway.processes()]
    return parent, parent + sum(others), faults.descriptors(gateway.processes())


async def rage(storm: Storm, weather: Weather, seconds: float, seed: int) -> None:
    """New mail and trouble for so long; then none of either, until all is settled."""
    storm.most = sys.maxsize
    sending = asyncio.create_task(storm.run())
    async with breaking(weather):
        await asyncio.wait([sending], timeout=seconds)
    storm.most = len(storm.mails)
    settled = -1
    while not sending.done() and storm.settled > settled:
        settled = storm.settled
        await asyncio.wait([sending], timeout=STUCK)
    if not sending.done():
        sending.cancel()
        left = [mail for mail in storm.mails if not mail.settled]
        told = f"{story(left[0], weather.hop, weather.gateway)}\n{weather.gateway.log()[-6000:]}"
        pytest.fail(f"seed {seed}: {len(left)} mails get nowhere, such as\n{told}")
    await sending
    await until(lambda: len(weather.gateway.workers()) == 2, "both workers")


async def soak(folder: Path, *, seconds: float, seed: int) -> None:
    """See the module."""
    source = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    print(f"soak: seed {seed}, {seconds:g} s of trouble")  # noqa: T201
    rules = rules_in(folder)
    (folder / "spool").mkdir()
    port, lmtp_port = free_port(), free_port()
    listen = [{"address": "127.0.0.1", "port": port, "networks": ["127.0.0.0/8"]}]
    listen.append({**listen[0], "port": lmtp_port, "protocol": "lmtp"})
    settings = {
        **SETTINGS,
        "listen": listen,
        "rules": {"directory": str(rules)},
        "limits": {**SETTINGS["limits"], "spool_directory": str(folder / "spool")},
    }
    async with ScriptedHop() as hop, running(hop, settings, folder=folder, port=port) as gateway:
        weather = Weather(hop=hop, gateway=gateway, rules=rules, source=source)
        hop.script(weather.act)
        storm = Storm(port=port, lmtp_port=lmtp_port, source=source, forgetful=weather.forgetful, most=CALM)
        await asyncio.wait_for(storm.run(), 60)
        await rage(storm, weather, seconds * WARM_UP, seed)
        before = await at_rest(storm, gateway)
        await rage(storm, weather, seconds * (1 - WARM_UP), seed)
        after = await at_rest(storm, gateway)

        result = audit(
            storm.mails,
            hop.transactions,
            unheard=lambda one: (one.connection, one.index) in weather.unheard,
            complaint=complaint,
        )
        links = check_links(hop, gateway)
        print(f"soak: {len(storm.mails)} mails, {links} links, trouble {dict(weather.seen)}")  # noqa: T201
        print(f"soak: {dict(result.counts)}, {dict(storm.counts)}")  # noqa: T201
        print(f"soak: MiB of the parent and of all, descriptors: {before}, {after}")  # noqa: T201
        doubtful = [mail for mail in storm.mails if f" mail {mail.number} " in " ".join(result.findings)]
        told = "\n\n".join(story(mail, hop, gateway) for mail in doubtful[:10])
        assert result.findings == [], f"seed {seed}\n{told}"
        assert hop.faults == [], f"seed {seed}"
        assert "Traceback" not in gateway.log(), f"seed {seed}\n{gateway.log()[-4000:]}"
        assert storm.counts["unanswered"] <= weather.seen["worker killed"] * SENDERS, f"seed {seed}"
        given_up = sum(mail.given_up for mail in storm.mails)
        assert open_records(file_of(gateway)) <= given_up * len(OTHERS) * 2, f"seed {seed}"
        assert after[0] <= before[0] + 4, f"seed {seed}"
        assert after[1] <= before[1] * 1.1, f"seed {seed}"
        assert after[2] <= before[2] + 2, f"seed {seed}"


def story(mail: Posted, hop: ScriptedHop, gateway: Gateway) -> str:
    """What each side knows of a mail, for whoever has to find out."""
    name = f"<storm-{mail.number}@example.co.jp>"
    lines = [f"mail {mail.number}: {mail!r:.200}", "its sender:", *mail.story, "the gateway:"]
    lines += [line for line in gateway.log().splitlines() if name in line or " died" in line]
    lines.append("the next hop:")
    for one in hop.transactions:
        if name.encode() in bytes(one.raw[:4_096]):
            where = f"{one.connection}.{one.index} to {b' '.join(one.recipients).decode()}"
            lines.append(f"{where}: {'whole' if one.complete else 'broken off'}, {one.reply!r}")
    return "\n".join(lines)


def file_of(gateway: Gateway) -> Path:
    """Its ledger."""
    return gateway.folder / "ledger" / "ledger.db"


def check_links(hop: ScriptedHop, gateway: Gateway) -> int:
    """A token is one recipient's of one mail, each time it is sent, and in the ledger. Gives their number."""
    owners: dict[bytes, tuple[bytes, bytes]] = {}
    tokens: dict[tuple[bytes, bytes], bytes] = {}
    for transaction in hop.complete:
        for token in set(LINK.findall(transaction.content)):
            owner = (identity(transaction.content), transaction.recipients[0])
            assert owners.setdefault(token, owner) == owner
            assert tokens.setdefault(owner, token) == token
    known = {row.token.encode() for row in sends(file_of(gateway))}
    assert owners.keys() <= known
    return len(owners)


@pytest.mark.timeout(240)
async def test_soak(tmp_path: Path) -> None:
    """The short one, of every run."""
    await soak(tmp_path, seconds=20, seed=seed_of_this_run())


@pytest.mark.long
@pytest.mark.timeout(1_200)
async def test_soak_for_long(tmp_path: Path) -> None:
    """Ten minutes."""
    await soak(tmp_path, seconds=600, seed=seed_of_this_run())


def seed_of_this_run() -> int:
    """From the environment, else another each time."""
    return int(os.environ.get("CAREERRELAY_SOAK_SEED") or random.SystemRandom().randrange(10**9))
