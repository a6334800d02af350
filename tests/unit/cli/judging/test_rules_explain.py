"""``careerrelay rules explain``: each statement with its place, scope, score, and the difference."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.judging.mails import (
    AUTOMATIC,
    ORDINARY,
    REFUSAL,
    REJECTION,
    SIGNED,
    THANKS,
    folder_of_rules,
    mail,
    rules,
)


def told(data: bytes, *words: str | Path) -> dict[str, Any]:
    """What `rules explain --json` says."""
    result = rules("explain", "-", "--json", *words, data=data)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_places() -> None:
    """A signal's line is that of the decoded text, also in HTML and behind line wraps; so are its words."""
    text = f"太郎 様\r\n\r\n{THANKS}\r\n{REFUSAL[:34]}\r\n{REFUSAL[34:]}\r\n"
    for data in (mail(text), mail("<p>" + text.replace("\r\n", "<br>\r\n") + "</p>", kind="text/html")):
        rule = next(one for one in told(data)["rules"] if one["reached"])
        strong = next(one for one in rule["evidence"] if one["text"].startswith("採用"))
        assert strong["strength"] == "strong"
        assert (strong["line"], strong["where"]) == (4, "html" if b"text/html" in data else "plain")
        assert strong["text"] in strong["context"]
        assert rule["reached"] is True
        assert rule["scope"] == {"holds": True, "fails": ""}


def test_the_difference_is_rendered() -> None:
    """The footer with a sample link, line by line; none for a mail that is left alone."""
    found = told(REJECTION)
    assert found["verdict"] == "inject"
    assert any(line.startswith("+https://careerrelay.example/r/0000") for line in found["difference"])
    assert found["candidates"] == ["taro@example.com"]
    left = told(SIGNED)
    assert (left["matched"], left["verdict"], left["difference"]) == (True, "skip", [])


def test_scope_and_what_is_lacking(tmp_path: Path) -> None:
    """A rule whose scope fails names the condition; without a strong signal the others are shown."""
    own = folder_of_rules(tmp_path, "unsuccessful", senders="any")
    rule = (own / "one.toml").read_text("utf-8")
    (own / "one.toml").write_text(
        rule.replace('"any"', '["*@other.example"]')
        + '[terms.thanks]\nwords = ["thank you"]\n'
        + '[[signal]]\nid = "thanks"\nstrength = "weak"\nterms = ["thanks"]\n',
        "utf-8",
    )
    (seen,) = told(mail("Thank you.\r\nUnsuccessful.\r\n"), "--rules", own)["rules"]
    assert seen["scope"] == {"holds": False, "fails": "senders"}
    assert [(one["id"], one["line"]) for one in seen["evidence"]] == [("one/no", 2), ("one/thanks", 1)]
    (seen,) = told(mail("Thank you.\r\n"), "--rules", own)["rules"]
    assert (seen["score"], seen["reached"]) == (0, False)
    assert [one["id"] for one in seen["evidence"]] == ["one/thanks"]
    text = rules("explain", "-", "--rules", own, data=mail("Thank you.\r\n")).stdout
    assert "without a strong signal nothing else counts" in text
    assert "scope: fails (senders)" in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (REJECTION, ["matched, inject", "採用を見送", "scope: holds", "+https://"]),
        (SIGNED, ["matched, skip: dkim"]),
        (ORDINARY, ["not matched, none: no-match"]),
        (AUTOMATIC, ["auto-reply", "no rule is asked"]),
        (mail(f"{THANKS}{REFUSAL}\r\n", to="a\x1b[2J@example.com"), ["matched"]),
    ],
)
def test_for_a_terminal(data: bytes, words: list[str]) -> None:
    """Readable, and nothing that a mail says talks to the terminal."""
    result = rules("explain", "-", data=data)
    assert result.exit_code == 0
    for word in words:
        assert word in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_wrong_usage(tmp_path: Path) -> None:
    """A missing file is an error, an address that is none wrong usage."""
    assert rules("explain", tmp_path / "missing.eml").exit_code == 1
    assert rules("explain", "-", "--to", "nobody", data=b"").exit_code == 2
