import mmap
import quopri
import tempfile
from dataclasses import replace

import pytest

from gateway.errors import MailUnreadable
from gateway.footer.check import check_edit
from gateway.footer.compose import nothing_of, prepare, prepare_removal
from gateway.footer.place import Where
from gateway.footer.template import load_footers
from gateway.footer.values import SAMPLE
from gateway.message.scan import scan
from gateway.message.splice import Edit, join, splice, undo
from gateway.message.text import read_text
from gateway.reason import Reason
from tests.unit.footer.mails import (
    EN,
    ENGLISH,
    JA,
    LETTER_EN,
    LETTER_JA,
    QUOTED,
    add_footer,
    html,
    mail,
    raw_body,
    read,
    spelled,
    text_of,
)

JAPANESE = ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "gb18030", "utf-16", "utf-16le", "utf-7"]


@pytest.mark.parametrize("charset", JAPANESE)
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("quoted", ["", QUOTED])
@pytest.mark.parametrize("ending", ["\r\n", ""])
def test_a_japanese_letter_reads_as_before_with_the_footer(
    charset: str, encoding: str, quoted: str, ending: str
) -> None:
    """For a reader that is not ours: the old text, the footer once, the quote, and nothing else."""
    text = (LETTER_JA + quoted).rstrip("\r\n") + ending
    content = text.encode(charset)
    if encoding == "7bit" and not content.isascii():
        return
    if charset.startswith("utf-16") and encoding != "base64":
        return  # NUL
    data = mail(text, charset=charset, encoding=encoding)
    edited = add_footer(data, JA)
    assert undo(edited.data, edited.edits, data) == data
    part = read(edited.data)
    footer = JA.render_plain(SAMPLE).replace("\n", "\r\n")
    got = text_of(part)
    # An encoder of quoted-printable may end the body with a line end of its own.
    new = LETTER_JA if quoted else LETTER_JA.rstrip("\r\n") + ending
    before = new if new.endswith("\r\n") else new + "\r\n"
    expected = f"{before}\r\n{footer}"
    assert got.startswith(expected)
    assert got.count(SAMPLE.link) == 1
    assert got[len(expected) :].rstrip("\r\n") == ("\r\n" + quoted if quoted else "").rstrip("\r\n")
    if charset != "utf-7":
        assert edited.data.partition(b"\r\n\r\n")[0] == data.partition(b"\r\n\r\n")[0]
        assert part["Content-Transfer-Encoding"] == encoding


@pytest.mark.parametrize(
    ("charset", "encoding", "after_charset", "after_encoding"),
    [
        ("us-ascii", "7bit", "utf-8", "base64"),
        ("iso-8859-1", "7bit", "utf-8", "base64"),
        ("iso-8859-1", "quoted-printable", "utf-8", "quoted-printable"),
        ("iso-8859-1", "base64", "utf-8", "base64"),
        ("utf-8", "7bit", "utf-8", "base64"),
        ("utf-8", "8bit", "utf-8", "base64"),
        ("koi8-r", "7bit", "utf-8", "base64"),
        (None, None, "utf-8", "base64"),
        (None, "7bit", "utf-8", "base64"),
    ],
)
def test_a_part_that_cannot_hold_the_footer_moves(
    charset: str | None, encoding: str | None, after_charset: str, after_encoding: str
) -> None:
    """To UTF-8, off 7bit; nothing 8-bit leaves that came without (SMTP.md 14), whatever the label said."""
    data = mail(LETTER_EN, charset=charset, encoding=encoding)
    edited = add_footer(data, JA)
    assert edited.data.isascii()
    part = read(edited.data)
    assert part.get_content_charset() == after_charset
    assert part["Content-Transfer-Encoding"] == after_encoding
    footer = JA.render_plain(SAMPLE).replace("\n", "\r\n")
    assert text_of(part) == f"{LETTER_EN}\r\n{footer}\r\n"
    for name in ("From", "To", "Subject", "Message-ID", "MIME-Version"):
        assert part[name] == read(data)[name]


