"""Mails of the gateway to people: a brake was pulled, a rule file is wrong, a slot was granted, and the like.

All of them go through the next hop like a failure notice. Who gets them is `[rules] editors` and `[notify]`.
Whatever runs wild, nobody's mailbox fills up; the log has every one of them.
"""

import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import NextHopFault
from gateway.smtp.address import NULL_PATH, parse_path
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.fold import Fate
from gateway.smtp.parameters import NO_PARAMETERS, Parameters
from gateway.transaction.notice import mailbox
from gateway.transaction.own import send_own
from gateway.transaction.policy import Policy
from gateway.transaction.ports import NextHop
from gateway.transaction.report import Journal

EVERY_SECONDS = 600.0
#: The pauses before an alert that the next hop did not take is tried again; then it is in the log alone.
PAUSES = (30.0, 120.0, 600.0, 1_800.0)
#: Kinds that are remembered; there are a few, and one for each rule.
_MOST_KINDS = 1_000
_LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is said: a subject in ASCII, lines of text, and the commands that lead on."""

    subject: str
    lines: Sequence[str]
    commands: Sequence[str]


def brake_letter(text: str) -> Letter:
    """A brake, or a mail to too many people."""
    return Letter(
        subject="CareerRelay: somebody has to look at this",
        lines=(
            text,
            "",
            "Mail goes on. Please look at it:",
            "メールの配送は続いています。ご確認ください。",
        ),
        commands=("careerrelay rollout status", "careerrelay review", "careerrelay rules resume"),
    )


@dataclass(slots=True, kw_only=True)
class Alerts:
    """When one is due. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _told: dict[str, float] = field(default_factory=dict)

    def due(self, kind: str, every: float = EVERY_SECONDS) -> bool:
        """Whether to tell of this kind now, which counts as told."""
        now = self.clock()
        if now - self._told.get(kind, -every) < every:
            return False
        if len(self._told) >= _MOST_KINDS:
            self._told.clear()
        self._told[kind] = now
        return True


async def insist(
    people: Sequence[str],
    send: Callable[[Sequence[str]], Awaitable[list[str]]],
    *,
    pause: Callable[[float], Awaitable[bool]],
) -> list[str]:
    """Send until nobody is left who might still get it; gives those who did not.

    Args:
        people: who gets it.
        send: one attempt for these; gives those for whom another one is worth it.
        pause: waits so many seconds; False when there is no time for that any more.
    """
    left = await send(people)
    for seconds in PAUSES:
        if not left or not await pause(seconds):
            break
        left = await send(left)
    return left


async def send_alert(
    people: Sequence[str],
    letter: Letter,
    *,
    hop: NextHop,
    policy: Policy,
    journal: Journal,
    date: str,
    unique: str,
) -> list[str]:
    """Send the mail, once. Never raises for what the next hop does.

    Gives those for whom another attempt is worth it: not those who were refused for good.
    """
    recipients = [
        Rcpt(parse_path(b"TO:<%b>" % one.encode(), b"TO", null_allowed=False)[0], NO_PARAMETERS)
        for one in people
    ]
    ascii_only = all(one.path.ascii for one in recipients)
    parameters = NO_PARAMETERS if ascii_only else Parameters(((b"SMTPUTF8", b"SMTPUTF8"),))
    content = compose_alert(people, letter, policy=policy, date=date, unique=unique)
    try:
        outcomes = await send_own(
            hop, Mail(NULL_PATH, parameters), recipients, content, policy.gateway_refusals
        )
    except NextHopFault as fault:
        journal.fault("alert by mail", fault)
        return list(people)
    left = [str(outcome.reply) for outcome in outcomes if outcome.fate is not Fate.TAKEN]
    if left:
        journal.fault(f"alert by mail: not taken for {len(left)}: {left[0]}")
    if len(left) < len(people):
        journal.count("alerts-mailed")
    settled = (Fate.TAKEN, Fate.REFUSED)
    return [one for one, outcome in zip(people, outcomes, strict=True) if outcome.fate not in settled]


def compose_alert(people: Sequence[str], letter: Letter, *, policy: Policy, date: str, unique: str) -> bytes:
    """The mail, CRLF line ends, 7bit."""
    lines = [
        f"This is the mail relay {policy.hostname}.",
        "",
        *("".join(sign if sign.isprintable() else "?" for sign in line)[:_LONGEST] for line in letter.lines),
        "",
        *letter.commands,
        "",
    ]
    body = base64.encodebytes("\r\n".join(lines).encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    sender = mailbox(policy.notice_from, policy.postmaster or f"postmaster@{policy.hostname}")
    fields = (
        (b"From", sender),
        (b"To", b",\r\n ".join(one.encode() for one in people)),
        (b"Subject", letter.subject.encode("ascii", "replace")),
        (b"Date", date.encode("ascii")),
        (b"Message-ID", f"<{unique}@{policy.hostname}>".encode("ascii", "replace")),
        (b"Auto-Submitted", b"auto-generated"),
        (b"MIME-Version", b"1.0"),
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Transfer-Encoding", b"base64"),
    )
    return b"".join(b"%b: %b\r\n" % pair for pair in fields) + b"\r\n" + body
