"""The company's side of credit: balances, slots, corrections by hand."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, func, select

from gateway.ledger.books import Account, Balance, Kind, balance
from gateway.ledger.months import month_bounds, month_of
from gateway.store import slots
from gateway.store.bounded import bounded
from gateway.store.credit.ground import Ground, Operator
from gateway.store.credit_schema import slots as slots_table
from gateway.store.journal import Journal, sums, write_audit


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
        self, company: str, operator: Operator, *, requisition: str = "", slot_id: int | None = None
    ) -> slots.Slot:
        """Use a slot. See `gateway.store.slots.redeem`."""
        act = partial(slots.redeem, requisition=requisition, slot_id=slot_id)
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
            slot = act(connection, journal, company)
            # A returned slot may be one that nothing pays for any more.
            journal.settle(company)
            write_audit(
                connection,
                now=journal.now,
                operator=operator.name,
                second=operator.second,
                action=action,
                company=company,
                detail=f"slot {slot.id}",
            )
            return slot

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
    ) -> Balance:
        """Add referrals (or take some, below nought) by hand; slots follow."""

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
            write_audit(
                connection,
                now=journal.now,
                operator=operator.name,
                second=operator.second,
                action="adjust",
                company=company,
                detail=f"{referrals:+d} referrals",
            )
            return balance(
                sums(connection, [company]),
                self.programme.company(company).contract_at(journal.now).ratio,
            )

        return self.writing(work, operator)

    def redeemed_this_month(self, company: str) -> int:
        """How many slots the company has used since the month (Japanese time) began, less returned ones."""
        with self.reading() as connection:
            since = month_bounds(month_of(self._now(connection)))[0]
            found = connection.execute(
                select(func.count())
                .select_from(slots_table)
                .where(slots_table.c.company == company, slots_table.c.used_at >= since)
            )
            return int(found.scalar_one())

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
