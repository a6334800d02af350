"""The books of a storm of mail: what each sender knows, what the next hop got, and whether the two agree.

A sender here does what RFC 5321 §4.5.4.1 asks: what was put off, or could not be said to the end, is said
again, to those who are still owed it. `audit` goes through all mails afterwards. Each must have been
delivered whole, or refused to its sender, or still be with its sender; twice only where SMTP can't exclude it
(RFC 1047): the answer to a final dot was lost on one side of the gateway or on the other.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .record import Transaction

_ID = re.compile(rb"^Message-ID: <storm-(\d+)@", re.MULTILINE)
_NOTIFIED = re.compile(rb"^Final-Recipient: rfc822; ?(\S+)\r$", re.MULTILINE)


@dataclass(slots=True, kw_only=True)
class Posted:
    """A mail, and what its sender knows of it. Its Message-ID is ``<storm-NUMBER@...>``.

    `dots`: attempts whose final dot was sent. `doubts`: of these, those without an answer. `forgotten`:
    those while the gateway may not have known it again, nor whom it had served (SMTP.md rules 3 and 22), or
    at whose end it was right to forget it, since all that were accepted then were served (rule 19), or that
    named nobody who is a candidate, so that it was not looked up (rule 21).
    `given_up`: its sender broke off and does not try again. `contradicted`: whom the next hop refused at RCPT
    when an earlier attempt had got as far as its dot: it may have taken that one, and at RCPT nobody can know
    which mail is to come. `story`: a line an attempt, for people.
    """

    number: int
    content: bytes
    recipients: tuple[bytes, ...]
    taken: set[bytes] = field(default_factory=set)
    refused: set[bytes] = field(default_factory=set)
    attempts: int = 0
    dots: int = 0
    doubts: int = 0
    forgotten: int = 0
    given_up: bool = False
    contradicted: set[bytes] = field(default_factory=set)
    story: list[str] = field(default_factory=list, repr=False)

    @property
    def outstanding(self) -> tuple[bytes, ...]:
        """Recipients for whom there is no final answer yet."""
        return tuple(one for one in self.recipients if one not in self.taken and one not in self.refused)

    @property
    def settled(self) -> bool:
        """Whether its sender is done with it."""
        return self.given_up or not self.outstanding


@dataclass(slots=True, kw_only=True)
class Audit:
    """What came of it: `findings` should be empty; `counts` are for people."""

    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def audit(
    mails: Sequence[Posted],
    transactions: Iterable[Transaction],
    *,
    unheard: Callable[[Transaction], bool],
    complaint: Callable[[Posted, Transaction], str],
) -> Audit:
    """Compare.

    Args:
        transactions: all of the next hop's.
        unheard: whether the next hop's answer to this one's dot may not have reached the gateway.
        complaint: what is wrong with the content of a mail as it arrived; empty if it is whole.
    """
    result = Audit()
    by_number = {mail.number: mail for mail in mails}
    heard: Counter[tuple[int, bytes]] = Counter()
    lost: Counter[tuple[int, bytes]] = Counter()
    notified: set[tuple[int, bytes]] = set()
    for transaction in transactions:
        if not transaction.complete:
            continue
        found = _ID.search(transaction.content)
        mail = by_number.get(int(found[1])) if found else None
        if mail is None:
            result.findings.append(f"a mail that nobody sent: {transaction.content[:300]!r}")
        elif not transaction.sender:
            if transaction.taken:
                names = _NOTIFIED.findall(transaction.content)
                notified.update((mail.number, name) for name in names)
        else:
            wrong = complaint(mail, transaction)
            if wrong:
                result.findings.append(f"mail {mail.number}: {wrong}")
            if transaction.taken:
                into = lost if unheard(transaction) else heard
                into.update((mail.number, recipient) for recipient in transaction.recipients)
    for mail in mails:
        for recipient in mail.recipients:
            key = (mail.number, recipient)
            word = _judge(mail, recipient, heard[key], lost[key], noticed=key in notified)
            result.counts[word] += 1
            if word.isupper():
                name = recipient.decode("ascii", "replace")
                result.findings.append(
                    f"{word}: mail {mail.number} to {name}: {heard[key]} + {lost[key]} times; {mail}"[:700]
                )
    return result


def _judge(mail: Posted, recipient: bytes, heard: int, lost: int, *, noticed: bool) -> str:
    """One word on one recipient of one mail; in capitals where it must not be."""
    arrived = heard + lost
    if heard > 1 + mail.doubts + mail.forgotten:
        return "DOUBLED"
    if recipient in mail.taken:
        if not arrived:
            return "refused, with a notice" if noticed else "LOST"
        return "delivered" if arrived == 1 else "delivered twice, in doubt"
    if recipient in mail.refused:
        if heard and not (mail.doubts or mail.forgotten or recipient in mail.contradicted):
            return "REFUSED AND DELIVERED"
        return "refused" if not arrived else "refused, but taken before in doubt"
    if arrived and not mail.dots:
        return "TAKEN BEFORE ITS END"
    return "still with the sender" if mail.given_up else "NEVER SETTLED"
