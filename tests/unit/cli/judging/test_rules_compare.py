"""``careerrelay rules compare``: each mail on which two sets differ, and what both are worth."""

import json
from pathlib import Path

from tests.unit.cli.judging.mails import folder_of_rules, mail, rules
from tests.unit.cli.judging.test_rules_eval import ENVELOPE, labelled


def test_where_two_sets_differ(tmp_path: Path) -> None:
    """Better, worse, and nothing about the mails that both see alike."""
    one = folder_of_rules(tmp_path / "one", "{unsuccessful,refused}")
    two = folder_of_rules(tmp_path / "two", "{unsuccessful,declined}")
    texts = [("Unsuccessful.", "pos"), ("Refused.", "neg"), ("Declined.", "neg"), ("Hello.", "pos")]
    labels = labelled(
        tmp_path, *((mail(f"{text}\r\n"), {"label": label, **ENVELOPE}) for text, label in texts)
    )
    result = rules("compare", two, labels, "--rules", one, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(one["file"], one["better"]) for one in found["differ"]] == [
        ("mails/1.eml", True),
        ("mails/2.eml", False),
    ]
    assert found["differ"][0]["active"]["rule"] == "one-word"
    assert found["differ"][0]["other"] == {
        "matched": False, "rule": "", "score": 0, "threshold": 0, "reason": "no-match",
    }  # fmt: skip
    assert (found["active"]["precision"], found["other"]["recall"]) == (0.5, 0.5)
    assert found["active"]["ruleset"] != found["other"]["ruleset"]

    text = rules("compare", two, labels, "--rules", one).stdout
    for part in ("better  mails/1.eml (neg): matched -> not", "worse   mails/2.eml", "2 of 4 mails differ"):
        assert part in text


def test_a_set_with_itself(tmp_path: Path) -> None:
    """Nothing differs, and that is no error; a folder with a mistake is."""
    one = folder_of_rules(tmp_path / "one", "unsuccessful")
    labels = labelled(tmp_path, (mail("Unsuccessful.\r\n"), {"label": "pos", **ENVELOPE}))
    result = rules("compare", one, labels, "--rules", one)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "0 of 1 mails differ: 0 better, 0 worse")
    (one / "bad.toml").write_text("nonsense = 1\n")
    result = rules("compare", one, labels)
    assert result.exit_code == 1
    assert "bad.toml" in result.stderr
    assert rules("compare", tmp_path / "missing", labels).exit_code == 2
