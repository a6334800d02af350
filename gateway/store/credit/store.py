"""Credit in the database, as commands and the web side see it."""

from gateway.store.credit.company import CompanySide
from gateway.store.credit.disputes import DisputeSide
from gateway.store.credit.people import PeopleSide
from gateway.store.credit.reported import ReportedSide


class CreditStore(ReportedSide, PeopleSide, CompanySide, DisputeSide):
    """An open ledger whose credit can be read and written. A context manager."""
