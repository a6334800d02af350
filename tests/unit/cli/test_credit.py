"""The commands on registrations and credit, from a config file to what scripts read."""

import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.ledger.export import KINDS
from gateway.cli.ledger.registrations import EVENTS, STATES
from gateway.cli.main import main
from gateway.cli.printing import local_text
from gateway.config import load_keys
from gateway.ledger.months import month_of
from gateway.ledger.states import PARTNER_EVENTS, State
from gateway.store import prepare
from gateway.store.backup import faults_of
from gateway.store.tables import TABLES
from tests.unit.cli.crediting import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A ledger where two referrals buy a slot."""
    return Desk(tmp_path)


def test_words_are_those_of_the_ledger() -> None:
    """What commands offer are the states and events that there are."""
    assert list(STATES) == [state.value for state in State]
    assert list(EVENTS) == [event.value for event in PARTNER_EVENTS]


def test_a_slot_from_list_to_hire(desk: Desk) -> None:
    """Import, balance, reserve, redeem, return: with the fields that scripts rely on."""
    tokens = [desk.send(number, f"a{number}@example.com") for number in range(1, 4)]
    lines = [f"A-{n},{token},,2026-06-02T09:00:00+09:00," for n, token in enumerate(tokens)]
    file = desk.file("id,token,email,registered_at,person_id\n" + "\n".join(lines))
    taken = desk.json("registrations", "import", file)
    assert (taken["new"], taken["states"]) == (3, {"counted": 3})
    assert desk.json("registrations", "import", file)["known"] == 3
    found = desk.json("credits", "show")
    assert {name: found[name] for name in list(found)[1:8]} == {
        "referrals": 3,
        "slots_granted": 1,
        "slots_redeemed": 0,
        "slots_available": 1,
        "slots_reserved": 0,
        "to_next_slot": 1,
        "debt": 0,
    }
    assert desk.json("credits", "redeem", "--requisition", "R-1")["state"] == "used"
    desk.run("credits", "reserve", fails=1)
    assert desk.json("credits", "return", "--reason", "fell through")["state"] == "available"
    assert desk.json("credits", "reserve")["state"] == "reserved"
    assert desk.json("credits", "redeem")["state"] == "used"
    kinds = [one["kind"] for one in json.loads(desk.run("credits", "history", "--json").stdout)]
    assert kinds == ["use", "reserve", "return", "use", "reserve", "grant", "count", "count", "count"]
    assert "slot 1" in desk.run("credits", "show", "--slots").output


def test_bad_lines_are_told_and_good_ones_go_in(desk: Desk) -> None:
    """Each with its number and reason; --strict takes in nothing, --dry-run changes nothing."""
    token = desk.send(1, "a@example.com")
    file = desk.file(
        f"id,token,registered_at\nA-1,{token},2026-06-02 09:00\n,x,2026-06-02\nA-3,{token},tomorrow\n"
    )
    strict = desk.run("registrations", "import", file, "--strict", fails=1)
    assert f"{file}:3: id: missing" in strict.stderr
    assert f"{file}:4: registered_at:" in strict.stderr
    dry = desk.run("registrations", "import", file, "--dry-run", fails=1)
    assert "1 would be new" in dry.stdout
    assert desk.json("credits", "show")["referrals"] == 0
    desk.run("registrations", "import", file, fails=1)
    assert desk.json("credits", "show")["referrals"] == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_japanese_headers_in_each_encoding(tmp_path: Path, encoding: str) -> None:
    """Header names come from the config; Excel's CSV in Japan is CP932."""
    desk = Desk(
        tmp_path, '[partner]\ncolumns = { id = "応募ID", registered_at = "登録日時", email = "メール" }\n'
    )
    desk.send(1, "a@example.com")
    text = "応募ID,氏名,メール,登録日時\r\nA-1,山田,Ａ@example.com,2026/6/2 9:05\r\n"
    file = desk.file(text, encoding=encoding)
    assert desk.json("registrations", "import", file)["states"] == {"counted": 1}


def test_json_lines(desk: Desk) -> None:
    """The same fields, one object a line."""
    token = desk.send(1, "a@example.com")
    good = {"id": "A-1", "token": token, "registered_at": "2026-06-02T09:00:00+09:00", "person_id": "P-7"}
    file = desk.file(json.dumps(good) + "\n[1]\n", "list.jsonl")
    result = desk.run("registrations", "import", file, fails=1)
    assert ":2: this is no JSON object" in result.stderr


