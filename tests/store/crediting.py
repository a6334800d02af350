"""A ledger with credit for tests: sends at chosen moments, reports, a clock that is set by hand."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.ledger.contract import DAY, CampaignTerms, CompanyTerms, Contract, Programme
from gateway.ledger.identity import PersonKeys
from gateway.ledger.intake import Reported
from gateway.store import Database
from gateway.store.credit import CreditStore
from gateway.store.registrations import Taken
from gateway.store.sends import write_intents
from gateway.store.statements import ThroughSqlalchemy
from gateway.transaction.ports import SendIntent

#: 2026-12-01T00:00:00Z
START = 1_796_083_200_000_000

KEYS = PersonKeys(
    person=b"p" * 32, tombstone=b"t" * 32, digest=b"d" * 32, matching={"default": (("k1", b"m" * 32),)}
)


def token_of(word: str) -> bytes:
    """The token of the send of that name."""
    return hashlib.sha256(word.encode()).digest()[:16]


def programme(*contracts: Contract, **more: object) -> Programme:
    """One company, one partner."""
    terms = CompanyTerms(id="default", contracts=contracts or (Contract(ratio=2),), **more)  # type: ignore[arg-type]
    campaigns = {
        "spring": CampaignTerms(id="spring", department="sales"),
        "autumn": CampaignTerms(id="autumn"),
    }
    return Programme(companies={"default": terms}, campaigns=campaigns)


@dataclass
class Ledger:
    """A ledger at a moment that the test sets."""

    url: str
    terms: Programme = field(default_factory=programme)
    keys: PersonKeys = KEYS
    now: int = START
    is_own: Callable[[str], bool] = lambda _: False
    keep_plain: bool = False

    def __post_init__(self) -> None:
        self.store = CreditStore(
            self.url,
            programme=self.terms,
            keys=self.keys,
            is_own=self.is_own,
            keep_plain=self.keep_plain,
            clock=lambda: self.now,
            wait_seconds=20,
        )

    def send(
        self, name: str, address: str, *, at: int | None = None, campaign: str = "spring", **more: object
    ) -> bytes:
        """A link to that address; gives the token."""
        values: dict[str, object] = {
            "mail_key": hashlib.sha256(f"mail {name}".encode()).digest(),
            "person": self.keys.address(address),
            "token": token_of(name),
            "sender": "saiyo@example.co.jp",
            "campaign": campaign,
            "rule": "r",
            "footer": "f",
            "ruleset": "rules-1",
            "message_id": "",
            "route": "default",
            "matching": self.keys.matching_hashes("default", address),
            "address": address if self.keep_plain else None,
        }
        with Database(self.url).writer(20).connect() as connection, connection.begin():
            write_intents(
                ThroughSqlalchemy(connection),
                [SendIntent(**(values | more))],  # type: ignore[arg-type]
                self.now if at is None else at,
            )
        return token_of(name)

    def report(self, id_: str, *, at: int | None = None, partner: str = "default", **more: object) -> Taken:
        """A registration that the partner reports now; `token` is the name of a send."""
        if isinstance(more.get("token"), str):
            more["token"] = token_of(str(more["token"]))
        reported = Reported(id=id_, registered_at=self.now if at is None else at, **more)  # type: ignore[arg-type]
        (taken,) = self.store.receive_registrations(partner, [reported], source="test")
        return taken

    def later(self, days: float) -> None:
        """Time passes."""
        self.now += int(days * DAY)

    def totals(self) -> tuple[int, int, int]:
        """Referrals, slots granted, debt."""
        found = self.store.balance("default")
        return found.referrals, found.slots_granted, found.debt
