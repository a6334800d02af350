"""Who gets what: the recipients of a mail, gathered into copies (SMTP.md rules 5, 12 and 21). Pure.

A candidate's copy carries that candidate's link and nobody else's. All others share one untouched copy. A
recipient given twice is one copy with two RCPT lines.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.ledger.person import person_hash
from gateway.smtp.envelope import Rcpt
from gateway.transaction.ports import PlannedCopy


class Copy(NamedTuple):
    """What some recipients get: one candidate with a link, or everybody else without.

    Attributes:
        recipients: indexes into the accepted recipients, in order.
        person: the candidate's keyed hash; None for the untouched copy.
    """

    recipients: tuple[int, ...]
    person: bytes | None


class Plan(NamedTuple):
    """All copies of a mail. Every recipient is in exactly one.

    Attributes:
        persons: each recipient's keyed hash.
        linked: the copies with a link.
        copies: all copies, those with a link first.
    """

    persons: tuple[bytes, ...]
    linked: tuple[Copy, ...]
    copies: tuple[Copy, ...]


def persons_of(recipients: Sequence[Rcpt], key: bytes) -> tuple[bytes, ...]:
    """The keyed hash of each recipient's normalised address, in order."""
    return tuple([person_hash(key, recipient.path.text) for recipient in recipients])


def in_share(person: bytes, share: float) -> bool:
    """Whether somebody is among those who get a link while a rule is tried on a share of people.

    By the keyed hash of the address: always the same answer for the same person, and a larger share keeps all
    of a smaller one.
    """
    return int.from_bytes(person[:4]) < share * 2**32


def make_plan(
    persons: Sequence[bytes], candidates: frozenset[int], earlier: Mapping[bytes, PlannedCopy] | None = None
) -> Plan:
    """Gather recipients into copies.

    Args:
        persons: one keyed hash a recipient.
        candidates: indexes of the recipients that get a link by the verdict of now.
        earlier: the plan of an open record of the same mail; it holds for those whom it names (rule 21).
    """
    known = earlier or {}
    # By person and not by index: who is given twice, once in a form that is on a list, gets one copy.
    chosen = set()
    for index in candidates:
        if persons[index] not in known:
            chosen.add(persons[index])
    for person, planned in known.items():
        if planned.linked:
            chosen.add(person)
    linked: dict[bytes, list[int]] = {}
    others: list[int] = []
    for index, person in enumerate(persons):
        if person in chosen:
            linked.setdefault(person, []).append(index)
        else:
            others.append(index)
    copies = []
    for person, indexes in linked.items():
        copies.append(Copy(tuple(indexes), person))
    with_link = tuple(copies)
    if others:
        copies.append(Copy(tuple(others), None))
    return Plan(tuple(persons), with_link, tuple(copies))
