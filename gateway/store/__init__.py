"""The database behind the ledger: SQLAlchemy on SQLite or PostgreSQL (SMTP.md rules 18 to 23)."""

from gateway.ledger.controls import Brake
from gateway.store.database import Database
from gateway.store.migrate import KeyMatch, Prepared, check_key_id, prepare, state_of
from gateway.store.reader import LedgerReader, Send, SendFilter
from gateway.store.store import LedgerStore

__all__ = [
    "Brake",
    "Database",
    "KeyMatch",
    "LedgerReader",
    "LedgerStore",
    "Prepared",
    "Send",
    "SendFilter",
    "check_key_id",
    "prepare",
    "state_of",
]
