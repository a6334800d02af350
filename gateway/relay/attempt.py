"""How often one call of an `OutboundTransaction` has been tried, and whether it may be tried again."""

from collections.abc import Callable

from gateway.errors import NextHopFault
from gateway.relay.connection import Connection, ConnectionLost
from gateway.relay.settings import Host


class Attempt:
    """One call's tries.

    Attributes:
        new: the connection in use was opened for this call; one from the pool may have died of age.
        fresh_only: the next one has to be.
        failed: hosts that did not answer, with the reason.
    """

    __slots__ = ("failed", "fresh_only", "new")

    def __init__(self) -> None:
        self.new = False
        self.fresh_only = False
        self.failed: list[tuple[Host, str]] = []

    def lost(
        self,
        connection: Connection | None,
        lost: ConnectionLost,
        blame: Callable[[Host, str], None],
        label: str,
    ) -> None:
        """The connection is void; make ready for another try. `label` is the host's name.

        Raises:
            NextHopFault: time is over.
        """
        if lost.timed_out:
            raise NextHopFault(f"{label}: {lost}") from lost
        if self.new and connection is not None:
            why = f"{lost}, after {lost.replies[-1]}"[:200] if lost.replies else str(lost)
            self.failed.append((connection.host, why))
            blame(connection.host, why)
        self.new = False
        self.fresh_only = True
