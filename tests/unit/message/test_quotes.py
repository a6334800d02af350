"""Newly written text is told from what was quoted, for the programs that people use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import quotes
from gateway.message.quotes import Division, all_quoted, divide, may_quote

NEW = "山田様\r\n\r\n残念ながら採用を見送ります。\r\n-- \r\n人事部\r\n\r\n"

ORIGINALS = {
    "outlook-en": "-----Original Message-----\r\nFrom: Taro <t@example.com>\r\nSent: Monday\r\n\r\nold\r\n",
    "outlook-ja": "-----元のメッセージ-----\r\n差出人: 山田\r\n送信日時: 2024年1月5日\r\n\r\nold\r\n",
    "outlook-rule": "________________________________\r\nFrom: Taro\r\nSent: Friday\r\nTo: HR\r\nold\r\n",
    "exchange-ja": "差出人: 山田 太郎 <t@example.com>\r\n送信日時: 2024年1月5日 10:00\r\n宛先: 人事\r\n件名: 応募\r\n\r\nold\r\n",  # noqa: E501 - as it is written
    "exchange-from-date": "From: Taro Yamada\r\nDate: Friday, 5 January 2024\r\nTo: HR\r\n\r\nold\r\n",
    "gmail-bold": "*From:* Taro <t@example.com>\r\n*Sent:* Friday\r\n\r\nold\r\n",
    "gmail-en": "On Fri, Jan 5, 2024 at 10:00 AM Taro Yamada <t@example.com> wrote:\r\n\r\n> old\r\n> older\r\n",  # noqa: E501 - as it is written
    "gmail-en-wrapped": "On Fri, Jan 5, 2024 at 10:00 AM Taro Yamada <\r\nt@example.com> wrote:\r\n\r\n> old\r\n",  # noqa: E501 - as it is written
    "gmail-ja": "2024年1月5日(金) 10:00 山田 太郎 <t@example.com>:\r\n\r\n> old\r\n",
    "gmail-forward": "---------- Forwarded message ---------\r\nFrom: Taro <t@example.com>\r\nold\r\n",
    "apple-ja": "2024/01/05 10:00、山田 太郎 <t@example.com>のメール:\r\n\r\n> old\r\n",
    "apple-forward": "Begin forwarded message:\r\n\r\nFrom: Taro <t@example.com>\r\n\r\nold\r\n",
    "apple-forward-ja": "転送されたメッセージ:\r\n\r\n差出人: 山田\r\n\r\nold\r\n",
    "thunderbird-en": "On 2024/01/05 10:00, Taro Yamada wrote:\r\n> old\r\n",
    "thunderbird-ja": "山田 太郎 さんは書きました:\r\n> old\r\n",
    "thunderbird-forward": "-------- Forwarded Message --------\r\nSubject: x\r\nold\r\n",
    "becky": "On Fri, 05 Jan 2024 10:00:00 +0900\r\nTaro Yamada <t@example.com> wrote:\r\n\r\n> old\r\n",
    "carrier": "----- 元のメッセージ -----\r\n送信者: 山田\r\nold\r\n",
    "carrier-en": "---- Original Message ----\r\nold\r\n",
    "full-width": "＞ old\r\n＞ older\r\n",
    "bare": "> old\r\n>> older\r\n>\r\n> old\r\n",
    "phone": "差出人：山田\r\n件名：応募\r\nold\r\n",
}


TELL_TALES = (
    ">", "＞", "Original", "ORIGINAL", "Forwarded", "From", "FROM", "Reply ", "Message from", "メッセージ",
    "メール：", "メール---", "転送", "差出人", "送信者", "送信元", "発信者", "発信元", "wrote", "書きました",
)  # fmt: skip


@pytest.mark.parametrize("word", TELL_TALES)
def test_what_tells_a_quote_has_a_sign(word: str) -> None:
    """The first search, for single characters, passes nothing over that the second would find."""
    assert quotes._TELL_TALE.fullmatch(word[:4] if word.startswith("メール") else word)
    assert any(sign in word for sign in quotes._SIGNS)


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_below(name: str) -> None:
    """The new text ends where the original, with the line that introduces it, begins."""
    text = NEW + ORIGINALS[name]
    division = divide(text)
    assert division.new_end == len(NEW)
    assert "".join(text[start:end] for start, end in division.new).strip() == NEW.strip()
    assert "old" in "".join(text[start:end] for start, end in division.quoted)


@pytest.mark.parametrize("name", ORIGINALS)
def test_nothing_but_an_original(name: str) -> None:
    """A forward without a word of one's own has no new text, and its place is the top."""
    division = divide(ORIGINALS[name])
    assert division.new_end == 0
    assert "".join(ORIGINALS[name][start:end] for start, end in division.new).strip() == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        NEW,
        "ご連絡は <hr@example.co.jp> まで。\r\n2024年1月5日(金) 10:00 より面接:\r\n",
        "From our side: no.\r\nBest regards\r\n",
        "このメールは送信専用です。\r\n送信元: 人事部\r\n",
        "a > b -> c\r\n",
        "As you wrote: thank you.\r\n",
        "======== 選考結果 ========\r\n不採用\r\n",
    ],
)
def test_text_without_a_quote(text: str) -> None:
    """What only looks a little like a quote is newly written."""
    division = divide(text)
    assert division.quoted == ()
    assert division.new_end == len(text)
    assert "".join(text[start:end] for start, end in division.new) == text


