"""What partners say: registrations, events, webhooks; and the matching of what came before its send."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, func, insert, select, update

from gateway.ledger.intake import Reported
from gateway.store import said
from gateway.store.credit.ground import Ground, Operator
from gateway.store.credit_schema import registrations, webhooks
from gateway.store.deciding import reevaluate
from gateway.store.journal import Journal
from gateway.store.registrations import Taken, receive
from gateway.store.said import EventReport, EventTaken
from gateway.store.schema import meta, sends

#: So many reports share a transaction.
_BATCH = 500
#: Sends that may become visible after others with a higher number: those of commits under way.
_SLACK = 5_000
_MARK = "matched_sends"


class _Undone(Exception):
    """No error: it ends a transaction that is not to be kept."""

    def __init__(self, answers: list[Taken]) -> None:
        self.answers = answers
        super().__init__()


class ReportedSide(Ground):
    """The partner's side."""

    def receive_registrations(
        self,
        partner: str,
        reports: Sequence[Reported],
        *,
        source: str,
        received_at: int | None = None,
        progress: Callable[[int], None] = lambda _: None,
        dry_run: bool = False,
        whole: bool = False,
        operator: Operator | None = None,
    ) -> list[Taken]:
        """Take in what a partner reports, in its order; each answer says what became of it.

        Idempotent on the partner's id: the same again is ``known``, other content ``conflict``. What is taken
        in stays, if a later part can't be; saying all of it again is safe.

        Args:
            partner: the id of the partner, who has proven that it is it.
            reports: read by `gateway.ledger.intake.read_reported`.
            source: ``webhook``, ``import``.
            received_at: when, where that isn't now.
            progress: is told how many are done, now and then.
            dry_run: answer as if, and change nothing.
            whole: all or nothing, in one transaction: a conflict undoes it.
            operator: who does it, where a person does.
        """
        together = dry_run or whole
        size = max(1, len(reports)) if together else _BATCH
        answers: list[Taken] = []
        with self.reading() as connection:
            first = connection.execute(select(registrations.c.id).limit(1)).first() is None
        if first:
            self.rematch()  # nothing waits: it only notes up to where sends are seen by what comes now
        for start in range(0, len(reports), size):
            part = reports[start : start + size]

            def work(
                connection: Connection, journal: Journal, part: Sequence[Reported] = part
            ) -> list[Taken]:
                taken = receive(
                    connection, journal, self._desk, partner, part, source=source, received_at=received_at
                )
                if dry_run or (whole and any(answer.result == "conflict" for answer in taken)):
                    raise _Undone(taken)
                return taken

            try:
                answers += self.writing(work, operator)
            except _Undone as undone:
                answers += undone.answers
            progress(len(answers))
        return answers

    def receive_event(
        self, partner: str, report: EventReport, operator: Operator | None = None
    ) -> EventTaken:
        """Take in what a partner says of a registration of its own; `operator` notes it down for it.

        Raises:
            NoSuchRegistration, NotPossible: see `gateway.store.said`.
        """
        return self.writing(
            lambda connection, journal: said.partner_event(connection, journal, partner, report), operator
        )

    def consume_webhook(self, partner: str, message_id: str, *, keep_seconds: int = 3_600) -> bool:
        """Note that a webhook was taken; False if it was before (a replay).

        Call it in the moment of acting on the message, and `forget_webhook` if acting fails.
        """

        def work(connection: Connection, journal: Journal) -> bool:
            connection.execute(
                webhooks.delete().where(webhooks.c.at < journal.now - keep_seconds * 1_000_000)
            )
            known = select(webhooks.c.at).where(
                webhooks.c.partner == partner, webhooks.c.message_id == message_id
            )
            if connection.execute(known).first() is not None:
                return False
            connection.execute(
                insert(webhooks).values(partner=partner, message_id=message_id, at=journal.now)
            )
            return True

        return self.writing(work)

    def forget_webhook(self, partner: str, message_id: str) -> None:
        """Undo `consume_webhook`, so that the partner's retry of the same message is taken."""
        self.writing(
            lambda connection, _: connection.execute(
                webhooks.delete().where(webhooks.c.partner == partner, webhooks.c.message_id == message_id)
            )
        )

    def rematch(self) -> int:
        """Decide anew what waits for sends that have come since; gives how many registrations changed.

        Cheap when nothing has come. For the service's upkeep, and before anything is shown. Which ones wait
        is looked up before the lock is taken: over a million sends that takes seconds, and mail has to write
        meanwhile.
        """
        with self.reading() as connection:
            mark = _mark(connection)
            newest = connection.execute(select(func.max(sends.c.id))).scalar_one() or 0
            if newest <= mark:
                return 0
            numbers = _waiting(connection, max(0, mark - _SLACK), newest)

        def work(connection: Connection, journal: Journal) -> int:
            changed = reevaluate(connection, journal, numbers)
            _set_mark(connection, newest)
            return changed

        return self.writing(work)


def _mark(connection: Connection) -> int:
    found = connection.execute(select(meta.c.value).where(meta.c.name == _MARK)).scalar_one_or_none()
    return int(found or 0)


def _set_mark(connection: Connection, value: int) -> None:
    if connection.execute(update(meta).where(meta.c.name == _MARK).values(value=str(value))).rowcount == 0:
        connection.execute(insert(meta).values(name=_MARK, value=str(value)))


def _waiting(connection: Connection, since: int, newest: int) -> list[int]:
    """Registrations that sends after that number, up to about the newest one, may be meant by."""
    columns = registrations.c
    known = connection.execute(select(func.max(columns.id))).scalar_one() or 0
    if not known:
        return []
    # Of the two tables the one with fewer rows to look at is gone through. A sum is in no index, so that the
    # database takes the other one.
    number = sends.c.id if newest - since < known else sends.c.id + 0
    # "No send yet" must not be taken for "another send" by the comparison.
    other = (columns.send_token.is_(None)) | (columns.send_token != sends.c.token)
    base = select(columns.id).where(number > since, other, columns.partner == sends.c.partner)
    by_token = base.join(sends, sends.c.token == columns.token)
    by_address = base.join(sends, sends.c.person_ref == columns.address_ref)
    return [int(number) for number in connection.execute(by_token.union(by_address)).scalars()]
