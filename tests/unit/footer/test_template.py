from collections.abc import Mapping
from dataclasses import replace

import pytest
from jinja2 import Template

from gateway.errors import ConfigError, MailUnreadable
from gateway.footer.preview import preview_page, preview_plain
from gateway.footer.template import MAX_FILE, load_footers
from gateway.footer.values import MAX_NAME, MAX_URL, SAMPLE
from gateway.reason import Reason
from tests.unit.footer.mails import EN, ENGLISH, FOOTERS, JA

GOOD = {"a.txt": b"{{ link }}\n", "a.html": b'<p><a href="{{ link }}">{{ link }}</a></p>\n'}


def problems(files: Mapping[str, bytes]) -> list[str]:
    """What is said about `files`, one line for each problem."""
    with pytest.raises(ConfigError) as caught:
        load_footers(files)
    return [str(each) for each in caught.value.problems]


def test_shipped_footers_load_and_follow_the_manners() -> None:
    """RULES.md: who runs the service, that it is a referral programme, and a way to say no more."""
    assert sorted(FOOTERS) == ["default-en", "default-ja"]
    assert [footer.language for footer in (EN, JA)] == ["en", "ja"]
    for footer in FOOTERS.values():
        assert footer.advice() == []
        for text in (footer.render_plain(SAMPLE), footer.render_html(SAMPLE)):
            assert SAMPLE.link in text
            assert SAMPLE.opt_out in text
            assert "CareerRelay" in text


def test_the_english_footer_is_ascii_and_the_japanese_one_jis_x_0208() -> None:
    """So that hardly any mail has to change its charset for them."""
    assert EN.render_plain(ENGLISH).isascii()
    assert EN.render_html(ENGLISH).isascii()
    for codec in ("iso2022_jp", "shift_jis", "euc_jp"):
        JA.render_plain(SAMPLE).encode(codec)
        JA.render_html(SAMPLE).encode(codec)


def test_plain_lines_have_no_blanks_at_their_ends_and_are_not_wide() -> None:
    """A blank at the end would flow (RFC 3676); 78 columns is what RFC 5322 §2.1.1 asks for."""
    for footer in FOOTERS.values():
        for line in footer.render_plain(SAMPLE).split("\n"):
            assert line == line.rstrip()
            assert sum(2 if ord(character) > 0x2E80 else 1 for character in line) <= 78


def test_without_names_the_footers_still_make_sense() -> None:
    """A config may name neither company nor partner."""
    values = replace(SAMPLE, company="", partner="", company_en="", partner_en="")
    assert "当社は、提携の人材紹介会社が運営する" in JA.render_plain(values)
    assert "Our company takes part in CareerRelay" in EN.render_plain(values)


def test_english_footers_use_the_english_names() -> None:
    """An English mail need not carry a Japanese name, and need not leave ASCII for it."""
    values = replace(SAMPLE, company="株式会社サンプル", company_en="Sample K.K.", partner_en="")
    for text in (EN.render_plain(values), EN.render_html(values)):
        assert "Sample K.K." in text
        assert "株式会社サンプル" not in text
        assert SAMPLE.partner in text, "where no English name is given, the name stands"
    assert "株式会社サンプル" in JA.render_plain(values)
    assert EN.render_plain(SAMPLE).isascii()


def test_values_are_escaped_where_they_go() -> None:
    """As HTML in .html, as they are in .txt."""
    values = replace(SAMPLE, link="https://careerrelay.example/r?a=1&b=2", company="A & B <x>")
    footer = load_footers(GOOD | {"a.txt": b"{{ company }} {{ link }}"})["a"]
    assert footer.render_plain(values) == "A & B <x> https://careerrelay.example/r?a=1&b=2"
    assert footer.render_html(values) == (
        '<p><a href="https://careerrelay.example/r?a=1&amp;b=2">'
        "https://careerrelay.example/r?a=1&amp;b=2</a></p>"
    )


def test_files_that_are_no_footers_are_not_looked_at() -> None:
    """An editor's leftovers are for whoever reads the folder to warn about."""
    assert list(load_footers(GOOD | {"a.txt.bak": b"\xff", "README": b"", "b.md": b"{{"})) == ["a"]


def test_a_bom_is_fine_and_crlf_too() -> None:
    """Files come from Windows as well."""
    footer = load_footers(GOOD | {"a.txt": b"\xef\xbb\xbfx\r\n{{ link }}\r\n"})["a"]
    assert footer.render_plain(SAMPLE) == f"x\n{SAMPLE.link}"