def test_story_of_one(desk: Desk) -> None:
    """What was said, decided and booked, and why; the same for scripts."""
    token = desk.send(1, "a@example.com")
    file = desk.file(f"id,token,email,registered_at\nA-1,{token},b@example.com,2026-06-02\n")
    desk.run("registrations", "import", file)
    shown = desk.run("registrations", "show", "A-1").output
    assert "counted: a send fits; a referral" in shown
    assert "look at     other-address" in shown
    found = desk.json("registrations", "show", "A-1")
    assert found["settings"] == "" or found["contract"] is not None
    assert [one["kind"] for one in found["events"]] == ["received", "decided"]  # type: ignore[attr-defined]
    assert "there is no registration" in desk.run("registrations", "show", "A-2", fails=1).output
    assert "b@example.com" not in shown + json.dumps(found)


def test_events_and_disputes(desk: Desk) -> None:
    """A withdrawal takes the referral back, once; a dispute leaves it until it is resolved."""
    token = desk.send(1, "a@example.com")
    desk.run("registrations", "import", desk.file(f"id,token,registered_at\nA-1,{token},2026-06-02\n"))
    desk.run("registrations", "dispute", "A-1", "--reason", "not ours", "--deadline", "2027-01-31")
    assert desk.json("credits", "show")["referrals"] == 1
    assert "disputed already" in desk.run("registrations", "dispute", "A-1", "--reason", "x", fails=1).output
    desk.run("registrations", "resolve", "A-1", "--outcome", "reverse", "--reason", "agreed")
    assert desk.json("credits", "show")["referrals"] == 0
    assert desk.json("registrations", "show", "A-1")["state"] == "reversed"
    refused = desk.run("registrations", "event", "A-1", "withdrawn", "--id", "E-1", fails=1)
    assert "not possible" in refused.output


def test_export_defuses_formulas(desk: Desk) -> None:
    """What a spreadsheet would run is text; the importer reads it back as it was."""
    desk.run("registrations", "import", desk.file("id,person_id,registered_at\n=1+1,P,2026-06-02\n"))
    text = desk.run("registrations", "export", "--format", "csv", "--excel").stdout
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[0]["id"] == "'=1+1"
    again = desk.file("id,person_id,registered_at\n'=1+1,P,2026-06-02\n")
    assert desk.json("registrations", "import", again)["known"] == 1


def test_several_companies_have_to_be_told_apart(tmp_path: Path) -> None:
    """Balances never mix; a command without --company says which there are."""
    desk = Desk(tmp_path, '[[company]]\nid = "one"\n[[company]]\nid = "two"\n')
    result = desk.run("credits", "redeem", fails=2)
    assert "--company with one of one, two" in result.output
    desk.run("credits", "adjust", "--referrals", "4", "--reason", "moved", "--company", "two")
    assert desk.json("credits", "show", "--company", "one")["slots_granted"] == 0
    assert desk.json("credits", "show", "--company", "two")["slots_granted"] == 2


def test_a_balance_loads_no_more_than_it_needs(desk: Desk) -> None:
    """It has half a second for everything, and most of that is Python's start."""
    program = (
        "import gc, sys; from gateway.cli.main import main\n"
        "before = gc.get_stats()\n"
        f"main(['credits', 'show', '--config', {str(desk.config)!r}], standalone_mode=False)\n"
        "heavy = {'alembic', 'aiosmtpd', 'aiosmtplib', 'bs4', 'jinja2', 'psycopg', 're2', 'uvicorn'}\n"
        "print(sorted(heavy & set(sys.modules)), 'sqlalchemy.dialects.postgresql' in sys.modules)\n"
        "print(gc.get_stats() == before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["[] False", "True"]


def test_the_collector_has_nothing_to_do_at_the_end(desk: Desk) -> None:
    """What goes with the process needn't be gone through first."""
    program = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 10_000))\n"
        "from gateway.cli.main import main\n"
        f"main(['credits', 'show', '--config', {str(desk.config)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_balance_of_a_past_moment(desk: Desk) -> None:
    """By what was recorded until then."""
    desk.run("credits", "adjust", "--referrals", "2", "--reason", "begin")
    assert desk.json("credits", "show", "--at", "2020-01-01")["referrals"] == 0
    assert desk.json("credits", "show", "--at", "2100-01-01")["referrals"] == 2


