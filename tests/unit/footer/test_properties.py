"""Properties over generated mails: charset, encoding, structure, line ends, quotes, placements."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import MailUnreadable
from gateway.footer import check
from gateway.footer.check import _bodies_as_before, _bodies_by_scan, check_edit
from gateway.footer.compose import prepare
from gateway.footer.place import Where
from gateway.footer.values import SAMPLE
from gateway.message.scan import scan
from gateway.message.splice import Edit, in_order, join, splice, undo
from gateway.message.text import read_text
from tests.unit.footer.mails import EN, JA, Edited, add_footer, body, read, spelled, text_of

_CHARSETS = [
    "us-ascii", "utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "gb18030", "gbk", "big5", "euc-kr", "koi8-r",
    "iso-8859-1", "windows-1252", "utf-16", "utf-16le", "utf-7",
]  # fmt: skip
_WORDS = {
    "us-ascii": "ab =.-", "koi8-r": "ab привет", "iso-8859-1": "ab é=", "windows-1252": "ab €é",
    "big5": "ab 表能中文", "gbk": "ab 表中文", "euc-kr": "ab 한국",
}  # fmt: skip
_JAPANESE = "ab =選考表ソ構能。、ー～"
_LINES = [
    "",
    "> quoted",
    "-- ",
    "On Monday, Taro <t@example.test> wrote:",
    "From: x",
    "{{careerrelay}}",
    " x",
    "a ",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A text part, and the text in it."""

    text: str
    data: bytes


@st.composite
def leaves(draw: st.DrawFn, kind: str) -> Leaf:
    """A text part with its header."""
    charset = draw(st.sampled_from(_CHARSETS))
    words = st.text(
        _WORDS.get(charset, _JAPANESE).replace("～", "" if charset != "utf-8" else "～"), max_size=60
    )
    lines = draw(st.lists(st.one_of(words, st.sampled_from(_LINES)), max_size=12))
    newline = "\r\n"
    text = newline.join(lines) + draw(st.sampled_from(["", newline, newline * 2]))
    if kind == "html":
        inner = (
            text.replace("<", "&lt;")
            .replace(">", "&gt;")
            .replace(newline, draw(st.sampled_from(["<br>", "<br>\r\n"])))
        )
        shape = draw(
            st.sampled_from(
                [
                    "{}",
                    "<html><body>{}</body></html>",
                    "<div>{}</div>\r\n",
                    "<BODY><p>{}</p></BODY >\r\n",
                    '<body>{}<div class="gmail_quote">q</div></body>',
                    "<body><!-- </body> -->{}</body>",
                    '<body><p>{}</p><blockquote type="cite">q</blockquote></body>',
                ]
            )
        )
        text = shape.format(inner)
    content = text.encode(charset)
    encodings = ["base64"]
    if not charset.startswith("utf-16"):
        encodings += ["quoted-printable", "8bit", *(["7bit"] if content.isascii() else [])]
    encoding = draw(st.sampled_from(encodings))
    parameters = (
        draw(st.sampled_from(["", "; format=flowed", "; format=flowed; delsp=yes"]))
        if kind == "plain"
        else ""
    )
    line = draw(st.sampled_from([76, 60, 72]))
    header = f"Content-Type: text/{kind}; charset={charset}{parameters}\r\n"
    header += f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    return Leaf(text=text, data=header.encode() + body(content, encoding, line))


@st.composite
def mails(draw: st.DrawFn) -> bytes:
    """A mail: one text part, or alternatives, with or without an attachment around them."""
    head = b"From: hr@example.co.jp\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
    shape = draw(st.sampled_from(["plain", "html", "alternative", "mixed", "deep"]))
    if shape in {"plain", "html"}:
        return head + draw(leaves(shape)).data
    inner = [draw(leaves("plain")).data, draw(leaves("html")).data]
    if shape == "mixed":
        inner = [inner[draw(st.integers(0, 1))]]
    parts = _multipart(
        "in",
        "mixed" if shape == "mixed" else "alternative",
        [*inner, *([_ATTACHED] if shape == "mixed" else [])],
    )
    if shape == "deep":
        parts = _multipart("out", "mixed", [parts, _ATTACHED, _EMBEDDED])
    return head + parts


_ATTACHED = b"Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nattached"
_EMBEDDED = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text"


def _multipart(boundary: str, kind: str, parts: list[bytes]) -> bytes:
    delimiter = f"\r\n--{boundary}".encode()
    head = f"Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n".encode()
    return head + b"".join(delimiter + b"\r\n" + part for part in parts)[2:] + delimiter + b"--\r\n"


def _edited(data: bytes, where: Where = Where.AUTO, name: str = "ja") -> Edited:
    try:
        return add_footer(data, JA if name == "ja" else EN, where=where)
    except MailUnreadable as error:
        # Random text may be a defect or no HTML; what may never happen is that the check catches us.
        assert error.reason.value in {"html-defect", "defect", "no-text"}  # noqa: PT017
        assume(False)  # noqa: FBT003
        raise


@given(mails(), st.sampled_from(Where), st.sampled_from(["ja", "en"]))
def test_undoing_the_edits_gives_back_the_input(data: bytes, where: Where, name: str) -> None:
    """Promise 3."""
    edited = _edited(data, where, name)
    assert undo(edited.data, edited.edits, data) == data


