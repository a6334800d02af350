from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config import embedded_config, load_keys, read_excluded, read_rule_files
from gateway.service.bundle import Bundle, build_policy
from gateway.service.reload import Refused, Reloader, Taken, watched
from gateway.service.shadow import with_shadow

WORD = """
[terms.{name}]
words = ["{name}word"]
core = true
[[signal]]
id = "{name}"
strength = "strong"
terms = ["{name}"]
[[rule]]
id = "rule-{name}"
action = "{action}"
signals = ["{name}"]
scope.senders = "any"
"""
EXAMPLE = """
[[example]]
text = "nothing of the kind"
matched = true
"""


def write(folder: Path, *names: str, action: str = "observe", more: str = "") -> None:
    """Make the folder hold one file a name, with a rule each."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.toml"):
        path.unlink()
    for name in names:
        (folder / f"{name}.toml").write_text(WORD.format(name=name, action=action) + more)


def made(folder: Path, **rules: Any) -> Reloader:  # noqa: ANN401 - as TOML has it
    """A reloader of the rules in `folder`/rules and the list in `folder`/list.txt."""
    (folder / "list.txt").write_text("agency.example\n")
    changes = {
        "rules": {"directory": str(folder / "rules"), "mode": {}, **rules},
        "gateway": {"exclude_senders_file": "list.txt", "exclude_senders": ["a@b.example"]},
    }
    config = embedded_config(folder, changes)
    config = config.model_copy(update={"rules": config.rules.model_copy(update={"mode": {}})})
    bundle = Bundle(
        config=config,
        keys=load_keys(folder / "key", create=True),
        files=read_rule_files(config),
        excluded=read_excluded(config),
    )
    return Reloader(path=folder / "config.toml", bundle=bundle, policy=build_policy(bundle))


def refusal(result: object) -> str:
    """What is said of a reload that was refused."""
    assert isinstance(result, Refused), result
    assert result.of_rules
    return "\n".join(map(str, result.problems))


def test_what_changed_is_taken(tmp_path: Path) -> None:
    """Rules and list files; a file that was only touched is nothing new."""
    write(tmp_path / "rules", "a", "b")
    reloader = made(tmp_path)
    assert reloader.files() is None
    write(tmp_path / "rules", "a", "b", "c")
    taken = reloader.files()
    assert isinstance(taken, Taken)
    assert sorted(taken.bundle.files.rules) == ["a.toml", "b.toml", "c.toml"]
    assert reloader.files() is None
    before = reloader.policy
    (tmp_path / "list.txt").write_text("other.example\n")
    assert isinstance(reloader.files(), Taken)
    assert reloader.policy.ruleset is before.ruleset  # rules that are as they were are not built again
    policy = reloader.policy
    assert policy.is_excluded_sender is not None
    for address, listed in (("x@other.example", True), ("a@b.example", True), ("x@agency.example", False)):
        assert policy.is_excluded_sender(address) is listed


def test_all_mistakes_are_told_and_nothing_changes(tmp_path: Path) -> None:
    """Promise 9; the same files are not told of twice, and mended ones are taken."""
    write(tmp_path / "rules", "a", "b")
    reloader = made(tmp_path)
    before = reloader.bundle
    (tmp_path / "rules" / "a.toml").write_text("= 1\n")
    (tmp_path / "rules" / "b.toml").write_text("nonsense = 1\n")
    said = refusal(reloader.files())
    assert "a.toml" in said
    assert "b.toml" in said
    assert reloader.bundle is before
    assert reloader.files() is None  # touched, and not mended
    write(tmp_path / "rules", "a", "b")
    assert reloader.files() is None  # as it was
    write(tmp_path / "rules", "a", "b", "c")
    assert isinstance(reloader.files(), Taken)


@pytest.mark.parametrize(
    ("names", "action", "more", "word"),
    [
        ([], "observe", "", "no rule file"),
        (["a", "b", "c"], "off", "", "no rule would be active"),
        (["a"], "observe", "", "more than half"),
        (["x", "y", "z"], "observe", "", "more than half"),
        (["a", "b", "c"], "observe", EXAMPLE, "should match"),
    ],
)
def test_what_nobody_may_have_meant(
    tmp_path: Path, names: list[str], action: str, more: str, word: str
) -> None:
    """An empty folder, no active rule, most of them gone, a failing example: refused (RULES.md, "Safety")."""
    write(tmp_path / "rules", "a", "b", "c")
    reloader = made(tmp_path)
    write(tmp_path / "rules", *names, action=action, more=more)
    assert word in refusal(reloader.files())
    write(tmp_path / "rules", "a", "b")  # one of three may go
    assert isinstance(reloader.files(), Taken)


def test_a_missing_folder_changes_nothing(tmp_path: Path) -> None:
    """A mount that is away."""
    write(tmp_path / "rules", "a")
    reloader = made(tmp_path)
    (tmp_path / "rules").rename(tmp_path / "away")
    assert "no such folder" in refusal(reloader.files())
    (tmp_path / "away").rename(tmp_path / "rules")
    assert reloader.files() is None


def test_another_config_is_meant(tmp_path: Path) -> None:
    """What an admin writes into [rules] is no accident: SIGHUP takes it, whatever it switches off."""
    write(tmp_path / "rules", "a")
    reloader = made(tmp_path)
    rules = reloader.bundle.config.rules.model_copy(update={"mode": {"*": "off"}})
    config = reloader.bundle.config.model_copy(update={"rules": rules})
    assert isinstance(reloader._judge(replace(reloader.bundle, config=config)), Taken)
    assert {rule.action for rule in reloader.policy.ruleset.rules} == {"off"}


def test_apply_leaves_files_a_draft(tmp_path: Path) -> None:
    """With reload = "apply" a saved rule is no rule yet; list files hold all the same."""
    write(tmp_path / "rules", "a")
    reloader = made(tmp_path, reload="apply")
    assert watched(reloader.bundle) == [tmp_path / "list.txt"]
    write(tmp_path / "rules", "a", "b")
    assert reloader.files() is None
    (tmp_path / "list.txt").write_text("other.example\n")
    taken = reloader.files()
    assert isinstance(taken, Taken)
    assert sorted(taken.bundle.files.rules) == ["a.toml"]


def test_what_is_watched(tmp_path: Path) -> None:
    """The folder with footers and groups, and the lists."""
    write(tmp_path / "rules", "a")
    places = watched(made(tmp_path).bundle)
    folder = tmp_path / "rules"
    assert places == [tmp_path / "list.txt", folder, folder / "footers", folder / "groups"]


def test_the_candidate_set(tmp_path: Path) -> None:
    """It is read, followed and compiled; with a mistake in it the last good one stays; the rest is taken."""
    write(tmp_path / "rules", "a")
    write(tmp_path / "next", "a", "b")
    reloader = made(tmp_path, shadow=str(tmp_path / "next"))
    bundle, wrong = with_shadow(reloader.bundle)
    assert wrong == ()
    reloader.bundle, reloader.policy = bundle, build_policy(bundle)
    assert tmp_path / "next" in watched(bundle)
    assert reloader.policy.shadow is not None
    assert [rule.id for rule in reloader.policy.shadow.rules] == ["rule-a", "rule-b"]
    active = reloader.policy.ruleset

    write(tmp_path / "next", "a", "b", "c")
    taken = reloader.files()
    assert isinstance(taken, Taken)
    assert len(reloader.policy.shadow.rules) == 3
    assert reloader.policy.ruleset is active

    (tmp_path / "next" / "c.toml").write_text("nonsense = 1\n")
    taken = reloader.files()
    assert isinstance(taken, Taken)
    assert "c.toml" in str(taken.shadow[0])
    assert taken.bundle is reloader.bundle  # nothing to hand on
    write(tmp_path / "rules", "a", "z")
    taken = reloader.files()
    assert isinstance(taken, Taken)
    assert len(taken.shadow) == 1
    assert [rule.id for rule in reloader.policy.ruleset.rules] == ["rule-a", "rule-z"]
    assert len(reloader.policy.shadow.rules) == 3


def test_no_candidate_set_is_no_fault(tmp_path: Path) -> None:
    """A folder that is missing keeps nobody from starting; without the key there is none."""
    write(tmp_path / "rules", "a")
    reloader = made(tmp_path, shadow=str(tmp_path / "missing"))
    bundle, wrong = with_shadow(reloader.bundle)
    assert "no such folder" in str(wrong[0])
    assert build_policy(bundle).shadow is None
    assert with_shadow(made(tmp_path).bundle) == (made(tmp_path).bundle, ())
