import time

import pytest
from bs4.element import Tag

from gateway.errors import MailUnreadable
from gateway.footer.place import Placement, Where
from gateway.footer.place_html import _offset, html_placeholders, html_spot, quote_start
from gateway.message.html import read_html
from tests.unit.footer.mails import add_footer, html, mail, read, text_of


def marked(source: str, where: Where = Where.AUTO) -> str:
    """`source` with a mark where the footer goes, as a mail with it is edited."""
    spot = add_footer(mail(source, kind="html", encoding="base64"), where=where).plan.targets[0].spot
    return source[: spot.start] + "█" + source[spot.end :]


@pytest.mark.parametrize(
    "source",
    [
        "<html><body><p>a</p>█</body></html>",
        "<HTML><BODY><P>a</P>█</BODY></HTML>",
        "<html><body><p>a</p>█</body\n></html>",
        "<body>a</body><body>b█</body>",
        "<body>a</body></html><p>disclaimer</p>█</body></html>",
        "<body><!-- </body> --><p>a</p>█</body>",
        "<body><p>a</p>█</body><!-- </body> -->",
        "<body><!--[if mso]></body><![endif]--><p>a</p>█</body>",
        "<head><script>'</body>'</script></head><body>a█</body>",
        "<body>a█</body><style></body></style>",
        "<body><textarea></body></textarea>a█</body>",
        '<body><p title="</body>">a</p>█</body>',
        "<p>a</p>█",
        "a█",
        "<html><p>a</p>█</html>",
        "<body>İ█</BODY>",
        "<body><table><tr><td>a</td></tr></table>█</body>",
        '<html dir="rtl"><body><p>ا</p>█</body></html>',
    ],
)
def test_without_a_quote_it_stands_before_the_last_real_end_of_the_body(source: str) -> None:
    """Not one in a comment, a script or an attribute; none at all is the end."""
    assert marked(source.replace("█", "")) == source


QUOTES = {
    "gmail": (
        '<div dir="ltr">a</div><br>█<div class="gmail_quote gmail_quote_container"><div class="gmail_attr">'
        'On Mon wrote:<br></div><blockquote class="gmail_quote">q</blockquote></div>'
    ),
    "gmail of old": (
        '<div dir="ltr">a</div>█<div class="gmail_extra"><br><div class="gmail_quote">q</div><br></div>'
    ),
    "apple mail": '<body>a<div><br>█<blockquote type="cite">q</blockquote></div></body>',
    "thunderbird, signature below": (
        '<body><p>a</p>█<div class="moz-cite-prefix">On Mon, X wrote:<br></div>\n'
        '<blockquote type="cite" cite="mid:1@example.com">q</blockquote>'
        '<pre class="moz-signature">s</pre></body>'
    ),
    "outlook on the web": (
        '<body><div>a</div>█<div id="appendonsend"></div><hr style="width:98%"><div id="divRplyFwdMsg">'
        "<b>From:</b> x</div><div>q</div></body>"
    ),
    "outlook on the web, no anchor": (
        '<body><div>a</div>█<hr style="width:98%"><div id="divRplyFwdMsg"><b>差出人:</b> x</div>q</body>'
    ),
    "outlook": (
        "<body><div class=WordSection1><p class=MsoNormal>a</p>█<div>"
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm">'
        "<p class=MsoNormal><b>From:</b> x<br><b>Sent:</b> y</p></div></div><p>q</p></div></body>"
    ),
    "outlook of old": (
        "<body><div class=WordSection1><p class=MsoNormal>a</p>█"
        '<div style="border:none;border-top:solid #B5C4DF 1.0pt">'
        "<p class=MsoNormal><b>差出人<span>:</span></b> x</p></div><p>q</p></div></body>"
    ),
    "outlook for mobile": (
        '<body>a█<div id="mail-editor-reference-message-container"><div>q</div></div></body>'
    ),
    "outlook express": '<body>a█<div class="OutlookMessageHeader">From: x</div>q</body>',
    "yahoo": '<body>a█<div class="yahoo_quoted">q</div></body>',
    "proton": (
        '<body>a<div class="protonmail_signature_block">s</div>█<div class="protonmail_quote">q</div></body>'
    ),
    "words in a line of dashes": (
        "<body><p>a</p>█<p>-----Original Message-----<br>From: x<br>Sent: y</p><p>q</p></body>"
    ),
    "words without markup": "<body><p>a</p>█<p><b>From: x<br>Sent: y</b></p><p>q</p></body>",
}


@pytest.mark.parametrize("source", QUOTES.values(), ids=QUOTES.keys())
def test_before_a_quoted_original(source: str) -> None:
    """However the mail program marks it."""
    assert marked(source.replace("█", "")) == source


