"""What is remembered of letters that read alike: the same verdict as reading them, and no text kept."""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from gateway.reason import Reason
from gateway.ruleset import memo, runs
from gateway.ruleset import ruleset as judging
from gateway.ruleset.examples import Written, WrittenBody, WrittenText, written_mail
from gateway.ruleset.load import load_rules
from gateway.ruleset.rule import Rule
from gateway.ruleset.ruleset import MailView, Ruleset, words_of
from gateway.ruleset.sentences import LONGEST_SENTENCE

RULES = Path(__file__).parents[3] / "rules"
FILES = {path.name: path.read_bytes() for path in sorted(RULES.glob("*.toml"))}
NAMES = ("株式会社サンプル", "リンドウ採用")

REJECTION = """
{name} 様

この度は弊社の中途採用選考にご応募いただき、誠にありがとうございました。
慎重に選考を重ねました結果、誠に残念ながら、今回は採用を見送らせていただくこととなりました。
末筆ながら、{name}様の今後のご活躍を心よりお祈り申し上げます。

株式会社サンプル 人事部
"""


@cache
def rules(key: bytes | None) -> Ruleset:
    """All rules, for any sender."""
    footers = {"default-ja", "default-en"}
    return load_rules(FILES, footers=footers, names=NAMES, examples=False, key=key).anybody()


@pytest.fixture(scope="module")
def remembering() -> Ruleset:
    """Rules that remember."""
    return rules(b"k" * 32)


@pytest.fixture(scope="module")
def reading() -> Ruleset:
    """The same rules, that remember nothing."""
    return rules(None)


def lines() -> list[str]:
    """Lines of letters of every kind: those of the examples in the packs."""
    found: dict[str, None] = {}
    for content in FILES.values():
        for example in tomllib.loads(content.decode()).get("example", ()):
            found |= dict.fromkeys(line for line in example.get("text", "").splitlines() if line.strip())
    return [*found, *ORDINARY.split()]


ORDINARY = """
書類選考の結果、ぜひ面接にお越しいただきたくご連絡いたしました。
採用の可否につきましては、後日あらためてご連絡いたします。
ご希望に沿えない場合もございますので、あらかじめご了承ください。
今回は残念ながら、ご提案を見送らせていただきます。
もし採用を見送る場合は、応募書類を返却いたします。
皆様の今後のご活躍をお祈り申し上げます。
不採用の方には、合否にかかわらずご連絡いたします。
お預かりした応募書類は弊社にて責任をもって破棄いたします。
内定をお出しすることとなりました。
別の職種でしたらご案内できますが、ご興味はございますか。
"""


def letters() -> Iterator[MailView]:
    """Letters made of those lines, in every mixture: names, quotation marks, signatures, quoted text."""
    chance = random.Random(20261129)  # noqa: S311 - the same mixtures each time
    stock = lines()
    assert len(stock) > 40
    assert any("見送" in line for line in stock)
    names = ("山田", "佐々木", "長谷川 太郎", "李", "Sato", "A. Miller")
    ends = ("", "\n-- \n人事部\n", "\n────────\n株式会社サンプル 採用係\n", "\n--------\nHR, Sample K.K. 3.5")
    for number in range(400):
        chosen = chance.choices(stock, k=chance.randrange(1, 9))
        for twist in range(3):
            name = chance.choice(names)
            text = ("\n" if number % 3 == 0 else "\n\n").join([f"{name}様", *chosen])
            if number % 5 == 0:
                text = text.replace("採用", "「採用" if twist else "「採用を見送ります。次回もぜひ」採用", 1)
            if number % 7 == 0:
                text += f"\n{NAMES[0]}の{name}"
            if number % 11 == 0:
                text = text.replace("\n", " ")
            yield written_mail(
                text + ends[number % len(ends)],
                subject=("", "選考結果のご連絡", "Your application")[number % 3],
                quoted=chosen[0] if number % 4 == 0 else "",
            )


def test_the_verdict_is_that_of_reading(remembering: Ruleset, reading: Ruleset) -> None:
    """Score, rule, reason and every piece of evidence at its place, whichever letters came before."""
    matched = 0
    for letter in letters():
        wanted = reading.judge(letter)
        assert remembering.judge(letter) == wanted
        assert remembering.explain(letter) == reading.explain(letter)
        matched += wanted.matched
    assert matched > 50


