"""Letters of a known template: they are read as any mail is, and nobody's name is kept."""

import base64
import gc
import quopri
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway.message.letters as module
from gateway.message.letters import Letters
from gateway.message.scan import scan
from gateway.message.text import MailText, read_text

KEY = b"k" * 32
SUBJECT = b"=?UTF-8?B?6YG46ICD57WQ5p6c?="
LETTER = (
    "%s",
    "お世話になっております。\r\n株式会社サンプル 人事部の鈴木です。",
    "この度は、弊社の求人（ＷＥＢエンジニア）にご応募いただき、\r\n誠に ありがとうございました。",
    "敬具",
)
ENGLISH = ("Dear %s,", "we regret that we cannot offer you the position.", "Kind regards")
#: What may stand where a name does, and make another text of the whole.
NAMES = (
    *(
        "山田　太郎　様",
        "Smith",
        "ＹＡＭＡＤＡ",
        "ﾔﾏﾀﾞ",
        "髙橋",
        "①",
        "㈱",
        "ⅳ",
        "〜",
        "～",
        "~",
        "\\",
        "＼",
        "−",
        "‐",
    ),
    *(
        "",
        " ",
        "\u3000",
        "\u0301x",
        "か\u3099",
        "\u3099",
        "ﾞ",
        "ΟΔΟΣ",
        "Σ",
        "\u0345",
        "İ",
        "ŉ",
        "ß",
        "´",
        "゛",
    ),
    *("\u00ad", "\u200b", "\ufeff", "x\u200b", "\u1161", "😀", "𝐀", "、", "x。"),
    *("> x", "＞", "x > y", "From: x", "From: x\r\nDate: y", "-----Original Message-----", "-- "),
    *("メール: x", "山田 wrote:", "さんは書きました:"),
    *("\x1b$B;3ED\x1b(B", "\x1b(B", "\x1b(J", "\x1b$B;3", "\x1b", "\x0e", "\x0f", "\0", "a\0b"),
    *("a\r\nb", "a\r\n\r\nb", "a\r\n \r\nb", "a\n\nb", "\r\n", "a\r\n", "\r\na", "\n", "a\n", "\na", "\r"),
    *("\x85", "\u2028", "\x1c", "x\x0b"),
)
CHARSETS = {
    "utf-8": "utf-8",
    "iso-2022-jp": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "shift_jis": "cp932",
    "windows-31j": "cp932",
    "euc-jp": "euc_jis_2004",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}
ENCODINGS = ("8bit", "base64", "quoted-printable")


def mail(body: bytes, charset: str = "utf-8", encoding: str = "8bit", *, subject: bytes = SUBJECT) -> bytes:
    """A mail of one plain text."""
    if encoding == "base64":
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = b"From: hr@example.co.jp\r\nSubject: %b\r\nContent-Transfer-Encoding: %b\r\n"
    kind = f"Content-Type: text/plain; charset={charset}\r\n\r\n"
    return head % (subject, encoding.encode()) + kind.encode() + body


def written(name: str, letter: tuple[str, ...] = LETTER, codec: str = "utf-8") -> bytes:
    """A letter to somebody, as far as it can be written so."""
    return "\r\n\r\n".join(letter).replace("%s", name).encode(codec, "ignore")


def same(letters: Letters, data: bytes, *, complete: bool = True) -> MailText:
    """What is read, which is what is always read."""
    message = scan(data, complete=complete)
    text = letters.read(message)
    assert text._replace(letter=None) == read_text(message)
    return text


def knowing(
    letter: tuple[str, ...] = LETTER, codec: str = "utf-8", charset: str = "utf-8", encoding: str = "8bit"
) -> Letters:
    """What has read three letters of a template, and knows the third."""
    letters = Letters(KEY)
    read = [
        same(letters, mail(written(f"No {number}", letter, codec), charset, encoding)) for number in range(3)
    ]
    assert [text.letter is not None for text in read] == [False, False, True]
    return letters


