"""The log and the counters of a process: one line a mail, one line a fault, nothing for a command.

Implements `gateway.transaction.report.Journal`. What a stranger sent is shown escaped, so that nobody writes
lines of their own into the log (CWE-117). Addresses are shown as the config says.
"""

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from gateway.service.eyes.table import Table, Tally
from gateway.transaction.report import MailReport, ShadowReport

#: The same fault again within this time is counted, not told.
REPEAT_SECONDS = 10.0

log = logging.getLogger("careerrelay")


class LogJournal:
    """Writes reports with `logging`; keeps counts until somebody asks.

    Args:
        shown: an address as the log is to have it.
        tally: where it is counted for all to see; default: for this process alone.
    """

    def __init__(self, *, shown: Callable[[str], str], tally: Tally | None = None) -> None:
        self._shown = shown
        self._tally = tally or Table(workers=0).web
        self.counts: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def mail(self, report: MailReport) -> None:
        """One mail is done."""
        self.counts["mails"] += 1
        self.counts[f"reason:{report.reason.value}"] += 1
        self._tally.mail(report)
        if not log.isEnabledFor(logging.INFO):
            return
        fields: dict[str, Any] = {
            "id": report.id,
            "peer": report.peer,
            "listener": report.listener,
            "route": report.route,
            "sender": self._shown(report.sender),
            "message_id": report.message_id,
            "octets": report.octets,
            "reason": report.reason.value,
            "held_ms": round(report.held * 1000, 1),
            "sent_ms": round(report.sent * 1000, 1),
        }
        if report.proven:
            fields["proven"] = report.proven
        if report.detail:
            fields["detail"] = report.detail
        if report.rule:
            fields |= {"rule": report.rule, "score": report.score, "ruleset": report.ruleset}
        fields["copies"] = [
            {
                "to": self._shown(copy.recipient),
                "fate": copy.fate,
                **({"token": copy.token[:6]} if copy.token else {}),
                **({"reason": copy.reason} if copy.reason else {}),
                "host": copy.host,
                "reply": copy.reply,
            }
            for copy in report.copies
        ]
        fields["reply"] = str(report.reply) if report.reply is not None else "each"
        log.info("mail", extra={"fields": fields})
        if report.shadow is not None:
            log.info("shadow differs", extra={"fields": _difference(report, report.shadow)})

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


#: Made once: `json.dumps` with arguments makes an encoder a call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class TextFormatter(logging.Formatter):
    """For people: local time, level, message, ``key=value``."""

    def __init__(self) -> None:
        super().__init__()
        self._stamp = (-1, "")

    def _time(self, created: float) -> str:
        """Local time, written anew once a second."""
        second = int(created)
        if self._stamp[0] != second:
            self._stamp = (second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second)))
        return self._stamp[1]

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, if there is one, behind it."""
        stamp = self._time(record.created)
        fields = "".join(f" {key}={_plain(value)}" for key, value in getattr(record, "fields", {}).items())
        line = (
            f"{stamp} {record.levelname.lower()} [{record.process}] {_one_line(record.getMessage())}{fields}"
        )
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """For programs: one JSON object a line, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _json(entry)


def _plain(value: object) -> str:
    if isinstance(value, str):
        bare = value and value.isprintable() and " " not in value and '"' not in value
        return value if bare else _json(value)
    if isinstance(value, list):
        return _json(value)
    return str(value)


def _json(value: object) -> str:
    """JSON on one line that no terminal or reader takes for anything else.

    JSON lets DEL, the C1 controls (U+009B begins an escape sequence), U+2028 and the like stand as they are.
    """
    text = _encode(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _one_line(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class LevelledFormatter(logging.Formatter):
    """For systemd's journal: each line begins with its level (sd-daemon(3)), for ``journalctl -p err``.

    Args:
        formatter: makes the lines.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """The lines of `formatter`, marked; the journal takes the mark away."""
        level = next(level for least, level in _SYSLOG if record.levelno >= least)
        return "\n".join(f"<{level}>{line}" for line in self._formatter.format(record).split("\n"))


#: From this level of ours on, the one of syslog(3).
_SYSLOG = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (0, 7))


def goes_to_the_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written there goes straight to systemd's journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def start_logging(*, form: str, level: str) -> None:
    """Send the gateway's log to standard error; the libraries' only from warnings on."""
    handler = logging.StreamHandler()
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    handler.setFormatter(LevelledFormatter(formatter) if goes_to_the_journal(handler.stream) else formatter)
    # No line of ours tells where in the code it was written; finding that out costs more than the line
    # (Python's Logging HOWTO, "Optimization").
    logging._srcfile = None  # noqa: SLF001 - the documented switch
    logging.logThreads = False
    logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())
    # aiosmtpd tells every command at INFO, and in its own words why a PROXY header is none
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("mail.debug").setLevel(logging.CRITICAL)
