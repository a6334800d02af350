"""The scanner finds the spans that RFC 5322 and RFC 2046 name, and names what could be read in two ways."""

import mmap
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.defects import DefectKind
from gateway.message.scan import MAX_CANDIDATES, MAX_DEPTH, MAX_PARTS, Message, has_bare_line_end, scan

NESTED = (
    b"From: a@example.com\r\n"
    b"Subject: a\r\n folded\tvalue\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="outer"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--outer\r\n"
    b"Content-Type: multipart/alternative;\r\n boundary=inner\r\n"
    b"\r\n"
    b"--inner\r\n"
    b"Content-Type: text/plain; charset=UTF-8\r\n"
    b"\r\n"
    b"hello\r\n"
    b"--inner \t\r\n"
    b"Content-Type: text/html\r\n"
    b"Content-Transfer-Encoding: BASE64\r\n"
    b"\r\n"
    b"PGI+\r\n"
    b"\r\n"
    b"--inner--\r\n"
    b"\r\n"
    b"--outer\r\n"
    b'Content-Type: application/pdf; name="a b.pdf"\r\n'
    b"Content-Disposition: ATTACHMENT\r\n"
    b"\r\n"
    b"--outer\r\n"
    b"\r\n"
    b"no header of its own\r\n"
    b"--outer--\r\n"
    b"epilogue\r\n"
)


def bodies(message: Message) -> list[tuple[str, bytes]]:
    """Type and bytes of each leaf."""
    return [(part.content_type, message.data[slice(*part.body)]) for part in message.leaves]


def kinds(data: bytes, *, complete: bool = True) -> list[str]:
    """The defects of a mail by name."""
    return [defect.kind.value for defect in scan(data, complete=complete).defects]


def multipart(*lines: bytes, boundary: bytes = b"b") -> bytes:
    """A multipart of these lines."""
    head = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
    return head + b"\r\n".join(lines) + b"\r\n"


def test_tree_of_parts() -> None:
    """Reading order, parents, children and leaves; a boundary may be followed by blanks."""
    message = scan(NESTED)
    assert message.defects == ()
    assert [
        (part.index, part.leaf, part.parent, part.children, part.content_type) for part in message.parts
    ] == [
        (0, None, None, (1, 4, 5), "multipart/mixed"),
        (1, None, 0, (2, 3), "multipart/alternative"),
        (2, 0, 1, (), "text/plain"),
        (3, 1, 1, (), "text/html"),
        (4, 2, 0, (), "application/pdf"),
        (5, 3, 0, (), "text/plain"),
    ]


def test_bodies_end_before_the_crlf_of_the_boundary() -> None:
    """The CRLF before a boundary belongs to the boundary, also where nothing stands before it."""
    assert bodies(scan(NESTED)) == [
        ("text/plain", b"hello"),
        ("text/html", b"PGI+\r\n"),
        ("application/pdf", b""),
        ("text/plain", b"no header of its own"),
    ]


def test_what_the_header_says() -> None:
    """Type, encoding and disposition in lower case, parameters' values as they are."""
    parts = scan(NESTED).parts
    assert parts[2].parameters == {"charset": "UTF-8"}
    assert (parts[3].encoding, parts[2].encoding) == ("base64", "7bit")
    assert (parts[4].disposition, parts[4].filename) == ("attachment", "a b.pdf")


def test_fields_keep_their_bytes() -> None:
    """A field's span has its folds and its CRLF; its value is unfolded."""
    message = scan(NESTED)
    subject = message.head.first(b"subject")
    assert subject is not None
    assert subject.raw(NESTED) == b"Subject: a\r\n folded\tvalue\r\n"
    assert subject.value(NESTED) == b"a folded\tvalue"
    assert message.head.first(b"to") is None
    assert (
        b"".join(field.raw(NESTED) for field in message.head.fields) + b"\r\n"
        == NESTED[: message.parts[0].body[0]]
    )


def test_repeated_fields_come_in_order() -> None:
    """`all` gives every field of a name from the top down, `value` the first one's."""
    message = scan(b"Received: a\r\nX: y\r\nReceived:b\r\n\r\n")
    assert [field.value(message.data) for field in message.head.all(b"received")] == [b"a", b"b"]
    assert message.head.value(b"received") == b"a"
    assert message.head.value(b"to") is None


def test_a_name_in_a_value_is_no_field() -> None:
    """Neither behind another colon, nor at the start of a folded line, nor at the end of a longer name."""
    message = scan(
        b"X: subject: a\r\n subject: b\r\nX-Subject: c\r\nSUBJECT:\r\n d\r\n\te\r\nSubject: f\r\n\r\n"
    )
    assert message.head.value(b"subject") == b"d\te"
    assert [field.start for field in message.head.all(b"subject")] == [42, 60]
    assert (message.head.count(b"subject"), message.head.count(b"x")) == (2, 1)


