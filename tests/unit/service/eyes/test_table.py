"""Numbers that several processes write and one reads."""

import os

from gateway.reason import Reason
from gateway.service.eyes.exposition import exposition
from gateway.service.eyes.table import Table
from gateway.smtp.reply import Reply
from gateway.transaction.report import CopyReport, MailReport


def report(**fields: object) -> MailReport:
    """A mail for two, one of them with a link."""
    copies = [
        CopyReport(recipient="a@example.com", token="t" * 26, host="h", fate="taken", reply="250 ok"),
        CopyReport(recipient="b@example.com", token="", host="h", fate="refused", reply="550 no"),
    ]
    made = MailReport(
        id="1", peer="", listener="", route="", sender="", reason=Reason.INJECTED, copies=copies, octets=700
    )
    made.matched, made.reply, made.held, made.sent = True, Reply.of(250, "", "ok"), 0.002, 0.3
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def shown(table: Table) -> dict[str, str]:
    """Sample -> value."""
    text = exposition(table, certificates={'a"b\\c.pem': 12.5}, version="1.0")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: value for name, _, value in lines}


def test_a_mail_is_counted() -> None:
    """Reason, verdict, outcomes with and without a link, reply, both histograms."""
    table = Table(workers=2)
    table.worker(0).mail(report())
    table.worker(1).mail(report(reason=Reason.LEDGER_FAULT, matched=None, reply=None, held=100.0))
    found = shown(table)
    wanted = {
        "careerrelay_mails_total": "2",
        "careerrelay_mail_octets_total": "1400",
        'careerrelay_reasons_total{reason="injected"}': "1",
        'careerrelay_reasons_total{reason="ledger-fault"}': "1",
        'careerrelay_verdicts_total{verdict="matched"}': "1",
        'careerrelay_verdicts_total{verdict="not-asked"}': "1",
        'careerrelay_link_outcomes_total{outcome="taken"}': "2",
        'careerrelay_outcomes_total{outcome="refused"}': "2",
        'careerrelay_replies_total{class="2xx"}': "1",
        'careerrelay_replies_total{class="each"}': "1",
        'careerrelay_promise_faults_total{promise="1"}': "1",
        'careerrelay_held_seconds_bucket{le="0.001"}': "0",
        'careerrelay_held_seconds_bucket{le="0.0025"}': "1",
        'careerrelay_held_seconds_bucket{le="60"}': "1",
        'careerrelay_held_seconds_bucket{le="+Inf"}': "2",
        "careerrelay_held_seconds_count": "2",
        "careerrelay_held_seconds_sum": "100.002",
        'careerrelay_certificate_left_seconds{file="a\\"b\\\\c.pem"}': "12.5",
    }
    assert {name: found.get(name) for name in wanted} == wanted


def test_processes_share_it() -> None:
    """What a child counts is seen by its parent, and stays when the child is gone."""
    table = Table(workers=1)
    child = os.fork()
    if child == 0:
        table.worker(0).add("limit-size")
        table.worker(0).set("sessions", 3)
        os._exit(0)
    os.waitpid(child, 0)
    assert shown(table)['careerrelay_limits_total{limit="size"}'] == "1"
    assert shown(table)['careerrelay_sessions{worker="0"}'] == "3"


def test_another_worker_goes_on_counting() -> None:
    """Counters never go back; gauges are those of the process that is there."""
    table = Table(workers=1)
    table.worker(0).add("faults")
    table.worker(0).set("sessions", 5)
    table.worker(0).begin()
    table.worker(0).add("faults")
    assert table.total("faults") == 2
    assert list(table.of_workers("sessions")) == [0]


def test_unknown_names_are_seen() -> None:
    """A name that is in no catalogue, or an outcome that nobody knows, fails nothing and is counted."""
    table = Table(workers=1)
    table.worker(0).add("what nobody foresaw")
    odd = CopyReport(recipient="", token="", host="", fate="odd", reply="")
    table.worker(0).mail(report(copies=[odd]))
    assert shown(table)['careerrelay_events_total{event="other"}'] == "2"