@given(mails(), st.sampled_from(Where), st.sampled_from(["ja", "en"]))
def test_the_footer_is_in_each_edited_leaf_once_for_another_reader(
    data: bytes, where: Where, name: str
) -> None:
    """And in no other; what was there is there still, but for placeholders."""
    edited = _edited(data, where, name)
    footer = JA if name == "ja" else EN
    before = [part for part in read(data).walk() if not part.is_multipart()]
    after = [part for part in read(edited.data).walk() if not part.is_multipart()]
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert old.get_content_type() == new.get_content_type()
    numbered = [part for part in scan(edited.data).parts if part.leaf is not None]
    texts = [part for part in after if part.get_content_maintype() == "text"]
    leaves_of_text = [part.leaf for part in numbered if part.content_type.startswith("text/")]
    for number, part in zip(leaves_of_text, texts, strict=False):
        text = _plain(text_of(part))
        html = part.get_content_type() == "text/html"
        written = footer.render_html(SAMPLE) if html else footer.render_plain(SAMPLE)
        expected = 1 if number in edited.plan.parts else 0
        assert text.count(_plain(written)) == expected
        assert text.count(SAMPLE.opt_out) == expected


def _plain(text: str) -> str:
    """A text as a reader compares it: line ends, character references and stuffing read."""
    return re.sub(r"(?m)^ +", "", spelled(text).replace("\r\n", "\n"))


@given(mails())
def test_nothing_needs_more_of_the_next_hop(data: bytes) -> None:
    """SMTP.md 14: what came in 7 bits leaves in 7 bits, and no line end is bare."""
    edited = _edited(data)
    assert not data.isascii() or edited.data.isascii()
    assert edited.data.count(b"\n") == edited.data.count(b"\r\n") == edited.data.count(b"\r")


@given(mails())
def test_lines_of_ours_are_short_enough(data: bytes) -> None:
    """RFC 5322 §2.1.1; encoded bodies keep to 76 (RFC 2045 §6.7, §6.8)."""
    edited = _edited(data)
    for target in edited.plan.targets:
        part = scan(edited.data).parts[target.part.index]
        lines = edited.data[slice(*part.body)].split(b"\r\n")
        limit = 76 if part.encoding in {"quoted-printable", "base64"} else 998
        assert all(len(line) <= limit for line in lines)


@given(
    st.binary(max_size=400),
    st.sampled_from(["plain", "html"]),
    st.sampled_from(["8bit", "quoted-printable", "base64"]),
)
def test_whatever_the_bytes_only_our_errors_come_out(junk: bytes, kind: str, encoding: str) -> None:
    """Hostile input: bounded, with a clear error."""
    head = f"From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: text/{kind}; charset=iso-2022-jp\r\n"
    data = f"{head}Content-Transfer-Encoding: {encoding}\r\n\r\n".encode() + junk
    message = scan(data)
    try:
        plan = prepare(message, read_text(message), JA)
        plan.edits(plan.runs(SAMPLE))
    except MailUnreadable as error:
        assert error.reason.value in {"defect", "undecodable", "html-defect", "unknown-charset"}  # noqa: PT017


_PIECES = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b"-",
        b"--",
        b"\r\n--",
        b"in",
        b"--in",
        b"out",
        b"x",
        b"=",
        b"\xff",
        b"\x1b$B",
    ]
)


@st.composite
def broken_edits(draw: st.DrawFn, edited: Edited) -> list[Edit]:
    """The edits of a mail, one of them written or placed otherwise, or one more in a text."""
    edits = list(edited.edits)
    number = draw(st.integers(0, len(edits)))
    junk = b"".join(draw(st.lists(_PIECES, max_size=4)))
    if number == len(edits):
        start, end = draw(st.sampled_from(edited.plan.targets)).part.body
        place = draw(st.integers(start, end))
        return [*edits, Edit(place, min(end, place + draw(st.integers(0, 5))), junk)]
    old = edits[number]
    shift = draw(st.integers(-5, 5))
    at = draw(st.integers(0, len(old.replacement)))
    after = old.replacement[at + draw(st.integers(0, 5)) :]
    edits[number] = Edit(old.start + shift, old.end + shift, old.replacement[:at] + junk + after)
    return edits


def _fault(edited: Edited, edits: list[Edit], data: bytes) -> str:
    try:
        check_edit(edited.plan, edited.runs, edits, data)
    except MailUnreadable as error:
        return str(error.detail)
    return ""


@given(mails(), st.sampled_from(Where), st.data())
def test_what_is_known_without_a_scan_is_what_a_scan_finds(
    data: bytes, where: Where, draw: st.DataObject
) -> None:
    """For copies as they should be, and for all others: the same bodies, and in the end the same words."""
    edited = _edited(data, where)
    edits = draw.draw(st.one_of(st.just(list(edited.edits)), broken_edits(edited)))
    try:
        ordered = in_order(edits, len(data))
    except ValueError:
        assume(False)  # noqa: FBT003
    other = join(data, splice(data, edits))
    bodies = _bodies_as_before(edited.plan, ordered, other)
    if bodies is not None:
        assert bodies == _bodies_by_scan(edited.plan, ordered, other)
    said = _fault(edited, edits, other)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(check, "_bodies_as_before", lambda *_: None)
        assert _fault(edited, edits, other) == said
