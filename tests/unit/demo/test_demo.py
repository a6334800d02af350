"""The demo shows what happened, ends by itself, and says so where something did not become what it should."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.demo import demo
from gateway.demo import stage
from gateway.demo.samples import SAMPLES

STAND_IN = Path(__file__).with_name("stand_in.py")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> "Run":
    """The command, with a stand-in for the gateway."""
    return Run(monkeypatch)


class Run:
    """Call it with the stand-in's mode and the command's options."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))

    def __call__(self, mode: str, *options: str) -> Result:
        """Run it; exit code, output and errors."""
        self.monkeypatch.setattr(
            stage, "_program", lambda *words: [sys.executable, str(STAND_IN), mode, *words]
        )
        return CliRunner().invoke(demo, options)


def test_shows_every_mail_and_the_ledger(run: Run) -> None:
    """One verdict a mail, the differences, the rows, the sum; exit 0."""
    result = run("good")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("● ") == sum(sample.linked for sample in SAMPLES)
    assert result.stdout.count("○ left as it came   reason: no-match") == sum(
        not sample.linked for sample in SAMPLES
    )
    assert all(sample.file in result.stdout for sample in SAMPLES)
    for text in (
        "[next_hop]", "選考結果のご連絡", "3 links added, one for each candidate   reason: injected",
        "    + Received: here",
        "\nthe rows\n", "11 mails in, 14 out: 6 with links (8 in all, one a candidate), 5 left as they came",
        "+ X-Link: https://careerrelay.example/r/00000000000000000000000001",
        "10 candidates register", "10 new and counted", "forged signature → 401", "the statement",
    ):  # fmt: skip
        assert text in result.stdout


def test_brief_has_no_differences(run: Run) -> None:
    """Verdicts only."""
    result = run("good", "--brief")
    assert (result.exit_code, "Received:" in result.stdout.replace("one Received: field", "")) == (0, False)


def test_keeps_what_arrived(run: Run) -> None:
    """With --keep the folder is named and holds config and mails; without, nothing is left."""
    result = run("good", "--brief", "--keep")
    folder = Path(result.stdout.rpartition("Kept: ")[2].strip())
    assert len(list(folder.glob("arrived-*.eml"))) == 14
    assert (folder / "careerrelay.toml").exists()
    result = run("good", "--brief")
    assert "Kept" not in result.stdout


def test_says_which_mail_went_wrong(run: Run) -> None:
    """A gateway that links nothing: exit 1, each rejection named."""
    result = run("blind", "--brief")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"  {sample.file} did not become what it should" for sample in SAMPLES if sample.linked
    ]


@pytest.mark.parametrize(
    ("mode", "options", "text"),
    [
        ("dead", (), "the gateway ended instead of getting ready"),
        ("mute", ("--timeout", "4"), "not done after 4 s"),
    ],
)
def test_ends_when_the_gateway_fails(run: Run, mode: str, options: tuple[str, ...], text: str) -> None:
    """A gateway that dies or hangs ends the demo with its last words, exit 1."""
    result = run(mode, *options)
    assert result.exit_code == 1
    assert text in result.stderr
    assert {"dead": "  | no luck today", "mute": "  | starting"}[mode] in result.stderr


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("mail reason=smime held_ms=0.1", {"reason": "smime"}),
        ("reason=injected rule=ja score=1.6 x=y", {"reason": "injected", "rule": "ja", "score": "1.6"}),
        ('reason="has-link"', {"reason": "has-link"}),
        ("worker ends reason:calendar=1", {}),
        ("unreasonable=x rule=y", {}),
        ("ready", {}),
    ],
)
def test_verdict_in_a_line_of_the_log(line: str, verdict: dict[str, str]) -> None:
    """Reason, rule and score; nothing where the line is about something else."""
    assert stage.verdict_in(line) == verdict


def test_samples_are_mails_with_crlf() -> None:
    """Every file is there, ends with CRLF and has no bare CR or LF, whatever checked it out."""
    for sample in SAMPLES:
        content = sample.content()
        assert content.endswith(b"\r\n")
        assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")


def test_the_real_gateway() -> None:
    """The demo as its users run it: every mail becomes what it should, every link stands in the ledger."""
    result = CliRunner().invoke(demo, ())
    assert (result.exit_code, result.stderr) == (0, "")
    links = set(
        re.findall(r"\+ https://careerrelay\.example/r/([0-9a-z]{26})|/r/([0-9a-z]{26})$", result.stdout)
    )
    rows = result.stdout.rpartition("careerrelay sends list")[2]
    assert "→ 200: 10 new and counted" in rows
    assert "→ 200: 10 known and counted" in rows
    assert "counted: a send fits; a referral" in rows
    assert "0 ->     10  Referrals" in rows
    assert "0 ->      1  Slots granted" in rows
    assert all(token in rows for pair in links for token in pair if token)
    assert "6 with links (8 in all, one a candidate), 5 left as they came" in rows