def test_all_problems_come_at_once_with_file_line_and_remedy() -> None:
    """Promise 9: a set with an error is refused whole, and the editor has to come back only once."""
    found = problems(
        {
            "b.txt": b"hello {{ lnk }}\n{{ link }}",
            "b.html": "<p>選考</p>{{ link }}".encode("cp932"),
            "c.txt": b"{{ link }}",
            "d.html": b"{{ link",
            "e.txt": b" \n",
            "e.html": GOOD["a.html"],
        }
    )
    pair = "a mail has a text and an HTML part, and both get the footer"
    unfinished = "unexpected end of template, expected 'end of print statement'."
    assert found == [
        "b.html:1: not UTF-8; it looks like Shift_JIS (CP932) -> save the file as UTF-8",
        "e.txt: the file is empty -> write the footer",
        "b.txt:1: unknown variable lnk -> use only link, opt_out, company, partner",
        f"c.txt: there is no c.html beside it -> write c.html: {pair}",
        f"d.html: there is no d.txt beside it -> write d.txt: {pair}",
        f"d.html:1: {unfinished} -> write {{{{ variable }}}}, {{% if variable %}} … {{% endif %}}",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"no link here", "the link is missing"),
        (b"{% if company %}{{ link }}{% endif %}", "the link is missing when company and partner are empty"),
        (b"{% for x in company %}{{ link }}{% endfor %}", "a footer has no use for for"),
        (b"{{ link.upper() }}", "a footer has no use for call"),
        (b"{{ link.__class__ }}", "a footer has no use for getattr"),
        (b"{{ link * 9999999 }}", "a footer has no use for mul"),
        (b"{{ link | safe }}", "filter safe is not offered"),
        (b"{% include 'x' %}{{ link }}", "a footer has no use for include"),
        (b"{{ link }}{% if company is divisibleby 3 %}{% endif %}", "test divisibleby is not offered"),
        (b"{% if company %}{{ secret }}{% endif %}{{ link }}", "unknown variable secret"),
        (b"{{ link }}\x07", "control character in line 1"),
        (b"{{ link }}" + b"x" * (999 - MAX_URL), "can be longer than 998 octets"),
        (b"{{ link }}{{ company | title(1) }}", "it cannot be rendered"),
        (b"{{ link }} \x81", "not UTF-8 (octet 12)"),
        (b"{{ link }}" + b"\n" * MAX_FILE, f"longer than {MAX_FILE} octets"),
    ],
)
def test_a_text_template_that_could_do_harm_is_refused(source: bytes, message: str) -> None:
    """What a template may do is a short list; the rest is a problem with its remedy, found at load."""
    found = problems(GOOD | {"a.txt": source})
    assert any(message in line and " -> " in line for line in found), found


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<div>{link}", "<div> is not closed"),
        ("<p>{link}</div></p>", "</div> closes nothing"),
        ("{link}<script>x</script><script>y</script>", "<script> has no place"),
        ("{link}<style>p {{}}</style>", "<style> has no place"),
        ("{link}<img src='cid:x'>", "is no whole http"),
        ("{link}<!-- x -->", "a comment, declaration"),
        ("<p onclick='x()'>{link}</p>", "onclick= runs a script"),
        ("{link}<a href='javascript:x'>y</a>", "is no whole http"),
        ("<a href={{{{ link }}}} title={{{{ company }}}}>x</a>", "a value can change the HTML around it"),
        ("<p>{{{{ link }}}}</p>", "no <a> leads to the link"),
        ('<a href="{{{{ link }}}}">https://example.com/</a>', "shows another address than its target"),
        ('<a href="{{{{ link }}}}">www.example.com</a>', "shows another address than its target"),
        ('<a href="{{{{ link }}}}">{{{{ opt_out }}}}</a>', "shows another address than its target"),
        ('{link}<a href="https://example.com/"><img src="https://example.com/x"></a>', "a link without text"),
    ],
)
def test_an_html_template_that_could_do_harm_is_refused(source: str, message: str) -> None:
    """Unbalanced HTML would swallow the mail; a link that shows another address is what fraud looks like."""
    written = source.format(link='<a href="{{ link }}">{{ link }}</a>')
    found = problems(GOOD | {"a.html": written.encode()})
    assert any(message in line and " -> " in line for line in found), found


def test_plain_words_and_void_elements_are_fine() -> None:
    """Links may have words for text, and a footer may have line breaks and rules."""
    source = b'<hr><p><a name="x">Mr. X</a><br/><a href="{{ link }}">A career service. Please look</a></p>'
    assert load_footers(GOOD | {"a.html": source})["a"].language == ""


def test_advice_names_what_the_manners_ask_for() -> None:
    """A footer of one's own is not refused for it."""
    advice = [str(each) for each in load_footers(GOOD)["a"].advice()]
    assert len(advice) == 6
    assert "a.txt: no way to say no more of these -> add {{ opt_out }}, with a word on what it does" in advice


def test_longest_values_keep_lines_within_998_octets() -> None:
    """RFC 5322 §2.1.1, whatever the config says."""
    values = replace(
        SAMPLE,
        link="https://careerrelay.example/".ljust(MAX_URL, "x"),
        opt_out="https://careerrelay.example/".ljust(MAX_URL, "y"),
        company="社" * MAX_NAME,
        partner="人" * MAX_NAME,
    )
    for footer in FOOTERS.values():
        text = f"{footer.render_plain(values)}\n{footer.render_html(values)}"
        assert max(len(line.encode()) for line in text.split("\n")) <= 998


def test_a_template_that_fails_leaves_the_mail_alone() -> None:
    """Promise 1: whatever a template does, the mail gets through."""
    broken = replace(JA, plain=Template("{{ 1 / 0 }}"))
    with pytest.raises(MailUnreadable) as caught:
        broken.render_plain(SAMPLE)
    assert caught.value.reason is Reason.INTERNAL_FAULT


def test_previews_show_the_sample() -> None:
    """For people, before a footer goes out."""
    assert preview_plain(EN).endswith("---\n")
    page = preview_page(JA, dark=True)
    assert "color-scheme: dark" in page
    assert JA.render_html(SAMPLE) in page
    assert "color-scheme: light dark" in preview_page(JA)
