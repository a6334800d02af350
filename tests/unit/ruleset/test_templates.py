"""Letters that come with the number of their template: what holds in them is what reading them finds."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import count

import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.text import Letter
from gateway.reason import Reason
from gateway.ruleset import ruleset as judging
from gateway.ruleset import templates
from gateway.ruleset.examples import Written, WrittenBody, WrittenText, written_mail
from gateway.ruleset.kept import keep
from gateway.ruleset.load import load_rules
from gateway.ruleset.ruleset import MailView
from gateway.ruleset.sentences import LONGEST_SENTENCE, LONGEST_TEXT
from gateway.ruleset.wording import LONGEST
from tests.unit.ruleset.test_memo import FILES, NAMES, ORDINARY, lines, rules

NUMBERS = count(1)
KEY = b"k" * 32
LINES = (
    "{} 様",
    "この度は弊社の中途採用選考にご応募いただき、誠にありがとうございました。",
    "慎重に選考を重ねました結果、誠に残念ながら、今回は採用を見送らせていただくこととなりました。",
    "{}",
    "末筆ながら、今後のご活躍を心よりお祈り申し上げます。",
    "────────────",
    "株式会社見本 人事部",
)


def letter_of(lines: Sequence[str], letter: Letter, *, subject: str = "選考結果") -> MailView:
    """A mail with this text as it is, said to be of this template."""
    body = WrittenBody(new=Written(text="\n".join(lines)), quoted=Written(text=""))
    text = WrittenText(subject=Written(text=subject), plain=body, letter=letter)
    return written_mail("")._replace(text=text)


def unknown(mail: MailView) -> MailView:
    """The same without its template."""
    assert isinstance(mail.text, WrittenText)
    return mail._replace(text=replace(mail.text, letter=None))


def text_of(mail: MailView) -> str:
    """Its text."""
    assert mail.text.plain is not None
    return mail.text.plain.new.text


def letters(
    first: str, *others: str, lines: Sequence[str] = LINES, subject: str = "選考結果"
) -> list[MailView]:
    """Letters of a new template, one for each piece of text that changes."""
    changing = tuple(at for at, line in enumerate(lines) if "{}" in line)
    letter = Letter(next(NUMBERS), changing)
    return [
        letter_of([line.format(text) for line in lines], letter, subject=subject) for text in (first, *others)
    ]


def test_a_letter_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one with words at the same places is not read, and says what reading says."""
    remembering = rules(KEY)
    mails = letters("山田", "佐藤", "鈴木", "長谷川", "宇都宮")
    wanted = [rules(None).judge(mail) for mail in mails]
    assert wanted[0].matched
    assert remembering.judge(mails[0]) == wanted[0]
    assert remembering.judge(mails[3]) == wanted[3]

    def no_reading(*_: object, **__: object) -> object:
        raise AssertionError("read again")

    monkeypatch.setattr(judging, "Page", no_reading)
    assert [remembering.judge(mail) for mail in mails] == wanted
    assert [keep(remembering.judge(mail)) for mail in mails] == [keep(verdict) for verdict in wanted]
    monkeypatch.setattr("gateway.ruleset.lexicon.Lexicon.has_core", no_reading)
    assert [remembering.judge(mail) for mail in mails] == wanted
    with pytest.raises(AssertionError, match="read again"):
        remembering.judge(unknown(mails[0]))


