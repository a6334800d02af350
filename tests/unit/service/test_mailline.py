import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reason import Reason
from gateway.service.lines import JsonFormatter, TextFormatter
from gateway.service.mailline import MailFields
from gateway.smtp.fold import Fate
from gateway.smtp.reply import Reply
from gateway.transaction.report import CopyReport, MailReport

#: Mostly what is usual, so that a line has few values that are not; and what needs care of any kind.
_TEXTS = st.one_of(
    st.sampled_from(["a@example.com", "<1.2@example.com>", "x", "採用"]),
    st.sampled_from(["a@example.com", "x"]),
    st.text(st.sampled_from('ab=",:{ \\語\x1b\n\x7f\x85\u2028\u202e\udc80'), max_size=4),
)
_NUMBERS = st.floats(min_value=0, max_value=1e6)
_COPIES = st.builds(
    CopyReport,
    recipient=_TEXTS,
    token=st.sampled_from(["", "t" * 26, 'a"b\n']),
    host=_TEXTS,
    fate=st.sampled_from(Fate),
    reply=st.one_of(st.just("250 2.0.0 ok"), _TEXTS),
    reason=st.one_of(st.just(""), st.sampled_from(Reason)),
)
_REPLIES = st.builds(
    Reply,
    st.just(250),
    st.lists(st.sampled_from([b"ok", b"", b'a "b"', b"\xe8\xaa\x9e", b"\x85\t"]), min_size=1),
)
_REPORTS = st.builds(
    MailReport,
    id=st.one_of(st.just("1.1"), _TEXTS),
    peer=_TEXTS,
    listener=st.just("in"),
    route=st.just("default"),
    sender=_TEXTS,
    message_id=_TEXTS,
    proven=st.one_of(st.just(""), _TEXTS),
    detail=st.one_of(st.just(""), st.just(""), _TEXTS),
    rule=st.one_of(st.just(""), _TEXTS),
    ruleset=_TEXTS,
    score=_NUMBERS,
    octets=st.integers(0, 10**9),
    held=_NUMBERS,
    sent=_NUMBERS,
    reason=st.sampled_from(Reason),
    copies=st.lists(_COPIES, max_size=3),
    reply=st.one_of(st.none(), _REPLIES),
)


def told(report: MailReport) -> MailFields:
    """What the log says of it, addresses as they are."""
    return MailFields(report, report.sender, [copy.recipient for copy in report.copies])


def line(formatter: logging.Formatter, fields: object) -> str:
    """The line of a record with these fields."""
    record = logging.LogRecord("careerrelay", logging.INFO, "x", 1, "mail", (), None)
    record.created, record.msecs, record.fields = 1_772_413_200.25, 250.0, fields
    return formatter.format(record)


@given(_REPORTS)
def test_a_line_made_at_once_is_its_fields_one_by_one(report: MailReport) -> None:
    """Whatever a stranger put into a mail, the short way says the same as the long one or nothing."""
    fields = told(report)
    for formatter in (TextFormatter(), JsonFormatter()):
        assert line(formatter, fields) == line(formatter, dict(fields))


def report(**other: object) -> MailReport:
    """A rejection as they mostly are."""
    copy = CopyReport("b@example.com", "t" * 26, "hop:25", Fate.TAKEN, "250 2.0.0 ok")
    usual: dict[str, object] = {
        "id": "1.1",
        "peer": "192.0.2.1",
        "listener": "in",
        "route": "default",
        "sender": "a@example.com",
        "message_id": "<1@example.com>",
        "reason": Reason.INJECTED,
        "rule": "r",
        "ruleset": "abc",
        "copies": [copy],
        "reply": Reply.of(250, "2.0.0", "ok"),
    }
    return MailReport(**usual | other)  # type: ignore[arg-type]


def test_a_usual_mail_takes_the_short_way() -> None:
    """With a link or without, for one or for many, with one reply or with several."""
    others: list[dict[str, object]] = [
        {},
        {"rule": ""},
        {"copies": report().copies * 3},
        {"reply": None},
        {"proven": "tls"},
    ]
    for other in others:
        fields = told(report(**other))
        assert fields.usual_text() == line(TextFormatter(), dict(fields)).partition("mail ")[2]


@pytest.mark.parametrize(
    "other",
    [
        {"sender": ""},
        {"message_id": "<a b@example.com>"},
        {"message_id": '<"a"@example.com>'},
        {"ruleset": ""},
        {"peer": "\x1b"},
        {"detail": "why"},
        {"copies": [CopyReport("b\x7f@example.com", "", "hop:25", Fate.TAKEN, "250 ok")]},
        {"reply": Reply(250, (b"\xc2\x85 x",))},
    ],
)
def test_what_needs_care_takes_the_long_way(other: dict[str, object]) -> None:
    """A value that is empty, or has to be quoted or escaped, is none for the short way."""
    fields = told(report(**other))
    assert fields.usual_text() == ""
    assert line(TextFormatter(), fields) == line(TextFormatter(), dict(fields))


def test_fields_are_read_as_a_mapping() -> None:
    """By name and in their order, those that say nothing left out."""
    fields = told(report(rule=""))
    assert (fields["id"], fields["reason"], len(fields)) == ("1.1", "injected", 12)
    assert list(fields)[-3:] == ["sent_ms", "copies", "reply"]
    assert "rule" not in fields
