"""The ledger as the transaction sees it: `LedgerStore` implements `gateway.transaction.ports.Ledger`."""

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from gateway.errors import LedgerFault
from gateway.footer.kept import KeptFooter
from gateway.ledger.braking import Row
from gateway.ledger.controls import RESTORED, Brake, Controls
from gateway.smtp.fold import Notice
from gateway.store.chores import (
    FetchRuleset,
    PullBrake,
    RecordRuleset,
    Resume,
    SetStage,
    WriteTallies,
)
from gateway.store.database import Database
from gateway.store.footers import KeepTerms
from gateway.store.observations import ForgetSights, KeepSights, Sight, WriteReview
from gateway.store.process import own_mark
from gateway.store.session import Session
from gateway.store.work import (
    CountRefusal,
    Find,
    Intend,
    Note,
    Settle,
    TakeClaims,
)
from gateway.store.writer import Writer
from gateway.transaction.ports import (
    Claim,
    CopyIntent,
    CopyOutcome,
    Issued,
    OpenMail,
    SendIntent,
    SendOutcome,
)


class LedgerStore:
    """The ledger in SQLite or PostgreSQL, through one writer thread in this process.

    Made and started after the process has forked; neither does any I/O by itself, so a ledger that is
    gone keeps no gateway from starting. Durable means: committed with ``synchronous=FULL`` on SQLite, and
    with the server's ``synchronous_commit`` (never off) on PostgreSQL.
    """

    def __init__(
        self,
        url: str,
        *,
        node: str,
        wait_seconds: float = 2.0,
        lease_seconds: float = 1_800.0,
        record_days: float = 8.0,
        queue_rows: int = 10_000,
        create: bool = False,
        key_id: str | None = None,
        under_way: Callable[[], int] = lambda: 1,
    ) -> None:
        """Say where the ledger is and by what rules it is kept.

        Args:
            url: as the config gives it.
            node: the name of this machine, its own among all that share the ledger.
            wait_seconds: no call takes longer.
            lease_seconds: how long a claim of another node holds after it was made; longer than any mail
                may take.
            record_days: how long an open record is remembered.
            queue_rows: how many rows may wait to be written; past it calls fail at once.
            create: make or upgrade the ledger at the first connection, for processes without a parent
                that called `prepare`.
            key_id: written by that, if the ledger has none.
            under_way: how many mails this process has in hand; a commit waits a little for several.

        Raises:
            LedgerFault: `url` is neither SQLite nor PostgreSQL.
        """
        database = Database(url)
        # A statement that waits for a lock is given up while its caller still waits, so that another
        # attempt fits in.
        session = Session(
            database,
            own_mark(node),
            wait_seconds=wait_seconds / 2,
            lease_seconds=lease_seconds,
            record_days=record_days,
            create=create,
            key_id=key_id,
        )
        self._writer = Writer(
            database, session, wait_seconds=wait_seconds, queue_rows=queue_rows, under_way=under_way
        )
        self._pid = os.getpid()

    def start(self) -> None:
        """Start the writer thread. Doesn't wait for the database."""
        if os.getpid() != self._pid:
            raise RuntimeError("a ledger store is made in the process that uses it, not before a fork")
        self._writer.start()

    async def close(self, seconds: float = 5.0) -> bool:
        """Write what waits, at most for `seconds`; what can't be written goes to the log.

        True if everything was written.
        """
        return await self._writer.close(seconds)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def fault(self) -> LedgerFault | None:
        """What is wrong with the ledger at this moment; None when it is well. For status and readiness."""
        return self._writer.fault

    @property
    def waiting(self) -> int:
        """How many rows wait to be written."""
        return self._writer.rows

    @property
    def brake(self) -> Brake | None:
        """The brake of the whole gateway, as `controls`; None when it isn't on."""
        return self._writer.controls.brake

    @property
    def controls(self) -> Controls:
        """What operators and brakes have set, as of a second ago at most (as long as the ledger is well).

        Costs nothing.
        """
        return self._writer.controls

    @property
    def informed(self) -> bool:
        """Whether `controls` was read at all yet."""
        return self._writer.informed

    # --- the port -----------------------------------------------------------------------------------------

    def intend(self, intents: Sequence[SendIntent]) -> Coroutine[Any, Any, list[Issued]]:
        """Write intents; durable when it returns. See `Ledger.intend`.

        The writer's own coroutine is handed on: every mail waits here, and each level is walked again when
        the wait is over.
        """
        return self._writer.ask(Intend(tuple(intents)), _issued) if intents else _none_issued()

    def note(self, outcome: SendOutcome) -> None:
        """Queue an outcome. Never raises. See `Ledger.note`."""
        self._writer.post(Note(outcome))

    async def find(self, mail_key: bytes) -> OpenMail | None:
        """The open record of this mail, if there is one. See `Ledger.find`."""
        return await self._writer.ask(Find(mail_key), _open_mail)

    async def claim(self, mail_key: bytes, copies: Sequence[CopyIntent]) -> list[Claim]:
        """Claim what is owed. See `Ledger.claim`.

        A recipient that another session of this process is sending to is ELSEWHERE too.
        """
        return await self._writer.ask(TakeClaims(mail_key, tuple(copies)), _claims)

    async def settle(
        self, mail_key: bytes, outcomes: Sequence[CopyOutcome], *, notice: Notice | None = None, close: bool
    ) -> None:
        """Write outcomes. See `Ledger.settle`.

        Raises:
            LedgerFault: it isn't durable yet. It is written, as said here, as soon as it can be, like
                `note`: the caller has nothing to note again.
        """
        await self._writer.ask(Settle(mail_key, tuple(outcomes), notice, close), _nothing)

    async def link_refused(self) -> int:
        """Record a refusal of a link; give how many there were in ten minutes and since the last `resume`."""
        return await self._writer.ask(CountRefusal(), _number)

    async def pull_brake(self, why: str) -> None:
        """Put the whole installation into `observe`. Done later, if it can't be done now."""
        await self.stop_rule("", why)

    async def stop_rule(self, rule: str, why: str) -> bool:
        """The same for one rule; under an empty name for all. False if it was there already."""
        pulled = await self._writer.ask(PullBrake(why, rule), bool)
        await self.look()
        return pulled

    def keep_terms(
        self, kept: Sequence[KeptFooter], matching: Mapping[str, Sequence[tuple[str, bytes]]]
    ) -> None:
        """Keep what footers are made from, and since when each matching key (partner: id, key) is in use.

        Done before anything that is asked for later. Never raises.
        """
        keys = tuple((partner, key_id) for partner, live in matching.items() for key_id, _ in live)
        self._writer.post(KeepTerms(tuple(kept), keys))

    # --- safety and roll-out ------------------------------------------------------------------------------

    async def look(self) -> Controls:
        """What operators and brakes have set now."""
        self._writer.hear(await self._writer.ask(self._writer.news(), lambda news: news))
        return self._writer.controls

    async def read_brake(self) -> Brake | None:
        """The brake of the whole gateway as it is in the ledger now."""
        return (await self.look()).brake

    async def resume(self, operator: str, rule: str = "") -> bool:
        """Let the brake of a rule go, or all; False if none was on. Who did it is recorded."""
        resumed = await self._writer.ask(Resume(operator, rule), bool)
        await self.look()
        return resumed

    async def set_stage(self, action: str, *, rule: str, operator: str) -> None:
        """Let a rule, or with an empty name all, go as far as `action`."""
        await self._writer.ask(SetStage(operator, rule, action), _nothing)
        await self.look()

    async def record_ruleset(self, work: RecordRuleset) -> bool:
        """Make a rule set the active one; gives whether it is."""
        active = await self._writer.ask(work, bool)
        await self.look()
        return active

    async def restore_ruleset(self, ruleset: str, *, operator: str, difference: str = "") -> None:
        """Make a set that the ledger has the active one, and pin it."""
        await self.record_ruleset(RecordRuleset(ruleset, b"", RESTORED, operator, difference))

    async def fetch_ruleset(self, ruleset: str) -> bytes | None:
        """The content of a rule set that was recorded."""
        found = await self._writer.ask(FetchRuleset(ruleset), lambda content: content)
        return found if isinstance(found, bytes) else None

    def count_for_brake(self, *, wanted: bool) -> None:
        """Whether to read what other processes count; see `others`."""
        self._writer.counting = wanted

    @property
    def others(self) -> tuple[Row, ...]:
        """What other processes have counted for the brake in the last hour, seconds ago."""
        return self._writer.others

    def keep_sights(self, sights: tuple[Sight, ...]) -> bool:
        """Keep what the rules saw, soon; false where the ledger is faulty or busy, and it is dropped."""
        if self.fault is not None or self._writer.crowded:
            return False
        self._writer.post(KeepSights(sights))
        return True

    def forget_sights(self, *, days: int, snippet_days: int) -> None:
        """Delete what was kept of mails longer ago."""
        if self.fault is None:
            self._writer.post(ForgetSights(days, snippet_days))

    async def write_review(self, observation: int, verdict: str, *, operator: str, note: str) -> str | None:
        """Record what somebody says of an observation; gives its rule, None where there is none such."""
        rule = await self._writer.ask(WriteReview(observation, verdict, operator, note), lambda one: one)
        return rule if isinstance(rule, str) else None

    def write_tallies(self, rows: Sequence[Row]) -> None:
        """Tell the others what this process has counted. Dropped while the ledger is faulty."""
        if self.fault is None:
            self._writer.post(WriteTallies(tuple(rows)))


async def _none_issued() -> list[Issued]:
    return []


def _issued(result: object) -> list[Issued]:
    return result if isinstance(result, list) else []  # as `gateway.store.batch.perform` gives it


def _claims(result: object) -> list[Claim]:
    return [one for one in result if isinstance(one, Claim)] if isinstance(result, list) else []


def _open_mail(result: object) -> OpenMail | None:
    return result if isinstance(result, OpenMail) else None


def _number(result: object) -> int:
    return result if isinstance(result, int) else 0


def _nothing(_result: object) -> None:
    return None
