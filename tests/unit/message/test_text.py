"""The words of a mail: which parts they are in, how they decode, what of them is new."""

import base64
import quopri

import pytest

from gateway.message.scan import scan
from gateway.message.text import MAX_TEXT, MailText, read_text
from gateway.reason import Reason


def mail(body: bytes, *fields: bytes) -> bytes:
    """A mail with these fields."""
    return b"\r\n".join((b"From: a@example.com", *fields, b"", body))


def part(kind: str, text: str = "", *fields: bytes) -> bytes:
    """A part of a kind."""
    return b"\r\n".join((b"Content-Type: " + kind.encode(), *fields, b"", text.encode()))


def multipart(kind: str, boundary: str, *parts: bytes) -> bytes:
    """A multipart of these parts."""
    mark = b"--" + boundary.encode()
    inner = b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n".encode() + inner + mark + b"--\r\n"


PLAIN = part("text/plain; charset=utf-8", "plain text")
HTML = part("text/html; charset=utf-8", "<p>html text</p>")
PDF = part("application/pdf", "JVBERi0=")
IMAGE = part("image/png; name=a.png", "iVBORw0=")
ATTACHED_TEXT = part(
    "text/plain; charset=utf-8", "attached", b"Content-Disposition: attachment; filename=a.txt"
)
OF_A_FORM = part("text/plain", "value", b"Content-Disposition: form-data; name=field")
NAMED_HTML = part("text/html; name=a.html", "<p>attached</p>")


def read(data: bytes, *, complete: bool = True) -> MailText:
    """Scan and read."""
    return read_text(scan(data, complete=complete))


def words(text: MailText) -> tuple[str | None, str | None]:
    """What is new in plain and HTML text."""
    return (
        None if text.plain is None else text.plain.new.text,
        None if text.html is None else text.html.new.text,
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PLAIN, ("plain text", None)),
        (HTML, (None, "html text")),
        (PDF, (None, None)),
        (multipart("alternative", "b", PLAIN, HTML), ("plain text", "html text")),
        (
            multipart("alternative", "b", PLAIN, multipart("related", "c", HTML, IMAGE)),
            ("plain text", "html text"),
        ),
        (
            multipart("mixed", "a", multipart("alternative", "b", PLAIN, HTML), PDF),
            ("plain text", "html text"),
        ),
        (
            multipart(
                "mixed",
                "a",
                multipart("related", "b", multipart("alternative", "c", PLAIN, HTML), IMAGE),
                PDF,
            ),
            ("plain text", "html text"),
        ),
        (multipart("mixed", "a", PLAIN, ATTACHED_TEXT), ("plain text", None)),
        (multipart("mixed", "a", ATTACHED_TEXT, PLAIN), ("plain text", None)),
        (multipart("mixed", "a", PLAIN, HTML), ("plain text", None)),
        (multipart("mixed", "a", PDF, IMAGE, HTML), (None, "html text")),
        (multipart("mixed", "a", part("text/plain", "\r\n"), HTML), (None, "html text")),
        (multipart("mixed", "a", NAMED_HTML, PLAIN), ("plain text", None)),
        (multipart("mixed", "a", part("message/rfc822", "Subject: x\r\n\r\ninner"), PDF), (None, None)),
        (multipart("mixed", "a", PDF), (None, None)),
        (multipart("form-data", "a", OF_A_FORM, OF_A_FORM), (None, None)),
        (multipart("mixed", "a", OF_A_FORM, HTML), (None, "html text")),
        (part("text/plain", "shown", b"Content-Disposition: INLINE"), ("shown", None)),
    ],
)
def test_the_main_body(data: bytes, expected: tuple[str | None, str | None]) -> None:
    """First text/plain and its alternative; no attachment, no embedded message, no second text."""
    text = read(data)
    assert words(text) == expected
    assert (text.complete, text.reason) == (True, None)


def test_a_part_is_named_by_its_index() -> None:
    """`leaf` leads to the part whose bytes an edit goes into."""
    message = scan(multipart("mixed", "a", multipart("alternative", "b", PLAIN, HTML), PDF))
    text = read_text(message)
    assert text.plain is not None
    assert text.html is not None
    assert (text.plain.leaf, text.html.leaf) == (2, 3)
    assert [body.leaf for body in text.bodies] == [2, 3]