REFUSAL = "慎重に選考を重ねた結果今回は採用を見送らせていただくこととなりました"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f"『{REFUSAL}』と書いておきました。", f"（{REFUSAL}）と書いておきました。"),
        ("今回はリンドウ採用を見送らせていただきます。", "今回はスイセン採用を見送らせていただきます。"),
        ("あ" * 100 + REFUSAL, "あ" * (LONGEST_SENTENCE - 20) + REFUSAL),
    ],
    ids=["quotation marks", "our own name", "cut at a length"],
)
def test_words_alone_do_not_tell(remembering: Ruleset, reading: Ruleset, first: str, second: str) -> None:
    """Two lines with the same words at the same distances, that don't say the same."""
    thanks = "この度は弊社の中途採用選考にご応募いただき、ありがとうございました。"
    one, other = (written_mail(f"{thanks}\n\n{line}\n\n敬具") for line in (first, second))
    assert scores(reading, one) != scores(reading, other)
    for letter in (one, other, one):
        assert remembering.explain(letter) == reading.explain(letter)


def scores(ruleset: Ruleset, letter: MailView) -> list[object]:
    """What each rule makes of it."""
    return [(seen.score, [hit.id for hit in seen.hits]) for seen in ruleset.explain(letter)]


def test_a_template_is_read_once(remembering: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second letter to another person needs no reading, and its evidence is its own text's."""
    remembering.judge(written_mail(REJECTION.format(name="山田")))

    def no_reading(*_: object, **__: object) -> object:
        raise AssertionError("read again")

    monkeypatch.setattr("gateway.ruleset.page.Reading", no_reading)
    letter = written_mail(REJECTION.format(name="佐藤"))
    verdict = remembering.judge(letter)
    assert verdict.matched
    assert letter.text.plain is not None
    text = letter.text.plain.new.text
    assert all(
        text[hit.start : hit.end] == words_of(hit, letter.text)
        for hit in verdict.evidence
        if hit.where == "plain"
    )
    with pytest.raises(AssertionError, match="read again"):
        remembering.judge(written_mail(REJECTION.format(name="佐藤").replace("見送", "「見送")))


TEMPLATE = REJECTION + "\n採用グループの者でございます。\n\n担当 {name}\n"


def test_the_lines_of_a_template_are_looked_up_together(
    remembering: Ruleset, reading: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has shown which of its lines change: a greeting, one in the middle, and the last one."""
    letters = [written_mail(TEMPLATE.format(name=name), subject="選考結果") for name in "甲乙丙丁"]
    wanted = [reading.judge(letter) for letter in letters]
    for letter in letters[:2]:
        remembering.judge(letter)

    def one_by_one(*_: object, **__: object) -> object:
        raise AssertionError("line by line")

    monkeypatch.setattr(memo.Memo, "likeness", one_by_one)
    assert [remembering.judge(letter) for letter in letters] == wanted
    with pytest.raises(AssertionError, match="line by line"):
        remembering.judge(written_mail(TEMPLATE.format(name="甲"), subject="選考の話"))
    with pytest.raises(AssertionError, match="line by line"):
        remembering.judge(written_mail(TEMPLATE.format(name="甲"), subject="選考結果", quoted="乙"))


@given(
    st.lists(
        st.sampled_from([*ORDINARY.split(), *REJECTION.format(name="山田").split()]), min_size=2, max_size=8
    ),
    st.lists(
        st.dictionaries(
            st.integers(0, 9),
            st.sampled_from(
                ["", "山田様", "-- ", "────────", "「", "」", "と言った。", *ORDINARY.split()[:4]]
            ),
            max_size=5,
        ),
        min_size=2,
        max_size=6,
    ),
)
@also(
    ["今回は採用を見送らせていただきます。"] * 6,
    [{0: "甲様", 5: "乙"}, {1: "甲様", 5: "丙"}, {2: "────────", 5: "丁"}],
)
def test_whichever_lines_change(lines: list[str], changes: list[dict[int, str]]) -> None:
    """Letters of one template say what they say, with any of its lines replaced, in any order."""
    for change in changes:
        text = "\n\n".join(change.get(at, line) for at, line in enumerate(lines))
        letter = written_mail(text, subject="選考結果のご連絡")
        assert rules(b"k" * 32).judge(letter) == rules(None).judge(letter)
        assert rules(b"k" * 32).explain(letter) == rules(None).explain(letter)


@pytest.mark.parametrize("length", [0, 1, 2047, 2048, 2049, 4094, 4095, 30_000])
def test_the_hash_is_that_of_all_octets(length: int) -> None:
    """In however many steps it is made."""
    made = rules(b"k" * 32).book.memo.hashed("a" * length)
    assert made == blake2b(b"a" * length, digest_size=16, key=b"k" * 32).digest()


def test_how_letters_of_a_template_read_as_a_whole(
    remembering: Ruleset, reading: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short or long, with little or much around the line that changes, and with few or many templates."""
    remembering.book.runs._known.clear()
    monkeypatch.setattr(runs, "MOST_KNOWN", 2)
    body = REJECTION.format(name="山田")
    templates = (
        f"{{}}番\n{body}",
        f"{{}}番\n{body}敬具\n────────\n採用係\n電話 1-2-3",
        f"{{}}番\n{' ' * 300}\n{body}",
        f"{{}}番\n{body}{'。' * 5_000}",
    )
    for _ in range(2):
        for template in templates:
            for number in range(4):
                letter = letter_of(template.format(number), subject="選考結果")
                assert remembering.judge(letter) == reading.judge(letter)
                assert len(remembering.book.runs._known) <= 2


def letter_of(text: str, *, subject: str) -> MailView:
    """A letter with this text as it is, not normalised."""
    body = WrittenBody(new=Written(text=text), quoted=Written(text=""))
    return written_mail("", subject=subject)._replace(
        text=WrittenText(subject=Written(text=subject), plain=body)
    )


def test_a_core_word_of_a_template_is_not_looked_for_again(
    remembering: Ruleset, reading: Ruleset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it stands in the signature alone, which may be another one in the next letter."""
    text = "{name} 様\n\n本日はよろしくお願いいたします。\n\n────────\n{team}"
    hiring, other = (
        [written_mail(text.format(name=name, team=team)) for name in "甲乙丙"]
        for team in ("採用係", "総務部")
    )
    assert remembering.book.lexicon.has_core("採用係")
    for letter in (*hiring, *other, *hiring):
        assert remembering.judge(letter) == reading.judge(letter)
    for name in "丁戊":
        remembering.judge(written_mail(REJECTION.format(name=name)))

    def no_search(*_: object, **__: object) -> object:
        raise AssertionError("looked for")

    letter = written_mail(REJECTION.format(name="己"))
    monkeypatch.setattr("gateway.ruleset.lexicon.Lexicon.has_core", no_search)
    assert remembering.judge(letter).matched
    with pytest.raises(AssertionError, match="looked for"):
        remembering.judge(other[0])


def test_a_template_is_weighed_once(remembering: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found in it is not weighed again for another person; by other rules it is."""
    remembering.judge(written_mail(REJECTION.format(name="山田")))
    stricter = replace(remembering, rules=tuple(replace(rule, threshold=50.0) for rule in remembering.rules))

    def no_weighing(*_: object, **__: object) -> object:
        raise AssertionError("weighed again")

    letter = written_mail(REJECTION.format(name="佐藤"))
    assert not stricter.judge(letter).matched
    monkeypatch.setattr(Rule, "weigh", no_weighing)
    assert remembering.judge(letter).matched
    assert not stricter.judge(letter).matched


def test_who_sends_is_asked_each_time() -> None:
    """The same letter, known by then, from another sender or to nobody who may get a link."""
    ruleset = load_rules(FILES, config_senders=["*@a.example"], examples=False, key=b"k" * 32)
    letter = written_mail(REJECTION.format(name="山田"), sender="hr@a.example")
    other = letter._replace(sender="hr@b.example", header_from="")
    for _ in range(3):
        assert ruleset.judge(letter).reason is Reason.OBSERVE
        assert ruleset.judge(other).reason is Reason.OUT_OF_SCOPE
        assert ruleset.judge(letter._replace(candidates=())).reason is Reason.NO_CANDIDATE


def test_nothing_of_a_mail_is_kept(remembering: Ruleset) -> None:
    """Promise 8: what is remembered holds hashes and numbers, and neither a name nor any other text."""
    remembering.judge(written_mail(REJECTION.format(name="珍名 奇太郎")))
    known = remembering.book.memo
    kept = repr((known._lines, known._shapes, known._pages, known._templates, known._changing))
    assert known._templates
    kept += repr([[one.grounds for one in made] for made in remembering._weighed.values()])
    assert remembering._weighed
    assert "珍" not in kept
    assert not any(ord(character) > 127 for character in kept)


def test_what_is_remembered_is_bounded(remembering: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is too much all is forgotten, and the verdict stays the same."""
    monkeypatch.setattr(memo, "MOST_KNOWN_LINES", 20)
    monkeypatch.setattr(memo, "MOST_KNOWN_PAGES", 5)
    monkeypatch.setattr(judging, "MOST_KNOWN_PAGES", 5)
    for number in range(60):
        text = REJECTION.format(name="山" * (number % 7 + 1)) + f"{number}番\n" * (number % 9)
        assert remembering.judge(written_mail(text)).matched
        assert len(remembering.book.memo._pages) <= 5
        assert len(remembering._weighed) <= 5
        assert len(remembering.book.memo._changing) <= len(remembering.book.memo._templates) <= 5
        assert len(remembering.book.memo._lines) <= 20 + memo.MOST_LINES


def test_a_text_of_too_many_lines_is_read(remembering: Ruleset, reading: Ruleset) -> None:
    """What is no letter is not taken apart line by line."""
    letter = written_mail(REJECTION.format(name="山田") + "行\n\n" * memo.MOST_LINES)
    text = letter.text.plain.new.text if letter.text.plain is not None else ""
    assert remembering.book.memo.likeness(text, subject="", quoted="") is None
    assert remembering.judge(letter) == reading.judge(letter)
