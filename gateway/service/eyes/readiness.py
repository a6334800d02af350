"""Whether mail can be taken, and what a person has to do so that all is well: from the shared numbers alone.

No question to database or network: an answer costs nothing, and comes when these are down.
"""

from collections.abc import Iterator

from gateway.service.eyes.table import Table
from gateway.web.health import Trouble

#: A worker that moved none of its gauges for so long hangs.
SILENT_SECONDS = 15.0


def troubles(table: Table, *, now: float, defers: bool, hops: int = 1) -> Iterator[Trouble]:
    """What is not as it should be.

    Args:
        now: Unix time.
        defers: whether mail waits while the ledger can't be used (``ledger.fault = "defer"``).
        hops: how many next hops there are; only when none of them answers does all mail wait.
    """
    parent = table.parent
    if parent.get("draining"):
        yield Trouble(what="draining", stops=True, detail="the gateway is about to end", run="")
    wanted, ready = parent.get("workers-wanted"), parent.get("workers-ready")
    if ready < wanted:
        yield Trouble(
            what="workers",
            stops=not ready,
            detail=f"{ready:g} of {wanted:g} workers take mail",
            run="look at the log: journalctl -u careerrelay",
        )
    silent = [
        at for at, beat in enumerate(table.of_workers("beat_seconds")) if 0 < beat < now - SILENT_SECONDS
    ]
    if silent:
        yield Trouble(
            what="workers-silent",
            stops=len(silent) >= wanted,
            detail=f"workers that do not move: {', '.join(map(str, silent))}",
            run="systemctl restart careerrelay",
        )
    if max(table.of_workers("next_hops_unknown")):
        yield Trouble(
            what="next-hop",
            stops=min(table.of_workers("next_hops_unknown")) >= hops,
            detail="a next hop does not answer",
            run="careerrelay doctor",
        )
    state = max(table.of_workers("ledger_state"))
    if state >= 2:
        yield Trouble(
            what="ledger-schema",
            stops=defers,
            detail="the ledger's schema is not that of this version; no links are added",
            run="careerrelay db check; then careerrelay db upgrade, or upgrade the package on this node",
        )
    elif state:
        yield Trouble(
            what="ledger",
            stops=defers,
            detail="the ledger can't be used; no links are added",
            run="careerrelay db check",
        )
    if parent.get("rules-refused"):
        yield Trouble(
            what="rules-refused",
            stops=False,
            detail="files that were saved have mistakes; the last good set is in force",
            run="careerrelay check",
        )
    if max(table.of_workers("brakes")):
        yield Trouble(
            what="brake",
            stops=False,
            detail="a brake is on: rules only observe",
            run="careerrelay status, then careerrelay rules resume",
        )
