"""Mails as collections hold them, as ``careerrelay rewrite --batch`` would take them."""

from collections import Counter
from collections.abc import Mapping

import pytest

from gateway.cli.rewriting.mail import SAMPLE_TOKEN, Rewriter, Rewritten, as_received, make_rewriter
from gateway.message.scan import scan
from gateway.reason import Reason
from gateway.token import encode_token
from tests.fuzz.collection import made
from tests.readers.agreement import Footer, complaints
from tests.readers.reading import by_bytes

MANY = 600
LINK = encode_token(SAMPLE_TOKEN).encode()


@pytest.fixture(scope="module")
def always() -> Rewriter:
    """What gives every mail a footer."""
    return make_rewriter(None, always=True)[0]


@pytest.fixture(scope="module")
def results(always: Rewriter) -> Mapping[int, Rewritten]:
    """What became of each."""
    return {number: always.rewrite(made(number), sender=None, recipients=None) for number in range(MANY)}


def test_by_the_rules_all_leave_as_they_came() -> None:
    """None of them is a rejection: byte for byte, but for bare CR and LF."""
    rewriter, _ = make_rewriter(None, always=False)
    for number in range(MANY):
        raw = made(number)
        result = rewriter.rewrite(raw, sender=None, recipients=None)
        assert (number, result.changed, result.content == as_received(raw)) == (number, False, True)


def test_no_fault_and_no_failed_check(results: Mapping[int, Rewritten]) -> None:
    """Every reason to leave a mail alone is found before the edit, and every kind comes up."""
    reasons = Counter(result.reason for result in results.values())
    assert reasons[Reason.CHECK_FAILED] == reasons[Reason.INTERNAL_FAULT] == 0
    assert reasons[Reason.FORCED] > MANY // 5
    assert {Reason.DEFECT, Reason.CHARSET, Reason.UNDECODABLE, Reason.NO_TEXT, Reason.SMIME} < set(reasons)


def test_no_other_leaf_is_touched(results: Mapping[int, Rewritten]) -> None:
    """What is left alone is as it came; of what is changed only the named leaves are."""
    for number, result in results.items():
        if not result.changed:
            assert (number, result.content == result.original) == (number, True)
            continue
        before, after = scan(result.original).leaves, scan(result.content).leaves
        for leaf, (old, new) in enumerate(zip(before, after, strict=True)):
            if leaf not in result.parts:
                was = result.original[old.header[0] : old.body[1]]
                now = result.content[new.header[0] : new.body[1]]
                assert (number, leaf, was == now or not leaf) == (number, leaf, True)


def test_another_reader_agrees(always: Rewriter, results: Mapping[int, Rewritten]) -> None:
    """Python's email sees the same parts and texts, and the footer once in each edited one."""
    values = always.policy.link.values(LINK.decode())
    footers = {name: Footer.of(footer, values) for name, footer in always.policy.footers.items()}
    for number, result in results.items():
        if result.changed:
            before, after = by_bytes(result.original), by_bytes(result.content)
            found = list(complaints(before, after, result, footers[result.footer]))
            assert (number, found) == (number, [])


def test_a_second_pass_changes_nothing(always: Rewriter, results: Mapping[int, Rewritten]) -> None:
    """Whatever has a footer gets no other."""
    for number, result in results.items():
        again = always.rewrite(result.content, sender=None, recipients=None)
        assert (number, again.content == result.content) == (number, True)
