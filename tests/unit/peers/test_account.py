"""The audit of a storm finds what is wrong with the books: a test that nobody can fail proves nothing."""

import pytest

from tests.peers.account import Posted, audit
from tests.peers.record import Transaction

TARO, JIRO = b"taro@example.com", b"jiro@example.com"


def arrived(number: int, *recipients: bytes, answer: bytes = b"250 ok\r\n", sender: bytes = b"hr@x.test",
            body: bytes = b"") -> Transaction:  # fmt: skip
    """A mail as the next hop has it."""
    raw = b"Message-ID: <storm-%d@example.co.jp>\r\n\r\n" % number + body
    return Transaction(
        connection=0,
        index=number,
        mail=b"MAIL FROM:<" + sender + b">",
        recipients=list(recipients),
        raw=bytearray(raw),
        complete=True,
        reply=answer,
    )


def words(mail: Posted, *transactions: Transaction, unheard: bool = False, wrong: str = "") -> list[str]:
    """The audit's word on each recipient of one mail, then its findings in short."""
    result = audit(
        [mail], transactions, unheard=lambda _: unheard, complaint=lambda _mail, _transaction: wrong
    )
    return [*result.counts.elements(), *(finding.partition(":")[0] for finding in result.findings)]


def posted(**known: object) -> Posted:
    """A mail to one."""
    return Posted(number=1, content=b"", recipients=(TARO,), **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mail", "transactions", "expected"),
    [
        (posted(taken={TARO}, dots=1), [arrived(1, TARO)], ["delivered"]),
        (posted(taken={TARO}, dots=1), [], ["LOST", "LOST"]),
        (posted(taken={TARO}, dots=1), [arrived(1, TARO, answer=b"451 no\r\n")], ["LOST", "LOST"]),
        (posted(taken={TARO}, dots=2), [arrived(1, TARO)] * 2, ["DOUBLED", "DOUBLED"]),
        (posted(taken={TARO}, dots=2, doubts=1), [arrived(1, TARO)] * 2, ["delivered twice, in doubt"]),
        (posted(refused={TARO}, dots=1), [], ["refused"]),
        (
            posted(refused={TARO}, dots=1),
            [arrived(1, TARO)],
            ["REFUSED AND DELIVERED", "REFUSED AND DELIVERED"],
        ),
        (posted(given_up=True), [], ["still with the sender"]),
        (posted(given_up=True), [arrived(1, TARO)], ["TAKEN BEFORE ITS END", "TAKEN BEFORE ITS END"]),
        (posted(dots=1), [], ["NEVER SETTLED", "NEVER SETTLED"]),
        (
            posted(taken={TARO}, dots=1),
            [arrived(1, b"hr@x.test", sender=b"", body=b"Final-Recipient: rfc822; taro@example.com\r\n")],
            ["refused, with a notice"],
        ),
    ],
)
def test_each_word(mail: Posted, transactions: list[Transaction], expected: list[str]) -> None:
    """What is in capitals is a finding, whatever else is right."""
    assert words(mail, *transactions) == expected


def test_the_answer_that_was_lost() -> None:
    """A second copy is in doubt where the next hop's answer to the first did not get through."""
    assert words(posted(taken={TARO}, dots=2), *[arrived(1, TARO)] * 2, unheard=True) == [
        "delivered twice, in doubt"
    ]


def test_content_and_strangers() -> None:
    """Half a mail, and one that nobody sent, are findings, taken or not."""
    mail = posted(taken={TARO}, dots=1)
    assert words(mail, arrived(1, TARO), wrong="half") == ["delivered", "mail 1"]
    assert words(mail, arrived(1, TARO), arrived(7, JIRO)) == ["delivered", "a mail that nobody sent"]
