import itertools

import pytest

from gateway.smtp.fold import Fate, Notice, Outcome, fold, is_mixed
from gateway.smtp.reply import Reply

TAKEN = Outcome(Fate.TAKEN, Reply.of(250, "2.0.0", "queued as A"))
TAKEN_LAST = Outcome(Fate.TAKEN, Reply.of(250, "2.0.0", "queued as B"))
REFUSED = Outcome(Fate.REFUSED, Reply.of(550, "5.1.1", "first"))
REFUSED_TOO = Outcome(Fate.REFUSED, Reply.of(554, "5.7.1", "second"))
PUT_OFF = Outcome(Fate.PUT_OFF, Reply.of(450, "4.2.0", "later"))
UNKNOWN = Outcome(Fate.UNKNOWN, Reply.of(451, "4.4.2", "unknown"))
ELSEWHERE = Outcome(Fate.ELSEWHERE, Reply.of(451, "4.3.0", "elsewhere"))


@pytest.mark.parametrize(
    ("code", "fate"),
    [(250, Fate.TAKEN), (251, Fate.TAKEN), (354, Fate.PUT_OFF), (450, Fate.PUT_OFF), (550, Fate.REFUSED)],
)
def test_fate_of(code: int, fate: Fate) -> None:
    """2xx is taken, 5xx is refused, everything else is transient."""
    assert Fate.of(Reply(code, (b"",))) is fate


@pytest.mark.parametrize(
    ("outcomes", "reply"),
    [
        ([TAKEN], "250 2.0.0 queued as A"),
        ([TAKEN, TAKEN_LAST], "250 2.0.0 queued as B"),
        ([PUT_OFF], "450 4.2.0 later"),
        ([UNKNOWN], "451 4.4.2 unknown"),
        ([ELSEWHERE], "451 4.3.0 elsewhere"),
        ([PUT_OFF, PUT_OFF, PUT_OFF], "450 4.2.0 later"),
        ([UNKNOWN, UNKNOWN], "451 4.4.2 unknown"),
        ([PUT_OFF, UNKNOWN], "451 4.3.0 0 of 2 taken, try again for the rest"),
        ([TAKEN, PUT_OFF, TAKEN, TAKEN, UNKNOWN], "451 4.3.0 3 of 5 taken, try again for the rest"),
        ([REFUSED, ELSEWHERE], "451 4.3.0 0 of 2 taken, try again for the rest"),
        ([REFUSED], "550 5.1.1 first"),
        ([REFUSED, REFUSED_TOO], "550 5.1.1 first"),
        ([REFUSED_TOO, TAKEN, REFUSED, TAKEN_LAST], "250 2.0.0 queued as B"),
    ],
)
def test_table(outcomes: list[Outcome], reply: str) -> None:
    """The rows of SMTP.md, "Several recipients, one reply", for a sender that wants no notice."""
    assert str(fold(outcomes)) == reply


@pytest.mark.parametrize(
    ("notice", "reply"),
    [
        (Notice.UNWANTED, "250 2.0.0 queued as A"),
        (Notice.TAKEN, "250 2.0.0 queued as A"),
        (Notice.PUT_OFF, "451 4.3.0 1 of 3 taken, failure notice not yet; try again"),
        (Notice.REFUSED, "554 5.3.0 Delivered to: a@x.test / 5.3.0 Refused for: b@x.test, \\u592a@x.test"),
    ],
)
def test_mixed(notice: Notice, reply: str) -> None:
    """Some taken and the rest refused: the failure notice's fate decides."""
    outcomes = [TAKEN, REFUSED, REFUSED_TOO]
    assert str(fold(outcomes, notice, names=["a@x.test", "b@x.test", "太@x.test"])) == reply


def test_names_may_be_missing() -> None:
    """Without names the recipients are counted, in the order of RCPT."""
    assert fold([REFUSED, TAKEN], Notice.REFUSED).lines == (
        b"5.3.0 Delivered to: recipient 2",
        b"5.3.0 Refused for: recipient 1",
    )


def test_is_mixed() -> None:
    """Only where some were taken, and all the rest refused."""
    assert is_mixed([TAKEN, REFUSED])
    assert not any(
        is_mixed(case) for case in ([TAKEN], [REFUSED], [TAKEN, PUT_OFF], [TAKEN, REFUSED, UNKNOWN])
    )


def test_every_name_is_told() -> None:
    """Who has it and who has not fits in lines of RFC 5321 §4.5.3.1.5, for a hundred long addresses too."""
    names = [f"candidate-number-{number:03}@department.example.co.jp" for number in range(100)]
    outcomes = [TAKEN if number % 3 else REFUSED for number in range(100)]
    reply = fold(outcomes, Notice.REFUSED, names=names)
    assert max(len(line) for line in reply.wire.split(b"\r\n")) <= 510
    text = " ".join(line.removeprefix(b"5.3.0 ").strip().decode() for line in reply.lines)
    has, _, has_not = text.removeprefix("Delivered to: ").partition(" Refused for: ")
    assert has.split(", ") == [name for number, name in enumerate(names) if number % 3]
    assert has_not.split(", ") == [name for number, name in enumerate(names) if not number % 3]


def test_names_are_bounded() -> None:
    """However many and long the names: lines that a reply may have, and not more than any reader takes."""
    names = [f"{number:04}" + "x" * 900 for number in range(1000)]
    reply = fold([TAKEN, *[REFUSED] * 999], Notice.REFUSED, names=names)
    assert max(len(line) for line in reply.wire.split(b"\r\n")) <= 510
    assert len(reply.lines) == 42
    assert reply.lines[-1] == b"5.3.0 and 959 more"


def test_nobody_is_left_without_the_mail() -> None:
    """For every mix of fates: 2xx only where nobody is owed a copy or a notice, 5xx where no copy is owed."""
    every = [TAKEN, REFUSED, PUT_OFF, UNKNOWN, ELSEWHERE]
    for count in (1, 2, 3):
        for outcomes in itertools.product(every, repeat=count):
            for notice in Notice:
                reply = fold(outcomes, notice)
                fates = {outcome.fate for outcome in outcomes}
                if fates & {Fate.PUT_OFF, Fate.UNKNOWN, Fate.ELSEWHERE}:
                    assert reply.transient
                elif fates == {Fate.TAKEN}:
                    assert reply.positive
                elif fates == {Fate.REFUSED}:
                    assert reply.permanent
                else:
                    kind = {Notice.PUT_OFF: reply.transient, Notice.REFUSED: reply.permanent}
                    assert kind.get(notice, reply.positive)
