"""What all handlers share: the settings of now, the ledger behind its ports, bounds, the log."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.requests import Request

from gateway.web.clicks import ClickLog
from gateway.web.limit import RateLimit
from gateway.web.peers import network_of, peer_of
from gateway.web.ports import Links, Registrar, Settings


class Journal(Protocol):
    """Where faults are told and things are counted; `gateway.service.journal.LogJournal` is one."""

    def count(self, name: str) -> None:
        """Count something."""

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Something of ours failed, and the request was answered as well as it could be."""


class Site:
    """One for all requests of the process."""

    def __init__(
        self,
        settings: Settings,
        *,
        links: Links,
        registrar: Registrar,
        journal: Journal,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.links = links
        self.registrar = registrar
        self.journal = journal
        self.clock = clock
        self.monotonic = monotonic
        self.clicks = ClickLog(links, count=journal.count, monotonic=monotonic)
        self.visits = RateLimit(settings.requests_per_minute)
        #: Requests to the API that weren't signed as they should be.
        self.failures = RateLimit(FAILURES_PER_MINUTE)

    def reload(self, settings: Settings) -> None:
        """Go by other settings from the next request on."""
        self.settings = settings
        self.visits.per_minute = settings.requests_per_minute

    def network(self, request: Request) -> str:
        """The network that a request is from. Kept in memory only."""
        connected = request.client.host if request.client is not None else ""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return network_of(peer_of(connected, forwarded, self.settings.proxies))

    def microseconds(self) -> int:
        """Now, as the ledger counts."""
        return int(self.clock() * 1_000_000)


#: From one network; a partner that rotates its secret badly needs to hear 401, not a flood of them.
FAILURES_PER_MINUTE = 60


def fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name; of those that come twice, the first."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        found.setdefault(name.lower(), value)
    return found