def test_a_charset_that_is_never_written_moves_though_the_text_is_ascii() -> None:
    """A plus sign means something else in UTF-7."""
    part = read(
        add_footer(mail(LETTER_EN.replace("=", "-"), charset="utf-7", encoding="7bit"), EN, ENGLISH).data
    )
    assert part.get_content_charset() == "utf-8"
    assert part["Content-Transfer-Encoding"] == "7bit"


def test_what_came_as_8bit_stays_8bit() -> None:
    """The next hop takes 8bit then, and the part stays readable in the raw."""
    text = LETTER_EN.replace("Taro", "José")
    edited = add_footer(mail(text, charset="iso-8859-1", encoding="8bit"), JA)
    part = read(edited.data)
    assert part["Content-Transfer-Encoding"] == "8bit"
    assert part.get_content_charset() == "utf-8"
    assert text_of(part).startswith(text)


@pytest.mark.parametrize(
    ("charset", "byte"), [("iso-8859-1", b"\x93"), ("iso-8859-9", b"\x85"), ("shift_jis", b"\xfd")]
)
def test_octets_that_readers_of_the_charset_differ_on_do_not_move(charset: str, byte: bytes) -> None:
    """Windows-1252 under the name of ISO-8859-1: a footer that needs another charset stays out."""
    data = mail(LETTER_EN, charset=charset, encoding="8bit") + byte + b"quoted\r\n"
    with pytest.raises(MailUnreadable) as caught:
        add_footer(data, JA, replace(SAMPLE, company="㈱サンプル"))
    assert caught.value.reason is Reason.UNDECODABLE
    assert byte + b"quoted\r\n" in add_footer(data, EN, ENGLISH).data


@pytest.mark.parametrize("written", ["quoted-printable ", "QUOTED-PRINTABLE\t", "\r\n quoted-printable"])
def test_blanks_behind_the_name_of_an_encoding_leave_the_mail_alone(written: str) -> None:
    """To Python's email it is no encoding at all, and the footer would be lost in what it shows."""
    data = mail(LETTER_EN, encoding="quoted-printable")
    with pytest.raises(MailUnreadable) as caught:
        add_footer(data.replace(b": quoted-printable", b": " + written.encode()))
    assert caught.value.reason is Reason.DISAGREE
    assert add_footer(data.replace(b": quoted-printable", b":  Quoted-Printable")).plan.parts == (0,)


def test_a_part_without_even_an_empty_body_is_passed_over() -> None:
    """Its header ends where the next boundary begins; the other text gets the footer, or there is none."""
    plain = b"Content-Type: text/plain\r\n\r\n--b\r\n"
    head = b"From: a@example.com\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
    page = b"Content-Type: text/html\r\n\r\n<p>Hello</p>\r\n--b--\r\n"
    assert add_footer(head + plain + page, EN, ENGLISH).plan.parts == (1,)
    with pytest.raises(MailUnreadable) as caught:
        add_footer(head + plain + b"Content-Type: image/png\r\n\r\nx\r\n--b--\r\n", EN, ENGLISH)
    assert caught.value.reason is Reason.NO_TEXT


def test_few_letters_that_need_it_go_into_quoted_printable() -> None:
    """What is nearly all ASCII stays readable in the raw."""
    values = replace(ENGLISH, company="Müller")
    edited = add_footer(mail(LETTER_EN, encoding="7bit"), EN, values)
    assert read(edited.data)["Content-Transfer-Encoding"] == "quoted-printable"
    assert b"M=C3=BCller takes part" in edited.data