class TestRecognising:
    """Which letters are known, and that it shows nowhere."""

    def test_the_third_letter_of_a_template_is_known(self) -> None:
        """The first is counted, the second hashed, and the third shows what is the same."""
        letters = knowing()
        text, other = (same(letters, mail(written(name))) for name in ("山田　太郎　様", "Smith"))
        assert text.letter is not None
        assert text.letter == other.letter
        assert text.letter.changing == (0,)

    def test_a_known_letter_is_not_read_as_a_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Or all this would be for nothing."""
        letters = knowing()
        monkeypatch.setattr(module, "read_found", None)
        assert letters.read(scan(mail(written("山田　太郎　様")))).letter is not None

    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("charset", CHARSETS)
    def test_whatever_stands_for_the_name(self, charset: str, encoding: str) -> None:
        """In every charset, however it is encoded: it is read as ever, and the letter after it is known."""
        codec = CHARSETS[charset]
        letter = LETTER if "あ".encode(codec, "ignore") else ENGLISH
        letters = knowing(letter, codec, charset, encoding)
        for name in NAMES:
            same(letters, mail(written(name, letter, codec), charset, encoding))
        assert same(letters, mail(written("Taro", letter, codec), charset, encoding)).letter is not None

    def test_names_by_which_a_letter_is_another(self) -> None:
        """Quotes, blank lines, nothing at all, NUL, and another charset: such a letter is of no template."""
        for name in ("> x", "", "\u3000", "\u200b", "\0", "\x1b$B;3ED\x1b(B", "a\r\n\r\nb", "a\r\n \r\nb"):
            letters = knowing(("Dear", *LETTER))
            assert same(letters, mail(written(name, ("Dear", *LETTER)))).letter is None, name

    def test_octets_that_are_of_no_charset(self) -> None:
        """Half a character, an octet that stands for nothing, a shift without an end."""
        for charset, octets in product(
            CHARSETS, (b"\xff", b"\x81", b"\xe3\x81", b"\x8f\xa1", b"\x1b$B;", b"\x80")
        ):
            codec = CHARSETS[charset]
            letters = knowing(ENGLISH, codec, charset=charset)
            same(letters, mail(written("%b", ENGLISH, codec).replace(b"%b", octets), charset=charset))

    def test_a_name_that_only_the_lenient_decoder_knows_changes_what_is_read_of_the_others(self) -> None:
        """Shift_JIS with 髙 is CP932, and there its wave dash is another character."""
        letter = ("%s", "１〜２", "敬具")
        letters = knowing(letter, "shift_jis", charset="shift_jis")
        body = written("%b", letter, "shift_jis").replace(b"%b", "髙".encode("cp932"))
        text = same(letters, mail(body, charset="shift_jis"))
        assert text.letter is None
        assert text.plain is not None
        assert "～" in text.plain.decoded

    def test_a_template_that_only_the_lenient_decoder_knows(self) -> None:
        """All of its letters are read by that one, then."""
        letter = ("%s", "①〜②", "敬具")
        letters = knowing(letter, "cp932", charset="shift_jis")
        assert same(letters, mail(written("山田", letter, "cp932"), charset="shift_jis")).letter is not None
        assert same(letters, mail(written("髙橋", letter, "cp932"), charset="shift_jis")).letter is not None

    def test_a_template_with_what_may_introduce_a_quote(self) -> None:
        """It is known where no quote is found in all of it."""
        letter = ("%s", "From: us", "メール：a@example.co.jp")
        letters = knowing(letter)
        assert same(letters, mail(written("山田", letter))).letter is not None
        assert same(letters, mail(written("山田 > 佐藤", letter))).letter is not None
        assert same(letters, mail(written("> 山田", letter))).letter is None
        assert same(letters, mail(written("山田", ("%s", "From: us", "Sent: x")))).letter is None

    def test_a_quote_that_begins_in_what_stays(self) -> None:
        """What changes may be what makes header lines of it, with nothing of a quote in itself."""
        letter = ("山田様", "From: us", "%s", "敬具")
        letters = knowing(letter)
        assert same(letters, mail(written("To whom", letter))).letter is not None
        text = same(letters, mail(written("To: whom", letter)))
        assert text.letter is None
        assert text.plain is not None
        assert text.plain.quoted.text

    def test_a_letter_that_has_html_too(self) -> None:
        """The plain text alone is not all that it says."""
        letters = knowing()
        text = mail(written("山田"))
        page = b"Content-Type: text/html\r\n\r\n<p>other</p>"
        data = b'Subject: %b\r\nContent-Type: multipart/alternative; boundary="=_b"\r\n\r\n' % SUBJECT
        data += b"--=_b\r\n%b\r\n--=_b\r\n%b\r\n--=_b--\r\n" % (text[text.index(b"Content-Tr") :], page)
        assert same(letters, data).html is not None

    def test_line_feeds_alone(self) -> None:
        """As some programs write them in base64."""
        letters = Letters(KEY)
        for number in range(3):
            body = written(f"No {number}").replace(b"\r\n", b"\n")
            text = same(letters, mail(body, encoding="base64"))
        assert text.letter is not None

    def test_a_letter_between_boundaries_with_a_file(self) -> None:
        """The text is known, whatever hangs on it; of a held head, as soon as the text is there."""
        letters = Letters(KEY)
        head = b'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\n--=_b\r\n'
        tail = b"\r\n--=_b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--=_b--\r\n"
        for number in range(3):
            data = head + mail(written(f"No {number}")) + tail
            text = same(letters, data)
        assert text.letter is not None
        for end in range(len(head), len(data)):
            same(letters, data[:end], complete=False)
        assert same(letters, data[:-20], complete=False).letter is not None

    def test_what_else_there_is_to_a_mail(self) -> None:
        """Another subject, charset's name or encoding; a second text, HTML: not of the template."""
        letters = knowing()
        body = written("山田")
        assert same(letters, mail(body, subject=b"other")).letter is None
        assert same(letters, mail(body, charset="UTF-8")).letter is None
        assert same(letters, mail(body, encoding="base64")).letter is None
        assert same(letters, mail(body).replace(b"text/plain", b"text/html")).letter is None
        assert same(letters, mail(body).replace(b"8bit", b"x-none")).letter is None
        between = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
        two = b'Subject: %b\r\nContent-Type: multipart/mixed; boundary="=_b"\r\n\r\n--=_b\r\n%b'
        data = two % (SUBJECT, between + b"\r\n--=_b\r\n" + between + b"\r\n--=_b--\r\n")
        assert same(letters, data).letter is None

    def test_letters_without_a_subject(self) -> None:
        """Some have none."""
        letters = Letters(KEY)
        for number in range(3):
            text = same(letters, mail(written(f"No {number}")).replace(b"Subject: ", b"X-Subject: "))
        assert text.letter is not None
        same(letters, mail(written("山田"), subject=b""))

    def test_another_letter_under_the_same_subject(self) -> None:
        """A paragraph more, a paragraph less: no template's. With another one, it shows one more template.

        The letters of the first are still that's.
        """
        letters = knowing()
        first = same(letters, mail(written("山田"))).letter
        assert same(letters, mail(written("山田", LETTER[:-1]))).letter is None
        assert same(letters, mail(written("山田", (*LETTER, "追伸")))).letter is None
        second = same(letters, mail(written("山田", (*LETTER[:-1], "追伸")))).letter
        assert first is not None
        assert second is not None
        assert second.template != first.template
        assert second.changing == (0, 3)
        assert same(letters, mail(written("佐藤", (*LETTER[:-1], "拝")))).letter == second
        assert same(letters, mail(written("佐藤"))).letter == first

    def test_two_templates_have_two_numbers(self) -> None:
        """In all of a process: two gateways' letters are never taken for each other's."""
        texts = [same(knowing(letter), mail(written("Taro", letter))) for letter in (LETTER, ENGLISH, LETTER)]
        assert len({text.letter.template for text in texts if text.letter is not None}) == 3

    def test_several_paragraphs_that_change(self) -> None:
        """Next to each other, at the top and at the end."""
        letter = ("%s", LETTER[1], "%s", "%s", LETTER[2], "%s")
        letters = knowing(letter)
        text = same(letters, mail(written("山田", letter)))
        assert text.letter is not None
        assert text.letter.changing == (0, 2, 3, 5)

    def test_every_letter_cut_anywhere(self) -> None:
        """As a mail, and as a held head."""
        letters = knowing()
        data = mail(written("山田　太郎"))
        for end, complete in product(range(len(data)), (True, False)):
            same(letters, data[:end], complete=complete)


