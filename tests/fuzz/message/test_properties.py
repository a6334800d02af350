"""What holds for every mail: generated trees of parts, and bytes that only look like mail."""

import mmap
import re
import tempfile

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.message.agree import agrees_with_standard_library
from gateway.message.defects import Defect
from gateway.message.exempt import exemption
from gateway.message.fields import in_pairs, read_fields
from gateway.message.header import read_header
from gateway.message.html import read_html
from gateway.message.identity import mail_key
from gateway.message.quotes import divide
from gateway.message.scan import Message, Part, scan
from gateway.message.splice import Edit, differs_only_by, join, splice, undo
from gateway.message.subject import decode_header
from gateway.message.text import read_text
from gateway.message.trace import count_marks, has_own_id
from gateway.message.transfer import TransferError, decode
from tests.fuzz.message.trees import GARBAGE, TREES, Tree
from tests.unit.message.samples import HEAD, MAILS

ANY = st.one_of(GARBAGE, TREES.map(lambda tree: HEAD + tree.data), st.sampled_from(list(MAILS.values())))


def assert_tiles(message: Message, part: Part) -> None:
    """Header and body fill the part; a multipart's parts lie in its body, in order and apart."""
    assert part.header[0] <= part.header[1] == part.body[0] <= part.body[1]
    position = part.header[0]
    for field in part.head.fields:
        assert position <= field.start < field.value_start < field.end <= part.header[1]
        position = field.end
    position = part.body[0]
    for index in part.children:
        child = message.parts[index]
        assert child.parent == part.index
        assert position <= child.header[0] <= child.body[1] <= part.body[1]
        position = child.body[1]
        assert_tiles(message, child)


@given(TREES)
def test_generated_trees_are_found_again(tree: Tree) -> None:
    """Every leaf with its type, encoding and bytes; no defect; and the standard library sees the same."""
    data = HEAD + tree.data
    message = scan(data)
    assert message.defects == ()
    assert [(part.content_type, part.encoding, data[slice(*part.body)]) for part in message.leaves] == [
        (leaf.kind, leaf.encoding, leaf.body) for leaf in tree.leaves
    ]
    assert_tiles(message, message.parts[0])
    assert (message.parts[0].header[0], message.parts[0].body[1]) == (0, len(data))
    assert agrees_with_standard_library(message)


@given(TREES, st.data())
def test_cut_trees_have_no_defect_of_their_own(tree: Tree, data: st.DataObject) -> None:
    """A held head of a sound mail is sound, and its complete parts are those of the whole."""
    whole = HEAD + tree.data
    at = data.draw(st.integers(0, len(whole) - 1))
    head = scan(whole[:at], complete=False)
    assert head.defects == ()
    parts = scan(whole).parts
    for part in head.parts:
        assert not part.complete or part.body == parts[part.index].body


@given(ANY, st.booleans())
def test_whatever_the_bytes_nothing_is_raised(data: bytes, complete: bool) -> None:  # noqa: FBT001
    """Scan, text, exemption, key and trace take anything, and the spans lie where they can."""
    message = scan(data, complete=complete)
    assert_tiles(message, message.parts[0])
    assert message.parts[0].header[0] == 0
    text = read_text(message)
    for body in (text.plain, text.html):
        if body is not None:
            assert 0 <= body.new_end <= len(body.decoded)
            for prose in (body.new, body.quoted):
                places = prose.positions
                assert len(places) == len(prose.text) + 1
                assert all(0 <= place <= len(body.decoded) for place in places)
                assert list(places) == sorted(places)
    assert len(text.subject.positions) == len(text.subject.text) + 1
    exemption(message, null_sender=False, id_key=b"k")
    assert len(mail_key(message, text, reverse_path=b"a@b", key=b"k")) == 32
    assert count_marks(message, b"k") == 0
    assert not has_own_id(message, b"k")
    agrees_with_standard_library(message)


@given(ANY)
def test_an_mmap_gives_the_same(data: bytes) -> None:
    """Bytes and mmap are one to the scanner."""
    assume(data)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            one, other = scan(data), scan(mapped)
            assert (one.parts, one.defects) == (other.parts, other.defects)
            assert read_text(one) == read_text(other)


@given(ANY)
def test_a_sound_mail_agrees_or_is_left_alone(data: bytes) -> None:
    """Where both readers find nothing wrong, no field or part is missing from the other's view."""
    message = scan(data)
    if not message.defects and agrees_with_standard_library(message):
        position = 0
        for field in message.head.fields:
            assert field.start == position
            position = field.end


