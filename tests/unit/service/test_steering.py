"""Which rule set a worker runs, what its rules may do, and rule sets as values."""

from pathlib import Path

import pytest

from gateway.config import RuleFiles
from gateway.ledger.controls import Controls, Event
from gateway.service.snapshot import difference, id_of, pack, summary, unpack
from gateway.service.steering import Course, Step, ceiling_of


def controls(*events: tuple[str, str, str]) -> Controls:
    """What these come to: kind, node, rule set."""
    return Controls().after(
        Event(id=number, at=number, kind=kind, node=node, operator="", subject=subject, detail="")
        for number, (kind, node, subject) in enumerate(events, start=1)
    )


def course(given: str = "x", *, reload: str = "auto", speaks: bool = True) -> Course:
    """A worker of the node `one` that was given this set."""
    return Course(node="one", running=given, given=given, reload=reload, speaks=speaks)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("events", "reload", "step"),
    [
        ([], "auto", Step.RECORD),
        ([], "apply", Step.RECORD),
        ([("ruleset-start", "one", "x")], "auto", Step.NOTHING),
        # the files have changed while the gateway was down
        ([("ruleset-start", "one", "w")], "auto", Step.RECORD),
        ([("ruleset-start", "one", "w")], "apply", Step.FETCH),
        # another node has changed them since
        ([("ruleset-start", "one", "x"), ("ruleset-auto", "two", "y")], "auto", Step.FETCH),
        # somebody went back, or applied a folder
        ([("ruleset-start", "one", "w"), ("ruleset-rollback", "one", "v")], "auto", Step.FETCH),
        ([("ruleset-start", "one", "x"), ("ruleset-apply", "one", "y")], "auto", Step.FETCH),
    ],
)
def test_at_the_start(events: list[tuple[str, str, str]], reload: str, step: Step) -> None:
    """Only one worker of a node tells the ledger; all of them follow it."""
    known = controls(*events)
    assert course(reload=reload).step(known) is step
    silent = Step.NOTHING if step is Step.RECORD else step
    assert course(reload=reload, speaks=False).step(known) is silent


def test_follows_what_becomes_active_later() -> None:
    """Once for each change; what it runs already is no change."""
    made = course()
    first = controls(("ruleset-start", "one", "x"))
    assert [made.step(first) for _ in range(3)] == [Step.NOTHING] * 3
    second = controls(("ruleset-start", "one", "x"), ("ruleset-apply", "two", "y"))
    assert made.step(second) is Step.FETCH
    made.again()
    assert made.step(second) is Step.FETCH, "asked for once more after a fault"
    made.running = "y"
    assert made.step(second) is Step.NOTHING


def test_saved_files_and_what_was_said_before() -> None:
    """A change counts, unless the ledger has the say; the same files again are no change."""
    made = course()
    free = controls(("ruleset-start", "one", "x"))
    assert made.given_anew("y", "auto", free) is True
    assert made.given_anew("y", "auto", free) is False
    pinned = controls(("ruleset-start", "one", "x"), ("ruleset-rollback", "one", "w"))
    assert made.given_anew("z", "auto", pinned) is False
    assert made.given_anew("v", "apply", free) is False


def test_the_config_bounds_a_rule() -> None:
    """By its name, its pack, or all."""
    assert ceiling_of("a", "p", {}) == "inject"
    assert ceiling_of("a", "p", {"*": "observe"}) == "observe"
    assert ceiling_of("a", "p", {"*": "observe", "p": "partial"}) == "partial"
    assert ceiling_of("a", "p", {"p": "partial", "a": "inject"}) == "inject"


def files(**rules: str) -> RuleFiles:
    """A set with these rule files."""
    return RuleFiles(
        folder=Path("rules"),
        rules={f"{name}.toml": text.encode() for name, text in rules.items()},
        footers={"default-ja.txt": "フッター\n".encode()},
        groups={"hr": ("hr@example.co.jp",)},
        paths={},
        warnings=(),
    )


def test_a_rule_set_survives_being_kept() -> None:
    """The same content has the same id, wherever it lay; other content another; damage is noticed."""
    ruleset, content = pack(files(a="x = 1\n"))
    back = unpack(ruleset, content)
    assert (back.files.rules, back.files.footers, back.files.groups) == (
        files(a="x = 1\n").rules,
        files().footers,
        files().groups,
    )
    assert id_of(back.files) == ruleset == id_of(files(a="x = 1\n"))
    assert id_of(files(a="x = 2\n")) != ruleset
    for damaged in (b"", content[:-20], pack(files(a="x = 2\n"))[1]):
        with pytest.raises(ValueError, match=ruleset):
            unpack(ruleset, damaged)


def test_what_changes_between_two() -> None:
    """New, gone and changed files, and the lines."""
    old, new = files(a="one\n", b="two\n"), files(a="three\n", c="four\n")
    assert summary(old, new) == "new: c.toml; gone: b.toml; changed: a.toml"
    assert summary(old, old) == "no change"
    assert summary(None, old) == "the first: 4 files"
    shown = difference(old, new).splitlines()
    assert "-one" in shown
    assert "+three" in shown
    assert "+++ (gone)" in shown
    assert difference(old, old) == ""
