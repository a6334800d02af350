import logging
from collections.abc import Iterator

import pytest

from gateway.reason import Reason
from gateway.service.journal import LogJournal
from gateway.service.lines import JsonFormatter, TextFormatter
from gateway.smtp.reply import Reply
from gateway.transaction.report import CopyReport, MailReport

#: What a stranger would write lines with, or talk to a terminal with: CR, LF, VT, FF, NUL, ESC, DEL, CSI
#: (C1), NEL, LS, PS, a direction override, a BOM, and a surrogate that stands alone.
EVIL = "\r\n\x0b\x0c\0\x1b[2J\x7f\x9b31m\x85\u2028\u2029\u202e\ufeff\udc80"
FORGED = f'x"{EVIL}2026-01-01 00:00:00 error [1] forged key=1'


class _Keeper(logging.Handler):
    """Keeps records in a list."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._records.append(record)


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """What was logged."""
    logger = logging.getLogger("careerrelay")
    records: list[logging.LogRecord] = []
    handler = _Keeper(records)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)


def report(text: str = "x") -> MailReport:
    """A mail with the same text wherever a stranger can put one."""
    return MailReport(
        id="1.1",
        peer=text,
        listener="in",
        route="default",
        sender=text,
        message_id=text,
        detail=text,
        reason=Reason.INJECTED,
        rule="r",
        score=1.6,
        ruleset="abc",
        copies=[CopyReport(recipient=text, token="t" * 26, host="h:25", fate="taken", reply=text)],
        reply=Reply.of(250, "", "ok"),
    )


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_nobody_writes_lines_of_their_own(formatter: logging.Formatter, log: list[logging.LogRecord]) -> None:
    """CWE-117: whatever a stranger sent, a record is one line of printable characters."""
    keeper = LogJournal(shown=lambda address: address)
    keeper.mail(report(FORGED))
    keeper.fault(FORGED, ValueError(FORGED))
    keeper.alarm(FORGED)
    assert len(log) == 3
    for entry in log:
        line = formatter.format(entry)
        assert line.isprintable(), ascii(line)
        assert len(line.splitlines()) == 1


def test_what_is_told_of_a_mail(log: list[logging.LogRecord]) -> None:
    """One line a mail; addresses as `shown` says; of a token, which is a secret, only the beginning."""
    keeper = LogJournal(shown=lambda address: f"h:{len(address)}")
    keeper.mail(report("someone@example.com"))
    (entry,) = log
    fields = vars(entry)["fields"]
    assert (fields["sender"], fields["rule"], fields["reply"]) == ("h:19", "r", "250 ok")
    assert fields["copies"] == [
        {"to": "h:19", "fate": "taken", "token": "tttttt", "host": "h:25", "reply": "someone@example.com"}
    ]
    assert keeper.counts == {"mails": 1, "reason:injected": 1}


def test_replies_that_differ(log: list[logging.LogRecord]) -> None:
    """With LMTP there may be no one reply."""
    one = report()
    one.reply = None
    LogJournal(shown=str).mail(one)
    assert vars(log[0])["fields"]["reply"] == "each"


def test_mails_are_counted_even_when_nobody_reads(log: list[logging.LogRecord]) -> None:
    """At level `warning` there are no lines for mails, but their numbers."""
    logging.getLogger("careerrelay").setLevel(logging.WARNING)
    keeper = LogJournal(shown=str)
    keeper.mail(report())
    keeper.count("peer-refused")
    assert log == []
    assert keeper.counts == {"mails": 1, "reason:injected": 1, "peer-refused": 1}


def test_a_fault_is_told_once_in_a_while(
    log: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same fault at every mail would bury the log: told again after a while, always counted."""
    now = [100.0]
    monkeypatch.setattr("gateway.service.journal.time.monotonic", lambda: now[0])
    keeper = LogJournal(shown=str)
    for moment in (100.0, 101.0, 109.9, 110.0):
        now[0] = moment
        keeper.fault("ledger")
    keeper.fault("another")
    assert [entry.getMessage() for entry in log] == ["ledger", "ledger", "another"]
    assert keeper.counts["faults"] == 5


def test_alarms(log: list[logging.LogRecord]) -> None:
    """An alarm is an error, and marked as one that a person has to mend."""
    keeper = LogJournal(shown=str)
    keeper.alarm("the next hop refuses us")
    assert (log[0].levelname, vars(log[0])["fields"]) == ("ERROR", {"alarm": True})
    assert keeper.counts["alarms"] == 1


def test_a_mail_is_a_record_like_others(
    log: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other handlers find in a record is there, though it is made by hand."""
    monkeypatch.setattr(logging, "_srcfile", None)
    keeper = LogJournal(shown=str)
    log_of_ours = logging.getLogger("careerrelay")
    log_of_ours.info("mail", extra={"fields": {}})
    keeper.mail(report())
    usual, ours = (vars(record) for record in log)
    moments = {"created", "msecs", "relativeCreated"}
    assert list(usual) == list(ours)
    assert {name for name in usual if usual[name] != ours[name]} <= moments | {"fields"}
    for name in moments - {"msecs"}:
        assert 0 <= ours[name] - usual[name] < 60_000
    assert ours["msecs"] == int(ours["created"] % 1 * 1000)


def test_each_mail_is_a_record_of_its_own(log: list[logging.LogRecord]) -> None:
    """What was kept of one isn't changed by the next."""
    keeper = LogJournal(shown=str)
    keeper.mail(report("x"))
    keeper.mail(report("y"))
    assert [vars(entry)["fields"]["peer"] for entry in log] == ["x", "y"]


def test_only_senders_are_remembered(log: list[logging.LogRecord]) -> None:
    """How a sender is shown is asked once, of a recipient each time; from another config on, anew."""
    asked: list[str] = []

    def first(address: str) -> str:
        asked.append(address)
        return f"h:{address}"

    keeper = LogJournal(shown=first)
    keeper.mail(report("x"))
    keeper.mail(report("x"))
    assert asked == ["x"] * 3
    keeper.show(lambda address: f"other:{address}")
    keeper.mail(report("x"))
    shown = [vars(entry)["fields"] for entry in log]
    assert [(one["sender"], one["copies"][0]["to"]) for one in shown] == [
        ("h:x", "h:x"),
        ("h:x", "h:x"),
        ("other:x", "other:x"),
    ]
