"""The log and the counters of a process: one line a mail, one line a fault, nothing for a command.

Implements `gateway.transaction.report.Journal`. How lines look is said in `gateway.service.lines`. Addresses
are shown as the config says.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gateway.service.eyes.table import Table, Tally
from gateway.transaction.report import MailReport, ShadowReport

#: The same fault again within this time is counted, not told.
REPEAT_SECONDS = 10.0
#: So many senders are remembered as they are shown: most mail comes from few. Recipients are not.
SENDERS = 256

log = logging.getLogger("careerrelay")


class LogJournal:
    """Writes reports with `logging`; keeps counts until somebody asks.

    Made in the process that it writes for.

    Attributes:
        counts: how often what happened, by name.
    """

    def __init__(self, *, shown: Callable[[str], str], tally: Tally | None = None) -> None:
        """`shown` as in `show`; `tally`: where it is counted for all to see; default: this process alone."""
        self.show(shown)
        self._tally = tally or Table(workers=0).web
        self.counts: Counter[str] = Counter()
        self._told: dict[str, float] = {}
        # What all lines about mails have in common: process, thread and place are looked up once.
        place = ("(unknown file)", 0)
        usual = log.makeRecord(log.name, logging.INFO, *place, "mail", (), None, "(unknown function)")
        self._usual = vars(usual)
        self._begun = usual.created - usual.relativeCreated / 1000

    def show(self, shown: Callable[[str], str]) -> None:
        """From now on `shown` gives an address as the log is to have it. Of senders its answer is kept."""
        self._recipient = shown
        self._sender = lru_cache(maxsize=SENDERS)(shown)

    def mail(self, report: MailReport) -> None:
        """One mail is done."""
        counts, reason = self.counts, str(report.reason)
        counts["mails"] += 1
        counts[f"reason:{reason}"] += 1
        self._tally.mail(report)
        if not log.isEnabledFor(logging.INFO):
            return
        fields: dict[str, Any] = {
            "id": report.id,
            "peer": report.peer,
            "listener": report.listener,
            "route": report.route,
            "sender": self._sender(report.sender),
            "message_id": report.message_id,
            "octets": report.octets,
            "reason": reason,
            "held_ms": round(report.held * 1000, 1),
            "sent_ms": round(report.sent * 1000, 1),
        }
        if report.proven:
            fields["proven"] = report.proven
        if report.detail:
            fields["detail"] = report.detail
        if report.rule:
            fields["rule"] = report.rule
            fields["score"] = report.score
            fields["ruleset"] = report.ruleset
        copies: list[dict[str, str]] = []
        for copy in report.copies:
            told = {"to": self._recipient(copy.recipient), "fate": copy.fate}
            if copy.token:
                told["token"] = copy.token[:6]
            if copy.reason:
                told["reason"] = copy.reason
            told["host"] = copy.host
            told["reply"] = copy.reply
            copies.append(told)
        fields["copies"] = copies
        fields["reply"] = report.reply.shown if report.reply is not None else "each"
        log.handle(self._record(fields))
        if report.shadow is not None:
            log.info("shadow differs", extra={"fields": _difference(report, report.shadow)})

    def _record(self, fields: dict[str, Any]) -> logging.LogRecord:
        """What ``log.info("mail", extra=...)`` makes, for a fifth of what that costs."""
        now = time.time()
        record = logging.LogRecord.__new__(logging.LogRecord)
        vars(record).update(
            self._usual,
            created=now,
            msecs=int((now - int(now)) * 1000) + 0.0,
            relativeCreated=(now - self._begun) * 1000,
            fields=fields,
        )
        return record

    def count(self, name: str) -> None:
        """Count something that has no mail of its own."""
        self.counts[name] += 1
        self._tally.add(name)

    def fault(self, text: str, error: BaseException | None = None) -> None:
        """Something of ours failed and mail went on. Told once in `REPEAT_SECONDS`, always counted."""
        self.counts["faults"] += 1
        self._tally.add("faults")
        now = time.monotonic()
        if now - self._told.get(text, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._told) > 1_000:
            self._told.clear()
        self._told[text] = now
        fields = {"detail": f"{type(error).__name__}: {error}"} if error is not None else {}
        log.warning(
            text, extra={"fields": fields}, exc_info=error if log.isEnabledFor(logging.DEBUG) else None
        )

    def alarm(self, text: str) -> None:
        """Something that a person has to mend."""
        self.counts["alarms"] += 1
        self._tally.add("alarms")
        log.error(text, extra={"fields": {"alarm": True}})


def _difference(report: MailReport, shadow: ShadowReport) -> dict[str, Any]:
    """Where active and candidate rules do not agree."""
    return {
        "id": report.id,
        "message_id": report.message_id,
        "candidate_ruleset": shadow.ruleset,
        **{
            name: f"{'matched' if one.matched else 'not'} {one.rule or '-'} {one.score:g} {one.reason}"
            for name, one in (("active", shadow.active), ("candidate", shadow.candidate))
        },
    }
