"""What a worker has open at this moment, put where the web process sees it; once a second."""

import time
from collections.abc import Sequence

from gateway.edge.registry import Registry
from gateway.errors import SchemaFault
from gateway.relay.pool import Pool
from gateway.service.eyes.table import Tally
from gateway.store import LedgerStore
from gateway.transaction.context import InHand


class Gauges:
    """Those of one worker."""

    def __init__(self, tally: Tally, ledger: LedgerStore, registry: Registry, in_hand: InHand) -> None:
        self._tally = tally
        self._ledger = ledger
        self._registry = registry
        self._in_hand = in_hand
        tally.begin()

    def show(self, pools: Sequence[Pool]) -> None:
        """Move them."""
        put, controls, fault = self._tally.set, self._ledger.controls, self._ledger.fault
        put("sessions", len(self._registry))
        put("mails_in_hand", self._in_hand.mails)
        places = [pool.places for pool in pools]
        for at, name in enumerate(("next_hop_in_use", "next_hop_idle", "next_hop_waiting"), 1):
            put(name, sum(one[at] for one in places))
        put("next_hops_unknown", sum(not pool.reachable for pool in pools))
        put("ledger_queue_rows", self._ledger.waiting)
        put("ledger_state", 0 if fault is None else 2 if isinstance(fault, SchemaFault) else 1)
        put("brakes", len(controls.brakes) + (controls.brake is not None and "" not in controls.brakes))
        put("beat_seconds", time.time())
