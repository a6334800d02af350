"""``careerrelay links issue`` and ``careerrelay outbox`` on a real ledger."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from gateway.cli.main import main
from gateway.config import load_keys
from gateway.ledger.person import person_hash
from gateway.store import prepare
from gateway.store.credit_schema import outbox, suppressions
from gateway.store.database import Database
from gateway.store.schema import sends
from gateway.token import parse_token
from tests.configs import ENDS, LEDGER, LINK

CONFIG = (
    ENDS.replace("[[listen]]", 'exclude = ["*@agency.example"]\n[[listen]]')
    + LINK
    + 'issue_columns = { external_id = "応募ID" }\n'
    + LEDGER
)
LIST = """氏名,email,応募ID
太郎,taro@example.com,X-1
人事,hr@example.co.jp,X-2
紹介,a@agency.example,X-3
花子,hana@example.com,X-4
誰か,nobody,X-5
太郎,Taro@Example.com,X-1
太郎,taro@example.com,X-6
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config with its key, an empty ledger, and a list."""
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "list.csv").write_bytes(LIST.encode("cp932"))
    keys = load_keys(tmp_path / "careerrelay.key", create=True)
    url = f"sqlite:///{tmp_path}/ledger.db"
    prepare(url)
    with Database(url).writer(5).begin() as connection:
        silent = person_hash(keys.person, "hana@example.com")
        connection.execute(insert(suppressions).values(hash=silent, at=1, source="page"))
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    """One command with the config of that folder."""
    return CliRunner().invoke(main, [*words, "--config", str(folder / "config.toml")])


def issue(folder: Path, *words: str) -> tuple[int, list[dict[str, str]], str]:
    """`links issue` of the list: exit code, its lines, and what was said beside them."""
    out = folder / "out.csv"
    result = run(folder, "links", "issue", str(folder / "list.csv"), "--out", str(out), *words)
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode("cp932")))) if out.exists() else []
    return result.exit_code, rows, result.output


def test_the_same_rules_as_for_mail(folder: Path) -> None:
    """Own and excluded addresses, those who want no more, and those who had a link lately get none."""
    code, rows, said = issue(folder)
    assert code == 1, "there is a bad line"
    assert [row["reason"] for row in rows] == [
        "",
        "own-address",
        "excluded",
        "suppressed",
        "this is no address",
        "",
        "frequency",
    ]
    assert [row["氏名"] for row in rows] == ["太郎", "人事", "紹介", "花子", "誰か", "太郎", "太郎"]
    first = rows[0]
    assert first["link"] == f"https://careerrelay.example/r/{first['token']}"
    assert first["opt_out"] == f"https://careerrelay.example/o/{first['token']}"
    assert rows[5]["token"] == first["token"], "the same person and application"
    assert "line 6: this is no address" in said
    assert "2 links, 1 excluded, 1 frequency, 1 own-address, 1 suppressed, 1 bad lines" in said
    assert (folder / "out.csv").stat().st_mode & 0o077 == 0
    with Database(f"sqlite:///{folder}/ledger.db").reader().connect() as connection:
        found = connection.execute(select(sends.c.token, sends.c.origin, sends.c.campaign)).all()
    assert [tuple(row) for row in found] == [(parse_token(first["token"]), "issue", "default")]


def test_again_changes_nothing(folder: Path) -> None:
    """The same list gets the same links; another campaign is something else."""
    first, second = issue(folder)[1], issue(folder)[1]
    assert first == second
    other = issue(folder, "--campaign", "sales")[1]
    assert [row["reason"] for row in other if row["氏名"] == "太郎"] == ["frequency"] * 3


def test_json_and_mistakes(folder: Path) -> None:
    """JSON for programs; clear errors for columns that aren't there."""
    result = run(folder, "links", "issue", str(folder / "list.csv"), "--json")
    records = json.loads(result.stdout)
    assert records[0]["external_id"] == "X-1"
    assert records[0]["line"] == 2
    assert "taro@" not in result.stdout
    wrong = run(folder, "links", "issue", str(folder / "list.csv"), "--column", "email=メール")
    assert wrong.exit_code == 1
    assert 'no column "メール"' in wrong.output
    assert "--column" in wrong.output
    assert run(folder, "links", "issue", str(folder / "list.csv"), "--column", "mail=x").exit_code == 2
    (folder / "careerrelay.key").unlink()
    refused = run(folder, "links", "issue", str(folder / "list.csv"))
    assert "another key" in refused.output, "a link by another key would be nobody's"


@pytest.fixture
def letters(folder: Path) -> Path:
    """The same with two messages to partners, one of them dead."""
    with Database(f"sqlite:///{folder}/ledger.db").writer(5).begin() as connection:
        for name, state, error in (("send_a", "sent", ""), ("send_b", "dead", "HTTP 410")):
            connection.execute(
                insert(outbox).values(
                    partner="default",
                    message_id=name,
                    kind="send",
                    payload='{"type":"send.made"}',
                    state=state,
                    created_at=1,
                    due_at=1,
                    attempts=3,
                    error=error,
                    settled_at=2,
                )
            )
    return folder


def test_outbox(letters: Path) -> None:
    """Messages are listed, shown, and the dead sent again."""
    listed = run(letters, "outbox", "list")
    assert listed.output.splitlines()[0] == "0 waiting, 1 sent, 1 dead"
    assert "send_b  HTTP 410" in listed.output
    dead = json.loads(run(letters, "outbox", "list", "--state", "dead", "--json").output)
    assert [one["message_id"] for one in dead["messages"]] == ["send_b"]
    assert '"type": "send.made"' in run(letters, "outbox", "show", "send_b").output
    assert json.loads(run(letters, "outbox", "show", "send_b", "--json").output)["error"] == "HTTP 410"
    assert run(letters, "outbox", "show", "send_x").exit_code == 1
    assert run(letters, "outbox", "retry").exit_code == 2
    wrong = run(letters, "outbox", "retry", "send_a", "send_b")
    assert (wrong.exit_code, "1 to be sent again" in wrong.output) == (1, True)
    assert json.loads(run(letters, "outbox", "retry", "--all", "--json").output) == {"sent_again": 0}
    assert run(letters, "outbox", "list").output.splitlines()[0] == "1 waiting, 1 sent, 0 dead"