@pytest.mark.parametrize("more", [b"", b"Odd : field\r\n"])
def test_a_doubt_tells_the_place_of_its_field(more: bytes) -> None:
    """Also among fields that decide nothing, in a header read at once and in one read field by field."""
    data = (
        b"A: b\r\nMIME-Version: 2\r\nC: d\r\nContent-Type: text/plain\r\ncontent-type: x\r\n" + more + b"\r\n"
    )
    doubts = [
        (defect.kind, defect.at) for defect in scan(data).defects if defect.kind != "space-before-colon"
    ]
    assert doubts == [("mime-version", 6), ("duplicate-mime-field", data.index(b"content-type: x"))]


def test_long_mime_fields_are_read_as_short_ones_are() -> None:
    """What is too long to be remembered says the same."""
    for size in (1, 400):
        part = scan(b"Content-Type: a/b; name=%b; charset=UTF-8\r\n\r\n" % (b"n" * size)).parts[0]
        assert (part.content_type, part.filename, part.parameters["charset"]) == ("a/b", "n" * size, "UTF-8")


def test_an_mmap_is_read_like_bytes() -> None:
    """Large mails lie in a file; the same spans are found there."""
    with tempfile.TemporaryFile() as file:
        file.write(NESTED)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            message = scan(mapped)
            assert [(part.header, part.body, part.content_type) for part in message.parts] == [
                (part.header, part.body, part.content_type) for part in scan(NESTED).parts
            ]
            assert message.defects == ()
            assert message.head.value(b"subject") == b"a folded\tvalue"


def test_a_header_alone_is_a_mail() -> None:
    """RFC 5322 §3.5: the body is optional, and so is the blank line then."""
    for data in (b"From: a@example.com\r\n", b"From: a@example.com\r\n\r\n"):
        message = scan(data)
        assert message.defects == ()
        assert message.parts[0].body == (len(data), len(data))


def test_embedded_messages_are_leaves() -> None:
    """What is inside message/rfc822 is never looked into, whatever its own boundaries say."""
    inner = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n"
    message = scan(multipart(b"--b", b"Content-Type: message/rfc822", b"", inner, b"--b--"))
    assert message.defects == ()
    assert bodies(message) == [("message/rfc822", inner)]


def test_a_digest_holds_messages() -> None:
    """RFC 2046 §5.1.5: parts of a digest are messages unless they say otherwise."""
    data = multipart(b"--b", b"", b"From: x@example.com", b"", b"hi", b"--b--").replace(b"/mixed", b"/digest")
    assert bodies(scan(data)) == [("message/rfc822", b"From: x@example.com\r\n\r\nhi")]


