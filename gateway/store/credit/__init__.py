"""Credit in the database: what commands and the web side call. Synchronous; one transaction a call.

The store has a side for each of those who have to do with credit: partners (`reported`), people (`people`),
companies (`company`), whoever objects (`disputes`). They share the ground, which has the connections and the
lock (`ground`). Calls from an event loop go through a thread (`asyncio.to_thread`); one store serves many
threads, one at a time.

Every call raises `LedgerFault` when the ledger can't be read or written, or its schema isn't the current one.
"""

from gateway.store.credit.ground import Operator
from gateway.store.credit.store import CreditStore

__all__ = ["CreditStore", "Operator"]
