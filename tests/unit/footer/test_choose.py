"""Where the footer goes in a mail that has several texts in a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import MailUnreadable
from gateway.footer.choose import may_have_placeholder, placeholders
from gateway.footer.compose import prepare, prepare_removal
from gateway.footer.place import Where
from gateway.footer.values import SAMPLE
from gateway.message.scan import scan
from gateway.message.splice import join, splice
from gateway.message.text import read_text
from gateway.reason import Reason
from tests.fuzz.collection import made
from tests.unit.footer.mails import EN, mail
from tests.unit.message.test_passages import BLANK, FILE, IMAGE, PAIR, of, page, plain

QUOTED = plain("> old\r\n> older\r\n")
ASKS_IN_QUOTE = plain("> old {{careerrelay}}\r\n> older\r\n")
FORWARD = plain("see below\r\n-----Original Message-----\r\nFrom: x\r\n")
QUOTED_PAGE = page("<blockquote type=cite>old</blockquote>")
LAST_PAGE = page("<br>")


@pytest.mark.parametrize(
    ("data", "parts", "where"),
    [
        (of("mixed", plain("a"), IMAGE, plain("b")), (2,), Where.AUTO),
        (of("mixed", plain("a"), IMAGE, plain("b")), (0,), Where.TOP),
        (of("mixed", plain("a"), IMAGE, plain("b")), (2,), Where.END),
        (of("mixed", plain("a"), IMAGE, BLANK), (0,), Where.AUTO),
        (of("mixed", plain("a"), IMAGE, BLANK), (0,), Where.END),
        (of("mixed", plain("a"), QUOTED, FILE), (0,), Where.AUTO),
        (of("mixed", plain("a"), QUOTED, FILE), (1,), Where.END),
        (of("mixed", FORWARD, IMAGE, plain("the rest of it")), (0,), Where.AUTO),
        (of("mixed", plain("a"), page("b")), (1,), Where.AUTO),
        (of("mixed", page("a"), plain("a list")), (0,), Where.AUTO),
        (of("mixed", PAIR, plain("a list")), (0, 1), Where.AUTO),
        (of("mixed", PAIR, IMAGE, PAIR), (3, 4), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, page("i"))), (0, 3), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, LAST_PAGE)), (0, 1), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), plain("a list"))), (0, 1), Where.AUTO),
        (of("mixed", QUOTED, QUOTED), (0,), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", QUOTED_PAGE, IMAGE, QUOTED_PAGE)), (0, 1), Where.AUTO),
        (of("mixed", plain("a {{careerrelay}}"), plain("b")), (0,), Where.AUTO),
        (of("mixed", PAIR, plain("a {{careerrelay}}")), (2,), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("{{careerrelay}}"), page("i"))), (0, 1), Where.AUTO),
        (of("mixed", ASKS_IN_QUOTE, IMAGE, plain("b")), (0,), Where.AUTO),
    ],
)
def test_one_passage_gets_it(data: bytes, parts: tuple[int, ...], where: Where) -> None:
    """By leaf: the end of what was newly written, in each of its forms, once."""
    message = scan(data)
    plan = prepare(message, read_text(message), EN, where=where)
    assert plan.parts == parts
    edited = join(data, splice(data, plan.edits(plan.runs(SAMPLE))))
    assert edited.count(SAMPLE.link.encode()) >= len(parts)
    assert b"{{" not in edited
    after = scan(edited)
    for leaf in after.leaves:
        start, end = leaf.body
        assert (SAMPLE.link.encode() in edited[start:end]) == (leaf.leaf in parts)


def test_further_placeholders_are_taken_out() -> None:
    """In whichever of the texts they stand; only one place gets the footer."""
    data = of("mixed", plain("a {{careerrelay}}"), IMAGE, page("b {{careerrelay}}"), plain("c"))
    message = scan(data)
    plan = prepare(message, read_text(message), EN)
    edited = join(data, splice(data, plan.edits(plan.runs(SAMPLE))))
    assert (plan.parts, plan.placement, b"{{" in edited) == ((0, 2), "placeholder", False)
    assert b"<p>b </p>" in edited
    removal = prepare_removal(message, read_text(message))
    assert removal is not None
    assert b"{{" not in join(data, splice(data, removal.edits(removal.runs())))


@pytest.mark.parametrize("where", [Where.AUTO, Where.TOP, Where.END])
def test_two_forms_that_are_both_plain_where_it_goes(where: Where) -> None:
    """Mailparser and postal-mime string all plain texts together, and would show it twice."""
    pages = [plain("n"), page("h"), plain("n")] if where is not Where.AUTO else [QUOTED_PAGE, plain("n")]
    message = scan(of("alternative", plain("p"), of("mixed", *pages)))
    with pytest.raises(MailUnreadable) as caught:
        prepare(message, read_text(message), EN, where=where)
    assert caught.value.reason is Reason.DISAGREE


def test_a_placeholder_in_newly_written_text_decides() -> None:
    """A quoted one in a text before it is only taken out."""
    data = of("mixed", ASKS_IN_QUOTE, plain("a {{careerrelay}}"), plain("b"))
    plan = prepare(scan(data), read_text(scan(data)), EN)
    edited = join(data, splice(data, plan.edits(plan.runs(SAMPLE))))
    found = [SAMPLE.link.encode() in edited[slice(*leaf.body)] for leaf in scan(edited).leaves]
    assert (found, b"{{" in edited, plan.placement) == ([False, True, False], False, "placeholder")


WORD = "a {{careerrelay}} b\r\n"
BRACES = "a {{ careerrelay b }} {careerrelay} c\r\n"
HIDDEN_IN_TAGS = "<p>a &#123;<b>{</b>career<i>re</i>lay}&rcub;</p>\r\n"
CODED = [("us-ascii", "7bit"), ("utf-8", "8bit"), ("utf-8", "base64"), ("utf-8", "quoted-printable")]
CODED += [("iso-2022-jp", "7bit"), ("iso-2022-jp", "base64"), ("shift_jis", "8bit"), ("euc-jp", "8bit")]
CODED += [("utf-7", "7bit"), ("utf-16", "base64"), ("gb18030", "8bit"), ("big5", "8bit"), ("koi8-r", "8bit")]


@pytest.mark.parametrize(("charset", "encoding"), CODED)
def test_a_placeholder_is_found_before_the_text_is_read(charset: str, encoding: str) -> None:
    """In every charset and transfer encoding; and nothing where there is none."""
    for kind, text, there in (
        ("plain", WORD, True),
        ("plain", BRACES, False),
        ("html", f"<p>{WORD}</p>", True),
        ("html", HIDDEN_IN_TAGS, True),
        ("html", f"<p>{BRACES}</p>", False),
    ):
        assert may_have_placeholder(scan(mail(text, charset=charset, encoding=encoding, kind=kind))) == there


def test_a_placeholder_between_escape_sequences_and_over_soft_breaks() -> None:
    """However it is cut up in the octets."""
    head = b"Content-Type: text/plain; charset=iso-2022-jp\r\n"
    assert may_have_placeholder(scan(head + b"\r\n\x1b$B$\x22\x1b(B{\x1b(J{careerrelay}\x1b(B}\r\n"))
    quoted = head + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n{=\r\n=7Bcareer=\r\nrela=79}}\r\n"
    assert may_have_placeholder(scan(quoted))


@pytest.mark.parametrize("data", [of("mixed", PAIR, IMAGE, plain(WORD)), of("mixed", plain("a"), page(WORD))])
def test_a_placeholder_in_a_later_text(data: bytes) -> None:
    """All texts of the main body are looked at, files and embedded messages never."""
    assert may_have_placeholder(scan(data))


def test_no_placeholder_where_nobody_reads() -> None:
    """A file and an embedded message are not the mail's words."""
    file = b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n" + WORD.encode()
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n" + WORD.encode()
    assert not may_have_placeholder(scan(of("mixed", plain("a"), file, inner)))


@given(number=st.integers(0, 10**6), where=st.integers(0, 5000))
def test_whatever_reading_finds_was_found_before(number: int, where: int) -> None:
    """Mails of all kinds with the word put in anywhere: none is passed over whose text shows it."""
    data = made(number)
    message = scan(data[:where] + b"{{careerrelay}}" + data[where:])
    if any(placeholders(body) for body in read_text(message).bodies):
        assert may_have_placeholder(message)


@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable"])
def test_a_placeholder_before_what_could_become_a_boundary(encoding: bytes) -> None:
    """Found by fuzzing: with a line end before it that text would end its part."""
    inner = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " + encoding
    data = of("mixed", inner + b"\r\n\r\na {{careerrelay}}--bound\r\n", IMAGE)
    message = scan(data)
    text = read_text(message)
    with pytest.raises(MailUnreadable) as caught:
        prepare(message, text, EN)
    assert caught.value.reason is Reason.DEFECT
    with pytest.raises(MailUnreadable) as caught:
        prepare_removal(message, text)
    assert caught.value.reason is Reason.DEFECT
