"""What the writer is asked to do, as values, and which of them may share a transaction."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from sqlalchemy import Connection

from gateway.smtp.fold import Notice
from gateway.transaction.ports import Claim, CopyIntent, CopyOutcome, Issued, SendIntent, SendOutcome


@dataclass(frozen=True, slots=True)
class Intend:
    """Write intents; gives a list of `Issued`."""

    intents: tuple[SendIntent, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Write an outcome."""

    outcome: SendOutcome


@dataclass(frozen=True, slots=True)
class Find:
    """Look up an open mail; gives `OpenMail` or None."""

    mail_key: bytes


@dataclass(frozen=True, slots=True)
class TakeClaims:
    """Open a record, claim what is owed; gives a list of `Claim`."""

    mail_key: bytes
    copies: tuple[CopyIntent, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Write outcomes of copies, give up claims, perhaps end the record."""

    mail_key: bytes
    outcomes: tuple[CopyOutcome, ...]
    notice: Notice | None
    close: bool


@dataclass(frozen=True, slots=True)
class TakeBackIntents:
    """What `Intend` wrote came too late for the caller: nothing was sent with these links."""

    intents: tuple[SendIntent, ...]
    issued: tuple[Issued, ...]


@dataclass(frozen=True, slots=True)
class TakeBackClaims:
    """The same for `TakeClaims`."""

    claims: TakeClaims
    answers: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class CountRefusal:
    """A copy went through only without its link; gives how many did so lately."""


class Here(NamedTuple):
    """Where and when a chore is done: the writer's id in `processes`, its node, the database's time."""

    process: bytes
    node: str
    now: int


class Chore(ABC):
    """Work that is no mail's, and knows itself how it is done (`gateway.store.chores`).

    Attributes:
        reads: it writes nothing.
        lasts: it is done even when nobody waits for it any more.
        patience: seconds that it may wait for a commit that takes it along, if nobody waits for it.
    """

    __slots__ = ()
    reads: ClassVar[bool] = False
    lasts: ClassVar[bool] = False
    patience: ClassVar[float] = 0.0

    @abstractmethod
    def run(self, connection: Connection, here: Here) -> object:
        """Do it, in the transaction of the batch."""


@dataclass(frozen=True, slots=True)
class KeepHouse:
    """Forget what is over: expired records, refusals, processes that ended."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Write something that needs room, and take it out again.

    What a ledger must be able to do before it counts as well.
    """


Work = (
    Intend
    | Note
    | Find
    | TakeClaims
    | Settle
    | TakeBackIntents
    | TakeBackClaims
    | CountRefusal
    | Chore
    | KeepHouse
    | Probe
)

#: Work that touches nothing but sends. A batch of nothing else takes the short way.
SENDING: frozenset[type[Work]] = frozenset((Intend, Note))


def is_reading(work: Work) -> bool:
    """Whether it only reads. A batch of nothing else takes no lock."""
    return work.reads if isinstance(work, Chore) else isinstance(work, Find)


def is_lasting(work: Work) -> bool:
    """Whether it is done even when nobody waits for it any more: it tells what has happened."""
    return work.lasts if isinstance(work, Chore) else isinstance(work, _LASTING)


_LASTING = (Note, Settle, TakeBackIntents, TakeBackClaims)


def rows_of(work: Work) -> int:
    """How many rows a piece of work has, for the bounds of queue and batch."""
    if isinstance(work, Note):
        return 1
    if isinstance(work, Intend):
        return len(work.intents) or 1
    if isinstance(work, TakeClaims):
        return len(work.copies) or 1
    return len(work.outcomes) or 1 if isinstance(work, Settle) else 1


class Mixture:
    """Which work may go into one transaction.

    A batch is done kind by kind, not one after another as it came. So two pieces that touch the same mail
    go together only where their order doesn't matter; the later one waits for the next batch otherwise.
    """

    __slots__ = ("_intended", "_noted", "_noted_mails", "_records")

    def __init__(self) -> None:
        self._intended: set[bytes] = set()
        self._noted: set[tuple[bytes, bytes]] = set()
        self._noted_mails: set[bytes] = set()
        self._records: set[bytes] = set()

    def admits(self, work: Work) -> bool:
        """Whether `work` may join; if so, it has."""
        if isinstance(work, Note):
            mail_key = work.outcome.mail_key
            pair = (mail_key, work.outcome.person)
            if pair in self._noted or mail_key in self._intended or mail_key in self._records:
                return False
            self._noted.add(pair)
            self._noted_mails.add(mail_key)
            return True
        match work:
            case Intend(intents):
                for intent in intents:
                    if intent.mail_key in self._records or intent.mail_key in self._noted_mails:
                        return False
                for intent in intents:
                    self._intended.add(intent.mail_key)
            case TakeClaims(mail_key) | Settle(mail_key) | TakeBackClaims(TakeClaims(mail_key)):
                return self._alone({mail_key})
            case TakeBackIntents(intents):
                return self._alone({intent.mail_key for intent in intents})
            case _:
                pass
        return True

    def _alone(self, keys: set[bytes]) -> bool:
        if not (
            keys.isdisjoint(self._records)
            and keys.isdisjoint(self._intended)
            and keys.isdisjoint(self._noted_mails)
        ):
            return False
        self._records |= keys
        return True


def send_intents(claims: Sequence[CopyIntent], answers: Sequence[Claim]) -> list[tuple[SendIntent, Issued]]:
    """The intents of a claim that were written, each with what was issued for it."""
    return [
        (copy.send, claim.issued)
        for copy, claim in zip(claims, answers, strict=True)
        if copy.send is not None and claim.issued is not None
    ]
