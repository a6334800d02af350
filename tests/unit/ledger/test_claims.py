from dataclasses import replace

import pytest

from gateway.ledger.claims import Life, ProcessMark, claim_holds, life_of

OWN = ProcessMark(node="node1", boot="b1", space="pid:[1]", pid=10, started=100)
OTHER = replace(OWN, pid=20, started=200)


@pytest.mark.parametrize(
    ("other", "started", "life"),
    [
        pytest.param(OTHER, 200, Life.ALIVE, id="alive"),
        pytest.param(OTHER, None, Life.DEAD, id="gone"),
        pytest.param(OTHER, 201, Life.DEAD, id="id-used-again"),
        pytest.param(replace(OTHER, boot="b0"), 200, Life.DEAD, id="rebooted"),
        pytest.param(replace(OTHER, space="pid:[2]"), None, Life.UNKNOWN, id="other-container"),
        pytest.param(replace(OTHER, node="node2"), None, Life.UNKNOWN, id="other-node"),
        pytest.param(replace(OTHER, node="node2", boot="b0"), 200, Life.UNKNOWN, id="other-node-other-boot"),
        pytest.param(OWN, 100, Life.ALIVE, id="ourselves"),
    ],
)
def test_life(other: ProcessMark, started: int | None, life: Life) -> None:
    """A process is dead only where that is certain.

    On this node, in this boot or before it, in this process namespace.
    """
    assert life_of(other, OWN, started) is life


@pytest.mark.parametrize(
    ("life", "lease_until", "holds"),
    [
        (Life.ALIVE, 11, True),
        (Life.UNKNOWN, 11, True),
        (Life.DEAD, 11, False),
        (Life.ALIVE, 10, False),
        (Life.UNKNOWN, 10, False),
        (Life.UNKNOWN, 0, False),
    ],
)
def test_claim(life: Life, lease_until: int, holds: bool) -> None:  # noqa: FBT001 - a table of cases
    """Rule 20: held until the lease is over or the process is dead; in doubt a duplicate, never a loss."""
    assert claim_holds(life, lease_until=lease_until, now=10) is holds
