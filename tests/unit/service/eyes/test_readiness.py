"""What is not as it should be, and whether mail waits because of it."""

from collections.abc import Callable

import pytest

from gateway.service.eyes.readiness import troubles
from gateway.service.eyes.table import Table

NOW = 1_800_000_000.0


def well(workers: int = 2) -> Table:
    """A gateway of which there is nothing to say."""
    table = Table(workers=workers)
    table.parent.set("workers-wanted", workers)
    table.parent.set("workers-ready", workers)
    for index in range(workers):
        table.worker(index).set("beat_seconds", NOW - 1)
    return table


def test_nothing_to_say() -> None:
    """All is well."""
    assert list(troubles(well(), now=NOW, defers=True)) == []


@pytest.mark.parametrize(
    ("spoil", "what", "stops", "run"),
    [
        (lambda t: t.parent.set("workers-ready", 0), "workers", True, "journalctl"),
        (lambda t: t.parent.set("workers-ready", 1), "workers", False, "journalctl"),
        (lambda t: t.worker(1).set("beat_seconds", NOW - 60), "workers-silent", False, "restart"),
        (lambda t: t.worker(1).set("ledger_state", 1), "ledger", False, "careerrelay db check"),
        (lambda t: t.worker(0).set("ledger_state", 2), "ledger-schema", False, "careerrelay db upgrade"),
        (lambda t: t.worker(0).set("next_hops_unknown", 1), "next-hop", False, "careerrelay doctor"),
        (lambda t: t.parent.set("rules-refused", 1), "rules-refused", False, "careerrelay check"),
        (lambda t: t.worker(0).set("brakes", 1), "brake", False, "careerrelay rules resume"),
        (lambda t: t.parent.set("draining", 1), "draining", True, ""),
    ],
)
def test_troubles(spoil: Callable[[Table], None], what: str, run: str, *, stops: bool) -> None:
    """Each has its name, says whether mail waits, and what to run."""
    table = well()
    spoil(table)
    (found,) = troubles(table, now=NOW, defers=False)
    assert (found.what, found.stops) == (what, stops)
    assert run in found.run


def test_mail_waits_where_the_admin_chose_it() -> None:
    """With ``defer`` a ledger that can't be used stops mail; a next hop does when no worker reaches any."""
    table = well()
    table.worker(0).set("ledger_state", 2)
    for index in range(2):
        table.worker(index).set("next_hops_unknown", 1)
    assert [one.stops for one in troubles(table, now=NOW, defers=True)] == [True, True]
    assert [one.stops for one in troubles(table, now=NOW, defers=False, hops=2)] == [False, False]