def test_missing_content_type_is_plain_text() -> None:
    """RFC 2045 §5.2."""
    part = scan(b"From: a@example.com\r\n\r\nhi\r\n").parts[0]
    assert (part.content_type, dict(part.parameters), part.leaf) == ("text/plain", {}, 0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ["no-header"]),
        (b"\r\nhello\r\n", ["no-header"]),
        (b"From: a\r\nno colon here\r\nTo: b\r\n\r\n", ["header-line-without-colon"]),
        (b"From me Mon Jan  1\r\nTo: b\r\n\r\n", ["header-line-without-colon"]),
        (b"Subject : a\r\n\r\n", ["space-before-colon"]),
        (b"Subject: a\r\n \r\n b\r\n\r\n", ["fold-of-blanks", "fold-of-blanks"]),
        (b"Subject: a\0b\r\n\r\n", ["header-line-without-colon", "no-header", "nul"]),
        (b"Subject: a\r\n\r\nbody\0\r\n", ["nul"]),
        (b"Subject: a\r\n\r\nbody\n", ["bare-cr-or-lf"]),
        (b"Subject: a\r\n\r\nbody\r", ["bare-cr-or-lf"]),
        (b"Subject: a\r\n\r\n\n\r", ["bare-cr-or-lf"]),
        (b"Subject: a\nb\r\n\r\n", ["header-line-without-colon", "no-header", "bare-cr-or-lf"]),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", ["duplicate-mime-field"]),
        (
            b"From: a\r\nContent-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            ["duplicate-mime-field"],
        ),
        (b"MIME-Version: 1.0\r\nMIME-Version: 1.0\r\n\r\n", ["duplicate-mime-field"]),
        (b"MIME-Version: 2.0\r\n\r\n", ["mime-version"]),
        (b"Content-Type: text\r\n\r\n", ["content-type"]),
        (b"Content-Type: text/plain; charset=a; charset=b\r\n\r\n", ["content-type"]),
        (b'Content-Type: text/plain; charset="utf-8\r\n\r\n', ["content-type"]),
        (b"Content-Transfer-Encoding: 8-bit\r\n\r\n", ["transfer-encoding"]),
        (b"Content-Type: multipart/mixed\r\n\r\n", ["multipart-without-boundary"]),
        (b'Content-Type: multipart/mixed; boundary=""\r\n\r\n', ["boundary-value"]),
        (b'Content-Type: multipart/mixed; boundary="b "\r\n\r\n', ["boundary-value"]),
        (b"Content-Type: multipart/mixed; boundary=---\r\n\r\n", ["boundary-value"]),
        (b"Content-Type: text/plain; boundary=b\r\n\r\na\r\n--b\r\n\r\nc\r\n", ["line-like-a-boundary"]),
        (b"Content-Type: text/plain; boundary=b\r\n\r\n--b--\r\n", ["line-like-a-boundary"]),
        (b"Content-Type: text/plain; boundary=b\r\n\r\na --b\r\n", []),
        (b'Content-Type: text/plain; boundary=""\r\n\r\na\r\n--\r\n', []),
        (multipart(b"no boundary at all"), ["multipart-without-parts"]),
        (multipart(b"--b--"), ["multipart-without-parts"]),
        (multipart(b"--b", b"", b"text"), ["close-delimiter-missing"]),
        (multipart(b"--b", b"", b"text", b"--b--", b"--b", b"", b"again"), ["boundary-after-close"]),
        (multipart(b"--b", b"", b"text", b"--bc", b"--b--"), ["line-like-a-boundary"]),
        (multipart(b"--b", b"", b"text", b"--b-- x", b"--b--"), ["line-like-a-boundary"]),
        (multipart(b"--b", b"--b", b"", b"text", b"--b--"), ["header-without-blank-line"]),
        (multipart(b"--b", b"X: y", b"--b--"), ["header-without-blank-line"]),
        (multipart(b"--b", b"no header", b"", b"text", b"--b--"), ["header-line-without-colon"]),
        (
            multipart(b"--b", b"Content-Type: multipart/mixed; boundary=b", b"", b"--b", b"", b"x", b"--b--"),
            ["boundary-used-twice"],
        ),
        (
            multipart(
                b"--b",
                b"Content-Type: multipart/mixed; boundary=bb",
                b"",
                b"--bb",
                b"",
                b"x",
                b"--bb--",
                b"--b--",
            ),
            ["boundary-is-prefix"],
        ),
        (
            multipart(b"--b", b"Content-Type: multipart/mixed; boundary=c", b"", b"--c", b"", b"x", b"--b--"),
            ["close-delimiter-missing"],
        ),
        (
            multipart(b"--b", b"", b"x", b"--b--").replace(
                b"From:", b"Content-Transfer-Encoding: base64\r\nFrom:"
            ),
            ["multipart-encoded"],
        ),
        (multipart(b"--b", b"", b"x", b"--b")[:-2], ["part-without-header-end", "close-delimiter-missing"]),
        (multipart(b"--b", b"", b"x", b"--b--")[:-2], []),
        (b"X: " + b"y" * (1 << 20) + b"\r\n\r\n", ["header-too-large", "no-header"]),
        (multipart(b"--b", b"Content-Type: a/b", b"", b"x\ny\n--z", b"--b--"), ["bare-cr-or-lf"]),
        (multipart(b"--b", b"Content-Type: a/b", b"", b"x\r--z", b"--b--"), ["bare-cr-or-lf"]),
        (multipart(b"--b", b"Content-Type: a/b", b"", b"x\ny\rz", b"--b--"), []),
        (multipart(b"--b", b"Content-Type: text/x", b"", b"x\ny", b"--b--"), ["bare-cr-or-lf"]),
        (
            multipart(b"--b", b"Content-Type: a/b; boundary=z", b"", b"--z", b"--b--"),
            ["line-like-a-boundary"],
        ),
        (multipart(b"--b", b"Content-Type: a/b; boundary=z", b"", b"x", b"--b", b"", b"--z", b"--b--"), []),
        (multipart(b"--b", b"", b"x", b"--b--", b"epilogue --b")[:-2] + b"\r\n--b", ["boundary-after-close"]),
    ],
)
def test_doubts_are_named(data: bytes, expected: list[str]) -> None:
    """Each thing that two readers could take differently is a defect, by name."""
    assert kinds(data) == expected


