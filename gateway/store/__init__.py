"""The database behind the ledger: SQLAlchemy on SQLite or PostgreSQL (SMTP.md rules 18 to 23).

Names are loaded when they are asked for: a command that shows a balance needs neither the writer of the mail
path nor the rules that this one knows of.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_WHERE = {
    "Brake": "gateway.ledger.controls",
    "Database": "gateway.store.database",
    "KeyMatch": "gateway.store.migrate",
    "LedgerReader": "gateway.store.reader",
    "LedgerStore": "gateway.store.store",
    "Prepared": "gateway.store.migrate",
    "Send": "gateway.store.reader",
    "SendFilter": "gateway.store.reader",
    "check_key_id": "gateway.store.migrate",
    "prepare": "gateway.store.migrate",
    "state_of": "gateway.store.migrate",
}


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
