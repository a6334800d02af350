"""``careerrelay rules``: what an editor of rules, and an admin after the brake, type."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.ruleset import lint
from gateway.store import LedgerStore, prepare


def run(*words: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, ["rules", *words])


def test_lint_of_the_shipped_packs_is_good() -> None:
    """Without a folder the packs that come with the gateway are checked, their examples run; exit 0."""
    done = run("lint")
    assert (done.exit_code, "good" in done.stdout) == (0, True)


def test_lint_tells_every_mistake_at_once(tmp_path: Path) -> None:
    """Promise 9: file, key and remedy of each mistake, in rules and footers alike; exit 1."""
    (tmp_path / "a.toml").write_text('[[rule]]\nid = "x"\nplacement = "bottom"\n', "utf-8")
    (tmp_path / "footers").mkdir()
    (tmp_path / "footers" / "own.txt").write_text("no link here\n", "utf-8")
    done = run("lint", str(tmp_path), "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["ok"]) == (1, False)
    files = {Path(problem["file"]).name for problem in answer["problems"]}
    assert {"a.toml", "own.txt"} <= files
    assert all(problem["remedy"] for problem in answer["problems"])
    assert run("lint", str(tmp_path)).exit_code == 1


def test_lint_measures_what_patterns_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 4, item 9: with no time at all for a pattern the shipped ones are too dear, and it says which."""
    monkeypatch.setattr(lint, "DEAREST", 0.0)
    monkeypatch.setattr(lint, "LEAST_SECONDS", 0.0)
    done = run("lint", "--json")
    problems = json.loads(done.stdout)["problems"]
    assert done.exit_code == 1
    assert problems
    assert all("takes too long on hostile text" in problem["message"] for problem in problems)
    assert any(problem["key"] == "terms.other-who.patterns" for problem in problems)


def test_lint_of_a_folder_without_rules(tmp_path: Path) -> None:
    """An empty folder is a mistake, not a set without rules."""
    assert run("lint", str(tmp_path)).exit_code == 1


def test_resume_ends_the_brake_and_says_why_it_was_pulled(tmp_path: Path) -> None:
    """Rule 15: what the gateway pulled by itself an admin releases; a second time there is nothing to do."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    config = tmp_path / "config.toml"
    config.write_text(
        '[gateway]\nhostname = "gw.example.co.jp"\nown_domains = ["example.co.jp"]\nnode = "one"\n'
        '[[listen]]\nport = 2525\nnetworks = ["127.0.0.0/8"]\n[next_hop]\nhosts = ["127.0.0.1:2526"]\n'
        '[link]\nurl = "https://careerrelay.example/r/{token}"\nopt_out = "mailto:no@careerrelay.example"\n'
        f'[ledger]\nurl = "{url}"\n',
        "utf-8",
    )
    prepare(url)

    async def pull() -> None:
        async with LedgerStore(url, node="two") as store:
            await store.pull_brake("links were refused")

    asyncio.run(pull())
    done = run("resume", "--config", str(config))
    assert done.exit_code == 0, done.output
    assert "links were refused" in done.stdout
    again = run("resume", "--config", str(config))
    assert (again.exit_code, "not pulled" in again.stdout) == (0, True)
