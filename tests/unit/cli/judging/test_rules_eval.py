"""``careerrelay rules eval``: what counts as right, what is told, and the floors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.judging.measure import wilson
from tests.unit.cli.judging.mails import (
    AUTOMATIC,
    ORDINARY,
    REJECTION,
    SIGNED,
    folder_of_rules,
    mail,
    rules,
)

ENVELOPE = {"mail_from": "hr@example.co.jp", "rcpt_to": "taro@example.com"}


def labelled(folder: Path, *lines: tuple[bytes, Mapping[str, Any]]) -> Path:
    """A label file, and its mails below it in a folder of their own."""
    (folder / "mails").mkdir(parents=True, exist_ok=True)
    path = folder / "labels.jsonl"
    told = []
    for number, (data, line) in enumerate(lines):
        (folder / "mails" / f"{number}.eml").write_bytes(data)
        told.append(json.dumps({"file": f"mails/{number}.eml", **line}, ensure_ascii=False) + "\n")
    path.write_text("".join(told), "utf-8-sig")
    return path


def measured(*words: str | Path) -> dict[str, Any]:
    """What `rules eval --json` says, whatever the exit code."""
    found = json.loads(rules("eval", "--json", *words).stdout)
    assert isinstance(found, dict)
    return found


def test_what_is_told(tmp_path: Path) -> None:
    """Found, missed, false; the wrong ones by the name that the label line has; groups beside the whole."""
    path = labelled(
        tmp_path,
        (REJECTION, {"label": "pos", "language": "ja", "class": "formal", **ENVELOPE}),
        (SIGNED, {"label": "pos", "language": "ja", "class": "signed", **ENVELOPE}),
        (mail("See the minutes.\r\n"), {"label": "pos", "language": "en", "class": "formal", **ENVELOPE}),
        (REJECTION, {"label": "neg", "language": "ja", "class": "look-alike", **ENVELOPE}),
        (ORDINARY, {"label": "neg", "language": "ja", "class": "ordinary", **ENVELOPE}),
        (AUTOMATIC, {"label": "neg", "language": "ja", "class": "ordinary", **ENVELOPE}),
    )
    found = measured(path)
    assert (found["precision"], found["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["f1"] == pytest.approx(2 / 3)
    wrong = found["wrong"]
    assert [(one["file"], one["label"], one["matched"]) for one in wrong] == [
        ("mails/2.eml", "pos", False),
        ("mails/3.eml", "neg", True),
    ]
    assert (wrong[0]["rule"], wrong[0]["score"]) == ("", 0)
    assert wrong[1]["rule"] == "ja-rejection"
    assert wrong[1]["score"] >= 1
    assert found["languages"]["en"]["recall"] == 0
    assert found["languages"]["ja"]["recall"] == 1
    assert found["classes"]["look-alike"]["false_positives"] == 1
    assert found["classes"]["ordinary"]["precision"] == 1  # nothing was found, so nothing wrongly

    text = rules("eval", path)
    assert text.exit_code == 0
    for part in ("0.667", "missed  mails/2.eml", "false   mails/3.eml", "look-alike"):
        assert part in text.stdout


def test_the_envelope_is_the_label_lines(tmp_path: Path) -> None:
    """A string, a list, names with it, nothing at all (then the header's), and the null sender."""
    colleague = mail(to="colleague@example.co.jp")
    envelopes: list[tuple[bytes, dict[str, Any], bool]] = [
        (colleague, {"rcpt_to": "taro@example.com"}, True),
        (colleague, {"rcpt_to": ["x@example.co.jp", "Taro <taro@example.com>"]}, True),
        (REJECTION, {"rcpt_to": ["x@example.co.jp"]}, False),
        (REJECTION, {"rcpt_to": []}, False),
        (REJECTION, {}, True),
        (REJECTION, {"mail_from": None, "rcpt_to": None}, True),
        (REJECTION, {"mail_from": ""}, False),
        (REJECTION, {"mail_from": "<>"}, False),
        (REJECTION, {"mail_from": "hr@example.com"}, False),
    ]
    lines = [(data, {"label": "pos" if matched else "neg", **line}) for data, line, matched in envelopes]
    assert measured(labelled(tmp_path, *lines))["wrong"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--min-precision", "0.5", "--min-recall", "0.5"], 0),
        (["--min-precision", "0.51"], 1),
        (["--min-recall", "0.51"], 1),
        (["--min-recall", "50"], 2),
    ],
)
def test_floors(tmp_path: Path, words: list[str], code: int) -> None:
    """Exit 1 below either; the numbers are told all the same."""
    path = labelled(
        tmp_path, (REJECTION, {"label": "pos"}), (ORDINARY, {"label": "pos"}), (REJECTION, {"label": "neg"})
    )
    result = rules("eval", path, *words)
    assert result.exit_code == code
    assert ("Wrong: 2 of 3" in result.stdout) == (code < 2)


def test_other_rules(tmp_path: Path) -> None:
    """A folder of rules is measured in place of the shipped ones; its files say what is switched on."""
    path = labelled(tmp_path, (mail("Unsuccessful.\r\n"), {"label": "pos", **ENVELOPE}))
    assert measured(path)["recall"] == 0
    found = measured(path, folder_of_rules(tmp_path / "own", "unsuccessful"))
    assert (found["recall"], found["wrong"]) == (1, [])


def test_every_mistake_in_a_label_file_at_once(tmp_path: Path) -> None:
    """With the number of the line; nothing is measured."""
    path = labelled(tmp_path, (REJECTION, {"label": "pos"}))
    good = path.read_text("utf-8-sig")
    path.write_text(
        '{"file": "gone.eml", "label": "pos"}\n{"file": "mails/0.eml", "label": "maybe"}\n# a comment\n\n'
        'nonsense\n{"file": "mails/0.eml", "label": "neg", "rcpt_to": 7}\n{"label": "neg"}\n' + good,
        "utf-8",
    )
    result = rules("eval", path)
    assert (result.exit_code, result.stdout) == (1, "")
    for part in (":1: file", ":2: label", ":5:", ":6: rcpt_to", ":7: file"):
        assert f"labels.jsonl{part}" in result.stderr
    path.write_text("", "utf-8")
    assert "there is no line" in rules("eval", path).stderr
    path.write_bytes("ラベル".encode("cp932"))
    assert "CP932" in rules("eval", path).stderr


def test_a_mail_that_cannot_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts as not matched, the others are measured, and the exit code tells."""
    path = labelled(tmp_path, (REJECTION, {"label": "pos"}))
    monkeypatch.setattr("gateway.cli.judging.judge.exemption", lambda *_, **__: 1 / 0)
    result = rules("eval", path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["recall"] == 0
    assert "ZeroDivisionError" in result.stderr


def test_wilson() -> None:
    """The interval of the literature: 8 of 10 is 0.49 to 0.943; bounds stay within 0 and 1."""
    assert wilson(8, 10) == pytest.approx([0.4902, 0.9433], abs=1e-4)
    assert wilson(0, 5) == pytest.approx([0.0, 0.4345], abs=1e-4)
    assert wilson(0, 0) is None


def test_progress_is_for_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the number of mails is shown on standard error; elsewhere nothing is."""
    path = labelled(tmp_path, (REJECTION, {"label": "pos"}))
    assert rules("eval", path).stderr == ""
    monkeypatch.setattr("gateway.cli.ticker.is_terminal", lambda: True)
    assert rules("eval", path).stderr.endswith("\r1 of 1 mails\n")
