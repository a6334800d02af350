"""MIME values are read strictly, and what could be read in two ways is not clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.fields import in_pairs, parse_content_type


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (b"text/plain", "text/plain", {}),
        (b"TEXT/Plain; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        (
            b'text/plain;charset="utf-8";format=flowed ; delsp=yes',
            "text/plain",
            {"charset": "utf-8", "format": "flowed", "delsp": "yes"},
        ),
        (b"text/plain;;charset=utf-8;", "text/plain", {"charset": "utf-8"}),
        (
            b'a/b; name="semi;colon \\"quoted\\" (no comment)"',
            "a/b",
            {"name": 'semi;colon "quoted" (no comment)'},
        ),
        (b"multipart/mixed; boundary=----Part_1.2", "multipart/mixed", {"boundary": "----Part_1.2"}),
        (b'multipart/mixed; boundary="--=_Part_1.2"', "multipart/mixed", {"boundary": "--=_Part_1.2"}),
        (b'a/b; name*0="long "; name*1="name"', "a/b", {"name": "long name"}),
        (b"a/b; name*=utf-8'ja'%E6%8E%A1%E7%94%A8.pdf", "a/b", {"name": "採用.pdf"}),
        (b"a/b; name*0*=iso-2022-jp''%1B$B:N; name*1*=MQ%1B(B; name*2=.pdf", "a/b", {"name": "採用.pdf"}),
        (b"attachment; filename=a.pdf", "attachment", {"filename": "a.pdf"}),
    ],
)
def test_clear_values(value: bytes, kind: str, parameters: dict[str, str]) -> None:
    """Types, parameters, quoted strings, comments, and RFC 2231."""
    assert parse_content_type(value) == (kind, parameters, True)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"", ""),
        (b"text/plain charset=utf-8", "text/plain charset=utf-8"),
        (b'text/plain; charset="utf-8', "text/plain"),
        (b"text/plain; charset=a b", "text/plain"),
        (b"text/plain; charset=a; charset=a", "text/plain"),
        (b"text/plain; charset", "text/plain"),
        (b"text/plain; charset=us-ascii (Plain text)", "text/plain"),
        (b"multipart/mixed; boundary=----=_Part_1.2", "multipart/mixed"),
        (b"multipart/mixed; boundary=a/b", "multipart/mixed"),
        (b"a/b; name*0=x; name*2=y", "a/b"),
        (b"a/b; name*0=x; name*0=y", "a/b"),
        (b"a/b; name=x; name*=utf-8''y", "a/b"),
        (b"a/b; *=x", "a/b"),
        (b"t\xe9xt/plain", "t\ufffdxt/plain"),
    ],
)
def test_unclear_values(value: bytes, kind: str) -> None:
    """Not clear, but what could be read is given."""
    found = parse_content_type(value)
    assert (found.value, found.clear) == (kind, False)


def test_long_values_are_read_too() -> None:
    """They are only not remembered."""
    name = "x" * 5000
    assert parse_content_type(b"a/b; name=" + name.encode()).parameters == {"name": name}


@given(st.text(alphabet="\r\n\0 a", max_size=12))
def test_line_ends_in_pairs(text: str) -> None:
    """Where nothing stands alone, what is between the line ends has none of the octets of one, and no NUL."""
    between = "".join(text.split("\r\n"))
    assert in_pairs(text.encode()) == (not set(between) & set("\r\n\0"))