LARGE = b"\r\n".join([b"QUJD" * 18] * 1_000)
FILE = b"--b\r\nContent-Type: application/pdf\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([FILE + LARGE], []),
        ([FILE + LARGE, FILE + LARGE, FILE + b"x"], []),
        ([FILE + LARGE + b"\r\n--x\r\n" + LARGE], []),
        ([FILE + LARGE + b"\n--x\r\n" + LARGE], ["bare-cr-or-lf"]),
        ([FILE + LARGE + b"\r--x\r\n" + LARGE], ["bare-cr-or-lf"]),
        ([FILE + LARGE, FILE + b"x\n--z"], ["bare-cr-or-lf"]),
        ([FILE + b"x\r--z", FILE + LARGE], ["bare-cr-or-lf"]),
        ([FILE + LARGE, FILE + b"x\n--z", FILE + LARGE], ["bare-cr-or-lf"]),
        ([FILE + LARGE + b"\n"], []),
    ],
)
def test_lines_that_begin_with_dashes_between_large_files(parts: list[bytes], expected: list[str]) -> None:
    """A large file without a dash is passed over, and nothing else."""
    assert kinds(multipart(*parts, b"--b--")) == expected
    assert kinds(multipart(*parts, b"--b--", b"epilogue\n--z")) == ["bare-cr-or-lf"]


def test_nesting_has_a_bound() -> None:
    """Deeper than any letter: named, and not walked into."""
    levels = range(MAX_DEPTH + 2)
    opening = b"Content-Type: multipart/mixed; boundary=x%dx\r\n\r\n--x%dx\r\n"
    data = b"".join(opening % (n, n) for n in levels)
    data += b"\r\ntext" + b"".join(b"\r\n--x%dx--" % n for n in reversed(levels))
    message = scan(data)
    assert message.defects[0].kind == DefectKind.TOO_DEEP
    assert str(message.defects[0]).startswith("nested-too-deep at ")
    assert len(message.parts) == MAX_DEPTH + 1


def test_parts_and_lines_have_bounds() -> None:
    """More than any program writes: named, and the rest is not read."""
    many = scan(multipart(*(b"--b\r\n\r\nx",) * (MAX_PARTS + 5), b"--b--"))
    assert [defect.kind for defect in many.defects] == [DefectKind.TOO_MANY]
    assert len(many.parts) == MAX_PARTS + 1
    # Two open boundaries with nothing in common: every line that begins with dashes could be one.
    inner = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n"
    dashes = scan(multipart(inner + b"--\r\n" * (MAX_CANDIDATES + 5), b"--c--", b"--b--"))
    assert {defect.kind for defect in dashes.defects} == {DefectKind.TOO_MANY}


def test_fields_below_a_garbage_line_are_seen() -> None:
    """Loops are counted even where a line of the header is broken."""
    message = scan(b">From me\r\nReceived: a\r\n\r\n")
    assert [defect.kind for defect in message.defects] == [DefectKind.NO_COLON]
    assert len(message.head.all(b"received")) == 1


def test_a_boundary_that_looks_like_a_field_ends_the_header() -> None:
    """A boundary may hold a colon, and a field's name may begin with dashes; the boundary wins."""
    data = multipart(b"--a:b", b"X: y", b"--a:b", b"", b"text", b"--a:b--", boundary=b'"a:b"')
    message = scan(data)
    assert [defect.kind for defect in message.defects] == [DefectKind.NO_BLANK_LINE]
    assert bodies(message) == [("text/plain", b""), ("text/plain", b"text")]


@pytest.mark.parametrize("end", range(len(NESTED)))
def test_a_head_has_no_defect_that_the_whole_has_not(end: int) -> None:
    """Cut anywhere, a sound mail looks sound, and what is complete in the head is as it is in the whole."""
    whole = scan(NESTED)
    head = scan(NESTED[:end], complete=False)
    assert head.defects == ()
    assert not head.complete
    assert not head.parts[0].complete
    for part in head.parts:
        if part.complete:
            same = whole.parts[part.index]
            assert (part.header, part.body, part.content_type) == (same.header, same.body, same.content_type)
    for field in head.head.fields:
        assert field in whole.head.fields


def test_a_head_ends_its_open_parts_with_the_data() -> None:
    """What is open in a held head ends at the end of the data and says so."""
    head = scan(NESTED[: NESTED.index(b"PGI+") + 2], complete=False)
    assert [(part.complete, part.body[1] == len(head.data)) for part in head.parts] == [
        (False, True),
        (False, True),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("text", [b"%ba\r\n", b"%ba\r\r\n", b"%ba\n", b"\n%ba\r\n", b"a\rb\n%b", b"a\n\rb%b"])
def test_line_ends_of_short_and_long_text(text: bytes, size: int) -> None:
    """However long a text is, a CR or LF that stands alone in it is seen, wherever it stands."""
    whole = text % (b"b" * size)
    assert has_bare_line_end(whole, 0, len(whole)) == (text != b"%ba\r\n")


@given(st.text(alphabet="\r\n a", max_size=12))
def test_bare_line_ends(text: str) -> None:
    """What is left of all lines once the line ends are taken out has neither CR nor LF."""
    left = text.replace("\r\n", "")
    data = text.encode()
    assert has_bare_line_end(data, 0, len(data)) == ("\r" in left or "\n" in left)
