"""HTML gives its text with positions; what is not sound is named and never edited."""

import re

import pytest

from gateway.message.html import MAX_HTML, MAX_TOKENS, read_html
from gateway.message.normalise import normalise

# HTML, and whether what stands at the "@" is shown.
HIDING = [
    ('<div style="display:none">x</div><p>new</p>@', True),
    ('<p>new</p><div style="display:none">x@', False),
    ("<html><body><p>new</p><DIV STYLE='DISPLAY: NONE'>x@</body></html>", False),
    ("<p style='display:none'>x<p>new@", True),
    ("<p style='display:none'>x<div>new@</div>", True),
    ("<p style='display:none'>x<span>y</span>@", False),
    ("<p hidden=hidden>x<hr>new@", True),
    ("<table><tr><td><span style='display:none'>x</td><td>new@</td></tr></table>", True),
    ("<div><span style='visibility:hidden'>x</div>new@", True),
    ("<font><span style='display:none'>x</font>new@", True),
    ("<div style='display:none'><b>x</div></b>new@", True),
    ("<div style='display:none'>x</span></b>y@", False),
    ("<div hidden>x<div>y</div>z@</div>", False),
    ("<div style='display:none'><p>x</p></div><div title='a hidden none'>new@</div>", True),
    ("<div title='none'>new@</div>", True),
    ("<ul><li style='display:none'>x<li>new@</ul>", True),
    ("<ul><li style='display:none'>x<ul><li>y@</ul></ul>", False),
    ("<dl><dt style='display:none'>x<dd>new@</dl>", True),
    ("<table><tr style='display:none'><td>x<tr><td>new@</table>", True),
    ("<div style='display:none'><table><tr><td>x</table>y@", False),
    ("<table><tr><td style='display:none'><table><tr><td>x@</table></table>", False),
    ("<table><tr><td style='display:none'><table><tr><td>x</table><td>new@</table>", True),
    ("<input type=hidden><p>new@", True),
    ("<span style='display:none'><img src=x alt='hidden'><br></span>new@", True),
    ("<div style='display:none'><div>x</div>new@", False),
    ("<center><div style='display:none'>x</center>new@", True),
    ("<div style='opacity: 0'>x@", False),
    ("<div style='opacity:0.0;color:red'>x</div>new@", True),
    ("<div style='opacity:0.5'>new@", True),
    ("<div style='overflow:hidden;max-height:0'>x@", False),
    ("<div style='max-height:0px;overflow:hidden'>x</div>new@", True),
    ("<div style='max-height:0.9em;overflow:hidden'>new@", True),
    ("<div style='max-height:0'>new@", True),
    ("<details><summary>s</summary>x@", False),
    ("<details><summary>s</summary>x</details>new@", True),
    ("<p><details open><summary>s</summary>new@", True),
    ("<details title=' open '><summary>s</summary>x@", False),
    ("<dialog>x@", False),
    ("<p style='display:none'>x<dialog open>new@</dialog>", True),
]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>採用を<b>見</b>送り</p>", "採用を見送り"),
        ("採用を\r\n  <span\n style='color: red'>見送り</span>", "採用を見送り"),
        ("we&nbsp;regret &amp; thank&#x20;you &#23713; &hearts;", "we regret & thank you 岡 ♥"),
        ("採&#29992;を見&shy;送り", "採用を見送り"),
        ("a &unknown; b & c &; &#; d", "a &unknown; b & c &; &#; d"),
        ("one<br>two<BR/>three", "one two three"),
        ("一行<br>二行<br><br>三行", "一行二行\n三行"),
        ("<div>一行</div><div>二行</div><div><br></div><div>三行</div>", "一行二行\n三行"),
        ("<div>一行<br></div><div>二行</div>", "一行二行"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        (
            '<p class="MsoNormal">一行</p><p class=MsoNormal>二行</p><p class=MsoNormal>&nbsp;</p><p class=MsoNormal>三',  # noqa: E501 - as it is written
            "一行二行\n三",
        ),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d", "a b c\nd"),
        ("<head><title>no</title><style>p{}</style></head><body>yes</body>", "yes"),
        ("<script>if (a < b) { '</p>' }</script>yes", "yes"),
        ("<style><!-- a > b --></style>yes", "yes"),
        ("a<!-- no -- > <b> -->b", "ab"),
        ("<!--[if mso]><table><tr><td>no</td></tr></table><![endif]-->yes", "yes"),
        ("<![if !mso]>yes<![endif]>", "yes"),
        ('<!DOCTYPE html PUBLIC "-//W3C//DTD" "x"><?xml version="1.0"?>yes', "yes"),
        ("1 < 2 <3 <= 4", "1 < 2 <3 <= 4"),
        ("</ p>yes", "yes"),
        ("<a href=\"x\"target=_blank title='>' data-a = b hidden/>yes</a>", "yes"),
        ('<o:p></o:p><st1:city w:st="on">Tokyo</st1:city>', "tokyo"),
        ("<textarea>no</textarea><template><p>no</p></template><svg><text>no</text></svg>yes", "yes"),
        ("<head><meta charset=utf-8>forgot to close<body>yes", "forgot to close yes"),
        ("<head><title>no</title><p>forgot to close", "forgot to close"),
        ("<head><title>no</title>\n<body>yes", "yes"),
    ],
)
def test_text(source: str, expected: str) -> None:
    """What a person reads, in the normal form that rules see."""
    read = read_html(source)
    assert read.defect == ""
    assert normalise(read.text) == expected


