"""``careerrelay rules test``: one JSON line a mail, by RULES.md's meaning of "matched"."""

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

KEYS = ["file", "matched", "verdict", "rule", "score", "threshold", "reason"]
SMIME = (
    b"From: hr@example.co.jp\r\nTo: taro@example.com\r\nSubject: Result\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b\r\n\r\n--b\r\n'
    b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + f"{THANKS}\r\n{REFUSAL}\r\n".encode()
    + b"--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nAA\r\n--b--\r\n"
)


def judged(data: bytes, *words: str | Path) -> dict[str, Any]:
    """The line about one mail from standard input."""
    result = rules("test", "-", *words, data=data)
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert list(found) == KEYS
    return dict(found)


@pytest.mark.parametrize(
    ("data", "words", "matched", "verdict", "reason"),
    [
        (REJECTION, [], True, "inject", "injected"),
        (REJECTION.replace(b"\r\n", b"\n"), [], True, "inject", "injected"),
        (ORDINARY, [], False, "none", "no-match"),
        # signed, defect, own link: left alone, and matched all the same
        (SIGNED, [], True, "skip", "dkim"),
        (SMIME, [], True, "skip", "smime"),
        (mail(head=b"no colon here\r\n"), [], True, "skip", "defect"),
        (mail(f"{THANKS}{REFUSAL}\r\nhttps://careerrelay.example/r/x\r\n"), [], True, "skip", "has-link"),
        # a null sender and an automatic reply never match
        (REJECTION, ["--from", "<>"], False, "none", "null-sender"),
        (AUTOMATIC, [], False, "none", "auto-reply"),
        (mail(head=b"X-Autoreply: yes\r\n"), [], False, "none", "auto-reply"),
        (
            mail(head=b"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n"),
            [],
            True,
            "inject",
            "injected",
        ),
        # the sender's domain is the company's
        (REJECTION, ["--to", "colleague@example.co.jp"], False, "none", "no-candidate"),
        (REJECTION, ["--to", "colleague@example.co.jp", "--to", "x@example.com"], True, "inject", "injected"),
        (REJECTION, ["--from", "hr@example.com"], False, "none", "no-candidate"),
    ],
)
def test_verdicts(data: bytes, words: list[str], *, matched: bool, verdict: str, reason: str) -> None:
    """What the rules say and what would be done are two things; the envelope is the header's or as given."""
    found = judged(data, *words)
    assert (found["matched"], found["verdict"], found["reason"]) == (matched, verdict, reason)
    if matched:
        assert found["rule"] == "ja-rejection"
        assert found["score"] >= found["threshold"] > 0


def test_files_are_named_as_they_were_given(tmp_path: Path) -> None:
    """A file by its name, what is in a folder below the folder's; each has its line, in order."""
    (tmp_path / "b.eml").write_bytes(REJECTION)
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.eml").write_bytes(ORDINARY)
    (tmp_path / "many").write_bytes(b"From x\r\n" + ORDINARY + b"\r\nFrom x\r\n" + REJECTION)
    result = rules("test", tmp_path / "b.eml", tmp_path / "box", tmp_path / "many", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["file"], line["matched"]) for line in lines] == [
        (str(tmp_path / "b.eml"), True),
        (str(tmp_path / "box" / "a.eml"), False),
        (f"{tmp_path / 'many'}#0", False),
        (f"{tmp_path / 'many'}#1", True),
    ]


def test_other_conditions_of_a_scope_hold(tmp_path: Path) -> None:
    """Without a config the sender counts as one of [rules] senders; the own list of a rule is a condition."""
    own = folder_of_rules(tmp_path / "own", "unsuccessful")
    assert judged(mail("Unsuccessful.\r\n"), "--rules", own)["verdict"] == "inject"
    rule = (own / "one.toml").read_text("utf-8")
    (own / "one.toml").write_text(rule.replace('"config"', '["*@other.example"]'), "utf-8")
    found = judged(mail("Unsuccessful.\r\n"), "--rules", own)
    assert (found["matched"], found["reason"], found["rule"]) == (False, "out-of-scope", "one-word")
    # the From field is a sender too, its display name apart
    found = judged(
        mail("Unsuccessful.\r\n", sender='"O, T." <t@other.example>'), "--rules", own, "--from", "v@a.example"
    )
    assert found["matched"] is True


def test_a_mail_that_cannot_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs the exit code, and no other mail its line."""
    (tmp_path / "a.eml").write_bytes(REJECTION)
    monkeypatch.setattr("gateway.cli.judging.judge.exemption", lambda *_, **__: 1 / 0)
    result = rules("test", tmp_path / "a.eml", tmp_path / "a.eml")
    assert result.exit_code == 1
    assert [json.loads(line)["reason"] for line in result.stdout.splitlines()] == ["internal-fault"] * 2
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize("words", [["-", "--to", "nobody"], ["missing.eml"], []])
def test_wrong_usage(words: list[str]) -> None:
    """Exit 2, with what is wrong."""
    assert rules("test", *words, data=b"").exit_code == 2
