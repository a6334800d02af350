import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.reason import Reason
from gateway.service.journal import (
    JsonFormatter,
    LevelledFormatter,
    LogJournal,
    TextFormatter,
    goes_to_the_journal,
    start_logging,
)
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


def record(message: str, **fields: object) -> logging.LogRecord:
    """A record as the gateway makes them."""
    made = logging.LogRecord("careerrelay", logging.WARNING, "x.py", 1, message, (), None)
    made.fields = fields
    return made


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


def test_text_cannot_pretend_to_be_another_field() -> None:
    """A value with blanks or quotes is quoted, so that what follows is no field of ours."""
    line = TextFormatter().format(record("m", a='b c="d', e="f=g", h="", i=1.5, j=["k", "l m"]))
    assert line.partition("] ")[2] == 'm a="b c=\\"d" e=f=g h="" i=1.5 j=["k","l m"]'


def test_japanese_stays_readable() -> None:
    """Escaping is for what could do harm, not for the language of the house."""
    for text in ("採用担当", "採用 担当"):
        assert "採用" in TextFormatter().format(record("m", a=text, b=[text]))
        assert text in JsonFormatter().format(record("m", a=text))


def test_json_is_json() -> None:
    """One object, with what was put in given back; times in UTC."""
    made = record("m", a=EVIL.replace("\udc80", ""), b=[{"to": "x"}], c=None)
    made.created, made.msecs = 1_772_413_200.25, 250.0
    assert json.loads(JsonFormatter().format(made)) == {
        "time": "2026-03-02T01:00:00.250Z",
        "level": "warning",
        "pid": made.process,
        "message": "m",
        "a": EVIL.replace("\udc80", ""),
        "b": [{"to": "x"}],
        "c": None,
    }


def test_tracebacks_are_kept() -> None:
    """An error that was logged with its traceback has it in both forms."""
    made = record("m")
    try:
        int("inner")
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: invalid" in TextFormatter().format(made)
    assert "ValueError: invalid" in json.loads(JsonFormatter().format(made))["traceback"]


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


def test_the_journal_hears_the_level() -> None:
    """`journalctl -p err` shows errors and all lines of their tracebacks; nobody else can set a level."""
    shown = LevelledFormatter(TextFormatter())
    for level, mark in ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)):
        made = record("<0>stranger")
        made.levelno = level
        assert shown.format(made) == f"<{mark}>{TextFormatter().format(made)}"
    made = record("failed")
    made.levelno = logging.ERROR
    try:
        int("why\n<0>not")
    except ValueError:
        made.exc_info = sys.exc_info()
    lines = shown.format(made).split("\n")
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)
    assert LevelledFormatter(JsonFormatter()).format(record("x")).startswith('<4>{"time"')


def test_only_the_journal_hears_it(tmp_path: Path) -> None:
    """JOURNAL_STREAM names the file; standard error that was sent elsewhere has other numbers."""
    with (tmp_path / "log").open("w") as stream, (tmp_path / "other").open("w") as other:
        found = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert goes_to_the_journal(stream, environment)
        assert not goes_to_the_journal(other, environment)
        assert not goes_to_the_journal(stream, {})


def test_start_logging_may_be_done_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A reload changes form and level; a line is written once, not once a reload."""
    root, own = logging.getLogger(), logging.getLogger("careerrelay")
    kept = root.handlers[:], root.level, own.level
    try:
        start_logging(form="text", level="info")
        start_logging(form="json", level="error")
        own.warning("quiet")
        own.error("loud")
        logging.getLogger("asyncio").info("not ours")
        assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
    finally:
        root.handlers[:] = kept[0]
        root.setLevel(kept[1])
        own.setLevel(kept[2])
