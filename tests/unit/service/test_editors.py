"""Mistakes in rule files, told to those who write them: when, and in which words."""

from email import message_from_bytes
from email import policy as mail_policy

import pytest

from gateway.service.alerts import Letter, compose_alert
from gateway.service.editors import EVERY_SECONDS, Editors, refused_letter
from tests.unit.service.test_notifier import POLICY, Hop, send
from tests.unit.transaction.test_settle import GO, OK

UNIQUE, DATE = "u", "Mon, 05 Jan 2026 09:00:00 +0900"


def composed(letter: Letter) -> tuple[bytes, str]:
    """The mail in its bytes, and the text of it."""
    content = compose_alert(("a@example.co.jp",), letter, policy=POLICY, date=DATE, unique=UNIQUE)
    mail = message_from_bytes(content, policy=mail_policy.default)
    return content, mail.get_content().replace("\r\n", "\n")


# --- when -------------------------------------------------------------------------------------------------


def test_the_first_mistake_is_told_at_once_and_the_next_after_a_while() -> None:
    """What is wrong when the time has come is told, not what was wrong before."""
    now = [100.0]
    editors = Editors(clock=lambda: now[0])
    assert (editors.wait(), editors.take()) == (None, None)
    editors.refused(["one"])
    assert (editors.wait(), editors.take(), editors.take()) == (0.0, ("one",), None)
    now[0] += 60
    editors.refused(["two"])
    assert (editors.wait(), editors.take()) == (EVERY_SECONDS - 60, None)
    editors.refused(["three", "four"])
    now[0] += EVERY_SECONDS - 60
    assert editors.take() == ("three", "four")


def test_what_is_mended_in_the_meantime_is_not_told() -> None:
    """Nobody is called to a fire that is out."""
    now = [0.0]
    editors = Editors(clock=lambda: now[0])
    editors.refused(["one"])
    editors.take()
    editors.refused(["two"])
    editors.good()
    now[0] += EVERY_SECONDS
    assert (editors.wait(), editors.take()) == (None, None)


# --- in which words ---------------------------------------------------------------------------------------


def test_every_mistake_is_named_and_what_to_do() -> None:
    """In both languages; the command that tells all; that mail goes on."""
    _, text = composed(refused_letter(["a.toml: terms.x: has no words", "b.toml: is not TOML"]))
    assert "* a.toml: terms.x: has no words\n* b.toml: is not TOML\n" in text
    assert "last good set stays in force" in text
    assert "これまでのルールがそのまま使われます" in text
    assert text.endswith("careerrelay rules lint DIR\n")


@pytest.mark.parametrize(("mistakes", "told", "more"), [(50, 50, ""), (51, 50, "... and 1 more")])
def test_a_long_list_is_cut(mistakes: int, told: int, more: str) -> None:
    """Fifty, and how many there are besides."""
    _, text = composed(refused_letter([f"mistake {number}." for number in range(mistakes)]))
    assert text.count("* mistake") == told
    assert ("more" in text.splitlines()[-3]) is bool(more)
    assert more in text


def test_no_mistake_however_long_or_strange_breaks_the_mail() -> None:
    """Rule files are anybody's text: no line of it becomes a header, no mark moves the reader's cursor."""
    content, text = composed(refused_letter(["x" * 5_000, "a\r\nBcc: b@example.com", "\x1b[2J\u202e次"]))
    assert "x" * 498 in text
    assert "x" * 501 not in text
    assert "* a??Bcc: b@example.com" in text
    assert "* ?[2J?次" in text
    head, _, body = content.partition(b"\r\n\r\n")
    assert b"Bcc" not in head
    assert content.isascii()
    assert max(map(len, body.split(b"\r\n"))) <= 78


def test_a_subject_is_ascii_whoever_wrote_it() -> None:
    """No encoded word is needed, and none is forged."""
    content, _ = composed(Letter(subject="ルール: mended", lines=("x",), commands=()))
    assert b"\r\nSubject: ???: mended\r\n" in content


async def test_an_address_beyond_ascii_asks_for_smtputf8() -> None:
    """RFC 6531 §3.4: the parameter is said where an address needs it, and only there."""
    hop = Hop(said=[OK, OK], start=GO)
    left, notes = await send(hop, refused_letter(["x"]), ["採用@example.co.jp"])
    assert (left, notes.counts["alerts-mailed"]) == ([], 1)
    assert hop.calls[0] == "MAIL FROM:<> SMTPUTF8"
    plain = Hop(said=[OK, OK], start=GO)
    await send(plain, refused_letter(["x"]), ["a@example.co.jp"])
    assert plain.calls[0] == "MAIL FROM:<>"