@given(st.binary(max_size=60), st.data())
def test_undo_gives_back_the_input(data: bytes, draw: st.DataObject) -> None:
    """For any edits; and a byte changed elsewhere is noticed."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edits = [
        Edit(start=start, end=end, replacement=draw.draw(st.binary(max_size=5)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    edited = join(data, splice(data, edits))
    assert undo(edited, edits, data) == data
    assert differs_only_by(edited, edits, data)
    assert len(edited) == len(data) + sum(len(edit.replacement) - (edit.end - edit.start) for edit in edits)
    if edited:
        at = draw.draw(st.integers(0, len(edited) - 1))
        broken = edited[:at] + bytes((edited[at] ^ 1,)) + edited[at + 1 :]
        assert not differs_only_by(broken, edits, data)


@given(st.text(alphabet=st.sampled_from("<>/!-'\"= abpr&;#1\n採"), max_size=60))
def test_html_of_any_kind(source: str) -> None:
    """Never raises; positions lead into the source and never backwards."""
    read = read_html(source)
    places = [read.source_index(at) for at in range(len(read.text))]
    assert places == sorted(places)
    assert all(0 <= place < max(len(source), 1) for place in places)
    assert 0 <= read.body_end <= len(source)


@given(st.text(alphabet=st.sampled_from("> \r\nOnwrote:Fm-_差出人件名：a@<"), max_size=80))
def test_division_covers_the_text(text: str) -> None:
    """New and quoted spans together are the text, each character once."""
    division = divide(text)
    spans = sorted((*division.new, *division.quoted))
    assert "".join(text[start:end] for start, end in spans) == text
    assert 0 <= division.new_end <= len(text)


@given(st.binary(max_size=60))
def test_headers_of_any_kind(value: bytes) -> None:
    """A header value always has a text."""
    decode_header(value)
    decode_header(b"=?utf-8?B?" + value + b"?= =?shift_jis?Q?" + value + b"?=")


@given(st.binary(max_size=60), st.sampled_from(("base64", "quoted-printable", "7bit", "x")))
def test_transfer_encodings_of_any_kind(raw: bytes, encoding: str) -> None:
    """Decoded, or TransferError and nothing else."""
    try:
        decode(raw, encoding)
    except TransferError:
        return
    assert encoding != "x"


@pytest.mark.parametrize("name", MAILS)
def test_samples_read_byte_by_byte(name: str) -> None:
    """However much of a mail is held: what is said of complete text never changes again."""
    data = MAILS[name]
    whole = read_text(scan(data))
    seen = False
    for end in range(0, len(data), 37):
        text = read_text(scan(data[:end], complete=False))
        if text.complete:
            seen = True
            assert (text.plain, text.html, text.reason) == (whole.plain, whole.html, whole.reason)
        else:
            assert not seen


@given(ANY, st.data())
def test_a_header_read_at_once_is_what_its_fields_are(data: bytes, draw: st.DataObject) -> None:
    """The one pass over a header and the reading field by field give the same, also inside of a mail."""
    starts = [0, *(found.end() for found in re.finditer(rb"\r\n--[^\r\n]*\r\n", data))]
    start, complete = draw.draw(st.sampled_from(starts)), draw.draw(st.booleans())
    delimiters = draw.draw(st.sampled_from(((), (b"--b",), (b"--bb", b"--c")))) if start else ()
    doubts: list[Defect] = []
    fields, end, ended_by = read_fields(data, start, doubts, delimiters, complete=complete)
    defects: list[Defect] = []
    head, *rest = read_header(data, start, defects, delimiters, complete=complete, paired=in_pairs(data))
    assert (rest, defects) == ([end, ended_by], doubts)
    for name in (*(field.name for field in fields), b"none"):
        found = tuple(field for field in fields if field.name == name)
        first = found[0] if found else None
        assert (head.all(name), head.first(name), head.count(name)) == (found, first, len(found))
        assert head.value(name) == (None if first is None else first.value(data))
    assert head.fields == fields
    written = b"".join(field.name + data[field.value_start - 1 : field.end] for field in fields)
    assert head.lower == head.text.lower() == b"\n" + written.lower()


@given(ANY, ANY, st.data())
def test_a_scan_is_the_same_whatever_it_is_like(data: bytes, other: bytes, draw: st.DataObject) -> None:
    """A mail known before changes nothing in what is found: itself, itself with an edit, any other mail."""
    at = draw.draw(st.integers(0, len(data)))
    edited = data[:at] + draw.draw(GARBAGE) + data[draw.draw(st.integers(at, len(data))) :]
    for known in (data, other):
        like = scan(known)
        for each in (data, edited):
            assert scan(each, like=like) == scan(each)
