"""Which parts are the main body where there are several, and how they are read after each other."""

import pytest

from gateway.message.passages import MAX_PASSAGES, passages
from gateway.message.scan import scan
from gateway.message.text import read_text
from gateway.reason import Reason

BLANK = b"Content-Type: text/plain\r\n\r\n\r\n"
IMAGE = b"Content-Type: image/png\r\n\r\niVBORw0="
FILE = b"Content-Type: text/plain; name=a.txt\r\n\r\na file"


def plain(words: str) -> bytes:
    """A text/plain part."""
    return b"Content-Type: text/plain\r\n\r\n" + words.encode()


def page(words: str) -> bytes:
    """A text/html part."""
    return b"Content-Type: text/html\r\n\r\n<p>" + words.encode() + b"</p>"


def of(kind: str, *parts: bytes) -> bytes:
    """A multipart."""
    boundary = b"b%d" % sum(map(len, parts))
    inner = b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts)
    return (
        b"Content-Type: multipart/%b; boundary=%b\r\n\r\n" % (kind.encode(), boundary)
        + inner
        + b"--%b--\r\n" % boundary
    )


PAIR = of("alternative", plain("p"), page("h"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (of("mixed", plain("a"), IMAGE, plain("b")), [([1], []), ([3], [])]),
        (of("mixed", plain("a"), FILE, plain("b")), [([1], []), ([3], [])]),
        (of("mixed", plain("a"), BLANK, plain("b")), [([1], []), ([3], [])]),
        (of("mixed", plain("a"), page("b")), [([1], []), ([], [2])]),
        (of("mixed", PAIR, plain("a list")), [([2], [3]), ([4], [])]),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, page("i"))), [([1], [3, 5])]),
        (of("alternative", plain("p"), of("mixed", page("h"), IMAGE, plain("i"))), [([1], [3, 5])]),
        (of("alternative", plain("p"), of("related", page("h"), page("a frame"))), [([1], [3])]),
        (of("related", page("h"), plain("what it shows")), [([], [1])]),
        (of("related", IMAGE, page("h")), [([], [2])]),
        (of("alternative", plain("p"), PAIR), [([3], [4])]),
        (of("alternative", plain("p"), page("h"), page("better")), [([1], [3])]),
        (of("alternative", plain("p"), plain("q")), [([2], [])]),
        (of("alternative", plain("p"), BLANK), [([1], [])]),
        (of("alternative", BLANK, page("h")), [([1], [2])]),
        (of("mixed", *[plain("x")] * (MAX_PASSAGES + 1)), [([1], [])]),
    ],
)
def test_passages(data: bytes, expected: list[tuple[list[int], list[int]]]) -> None:
    """By index: the texts of each form, passage after passage."""
    found, complete = passages(scan(data))
    assert complete
    assert [([p.index for p in each.plain], [p.index for p in each.html]) for each in found] == expected


def test_a_held_head_needs_no_more_than_the_first() -> None:
    """A large file behind the letter must not keep the rules from reading it; what is not all there waits."""
    data = of("mixed", plain("a"), IMAGE, plain("b and more"))
    for end in range(data.index(b"iVBOR"), data.index(b"b and more")):
        text = read_text(scan(data[:end], complete=False))
        assert (text.complete, text.plain is not None and text.plain.new.text, text.more) == (True, "a", ())


def test_another_form_may_follow() -> None:
    """In an alternative that is not all there the HTML may be still to come."""
    data = PAIR
    assert not passages(scan(data[: data.index(b"text/html")], complete=False))[1]
    assert passages(scan(data))[1]


LOGO = b"Content-Type: image/png\r\n\r\n" + b"iVBORw0=\r\n" * 9
FORMS = [
    of("alternative", plain("p"), of("related", page("h"), LOGO, LOGO)),
    of("alternative", plain("p"), of("mixed", page("h"), LOGO, page("i"))),
    of("alternative", of("mixed", plain("p"), LOGO), of("mixed", page("h"), LOGO, page("i"), LOGO)),
    of("mixed", of("alternative", plain("p"), of("related", page("h"), LOGO)), LOGO),
    of("related", PAIR, LOGO),
    of("mixed", PAIR, LOGO, plain("b")),
]


@pytest.mark.parametrize("data", FORMS)
def test_a_head_that_ends_in_a_picture(data: bytes) -> None:
    """What hangs on the HTML may be large: with both forms of the words there, the rules can be asked.

    However much is held, the first texts are those of the whole mail, by which it is known again.
    """
    whole = read_text(scan(data))
    last = data.rindex(b"iVBORw0=")
    told = []
    for end in range(data.index(b"<p>"), len(data)):
        text = read_text(scan(data[:end], complete=False))
        told.append((end, text.complete))
        if text.complete:
            assert (text.plain, text.html) == (whole.plain, whole.html)
    first = data.index(b"iVBORw0=", data.index(b"<p>h"))
    assert all(complete for end, complete in told if first <= end < last)


def test_one_more_form_behind_html_with_files() -> None:
    """Its readers would not show the same words: it is read, and not edited. Blank it says nothing."""
    form = of("related", page("h"), IMAGE)
    for last in (page("other"), plain("other"), of("related", page("other"), IMAGE)):
        text = read_text(scan(of("mixed", of("alternative", plain("p"), form, last), IMAGE)))
        assert (text.html and text.html.new.text, text.reason) == ("h", Reason.DISAGREE)
    for harmless in (BLANK, IMAGE, b"Content-Type: text/x-amp-html\r\n\r\nx"):
        assert read_text(scan(of("alternative", plain("p"), form, harmless))).reason is None


def test_all_of_them_are_read() -> None:
    """What stands behind an image is judged as well as what stands before it."""
    text = read_text(scan(of("mixed", plain("first"), IMAGE, plain("second"), page("third"))))
    assert [body.new.text for body in text.bodies] == ["first", "second", "third"]
    assert text.plain is text.bodies[0]
    assert text.more == text.bodies[1:]


@pytest.mark.parametrize(
    ("first", "behind"),
    [
        (plain("reply\r\n-----Original Message-----\r\nold"), ""),
        (page("reply</p><div id=divRplyFwdMsg>From: x</div><p>old"), ""),
        (plain("reply\r\n\r\n> old\r\n"), "behind"),
        (page("reply</p><blockquote type=cite>old</blockquote><p>"), "behind"),
    ],
)
def test_an_open_quote_goes_on(first: bytes, behind: str) -> None:
    """A forwarded mail that has an image in it is quoted behind the image too."""
    text = read_text(scan(of("mixed", first, IMAGE, plain("behind"))))
    assert text.bodies[0].new.text == "reply"
    assert text.more[0].new.text == behind
    assert text.more[0].quoted.text == ("" if behind else "behind")