def test_an_ascii_footer_forces_nothing() -> None:
    """Fields, charset and encoding stay, whatever they are."""
    for charset, encoding in [(None, None), ("us-ascii", "7bit"), ("koi8-r", "7bit"), ("utf-8", "8bit")]:
        data = mail(LETTER_EN, charset=charset, encoding=encoding)
        edited = add_footer(data, EN, ENGLISH)
        footer = EN.render_plain(ENGLISH).replace("\n", "\r\n")
        assert edited.data == data + f"\r\n{footer}\r\n".encode()


def test_characters_beyond_jis_move_the_part_and_keep_the_old_text() -> None:
    """①, ㈱ and 髙 as Outlook writes them are read from ISO-2022-JP, and never added to it."""
    content = LETTER_JA.encode("iso2022_jp") + b"\x1b$B-!-jbQ\x1b(B\r\n"
    data = mail("", charset="iso-2022-jp", encoding="7bit") + content
    kept = add_footer(data, JA)
    assert raw_body(kept.data).startswith(content)
    assert read(kept.data).get_content_charset() == "iso-2022-jp"
    moved = add_footer(data, JA, replace(SAMPLE, company="㈱サンプル"))
    part = read(moved.data)
    assert part.get_content_charset() == "utf-8"
    assert "①㈱" in text_of(part)
    assert "㈱サンプルは、" in text_of(part)


def test_iso_2022_jp_that_never_returns_to_ascii_is_left_as_it_is() -> None:
    """The footer begins with the escape sequence that is missing (RFC 1468)."""
    content = "選考の結果".encode("iso2022_jp").removesuffix(b"\x1b(B")
    data = mail("", charset="iso-2022-jp", encoding="7bit") + content
    edited = add_footer(data, JA)
    assert raw_body(edited.data).startswith(content + b"\x1b(B\r\n\r\n---")
    assert text_of(read(edited.data)).startswith("選考の結果\r\n\r\n---")


def test_iso_2022_jp_in_quoted_printable_that_never_returns_to_ascii_moves_to_base64() -> None:
    """There the state cannot be seen line by line; the charset stays."""
    content = b"=1B$BA*9M"
    data = mail("", charset="iso-2022-jp", encoding="quoted-printable") + content
    part = read(add_footer(data, JA).data)
    assert part["Content-Transfer-Encoding"] == "base64"
    assert part.get_content_charset() == "iso-2022-jp"
    assert text_of(part).startswith("選考\r\n\r\n---")


def test_iso_2022_jp_in_roman_state_goes_back_to_it() -> None:
    """In JIS X 0201 a backslash is a yen sign: what follows keeps its meaning."""
    content = b"<p>\x1b(Jabc</p></body>\r\n"
    data = mail("", charset="iso-2022-jp", encoding="7bit", kind="html") + content
    edited = add_footer(data, JA)
    assert b"</p>\x1b(B\r\n<div" in edited.data
    assert edited.data.endswith(b"</div>\x1b(J\r\n</body>\r\n")


@pytest.mark.parametrize("charset", ["iso-8859-1", "us-ascii", "windows-1252", None])
def test_html_in_a_western_charset_takes_character_references(charset: str | None) -> None:
    """They hold in any charset, so HTML keeps its own, and its meta says the truth."""
    data = mail(html("<p>Dear Taro</p>"), charset=charset, encoding="7bit", kind="html")
    edited = add_footer(data, JA)
    assert edited.data.partition(b"\r\n\r\n")[0] == data.partition(b"\r\n\r\n")[0]
    assert JA.render_html(SAMPLE).replace("\n", "\r\n") in spelled(text_of(read(edited.data)))


def test_html_whose_meta_disagrees_takes_character_references() -> None:
    """Whichever charset a reader believes, it can read them."""
    source = '<head><meta charset="shift_jis"></head><body>採用</body>\r\n'
    edited = add_footer(mail(source, charset="utf-8", kind="html"), JA)
    added = edited.plan.runs(SAMPLE)[0]
    assert added.isascii()
    assert "&#36578;" in added
    same = add_footer(mail(source.replace("shift_jis", "UTF8"), charset="utf-8", kind="html"), JA)
    assert not same.plan.runs(SAMPLE)[0].isascii()


