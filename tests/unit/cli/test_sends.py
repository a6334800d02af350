"""``careerrelay sends`` on a real ledger."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.cli.sends import STATES, command, sends
from gateway.store import LedgerReader, LedgerStore, SendFilter, prepare
from gateway.store.export import FIELDS
from gateway.token import encode_token
from gateway.transaction.ports import SendState
from tests.configs import SMALL
from tests.store.values import intent, outcome


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config, its ledger in the same folder."""
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def url(tmp_path: Path) -> str:
    """That ledger, made and empty."""
    found = f"sqlite:///{tmp_path}/ledger.db"
    prepare(found)
    return found


@pytest.fixture(autouse=True)
def japan() -> Iterator[None]:
    """The admin sits in Tokyo."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def fill(url: str, **changes: Any) -> None:  # noqa: ANN401 - fields of an intent
    """Two sends: the first accepted, the second refused."""

    async def write() -> None:
        async with LedgerStore(url, node="node1") as ledger:
            await ledger.intend([intent("first", **changes)])
            await ledger.intend([intent("second", **changes)])
            ledger.note(outcome(mail="first"))
            ledger.note(
                outcome(mail="second", state=SendState.REFUSED, reply="550 5.7.1 だめ\x9b2J " + "x" * 200)
            )

    asyncio.run(write())


def run(*arguments: str | Path) -> Result:
    """``careerrelay`` with these arguments."""
    return CliRunner().invoke(main, [str(one) for one in arguments])


def test_command_is_the_group() -> None:
    """The table of commands finds it by either name."""
    assert command is sends


def test_states_are_those_of_the_ledger() -> None:
    """The words in --help are the ledger's."""
    assert {state.value for state in SendState} == set(STATES)


def test_list(config: Path, url: str) -> None:
    """Newest first: local time, token, state, rule, campaign, reply.

    Nothing that moves the cursor, no address.
    """
    fill(url, campaign="春の採用")
    result = run("sends", "list", "--config", config)
    assert result.exit_code == 0
    head, second, first = result.output.splitlines()
    assert head.split() == ["TIME", "(JST)", "TOKEN", "STATE", "RULE", "CAMPAIGN", "REPLY"]
    token = encode_token(intent(mail="first").token)
    assert first.split()[2:] == [token, "accepted", "ja-rejection", "春の採用", "250", "2.0.0", "queued"]
    assert second.split()[3:8] == ["refused", "ja-rejection", "春の採用", "550", "5.7.1"]
    assert "\x9b" not in result.output
    assert len(second) < 160
    with LedgerReader(url) as reader:
        (send,) = reader.last_sends(1, SendFilter(states=[SendState.ACCEPTED]))
    local = datetime.fromtimestamp((send.settled_at or 0) / 1e6, UTC) + timedelta(hours=9)
    assert first.startswith(local.strftime("%Y-%m-%d %H:%M:%S"))


def test_list_narrowed(config: Path, url: str) -> None:
    """--last and --state."""
    fill(url)
    assert len(run("sends", "list", "-c", config, "--last", "1").output.splitlines()) == 2
    accepted = run("sends", "list", "-c", config, "--state", "accepted", "--state", "unknown").output
    assert accepted.count("accepted") == 1
    assert "refused" not in accepted
    assert run("sends", "list", "-c", config, "--state", "unknown").output == "no sends that are unknown\n"


def test_addresses_only_where_they_are_kept(config: Path, url: str) -> None:
    """A column for them appears only where the ledger has one."""
    fill(url, address="taro@example.com")
    output = run("sends", "list", "-c", config).output
    assert "ADDRESS" in output
    assert "taro@example.com" in output


def test_list_json(config: Path, url: str) -> None:
    """For programs: an array of records, times in UTC."""
    fill(url)
    found = json.loads(run("sends", "list", "-c", config, "--json").output)
    assert [tuple(one) for one in found] == [FIELDS, FIELDS]
    assert [one["state"] for one in found] == ["refused", "accepted"]
    assert found[1]["accepted_at"].endswith("Z")
    assert found[0]["accepted_at"] is None


def test_no_ledger_yet(config: Path, tmp_path: Path) -> None:
    """Said in a sentence with exit 1, and none is made."""
    result = run("sends", "list", "-c", config)
    assert result.exit_code == 1
    assert "there is no ledger" in result.stderr
    assert not (tmp_path / "ledger.db").exists()


def test_empty_ledger(config: Path, url: str) -> None:
    """Nothing sent is no error."""
    result = run("sends", "list", "-c", config)
    assert (result.exit_code, result.output) == (0, "no sends yet\n")
    assert run("sends", "export", "-c", config, "--format", "jsonl").output == ""


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝１", " =1", '=cmd|" /C calc"!A0']


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_formulas_are_defused(config: Path, url: str, text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe; everything else is as it is in the ledger."""
    fill(url, campaign=text, message_id='<a,b"c>')
    result = run("sends", "export", "-c", config, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))
    assert [row["campaign"] for row in rows] == ["'" + text] * 2
    assert rows[0]["message_id"] == '<a,b"c>'
    assert rows[0]["state"] == "accepted"
    assert rows[0]["forced"] == "false"


def test_csv_for_excel(config: Path, url: str, tmp_path: Path) -> None:
    """A byte order mark and CRLF; the file is its owner's alone, and an old one is replaced."""
    fill(url, campaign="春")
    out = tmp_path / "out.csv"
    out.write_text("old")
    result = run("sends", "export", "-c", config, "--format", "csv", "--excel", "--out", out)
    assert (result.exit_code, result.output) == (0, "")
    content = out.read_bytes()
    assert content.startswith(b"\xef\xbb\xbftoken,state,")
    assert content.count(b"\r\n") == 3
    assert "春".encode() in content
    assert out.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_json_lines(config: Path, url: str) -> None:
    """One object a line, oldest first."""
    fill(url)
    result = run("sends", "export", "-c", config, "--format", "jsonl", "--state", "accepted")
    (found,) = [json.loads(line) for line in result.output.splitlines()]
    assert found["token"] == encode_token(intent(mail="first").token)
    assert found["address"] is None


def test_export_that_cannot_be_written(config: Path, url: str, tmp_path: Path) -> None:
    """A sentence and exit 1."""
    result = run("sends", "export", "-c", config, "--format", "csv", "--out", tmp_path / "no" / "out.csv")
    assert result.exit_code == 1
    assert "can't be written" in result.stderr
    assert run("sends", "export", "-c", config, "--format", "jsonl", "--excel").exit_code == 2
