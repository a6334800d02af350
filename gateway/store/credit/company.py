"""The company's side of credit: balances, slots, corrections by hand."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, select

from gateway.ledger.books import Account, Balance, Kind, balance
from gateway.ledger.months import month_bounds, month_of
from gateway.store import consent, slots
from gateway.store.bounded import bounded
from gateway.store.consent import Deed, Request, WantsSecond
from gateway.store.credit.ground import Ground, Operator
from gateway.store.credit_schema import slots as slots_table
from gateway.store.journal import Journal, adjusted_since, sums


class CompanySide(Ground):
    """The books of companies."""

    def balance(self, company: str, *, at: int | None = None) -> Balance:
        """The balance of a company now, or by what was recorded until a moment in the past."""

        def look(connection: Connection, now: int) -> Balance:
            terms = self.programme.company(company)
            moment = now if at is None else at
            found = sums(connection, [company], until=at)
            return balance(found, terms.contract_at(moment).ratio)

        if at is None:
            with self.reading() as connection:
                return look(connection, self._now(connection))
        # In the lock: what is being recorded now gets a moment that may lie before `at`.
        return self.writing(lambda connection, journal: look(connection, journal.now))

    def reserve(
        self, company: str, operator: Operator, *, requisition: str = "", slot_id: int | None = None
    ) -> slots.Slot:
        """Reserve a slot. See `gateway.store.slots.reserve`."""
        act = partial(slots.reserve, requisition=requisition, slot_id=slot_id)
        return self._slot(company, operator, "reserve", act)

    def redeem(
        self,
        company: str,
        operator: Operator,
        *,
        requisition: str = "",
        slot_id: int | None = None,
        limit: int | None = None,
    ) -> slots.Slot:
        """Use a slot. See `gateway.store.slots.redeem`.

        Raises:
            WantsSecond: it would be more than `limit` this month, and nobody else said yes.
        """

        def act(connection: Connection, journal: Journal, whose: str) -> slots.Slot:
            before = journal.posted
            slot = slots.redeem(connection, journal, whose, requisition=requisition, slot_id=slot_id)
            if journal.posted > before and limit is not None and not operator.second:
                used = slots.used_since(connection, whose, _month_of(journal.now))
                if used > limit:
                    raise WantsSecond(f"more than {limit} slots in a month")
            return slot

        return self._slot(company, operator, "redeem", act)

    def give_back(
        self,
        company: str,
        operator: Operator,
        *,
        requisition: str = "",
        slot_id: int | None = None,
        reason: str = "",
    ) -> slots.Slot:
        """Return a slot. See `gateway.store.slots.give_back`."""
        act = partial(slots.give_back, requisition=requisition, slot_id=slot_id, reason=reason)
        return self._slot(company, operator, "return", act)

    def _slot(
        self,
        company: str,
        operator: Operator,
        action: str,
        act: Callable[[Connection, Journal, str], slots.Slot],
    ) -> slots.Slot:
        def work(connection: Connection, journal: Journal) -> slots.Slot:
            slots.expire_due(connection, journal)
            before = journal.posted
            slot = act(connection, journal, company)
            if journal.posted == before:  # said before: nothing was done
                return slot
            # A returned slot may be one that nothing pays for any more.
            journal.settle(company)
            journal.audit(action, f"slot {slot.id}", company=company)
            return slots.slot_at(connection, slot.id)

        return self.writing(work, operator)

    def adjust(
        self,
        company: str,
        operator: Operator,
        *,
        referrals: int,
        reason: str,
        campaign: str = "",
        effective_at: int | None = None,
        limit: int | None = None,
    ) -> Balance:
        """Add referrals (or take some, below nought) by hand; slots follow.

        Raises:
            WantsSecond: with what operators have adjusted alone this month it would be more than `limit`, up
                and down taken together, and nobody else said yes.
        """

        def work(connection: Connection, journal: Journal) -> Balance:
            moment = journal.now if effective_at is None else effective_at
            contract = self.programme.company(company).contract_at(moment)
            journal.post(
                Kind.ADJUST,
                company,
                referrals,
                effective_at=moment,
                campaign=bounded(campaign),
                reason=reason,
                contract=(contract.since, contract.ratio),
            )
            journal.settle(company)
            if limit is not None and not operator.second:
                adjusted = adjusted_since(connection, company, _month_of(journal.now))
                if adjusted > limit:
                    raise WantsSecond(f"more than {limit} referrals adjusted in a month")
            journal.audit("adjust", f"{referrals:+d} referrals", company=company)
            return balance(
                sums(connection, [company]),
                self.programme.company(company).contract_at(journal.now).ratio,
            )

        return self.writing(work, operator)

    def ask(self, deed: Deed, operator: Operator, login: tuple[int, int | None]) -> int:
        """Have something wait for a second operator. See `gateway.store.consent.ask`."""
        return self.writing(
            lambda connection, journal: consent.ask(connection, journal, deed, login), operator
        )

    def requests(self) -> list[Request]:
        """What waits for a second operator, oldest first."""
        with self.reading() as connection:
            return consent.waiting(connection, self._now(connection))

    def request(self, number: int) -> Request:
        """What waits under that number. See `gateway.store.consent.find`."""
        with self.reading() as connection:
            return consent.find(connection, self._now(connection), number)

    def expire_slots(self) -> int:
        """Expire the slots whose life is over; gives how many."""
        with self.reading() as connection:
            due = connection.execute(
                select(slots_table.c.id)
                .where(
                    slots_table.c.state == Account.AVAILABLE.value,
                    slots_table.c.expires_at <= self._now(connection),
                )
                .limit(1)
            ).first()
        return self.writing(slots.expire_due) if due is not None else 0


def _month_of(moment: int) -> int:
    """When its month (Japanese time) began."""
    return month_bounds(month_of(moment))[0]