PARAGRAPH = st.one_of(
    st.sampled_from((*NAMES, *LETTER[1:], "①〜②", "メール：a@example.co.jp")),
    st.text(max_size=12),
    st.text(alphabet=" \t\r\n\u3000\0\x1baあａｶﾞ\u0301\u3099\u200bΣσ>Ｆ", max_size=12),
)


@given(st.data())
def test_letters_of_any_template(data: st.DataObject) -> None:
    """Whatever stays and changes, the same is read; and of a template's letters all but that is the same."""
    charset = data.draw(st.sampled_from(sorted(CHARSETS)))
    paragraphs = data.draw(st.lists(PARAGRAPH, min_size=1, max_size=5))
    places = data.draw(st.sets(st.integers(0, len(paragraphs) - 1), min_size=1, max_size=2))
    drawn = data.draw(st.lists(PARAGRAPH, min_size=1, max_size=4))
    letters = Letters(KEY)
    common: dict[int, object] = {}
    for name in ("No 1", "No 2", "No 3", *drawn):
        body = "\r\n\r\n".join(
            f"{name} 様" if at in places else paragraph for at, paragraph in enumerate(paragraphs)
        )
        text = same(letters, mail(body.encode(CHARSETS[charset], "ignore"), charset=charset))
        if text.letter is not None:
            assert text.plain is not None
            assert (text.html, text.more, text.passages, text.plain.quoted.text) == (None, (), (), "")
            lines: list[str | None] = [*text.plain.new.text.split("\n")]
            for at in text.letter.changing:
                lines[at] = None
            said = text.subject.text, tuple(lines), text.letter.changing
            assert common.setdefault(text.letter.template, said) == said


