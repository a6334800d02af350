"""The ledger: made ready by the parent, opened by each worker after the fork (SMTP.md rule 23)."""

import logging
from collections.abc import Callable

from gateway.errors import LedgerFault
from gateway.service.bundle import Bundle
from gateway.store import KeyMatch, LedgerStore, prepare

log = logging.getLogger("careerrelay")

#: So long the start waits for a ledger that somebody else has locked; then mail flows without it.
PREPARE_SECONDS = 5.0


def prepare_ledger(bundle: Bundle) -> bool:
    """Make or upgrade the database, and see whether it was begun with our key.

    A ledger that can't be used is no reason not to start: mail goes by `ledger.fault` meanwhile (promise 1).
    False then; the workers go on trying.
    """
    ledger = bundle.config.ledger
    try:
        prepared = prepare(ledger.url, key_id=bundle.keys.id, wait_seconds=PREPARE_SECONDS)
    except LedgerFault as fault:
        fields = {"ledger": ledger.safe_url, "detail": str(fault), "mail": ledger.fault}
        log.error("ledger can't be used", extra={"fields": fields})  # noqa: TRY400 - the text says it all
        return False
    if prepared.key is KeyMatch.OTHER:
        fields = {
            "ledger": ledger.safe_url,
            "key": bundle.keys.id,
            "remedy": "put back the key file of the ledger; until then nobody is known again",
        }
        log.error("ledger was begun with another key", extra={"fields": fields})
    return True


def open_ledger(bundle: Bundle, *, create: bool, under_way: Callable[[], int]) -> LedgerStore:
    """The ledger for this process; its thread is started, nothing is waited for.

    `create` only where the parent could not make it ready: a worker that is started again while a mount is
    missing must not begin an empty one. `under_way`: how many mails this process has in hand.
    """
    ledger = bundle.config.ledger
    store = LedgerStore(
        ledger.url,
        node=bundle.config.gateway.node,
        wait_seconds=ledger.wait_seconds,
        lease_seconds=ledger.lease_seconds,
        record_days=ledger.record_days,
        create=create,
        key_id=bundle.keys.id,
        under_way=under_way,
    )
    store.start()
    return store
