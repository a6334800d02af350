"""What is made once for many copies gives each of them what writing its footer anew would."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.footer import form
from gateway.footer.compose import prepare
from gateway.footer.form import form_of
from gateway.footer.place import Where
from gateway.footer.scripts import UTF_8
from gateway.footer.template import FooterText, load_footers
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.token import TOKEN_OCTETS, encode_token
from gateway.transaction.policy import LinkForm
from tests.unit.footer.mails import EN, JA, html, mail

LINK = LinkForm(
    url="https://jobs.example/r/{token}?a=1&b=2",
    opt_out="https://jobs.example/o/{token}",
    company="株式会社サンプル",
    partner="サンプル人材紹介",
    company_en="Sample & Co",
)
FORMS = (
    LINK,
    LINK._replace(opt_out="mailto:stop@jobs.example", company="", company_en=""),
    LINK._replace(company="①～－", partner="Ünï"),
)
TOKENS = st.binary(min_size=TOKEN_OCTETS, max_size=TOKEN_OCTETS).map(encode_token)
TEXTS = (
    "",
    "残念ながら\r\n\r\n> 引用\r\n> 一行\r\n",
    "今回は見送り\r\n{{careerrelay}}\r\n山田\r\n",
    "{{ careerrelay }}x{{careerrelay}}\r\n",
    "二行目で終わる",
    "一行目\n二行目\n",
    "Dear Taro, \r\n",
    "> quoted\r\n",
    "We regret\r\n-- \r\nHR\r\n",
)


def footer(plain: str) -> FooterText:
    """A footer with this text."""
    return load_footers({"a.txt": plain.encode(), "a.html": b'<a href="{{ link }}">x</a>'})["a"]


OWN = footer(" {{ company }}\n> {{ link }} {{ opt_out }}\nFrom {{ link }}")
LOOKS = footer("{{ link }} {{ opt_out | upper }}")


@given(
    TOKENS,
    st.sampled_from(TEXTS),
    st.sampled_from(("utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "utf-16-le", "us-ascii", "iso-8859-1")),
    st.sampled_from((None, "7bit", "8bit", "base64", "quoted-printable")),
    st.sampled_from(("", "; format=flowed", "; format=flowed; delsp=yes")),
    st.sampled_from(FORMS),
    st.sampled_from((EN, JA, OWN, LOOKS)),
    st.sampled_from(Where),
)
def test_filled_as_written_anew(  # noqa: PLR0917 - each is a way in which mails differ
    token: str,
    text: str,
    charset: str,
    encoding: str | None,
    parameters: str,
    links: LinkForm,
    words: FooterText,
    where: Where,
) -> None:
    """The same runs and edits, in every charset and encoding, with placeholders, quotes and flowed text."""
    try:
        data = mail(text, charset=charset, encoding=encoding, parameters=parameters)
    except UnicodeEncodeError:
        return
    message = scan(data)
    read = read_text(message)
    if message.defects or read.reason is not None:
        return
    plan = prepare(message, read, words, where=where)
    runs = plan.runs(links.values(token))
    assert plan.filled(links, token) == (runs, plan.edits(runs))


def test_html_is_written_anew() -> None:
    """A form is one of plain text."""
    message = scan(mail(html("<p>残念ながら</p>"), kind="html"))
    plan = prepare(message, read_text(message), JA)
    runs = plan.runs(LINK.values("0" * 26))
    assert plan.filled(LINK, "0" * 26) == (runs, plan.edits(runs))


def test_made_once() -> None:
    """A copy renders nothing and encodes nothing but its token."""
    message = scan(mail("残念ながら\r\n"))
    plan = prepare(message, read_text(message), JA)
    plan.filled(LINK, encode_token(os.urandom(TOKEN_OCTETS)))
    before = form_of.cache_info()
    plan.filled(LINK, encode_token(os.urandom(TOKEN_OCTETS)))
    after = form_of.cache_info()
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 0)


@pytest.mark.parametrize("words", [LOOKS, footer(f"{{{{ link }}}} {form._MARK}")])
def test_no_form(words: FooterText) -> None:
    """A footer that does more with a link, or that happens to hold the mark, has none."""
    assert form_of(words, LINK, UTF_8, ("\r\n", "", "", False)) is None
    assert form_of(EN, LINK, UTF_8, ("\r\n", "", "", False)) is not None
