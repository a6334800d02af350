"""A mail about something that a person has to look at: a brake, a mail to too many people.

To `[rules] editors`, through the next hop like a failure notice, at most one for each kind in
`EVERY_SECONDS` from a worker: whatever runs wild, nobody's mailbox fills up. The log has every one of them.
"""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import NextHopFault
from gateway.smtp.address import NULL_PATH, parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate
from gateway.smtp.parameters import Parameters
from gateway.transaction.notice import mailbox
from gateway.transaction.own import send_own
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop
from gateway.transaction.report import Journal

EVERY_SECONDS = 600.0
#: Kinds that are remembered; there are a few, and one for each rule.
_MOST_KINDS = 1_000
_LONGEST = 2_000


@dataclass(slots=True, kw_only=True)
class Alerts:
    """When one is due. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _told: dict[str, float] = field(default_factory=dict)

    def due(self, kind: str) -> bool:
        """Whether to tell of this kind now, which counts as told."""
        now = self.clock()
        if now - self._told.get(kind, -EVERY_SECONDS) < EVERY_SECONDS:
            return False
        if len(self._told) >= _MOST_KINDS:
            self._told.clear()
        self._told[kind] = now
        return True


async def send_alert(
    people: Sequence[str],
    text: str,
    *,
    hop: NextHop,
    policy: Policy,
    journal: Journal,
    date: str,
    unique: str,
) -> None:
    """Send the mail. Never raises for what the next hop does."""
    recipients = [
        Rcpt(parse_path(b"TO:<%b>" % one.encode(), b"TO", null_allowed=False)[0], Parameters())
        for one in people
    ]
    ascii_only = all(one.path.ascii for one in recipients)
    parameters = Parameters() if ascii_only else Parameters(((b"SMTPUTF8", b"SMTPUTF8"),))
    content = compose_alert(people, text, policy=policy, date=date, unique=unique)
    try:
        outcomes = await send_own(
            hop, Mail(NULL_PATH, parameters), recipients, content, policy.gateway_refusals
        )
    except NextHopFault as fault:
        journal.fault("alert by mail", fault)
        return
    left = [str(outcome.reply) for outcome in outcomes if outcome.fate is not Fate.TAKEN]
    if left:
        journal.fault(f"alert by mail: not taken for {len(left)}: {left[0]}")
    journal.count("alerts-mailed")


def compose_alert(people: Sequence[str], text: str, *, policy: Policy, date: str, unique: str) -> bytes:
    """The mail, CRLF line ends, 7bit."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text)[:_LONGEST]
    lines = [
        f"This is the mail relay {policy.hostname}.",
        "",
        plain,
        "",
        "Mail goes on. Please look at it:",
        "メールの配送は続いています。ご確認ください。",
        "",
        "careerrelay rollout status",
        "careerrelay review",
        "careerrelay rules resume",
        "",
    ]
    body = base64.encodebytes("\r\n".join(lines).encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    sender = mailbox(policy.notice_from, policy.postmaster or f"postmaster@{policy.hostname}")
    fields = (
        (b"From", sender),
        (b"To", b",\r\n ".join(one.encode() for one in people)),
        (b"Subject", b"CareerRelay: somebody has to look at this"),
        (b"Date", date.encode("ascii")),
        (b"Message-ID", f"<{unique}@{policy.hostname}>".encode("ascii", "replace")),
        (b"Auto-Submitted", b"auto-generated"),
        (b"MIME-Version", b"1.0"),
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Transfer-Encoding", b"base64"),
    )
    return b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n" + body
