"""Where the footer goes in a mail that has several texts in a row."""

import pytest

from gateway.footer.compose import prepare, prepare_removal
from gateway.footer.place import Where
from gateway.footer.values import SAMPLE
from gateway.message.scan import scan
from gateway.message.splice import join, splice
from gateway.message.text import read_text
from tests.unit.footer.mails import EN
from tests.unit.message.test_passages import BLANK, FILE, IMAGE, PAIR, of, page, plain

QUOTED = plain("> old\r\n> older\r\n")
FORWARD = plain("see below\r\n-----Original Message-----\r\nFrom: x\r\n")
LAST_PAGE = page("<br>")


@pytest.mark.parametrize(
    ("data", "parts", "where"),
    [
        (of("mixed", plain("a"), IMAGE, plain("b")), (2,), Where.AUTO),
        (of("mixed", plain("a"), IMAGE, plain("b")), (0,), Where.TOP),
        (of("mixed", plain("a"), IMAGE, plain("b")), (2,), Where.END),
        (of("mixed", plain("a"), IMAGE, BLANK), (0,), Where.AUTO),
        (of("mixed", plain("a"), IMAGE, BLANK), (0,), Where.END),
        (of("mixed", plain("a"), QUOTED, FILE), (0,), Where.AUTO),
        (of("mixed", plain("a"), QUOTED, FILE), (1,), Where.END),
        (of("mixed", FORWARD, IMAGE, plain("the rest of it")), (0,), Where.AUTO),
        (of("mixed", plain("a"), page("b")), (1,), Where.AUTO),
        (of("mixed", page("a"), plain("a list")), (0,), Where.AUTO),
        (of("mixed", PAIR, plain("a list")), (0, 1), Where.AUTO),
        (of("mixed", PAIR, IMAGE, PAIR), (3, 4), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, page("i"))), (0, 3), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, LAST_PAGE)), (0, 1), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("h"), plain("a list"))), (0, 1), Where.AUTO),
        (of("mixed", QUOTED, QUOTED), (0,), Where.AUTO),
        (of("mixed", plain("a {{careerrelay}}"), plain("b")), (0,), Where.AUTO),
        (of("mixed", PAIR, plain("a {{careerrelay}}")), (2,), Where.AUTO),
        (of("alternative", plain("p"), of("mixed", page("{{careerrelay}}"), page("i"))), (0, 1), Where.AUTO),
    ],
)
def test_one_passage_gets_it(data: bytes, parts: tuple[int, ...], where: Where) -> None:
    """By leaf: the end of what was newly written, in each of its forms, once."""
    message = scan(data)
    plan = prepare(message, read_text(message), EN, where=where)
    assert plan.parts == parts
    edited = join(data, splice(data, plan.edits(SAMPLE)))
    assert edited.count(SAMPLE.link.encode()) >= len(parts)
    assert b"{{" not in edited
    after = scan(edited)
    for leaf in after.leaves:
        start, end = leaf.body
        assert (SAMPLE.link.encode() in edited[start:end]) == (leaf.leaf in parts)


def test_further_placeholders_are_taken_out() -> None:
    """In whichever of the texts they stand; only one place gets the footer."""
    data = of("mixed", plain("a {{careerrelay}}"), IMAGE, page("b {{careerrelay}}"), plain("c"))
    message = scan(data)
    plan = prepare(message, read_text(message), EN)
    edited = join(data, splice(data, plan.edits(SAMPLE)))
    assert (plan.parts, plan.placement, b"{{" in edited) == ((0, 2), "placeholder", False)
    assert b"<p>b </p>" in edited
    removal = prepare_removal(message, read_text(message))
    assert removal is not None
    assert b"{{" not in join(data, splice(data, removal.edits()))