@pytest.mark.parametrize("charset", ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "gb18030", "utf-16"])
@pytest.mark.parametrize("encoding", ["7bit", "8bit", "quoted-printable", "base64"])
def test_html_keeps_every_other_character(charset: str, encoding: str) -> None:
    """Also where the place lies in the middle of a line, after second bytes that look like markup."""
    source = "<html><body><p>ソ表示能力{構}選考</p></body></html>"
    if encoding == "7bit" and not source.encode(charset).isascii():
        return
    if charset == "utf-16" and encoding != "base64":
        return
    edited = add_footer(mail(source, charset=charset, encoding=encoding, kind="html"), JA)
    footer = JA.render_html(SAMPLE).replace("\n", "\r\n")
    expected = source.replace("</body>", f"\r\n{footer}\r\n</body>")
    assert text_of(read(edited.data)).rstrip("\r\n") == expected


def test_quoted_printable_keeps_its_lines() -> None:
    """Soft breaks before and after the footer; none of the mail's own lines is written anew."""
    data = mail(html("<p>" + "選考" * 30 + "</p>"), encoding="quoted-printable", kind="html")
    edited = add_footer(data, JA)
    before, after = raw_body(data).split(b"</body>")
    assert raw_body(edited.data).startswith(before)
    assert raw_body(edited.data).endswith(b"</body>" + after)
    assert all(len(line) <= 76 for line in raw_body(edited.data).split(b"\r\n"))


def test_encoded_line_ends_in_quoted_printable() -> None:
    """=0D=0A with soft breaks is one way to write lines, =0A alone another."""
    head = mail("", encoding="quoted-printable")
    crlf = add_footer(head + b"one=0D=0Atwo=0D=0A=\r\n> q=0D=0A=\r\n", EN, ENGLISH)
    footer = EN.render_plain(ENGLISH)
    expected = f"one\ntwo\n\n{footer}\n\n> q\n"
    assert text_of(read(crlf.data)) == expected.replace("\n", "\r\n")
    lf = add_footer(head + b"one=0Atwo=0A=\r\n> q=0A=\r\n", EN, ENGLISH)
    assert text_of(read(lf.data)) == expected
    assert all(len(line) <= 76 for line in raw_body(lf.data).split(b"\r\n"))


@pytest.mark.parametrize("end", [b"one=", b"one= ", b"one= \r\ntwo\r\n"])
def test_a_soft_break_that_readers_differ_on(end: bytes) -> None:
    """At the very end, or before blanks, some show the sign and some do not: the part is left alone."""
    with pytest.raises(MailUnreadable) as caught:
        add_footer(mail("", encoding="quoted-printable") + end, EN, ENGLISH)
    assert caught.value.reason is Reason.UNDECODABLE


def test_a_body_that_ends_in_a_soft_break() -> None:
    """What joins with nothing stays where it is."""
    edited = add_footer(mail("", encoding="quoted-printable") + b"one=\r\n", EN, ENGLISH)
    assert text_of(read(edited.data)).startswith("one\r\n\r\n---")


@pytest.mark.parametrize("line", [60, 64, 72, 76])
def test_base64_keeps_its_line_length(line: int) -> None:
    """And every line before the place."""
    data = mail(LETTER_JA + QUOTED, encoding="base64", line=line)
    edited = add_footer(data, JA)
    old, new = raw_body(data).split(b"\r\n"), raw_body(edited.data).split(b"\r\n")
    assert {len(row) for row in new[:-2]} == {line}
    kept = len((LETTER_JA).encode()) // 3 * 4 // line
    assert new[:kept] == old[:kept]


