"""A copy's footer is what its template renders to, whichever way it was made."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from gateway.footer import render as rendering
from gateway.footer.template import FooterText, load_footers
from gateway.footer.values import MAX_NAME, SAMPLE, FooterValues
from tests.unit.footer.mails import EN, JA

_TAIL = st.text("!#$%&'()*+,-./:;=?@[]_abz~09AZ", min_size=1, max_size=20)
VALUES = st.builds(
    FooterValues,
    link=_TAIL.map("https://a.example/".__add__),
    opt_out=st.one_of(_TAIL.map("https://b.example/".__add__), _TAIL.map("mailto:".__add__)),
    company=st.text("a &<>\"'社\ue000", max_size=MAX_NAME),
    partner=st.sampled_from(("", "p", "{{ link }}", "<b>")),
)
LINKED = '<p>{% if company %}{{ company | upper }}{% endif %},\n<a href="{{ link }}">{{ link }}</a></p>'


def footer(plain: str, html: str = LINKED) -> FooterText:
    """A footer of two sources."""
    return load_footers({"a.txt": plain.encode(), "a.html": html.encode()})["a"]


OWN = footer("  {{ partner or company }} \n{{ link }} {{ opt_out }}\t\n{{ company }}  \n{{ link }}")


def plainly(each: FooterText, values: FooterValues) -> tuple[str, str]:
    """What the templates render to, nothing remembered."""
    each = replace(each, links_only=frozenset())
    return each.render_plain(values), each.render_html(values)


@given(st.sampled_from((EN, JA, OWN)), VALUES)
def test_a_copy_is_a_rendering(each: FooterText, values: FooterValues) -> None:
    """For any values: names that need escaping, blanks where lines are trimmed, links with ampersands."""
    assert each.links_only == {"txt", "html"}
    assert (each.render_plain(values), each.render_html(values)) == plainly(each, values)


@pytest.mark.parametrize(
    "source",
    [
        "{{ link }}{% if 'mailto:' in opt_out %} by mail{% endif %}",
        "{{ link }} {{ opt_out | upper }}",
        "{{ link }}\n{{ link | urlencode }}",
        "{{ link }} {{ 'x' ~ link }}",
        "{{ link }} {{ company or link }}",
        "{{ link }} {{ link if company else opt_out }}",
    ],
)
def test_templates_that_look_into_a_link_are_rendered(source: str) -> None:
    """A condition or a filter could do anything with a link; there is nothing to remember then."""
    each = footer(source)
    assert each.links_only == {"html"}
    for opt_out in ("https://b.example/x", "mailto:a@b.example"):
        values = replace(SAMPLE, opt_out=opt_out)
        assert each.render_plain(values) == plainly(each, values)[0]


def test_a_form_that_is_not_the_rendering_is_not_used() -> None:
    """A template that has the marks in its own text is rendered."""
    marked = replace(EN, html=Template("\x00{{ link }}", autoescape=True))
    assert marked.render_html(SAMPLE) == f"\x00{SAMPLE.link}"


def test_a_template_is_rendered_once_for_a_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next copy of the same company costs no rendering, and says its own link."""
    each = footer("{{ company }}: {{ link }}")
    assert each.render_plain(SAMPLE).endswith(SAMPLE.link)

    def fails(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(rendering, "_rendered", fails)
    other = replace(SAMPLE, link="https://other.example/1")
    assert each.render_plain(other) == f"{SAMPLE.company}: https://other.example/1"
