import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.person import normalise_address, person_hash

SAME = [
    ("Taro.Yamada@Example.COM", "taro.yamada@example.com"),
    (" taro@example.com ", "taro@example.com"),
    ("taro@example.com.", "taro@example.com"),
    ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "taro@example.com"),
    ("taro@example。com", "taro@example.com"),
    ("taro\u200b@exam\u00adple.com", "taro@example.com"),
    ('"taro.yamada"@example.com', "taro.yamada@example.com"),
    ('"ta\\ro"@example.com', "taro@example.com"),
    ("taro@例え.テスト", "taro@xn--r8jz45g.xn--zckzah"),
    ("taro@XN--R8JZ45G.xn--zckzah", "taro@xn--r8jz45g.xn--zckzah"),
    ("taro@ﾃｽﾄ.example", "taro@xn--zckzah.example"),
    ("山田@example.jp", "山田@example.jp"),
    ("JOSÉ@example.com", "jose\u0301@example.com"),
]

APART = [
    ("taro.yamada@example.com", "taroyamada@example.com"),
    ("taro+tag@example.com", "taro@example.com"),
    ("taro.yamada@outlook.com", "taroyamada@outlook.com"),
    ("taro@outlook.com", "taro@hotmail.com"),
    ("taro-tag@gmail.com", "taro@gmail.com"),
    ('"taro yamada"@example.com', "taroyamada@example.com"),
    ("taro@example.com", "taro@example.co.jp"),
    ("taro@sub.gmail.com", "taro@gmail.com"),
    ("a@b@example.com", "b@example.com"),
]

PROVIDERS = [
    ("T.a.r.o+saiyo@GMail.com", "taro@gmail.com"),
    ("taro@googlemail.com", "taro@gmail.com"),
    ("ｔａ．ｒｏ＋ｘ@gmail.com", "taro@gmail.com"),
    ("taro+a+b@outlook.com", "taro@outlook.com"),
    ("taro+x@live.jp", "taro@live.jp"),
    ("taro@me.com", "taro@icloud.com"),
    ("ta-r_o.+x@pm.me", "taro@proton.me"),
    ("+@gmail.com", "+@gmail.com"),
    ("...@gmail.com", "...@gmail.com"),
]


@pytest.mark.parametrize(("written", "form"), SAME + PROVIDERS)
def test_one_form(written: str, form: str) -> None:
    """Spellings of one mailbox have one form.

    Case, width, IDN, quotes, what can't be seen, what the provider ignores.
    """
    assert normalise_address(written) == normalise_address(form)
    if form.isascii():
        assert normalise_address(written) == form


@pytest.mark.parametrize(("one", "other"), APART)
def test_kept_apart(one: str, other: str) -> None:
    """What may be two people stays two: no guessing about providers that don't say so."""
    assert normalise_address(one) != normalise_address(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "no address",
        "a@",
        "@b",
        "a@..",
        "\ud800@example.com",
        "\0@\0",
        "a@" + "ü" * 300,
        '"',
        '""@example.com',
    ],
)
def test_anything_is_taken(text: str) -> None:
    """What is no address has a form and a hash too; nothing raises."""
    assert len(person_hash(b"k" * 32, text)) == 32
    assert normalise_address(normalise_address(text)) == normalise_address(text)


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60),
    st.sampled_from(["gmail.com", "example.com", "pm.me", "例え.jp"]),
)
def test_form_of_a_form(local: str, domain: str) -> None:
    """The form of a form is itself: a partner who normalises before us gets the same hash."""
    form = normalise_address(f"{local}@{domain}")
    assert normalise_address(form) == form


@pytest.mark.parametrize("piece", ["a", "@", ".", "+", "﷽", "ü.", "\\", "\u200b", "。"])
def test_hostile_length(piece: str) -> None:
    """A megabyte of anything takes no time worth speaking of."""
    started = time.process_time()
    normalise_address(piece * 1_000_000 + "@gmail.com")
    normalise_address("a@" + piece * 1_000_000)
    normalise_address('"' + piece * 1_000_000 + '"@gmail.com')
    assert time.process_time() - started < 2


def test_hash_is_keyed() -> None:
    """Known answer (HMAC-SHA256 of the form in UTF-8, computed with openssl).

    Another key gives another hash.
    """
    expected = "04721f57d9b980460ef552d9948f37a488d3ed52ecac058334541d7a31a6efed"
    found = person_hash(b"0123456789abcdef0123456789abcdef", "T.aro+x@googlemail.com")
    assert found.hex() == expected
    assert person_hash(b"1" * 32, "taro@gmail.com") != found