@pytest.mark.parametrize("line", [60, 64, 72])
def test_a_base64_body_that_moves_keeps_the_length_of_its_lines(line: int) -> None:
    """Written anew in UTF-8, in lines as it came in."""
    data = mail(LETTER_EN, charset="iso-8859-1", encoding="base64", line=line)
    moved = add_footer(data, JA)
    assert b"charset=UTF-8" in moved.data
    *full, _, end = moved.data.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert ({len(each) for each in full}, end) == ({line}, b"")


def test_base64_on_one_line_moves_into_lines_of_76() -> None:
    """There is no line length to keep."""
    data = mail("Hello", charset="us-ascii", encoding="base64").rstrip()
    edited = add_footer(data, JA)
    assert {len(row) for row in raw_body(edited.data).split(b"\r\n")[:-1]} == {76}
    assert text_of(read(edited.data)).startswith("Hello\r\n\r\n---")


def test_a_byte_order_mark_stays_first() -> None:
    """It belongs to the text."""
    data = mail("\ufeff" + LETTER_JA, encoding="8bit")
    edited = add_footer(data, JA, where=Where.TOP)
    assert text_of(read(edited.data)).startswith("\ufeff-----")


def test_flowed_text_keeps_the_link_on_a_line_of_its_own() -> None:
    """RFC 3676: no blank at the end of a line of ours, stuffing where a line begins with one."""
    footers = load_footers({"f.txt": b"From us\n > x\n{{ link }}", "f.html": b'<a href="{{ link }}">x</a>'})
    for parameters in ("; format=flowed", "; format=flowed; delsp=yes"):
        data = mail("one \r\ntwo \r\n", encoding="7bit", parameters=parameters)
        edited = add_footer(data, footers["f"])
        assert raw_body(edited.data) == (
            b"one \r\ntwo \r\n\r\n\r\n From us\r\n  > x\r\n" + SAMPLE.link.encode() + b"\r\n"
        )


def test_no_line_of_ours_is_longer_than_998_octets() -> None:
    """RFC 5322 §2.1.1; character references make long lines, then the part leaves its 7bit."""
    values = replace(SAMPLE, company="社" * 80, partner="人" * 80)
    data = mail(html("<p>x</p>"), charset="us-ascii", encoding="7bit", kind="html")
    edited = add_footer(data, JA, values)
    assert all(len(line) <= 998 for line in edited.data.split(b"\r\n"))
    assert read(edited.data)["Content-Transfer-Encoding"] in {"base64", "quoted-printable"}


def test_lines_past_998_octets_that_came_stay() -> None:
    """They are the sender's."""
    data = mail("x" * 2000 + "\r\n", charset="us-ascii", encoding="7bit")
    edited = add_footer(data, EN, ENGLISH)
    assert edited.data.startswith(data)


def _alternative(plain: bytes, page: bytes) -> bytes:
    return (
        b"From: hr@example.co.jp\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n--out\r\n"
        b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n" + plain + b"\r\n--in\r\n" + page
        + b"\r\n--in--\r\n--out\r\nContent-Type: text/plain; name=a.txt\r\n"
        b"Content-Disposition: attachment\r\n\r\nattached\r\n--out\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inner\r\n\r\ninner text\r\n--out--\r\nepilogue\r\n"
    )  # fmt: skip


def test_plain_and_html_both_get_it_and_nothing_else_does() -> None:
    """Attachments and embedded messages are somebody else's."""
    plain = b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + LETTER_JA.rstrip().encode("iso2022_jp")
    page = b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+eDwvcD4="
    data = _alternative(plain, page)
    edited = add_footer(data, JA)
    assert edited.plan.parts == (0, 1)
    assert edited.plan.placement == "after-text"
    parts = [part for part in read(edited.data).walk() if part.get_content_maintype() == "text"]
    counts = [text_of(part).count(SAMPLE.link) for part in parts]
    assert counts == [1, 2, 0, 0]
    before, _, after = data.partition(b"PHA+eDwvcD4=")
    assert edited.data.endswith(after)
    assert edited.data.startswith(before[: before.index(b"\r\n--in\r\nContent-Type: text/html")])


