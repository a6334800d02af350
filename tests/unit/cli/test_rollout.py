"""The commands for rule sets, roll-outs and reviews, on a real ledger and a small set of rules."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from gateway.cli.main import main
from gateway.config import load_config, read_rule_files
from gateway.ledger.controls import START
from gateway.service.snapshot import pack
from gateway.store import Database, LedgerReader, LedgerStore, prepare
from gateway.store.chores import RecordRuleset
from gateway.store.observations import DAY, KeepSights, Sight
from tests.configs import SMALL

RULES = """
pack = "own"

[terms.regret]
words = ["we regret"]
core = true

[terms.offer]
words = ["cannot offer"]

[[signal]]
id = "refusal"
terms = ["regret", "offer"]
strength = "strong"

[[rule]]
id = "own-rejection"
action = "observe"
footer = "default-en"
scope.senders = "config"

[[rule]]
id = "other"
signals = ["refusal"]
threshold = 9
action = "observe"
scope.senders = "config"

[[example]]
text = "We regret that we cannot offer you this position."
matched = true
"""

CONFIG = (
    SMALL.replace("[rules]\n", '[rules]\ndirectory = "rules"\n') + "[rules.rollout]\nreviewed = 3\ndays = 2\n"
)

HITS = '[[["signal","own/refusal","plain",0,0,30]]]'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config with a folder of rules and an empty ledger."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.toml").write_text(RULES, "utf-8")
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, "utf-8")
    prepare(url(path))
    return path


def url(config: Path) -> str:
    """Where its ledger is."""
    return f"sqlite:///{config.parent}/ledger.db"


def run(config: Path, *arguments: str) -> Result:
    """``careerrelay`` with these arguments and the config."""
    return CliRunner().invoke(main, [*arguments, "-c", str(config)])


def told(config: Path, *arguments: str) -> Any:  # noqa: ANN401 - whatever the command says
    """The answer in JSON."""
    return json.loads(run(config, *arguments, "--json").stdout)


def see(config: Path, count: int, *, rule: str = "own-rejection", days: float = 0.0) -> None:
    """So many mails matched, the last of them so long ago."""
    sights = tuple(
        Sight(
            mail=f"m{number}",
            message_id=f"<{number}@example.co.jp>",
            sender="hr@example.co.jp",
            rule=rule,
            ruleset="0123456789ab",
            score=1.0,
            threshold=1.0,
            matched=True,
            reason="observe",
            hits=HITS,
            snippets=("we regret □ cannot offer □.",),
        )
        for number in range(count)
    )

    async def write() -> None:
        async with LedgerStore(url(config), node="one") as store:
            await store._writer.ask(KeepSights(sights), lambda _: None)

    asyncio.run(write())
    with Database(url(config)).writer(5).connect() as connection, connection.begin():
        connection.execute(
            text("UPDATE observations SET at = at - :ago WHERE id > (SELECT max(id) FROM observations) - :n"),
            {"ago": int(days * DAY), "n": count},
        )


def begin(config: Path) -> str:
    """What a gateway does at its first start: record the set of its files."""
    ruleset, content = pack(read_rule_files(load_config(config)))

    async def write() -> None:
        async with LedgerStore(url(config), node="one") as store:
            await store.record_ruleset(RecordRuleset(ruleset, content, START, "(files)", "the first"))

    asyncio.run(write())
    return ruleset


def change(config: Path, old: str, new: str) -> None:
    """Edit the rule file."""
    file = config.parent / "rules" / "own.toml"
    before = file.read_text("utf-8")
    assert old in before
    file.write_text(before.replace(old, new), "utf-8")


# --- rule sets --------------------------------------------------------------------------------------------


def test_apply_history_and_rollback(config: Path) -> None:
    """A change is shown, applied, listed, and taken back; the way back is pinned until the next apply."""
    first = begin(config)
    change(config, "threshold = 9", "threshold = 8")
    dry = told(config, "rules", "apply")
    assert (dry["applied"], dry["before"]) == (False, first)
    assert "-threshold = 9" in dry["difference"]
    assert dry["summary"] == "changed: own.toml"
    done = run(config, "rules", "apply", "--yes")
    assert (done.exit_code, "+threshold = 8" in done.output) == (0, True)
    second = told(config, "rules", "history")[0]
    assert (second["kind"], second["active"], second["pinned"]) == ("apply", True, False)
    assert "uid" in second["operator"]
    assert run(config, "rules", "apply", "--yes").output.startswith("this is the active rule set already")

    back = told(config, "rules", "rollback")
    assert (back["id"], back["before"], back["pinned"]) == (first, second["id"], True)
    listed = told(config, "rules", "history")
    assert [(one["id"], one["kind"], one["active"], one["pinned"]) for one in listed] == [
        (first, "rollback", True, True),
        (second["id"], "apply", False, False),
        (first, "start", False, False),
    ]
    assert "+threshold = 9" in listed[0]["difference"]
    assert "(pinned)" in run(config, "rules", "history").output
    assert told(config, "rollout", "status")["pinned"] is True
    assert told(config, "rules", "apply", "--yes")["applied"] is True
    assert told(config, "rollout", "status")["pinned"] is False


def test_rollback_to_what_is_not_there(config: Path) -> None:
    """Exit 1, and what to look at."""
    begin(config)
    for arguments in ([], ["0123"]):
        result = run(config, "rules", "rollback", *arguments)
        assert result.exit_code == 1
        assert "rules history" in result.output


def test_apply_asks_and_takes_no_for_an_answer(config: Path) -> None:
    """Without --yes a person has to say so; nothing is applied else."""
    first = begin(config)
    change(config, "threshold = 9", "threshold = 8")
    runner = CliRunner()
    assert runner.invoke(main, ["rules", "apply", "-c", str(config)], input="n\n").exit_code == 1
    assert told(config, "rules", "history")[0]["id"] == first
    assert runner.invoke(main, ["rules", "apply", "-c", str(config)], input="y\n").exit_code == 0
    assert told(config, "rules", "history")[0]["id"] != first


def test_apply_refuses_what_a_reload_refuses(config: Path) -> None:
    """A failed example, or no active rule, only with --force; a mistake never."""
    first = begin(config)
    change(config, "matched = true", "matched = false")
    refused = told(config, "rules", "apply", "--yes")
    assert (refused["applied"], "example" in refused["problems"][0]["key"]) == (False, True)
    assert run(config, "rules", "apply", "--yes").exit_code == 1
    assert told(config, "rules", "apply", "--yes", "--force")["applied"] is True
    change(config, 'action = "observe"', 'action = "off"')
    change(config, "matched = false", "matched = true")
    assert "no rule would be active" in run(config, "rules", "apply", "--yes").output
    change(config, 'strength = "strong"', 'strength = "mighty"')
    assert told(config, "rules", "apply", "--yes", "--force")["applied"] is False
    assert [one["kind"] for one in told(config, "rules", "history")] == ["apply", "start"]
    assert told(config, "rules", "history")[-1]["id"] == first


def test_apply_compares_with_what_was_seen(config: Path) -> None:
    """By the ids that were kept: a higher threshold would lose these mails."""
    begin(config)
    see(config, 3)
    change(config, 'id = "own-rejection"', 'id = "own-rejection"\nthreshold = 5')
    live = told(config, "rules", "apply")["live"]
    assert live["mails"] == 3
    assert [(one["active"]["matched"], one["other"]["matched"]) for one in live["differ"]] == [
        (True, False)
    ] * 3
    assert "3 of 3 recent mails differ" in run(config, "rules", "apply", "--yes").output


def test_compare_with_what_was_seen(config: Path) -> None:
    """`rules compare` without labels: the same question, of any folder."""
    begin(config)
    see(config, 2)
    other = config.parent / "other"
    other.mkdir()
    higher = RULES.replace('id = "own-rejection"', 'id = "own-rejection"\nthreshold = 5')
    (other / "own.toml").write_text(higher.split("[[example]]", maxsplit=1)[0], "utf-8")
    answer = told(config, "rules", "compare", str(other))
    assert (answer["mails"], len(answer["differ"])) == (2, 2)
    same = run(config, "rules", "compare", str(config.parent / "rules"))
    assert same.output == "0 of 2 recent mails differ\n"
    assert CliRunner().invoke(main, ["rules", "compare", str(other)]).exit_code == 2


# --- roll-out and review ----------------------------------------------------------------------------------


def test_review_lists_and_records(config: Path) -> None:
    """What would have been changed, and what people say of it; the last word counts."""
    see(config, 2)
    mails = told(config, "review")
    assert [(one["id"], one["message_id"], one["changed"]) for one in mails] == [
        (2, "<1@example.co.jp>", False),
        (1, "<0@example.co.jp>", False),
    ]
    assert mails[0]["signals"] == ["own/refusal"]
    assert mails[0]["review"] is None
    assert told(config, "review", "2", "wrong", "--note", "an offer") == {
        "id": 2,
        "review": "wrong",
        "rule": "own-rejection",
    }
    assert run(config, "review", "2", "right").output == "2: right (rule own-rejection)\n"
    assert [one["review"] for one in told(config, "review")] == ["right", None]
    assert [one["id"] for one in told(config, "review", "--unreviewed")] == [1]
    shown = run(config, "review", "2").output
    assert "own/refusal" in shown
    assert "we regret □" in shown
    assert run(config, "review", "99", "right").exit_code == 1


def test_advance_needs_reviews_over_days_and_none_wrong(config: Path) -> None:
    """Three mails over two days, all right: observe, partial; then three more: inject."""
    begin(config)
    see(config, 1, days=3)
    see(config, 2)
    lacks = told(config, "rollout", "advance", "own-rejection")["lacks"]
    assert lacks == ["reviews: 0 of 3 mails (`careerrelay review`)", "reviews: they are from 0.0 of 2 days"]
    for number in (1, 2):
        run(config, "review", str(number), "right")
    run(config, "review", "3", "wrong")
    result = run(config, "rollout", "advance", "own-rejection")
    assert (result.exit_code, "1 mails were judged wrong" in result.output) == (1, True)
    run(config, "review", "3", "right")
    assert told(config, "rollout", "advance", "own-rejection") == {
        "rule": "own-rejection",
        "from": "observe",
        "to": "partial",
        "lacks": [],
    }
    (one, _) = told(config, "rollout", "status")["rules"]
    assert (one["stage"], one["share"], one["reviewed"]) == ("partial", 0.1, 0), "each step is earned anew"
    assert told(config, "rollout", "advance", "own-rejection", "--force")["to"] == "inject"
    assert "can go no further" in run(config, "rollout", "advance", "own-rejection").output
    assert told(config, "rollout", "stop") == {"stopped": None}
    assert [one["stage"] for one in told(config, "rollout", "status")["rules"]] == ["observe", "observe"]
    assert "there is no rule nobody" in run(config, "rollout", "advance", "nobody").output


def test_advance_minds_the_config_and_the_brake(config: Path) -> None:
    """What the config says is a bound; a rule whose brake is on goes nowhere, not even with --force."""
    begin(config)
    assert asyncio.run(_stop_rule(config)) is True
    result = run(config, "rollout", "advance", "own-rejection", "--force")
    assert (result.exit_code, "its brake is on" in result.output) == (1, True)
    assert told(config, "rollout", "status")["rules"][0]["brake"] == "too many"
    assert told(config, "rules", "resume", "own-rejection") == {
        "resumed": True,
        "brakes": [{"rule": "own-rejection", "why": "too many"}],
    }
    assert told(config, "rules", "resume") == {"resumed": False, "brakes": []}
    config.write_text(CONFIG + '[rules.mode]\nown = "observe"\n', "utf-8")
    result = run(config, "rollout", "advance", "own-rejection", "--force")
    assert (result.exit_code, "[rules.mode] in the config" in result.output) == (1, True)


async def _stop_rule(config: Path) -> bool:
    async with LedgerStore(url(config), node="one") as store:
        return await store.stop_rule("own-rejection", "too many")


def test_old_observations_are_forgotten(config: Path) -> None:
    """Ids after so many days, snippets sooner; what people said stays."""
    see(config, 1, days=31)
    run(config, "review", "1", "right")
    see(config, 1, days=15)
    see(config, 1)

    async def forget() -> None:
        async with LedgerStore(url(config), node="one") as store:
            store.forget_sights(days=30, snippet_days=14)
            await store.look()

    asyncio.run(forget())
    assert [bool(one["snippets"]) for one in told(config, "review")] == [True, False]
    with LedgerReader(url(config)) as reader:
        assert reader.reviewed()["own-rejection"].mails == 1
