"""``careerrelay rules new``: a file that the lint takes, that observes, and that finds the mail."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.judging.mails import ORDINARY, REJECTION, folder_of_rules, mail, rules

TEXT = (
    "Hello \\ Taro,\r\n\r\nThe committee met on Monday, and the\r\nplace was given to {somebody} else.\r\n"
    '"Kind" regards"""\r\n'
)


def lint(folder: Path) -> None:
    """The folder is good."""
    result = rules("lint", folder)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("data", "words", "piece"),
    [
        (mail(TEXT), ["--phrase", "place was given ... else"], "place was given"),
        (mail(TEXT), ["--phrase", "THE PLACE  was given to"], "THE PLACE was given to"),
        (mail(f"<p>{TEXT}</p>", kind="text/html"), ["--phrase", "place was given"], "place was given"),
        (REJECTION, [], "採用を見送らせて"),  # the rules know it
        (REJECTION, ["--phrase", "残念ながら…見送"], "残念ながら"),
    ],
)
def test_a_file_to_start_from(tmp_path: Path, data: bytes, words: list[str], piece: str) -> None:
    """Clean to the lint with its examples, whatever signs of TOML a text holds; it matches the mail."""
    folder = tmp_path / "rules"
    folder.mkdir()
    result = rules("new", "-", "--name", "mine", "--out", folder / "mine.toml", *words, data=data)
    assert result.exit_code == 0, result.output
    content = (folder / "mine.toml").read_text("utf-8")
    assert piece in content
    assert 'action = "observe"' in content
    lint(folder)
    line = json.loads(rules("test", "-", "--rules", folder, data=data).stdout)
    assert (line["matched"], line["verdict"], line["rule"]) == (True, "observe", "mine")
    assert json.loads(rules("test", "-", "--rules", folder, data=ORDINARY).stdout)["matched"] is False


def test_no_file_is_written_over(tmp_path: Path) -> None:
    """Somebody's work may be in it."""
    path = tmp_path / "mine.toml"
    path.write_text("kept")
    result = rules("new", "-", "--out", path, data=REJECTION)
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert path.read_text() == "kept"


def test_what_nobody_can_guess(tmp_path: Path) -> None:
    """Without a phrase that the rules know, the sentences are told; a phrase that isn't there is an error."""
    own = folder_of_rules(tmp_path, "nothing-of-the-kind")
    result = rules("new", "-", "--rules", own, data=mail(TEXT))
    assert result.exit_code == 1
    assert "The committee met on Monday, and the place was given to {somebody} else." in result.stderr
    for phrase in ("was not there", "...", "else ... place"):
        assert rules("new", "-", "--phrase", phrase, data=mail(TEXT)).exit_code == 1
    assert rules("new", "-", "--name", "Not A Name", data=REJECTION).exit_code == 2


def test_json() -> None:
    """The content and what it was made of."""
    found = json.loads(rules("new", "-", "--json", "--phrase", "place was ... else", data=mail(TEXT)).stdout)
    assert found["phrase"] == ["place was", "else"]
    assert found["content"].startswith("# new-rule")
