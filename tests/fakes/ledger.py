"""A ledger in memory: what `gateway.transaction.ports.Ledger` promises, with switches for its faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.errors import LedgerFault
from gateway.reason import Reason
from gateway.smtp.fold import Fate, Notice, Outcome
from gateway.transaction.ports import (
    Claim,
    CopyIntent,
    CopyOutcome,
    Issued,
    OpenMail,
    PlannedCopy,
    SendIntent,
    SendOutcome,
    SendState,
    Standing,
)


@dataclass(slots=True)
class Row:
    """One send."""

    intent: SendIntent
    token: bytes
    attempts: int = 0
    put_off: int = 0
    state: SendState = SendState.INTENDED
    reply: str = ""


@dataclass(slots=True)
class Owed:
    """One recipient of an open mail."""

    planned: PlannedCopy
    outcome: Outcome | None = None
    claimed_by: str = ""


@dataclass(slots=True)
class Record:
    """An open mail."""

    copies: dict[bytes, Owed] = field(default_factory=dict)
    notice: Notice | None = None


class Memory:
    """What several fakes may share, as several processes share one database."""

    def __init__(self) -> None:
        self.sends: dict[tuple[bytes, bytes], Row] = {}
        self.open: dict[bytes, Record] = {}
        self.refused = 0
        self.brake = ""


class FakeLedger:
    """One process's hand on a `Memory`. `down` makes every call fail; `calls` lists what was asked."""

    def __init__(self, memory: Memory | None = None, *, name: str = "here") -> None:
        self.memory = memory or Memory()
        self.name = name
        self.down = False
        self.calls: list[str] = []
        #: Why a person (keyed hash) is to get no link.
        self.left: dict[bytes, Reason] = {}

    def _asked(self, what: str) -> None:
        self.calls.append(what)
        if self.down:
            raise LedgerFault("the fake ledger is down")

    def _issue(self, intent: SendIntent) -> Issued:
        if intent.person in self.left:
            return Issued(token=intent.token, attempts=0, put_off=0, left=self.left[intent.person])
        record = self.memory.open.get(intent.mail_key)
        if intent.alone and record is not None and intent.person in record.copies:
            return Issued(token=intent.token, attempts=0, put_off=0, recorded=True)
        row = self.memory.sends.get((intent.mail_key, intent.person))
        if row is None:
            row = self.memory.sends[(intent.mail_key, intent.person)] = Row(intent, intent.token)
            return Issued(token=row.token, attempts=0, put_off=0)
        row.attempts += 1
        row.state = SendState.INTENDED
        return Issued(token=row.token, attempts=row.attempts, put_off=row.put_off)

    def _write(self, outcome: SendOutcome) -> None:
        row = self.memory.sends[(outcome.mail_key, outcome.person)]
        row.state, row.reply = outcome.state, outcome.reply
        row.put_off += outcome.counts_as_put_off

    async def intend(self, intents: Sequence[SendIntent]) -> list[Issued]:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("intend")
        return [self._issue(intent) for intent in intents]

    def note(self, outcome: SendOutcome) -> None:
        """See `gateway.transaction.ports.Ledger`."""
        self.calls.append("note")
        if not self.down:
            self._write(outcome)

    async def find(self, mail_key: bytes) -> OpenMail | None:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("find")
        record = self.memory.open.get(mail_key)
        if record is None:
            return None
        copies = {person: owed.planned for person, owed in record.copies.items()}
        return OpenMail(mail_key=mail_key, copies=copies, notice=record.notice)

    async def claim(self, mail_key: bytes, copies: Sequence[CopyIntent]) -> list[Claim]:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("claim")
        record = self.memory.open.setdefault(mail_key, Record())
        return [self._claim(record, copy) for copy in copies]

    def _claim(self, record: Record, copy: CopyIntent) -> Claim:
        owed = record.copies.get(copy.person)
        if owed is None:
            send = copy.send
            planned = PlannedCopy(person=copy.person, linked=False)
            if send is not None:
                planned = PlannedCopy(
                    person=copy.person,
                    linked=True,
                    campaign=send.campaign,
                    rule=send.rule,
                    footer=send.footer,
                    ruleset=send.ruleset,
                )
            owed = record.copies[copy.person] = Owed(planned)
        if owed.outcome is not None:
            return Claim(person=copy.person, standing=Standing.SETTLED, issued=None, outcome=owed.outcome)
        if owed.claimed_by not in ("", self.name):
            return Claim(person=copy.person, standing=Standing.ELSEWHERE, issued=None, outcome=None)
        owed.claimed_by = self.name
        issued = self._issue(copy.send) if copy.send is not None else None
        return Claim(person=copy.person, standing=Standing.OURS, issued=issued, outcome=None)

    async def settle(
        self,
        mail_key: bytes,
        outcomes: Sequence[CopyOutcome],
        *,
        notice: Notice | None = None,
        close: bool,
    ) -> None:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("settle")
        record = self.memory.open[mail_key]
        record.notice = notice or record.notice
        for outcome in outcomes:
            owed = record.copies[outcome.person]
            owed.claimed_by = ""
            if outcome.fate in (Fate.TAKEN, Fate.REFUSED):
                owed.outcome = Outcome(outcome.fate, outcome.reply)
            if outcome.send is not None:
                self._write(outcome.send)
        if close:
            record.copies = {person: owed for person, owed in record.copies.items() if owed.claimed_by}
            if not record.copies:
                del self.memory.open[mail_key]

    async def link_refused(self) -> int:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("link_refused")
        self.memory.refused += 1
        return self.memory.refused

    async def pull_brake(self, why: str) -> None:
        """See `gateway.transaction.ports.Ledger`."""
        self._asked("pull_brake")
        self.memory.brake = why