def test_copies_differ_only_by_their_values() -> None:
    """One plan, many copies: each has its own link and nobody else's."""
    message = scan(mail(LETTER_JA))
    plan = prepare(message, read_text(message), JA)
    links = [f"https://careerrelay.example/r/{number:026d}" for number in range(3)]
    runs = [plan.runs(replace(SAMPLE, link=link)) for link in links]
    copies = [join(message.data, splice(message.data, plan.edits(each))) for each in runs]
    for link, copy in zip(links, copies, strict=True):
        assert [other.encode() in copy for other in links] == [other == link for other in links]
    assert plan.runs(SAMPLE) == plan.runs(SAMPLE)


def test_placeholders_can_be_taken_out_alone() -> None:
    """From copies that get no footer (RULES.md, "Actions and verdicts")."""
    for kind, text in (
        ("plain", "a {{careerrelay}} b\r\n"),
        ("html", "<p>a {{<b>careerrelay</b>}} b</p>\r\n"),
    ):
        for encoding in ("7bit", "quoted-printable", "base64"):
            data = mail(text, charset="us-ascii", encoding=encoding, kind=kind)
            message = scan(data)
            read_before = read_text(message)
            plan = prepare_removal(message, read_before)
            assert plan is not None
            runs = plan.runs()
            edits = plan.edits(runs)
            edited = join(data, splice(data, edits))
            check_edit(plan, runs, edits, edited)
            got = text_of(read(edited)).rstrip("\r\n")
            assert got == ("a  b" if kind == "plain" else "<p>a <b></b> b</p>")
    message = scan(mail(LETTER_JA))
    assert prepare_removal(message, read_text(message)) is None


