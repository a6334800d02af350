"""Senders that keep sending while the gateway is reloaded or restarted, and the count of what arrived.

Ordinary mail, rejections for one candidate and rejections for two and a colleague, over several sessions. A
sender does what RFC 5321 §4.5.4.1 asks: what was put off, or could not be said to the end, is said again.
What it may not have to do is guess: once it has sent a final dot, it must be answered.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.integration.harness import ORDINARY, identity, rejection
from tests.integration.running import LINK
from tests.peers.client import Client, ClosedError, Reply, stuffed
from tests.peers.record import Transaction
from tests.peers.scripted import ScriptedHop

ONE = (b"taro@example.com",)
#: So many times its number of mails `Traffic` sends at most while it has not had enough.
MOST = 20
THREE = (b"a@example.com", b"b@example.net", b"boss@example.co.jp")


class _AgainError(Exception):
    """This attempt came to nothing, and the sender knows that."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Mails to be sent and how it went.

    `patient`: put-offs and lost connections are tried again; otherwise they are errors. `enough`: more mails
    than `total` are sent until it holds, `MOST` times as many at most; `total` is then their number.
    """

    port: int
    total: int
    patient: bool = False
    sessions: int = 8
    sent: int = 0
    again: Counter[str] = field(default_factory=Counter)
    unanswered: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(()))
    enough: Callable[[], object] = lambda: True

    async def run(self) -> None:
        """Send everything."""
        self.numbers = self._count()
        await asyncio.gather(*(self._session() for _ in range(self.sessions)))

    def _count(self) -> Iterator[int]:
        least, most = self.total, self.total * MOST
        number = 0
        while number < least or (number < most and not self.enough()):
            self.total = max(self.total, number + 1)
            yield number
            number += 1

    async def _session(self) -> None:
        number = next(self.numbers, None)
        while number is not None:
            try:
                async with await Client.connect(self.port, patience=30) as client:
                    _expect(await client.reply(), 220)
                    _expect(await client.greet(), 250)
                    while number is not None:
                        await self._mail(client, number)
                        self.sent += 1
                        number = next(self.numbers, None)
                    with contextlib.suppress(ClosedError):  # 421 instead, if it is just going
                        await client.quit()
            except (_AgainError, ClosedError, ConnectionError) as why:
                if not self.patient:
                    raise
                self.again[f"{type(why).__name__} {why}"[:40]] += 1
                await asyncio.sleep(0.05)

    async def _mail(self, client: Client, number: int) -> None:
        lines = [b"MAIL FROM:<hr@example.co.jp>", *(b"RCPT TO:<" + to + b">" for to in recipients_of(number))]
        if number % 3:
            await client.send(b"".join(line + b"\r\n" for line in [*lines, b"DATA"]))
            replies = [await client.reply() for _ in range(len(lines) + 1)]
        else:
            replies = [await client.command(line) for line in [*lines, b"DATA"]]
        for reply in replies[:-1]:
            _expect(reply, 250)
        _expect(replies[-1], 354)
        await client.send(stuffed(mail_of(number)))
        try:
            reply = await client.reply()
        except (ClosedError, TimeoutError) as error:
            self.unanswered.append(f"mail {number}: {error!r}")
            raise
        _expect(reply, 250)


def _expect(reply: Reply, code: int) -> None:
    if reply.code != code:
        raise _AgainError(str(reply))


def recipients_of(number: int) -> Sequence[bytes]:
    """Who gets this mail."""
    return THREE if number % 10 == 7 else ONE


def mail_of(number: int) -> bytes:
    """This mail: every odd one is a rejection."""
    return rejection(number) if number % 2 else ORDINARY.replace(b"agenda@", b"agenda-%d@" % number)


def links_of(number: int) -> int:
    """How many rows of `sends` this mail makes."""
    return 0 if not number % 2 else sum(not to.endswith(b"@example.co.jp") for to in recipients_of(number))


#: A machine that is busy with other things may take long over a commit. Mail would go untouched then, as rule
#: 22 has it; that is not what these tests are about.
PATIENT_LEDGER = {"ledger": {"wait_seconds": 60}}


def check(traffic: Traffic, log: str, *hops: ScriptedHop) -> set[str]:
    """Every mail arrived once for each of its recipients, with a link of its own where one belongs.

    `log` is the gateway's. Gives all tokens.
    """
    usual = ("reason=injected", "reason=no-match")
    assert [
        line for line in log.splitlines() if " reason=" in line and not any(one in line for one in usual)
    ] == []
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    assert traffic.unanswered == []
    assert traffic.sent == traffic.total
    arrived: Counter[tuple[bytes, bytes]] = Counter()
    expected: Counter[tuple[bytes, bytes]] = Counter()
    for number in range(traffic.total):
        expected.update((identity(mail_of(number)), recipient) for recipient in recipients_of(number))
    tokens: Counter[bytes] = Counter()
    for hop in hops:
        assert hop.faults == []
        for transaction in hop.taken:
            key = identity(transaction.content)
            arrived.update((key, recipient) for recipient in transaction.recipients)
            tokens.update(_tokens(transaction, linked=key.startswith(b"Message-ID: <rejection-")))
    assert arrived - expected == Counter(), "doubled"
    assert expected - arrived == Counter(), "lost"
    assert set(tokens.values()) == {1}
    assert len(tokens) == sum(map(links_of, range(traffic.total)))
    return {token.decode() for token in tokens}


def _tokens(transaction: Transaction, *, linked: bool) -> set[bytes]:
    found = set(LINK.findall(transaction.content))
    candidate = not transaction.recipients[0].endswith(b"@example.co.jp")
    assert len(found) == (linked and candidate), (transaction.recipients, found)
    return found