def test_letters_without_a_core_word_are_known_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts in them, and nothing is looked for: until such a word stands in what changes."""
    remembering = rules(KEY)
    ordinary = ("{} 様", "明日の会議の資料をお送りします。", "どうぞよろしくお願いいたします。", "以上")
    mails = letters("山田", "佐藤", "採用", lines=ordinary, subject="会議")
    assert remembering.book.lexicon.has_core("採用")
    assert remembering.judge(mails[0]).reason is Reason.NO_MATCH

    def no_search(*_: object, **__: object) -> object:
        raise AssertionError("looked for")

    monkeypatch.setattr("gateway.ruleset.lexicon.Lexicon.has_core", no_search)
    assert remembering.judge(mails[1]).pages == ()
    with pytest.raises(AssertionError, match="looked for"):
        remembering.judge(mails[2])
    monkeypatch.undo()
    assert remembering.judge(mails[2]) == rules(None).judge(mails[2])


ODD = [
    "",
    "山田",
    "佐藤 花子",
    "sato",
    "a. miller",
    "3.5",
    "12月3日",
    "11月30日 10:30",
    "at 9:30.",
    "you a great job",
    "採用",
    "不採用ではありません",
    "採用を見送りません。",
    "もし不採用の場合は",
    "「採用を見送る」",
    '"',
    "』",
    "────────",
    "----",
    "-- ",
    "--",
    "-",
    "…………",
    *NAMES,
    f"{NAMES[0]}の山田",
    "あ" * (LONGEST_SENTENCE - 5),
    "あ" * (LONGEST_SENTENCE + 5),
    "あ。" * 200,
    "より多くの",
    "経験のある",
    "方に決めました",
    "[name]",
    "他の方が入る",
    "\ud800",
    *ORDINARY.split()[:5],
    "we regret to inform you that we will not move forward.",
    "。" * 60,
    " " * 300,
]


@cache
def stock() -> list[str]:
    """Lines of letters of every kind."""
    return [*lines(), *ODD, *LINES[1:3], *LINES[4:]]


@given(
    st.lists(st.sampled_from(range(len(stock()))), min_size=2, max_size=9),
    st.sets(st.integers(0, 8), max_size=3),
    st.lists(st.lists(st.sampled_from(range(len(stock()))), min_size=3, max_size=3), min_size=2, max_size=6),
    st.sampled_from([0, 6]),
    st.sampled_from(["", "選考結果", "Your application"]),
)
@also([0] * 3, {1}, [[stock().index("--")] * 3, [0] * 3], 0, "")
def test_whatever_changes(
    rest: list[int],
    changing: set[int],
    changes: list[list[int]],
    far: int,
    subject: str,
) -> None:
    """Any lines, changed into any others, of texts that are short or go on behind what changes."""
    texts = [stock()[at] for at in rest]
    ends = ["いつもお世話になっております。" * 10] * far
    letter = Letter(next(NUMBERS), tuple(sorted(at for at in changing if at < len(texts))))
    for change in changes:
        new = [*texts]
        for at, chosen in zip(letter.changing, change, strict=False):
            new[at] = stock()[chosen]
        mail = letter_of([*new, *ends], letter, subject=subject)
        wanted = rules(None).judge(mail)
        assert rules(KEY).judge(mail) == wanted
        assert rules(KEY).judge(mail) == wanted
        assert keep(rules(KEY).judge(mail)) == keep(wanted)


def test_letters_in_every_mixture() -> None:
    """The same for many letters of few templates, whose lines change into what the packs' examples say."""
    chance = random.Random(20261130)  # noqa: S311 - the same mixtures each time
    for _ in range(40):
        texts = chance.choices(stock(), k=chance.randrange(3, 12))
        letter = Letter(
            next(NUMBERS), tuple(sorted(chance.sample(range(len(texts) - 1), k=min(2, len(texts) - 1))))
        )
        for _ in range(15):
            for at in letter.changing:
                texts[at] = chance.choice(("山田", "佐藤様", "木村太郎", "12月3日", chance.choice(stock())))
            mail = letter_of(texts, letter)
            assert rules(KEY).judge(mail) == rules(None).judge(mail)


@pytest.mark.parametrize(
    "text",
    ["「山田", NAMES[1], "-" * 8, "あ" * LONGEST_SENTENCE, "経験のある方で、より"],
    ids=["quotes", "our name", "a rule", "long", "over the end of the line"],
)
def test_what_else_counts_is_read(text: str) -> None:
    """Where more of a line counts than its words, its letter is read like any other, again and again."""
    remembering = rules(KEY)
    lines = ["{}", "い方に採用の仕事をお願いすることになり、今回は採用を見送ります。", *LINES[4:]]
    (mail,) = letters(text, lines=lines)
    letter = mail.text.letter
    assert letter is not None
    for _ in range(2):
        assert remembering.judge(mail) == rules(None).judge(mail)
        assert remembering.book.templates.held(letter, "選考結果", text_of(mail)) is None


