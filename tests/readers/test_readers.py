"""Readers that share nothing with ours see the same mail, and the footer, wherever we say that we put one."""

from collections.abc import Mapping

import pytest

from gateway.cli.rewriting.mail import Rewriter, make_rewriter
from tests.readers.agreement import Footer, complaints, report
from tests.readers.conftest import LACKS, READERS, Changed
from tests.readers.reading import Reading
from tests.readers.samples import samples

NEEDS = {
    "python": (),
    "mailparser": ("node", "npm"),
    "postal-mime": ("node", "npm"),
    "gmime": ("gmime", "gobject"),
    "mime-tools": ("mime-tools",),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.peer(*NEEDS[name])) for name in READERS]
)
def test_reader_agrees(name: str, changed: list[Changed], footers: Mapping[str, Footer]) -> None:
    """Same parts, same files, same texts, and the footer exactly once in each edited text."""
    read = READERS[name]()
    before, after = (read([getattr(mail, when) for mail in changed]) for when in ("before", "after"))
    found = [
        (mail.name, complaint)
        for mail, was, now in zip(changed, before, after, strict=True)
        for complaint in complaints(
            was, now, mail.result, footers[mail.result.footer], lacks=LACKS.get(name, ())
        )
    ]
    assert not found, report(found)
    assert [mail.name for mail, was in zip(changed, before, strict=True) if was.error] == []


def test_most_samples_are_changed(changed: list[Changed]) -> None:
    """The readers have something to disagree on: every structure and charset of the generator among it."""
    names = {mail.name for mail in changed}
    assert len(names) > len(samples()) * 0.8
    assert {
        f"generated/{name}.eml" for name in ("utf-8-base64-deep", "iso-2022-jp-7bit-alternative", "flowed-4")
    } < names


def test_second_pass_changes_nothing(rewriter: Rewriter, changed: list[Changed]) -> None:
    """What has a footer gets no other, and leaves as it came."""
    for mail in changed:
        again = rewriter.rewrite(mail.after.read_bytes(), sender=None, recipients=None)
        assert (mail.name, again.content == mail.result.content, again.reason.value) == (
            mail.name,
            True,
            "own-header",
        )


def test_without_a_match_nothing_changes() -> None:
    """By the rules, what is left alone leaves byte for byte, but for bare line ends."""
    rewriter, _ = make_rewriter(None, always=False)
    for name, data in samples().items():
        result = rewriter.rewrite(data, sender=None, recipients=None)
        expected = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
        assert (name, result.original == expected) == (name, True)
        if not result.changed:
            assert (name, result.content == expected) == (name, True)


def test_a_wrong_reading_is_noticed(changed: list[Changed], footers: Mapping[str, Footer]) -> None:
    """The comparison complains when a part, a file, a text or a footer is not what it should be."""
    mail = next(mail for mail in changed if mail.name == "generated/utf-8-base64-mixed.eml")
    footer = footers[mail.result.footer]
    was, now = READERS["python"]()([mail.before, mail.after])
    assert list(complaints(was, now, mail.result, footer)) == []
    wrong = [
        Reading(error="broken"),
        Reading(tree=now.tree[1:], leaves=now.leaves),
        Reading(tree=now.tree, leaves=(now.leaves[0], now.leaves[2], now.leaves[1])),
        Reading(tree=now.tree, leaves=was.leaves),
    ]
    assert [len(list(complaints(was, each, mail.result, footer))) for each in wrong] == [1, 1, 2, 1]