@pytest.mark.parametrize("name", [name for name in QUOTES if "words" not in name and name != "gmail of old"])
def test_the_tree_alone_finds_a_marked_quote(name: str) -> None:
    """Without what the reader of the text knows: both have to find it for the earlier one to count."""
    source = QUOTES[name].replace("█", "")
    assert quote_start(source, source.lower(), None) == QUOTES[name].index("█")


@pytest.mark.parametrize(
    "source",
    [
        '<body><blockquote type="cite">q</blockquote><p>answer below</p>█</body>',
        '<blockquote type="cite">q</blockquote><p>one</p>█<blockquote type="cite">r</blockquote>',
        "<body><blockquote>only indented</blockquote>█</body>",
        '<body><div style="border-top: solid 1px">no header in it</div>█</body>',
    ],
)
def test_answers_between_and_below_quotes_stay_above_the_footer(source: str) -> None:
    """The end of the newly written text is after the last of it."""
    assert marked(source.replace("█", "")) == source


def test_a_rule_can_ask_for_end_or_top() -> None:
    """Whatever is quoted."""
    source = '<body class="x">a<div class="gmail_quote">q</div></body>'
    assert marked(source, Where.TOP) == source.replace(">a", ">█a")
    assert marked(source, Where.END) == source.replace("</body>", "█</body>")
    assert marked("a<b>c</b>", Where.TOP) == "█a<b>c</b>"


@pytest.mark.parametrize(
    ("source", "runs"),
    [
        ("<p>{{careerrelay}}</p>", [["{{careerrelay}}"]]),
        ("<p>{{<b>career</b>relay}}</p>", [["{{", "career", "relay}}"]]),
        ("<p>{{<b></b>careerrelay}}</p>", [["{{", "careerrelay}}"]]),
        ("<p>{{&nbsp;careerrelay&#125;}</p>", [["{{&nbsp;careerrelay&#125;}"]]),
        ("&#123;&lcub;careerrelay&rcub;&#x7D;", [["&#123;&lcub;careerrelay&rcub;&#x7D;"]]),
        ('<p title="{{careerrelay}}">x</p>', []),
        ("<!-- {{careerrelay}} -->", []),
        ("<style>{{careerrelay}}</style>", []),
        ("<p>{{career}}</p>{{CAREERRELAY}}", [["{{CAREERRELAY}}"]]),
        ("<p>a</p>", []),
    ],
)
def test_placeholders_are_found_in_visible_text(source: str, runs: list[list[str]]) -> None:
    """Also when an editor has cut them up with tags and entities."""
    assert [[source[start:end] for start, end in each] for each in html_placeholders(source)] == runs


def test_a_cut_up_placeholder_leaves_its_tags_balanced() -> None:
    """Only characters go; the tags between them stay."""
    edited = add_footer(mail(html("<p>x {{<b>career</b>relay}} y</p>"), kind="html"))
    assert edited.plan.placement == "placeholder"
    text = text_of(read(edited.data))
    assert "{{" not in text
    assert "\r\n<b></b> y</p>" in text


def test_a_parser_that_gives_up_leaves_the_mail_alone() -> None:
    """BeautifulSoup raises on some declarations."""
    source = "<![foo bar<p class='gmail_quote'>"
    with pytest.raises(MailUnreadable, match="html-defect"):
        quote_start(source, source, None)
    with pytest.raises(MailUnreadable, match="<p> has no place"):
        _offset("", Tag(name="p"))


def test_places_are_found_in_linear_time() -> None:
    """20,000 nested or sibling elements, quotes or placeholders: quadratic would be half a minute each."""
    pieces = (
        "<div>",
        '<div class="gmail_quote">',
        '<div style="border-top:solid">',
        "<blockquote type=cite>q</blockquote>a",
        "{{career<b>",
    )
    for piece in pieces:
        source = piece * 20_000
        start = time.process_time()
        spot = html_spot(source, len(source), Where.AUTO, quoted=False, newline="\r\n")
        assert 0 <= spot.start <= len(source)
        assert time.process_time() - start < 10  # seconds


def test_the_first_end_of_the_body_is_taken_from_the_reader_only_if_it_is_the_last() -> None:
    """The text reader stops at the first one."""
    source = "<body>a</body>b</body>"
    assert read_html(source).body_end == 7
    assert html_spot(source, 7, Where.AUTO, quoted=False, newline="\r\n").start == 15
    assert html_spot(source, 7, Where.AUTO, quoted=False, newline="\r\n").how is Placement.AFTER_TEXT