def test_a_line_in_or_behind_the_signature() -> None:
    """Where one changes there, or where the rule itself comes and goes, letters are read."""
    remembering = rules(KEY)
    behind = letters("1", "2", "3", lines=[*LINES[1:], "受付番号 {}"])
    drawn = letters("山田", "", "────", "田中", lines=["{}様", *LINES[1:3], "敬具", "{}", "人事部"])
    for mail in (*behind, *drawn, *drawn, *behind):
        assert remembering.judge(mail) == rules(None).judge(mail)
    letter = behind[0].text.letter
    assert letter is not None
    assert remembering.book.templates.held(letter, "選考結果", text_of(behind[0])) is None


@pytest.mark.parametrize("length", [LONGEST - 200, LONGEST - 3, LONGEST + 100, LONGEST_TEXT - 3])
def test_letters_about_as_long_as_is_read(length: int) -> None:
    """On either side of what wordings and rules look at, the first one being shorter or longer."""
    lines = [
        "{}様",
        *LINES[1:3],
        *["いつもお世話になっております。" * 20] * (length // 301),
        "敬具",
        "人事部",
    ]
    fill = length - len("\n".join(lines))
    lines[-2] += "あ" * (fill % 300)
    for names in (("山田", "長谷川太郎", "長谷川次郎", "佐藤"), ("長谷川太郎", "佐藤", "山田", "長谷川次郎")):
        for mail in letters(*names, lines=lines):
            assert rules(KEY).judge(mail) == rules(None).judge(mail)


def test_dates_are_words_of_a_line() -> None:
    """A letter with a date is known again, whether the date is the same in all of them or changes."""
    remembering = rules(KEY)
    lines = ["{}", "12月3日10:30の面接では、ありがとうございました。", *LINES[2:3], *LINES[4:]]
    for mail in letters("11月30日 山田様", "12月24日 佐藤様", lines=lines):
        assert remembering.judge(mail) == rules(None).judge(mail)
        assert remembering.judge(unknown(mail)) == rules(None).judge(mail)
        assert remembering.book.memo.likeness(text_of(mail), subject="選考結果", quoted="") is not None
    last = letters("11月30日 山田様", "12月24日 佐藤様", lines=lines)
    remembering.judge(last[0])
    letter = last[1].text.letter
    assert letter is not None
    assert remembering.book.templates.held(letter, "選考結果", text_of(last[1])) is not None


def test_who_sends_is_asked_each_time() -> None:
    """The same letter from another sender, to nobody who may get a link."""
    ruleset = load_rules(FILES, config_senders=["*@a.example"], examples=False, key=KEY)
    for mail in letters("山田", "佐藤", "高橋"):
        letter = mail._replace(sender="hr@a.example")
        other = letter._replace(sender="hr@b.example", header_from="")
        assert ruleset.judge(letter).reason is Reason.OBSERVE
        assert ruleset.judge(other).reason is Reason.OUT_OF_SCOPE
        assert ruleset.judge(letter._replace(candidates=())).reason is Reason.NO_CANDIDATE
        assert ruleset.judge(letter._replace(sender="")).reason is Reason.NULL_SENDER
        for one in (letter, other):
            assert ruleset.judge(one) == ruleset.judge(unknown(one))


def test_other_rules_weigh_for_themselves() -> None:
    """What is known of letters is shared with a set of other thresholds, the verdict is not."""
    remembering = rules(KEY)
    stricter = replace(remembering, rules=tuple(replace(rule, threshold=50.0) for rule in remembering.rules))
    for mail in letters("山田", "佐藤"):
        assert remembering.judge(mail).matched
        assert not stricter.judge(mail).matched
        assert not stricter.judge(mail).matched


def test_nothing_of_a_letter_is_kept() -> None:
    """Promise 8: numbers of words and places, and neither a name nor any other text."""
    remembering = rules(KEY)
    for mail in letters("珍名 奇太郎", "珍名 奇次郎"):
        assert remembering.judge(mail).matched
    kept = repr((remembering.book.templates._templates, remembering._verdicts))
    assert remembering._verdicts
    assert not any(ord(character) > 127 for character in kept)


def test_what_is_known_of_letters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is too much all is forgotten, and the verdict stays the same."""
    monkeypatch.setattr(templates, "MOST_KNOWN", 4)
    monkeypatch.setattr(templates, "MOST_KNOWN_PAGES", 9)
    monkeypatch.setattr(judging, "MOST_KNOWN_PAGES", 3)
    remembering = rules(KEY)
    known = remembering.book.templates
    for size in (3, 5, 1, 8, 2, 2, 4, 4):
        for mail in letters("山田", *["木" * length for length in range(1, size)]):
            for _ in range(2):
                assert remembering.judge(mail) == rules(None).judge(mail)
            assert len(known._templates) <= 4
            variants = [each for made in known._templates.values() if made for each in made.variants.values()]
            assert len(variants) + sum(len(each.held) for each in variants) <= 10
            assert len(remembering._verdicts) <= 3
    known._templates.clear()


def test_without_a_secret_nothing_is_remembered() -> None:
    """As with all else."""
    (mail,) = letters("山田")
    rules(None).judge(mail)
    assert not rules(None).book.templates._templates


OWN = """
pack = "own"
[terms.hire]
core = true
words = ["hire"]
[terms.gap]
core = true
patterns = ["x.{3}y"]
[terms.day]
patterns = ["[0-9]{1,2}/[0-9]"]
[terms.job]
core = true
words = ["job"]
[terms.over]
patterns = ["a[^z]{1,3}job"]
[[signal]]
id = "gap"
terms = ["gap"]
strength = "strong"
[[signal]]
id = "job"
terms = ["job"]
strength = "strong"
[[signal]]
id = "hire-day"
terms = ["hire", "day"]
strength = "strong"
[[rule]]
id = "r"
action = "inject"
scope.senders = "any"
"""


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        (
            "（採用を見送らせていただくこととなりました）",
            "『採用を見送らせていただくこととなりました』",
            LINES,
        ),
        (
            "今回はスイセン採用を見送らせていただきます。",
            "今回はリンドウ採用を見送らせていただきます。",
            LINES[3:],
        ),
        ("abcd", "----", ["{}", "ご連絡いたします。" * 99, "-=-=-=-=", "採用を見送ります", "人事部"]),
        ("abcd", "  --", ["{}", "ご連絡いたします。" * 99, "-=-=-=-=", "採用を見送ります", "人事部"]),
        ("abcdef", "-=-=-=", ["ご連絡です", "{}", "採用を見送ります", "────", "人事部"]),
        ("hire 100", "hire 1/0", ["{}", "yours", "hr"]),
        ("hire x. ay", "hire。xabcy", ["{}", "yours", "hr"]),
        ("dear a", "dear c", ["{}", "job", "hr"]),
        ("b", "z", ["dear a", "{}", "job", "hr"]),
    ],
    ids=[
        "quotes",
        "name",
        "rule",
        "dashes",
        "signature",
        "pattern",
        "crossing",
        "over its end",
        "over all of it",
    ],
)
def test_words_alone_do_not_tell(first: str, second: str, lines: Sequence[str]) -> None:
    """Two lines that look the same by their words, and don't say the same: in either order."""
    own = lines[-1] == "hr"
    reading = load_rules({"own.toml": OWN.encode()}) if own else rules(None)
    for texts in ((first, second, first), (second, first, second)):
        remembering = load_rules({"own.toml": OWN.encode()}, key=KEY) if own else rules(KEY)
        mails = letters(*texts, lines=lines, subject="お知らせ")
        assert reading.judge(mails[0]).pages != reading.judge(mails[1]).pages
        for mail in (*mails, *map(unknown, mails)):
            assert remembering.judge(mail) == reading.judge(mail)
            assert remembering.judge(mail) == reading.judge(mail)