def test_answers_between_quoted_lines() -> None:
    """Each answer is new, each quoted line is not, and the text ends after the last answer."""
    text = "On Monday, Taro wrote:\r\n> one\r\nyes\r\n> two\r\n> three\r\nno\r\n-- \r\nHR\r\n"
    division = divide(text)
    assert [text[start:end] for start, end in division.new] == ["yes\r\n", "no\r\n-- \r\nHR\r\n"]
    assert division.new_end == len(text)


def test_blank_lines_after_the_quote_do_not_count() -> None:
    """Only words make text new."""
    text = "new\r\n\r\n> old\r\n\r\n \r\n"
    assert divide(text).new_end == len("new\r\n\r\n")


def test_an_introduction_without_quote_marks() -> None:
    """Some programs quote without a mark: then everything below the introduction is the original."""
    text = NEW + "On Mon, Jan 1, 2024, Taro <t@example.com> wrote:\r\n\r\nold\r\nolder\r\n"
    division = divide(text)
    assert division.new_end == len(NEW)
    assert [text[start:end] for start, end in division.quoted] == [text[len(NEW) :]]


@pytest.mark.parametrize(
    ("header", "new"),
    [
        ("From: HR\r\nTo: Taro\r\nSubject:  Your  application\r\n", True),
        ("\r\n差出人：人事部\r\n件名：Your application\r\n", True),
        ("From: HR\r\nSubject: Another\r\n", False),
        ("From: HR\r\nTo: Taro\r\n", False),
        ("From: HR\r\nSent: Monday\r\nTo: Taro\r\nSubject: Your application\r\n", False),
        ("From: HR\r\nSubject: Your application\r\nDate: Monday\r\n", False),
        ("________________________________\r\nFrom: HR\r\nSubject: Your application\r\n", False),
        ("Hello\r\n\r\nFrom: HR\r\nSubject: Your application\r\n", False),
    ],
)
def test_a_letter_that_opens_with_its_own_header(header: str, new: bool) -> None:  # noqa: FBT001
    """It is the mail's own subject that it tells, and no date: nothing was forwarded."""
    text = header + "\r\nDear Taro,\r\nwe have chosen others.\r\n"
    division = divide(text, "Your application")
    assert (division.new_end == len(text)) == new
    assert divide(text).new_end < len(text)


def test_an_own_header_and_a_quote_below() -> None:
    """Behind the letter's own header lines a quote is looked for as ever."""
    own = "From: HR\r\nSubject: Result\r\n\r\nDear Taro\r\n\r\n"
    division = divide(own + ORIGINALS["phone"], "Result")
    assert division.new_end == len(own)
    assert division.open


@pytest.mark.parametrize(
    ("header", "new"),
    [
        ("From: Taro <t@example.com>\r\nDate: Fri, 5 Jan 2024 10:00:00 +0900\r\n", True),
        ("差出人：山田\r\n日時：2024年1月5日\r\n", True),
        ("*From:* Taro\r\n*Date:* Friday\r\n", True),
        ("From: Taro <t@example.com>\r\nDate: Friday\r\nTo: HR\r\n", False),
        ("From: Taro <t@example.com>\r\nSubject: Application\r\n", False),
        ("-----Original Message-----\r\nFrom: Taro\r\nDate: Friday\r\n", False),
    ],
)
def test_a_sender_and_a_date_introduce_quoted_lines(header: str, *, new: bool) -> None:
    """What is written below those lines is new; with more than that it is another mail."""
    text = f"{header}\r\n> old\r\n> older\r\n\r\nWe regret.\r\n"
    division = divide(text)
    written = "".join(text[slice(*span)] for span in division.new).strip()
    assert (written, division.open) == (("We regret.", False) if new else ("", True))
    assert division.new_end == (len(text) if new else 0)
    assert divide(header + "\r\nold\r\n> older\r\n").open
    assert divide("Hello\r\n\r\n" + text).open


def test_a_text_that_belongs_to_a_quote_before_it() -> None:
    """Nothing of it is new, so that what is new ends before it."""
    assert all_quoted("old") == Division((), ((0, 3),), 0, open=True)
    assert all_quoted("") == Division((), (), 0, open=True)


_WORDS = (
    "Or",
    "iginal",
    "From",
    "メール",
    "送",
    "信者",
    "Reply",
    " ",
    "\t",
    "-",
    "：",
    "wro",
    "te",
    ">",
    "転",
)


@given(st.lists(st.lists(st.sampled_from((*_WORDS, "\r", "\n"))).map("".join)))
def test_what_may_introduce_a_quote_stands_in_one_paragraph(paragraphs: list[str]) -> None:
    """So that a letter can be asked for it paragraph by paragraph (`template`)."""
    assert may_quote("\r\n\r\n".join(paragraphs)) == any(map(may_quote, paragraphs))


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_what_introduces_a_quote_may(original: str) -> None:
    """Of a text that can't have one it is never asked where."""
    assert may_quote(original)
