import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.smtp.parameters import ParameterError, Parameters

words = st.lists(
    st.tuples(
        st.from_regex(rb"[A-Za-z0-9][A-Za-z0-9-]{0,6}", fullmatch=True),
        st.none() | st.from_regex(rb"[!-~]{0,8}", fullmatch=True),
    ),
    unique_by=lambda word: word[0].upper(),
)


def test_octets_and_case_are_kept() -> None:
    """The keyword is upper case for the reader, the octets for the wire are those that came."""
    parameters = Parameters.parse(b"  size=9  Ret=hdrs\tSMTPUTF8 ")
    assert parameters.items == ((b"SIZE", b"size=9"), (b"RET", b"Ret=hdrs"), (b"SMTPUTF8", b"SMTPUTF8"))
    assert parameters.keywords == (b"SIZE", b"RET", b"SMTPUTF8")
    assert parameters.wire == b" size=9 Ret=hdrs SMTPUTF8"


def test_get() -> None:
    """A value as it came, `=` in it included; empty without one; None where the keyword is not given."""
    parameters = Parameters.parse(b"ORCPT=rfc822;a+3Db=c@example.com SMTPUTF8 AUTH=<>")
    assert [parameters.get(keyword) for keyword in (b"ORCPT", b"SMTPUTF8", b"AUTH", b"SIZE")] == [
        b"rfc822;a+3Db=c@example.com",
        b"",
        b"<>",
        None,
    ]


def test_without() -> None:
    """Only the named ones are missing, the order stays."""
    parameters = Parameters.parse(b"A=1 B=2 C=3")
    assert parameters.without(b"B", b"X") == Parameters.parse(b"A=1 C=3")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" =9", "malformed"),
        (b" -A=9", "malformed"),
        (b" A_B=9", "malformed"),
        (b" A=\x00", "malformed"),
        (b" A=1\rRCPT", "malformed"),
        (b" A=1\r\nRCPT", "malformed"),
        (b" A=1\x0bB=2", "malformed"),
        (b" A\n", "malformed"),
        (b" SIZE=1 size=2", "twice"),
    ],
)
def test_what_is_refused(raw: bytes, text: str) -> None:
    """Control characters, a keyword that is none, and a keyword twice."""
    with pytest.raises(ParameterError, match=text):
        Parameters.parse(raw)


@given(words)
def test_wire_is_read_as_it_was_written(pairs: list[tuple[bytes, bytes | None]]) -> None:
    """Parsing what `wire` gives gives the same parameters."""
    raw = b"".join(b" " + key + (b"" if value is None else b"=" + value) for key, value in pairs)
    parameters = Parameters.parse(raw)
    assert parameters.wire == raw
    assert Parameters.parse(parameters.wire) == parameters


@given(st.binary(max_size=40))
def test_no_octet_that_ends_a_line_gets_through(raw: bytes) -> None:
    """Whatever comes is refused, or goes out as words without control characters."""
    try:
        wire = Parameters.parse(raw).wire
    except ParameterError:
        return
    assert not any(octet < 0x20 or octet == 0x7F for octet in wire)
