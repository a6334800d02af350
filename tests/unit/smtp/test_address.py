import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.address import MAX_PATH, NULL_PATH, Path, PathError, parse_path

#: What an attacker, or a broken client, would put together.
hostile = st.lists(
    st.sampled_from(
        [b"<", b">", b"@", b'"', b"\\", b" ", b"\r\n", b"\x00", b",", b":", b"a", b".", b"\xe3", b"["]
    )
).map(b"".join)


@pytest.mark.parametrize(
    ("argument", "path", "parameters"),
    [
        (b"FROM:<a@example.com>", Path(b"<a@example.com>", b"a", b"example.com"), b""),
        (b"from:<a@example.com> SIZE=9", Path(b"<a@example.com>", b"a", b"example.com"), b" SIZE=9"),
        (b"FROM : <a@EXAMPLE.com.>", Path(b"<a@EXAMPLE.com.>", b"a", b"example.com"), b""),
        (b"FROM:<>", NULL_PATH, b""),
        (b"FROM:<> RET=HDRS", NULL_PATH, b" RET=HDRS"),
        (b"FROM:<postmaster>", Path(b"<postmaster>", b"postmaster", b""), b""),
        (
            b'FROM:<"a>b <c@d"@example.com>',
            Path(b'<"a>b <c@d"@example.com>', b'"a>b <c@d"', b"example.com"),
            b"",
        ),
        (b'FROM:<"a\\"b"@example.com>', Path(b'<"a\\"b"@example.com>', b'"a\\"b"', b"example.com"), b""),
        (b"FROM:<@a.test,@b.test:c@d.test>", Path(b"<@a.test,@b.test:c@d.test>", b"c", b"d.test"), b""),
        (b"FROM:<a@[192.0.2.1]>", Path(b"<a@[192.0.2.1]>", b"a", b"[192.0.2.1]"), b""),
        (b"FROM:<a@[IPv6:2001:db8::1]>", Path(b"<a@[IPv6:2001:db8::1]>", b"a", b"[ipv6:2001:db8::1]"), b""),
        (
            b"FROM:<taro..yamada.@example.co.jp>",
            Path(b"<taro..yamada.@example.co.jp>", b"taro..yamada.", b"example.co.jp"),
            b"",
        ),
        (b"FROM:<a@under_score.test>", Path(b"<a@under_score.test>", b"a", b"under_score.test"), b""),
        (
            b"FROM:<=?utf-8?q?a=0D=0ARCPT?=@example.com>",
            Path(b"<=?utf-8?q?a=0D=0ARCPT?=@example.com>", b"=?utf-8?q?a=0D=0ARCPT?=", b"example.com"),
            b"",
        ),
        (
            "FROM:<太郎@例え.test>".encode(),
            Path("<太郎@例え.test>".encode(), "太郎".encode(), "例え.test".encode()),
            b"",
        ),
    ],
)
def test_path_keeps_its_octets(argument: bytes, path: Path, parameters: bytes) -> None:
    """What real addresses need is accepted, and goes out as the octets that came."""
    assert parse_path(argument, b"FROM", null_allowed=True) == (path, parameters)


@pytest.mark.parametrize(
    "argument",
    [
        b"",
        b"FROM",
        b"FROM <a@example.com>",
        b"TO:<a@example.com>",
        b"FROM:a@example.com",
        b"FROM:<a@example.com",
        b"FROM:a@example.com>",
        b"FROM:<a@b@example.com>",
        b"FROM:<a,b@example.com>",
        b"FROM:<x:y@example.com>",
        b"FROM:<a b@example.com>",
        b"FROM:<a\r\nRCPT TO:b@example.com>",
        b"FROM:<a\rb@example.com>",
        b"FROM:<a\x00b@example.com>",
        b'FROM:<"a\r\nb"@example.com>',
        b'FROM:<"a@example.com>',
        b"FROM:<a@>",
        b"FROM:<a@example.com->",
        b"FROM:<a@-example.com>",
        b"FROM:<a@exa mple.com>",
        b"FROM:<@example.com>",
        b"FROM:<a@example.com>SIZE=9",
        b"FROM:<a@example.com>\tSIZE=9",
        b"FROM:<a@example.com>b@example.com>",
        b"FROM:<>x",
        b"FROM:< >",
        b"FROM:<a@[192.0.2.1>",
    ],
)
def test_what_could_be_read_two_ways_is_refused(argument: bytes) -> None:
    """Nothing passes that ends a line, closes the path early or stands for two addresses."""
    with pytest.raises(PathError):
        parse_path(argument, b"FROM", null_allowed=True)


