"""A mail to the editors of rules (`[rules] editors`) when what they saved was refused.

The parent says when, at most once in `EVERY_SECONDS`, with what is wrong then; a worker sends it, through the
next hop as a failure notice goes. A mail that cannot be sent is a line in the log, where the mistakes are
too.
"""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
#: Mistakes told in one mail, and characters of each: it is to be read, and `rules lint` tells all.
_MOST, _LONGEST = 50, 500


@dataclass(slots=True, kw_only=True)
class Editors:
    """When a mail is due. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _sent: float | None = None
    _waiting: tuple[str, ...] | None = None

    def refused(self, problems: Sequence[str]) -> None:
        """This is wrong now, whatever was before."""
        self._waiting = tuple(problems)

    def good(self) -> None:
        """All is well again: nothing is left to be told."""
        self._waiting = None

    def wait(self) -> float | None:
        """Seconds until a mail is due; None when there is nothing to tell."""
        if self._waiting is None:
            return None
        return 0.0 if self._sent is None else max(0.0, self._sent + EVERY_SECONDS - self.clock())

    def take(self) -> tuple[str, ...] | None:
        """What to tell now, which counts as told; None when nothing is due."""
        if self.wait() != 0.0:
            return None
        told, self._waiting, self._sent = self._waiting, None, self.clock()
        return told


async def tell_editors(
    editors: Sequence[str],
    problems: Sequence[str],
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
        for one in editors
    ]
    ascii_only = all(one.path.ascii for one in recipients)
    parameters = Parameters() if ascii_only else Parameters(((b"SMTPUTF8", b"SMTPUTF8"),))
    content = compose(editors, problems, policy=policy, date=date, unique=unique)
    try:
        outcomes = await send_own(
            hop, Mail(NULL_PATH, parameters), recipients, content, policy.gateway_refusals
        )
    except NextHopFault as fault:
        journal.fault("mail to the editors of rules", fault)
        return
    left = [str(outcome.reply) for outcome in outcomes if outcome.fate is not Fate.TAKEN]
    if left:
        journal.fault(f"mail to the editors of rules: not taken for {len(left)}: {left[0]}")
    journal.count("editors-told")


def compose(
    editors: Sequence[str], problems: Sequence[str], *, policy: Policy, date: str, unique: str
) -> bytes:
    """The mail, CRLF line ends, 7bit."""
    lines = [
        f"This is the mail relay {policy.hostname}.",
        "",
        "The rule files that were saved have mistakes. Nothing has changed: the last good set stays in force",
        "until they are mended. Mail goes on.",
        "",
        "保存されたルールファイルに誤りがあります。直るまでは、これまでのルールがそのまま使われます。",
        "メールの配送には影響ありません。",
        "",
        *(f"* {_plain(problem)[:_LONGEST]}" for problem in problems[:_MOST]),
    ]
    if len(problems) > _MOST:
        lines.append(f"... and {len(problems) - _MOST} more")
    lines += ["", "careerrelay rules lint DIR", ""]
    body = base64.encodebytes("\r\n".join(lines).encode("utf-8", "replace")).replace(b"\n", b"\r\n")
    sender = mailbox(policy.notice_from, policy.postmaster or f"postmaster@{policy.hostname}")
    fields = (
        (b"From", sender),
        (b"To", b",\r\n ".join(one.encode() for one in editors)),
        (b"Subject", b"CareerRelay: mistakes in rule files, the last good set stays"),
        (b"Date", date.encode("ascii")),
        (b"Message-ID", f"<{unique}@{policy.hostname}>".encode("ascii", "replace")),
        (b"Auto-Submitted", b"auto-generated"),
        (b"MIME-Version", b"1.0"),
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Transfer-Encoding", b"base64"),
    )
    return b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" + body


def _plain(text: str) -> str:
    """On one line, whatever the file said."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
