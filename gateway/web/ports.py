"""What the web side asks of the ledger, and what it goes by. `gateway.web.ledger` implements it.

Every call may raise `LedgerFault`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.config.network import Network
from gateway.ledger.intake import Reported
from gateway.store.links import Click, Given, Link, Wanted
from gateway.store.registrations import Taken
from gateway.store.said import EventReport, EventTaken
from gateway.web.pages import Pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What requests go by; another one after a reload.

    Attributes:
        pages: what readers see.
        landing_url: where the public link leads, with ``{token}``; None: nowhere.
        landing_urls: the same for single campaigns.
        valid: how long a link leads there, in microseconds.
        proxies: who may say whom a request is from.
        requests_per_minute: to the public link, from one network; 0 is off.
        partners: by the partner's id, its live webhook secrets.
        issuers: secrets of the company's own systems.
        body_bytes: the size of a request to the API; `batch`: how many things may be in it.
        link_for: the link of a campaign and a token; `opt_out_for`: the address of "no more of these".
        place_key: for what stands for networks in the ledger.
    """

    pages: Pages
    landing_url: str | None = None
    landing_urls: Mapping[str, str] = field(default_factory=dict)
    valid: int = 180 * 86_400_000_000
    proxies: Sequence[Network] = ()
    requests_per_minute: int = 120
    partners: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)
    issuers: Sequence[bytes] = field(default=(), repr=False)
    body_bytes: int = 1_048_576
    batch: int = 1_000
    link_for: Callable[[str, str], str] = lambda campaign, token: token  # noqa: ARG005 - an empty default
    opt_out_for: Callable[[str], str] = str
    place_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a registration stands, for the partner that reported it. Times are microseconds."""

    id: str
    state: str
    reason: str
    counts: bool
    registered_at: int
    received_at: int
    campaign: str
    disputed: bool


class Links(Protocol):
    """Sends by their tokens."""

    async def find(self, token: bytes) -> Link | None:
        """The send with this token."""

    async def suppress(self, token: bytes) -> bool:
        """Its recipient wants no more links; False where nothing is known of one any more."""

    async def log_clicks(self, clicks: Sequence[Click], crowded: Mapping[bytes, int]) -> None:
        """Write clicks; those of `crowded` places since the moment given are a crowd's after all."""

    async def issue(self, wanted: Sequence[Wanted], by: str) -> list[Given]:
        """Links for mails that never pass the gateway; `by` is who asks, for the ledger."""


class Registrar(Protocol):
    """The books, as far as a partner may see and say something."""

    async def consume(self, partner: str, message_id: str) -> bool:
        """Note that a webhook was taken; False if it was before."""

    async def forget(self, partner: str, message_id: str) -> None:
        """Undo that: it was not acted upon."""

    async def register(self, partner: str, reports: Sequence[Reported]) -> list[Taken]:
        """Take in registrations."""

    async def event(self, partner: str, report: EventReport) -> EventTaken:
        """Take in what the partner says of one. Raises NoSuchRegistration, NotPossible."""

    async def dispute(
        self, partner: str, id_: str, *, event_id: str, reason: str, evidence: str, until: int | None
    ) -> EventTaken:
        """The partner objects; `event_id` may be empty. Raises NoSuchRegistration, NotPossible."""

    async def resolve(
        self, partner: str, id_: str, *, event_id: str, outcome: str, reason: str
    ) -> EventTaken:
        """The partner ends a dispute. Raises NoSuchRegistration, NotPossible."""

    async def standing(self, partner: str, id_: str) -> Standing:
        """How one stands. Raises NoSuchRegistration."""