class TestRemembering:
    """What is held of letters, and how much."""

    def test_nothing_without_a_key(self) -> None:
        """As for all that is hashed."""
        letters = Letters(None)
        for number in range(5):
            assert same(letters, mail(written(f"No {number}"))).letter is None
        assert not any(isinstance(each, bytes | str) for each in held(letters))

    def test_of_a_letter_that_came_once_only_hashes(self) -> None:
        """And of the next one, too, until one comes that differs from it only here and there."""
        letters = Letters(KEY)
        for letter in (LETTER, ENGLISH):
            for number in range(2):
                same(letters, mail(written(f"No {number}", letter)))
        texts = [each for each in held(letters) if isinstance(each, bytes | str) and each != KEY]
        assert texts
        assert all(isinstance(each, bytes) and len(each) == 16 for each in texts)

    def test_letters_that_are_the_same_are_not_kept(self) -> None:
        """That could be one letter to one person, tried again."""
        letters = Letters(KEY)
        for _ in range(5):
            assert same(letters, mail(written("山田"))).letter is None
        assert not any(isinstance(each, str) for each in held(letters))

    def test_nothing_of_what_changes(self) -> None:
        """What changes is what is about somebody."""
        letters = Letters(KEY)
        names = [f"山田{number}郎" for number in range(9)]
        for name in names:
            text = same(letters, mail(written(name)))
        assert text.letter is not None
        del text
        octets = b"\n".join(
            each if isinstance(each, bytes) else each.encode()
            for each in held(letters)
            if isinstance(each, bytes | str)
        )
        assert "株式会社サンプル".encode() in octets, "what stays the same is there"
        assert not any(name.encode() in octets for name in names)

    def test_so_many_kinds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bound to what is counted and to what is known."""
        monkeypatch.setattr(module, "MOST_KINDS", 10)
        letters = Letters(KEY)
        for number in range(40):
            for name in ("a", "b", "c", "d"):
                text = same(letters, mail(written(name), subject=b"%d" % number))
            assert text.letter is not None
            assert len(letters._seen) <= 10
            assert len(letters._templates) <= 10

    def test_so_many_octets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bound to all that is held."""
        monkeypatch.setattr(module, "MOST_OCTETS", 4_000)
        letters = Letters(KEY)
        for number in range(40):
            for name in ("a", "b", "c", "d"):
                text = same(letters, mail(written(name), subject=b"%d" % number))
            assert text.letter is not None
            assert sum(len(each) for each in held(letters) if isinstance(each, bytes)) < 10_000

    def test_so_many_templates_of_a_kind(self) -> None:
        """A bound to what is tried for a letter."""
        letters = Letters(KEY)
        for number in range(7):
            for name in ("a", "b"):
                text = same(letters, mail(written(name, ("%s", f"{number} " * 9, f"{number}", f"x{number}"))))
        assert text.letter is not None
        assert all(len(each) <= module.MOST_TEMPLATES for each in letters._templates.values())

    def test_letters_that_have_nothing_in_common(self) -> None:
        """However few paragraphs there are."""
        letters = Letters(KEY)
        for number in range(5):
            assert same(letters, mail(written(f"{number}", ("a%s", "b%s", "c%s")))).letter is None

    def test_a_kind_of_which_no_two_are_alike_is_given_up(self) -> None:
        """It would cost time for nothing."""
        letters = Letters(KEY)
        for number in range(module.MOST_TRIES + 3):
            same(letters, mail("\r\n\r\n".join(f"{number} {at}" for at in range(9)).encode()))
        assert [same(letters, mail(written(name, ("%s", *"abcdefgh")))).letter for name in "xyz"] == [
            None
        ] * 3

    @pytest.mark.parametrize(
        "letter", [("%s",), ("%s", "x" * module.LONGEST), ("%s", *["x"] * module.MOST_PARAGRAPHS)]
    )
    def test_what_is_no_letter(self, letter: tuple[str, ...]) -> None:
        """One paragraph, too long, too many."""
        letters = Letters(KEY)
        for number in range(4):
            assert same(letters, mail(written(f"No {number}", letter))).letter is None


def held(letters: Letters) -> Iterator[object]:
    """All that it refers to, however far away, but for what belongs to the code."""
    found: dict[int, object] = {}
    left: list[object] = [letters]
    while left:
        each = left.pop()
        if id(each) not in found and not isinstance(each, type):
            found[id(each)] = each
            left += gc.get_referents(each)
    yield from found.values()
