"""The hosts of a next hop: which is asked first, what each can do, how each has fared.

They are tried in the order of the config (failover, not balance). One that failed is passed over for some
seconds, then asked by one caller at a time, unless all of them failed.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from gateway.errors import NextHopFault
from gateway.relay.connect import ConnectFault, Connector
from gateway.relay.connection import Connection, Owner
from gateway.relay.settings import Host, NextHopSettings
from gateway.smtp.capabilities import ANY_MAY_HAVE, Capabilities
from gateway.smtp.reply import Reply

_log = logging.getLogger(__name__)

#: So long, in seconds, a host is passed over because its last EHLO lacked what a mail needs.
LACKS_SECONDS = 60.0
_LACKS = "lacks what the mail needs"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """How a host has fared, for people.

    Attributes:
        host: ``host:port``.
        opened: connections that were opened.
        failures: how often it failed since it last worked.
        failed: how often it failed at all.
        error: the last fault; empty if there was none. For the log: it may name what peers must not see.
    """

    host: str
    opened: int
    failures: int
    failed: int
    error: str


class _State:
    __slots__ = ("capabilities", "error", "failed", "failures", "host", "known_at", "opened", "retry_at")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.capabilities: Capabilities | None = None
        self.known_at = 0.0
        self.opened = 0
        self.failures = 0
        self.failed = 0
        self.error = ""
        self.retry_at = 0.0

    def lacks(self, needs: frozenset[bytes], now: float) -> bool:
        known = self.capabilities
        return known is not None and now < self.known_at + LACKS_SECONDS and not known.can_carry(needs)


class Hosts:
    """Opens connections to the first host that will do.

    Raises:
        OSError: (when made) as `Connector`.
    """

    def __init__(self, settings: NextHopSettings, before: Self | None = None) -> None:
        """`before`: what was known until now; kept for the hosts that stay."""
        self.settings = settings
        self._connector = Connector(settings)
        known: dict[Host, _State] = {}
        if before is not None:
            known = {state.host: state for state in before._states}  # noqa: SLF001 - of its own kind
        self._states: list[_State] = [known.get(host) or _State(host) for host in settings.hosts]
        self._merged: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities | None:
        """What can be offered to senders (rule 10), or None while no host was ever asked.

        A keyword counts if all the hosts asked so far have it; those of `ANY_MAY_HAVE` if one has it. SIZE
        is the largest.
        """
        if self._merged is None:
            self._merged = _merge(
                [state.capabilities for state in self._states if state.capabilities is not None]
            )
        return self._merged

    def status(self) -> tuple[HostStatus, ...]:
        """How each host has fared, in order."""
        return tuple(
            HostStatus(
                host=state.host.label,
                opened=state.opened,
                failures=state.failures,
                failed=state.failed,
                error=state.error,
            )
            for state in self._states
        )

    async def open(
        self, owner: Owner, needs: frozenset[bytes], deadline: float, failed: Sequence[tuple[Host, str]] = ()
    ) -> tuple[Connection, None] | tuple[None, list[tuple[Host, str, Reply | None]]]:
        """A connection to the first host that can carry `needs`, or what became of each.

        Args:
            owner: of the connection.
            needs: extensions.
            deadline: on the loop's clock; each host gets its share of what is left.
            failed: hosts not to be asked.
        """
        loop = asyncio.get_running_loop()
        states = self._order(needs, {host for host, _ in failed}, loop.time())
        faults: list[tuple[Host, str, Reply | None]] = []
        for at, state in enumerate(states):
            now = loop.time()
            if state.failures:
                state.retry_at = now + self.settings.retry
            try:
                connection = await self._connector.open(
                    state.host, owner, now + (deadline - now) / (len(states) - at)
                )
            except ConnectFault as fault:
                self.blame(state.host, str(fault))
                faults.append((state.host, str(fault), fault.reply))
                continue
            self._works(state, connection.capabilities, loop.time())
            if needs <= connection.extensions:
                return connection, None
            connection.quit()
            faults.append((state.host, _LACKS, None))
        return None, faults

    def fault(
        self,
        needs: frozenset[bytes],
        failed: Sequence[tuple[Host, str]],
        faults: Sequence[tuple[Host, str, Reply | None]],
    ) -> NextHopFault:
        """The error for "no connection to be had", in words for the log."""
        told = [f"{host.label}: {why}" for host, why in failed] + [
            f"{host.label}: {why}" for host, why, _ in faults
        ]
        asked = {host for host, _ in failed} | {host for host, _, _ in faults}
        wanted = b" ".join(sorted(needs)).decode("ascii", "replace")
        told += [f"{state.host.label}: lacks {wanted}" for state in self._states if state.host not in asked]
        # Hosts that answered and can't carry the mail: another attempt helps only once another host is back.
        reached = any(why == _LACKS for _, why, _ in faults) or not (failed or faults)
        return NextHopFault("; ".join(told), lacks=reached)

    def blame(self, host: Host, why: str) -> None:
        """This host didn't do what a working one does: pass it over for a while."""
        state = next((state for state in self._states if state.host == host), None)
        if state is None:
            return
        state.failures += 1
        state.failed += 1
        state.error = why
        state.retry_at = asyncio.get_running_loop().time() + self.settings.retry
        if state.failures == 1:
            _log.warning("next hop %s: %s failed: %s", self.settings.name, host.label, why)

    def _works(self, state: _State, capabilities: Capabilities, now: float) -> None:
        if state.failures:
            _log.warning("next hop %s: %s works again", self.settings.name, state.host.label)
        state.failures = 0
        state.retry_at = 0.0
        state.opened += 1
        state.known_at = now
        if state.capabilities != capabilities:
            state.capabilities = capabilities
            self._merged = None

    def _order(self, needs: frozenset[bytes], failed: Collection[Host], now: float) -> list[_State]:
        states = [state for state in self._states if state.host not in failed and not state.lacks(needs, now)]
        # Those that failed lately come last: asked only if no other is left that works.
        return sorted(states, key=lambda state: state.retry_at > now)


def _merge(known: Sequence[Capabilities]) -> Capabilities | None:
    if not known:
        return None
    merged: dict[bytes, bytes] = {}
    for capabilities in known:
        for keyword, parameters in capabilities.keywords:
            if keyword in ANY_MAY_HAVE or all(keyword in other for other in known):
                merged.setdefault(keyword, parameters)
    if b"SIZE" in merged:
        sizes = [capabilities.size for capabilities in known]
        merged[b"SIZE"] = b"" if 0 in sizes else b"%d" % max(sizes)
    return Capabilities(tuple(merged.items()))
