"""What one operator may not do alone waits until somebody else says yes."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import logins
from gateway.cli.logins import Login
from tests.unit.cli.crediting import CONFIG, Desk

MUCH = ("credits", "adjust", "--referrals", "20", "--reason", "moved here")

LoginAs = Callable[[int, "int | None"], None]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A ledger where two referrals buy a slot."""
    return Desk(tmp_path)


@pytest.fixture
def login_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginAs:
    """Be this account, after a login as that one."""
    file = tmp_path / "loginuid"
    monkeypatch.setattr(logins, "_LOGIN", file)

    def become(uid: int, login: int | None) -> None:
        monkeypatch.setattr(os, "getuid", lambda: uid)
        file.write_text(str(2**32 - 1 if login is None else login), "ascii")

    become(0, 1_001)
    return become


def asked(desk: Desk, *arguments: str) -> str:
    """Ask for something; gives its number."""
    said = desk.run(*arguments, fails=1).output
    assert "second operator. Nothing was done yet" in said
    return said.rpartition("credits confirm ")[2].partition("`")[0]


def test_much_waits_for_somebody_else(desk: Desk, login_as: LoginAs) -> None:
    """It is done once another login says yes, as it was asked for, and both are on record."""
    number = asked(desk, *MUCH)
    assert desk.json("credits", "show")["referrals"] == 0
    assert asked(desk, *MUCH) == number, "the same again is the same request"
    ((waits),) = json.loads(desk.run("credits", "confirm", "--json").stdout)
    assert (waits["request"], waits["action"]) == (int(number), "adjust")
    assert waits["values"] == {"referrals": 20, "reason": "moved here", "campaign": ""}
    assert "moved here" in desk.run("credits", "confirm").output
    refused = desk.run("credits", "confirm", number, "--operator", "somebody", fails=1)
    assert "somebody else" in refused.output, "a name that one gives oneself is nobody else"
    login_as(0, 1_002)
    assert "done: adjust for default" in desk.run("credits", "confirm", number).output
    assert desk.json("credits", "show")["referrals"] == 20
    assert "nothing waits" in desk.run("credits", "confirm").output
    assert "is confirmed" in desk.run("credits", "confirm", number, fails=1).output
    assert desk.json("credits", "show")["referrals"] == 20
    (posted,) = (
        one
        for one in json.loads(desk.run("credits", "history", "--last", "99", "--json").stdout)
        if one["kind"] == "adjust"
    )
    assert "(uid 1001)" in posted["operator"]
    assert "(uid 1002)" in posted["second"]
    told = desk.run("export", "audit", "--format", "jsonl").stdout
    assert [json.loads(line)["action"] for line in told.splitlines()] == ["ask", "adjust", "confirm"]
    assert "good" in desk.run("db", "check").output