@pytest.mark.parametrize("part", [PLAIN, HTML])
def test_a_lone_body_is_the_only_one(part: bytes) -> None:
    """Of either kind; and a mail without one has none."""
    text = read_text(scan(multipart("mixed", "a", part, PDF)))
    assert [text.plain or text.html] == list(text.bodies)
    assert read_text(scan(multipart("mixed", "a", PDF))).bodies == ()


LETTER = "山田　様\r\n\r\n採用を\r\n見送ります。\r\n"


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("ISO-2022-JP", "iso2022_jp"), ("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("UTF-8", "utf-8")],
)
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_charsets_and_encodings(charset: str, codec: str, encoding: str) -> None:
    """Every pair that Japanese mail uses says the same."""
    payload = LETTER.encode(codec)
    if encoding == "base64":
        payload = base64.encodebytes(payload).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        payload = quopri.encodestring(payload.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    data = mail(
        payload,
        b"Content-Type: text/plain; charset=" + charset.encode(),
        b"Content-Transfer-Encoding: " + encoding.encode(),
    )
    text = read(data)
    assert text.plain is not None
    assert (text.plain.decoded, text.plain.charset, text.plain.kind) == (LETTER, charset, "plain")
    assert text.plain.new.text == "山田様\n採用を見送ります。"
    assert text.plain.new_end == len(LETTER)
    assert text.reason is None


@pytest.mark.parametrize(
    ("fields", "body", "reason", "new"),
    [
        ([b"Content-Type: text/plain; charset=x-unknown"], b"abc", Reason.CHARSET, "abc"),
        ([b"Content-Type: text/plain; charset=utf-8"], b"abc\xff", Reason.UNDECODABLE, "abc\ufffd"),
        ([b"Content-Type: text/plain"], "採用".encode(), Reason.CHARSET, "採用"),
        ([], "採用".encode("iso2022_jp"), Reason.CHARSET, "採用"),
        ([b"Content-Type: text/plain; charset='utf-8'"], "採用".encode(), Reason.CHARSET, "採用"),
        ([b"Content-Type: text/plain; charset='utf-8'"], b"abc", None, "abc"),
        ([b"Content-Type: text/plain; charset=iso-2022-jp"], b"a\x0e1\x0fb", Reason.UNDECODABLE, "aアb"),
        ([b"Content-Type: text/plain; charset=iso-2022-jp"], b"a\xb1b", Reason.UNDECODABLE, "aアb"),
        (
            [b"Content-Type: text/plain", b"Content-Transfer-Encoding: base64"],
            b"YQBi",
            Reason.UNDECODABLE,
            "a\0b",
        ),
        (
            [b"Content-Type: text/plain; charset=utf-16le", b"Content-Transfer-Encoding: quoted-printable"],
            b"a=00\r\n=00=00",
            Reason.UNDECODABLE,
            "a\u0a0d\0",
        ),
        ([], "採用を見送".encode("cp932"), Reason.CHARSET, "採用を見送"),
        ([b"Content-Type: text/plain; charset=utf-8"], "採用".encode("iso2022_jp"), Reason.CHARSET, "採用"),
        ([b"Content-Type: text/plain; charset=cp932"], "採用".encode("iso2022_jp"), Reason.CHARSET, "採用"),
        ([b"Content-Transfer-Encoding: base64"], b"!!!", Reason.UNDECODABLE, "!!!"),
        ([b"Content-Transfer-Encoding: quoted-printable"], b"a = b", Reason.UNDECODABLE, "a = b"),
        ([b"Content-Transfer-Encoding: x-other"], b"abc", Reason.UNDECODABLE, "abc"),
    ],
)
def test_what_cannot_be_read_to_the_letter(
    fields: list[bytes], body: bytes, reason: Reason, new: str
) -> None:
    """The rules get what there is; nothing is edited."""
    text = read(mail(body, *fields))
    assert text.reason == reason
    assert text.plain is not None
    assert text.plain.new.text == new


def test_html_that_is_not_sound() -> None:
    """Its text is read as far as it goes, and the whole mail is left alone."""
    text = read(multipart("alternative", "b", PLAIN, part("text/html", "<p>html <b")))
    assert text.reason == Reason.HTML_DEFECT
    assert words(text) == ("plain text", "html")


def test_subjects() -> None:
    """Decoded and in the normal form; missing is empty."""
    assert (
        read(mail(b"", b"Subject: =?UTF-8?B?6YG46ICD?=\r\n =?UTF-8?B?57WQ5p6c?= \xef\xbc\xa1")).subject.text
        == "選考結果 a"
    )
    assert read(mail(b"")).subject.text == ""


@pytest.mark.parametrize("end", [60, 110, 180])
def test_a_head_without_all_of_the_text(end: int) -> None:
    """No body is read before all of the main text is there."""
    data = mail(b"", multipart("mixed", "a", multipart("alternative", "b", PLAIN, HTML), PDF))
    text = read(data[:end], complete=False)
    assert (text.plain, text.html, text.complete) == (None, None, False)


def test_a_head_with_all_of_the_text() -> None:
    """What follows the main body need not be there."""
    data = multipart("mixed", "a", multipart("alternative", "b", PLAIN, HTML), PDF)
    text = read(data[: data.index(b"JVBE") + 2], complete=False)
    assert text.complete
    assert words(text) == ("plain text", "html text")


def test_a_head_of_something_else() -> None:
    """A mail that is one large attachment has no text, however long one waits."""
    data = mail(b"JVBERi0", b"Content-Type: application/pdf")
    text = read(data, complete=False)
    assert (text.plain, text.html, text.complete) == (None, None, True)


def test_quoted_text_is_kept_apart() -> None:
    """New and quoted each for itself, and the place between them."""
    body = "see below\r\n\r\n> we regret\r\n> to inform you\r\n"
    text = read(mail(body.encode()))
    assert text.plain is not None
    assert text.plain.new.text == "see below"
    assert text.plain.quoted.text == "> we regret > to inform you"
    assert body[text.plain.new_end :].startswith("> we regret")


@pytest.mark.parametrize(
    ("html", "at"),
    [
        ('<body><p>new</p><blockquote type="cite">old</blockquote></body>', "<blockquote"),
        ("<body><p>new</p><p>-----Original Message-----<br>From: x</p></body>", "-----Orig"),
        ("<body><p>new</p></body>", "</body>"),
        ("<p>new</p>", ""),
        ('<body><blockquote type="cite">old</blockquote><p>new</p></body>', "</body>"),
    ],
)
def test_where_new_html_ends(html: str, at: str) -> None:
    """Before the original's container or separator, else before the end of the body."""
    text = read(part("text/html", html))
    assert text.html is not None
    assert text.html.new_end == (html.index(at) if at else len(html))
    assert text.html.new.text == "new"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (part("text/plain; charset=utf-8", "x\r\n\r\n> q\r\n採　用を\r\n見送り\r\n> q\r\nｱﾊﾟｰﾄ"), "plain"),
        (
            part(
                "text/html; charset=utf-8",
                "<p>x</p><blockquote type=cite>q</blockquote><p>採<b>&#29992;</b>を 見送り<br>ｱﾊﾟｰﾄ</p>",
            ),
            "html",
        ),
    ],
)
def test_positions_lead_to_the_source(data: bytes, kind: str) -> None:
    """`explain` shows where a phrase stood, across quotes, tags and spellings."""
    text = read(data)
    body = text.plain if kind == "plain" else text.html
    assert body is not None
    places = body.new.positions
    assert len(places) == len(body.new.text) + 1
    for phrase, source in (("採用", "採"), ("を見送り", "を"), ("アパート", "ｱ"), ("x", "x")):
        at = body.new.text.index(phrase)
        assert body.decoded[places[at]] == source
    assert list(places) == sorted(places)


def test_text_past_the_bound() -> None:
    """Nobody writes such a letter: it is read up to the bound and not edited."""
    text = read(mail(b"a" * (MAX_TEXT + 1)))
    assert text.reason == Reason.WINDOW
    assert text.plain is not None
    assert len(text.plain.decoded) == MAX_TEXT
    text = read(mail(b"a" * (MAX_TEXT * 11)))
    assert (text.plain, text.reason) == (None, Reason.WINDOW)