def test_people_by_commands(desk: Desk) -> None:
    """Report, erase, suppress and purge, with an address that may come on standard input."""
    token = desk.send(1, "a@example.com")
    desk.run("registrations", "import", desk.file(f"id,token,registered_at\nA-1,{token},2026-06-02\n"))
    assert "sends: 1" in desk.run("subject-report", "--address", "A@example.com").output
    desk.run("suppress", "add", "a@example.com", "b@example.com")
    assert "1 new, 1 known already" in desk.run("suppress", "add", "a@example.com", "c@example.com").output
    again = desk.run("suppress", "add", "--json", "a@example.com", "d@example.com").output
    assert json.loads(again) == {"new": 1, "known": 1}
    gone = desk.run("suppress", "remove", "--json", "d@example.com", "e@example.com").output
    assert json.loads(gone) == {"removed": 1, "unknown": 1}
    assert len(json.loads(desk.run("suppress", "list", "--json").stdout)) == 3
    desk.run("suppress", "remove", "c@example.com")
    erased = CliRunner().invoke(
        main, ["erase", "--address", "-", "--config", str(desk.config)], input="a@example.com\n"
    )
    assert "1 sends, 1 registrations" in erased.output
    assert "a tombstone is left" in erased.output
    assert "nothing of this address" in desk.run("erase", "--address", "x@example.com").output
    assert desk.json("credits", "show")["referrals"] == 1
    assert desk.json("purge", "--dry-run")["dry_run"] is True
    assert "head of postings: 1" in desk.run("purge").output
    desk.run("subject-report", "--address", "nobody", fails=2)


def test_kinds_of_export_are_the_tables() -> None:
    """What the command offers is what there is."""
    assert list(KINDS) == list(TABLES)


def counted(desk: Desk, count: int = 3) -> str:
    """So many referrals; gives the list."""
    tokens = [desk.send(number, f"a{number}@example.com") for number in range(1, count + 1)]
    lines = [
        f"A-{n},{token},a{n + 1}@example.com,2026-06-02T09:00:00+09:00" for n, token in enumerate(tokens)
    ]
    text = "id,token,email,registered_at\n" + "\n".join(lines) + "\n"
    desk.run("registrations", "import", desk.file(text))
    return text


def test_every_table_can_be_exported(desk: Desk) -> None:
    """As CSV and as JSON Lines."""
    counted(desk)
    for kind in KINDS:
        desk.run("export", kind, "--format", "csv")
        for line in desk.run("export", kind, "--format", "jsonl").stdout.splitlines():
            json.loads(line)
    rows = list(csv.DictReader(io.StringIO(desk.run("export", "entries", "--format", "csv").stdout)))
    assert sum(int(row["amount"]) for row in rows) == 0
    assert len(rows) == 10


def test_circle(desk: Desk) -> None:
    """Placements elsewhere and slots used, with what led there."""
    counted(desk)
    desk.run("registrations", "event", "A-0", "placed", "--id", "E-1", "--at", "2026-07-01")
    desk.run("credits", "redeem")
    found = desk.json("circle")
    assert (found["links"], found["registrations"], found["counted"]) == (3, 3, 3)
    assert (found["placements_elsewhere"], found["slots_used"], found["circle"]) == (1, 1, 2)
    assert desk.json("circle", "--month", "2026-07")["circle"] == 1
    assert "採用循環数" in desk.run("circle").output
    assert (found["opt_outs"], found["complaints"]) == (0, 0)
    desk.run("suppress", "add", "--complaint", "a@example.com", "b@example.com")
    assert "0 new, 1 known" in desk.run("suppress", "add", "--complaint", "A@example.com").output
    found = desk.json("circle")
    assert (found["opt_outs"], found["complaints"]) == (2, 2)
    assert "2  complaints" in desk.run("circle").output
    desk.run("circle", "--month", "2026-13", fails=2)


