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

from gateway.reason import Reason
from gateway.service.eyes.table import Table, Tally
from gateway.service.mailline import MailFields
from gateway.transaction.report import MailReport, ShadowReport

#: The same fault again within this time is counted, not told.
REPEAT_SECONDS = 10.0
#: So many senders are remembered as they are shown: most mail comes from few. Recipients are not.
SENDERS = 256

#: Reason -> what its mails are counted as.
_COUNTED = {reason: f"reason:{reason.value}" for reason in Reason}
_new_record = logging.LogRecord.__new__

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
        counts = self.counts
        counts["mails"] += 1
        counts[_COUNTED[report.reason]] += 1
        self._tally.mail(report)
        if not log.isEnabledFor(logging.INFO):
            return
        shown = self._recipient
        fields = MailFields(
            report, self._sender(report.sender), [shown(one.recipient) for one in report.copies]
        )
        log.handle(self._record(fields))
        if report.shadow is not None:
            log.info("shadow differs", extra={"fields": _difference(report, report.shadow)})

    def _record(self, fields: MailFields) -> logging.LogRecord:
        """What ``log.info("mail", extra=...)`` makes, for a tenth of what that costs."""
        now = time.time()
        record = _new_record(logging.LogRecord)
        record.__dict__ = what = self._usual.copy()
        what["created"] = now
        what["msecs"] = int((now - int(now)) * 1000) + 0.0
        what["relativeCreated"] = (now - self._begun) * 1000
        what["fields"] = fields
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