def test_the_name_in_the_environment_says_nothing(
    desk: Desk, login_as: LoginAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """USER is for anybody to set."""
    login_as(0, None)
    monkeypatch.setenv("USER", "hanako")
    monkeypatch.setenv("LOGNAME", "hanako")
    desk.run("credits", "adjust", "--referrals", "2", "--reason", "x", "--operator", "a")
    desk.run("credits", "redeem")
    operators = {one["operator"] for one in json.loads(desk.run("credits", "history", "--json").stdout)}
    assert operators == {"a, by root (uid 0)", "root (uid 0)"}


def test_little_by_little_is_much(desk: Desk, login_as: LoginAs) -> None:
    """Up and down taken together, in a month; what somebody else agreed to is not counted in."""
    for amount in ("6", "-4"):
        desk.run("credits", "adjust", "--referrals", amount, "--reason", "x")
    number = asked(desk, "credits", "adjust", "--referrals", "1", "--reason", "x")
    login_as(0, 1_002)
    desk.run("credits", "confirm", number)
    assert desk.json("credits", "show")["referrals"] == 3


def test_many_slots(desk: Desk, login_as: LoginAs) -> None:
    """More than three in a month; the same requisition again is no other slot."""
    desk.run("credits", "adjust", "--referrals", "10", "--reason", "x")
    for requisition in "abc":
        desk.run("credits", "redeem", "--requisition", requisition)
    desk.run("credits", "redeem", "--requisition", "c")
    number = asked(desk, "credits", "redeem", "--requisition", "d")
    assert desk.json("credits", "show")["slots_redeemed"] == 3
    login_as(1_002, None)
    desk.run("credits", "confirm", number)
    assert desk.json("credits", "show")["slots_redeemed"] == 4
    audited = desk.run("export", "audit", "--format", "csv").stdout
    assert audited.count(",redeem,") == 4, "what was said before is nothing that was done"


def test_a_shared_account_needs_names(desk: Desk, login_as: LoginAs) -> None:
    """In a container everybody is the same: then both say who they are, and are not the same."""
    login_as(0, None)
    number = asked(desk, *MUCH)
    login_as(0, 1_002)
    assert "--operator" in desk.run("credits", "confirm", number, "--operator", "b", fails=1).output
    login_as(0, None)
    assert "--operator YOUR-NAME" in desk.run(*MUCH, fails=1).output
    number = asked(desk, *MUCH, "--operator", "a")
    for name in ("", "A", "root"):
        assert "--operator" in desk.run("credits", "confirm", number, "--operator", name, fails=1).output
    desk.run("credits", "confirm", number, "--operator", "b")
    assert desk.json("credits", "show")["referrals"] == 20


def test_what_was_asked_for_long_ago_is_not_done(
    desk: Desk, login_as: LoginAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week, and no longer."""
    number = asked(desk, *MUCH)
    login_as(0, 1_002)
    monkeypatch.setattr("gateway.store.consent.WAITS_DAYS", 0)
    assert "nothing waits under" in desk.run("credits", "confirm", number, fails=1).output
    assert "nothing waits" in desk.run("credits", "confirm", "99", fails=1).output


def test_many_referrals_by_resolve(tmp_path: Path, login_as: LoginAs) -> None:
    """Above the limit of a month; the same end of the same dispute said again is no other one."""
    desk = Desk(tmp_path, "")
    desk.config.write_text(CONFIG.replace("[credit]\n", "[credit]\nsecond_operator_referrals = 1\n"), "utf-8")
    for person in (1, 2):
        desk.send(person, f"a{person}@example.com")
    rows = "".join(f"A-{n},,x{n}@example.com,2026-06-20T09:00:00+09:00\n" for n in (1, 2))
    desk.run("registrations", "import", desk.file("id,token,email,registered_at\n" + rows))
    for id_ in ("A-1", "A-2"):
        desk.run("registrations", "dispute", id_, "--reason", "known by phone")
        assert (
            "known already" in desk.run("registrations", "dispute", id_, "--reason", "known by phone").output
        )
    end = ("--outcome", "count", "--reason", "agreed")
    desk.run("registrations", "resolve", "A-1", *end)
    assert "known already" in desk.run("registrations", "resolve", "A-1", *end).output
    number = asked(desk, "registrations", "resolve", "A-2", *end)
    assert desk.json("credits", "show")["referrals"] == 1
    login_as(0, 1_002)
    desk.run("credits", "confirm", number)
    assert desk.json("credits", "show")["referrals"] == 2


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        (Login(uid=0, login=1_001), Login(uid=0, login=1_002), True),
        (Login(uid=0, login=1_001), Login(uid=1_001, login=1_001), False),
        (Login(uid=5, login=None), Login(uid=6, login=None), True),
        (Login(uid=5, login=None), Login(uid=5, login=1_001), None),
        (Login(uid=5, login=None), Login(uid=5, login=None), None),
    ],
)
def test_who_is_somebody_else(one: Login, other: Login, different: bool | None) -> None:  # noqa: FBT001 - a case
    """The login before all sudo says it; else the account; else nothing does."""
    assert one.is_other_than(other) is different
    assert other.is_other_than(one) is different


def test_how_a_login_is_recorded() -> None:
    """The account, and the login where that is another."""
    assert str(Login(uid=0, login=None)) == str(Login(uid=0, login=0)) == "root (uid 0)"
    assert str(Login(uid=0, login=999_999)) == "root (uid 0), logged in as ? (uid 999999)"