def test_statement_in_each_form(desk: Desk) -> None:
    """What was recorded in the month; referrals of earlier months are marked; nothing runs in it."""
    counted(desk)
    desk.run("credits", "adjust", "--referrals", "1", "--reason", "<b>=1+1")
    month = month_of(time.time_ns() // 1000)
    text = desk.run("statement", "--month", month).output
    assert "0 ->      4  Referrals" in text
    assert "slot granted 枠の付与, referrals spent on it 充当 +4" in text, "no referral is lost by that"
    assert "1 x adjusted 調整, referrals 紹介 +1" in text
    assert "prior period" in text
    assert re.search(r"^ +[+]1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d JST  ", text, re.MULTILINE), "no raw UTC"
    page = desk.run("statement", "--month", month, "--format", "html").output
    assert "&lt;b&gt;=1+1" in page
    rows = list(
        csv.DictReader(io.StringIO(desk.run("statement", "--month", month, "--format", "csv").stdout))
    )
    closing = {row["name"]: row["value"] for row in rows if row["section"] == "closing"}
    assert closing["referrals"] == "4"
    assert [row["section"] for row in rows].count("item") == 4
    found = json.loads(desk.run("statement", "--month", "2026-06", "--format", "json").stdout)
    assert (found["opening"], found["items"]) == (found["closing"], [])


def test_reconcile(desk: Desk) -> None:
    """The same list is the same; what differs is told with the side, the fields, and a likely reason."""
    text = counted(desk)
    assert desk.json("reconcile", desk.file(text))["same"] == 3
    lines = text.splitlines()
    lines[1] = lines[1].replace("A-0", "A-9")
    lines[2] = lines[2].replace("a2@example.com", "other@example.com").replace("09:00:00", "10:00:00")
    lines = [f"{line},{extra}" for line, extra in zip(lines, ("counted", "yes", "yes", "no"), strict=True)]
    found = json.loads(desk.run("reconcile", desk.file("\n".join(lines)), "--json", fails=1).stdout)
    assert [one["id"] for one in found["only_theirs"]] == ["A-9"]
    assert [one["id"] for one in found["only_ours"]] == ["A-0"]
    assert [(one["id"], one["fields"]) for one in found["differs"]] == [
        ("A-1", ["registered_at", "email"]),
        ("A-2", ["counted"]),
    ]
    assert desk.json("credits", "show")["referrals"] == 3


def test_backup_is_a_ledger(desk: Desk) -> None:
    """The copy has what the ledger has, is private, and passes the check."""
    counted(desk)
    copy = desk.folder / "copy.db"
    desk.run("db", "backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    assert faults_of(f"sqlite:///{copy}") == []
    assert "good" in desk.run("db", "check").output
    assert json.loads(desk.run("db", "check", "--json").output)["ok"] is True


def test_check_finds_books_that_were_changed(desk: Desk) -> None:
    """Triggers stop no admin of the database; the chain tells."""
    counted(desk)
    with sqlite3.connect(desk.folder / "ledger.db") as connection:
        connection.execute("DROP TRIGGER entries_UPDATE")
        connection.execute("UPDATE entries SET amount = 5 WHERE posting_id = 2 AND amount = 1")
    connection.close()
    result = desk.run("db", "check", fails=1)
    assert "posting 2 is not what was recorded" in result.output
    assert "posting 2 does not balance" in result.output


def test_unknown_schema_refuses_every_command(desk: Desk) -> None:
    """A ledger that a newer version has changed is left alone, and the command says what to do."""
    with sqlite3.connect(desk.folder / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    file = desk.file("id,email,registered_at\nA-1,a@example.com,2026-06-02\n")
    reason, csv_, someone = ("--reason", "x"), ("--format", "csv"), ("--address", "a@example.com")
    for arguments in (
        ("credits", "show"),
        ("credits", "history"),
        ("credits", "export", *csv_),
        ("credits", "reserve"),
        ("credits", "redeem"),
        ("credits", "return"),
        ("credits", "adjust", "--referrals", "1", *reason),
        ("credits", "confirm"),
        ("credits", "confirm", "1"),
        ("registrations", "list"),
        ("registrations", "show", "A-1"),
        ("registrations", "export", *csv_),
        ("registrations", "import", file),
        ("registrations", "event", "A-1", "placed", "--id", "E-1"),
        ("registrations", "dispute", "A-1", *reason),
        ("registrations", "resolve", "A-1", "--outcome", "keep", *reason),
        ("reconcile", file),
        ("circle",),
        ("statement", "--month", "2026-06"),
        ("export", "audit", *csv_),
        ("purge",),
        ("erase", *someone),
        ("subject-report", *someone),
        ("suppress", "list"),
        ("suppress", "add", "a@example.com"),
        ("suppress", "remove", "a@example.com"),
        ("links", "issue", file),
        ("outbox", "list"),
        ("outbox", "retry", "--all"),
        ("sends", "list"),
        ("sends", "export", *csv_),
        ("db", "check"),
        ("db", "upgrade"),
    ):
        assert "upgrade the package" in desk.run(*arguments, fails=1).output


def test_ledger_and_key_belong_together(desk: Desk) -> None:
    """With another key nobody would be known: refused. A ledger without one takes the one that is made."""
    key = desk.folder / "careerrelay.key"
    kept = key.read_bytes()
    for other in (lambda: load_keys(key, create=True), lambda: None):
        key.unlink(missing_ok=True)
        other()
        assert "another key" in desk.run("credits", "show", fails=1).output
    key.write_bytes(kept)
    key.chmod(0o600)
    desk.run("credits", "show")
    for file in (key, *desk.folder.glob("ledger.db*")):
        file.unlink()
    assert "no ledger yet" in desk.run("credits", "show", fails=1).output
    prepare(desk.url)
    assert desk.json("credits", "show")["referrals"] == 0
    assert key.exists()


def test_status_says_since_when_a_matching_key_is_used(desk: Desk) -> None:
    """For people and for scripts: a new key finds only later sends."""
    with sqlite3.connect(desk.folder / "ledger.db") as connection:
        connection.execute("INSERT INTO matching_keys VALUES ('default', 'k1', 1780272000000000)")
    connection.close()
    shown = CliRunner().invoke(main, ["status", "--config", str(desk.config)]).stdout
    assert f"key k1 of default: for sends since {local_text('2026-06-01T00:00:00Z')}" in shown
    found = json.loads(CliRunner().invoke(main, ["status", "--json", "--config", str(desk.config)]).stdout)
    assert found["ledger"]["matching_keys"] == {"default": {"k1": "2026-06-01T00:00:00.000Z"}}


def test_dates_on_the_command_line_are_japanese(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As months are, whatever zone the machine keeps: a balance of a month's last day is the statement's."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        desk.send(1, "a@example.com")
        desk.run(
            "registrations", "import", desk.file("id,email,registered_at\nA-1,a@example.com,2026-06-02\n")
        )
        desk.run("registrations", "event", "A-1", "placed", "--id", "E-1", "--at", "2026-06-30")
        assert desk.json("circle", "--month", "2026-06")["placements_elsewhere"] == 1
        assert "2026-06-30 10:59:59 EDT" in desk.run("credits", "show", "--at", "2026-06-30").output
    finally:
        monkeypatch.undo()
        time.tzset()


def test_slots_are_shown_alike(desk: Desk) -> None:
    """What a command says of a slot is what `credits show --slots` says of it."""
    desk.run("credits", "adjust", "--referrals", "2", "--reason", "x")
    reserved = desk.json("credits", "reserve", "--requisition", "R")
    assert desk.json("credits", "show", "--slots")["slots"] == [reserved]
    assert str(reserved["reserved_at"]).endswith("Z")


def test_a_giant_list_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is read, from a file or a pipe, by each command that takes one."""
    monkeypatch.setattr("gateway.ledger.listing.MAX_OCTETS", 50)
    text = "id,email,registered_at\n" + "A-1,a@example.com,2026-06-02\n" * 3
    file = desk.file(text)
    for words in (("registrations", "import"), ("reconcile",), ("links", "issue")):
        assert "split it" in desk.run(*words, file, fails=1).output
        piped = CliRunner().invoke(main, [*words, "-", "--config", str(desk.config)], input=text)
        assert (piped.exit_code, "split it" in piped.output) == (1, True)


def test_a_number_that_many_have_is_told_of(desk: Desk) -> None:
    """A partner that writes "unknown" for everybody would have all of them count as one person."""
    rows = "".join(f"A-{n},a{n}@example.com,2026-06-02,unknown\n" for n in range(12))
    rows += "".join(f"B-{n},b{n}@example.com,2026-06-02,P-{n}\n" for n in range(12))
    file = desk.file("id,email,registered_at,person_id\n" + rows)
    assert '12 lines have the person_id "unknown"' in desk.run("registrations", "import", file).output
    file = desk.file("id,email,registered_at,person_id\n" + rows.replace("unknown", ""))
    assert "lines have the person_id" not in desk.run("registrations", "import", file, fails=1).output


def test_what_is_undone_is_not_recorded(desk: Desk) -> None:
    """A conflict is told in the same words only where the ledger keeps it."""
    desk.run("registrations", "import", desk.file("id,person_id,registered_at\nA-1,P,2026-06-02\n"))
    other = desk.file("id,person_id,registered_at\nA-1,Q,2026-06-02\n")
    for option in ("--dry-run", "--strict"):
        said = desk.run("registrations", "import", other, option, fails=1).output
        assert "with other content" in said
        assert "recorded" not in said
    assert "recorded as a conflict" in desk.run("registrations", "import", other, fails=1).output
    kinds = [
        json.loads(line)["kind"]
        for line in desk.run("export", "registration-events", "--format", "jsonl").stdout.splitlines()
    ]
    assert kinds.count("conflict") == 1
