"""What a transaction is given beside its envelope: its session, and the services that it may call."""

import asyncio
from collections.abc import Callable, MutableMapping, MutableSet
from dataclasses import dataclass, field

from gateway.transaction.ports import Ledger, NextHop, Safety, Unwatched
from gateway.transaction.report import Journal
from gateway.transaction.source import Spool


@dataclass(slots=True, kw_only=True)
class SessionInfo:
    """The session that a mail came in on, as far as `Received:` and the log tell of it.

    Attributes:
        proven: who the peer has proven to be: a user, or the name in a certificate; empty for nobody.
    """

    id: str
    peer: str
    listener: str
    helo: bytes = b""
    protocol: str = "SMTP"
    proven: str = ""
    mails: int = 0

    def next_mail(self) -> str:
        """An id for the next mail: the session's, and a number."""
        self.mails += 1
        return f"{self.id}.{self.mails}"


@dataclass(slots=True)
class InHand:
    """How many mails are between DATA and their reply now."""

    mails: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything with side effects, passed in.

    Attributes:
        random_bytes: gives so many fresh random octets.
        date: the time of now as RFC 5322 §3.3 writes it.
        monotonic: seconds on a clock that never goes back.
        spool: makes a `Spool`.
        notice_hop: the next hop for failure notices of a mail that went by the given one.
        untouched_taken: next hop -> when it last took an untouched mail, on the monotonic clock (SMTP.md rule
            15).
        background: copies that outlive their mail's reply; drain waits for them.
        safety: the brake, and what is kept of what the rules saw.
        in_hand: counts mails for whoever wants to know whether others are on their way.
    """

    ledger: Ledger
    journal: Journal
    random_bytes: Callable[[int], bytes]
    date: Callable[[], str]
    monotonic: Callable[[], float]
    spool: Callable[[], Spool]
    notice_hop: Callable[[NextHop], NextHop]
    untouched_taken: MutableMapping[str, float]
    background: MutableSet[asyncio.Task[None]]
    safety: Safety = field(default_factory=Unwatched)
    in_hand: InHand = field(default_factory=InHand)
