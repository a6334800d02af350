import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.parse import SENDERS, read_mail_command, read_rcpt_command
from gateway.smtp.envelope import Mail, Rcpt
from gateway.smtp.reply import Reply

ALL = frozenset({b"SIZE", b"8BITMIME", b"SMTPUTF8", b"DSN"})


def mail(argument: bytes, offered: frozenset[bytes] = ALL, own_size: int = 0) -> Mail | Reply:
    """`read_mail_command`, short."""
    return read_mail_command(argument, offered, own_size=own_size, path_limit=300)


def rcpt(argument: bytes, of: bytes = b"FROM:<a@example.com>") -> Rcpt | Reply:
    """`read_rcpt_command`, short."""
    sender = mail(of)
    assert isinstance(sender, Mail)
    return read_rcpt_command(argument, ALL, sender, path_limit=300)


@pytest.mark.parametrize(
    "argument",
    [
        b"FROM:<>",
        b"FROM:<a@example.com>",
        b"FROM:<a@example.com> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=Ab+2B",
        b'FROM:<"a b"@example.com> body=7bit',
        "FROM:<太郎@example.com> SMTPUTF8".encode(),
    ],
)
def test_mail_keeps_its_octets(argument: bytes) -> None:
    """Rule 11: what is passed on is what came, in bytes and case, but for SIZE= (2 KiB more, rule 10)."""
    parsed = mail(argument)
    assert isinstance(parsed, Mail)
    expected = argument.replace(b"SIZE=10", b"SIZE=2058")
    assert parsed.line == b"MAIL " + expected + b"\r\n"


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        (b"FROM:<a@example.com", 501, "5.1.7"),
        (b"FROM:<a@example.com> SIZE=many", 501, "5.5.4"),
        (b"FROM:<a@example.com> BODY=BINARYMIME", 501, "5.5.4"),
        (b"FROM:<a@example.com> NOTIFY=NEVER", 555, "5.5.4"),
        (b"FROM:<a@example.com> XOORG=x", 555, "5.5.4"),
        (b"FROM:<a@example.com> SIZE=1 SIZE=2", 501, "5.5.4"),
        (b"FROM:<a@example.com> SIZE=101", 552, "5.3.4"),
        (b"FROM:<\xc3\xa4@example.com>", 553, "5.6.7"),
        (b"FROM:<" + b"a" * 300 + b"@example.com>", 501, "5.1.7"),
        (b"TO:<a@example.com>", 501, "5.1.7"),
    ],
)
def test_mail_is_refused_without_asking(argument: bytes, code: int, enhanced: str) -> None:
    """What isn't SMTP, or names what wasn't offered, is refused here, with the right code."""
    answer = mail(argument, own_size=100)
    assert isinstance(answer, Reply)
    assert (answer.code, answer.enhanced) == (code, enhanced)


def test_parameters_of_what_was_not_offered_are_refused() -> None:
    """Rule 11: after HELO nothing is offered, so no parameter passes; AUTH= alone is always understood."""
    assert isinstance(mail(b"FROM:<a@example.com> SIZE=1", frozenset()), Reply)
    assert isinstance(mail(b"FROM:<a@example.com> AUTH=<>", frozenset()), Mail)


@pytest.mark.parametrize(
    "argument",
    [
        b"TO:<postmaster>",
        b"TO:<b.@docomo.example>",
        b"TO:<b@example.com> NOTIFY=SUCCESS,Failure ORCPT=rfc822;B+40x",
    ],
)
def test_rcpt_keeps_its_octets(argument: bytes) -> None:
    """Rule 11, for RCPT."""
    parsed = rcpt(argument)
    assert isinstance(parsed, Rcpt)
    assert parsed.line == b"RCPT " + argument + b"\r\n"


@pytest.mark.parametrize(
    ("argument", "code", "enhanced"),
    [
        (b"TO:<>", 501, "5.1.3"),
        (b"TO:<b@example.com> SIZE=1", 555, "5.5.4"),
        (b"TO:<\xc3\xa4@example.com>", 553, "5.6.7"),
        (b"TO:<b@example.com\x0d>", 501, "5.1.3"),
        (b"TO:b@example.com", 501, "5.1.3"),
        (b"TO:<" + b"b" * 300 + b"@example.com>", 501, "5.1.3"),
    ],
)
def test_rcpt_is_refused_without_asking(argument: bytes, code: int, enhanced: str) -> None:
    """The same, for RCPT."""
    answer = rcpt(argument)
    assert isinstance(answer, Reply)
    assert (answer.code, answer.enhanced) == (code, enhanced)


def test_utf8_recipient_passes_where_the_mail_asked_for_it() -> None:
    """RFC 6531 §3.4: SMTPUTF8 on MAIL allows it on every RCPT."""
    parsed = rcpt("TO:<花子@example.com>".encode(), of=b"FROM:<a@example.com> SMTPUTF8")
    assert isinstance(parsed, Rcpt)


@given(
    st.sampled_from([b"FROM:<a@example.com> SIZE=50", b"FROM:<a@example.com> BODY=8BITMIME", b"FROM:<bad"]),
    st.frozensets(st.sampled_from(sorted(ALL))),
    st.sampled_from([0, 40, 60]),
    st.sampled_from([10, 300]),
)
def test_what_is_remembered_is_what_would_be_read(
    argument: bytes, offered: frozenset[bytes], own_size: int, path_limit: int
) -> None:
    """A MAIL command said before is answered by all that its answer hangs on, and by nothing else."""
    again = read_mail_command(argument, offered, own_size=own_size, path_limit=path_limit)
    anew = read_mail_command.__wrapped__(argument, offered, own_size=own_size, path_limit=path_limit)
    assert again == anew
    assert read_mail_command.cache_info().maxsize == SENDERS