def test_null_path_only_in_mail() -> None:
    """`RCPT TO:<>` is refused."""
    with pytest.raises(PathError, match="null path"):
        parse_path(b"TO:<>", b"TO", null_allowed=False)


def test_longest_path() -> None:
    """A path of `MAX_PATH` octets with its brackets passes, one more does not."""
    longest = b"<" + b"a" * (MAX_PATH - 9) + b"@b.test>"
    assert (
        parse_path(b"TO:" + longest[:1] + longest[2:], b"TO", null_allowed=False)[0].raw
        == longest[:1] + longest[2:]
    )
    assert len(longest) == MAX_PATH
    assert parse_path(b"TO:" + longest, b"TO", null_allowed=False)[0].raw == longest
    with pytest.raises(PathError, match="too long"):
        parse_path(b"TO:<a" + longest[1:], b"TO", null_allowed=False)


def test_the_names_of_a_path() -> None:
    """Mailbox and text leave out brackets, source route and the final dot; null and ascii tell the rest."""
    routed, _ = parse_path(b"TO:<@r.test:Taro@Example.COM.>", b"TO", null_allowed=False)
    bare, _ = parse_path(b"TO:<Postmaster>", b"TO", null_allowed=False)
    wide, _ = parse_path("TO:<太郎@example.jp>".encode(), b"TO", null_allowed=False)
    broken, _ = parse_path(b"TO:<\xff@example.jp>", b"TO", null_allowed=False)
    assert [(path.mailbox, path.null, path.ascii) for path in (routed, bare, wide, NULL_PATH)] == [
        (b"Taro@example.com", False, True),
        (b"Postmaster", False, True),
        ("太郎@example.jp".encode(), False, False),
        (b"", True, True),
    ]
    assert [wide.text, broken.text] == ["太郎@example.jp", "\\xff@example.jp"]


@given(hostile, st.booleans())
def test_nothing_hostile_gets_through(inside: bytes, bracketed: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever comes is refused, or is one path: a prefix of what came, without control characters."""
    text = b"<" + inside + b">" if bracketed else inside
    try:
        path, rest = parse_path(b"TO:" + text, b"TO", null_allowed=False)
    except PathError:
        return
    assert path.raw + rest == text.lstrip(b" ")
    assert not re.search(rb"[\x00-\x1f\x7f]", path.raw)
    outside_quotes = re.sub(rb'"(?:[^"\\]|\\.)*"', b"", path.raw)
    assert (outside_quotes.count(b"<"), outside_quotes.count(b">"), outside_quotes.count(b" ")) == (1, 1, 0)
    assert path.raw.endswith(b">")


@given(
    st.text("abcdefghijklmnop.+-_=!%", min_size=1, max_size=40),
    st.lists(st.text("abcXYZ019", min_size=1, max_size=10), min_size=1, max_size=5),
)
def test_ordinary_addresses_are_taken_apart(local: str, labels: list[str]) -> None:
    """Local part and domain are what stands before and behind the at sign."""
    domain = ".".join(labels)
    path, rest = parse_path(f"FROM:<{local}@{domain}> X".encode(), b"FROM", null_allowed=True)
    assert (path.local, path.domain, rest) == (local.encode(), domain.lower().encode(), b" X")


def test_hostile_length_costs_linear_time() -> None:
    """A path far past the limit, of characters that could make a pattern step back, is refused at once."""
    for text in (
        b"<@" + b"a," * 50_000,
        b"<a@" + b"a." * 50_000,
        b'<"' + b"\\a" * 50_000,
        b"<a@" + b"." * 100_000,
    ):
        with pytest.raises(PathError):
            parse_path(b"TO:" + text + b">", b"TO", null_allowed=False)
