"""Who gets what: the recipients of a mail, gathered into copies (SMTP.md rules 5, 12 and 21). Pure.

A candidate's copy carries that candidate's link and nobody else's. All others share one untouched copy. A
recipient given twice is one copy with two RCPT lines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.smtp.envelope import Rcpt
from gateway.transaction.ports import PlannedCopy


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What some recipients get: one candidate with a link, or everybody else without.

    Attributes:
        recipients: indexes into the accepted recipients, in order.
        person: the candidate's keyed hash; None for the untouched copy.
    """

    recipients: tuple[int, ...]
    person: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All copies of a mail, and each recipient's keyed hash. Every recipient is in exactly one copy."""

    persons: tuple[bytes, ...]
    copies: tuple[Copy, ...]

    @property
    def linked(self) -> tuple[Copy, ...]:
        """The copies with a link."""
        return tuple(copy for copy in self.copies if copy.person is not None)


def persons_of(recipients: Sequence[Rcpt], person_of: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """The keyed hash of each recipient's normalised address, in order."""
    return tuple(person_of(recipient.path.text) for recipient in recipients)


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
    with_link = {persons[index] for index in candidates if persons[index] not in known}
    with_link |= {person for person, planned in known.items() if planned.linked}
    linked: dict[bytes, list[int]] = {}
    others: list[int] = []
    for index, person in enumerate(persons):
        if person in with_link:
            linked.setdefault(person, []).append(index)
        else:
            others.append(index)
    copies = [Copy(recipients=tuple(indexes), person=person) for person, indexes in linked.items()]
    if others:
        copies.append(Copy(recipients=tuple(others), person=None))
    return Plan(persons=tuple(persons), copies=tuple(copies))