@pytest.mark.parametrize(
    ("source", "defect"),
    [
        ("<p", "unclosed-tag"),
        ("text <a href='x", "unclosed-tag"),
        ('<a href="x>text</a>', "unclosed-tag"),
        ("<a <b>", "unclosed-tag"),
        ('<p title=a"b>', "unclosed-tag"),
        ('<p ">', "unclosed-tag"),
        ("<!-- never closed", "unclosed-comment"),
        ("<!--> x -->", "odd-comment"),
        ("<!---> x -->", "odd-comment"),
        ("<!-- a --!> b -->", "odd-comment"),
        ("<!DOCTYPE html", "unclosed-declaration"),
        ('<!DOCTYPE html PUBLIC "a > b">', "unclosed-quote"),
        ("<!DOCTYPE <p>", "unclosed-quote"),
        ("<![CDATA[ x ]]>", "cdata"),
        ("<script>a", "unclosed-script"),
        ("<style>a</styl>", "unclosed-style"),
        ("<script><!-- <script></script> --></script>", "unclosed-script"),
        ("<plaintext>a", "plaintext"),
        ("a<frameset rows=*><frame src=b></frameset>", "frameset"),
        ("a<select><option>b</option>", "unclosed-select"),
        ("a<svg><text>b</text>", "unclosed-svg"),
        ("a<video>b", "unclosed-video"),
        ("x" * (MAX_HTML + 1), "too-large"),
        ("<b>" * (MAX_TOKENS + 1), "too-many-tags"),
    ],
)
def test_defects(source: str, defect: str) -> None:
    """Unclosed tags, comments and quotes; what browsers and filters tokenize differently; too much."""
    assert read_html(source).defect == defect


def test_positions_lead_to_the_source() -> None:
    """Each character of the text came from its place in the source; a reference came from its first character."""  # noqa: E501 - as it is written
    source = "<p>a&amp;b <b>採用</b><br>c</p>"
    read = read_html(source)
    for character in "abc採用":
        assert source[read.source_index(read.text.index(character))] == character
    assert source[read.source_index(read.text.index("&")) :].startswith("&amp;")


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("<html><body>new</body></html>", "</body>"),
        ("<html><body>new</BODY\n></html>", "</BODY\n>"),
        ("<html>new</html> ", "</html>"),
        ("new", ""),
        ("<!-- </body> --><body>new</body>", "</body>"),
    ],
)
def test_the_end_of_the_body(source: str, end: str) -> None:
    """Before the first end tag of the body (or the document) that is one."""
    assert read_html(source).body_end == (source.rfind(end) if end else len(source))


QUOTES = {
    "gmail": '<div class="gmail_quote"><div dir="ltr" class="gmail_attr">2024年:<br></div><blockquote class="gmail_quote">old</blockquote></div>',  # noqa: E501 - as it is written
    "gmail-new": '<div class="gmail_quote gmail_quote_container"><div>On Monday</div>old</div>',
    "apple": '<blockquote type="cite"><div>old</div></blockquote>',
    "thunderbird": '<div class="moz-cite-prefix">old wrote:<br></div><blockquote type="cite" cite="mid:x">old</blockquote>',  # noqa: E501 - as it is written
    "thunderbird-forward": '<div class="moz-forward-container">old<div>old</div></div>',
    "outlook-web": '<hr tabindex="-1" style="width:98%"><div id="divRplyFwdMsg" dir="ltr">old</div><div>old</div>',  # noqa: E501 - as it is written
    "outlook-mobile": '<div id="ms-outlook-mobile-reference-message">old</div>',
    "outlook-append": '<div id="appendonsend"></div><div>old</div>',
    "outlook-desktop": "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm'>old</div></div><p>old</p>",  # noqa: E501 - as it is written
    "outlook-mac": '<span id="OLK_SRC_BODY_SECTION">old</span>',
    "yahoo": '<div class="yahoo_quoted" id="yahoo_quoted_1"><div>old</div></div>',
}


@pytest.mark.parametrize("name", QUOTES)
def test_containers_of_originals(name: str) -> None:
    """Whatever mail programs wrap an original in is quoted, and begins at its container's tag."""
    head = "<html><body><div>new</div>"
    read = read_html(head + QUOTES[name] + "</body></html>")
    assert read.defect == ""
    quoted = "".join(read.text[start:end] for start, end in read.quoted)
    rest = read.text
    for start, end in reversed(read.quoted):
        rest = rest[:start] + rest[end:]
    assert re.findall("new|old", rest) == ["new"]
    assert "old" in quoted
    assert read.marks[0] >= len(head)


def test_text_after_a_quote_is_new() -> None:
    """The container ends with its element, however it is nested."""
    read = read_html('<blockquote type="cite">a<blockquote>b</blockquote>c</blockquote>new')
    assert [read.text[start:end] for start, end in read.quoted] == ["a\n\nb\n\nc"]
    assert read.text.endswith("new")


def test_an_indented_block_is_no_quote() -> None:
    """Letters use blockquote for the look of it."""
    assert read_html("<blockquote style='margin: 1em'>new</blockquote>").quoted == ()


def test_an_empty_text_leads_to_the_start() -> None:
    """There is no other place."""
    assert read_html("<p></p>").source_index(0) == 0


def test_a_part_left_out_that_closes_itself() -> None:
    """A slash ends an element of SVG or MathML at once; an end tag without its start says nothing."""
    assert normalise(read_html("<svg/>a</svg>b").text) == "ab"


@pytest.mark.parametrize(("source", "shown"), HIDING)
def test_what_is_hidden(source: str, *, shown: bool) -> None:
    """Whether what would stand at the ``@`` is shown; `tests/browser` asks a browser the same."""
    assert read_html(source.replace("@", "")).hides(source.index("@")) != shown


def test_nothing_is_hidden_in_a_head() -> None:
    """A title that speaks of it hides nothing."""
    assert read_html("<head><title hidden>none</title><base hidden></head><p>new").hidden == ()
