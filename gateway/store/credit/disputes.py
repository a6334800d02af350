"""Disputes about registrations: opened, and ended."""

from sqlalchemy import Connection

from gateway.ledger.months import month_bounds, month_of
from gateway.store import said
from gateway.store.consent import WantsSecond
from gateway.store.credit.ground import Ground, Operator
from gateway.store.journal import Journal
from gateway.store.said import EventTaken


class DisputeSide(Ground):
    """Objections, of the company or its partner."""

    def dispute(
        self,
        registration: str,
        operator: Operator,
        *,
        by: str,
        reason: str,
        partner: str | None = None,
        evidence: str = "",
        until: int | None = None,
        event_id: str = "",
    ) -> EventTaken:
        """Open a dispute. See `gateway.store.said.dispute`."""

        def work(connection: Connection, journal: Journal) -> EventTaken:
            row = said.find_registration(connection, registration, partner)
            return said.dispute(
                connection,
                journal,
                row,
                by=by,
                reason=reason,
                evidence=evidence,
                until=until,
                event_id=event_id,
            )

        return self.writing(work, operator)

    def resolve(
        self,
        registration: str,
        operator: Operator,
        *,
        outcome: str,
        reason: str,
        partner: str | None = None,
        company: str = "",
        by: str = "company",
        event_id: str = "",
        limit: int | None = None,
    ) -> EventTaken:
        """End a dispute. See `gateway.store.said.resolve`.

        Raises:
            WantsSecond: the company's operators would have made more than `limit` referrals this way this
                month, and nobody else said yes.
        """

        def work(connection: Connection, journal: Journal) -> EventTaken:
            row = said.find_registration(connection, registration, partner)
            chosen = company or self.programme.sole_company or ""
            taken = said.resolve(
                connection,
                journal,
                row,
                by=by,
                outcome=outcome,
                reason=reason,
                company=chosen,
                event_id=event_id,
            )
            if taken.result == "new":
                if limit is not None and not operator.second and outcome == "count" and by == "company":
                    month = month_bounds(month_of(journal.now))[0]
                    if said.forced_since(connection, month) > limit:
                        raise WantsSecond(f"more than {limit} referrals by resolve in a month")
                journal.audit("resolve", f"registration #{row.id}: {outcome}", company=row.company or chosen)
            return taken

        return self.writing(work, operator)
