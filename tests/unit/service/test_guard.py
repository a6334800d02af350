"""The brake of one worker, what it keeps, and whom it tells: nothing of it costs ordinary mail a write."""

from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from gateway.errors import LedgerFault
from gateway.ledger.braking import Limits, Row
from gateway.ledger.controls import Brake, Controls
from gateway.reason import Reason
from gateway.ruleset.evidence import Hit, Kind
from gateway.ruleset.ruleset import Verdict
from gateway.service import keeper
from gateway.service.alerts import EVERY_SECONDS, Alerts
from gateway.service.guard import MAILS, SECONDS, Guard
from gateway.service.keeper import BATCH, MOST, Keeper
from gateway.store.observations import Sight
from gateway.transaction.ports import MailSeen
from gateway.transaction.report import MailReport


class Notes:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.alarms: list[str] = []
        self.faults: list[str] = []

    def mail(self, report: MailReport) -> None:
        """Nobody asks."""

    def count(self, name: str) -> None:
        """Count it."""
        self.counts[name] += 1

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Keep it."""
        self.faults.append(text)

    def alarm(self, text: str) -> None:
        """Keep it."""
        self.alarms.append(text)


class Ledger:
    """What a guard and a keeper need of one, with a switch for its faults."""

    def __init__(self) -> None:
        self.controls = Controls()
        self.others: tuple[Row, ...] = ()
        self.wanted = False
        self.written: list[list[Row]] = []
        self.stopped: list[str] = []
        self.kept: list[tuple[Sight, ...]] = []
        self.down = False

    def count_for_brake(self, *, wanted: bool) -> None:
        """Keep it."""
        self.wanted = wanted

    def write_tallies(self, rows: list[Row]) -> None:
        """Keep them."""
        self.written.append(rows)

    async def stop_rule(self, rule: str, why: str) -> bool:
        """Keep it; true the first time."""
        if self.down:
            raise LedgerFault("down")
        self.stopped.append(rule)
        return self.stopped.count(rule) == 1

    def keep_sights(self, sights: tuple[Sight, ...]) -> bool:
        """Keep them, unless it is down."""
        if not self.down:
            self.kept.append(sights)
        return not self.down

    def forget_sights(self, *, days: int, snippet_days: int) -> None:
        """Nothing is old here."""


class Bench:
    """A guard with everything around it in hand."""

    def __init__(self, *, per_hour: int = 3) -> None:
        self.ledger, self.journal = Ledger(), Notes()
        self.work: list[Coroutine[Any, Any, None]] = []
        self.told: list[tuple[str, str]] = []
        self.now = 10 * 3_600_000_000
        self.guard = Guard(
            self.ledger,
            self.journal,
            background=self.work.append,
            tell=lambda kind, text: self.told.append((kind, text)),
            keep=lambda _: None,
            now=lambda: self.now,
        )
        self.guard.limit(Limits(per_hour=per_hour))

    async def settle(self) -> None:
        """Do what was put into the background."""
        for work in self.work:
            await work
        self.work.clear()

    def tick(self, seconds: float = 1.0) -> None:
        """So much later."""
        self.now += int(seconds * 1_000_000)
        self.guard.tick()


async def test_crossing_stops_the_rule_once_and_tells() -> None:
    """The ledger is asked once however many mails cross, and people hear of it once, with the way back."""
    bench = Bench()
    assert [bool(bench.guard.take("a", 1)) for _ in range(6)] == [False, False, False, True, True, True]
    assert len(bench.work) == 1
    await bench.settle()
    assert bench.ledger.stopped == ["a"]
    assert len(bench.journal.alarms) == 1
    ((kind, text),) = bench.told
    assert kind == "brake a"
    assert "careerrelay rules resume a" in text
    assert bench.guard.take("a", 1), "and it is still refused here"
    await bench.settle()
    assert len(bench.told) == 1, "that the rule was stopped before is nothing to tell"


async def test_without_the_ledger_it_stops_here() -> None:
    """The fault is told, people are told, and no link goes out from this worker."""
    bench = Bench()
    bench.ledger.down = True
    assert bench.guard.take("a", 4)
    await bench.settle()
    assert bench.journal.faults == ["brake not in the ledger yet"]
    assert len(bench.told) == 1


def test_ordinary_mail_is_told_of_in_batches() -> None:
    """After ten mails, or five minutes; with a mail that a rule changed at once."""
    bench = Bench()
    for _ in range(MAILS - 1):
        bench.guard.mail()
    bench.tick()
    assert bench.ledger.written == []
    bench.guard.mail()
    bench.tick()
    assert [row.mails for row in bench.ledger.written.pop()] == [MAILS]
    bench.guard.mail()
    bench.tick()
    assert bench.ledger.written == []
    bench.tick(SECONDS)
    assert len(bench.ledger.written) == 1
    bench.ledger.written.clear()
    bench.guard.mail()
    bench.guard.take("a", 2)
    bench.tick()
    assert [row.links for row in bench.ledger.written.pop() if row.rule] == [2]
    bench.tick()
    assert bench.ledger.written == [], "an idle gateway writes nothing"


def test_no_brake_counts_and_writes_nothing() -> None:
    """0 is off."""
    bench = Bench(per_hour=0)
    assert bench.ledger.wanted is False
    for _ in range(100):
        bench.guard.mail()
        assert bench.guard.take("a", 9) == ""
    bench.tick()
    assert bench.ledger.written == []


def test_what_others_counted_and_who_resumed() -> None:
    """Both come with the tick."""
    bench = Bench()
    bench.ledger.others = (Row(since=bench.now, rule="a", mails=3, links=3),)
    bench.tick()
    assert bench.guard.take("a", 1)
    bench.work.pop().close()
    bench.ledger.controls = replace(Controls(), resumed={"a": bench.now}, brakes={})
    bench.tick()
    assert bench.guard.take("a", 1) == ""
    bench.ledger.controls = replace(Controls(), brakes={"a": Brake(at=1, node="n", why="w")})
    bench.tick()


def test_alerts_are_bounded_by_kind() -> None:
    """One of each kind in ten minutes."""
    now = [0.0]
    alerts = Alerts(clock=lambda: now[0])
    assert [alerts.due(kind) for kind in ("a", "a", "b")] == [True, False, True]
    now[0] = EVERY_SECONDS
    assert alerts.due("a")


# --- what is kept -----------------------------------------------------------------------------------------


def seen(*, matched: bool = False) -> MailSeen:
    """A mail in which a signal stands."""
    strong = True
    hit = Hit(Kind.SIGNAL, "p/s", 1.0, strong, "plain", 0, 0, 4)
    verdict = Verdict(matched=matched, action="none", rule="a", pages=({0: [hit]},))
    return MailSeen(
        mail="m", message_id="<1@x>", sender="hr@x", ruleset="r", verdict=verdict, reason=Reason.OBSERVE
    )


def keeping() -> tuple[Keeper, Ledger, Notes, list[float]]:
    """A keeper, its ledger, its journal, its clock."""
    ledger, notes, now = Ledger(), Notes(), [0.0]
    return Keeper(ledger, notes, clock=lambda: now[0]), ledger, notes, now


def test_a_match_is_kept_at_once_and_the_rest_in_batches() -> None:
    """Without text: the matched words of a hit are not among what is kept."""
    made, ledger, _, now = keeping()
    made.add(seen())
    made.tick(days=30, snippet_days=14)
    assert ledger.kept == []
    now[0] = keeper.SECONDS
    made.tick(days=30, snippet_days=14)
    assert len(ledger.kept.pop()) == 1
    made.add(seen())
    made.add(seen(matched=True))
    made.tick(days=30, snippet_days=14)
    (sights,) = ledger.kept
    assert [one.matched for one in sights] == [False, True]
    assert sights[0].hits == '[[["signal","p/s","plain",0,0,4]]]'


def test_under_load_it_is_dropped_and_counted() -> None:
    """Nothing grows without bound, and a faulty ledger gets nothing to remember."""
    made, ledger, notes, _ = keeping()
    for _ in range(MOST + 5):
        made.add(seen())
    assert notes.counts["observations-dropped"] == 5
    made.flush()
    assert [len(part) for part in ledger.kept] == [BATCH] * (MOST // BATCH)
    ledger.down = True
    made.add(seen(matched=True))
    made.tick(days=30, snippet_days=14)
    assert notes.counts["observations-dropped"] == 6