def test_a_plan_without_a_body_changes_none() -> None:
    """For copies in which only the header is edited."""
    data = mail(LETTER_JA)
    plan = nothing_of(scan(data))
    assert (plan.parts, plan.placement, plan.edits(plan.runs(SAMPLE))) == ((), "", [])
    field = Edit(start=0, end=data.index(b"\n") + 1, replacement=b"")
    check_edit(plan, (), [field], data[field.end :])
    check_edit(plan, (), [], data)
    with pytest.raises(MailUnreadable, match="a byte outside"):
        check_edit(plan, (), [], data[:-1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (mail("x\n", encoding="8bit"), Reason.DEFECT),
        (mail("").replace(b"utf-8", b"x-none") + b"\xff\r\n", Reason.CHARSET),
        (mail("") + b"\xff\r\n", Reason.UNDECODABLE),
        (mail("", encoding="base64") + b"!!!\r\n", Reason.UNDECODABLE),
        (mail("<p", kind="html"), Reason.HTML_DEFECT),
        (mail("x\r\n", kind="calendar"), Reason.NO_TEXT),
        (mail("")[:-2], Reason.NO_TEXT),  # no blank line: a header alone
        (mail("{{careerrelay}} " * 100 + "\r\n"), Reason.DEFECT),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_says_why(data: bytes, reason: Reason) -> None:
    """And goes out as it came."""
    message = scan(data)
    with pytest.raises(MailUnreadable) as caught:
        prepare(message, read_text(message), JA)
    assert caught.value.reason is reason


def test_a_body_that_cannot_be_decoded_is_left_alone_whatever_was_said_before() -> None:
    """The text may have been read with doubts that somebody overlooked."""
    message = scan(mail("", charset="iso-2022-jp", encoding="base64") + b"!!!\r\n")
    with pytest.raises(MailUnreadable) as caught:
        prepare(message, read_text(message)._replace(reason=None), JA)
    assert caught.value.reason is Reason.UNDECODABLE


def test_a_held_head_is_not_edited() -> None:
    """The end of the text may still be to come."""
    message = scan(mail(LETTER_JA), complete=False)
    with pytest.raises(MailUnreadable) as caught:
        prepare(message, read_text(message), JA)
    assert caught.value.reason is Reason.WINDOW


def test_a_mail_in_a_file_is_edited_the_same() -> None:
    """Large mail is mapped, not read."""
    data = mail(LETTER_JA, charset="iso-2022-jp", encoding="7bit")
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            message = scan(mapped)
            text = read_text(message)
            plan = prepare(message, text, JA)
            runs = plan.runs(SAMPLE)
            edits = plan.edits(runs)
            edited = join(mapped, splice(mapped, edits))
            check_edit(plan, runs, edits, edited)
    assert edited == add_footer(data).data


def test_utf_16_without_nul_moves_to_base64() -> None:
    """Japanese alone has no NUL in UTF-16; the footer has, so that 7bit and 8bit will not do."""
    text = "これはもしかすると読まれる"
    data = mail(text, charset="utf-16le", encoding="8bit")
    assert b"\0" not in data
    edited = add_footer(data)
    (part,) = scan(edited.data).parts
    assert (part.encoding, part.parameters["charset"]) == ("base64", "utf-16le")
    assert text_of(read(edited.data)).startswith(text)


def test_half_a_surrogate_pair_moves_nowhere() -> None:
    """UTF-7 can hold one, UTF-8 cannot: the mail is left alone (found by fuzzing)."""
    message = scan(mail("a", charset="us-ascii").replace(b"us-ascii", b"utf-7") + b" +2AA-\r\n")
    plan = prepare(message, read_text(message), JA)
    with pytest.raises(MailUnreadable) as caught:
        plan.edits(plan.runs(SAMPLE))
    assert caught.value.reason is Reason.UNDECODABLE


@pytest.mark.parametrize("where", [Where.AUTO, Where.END])
def test_no_footer_where_nothing_is_shown(where: Where) -> None:
    """An element with ``display: none`` that is never closed would hide the footer, too."""
    data = mail("<p>Dear Taro</p><div style='display: none'>a counter</body>\r\n", kind="html")
    message = scan(data)
    with pytest.raises(MailUnreadable) as raised:
        prepare(message, read_text(message), EN, where=where)
    assert raised.value.reason is Reason.HTML_DEFECT


def test_a_preheader_hides_nothing() -> None:
    """A hidden summary at the top, as newsletters have it, is closed; the letter gets its footer."""
    data = mail("<div style='display:none'>Result</div><p>Dear Taro</p></body>\r\n", kind="html")
    assert add_footer(data, EN).plan.parts == (0,)


def test_a_soft_break_at_the_end_of_the_mail_stays_there() -> None:
    """The line end that ends a mail in SMTP is not of its text; in UTF-16 it is half of a character."""
    encoded = b"".join(b"=%02X" % octet for octet in "Dear Taro,\r\n".encode("utf-16-be")) + b"=\r\n"
    data = mail("", charset="utf-16be", encoding="quoted-printable") + encoded
    edited = add_footer(data, EN, ENGLISH).data
    assert edited.endswith(b"=00=0A=\r\n")
    text = edited.partition(b"\r\n\r\n")[2]
    footer = EN.render_plain(ENGLISH).replace("\n", "\r\n")
    assert quopri.decodestring(text).decode("utf-16-be") == f"Dear Taro,\r\n\r\n{footer}\r\n"


def test_a_line_that_begins_in_two_byte_state_and_leaves_it() -> None:
    """The footer goes behind the escape sequence: it needs none of its own, and nothing is written twice."""
    old = b"\x1b$B;DG0\r\n\x1b(B> Hello\r\n"
    edited = add_footer(mail("", charset="iso-2022-jp", encoding="7bit") + old, EN, ENGLISH).data
    text = edited.partition(b"\r\n\r\n")[2]
    assert text.startswith(b"\x1b$B;DG0\r\n\x1b(B\r\n---")
    assert text.endswith(b"---\r\n\r\n> Hello\r\n")
    assert text.count(b"\x1b") == 2
